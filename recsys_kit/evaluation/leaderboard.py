"""Many models, one table: the same users, catalogue and denominator, an interval beside every mean."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.core.contexts import context_of
from recsys_kit.core.encoded import EncodedSplit, Targets
from recsys_kit.core.ids import listed, with_text_ids
from recsys_kit.core.ranking import check_k
from recsys_kit.core.vectors import Vectors
from recsys_kit.core.vocabulary import Vocabulary
from recsys_kit.data.splitting import Split
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.evaluation.measures import OF_ALL_LISTS, Measures, slice_users, stack
from recsys_kit.evaluation.summaries import BASELINE, compare_to_baseline, summarize
from recsys_kit.recommenders.base import Ranked, Recommender
from recsys_kit.recommenders.store import check_models

CUTOFFS = (5, 10, 20)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The result of `evaluate`. Lists and values are arrays; tables of them are made when they are read."""

    items: Vocabulary
    """The catalogue: the N items that every model ranks."""
    targets: Targets
    """The U evaluated users, their histories and their relevant items."""
    train_events: np.ndarray
    """(U,) int64: the number of training events of each user."""
    lists: Mapping[str, Ranked]
    """By model, the evaluated lists: (U, K) int32 items, -1 after the end of a list, (U, K) scores, (U,) fallback; K is
    the largest cutoff, or N in a smaller catalogue."""
    columns: Sequence[str]
    """The Q metrics that have a value per user, `ndcg@10` and so on."""
    values: np.ndarray
    """(U, M, Q) float64: the value of each user, model (in the order of `lists`) and metric; NaN for no answer."""
    metrics: pd.DataFrame
    """model, slice, metric, k, value, low, high, n_users (with an answer). Slices are all, warm, `WARMTH` (by training
    events) and, for the ranking metrics, `POPULARITY` (only these items count as relevant)."""
    differences: pd.DataFrame
    """The same columns for the paired difference to the baseline, user by user, for all and for the warm."""
    protocol: dict[str, Any]
    """How it was measured, in counts."""

    @property
    def models(self) -> list[str]:
        """The names of the evaluated models."""
        return list(self.lists)

    @cached_property
    def ground_truth(self) -> pd.DataFrame:
        """The relevant items: user_id, item_id."""
        names = np.r_[self.items.ids, self.targets.outside]
        return pd.DataFrame({"user_id": self.targets.users[self.targets.rows], "item_id": names[self.targets.items]})

    def iter_recommendations(self) -> Iterator[pd.DataFrame]:
        """Yield the lists of one model after the other: model, user_id, item_id, score, rank, fallback."""
        return map(self._table, self.lists)

    def _table(self, name: str, users: Any = slice(None)) -> pd.DataFrame:
        lists = self.lists[name]
        own = Ranked(lists.items[users], lists.scores[users], lists.fallback[users])
        table = own.to_frame(self.targets.users[users], self.items.ids).rename(columns={"query": "user_id"})
        table.insert(0, "model", pd.Series(name, table.index, dtype="str"))
        return table

    @cached_property
    def recommendations(self) -> pd.DataFrame:
        """The lists of all models as one table; for many users rather take `iter_recommendations`."""
        return pd.concat(self.iter_recommendations(), ignore_index=True)

    def recommendations_for(self, user_id: str) -> pd.DataFrame:
        """Return the lists of one user: model, item_id, score, rank, fallback."""
        tables = [self._table(name, self.targets.users == user_id) for name in self.lists]
        return pd.concat(tables, ignore_index=True).drop(columns="user_id")

    @cached_property
    def per_user(self) -> pd.DataFrame:
        """A row per model and user: model, user_id, warm, train_events, then one column per metric."""
        who = {"user_id": self.targets.users, "warm": self.train_events > 0, "train_events": self.train_events}
        frames = [
            pd.DataFrame({"model": name} | who | dict(zip(self.columns, self.values[:, at].T, strict=True)))
            for at, name in enumerate(self.lists)
        ]
        return pd.concat(frames, ignore_index=True)

    def values_of(self, metric: str) -> pd.DataFrame:
        """Return one metric: a row per user_id, a column per model.

        Raises:
            ParameterError: RK-364 it has no value per user.
        """
        known = list(self.columns)
        if metric not in known:
            raise ParameterError("RK-364", f"{metric!r} was not measured by user.", f"Pass one of {known}.")
        values = self.values[:, :, known.index(metric)]
        return pd.DataFrame(values, pd.Index(self.targets.users, name="user_id"), self.models)

    def leaderboard(self, k: int = 10, slice_name: str = "all") -> pd.DataFrame:
        """Return one row per model, best NDCG first: each metric with its `_low` and `_high`, if any, and `n_users`."""
        chosen = self.metrics.query("slice == @slice_name and k == @k")
        rows = []
        for model, of_model in chosen.groupby("model", sort=False):
            row: dict[str, object] = {"model": model}
            for line in of_model.itertuples():
                row[f"{line.metric}@{k}"] = line.value
                if line.metric not in OF_ALL_LISTS:
                    row |= {f"{line.metric}@{k}_low": line.low, f"{line.metric}@{k}_high": line.high}
            rows.append(row | {"n_users": int(of_model["n_users"].iloc[0])})
        if not rows:  # no such user was evaluated
            return pd.DataFrame(columns=["model", f"ndcg@{k}", "n_users"])
        return pd.DataFrame(rows).sort_values(f"ndcg@{k}", ascending=False, kind="stable", ignore_index=True)


def evaluate(
    models: Mapping[str, Recommender],
    split: EncodedSplit | Split,
    *,
    cutoffs: Sequence[int] = CUTOFFS,
    item_vectors: str | Vectors | None = None,
    seed: int = 0,
    **options: Any,
) -> Evaluation:
    """Evaluate fitted models on the test set.

    Every model ranks the whole catalogue from the user's history up to the cut, without the items that the user has
    seen, in the context of the user's first test event where the split has contexts. A user counts when at least one
    item is relevant to them; the others are counted in `protocol`.

    Args:
        models: fitted models by the name they get on the leaderboard.
        split: `Split.encode(...)`, on which the models were fitted; it says what is relevant and what is masked. A
            `Split` is encoded here.
        cutoffs: the list lengths k to report.
        item_vectors: how alike items are, for intra-list diversity: the name of an item feature of the split, or
            vectors; without them there is no such metric.
        seed: seed of the bootstrap.
        options: for a `Split` only: `items`, the items table with `category`, for the diversity and calibration of
            categories; `context`, by user_id the context in which each user asks (`Split.request_context`);
            `min_rating`, `target_events`, `seen_events` and `grades` as for `Split.encode`.

    Raises:
        DataError: RK-152 nothing is relevant, RK-155 no user has a history or no relevant item is in the catalogue.
        ParameterError: RK-157 there is no model, RK-312 a wrong cutoff, RK-314 wrong item vectors, RK-316 models or a
            split of different catalogues, RK-371 options beside an encoded split, RK-372 unknown item features; for a
            `Split` as `Split.encode`, and RK-340, RK-343 to RK-347 for the context.

    >>> from recsys_kit.data import split_interactions
    >>> from recsys_kit.recommenders import Popularity
    >>> events = pd.DataFrame({"user_id": list("aaabbbb"), "item_id": list("xyzzxyx"), "position": range(7)})
    >>> encoded = split_interactions(events, method="leave_last_out").encode()
    >>> evaluation = evaluate({"popularity": Popularity().fit(encoded)}, encoded, cutoffs=[2])
    >>> evaluation.recommendations[["user_id", "item_id", "rank"]].values.tolist()
    [['a', 'z', 1]]
    """
    check_models(models)
    lengths: list[Any] = list(listed(cutoffs))
    for k in lengths or [None]:
        check_k(k)
    if isinstance(split, Split):
        split = _encode(next(iter(models.values())), split, **options)
    elif options:
        problem = f"evaluate() got an encoded split and {', '.join(options)}; expected the split alone."
        raise ParameterError("RK-371", problem, "Encode them with it.")
    targets = _check_targets(models, split)
    measures = Measures(split, lengths, _vectors(split, item_vectors))
    lists = {}
    for name, model in models.items():
        ranked = model.rank(targets.histories, k=max(lengths), context=split.contexts.get("test"), progress=True)
        lists[name] = replace(ranked, items=ranked.items.astype(np.int32))  # half the memory
    baseline = lists[BASELINE].items if BASELINE in lists else None
    columns, values = stack(measures.measure_users(one.items, baseline) for one in lists.values())
    counts = np.r_[np.bincount(split.train.user, minlength=len(split.users)), 0]
    train_events = counts[split.users.encode(targets.users)]  # -1, without training event: the last, 0
    slices = slice_users(train_events)
    return Evaluation(
        items=split.items,
        targets=targets,
        train_events=train_events,
        lists=lists,
        columns=columns,
        values=values,
        metrics=summarize(measures, lists, columns, values, slices, seed),
        differences=compare_to_baseline(list(lists), columns, values, slices, seed),
        protocol={
            "n_users": len(targets.users),
            "n_warm": int((train_events > 0).sum()),
            "n_cold": int((train_events == 0).sum()),
            "n_without_new_item": targets.n_without,
            "n_items_ranked": len(split.items),
            "n_train_users": len(split.users),
        },
    )


def _encode(
    model: Recommender,
    split: Split,
    *,
    items: pd.DataFrame | None = None,
    context: pd.DataFrame | None = None,
    **options: Any,
) -> EncodedSplit:
    """Encode a split by the catalogue of a fitted model."""
    catalogue = pd.DataFrame({"item_id": model.item_ids})
    if items is not None:
        items = with_text_ids(items, "items", ["item_id"])
        catalogue = catalogue.merge(items.drop_duplicates("item_id"), on="item_id", how="left")
    encoded = split.encode(items=catalogue, **options)
    users = encoded.targets["test"].users
    contexts = {} if context is None or not len(users) else {"test": context_of(context, users)}
    return replace(encoded, contexts=contexts)


def _check_targets(models: Mapping[str, Recommender], split: EncodedSplit) -> Targets:
    """Return the targets of the test set, after checking that they can be evaluated with these models."""
    targets = split.targets.get("test")
    if targets is None or not len(targets.users):
        problem = "no user of the test set interacted with a new item; expected at least one."
        raise DataError("RK-152", problem, "Cut elsewhere or use more data.")
    if any(not np.array_equal(model.item_ids, split.items.ids) for model in models.values()):
        problem = "the models and the split have different catalogues."
        raise ParameterError("RK-316", problem, "Fit all models on this split.")
    n_with_history = int((np.diff(targets.histories.starts) > 0).sum())
    n_known = int((targets.items < len(split.items)).sum())
    if not n_with_history or not n_known:
        users = f"{n_with_history:,} of {len(targets.users):,} users have a history of known items"
        items = f"{n_known:,} of {len(targets.rows):,} relevant items are in the catalogue of the models"
        fix = "Check that all parts of the split, and the models, write users and items alike."
        raise DataError("RK-155", f"{users}, and {items}; expected some of both.", fix)
    return targets


def _vectors(split: EncodedSplit, item_vectors: str | Vectors | None) -> Vectors | None:
    """Return vectors with one row per item of the catalogue."""
    if item_vectors is None:
        return None
    if not isinstance(item_vectors, str):
        split, item_vectors = split.with_features(item_vectors=item_vectors), "item_vectors"
    if item_vectors not in split.item_features:
        problem = f"there are no item features {item_vectors!r}; the split has {list(split.item_features)}."
        raise ParameterError("RK-372", problem, "Name these.")
    return split.item_features[item_vectors]
