"""Measure ranked lists: one value per user and metric, the same way for every model."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from recsys_kit import metrics
from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.vectors import Vectors

OF_ALL_LISTS = ("coverage", "gini", "popularity_lift")
"""Metrics of all lists together: no value per user, so no interval and no paired test."""
WARMTH = {"history 0": 0, "history 1-4": 1, "history 5+": 5}
"""Slices of users, each from this number of training events."""
POPULARITY = {"product 0": 0, "product 1-9": 1, "product 10-29": 10, "product 30+": 30}
"""Slices of relevant items, each from this number of training users."""


def assign_bins(counts: np.ndarray, bins: Mapping[str, int]) -> np.ndarray:
    """Return the name of the last bin that starts at or below each count.

    >>> assign_bins(np.array([0, 4, 5]), WARMTH).tolist()
    ['history 0', 'history 1-4', 'history 5+']
    """
    return np.array(list(bins))[np.searchsorted(list(bins.values()), counts, side="right") - 1]


def slice_users(train_events: np.ndarray) -> dict[str, np.ndarray]:
    """Return the members of each slice of users, (U,) bool, by their number of training events.

    >>> {name: members.tolist() for name, members in slice_users(np.array([0, 7])).items()}["warm"]
    [False, True]
    """
    bins = assign_bins(train_events, WARMTH)
    members = {"all": np.ones(len(train_events), bool), "warm": train_events > 0}
    return members | {name: bins == name for name in WARMTH}


def max_novelty(n_users: int) -> float:
    """Return the bits of an item with which none of `n_users` interacted.

    >>> max_novelty(3)
    2.0
    """
    return float(metrics.self_information(np.zeros(1), n_users)[0])


class Measures:
    """All metrics of lists of item indices; what does not depend on the model is computed once."""

    def __init__(self, split: EncodedSplit, cutoffs: Sequence[int], vectors: Vectors | None) -> None:
        """Prepare the measures of the test set.

        Args:
            split: an encoded split with the targets of "test"; its item table may have a column `category`.
            cutoffs: the list lengths.
            vectors: one row per item of the catalogue, for intra-list diversity.
        """
        self.targets, self.cutoffs, self.n_items = split.targets["test"], cutoffs, len(split.items)
        self.histories = self.targets.histories.matrix(self.n_items)  # (U, N)
        self.item_counts = split.item_counts.astype(np.int64)
        self.n_train_users = len(split.users)
        self.vectors = None if vectors is None else vectors.values
        items = pd.DataFrame(columns=["item_id"]) if split.item_table is None else split.item_table
        categories = items.drop_duplicates("item_id").set_index("item_id").get("category", pd.Series(dtype=object))
        self.categories = None
        if categories.notna().any():
            self.categories = metrics.category_vectors(categories.reindex(split.items.ids).to_numpy(object))
            self.history_shares = metrics.category_shares(self.histories, self.categories)
        counts = np.r_[self.item_counts, np.zeros(len(self.targets.outside), int)]
        self.popularity = assign_bins(counts[self.targets.items], POPULARITY)

    def measure_users(self, lists: np.ndarray, baseline: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Return the value of each user by metric (`ndcg@10` ...), (U,) float64 each; NaN where there is no answer.

        Args:
            lists: (U, K) int item indices, -1 after the end of a list.
            baseline: the lists of the baseline, (U, K), for serendipity.
        """
        targets, values = self.targets, {}
        hits, n_relevant = metrics.match(lists, targets.rows, targets.items)
        graded = None
        if targets.grades is not None:
            graded = metrics.match_grades(lists, targets.rows, targets.items, targets.grades)
        for k in self.cutoffs:
            values |= metrics.ranking_metrics(hits, n_relevant, k)
            if graded is not None:
                values |= {f"ndcg_{gain}@{k}": metrics.ndcg(*graded, k, gain=gain) for gain in metrics.GAINS}
            if baseline is not None:
                values[f"serendipity@{k}"] = metrics.serendipity(hits, lists, baseline, n_relevant, k)
            if self.vectors is not None:
                values[f"diversity@{k}"] = metrics.intra_list_diversity(lists, self.vectors, k)
            if self.categories is not None:
                values[f"category_diversity@{k}"] = metrics.intra_list_diversity(lists, self.categories, k)
                values[f"calibration@{k}"] = metrics.calibration(lists, self.history_shares, self.categories, k)
            values[f"novelty@{k}"] = metrics.novelty(lists, self.item_counts, self.n_train_users, k)
            values[f"popularity@{k}"] = metrics.average_popularity(lists, self.item_counts, self.n_train_users, k)
            novelty = values[f"novelty@{k}"] / max_novelty(self.n_train_users)
            values[f"experience@{k}"] = metrics.experience_index(values[f"ndcg@{k}"], values[f"recall@{k}"], novelty)
        return values

    def measure_all(self, lists: np.ndarray) -> dict[str, float]:
        """Return the metrics that belong to all lists together, by name (`coverage@10` ...)."""
        values = {}
        for k in self.cutoffs:
            values[f"coverage@{k}"] = metrics.coverage(lists, self.n_items, k)
            values[f"gini@{k}"] = metrics.gini(lists, self.n_items, k)
            values[f"popularity_lift@{k}"] = metrics.popularity_lift(lists, self.histories, self.item_counts, k)
        return values

    def measure_popularity(self, lists: np.ndarray, name: str) -> dict[str, np.ndarray]:
        """Return the ranking metrics where only the items of one slice of `POPULARITY` are relevant, (U,) each."""
        chosen = self.popularity == name
        matched, values = metrics.match(lists, self.targets.rows[chosen], self.targets.items[chosen]), {}
        for k in self.cutoffs:
            values |= metrics.ranking_metrics(*matched, k)
        return values


def stack(measured: Iterable[Mapping[str, np.ndarray]]) -> tuple[list[str], np.ndarray]:
    """Return the names of the Q metrics and the values (U, M, Q) from the measures of M models."""
    names, tables = [], []
    for one in measured:
        names = list(one)
        tables.append(np.column_stack([*one.values()]))
    return names, np.stack(tables, axis=1)
