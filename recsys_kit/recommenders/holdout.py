"""What the shoppers of validation took next, and how well a model ranks it: this tunes models, it never judges them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from recsys_kit.core import ranking
from recsys_kit.core.contexts import context_of
from recsys_kit.core.histories import Histories
from recsys_kit.core.ids import as_ids, with_text_ids
from recsys_kit.metrics import discounts
from recsys_kit.recommenders.base import Recommender, check_by_user, check_models

PAIRS_AT_ONCE = 256
MAX_USERS = 25_000  # shoppers who judge on validation, at most


def blocks(histories: Histories, n_items: int) -> Iterator[tuple[slice, Histories]]:
    """Histories a few at a time, so that `(B, n_items)` scores stay small; each with its place."""
    size = max(1, ranking.BLOCK_CELLS // n_items)
    for start in range(0, len(histories), size):
        stop = min(start + size, len(histories))
        yield slice(start, stop), histories.block(start, stop)


def score(model: Recommender, histories: Histories, context: pd.DataFrame | None) -> np.ndarray:
    """The scores `(B, N)` in the context of each query, if there is one."""
    return model._score(histories) if context is None else model._score_in_context(histories, context)


def uses_context(model: Recommender) -> bool:
    """Whether the context of a query can change what this fitted model recommends."""
    if hasattr(model, "_needed"):  # an ensemble
        return any(uses_context(model.parts[name]) for name in model._needed())
    return type(model)._score_in_context is not Recommender._score_in_context


def visible(model: Recommender, scores: np.ndarray, histories: Histories) -> np.ndarray:
    """The scores `(B, N)` of histories as `recommend` ranks them."""
    return model.visible(scores, ~model._knows(histories))


@dataclass(frozen=True)
class Validation:
    """B shoppers with a training history, and the items new to them that each took in validation."""

    users: np.ndarray
    """(B,) their ids."""
    histories: Histories
    rows: np.ndarray
    """(W,) the shopper of each wanted item, in order."""
    items: np.ndarray
    """(W,) its column."""

    @classmethod
    def of(
        cls,
        model: Recommender,
        valid: pd.DataFrame,
        *,
        max_users: int,
        seed: int,
        seen: Mapping[str, Sequence[str]] | pd.Series | None = None,
    ) -> "Validation | None":
        """At most `max_users` shoppers, drawn by `seed`; None where no shopper came back for anything new.

        `seen` holds by user_id the items that are neither wanted nor listed (`Split.seen_items("valid", ...)`); without
        it these are the training histories.
        """
        valid = with_text_ids(valid, "valid")
        users = np.intersect1d(valid["user_id"].unique().astype(str), model.user_ids)
        if len(users) > max_users:
            users = np.sort(np.random.default_rng(seed).choice(users, max_users, replace=False))
        histories = model.encode(model.known_histories(users))
        if seen is not None:
            check_by_user(seen)
            ids = as_ids([user for user, _ in seen.items()], "user_id of seen")
            lists = dict(zip(ids, (items for _, items in seen.items()), strict=True))
            histories = replace(histories, seen=model.encode([lists.get(user, []) for user in users]))
        had = histories.masked.matrix(len(model.item_ids)).tocoo()
        events = valid[valid["user_id"].isin(users)]
        rows = np.searchsorted(users, events["user_id"].to_numpy(str))
        wanted = pd.MultiIndex.from_arrays([rows, model._item_index.get_indexer(events["item_id"])]).unique()
        wanted = wanted.difference(pd.MultiIndex.from_arrays([had.row, had.col]))  # sorted
        rows, items = (wanted.get_level_values(level).to_numpy(np.int64) for level in (0, 1))
        rows, items = rows[items >= 0], items[items >= 0]
        return cls(users, histories, rows, items) if len(rows) else None

    @property
    def judged(self) -> np.ndarray:
        """`(B,)` bool: who took something new."""
        return np.bincount(self.rows, minlength=len(self.histories)) > 0

    def block_ranks(self, place: slice, scores: np.ndarray) -> np.ndarray:
        """`(w,)` ranks from 1 of what the shoppers at `place` wanted, among all that they have not seen; 0: nowhere.

        `scores` `(b, N)` are those of these shoppers, -inf where an item is not to be recommended; what they have
        seen is masked in place.
        """
        here = slice(*np.searchsorted(self.rows, [place.start, place.stop]))
        rows, items = self.rows[here] - place.start, self.items[here]
        scores[self.histories.block(place.start, place.stop).masked.cells] = -np.inf
        wanted = scores[rows, items]
        ranks = np.empty(len(rows), np.int64)
        for start in range(0, len(rows), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            row_scores, own = scores[rows[part]], wanted[part, None]
            tied = (row_scores == own) & (np.arange(scores.shape[1]) < items[part, None])  # the lower column wins
            ranks[part] = ((row_scores > own) | tied).sum(axis=1) + 1
        return np.where(np.isneginf(wanted), 0, ranks)

    def ndcg(self, ranks: np.ndarray, k: int) -> np.ndarray:
        """`(B,)` NDCG@k of each shopper from the ranks of all that they took; NaN where nothing was new.

        >>> had = Histories(np.array([4]), np.array([0, 1]))
        >>> one = Validation(np.array(["a"]), had, rows=np.array([0]), items=np.array([7]))
        >>> one.ndcg(np.array([2]), k=10).round(4)
        array([0.6309])
        """
        n_relevant = np.bincount(self.rows, minlength=len(self.histories))
        gains = np.r_[0.0, discounts(k)][np.where(ranks <= k, ranks, 0)]
        ideal = np.r_[np.nan, discounts(k).cumsum()][np.minimum(n_relevant, k)]
        return np.bincount(self.rows, weights=gains, minlength=len(n_relevant)) / ideal

    def of_model(self, model: Recommender, k: int, context: pd.DataFrame | None = None) -> np.ndarray:
        """`(B,)` NDCG@k of the lists that this fitted model recommends, asked in the `context` of each user_id."""
        asked, ranks = None if context is None else context_of(context, self.users), []
        for place, block in blocks(self.histories, len(model.item_ids)):
            scores = score(model, block, None if asked is None else asked.iloc[place])
            ranks.append(self.block_ranks(place, visible(model, scores, block)))
        return self.ndcg(np.concatenate(ranks), k)


def validation_ndcg(
    models: Mapping[str, Recommender],
    valid: pd.DataFrame,
    *,
    k: int,
    max_users: int = MAX_USERS,
    seed: int = 0,
    known: Mapping[str, float] | None = None,
    context: pd.DataFrame | None = None,
    seen: Mapping[str, Sequence[str]] | pd.Series | None = None,
) -> dict[str, float]:
    """The mean NDCG@k of fitted models on validation, by which one may be chosen; empty where no shopper came back.

    Args:
        models: fitted on the same train.
        valid: what the shoppers took after it, as for `Recommender.fit`.
        k: length of the lists.
        max_users: at most so many shoppers, drawn by `seed`.
        seed: draws them.
        known: values that an ensemble has measured so already; they are not measured again.
        context: by user_id, when and where each shopper asked (`Split.circumstances`), for models that care.
        seen: by user_id, the items that are masked (`Split.seen_items`); the training histories unless given.
    """
    check_models(models)
    validation = Validation.of(next(iter(models.values())), valid, max_users=max_users, seed=seed, seen=seen)
    if validation is None:
        return {}
    known = known or {}
    if context is not None:  # ensembles measure without one
        context = context_of(context, validation.users)
        known = {name: value for name, value in known.items() if name in models and not uses_context(models[name])}
    return {
        name: known.get(name) or float(np.nanmean(validation.of_model(model, k, context)))
        for name, model in models.items()
    }
