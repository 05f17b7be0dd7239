"""The encoded split: everything after the split works on this one object, which is made once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.core.contexts import in_utc
from recsys_kit.core.events import Events, order_events
from recsys_kit.core.histories import Histories
from recsys_kit.core.ids import IDS, listed, with_text_ids
from recsys_kit.core.vectors import Vectors, check_vectors
from recsys_kit.core.vocabulary import Vocabulary
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.metrics import discounts

PAIRS_AT_ONCE = 256  # relevant items whose rank is counted at once, each in a row of N scores


@dataclass(frozen=True, eq=False)
class Targets:
    """B users, what is known of each before a part of the split, and the items that are relevant in it."""

    users: np.ndarray
    """(B,) str, sorted: their ids."""
    histories: Histories
    """B histories before the part, with what is masked in the lists."""
    rows: np.ndarray
    """(W,) int64, ascending: the user of each relevant item."""
    items: np.ndarray
    """(W,) int64: its index; N and above for an item that is not in the catalogue, which every model misses."""
    outside: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=str))
    """(M,) str: the ids of the relevant items that are not in the catalogue; their indices are N to N + M - 1."""
    grades: np.ndarray | None = None
    """(W,) float64: how relevant each item is, 0 where that is unknown; None: all alike."""
    n_without: int = 0
    """Number of users of the part without a relevant item."""

    @property
    def n_relevant(self) -> np.ndarray:
        """(B,) int64: the number of relevant items of each user."""
        return np.bincount(self.rows, minlength=len(self.histories))

    def rank_relevant(self, place: slice, scores: np.ndarray) -> np.ndarray:
        """Return the ranks, from 1, of the relevant items of the users at `place` among all unseen items.

        Args:
            place: rows of the users.
            scores: (b, N) float32 of these users, -inf for an item that must not be recommended; the seen items are
                masked in place.

        Returns:
            (w,) int64, one per relevant item of these users; 0 for an item that is not ranked. Of equal scores the
            lower column ranks first.
        """
        here = slice(*np.searchsorted(self.rows, [place.start, place.stop]))
        rows, items = self.rows[here] - place.start, self.items[here]
        scores[self.histories.take(np.arange(place.start, place.stop)).masked.cells] = -np.inf
        relevant = scores[rows, items]
        ranks = np.empty(len(rows), np.int64)
        for start in range(0, len(rows), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            row_scores, own = scores[rows[part]], relevant[part, None]
            tied = (row_scores == own) & (np.arange(scores.shape[1]) < items[part, None])
            ranks[part] = ((row_scores > own) | tied).sum(axis=1) + 1
        return np.where(np.isneginf(relevant), 0, ranks)

    def ndcg(self, ranks: np.ndarray, k: int) -> np.ndarray:
        """Return the NDCG@k of each user, (B,) float64; NaN for a user without a relevant item.

        Args:
            ranks: (W,) the rank of each relevant item, from 1; 0 for an item that is not ranked.
            k: length of the lists.

        >>> history = Histories(np.array([4]), np.array([0, 1]))
        >>> targets = Targets(np.array(["a"]), history, rows=np.array([0]), items=np.array([7]))
        >>> targets.ndcg(np.array([2]), k=10).round(4)
        array([0.6309])
        """
        gains = np.r_[0.0, discounts(k)][np.where(ranks <= k, ranks, 0)]
        ideal = np.r_[np.nan, discounts(k).cumsum()][np.minimum(self.n_relevant, k)]
        return np.bincount(self.rows, weights=gains, minlength=len(self.histories)) / ideal


@dataclass(frozen=True, eq=False)
class EncodedSplit:
    """Vocabularies, interactions, histories, targets, features and contexts of one split, as indices and arrays.

    Models are fitted on it (`model.fit(split)`) and evaluated on it; a table is encoded at the door of `fit`.

    >>> events = pd.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["x", "y", "x"], "position": [0, 1, 0]})
    >>> split = EncodedSplit.of(events)
    >>> split.users.ids.tolist(), split.items.ids[split.train.item].tolist()
    (['a', 'b'], ['x', 'y', 'x'])
    """

    items: Vocabulary
    """The catalogue: the items that are ranked, N of them."""
    users: Vocabulary
    """The users with a training event, U of them, sorted."""
    interactions: Mapping[str, Events]
    """"train" in canonical order; "valid", where given, by user and item."""
    targets: Mapping[str, Targets] = field(default_factory=dict)
    """"valid" (users with a training event) and "test" (all users with a relevant item), where given."""
    item_table: pd.DataFrame | None = None
    """The items table: `item_id`, and category, attributes, titles, as far as they are known."""
    item_features: Mapping[str, Vectors] = field(default_factory=dict)
    """By name ("tfidf", "minilm", "image" ...): one row per item of `items`, in order; zeros for a missing one."""
    user_features: Mapping[str, Vectors] = field(default_factory=dict)
    """Likewise, one row per user of `users`."""
    contexts: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """By part, the context of each user of its targets: `timestamp` and `ctx_*`."""

    @classmethod
    def of(
        cls,
        train: pd.DataFrame,
        *,
        items: pd.DataFrame | None = None,
        valid: pd.DataFrame | None = None,
        item_features: Mapping[str, Vectors] | None = None,
    ) -> "EncodedSplit":
        """Encode tables. Ids may be numbers or categories; they become text.

        Args:
            train: interactions to learn from, in any order: user_id, item_id, timestamp or position.
            items: the items table; its items and those of `train` are the catalogue.
            valid: interactions after `train`, or `user_id, item_id` of the relevant ones (`Split.ground_truth`).
            item_features: vectors of items by name; they may have other items, or miss some.

        Raises:
            DataError: RK-104 a column is missing, RK-108 there is no event, RK-153 and RK-154 ids that are missing or
                cannot be ids, RK-156 times that are missing or cannot be times.
            ParameterError: RK-314 features that are not `Vectors`.
        """
        items = None if items is None else with_text_ids(items, "items", ["item_id"])
        train = order_events(train, "train")
        if train.empty:
            raise DataError("RK-108", "train has no event; expected at least one.", "Fit on interactions of a shop.")
        if "timestamp" in train:
            train["timestamp"] = in_utc(train["timestamp"])
        named = train["item_id"] if items is None else pd.concat([items["item_id"], train["item_id"]])
        vocabulary, users = Vocabulary.of_items(named), Vocabulary.of_users(train["user_id"])
        split = cls(vocabulary, users, {"train": _events(train, users, vocabulary)}, item_table=items)
        split = split.with_features(**(item_features or {}))
        return split if valid is None else split.with_targets("valid", valid)

    @property
    def train(self) -> Events:
        """The training interactions, in canonical order."""
        return self.interactions["train"]

    @cached_property
    def train_histories(self) -> Histories:
        """The training history of each user of `users`."""
        return self.train.histories(len(self.users))

    @cached_property
    def item_counts(self) -> np.ndarray:
        """(N,) float32: the number of users with a training interaction with each item."""
        pairs = pd.DataFrame({"user": self.train.user, "item": self.train.item}).drop_duplicates()
        return np.bincount(pairs["item"], minlength=len(self.items)).astype(np.float32)

    def with_targets(self, part: str, relevant: pd.DataFrame, *, seen: pd.DataFrame | None = None) -> "EncodedSplit":
        """Return the split with the targets of `part`, for validation; users without a training event are left out.

        Args:
            part: "valid".
            relevant: user_id and item_id of the interactions of the part.
            seen: the interactions whose items are masked in the lists; the training histories unless given.
        """
        ordered = with_text_ids(relevant, part).sort_values(list(IDS), kind="stable").reset_index(drop=True)
        masked = None if seen is None else self._histories(self.users.ids, with_text_ids(seen, "seen"))
        events, n_items = _events(ordered, self.users, self.items), len(self.items)
        users = np.unique(events.user[events.user >= 0])
        histories = replace(self.train_histories, seen=masked).take(users)
        known = (events.user >= 0) & (events.item >= 0)
        pairs = np.unique(np.searchsorted(users, events.user[known]) * n_items + events.item[known])
        rows, cells = histories.masked.cells
        pairs = np.setdiff1d(pairs, rows * n_items + cells)
        targets = Targets(self.users.ids[users], histories, pairs // n_items, pairs % n_items)
        return replace(self, interactions={**self.interactions, part: events}, targets={**self.targets, part: targets})

    def with_test(
        self, relevant: pd.DataFrame, before: pd.DataFrame, *, seen: pd.DataFrame | None = None, n_without: int = 0
    ) -> "EncodedSplit":
        """Return the split with the targets of "test": every user with a relevant item, with a training event or not.

        Args:
            relevant: user_id and item_id of each relevant item, each pair once, in the order of the users; `grade`
                where items are more or less relevant.
            before: the interactions before the test set, in any order: the histories. Unknown items are left out.
            seen: those of them whose items are masked in the lists; `before` unless given.
            n_without: number of users of the test set without a relevant item.
        """
        users, rows = np.unique(relevant["user_id"].to_numpy(str), return_inverse=True)
        items = self.items.encode(relevant["item_id"])
        codes, outside = pd.factorize(relevant["item_id"][items < 0])
        items[items < 0] = len(self.items) + codes
        histories = self._histories(users, before)
        if seen is not None:
            histories = replace(histories, seen=self._histories(users, seen))
        grades = relevant["grade"].to_numpy(float) if "grade" in relevant else None
        targets = Targets(users, histories, rows, items, np.asarray(outside, dtype=str), grades, n_without)
        return replace(self, targets={**self.targets, "test": targets})

    def _histories(self, users: np.ndarray, interactions: pd.DataFrame) -> Histories:
        """Return the histories of these sorted users, from interactions in any order, without unknown items."""
        events = _events(order_events(interactions[interactions["user_id"].isin(users)]), Vocabulary(users), self.items)
        return events.keep(events.item >= 0).histories(len(users))

    def validation(self, max_users: int, seed: int) -> Targets | None:
        """Return the targets of at most `max_users` validation users, drawn by `seed`; None if nothing is relevant."""
        targets = self.targets.get("valid")
        if targets is not None and len(targets.users) > max_users:
            chosen = np.sort(np.random.default_rng(seed).choice(len(targets.users), max_users, replace=False))
            kept = np.isin(targets.rows, chosen)
            rows = np.searchsorted(chosen, targets.rows[kept])
            targets = Targets(targets.users[chosen], targets.histories.take(chosen), rows, targets.items[kept])
        return targets if targets is not None and len(targets.rows) else None

    def keep(self, rows: np.ndarray) -> "EncodedSplit":
        """Return the split with the training events where `rows`, (E,) bool, is True; vocabularies stay.

        Validation targets are left out: who learns from a part of train must not be tuned by what came later.
        """
        return replace(self, interactions={"train": self.train.keep(rows)}, targets={})

    def with_features(self, **item_features: Vectors) -> "EncodedSplit":
        """Return the split with more item features, aligned to its items."""
        checked = {name: check_vectors(one, f"item features {name!r}") for name, one in item_features.items()}
        aligned = {name: one.align(self.items.ids.tolist()) for name, one in checked.items()}
        return replace(self, item_features={**self.item_features, **aligned})


def encode_histories(histories: Any, items: Vocabulary, name: str = "histories") -> Histories:
    """Return histories of item ids, oldest first, as indices; unknown items are left out, a set is sorted as text.

    Raises:
        ParameterError: RK-313 there is not one list of ids per query.
        DataError: RK-153 and RK-154 ids that are missing or cannot be ids.
    """
    histories = lists_of_ids(histories, name)
    index = items.encode(list(chain.from_iterable(histories)), f"item ids of the {name}")
    rows = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    lengths = np.bincount(rows[index >= 0], minlength=len(histories))
    return Histories(index[index >= 0], np.r_[0, lengths.cumsum()])


def lists_of_ids(lists: Any, name: str) -> list[Sequence[Any]]:
    """Return one list per query; raise `ParameterError` (RK-313) where one is an id or missing."""
    lists = listed(lists)
    for row, ids in enumerate(lists):
        if not pd.api.types.is_list_like(ids):
            problem = f"{name} holds {ids!r:.40} in place {row}; expected one list of ids per query."
            raise ParameterError("RK-313", problem, f"Pass {name}=[['i1', 'i2']].")
    return list(map(listed, lists))


def _events(frame: pd.DataFrame, users: Vocabulary, items: Vocabulary) -> Events:
    rest = frame.drop(columns=list(IDS)).reset_index(drop=True)
    return Events(users.encode(frame["user_id"]), items.encode(frame["item_id"]), rest)
