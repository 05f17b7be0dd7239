"""From ranked lists to one value per shopper and metric: the one judge of every model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_kit import metrics
from recsys_kit.core.vectors import Vectors
from recsys_kit.data.splitting import Split, kinds_of
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.recommenders.base import Recommender, check_models

OF_ALL_LISTS = ("coverage", "gini", "popularity_lift")
"""Metrics of all lists together: no value per shopper, so no interval and no paired test."""
WARMTH = {"history 0": 0, "history 1-4": 1, "history 5+": 5}
"""Slices of shoppers, each from this number of events in train."""
POPULARITY = {"product 0": 0, "product 1-9": 1, "product 10-29": 10, "product 30+": 30}
"""Slices of what was wanted: the relevant products that at least this many shoppers of train had."""


def bins_of(counts: np.ndarray, bins: Mapping[str, int]) -> np.ndarray:
    """The name of the last bin that starts at or below each count.

    >>> bins_of(np.array([0, 4, 5]), WARMTH).tolist()
    ['history 0', 'history 1-4', 'history 5+']
    """
    return np.array(list(bins))[np.searchsorted(list(bins.values()), counts, side="right") - 1]


@dataclass(frozen=True)
class Task:
    """What every model is asked: for each shopper, from what history, and what was relevant."""

    ground_truth: pd.DataFrame
    """user_id, item_id: what the shoppers took, of what they had not had before."""
    users: np.ndarray
    """(U,) str, sorted: the shoppers with at least one relevant item."""
    histories: list[list[str]]
    """What each had up to the cut, oldest first."""
    seen: list[list[str]] | None
    """What is masked in the lists; None: the histories."""
    train_events: np.ndarray
    """(U,) int: how many events of train are theirs."""
    catalogue: pd.Index
    """(N,) str: the items that every model ranks."""
    relevant: tuple[np.ndarray, np.ndarray]
    """Row of `users` and column of `catalogue` of each row of `ground_truth`; unknown items lie beyond the columns."""


def set_task(
    models: Mapping[str, Recommender],
    split: Split,
    part: str,
    min_rating: float | None = None,
    target_events: Sequence[str] = (),
    seen_events: Sequence[str] = (),
) -> Task:
    """The same question for all models; what is relevant is said in `Split.ground_truth`.

    Raises:
        DataError: RK-152 nothing is relevant, RK-155 no user has a history or no relevant item is in the catalogue.
        ParameterError: RK-157 there is no model, RK-316 models of different catalogues.
    """
    check_models(models)
    seen_events = kinds_of(seen_events)
    truth = split.ground_truth(part, min_rating=min_rating, target_events=target_events, seen_events=seen_events)
    users, rows = np.unique(truth["user_id"].to_numpy(str), return_inverse=True)
    if not len(users):
        raise DataError(
            "RK-152",
            f"no shopper of {part} took anything new; expected at least one.",
            "Cut elsewhere or use more data.",
        )
    catalogue = next(iter(models.values())).item_ids
    if any(not np.array_equal(model.item_ids, catalogue) for model in models.values()):
        raise ParameterError("RK-316", "the models rank different catalogues.", "Fit all with the same items=.")
    index = pd.Index(catalogue)
    place, unknown = index.get_indexer(truth["item_id"]), pd.factorize(truth["item_id"])[0]
    place = np.where(place < 0, len(index) + unknown, place)  # outside the catalogue: a miss for every model
    by_user = split.histories(part)
    histories = [list(by_user.get(user, [])) for user in users]
    seen = split.seen_items(part, seen_events) if len(seen_events) else None
    events = split.train["user_id"].value_counts()
    n_with_history, n_known = sum(map(bool, histories)), int((place < len(index)).sum())
    if not n_with_history or not n_known:
        raise DataError(
            "RK-155",
            f"{n_with_history:,} of {len(users):,} users of {part} have a history, and {n_known:,} of {len(truth):,} "
            "relevant items are in the catalogue of the models; expected some of both.",
            "Check that all parts of the split, and the models, write users and items alike.",
        )
    return Task(
        ground_truth=truth,
        users=users,
        histories=histories,
        seen=None if seen is None else [list(seen.get(user, [])) for user in users],
        train_events=events.reindex(users, fill_value=0).to_numpy(np.int64),
        catalogue=index,
        relevant=(rows, place),
    )


@dataclass(frozen=True)
class Judgement:
    """The values of one model's lists; every array is `(U,)`, in the order of `Task.users`."""

    per_user: dict[str, np.ndarray]
    """By metric, `ndcg@10` and so on."""
    per_product: dict[str, dict[str, np.ndarray]]
    """By slice of `POPULARITY`, by ranking metric: only these products count as relevant; NaN for who wanted none."""
    of_all_lists: dict[str, float]
    """By metric: what belongs to all lists together."""


class ListJudge:
    """Judges lists of item indices; what does not depend on the model is made once."""

    def __init__(
        self,
        task: Task,
        histories: sparse.csr_array,
        train: pd.DataFrame,
        cutoffs: Sequence[int],
        *,
        vectors: Vectors | None = None,
        categories: pd.Series | None = None,
        grades: np.ndarray | None = None,
    ) -> None:
        """Prepare.

        Args:
            task: the question.
            histories: `(U, N)`, 1 where the shopper had the item before the cut, whatever the kind of event.
            train: the interactions of train, which say how popular an item is.
            cutoffs: the list lengths to judge.
            vectors: how alike items are.
            categories: item_id -> category.
            grades: the grade of each row of the ground truth.
        """
        self.task, self.cutoffs, self.grades, self.incidence = task, cutoffs, grades, histories
        pairs = train[["user_id", "item_id"]].drop_duplicates()
        self.item_counts = pairs["item_id"].value_counts().reindex(task.catalogue, fill_value=0).to_numpy()
        self.n_train_users = pairs["user_id"].nunique()
        self.vectors = None if vectors is None else vectors.align(task.catalogue.tolist()).values
        self.kinds = None
        if categories is not None and categories.notna().any():
            self.kinds = metrics.category_vectors(categories.reindex(task.catalogue).to_numpy(object))
            self.kinds_had = metrics.category_shares(histories, self.kinds)
        n_places = max(len(task.catalogue), task.relevant[1].max() + 1)
        counts = np.r_[self.item_counts, np.zeros(n_places - len(task.catalogue), int)]
        self.popularity = bins_of(counts[task.relevant[1]], POPULARITY)

    def to_lists(self, ranked: pd.DataFrame) -> np.ndarray:
        """`(U, K)` item indices of the rows `user_id, item_id, rank`; -1 where a list has ended."""
        lists = np.full((len(self.task.users), max(self.cutoffs)), -1, np.int64)
        rows = pd.Index(self.task.users).get_indexer(ranked["user_id"])
        lists[rows, ranked["rank"].to_numpy() - 1] = self.task.catalogue.get_indexer(ranked["item_id"])
        return lists

    def judge(self, lists: np.ndarray, expected: np.ndarray | None = None) -> Judgement:
        """All metrics of `lists` `(U, K)`; `expected` are the obvious lists, for serendipity."""
        hits, n_relevant = metrics.match(lists, *self.task.relevant)
        per_user, of_all_lists = {}, {}
        graded = None if self.grades is None else metrics.match_grades(lists, *self.task.relevant, self.grades)
        for k in self.cutoffs:
            per_user |= metrics.ranking_metrics(hits, n_relevant, k)
            if graded is not None:
                per_user |= {f"ndcg_{gain}@{k}": metrics.ndcg(*graded, k, gain=gain) for gain in metrics.GAINS}
            if expected is not None:
                per_user[f"serendipity@{k}"] = metrics.serendipity(hits, lists, expected, n_relevant, k)
            per_user |= self._beyond_accuracy(lists, k)
            novelty = per_user[f"novelty@{k}"] / max_novelty(self.n_train_users)
            per_user[f"experience@{k}"] = metrics.experience_index(
                per_user[f"ndcg@{k}"], per_user[f"recall@{k}"], novelty
            )
            of_all_lists[f"coverage@{k}"] = metrics.coverage(lists, len(self.task.catalogue), k)
            of_all_lists[f"gini@{k}"] = metrics.gini(lists, len(self.task.catalogue), k)
            of_all_lists[f"popularity_lift@{k}"] = metrics.popularity_lift(lists, self.incidence, self.item_counts, k)
        return Judgement(per_user, self._by_product(lists), of_all_lists)

    def _beyond_accuracy(self, lists: np.ndarray, k: int) -> dict[str, np.ndarray]:
        values = {}
        if self.vectors is not None:
            values[f"diversity@{k}"] = metrics.intra_list_diversity(lists, self.vectors, k)
        if self.kinds is not None:
            values[f"category_diversity@{k}"] = metrics.intra_list_diversity(lists, self.kinds, k)
            values[f"calibration@{k}"] = metrics.calibration(lists, self.kinds_had, self.kinds, k)
        values[f"novelty@{k}"] = metrics.novelty(lists, self.item_counts, self.n_train_users, k)
        values[f"popularity@{k}"] = metrics.average_popularity(lists, self.item_counts, self.n_train_users, k)
        return values

    def _by_product(self, lists: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
        rows, places = self.task.relevant
        by_slice = {}
        for name in POPULARITY:
            chosen = self.popularity == name
            hits, n_relevant = metrics.match(lists, rows[chosen], places[chosen])
            values = [metrics.ranking_metrics(hits, n_relevant, k) for k in self.cutoffs]
            by_slice[name] = {metric: value for at_k in values for metric, value in at_k.items()}
        return by_slice


def max_novelty(n_users: int) -> float:
    """The bits of an item that none of `n_users` had.

    >>> max_novelty(3)
    2.0
    """
    return float(metrics.self_information(np.zeros(1), n_users)[0])
