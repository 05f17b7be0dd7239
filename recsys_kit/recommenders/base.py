"""The contract of every recommender: fit, score, rank, recommend, refit, save."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from recsys_kit.core.encoded import EncodedSplit, encode_histories
from recsys_kit.core.histories import Histories
from recsys_kit.core.ranges import Range, check_parameters
from recsys_kit.core.ranking import blocks, check_k, top_k
from recsys_kit.core.vectors import Vectors
from recsys_kit.core.vocabulary import Vocabulary
from recsys_kit.errors import NotFittedError, ParameterError
from recsys_kit.recommenders.inputs import WITHOUT, encode_query, read_inputs
from recsys_kit.recommenders.store import MODELS, save_models

RefitMember = Callable[["Recommender"], "Recommender"]


@dataclass(frozen=True)
class Ranked:
    """The lists of B queries as arrays."""

    items: np.ndarray
    """(B, K) int64: item indices, best first; -1 where a list ends."""
    scores: np.ndarray
    """(B, K) float32; -inf where a list ends."""
    fallback: np.ndarray
    """(B,) bool: the list is the most popular items, since the model knows nothing of the user."""

    def to_frame(self, queries: np.ndarray, item_ids: np.ndarray) -> pd.DataFrame:
        """Return one row per place of the lists: query, item_id, score, rank, fallback."""
        row, place = np.nonzero(self.items >= 0)
        return pd.DataFrame({
            "query": queries[row],
            "item_id": item_ids[self.items[row, place]],
            "score": self.scores[row, place],
            "rank": place + 1,
            "fallback": self.fallback[row],
        })  # fmt: skip


class Recommender(ABC):
    """Learns from the training interactions and ranks the whole catalogue for the history of a user.

    Subclasses are dataclasses whose fields are their hyper-parameters. `_fit` sets the attributes named in `state` and
    `learned`, and `can_score` where it is not every item with a training interaction; `_score` returns scores. The
    columns of every score matrix are `items`, in the order of a fixed hash of the id: ties are broken the same way
    whatever the order of rows or the alphabet.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]  # every recommender is a dataclass
    name: ClassVar[str]
    """The registered name."""
    uses: ClassVar[Mapping[str, bool]] = {}
    """What the model reads beside who interacted with what; True for an input that it cannot do without.

    Names: item_features, attributes, category, timestamp, context, histories (its state holds those of training).
    """
    state: ClassVar[tuple[str, ...]] = ()
    """Fitted attributes to save: arrays, CSR matrices, or arrays by name."""
    learned: ClassVar[tuple[str, ...]] = ()
    """Fitted attributes to save: plain values."""
    understands_text: bool = False
    """Whether `recommend(texts=...)` is possible."""
    ranges: ClassVar[Mapping[str, Range]] = {}
    """Ranges of hyper-parameters that are narrower than those of their name in `core.ranges`."""
    nested: ClassVar[tuple[str, ...]] = ()
    """Fields that hold models."""
    options: ClassVar[Mapping[str, Sequence[Any]]] = {}
    """Values of hyper-parameters that are worth trying, for `tune`."""
    personal: ClassVar[bool] = True
    """False: every user gets the same list, without the items they have seen."""

    items: Vocabulary
    """The N items that are ranked."""
    users: Vocabulary
    """The U users with a training event; unknown to a loaded model."""
    train_histories: Histories
    """Their training histories, those of the split; unknown to a loaded model."""
    vectors: Vectors
    """The item features that the model keeps, one row per item; only of models that have some."""
    can_score: np.ndarray
    """(N,) bool: False for an item of which the model knows nothing; it is never recommended."""
    item_counts: np.ndarray
    """(N,) float32: the number of users with a training interaction with each item."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            MODELS[cls.name] = cls

    def __post_init__(self) -> None:
        check_parameters(self)

    def __getattr__(self, name: str) -> Any:
        """Raise the error for an attribute that is missing; before `fit`, `NotFittedError`."""
        if not self.is_fitted and not name.startswith("__"):
            problem = f"{type(self).__name__} is not fitted and has no {name!r}; expected a fitted model."
            raise NotFittedError("RK-369", problem, "Call fit(train) first.")
        if name in ("users", "user_ids", "train_histories"):
            problem = f"this {self.name} was loaded and has no {name}; a saved model holds no user and no history."
            raise NotFittedError("RK-373", problem, "Pass histories=, or refit it.")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # -- what a subclass writes ------------------------------------------------------------------------------------

    @abstractmethod
    def _fit(self, split: EncodedSplit) -> None:
        """Learn from the split; `items`, `users`, `train_histories`, `item_counts` and `can_score` are set."""

    @abstractmethod
    def _score(self, histories: Histories) -> np.ndarray:
        """Return `(B, N)` float32, finite where `can_score`."""

    def _score_in_context(self, histories: Histories, context: pd.DataFrame | None) -> np.ndarray:
        """Return scores that depend on the context, one row per history; most models ignore it."""
        return self._score(histories)

    def _score_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return `(B, N)` float32 for what users say they want."""
        problem = f"{self.name} does not understand text."
        raise ParameterError("RK-311", problem, "Use a content model or a hybrid with one.")

    def _knows(self, histories: Histories) -> np.ndarray:
        """Return `(B,)` bool: whether a history holds an item that this model can start from."""
        return histories.has_any(self.can_score)

    def _chosen(self) -> dict[str, Any]:
        """Return the hyper-parameters that validation chose in `fit`, which `refit` keeps."""
        return {}

    # -- the contract ----------------------------------------------------------------------------------------------

    @property
    def is_fitted(self) -> bool:
        """Whether the model has been fitted or loaded."""
        return "items" in self.__dict__

    @property
    def item_ids(self) -> np.ndarray:
        """(N,) str: the ids of the items."""
        return self.items.ids

    @property
    def user_ids(self) -> np.ndarray:
        """(U,) str: the ids of the users with a training event, sorted."""
        return self.users.ids

    def fit(
        self,
        train: EncodedSplit | pd.DataFrame,
        *,
        items: pd.DataFrame | None = None,
        valid: pd.DataFrame | None = None,
        item_vectors: Vectors | None = None,
    ) -> Self:
        """Learn from the training interactions of an encoded split. A table is encoded first.

        Args:
            train: the split, which has all inputs, or a table of interactions with the keywords below.
            items: the items table; without it the items of `train` are the catalogue.
            valid: interactions after `train`, for models that choose something by validation.
            item_vectors: vectors of the items, for models that use item features.

        Returns:
            The model itself.

        Raises:
            DataError: RK-104 a column is missing, RK-108 there is no event, RK-153 and RK-154 ids that are missing or
                cannot be ids, RK-156 times that are missing or cannot be times.
            ParameterError: RK-345 an input that the model needs is missing, RK-314 it has the wrong type, RK-371
                keywords beside a split, RK-372 item features that are unknown or ambiguous.
        """
        split = read_inputs(self, train, items=items, valid=valid, item_vectors=item_vectors)
        self._adopt(split)
        self._fit(split)
        return self

    def required_inputs(self) -> list[str]:
        """Return the inputs that `fit` cannot do without; the models inside this one check their own."""
        return [name for name, is_required in self.uses.items() if is_required]

    def refit(self, split: EncodedSplit) -> Self:
        """Return the model fitted on another split, such as train and validation; choices of validation are kept.

        This model stays as it is. `refit_all` refits several models that share members.
        """
        return self._refit(split, lambda member: member.refit(split))

    def _refit(self, split: EncodedSplit, refit_member: RefitMember) -> Self:
        """Refit; an ensemble asks `refit_member` for each of its members."""
        return replace(self.unfitted(), **self._chosen()).fit(split)

    def unfitted(self) -> Self:
        """Return the same model, and those inside it, before they have been fitted."""
        return self._change_nested(lambda inner: inner.unfitted())

    def _change_nested(self, change: RefitMember) -> Self:
        """Return an unfitted copy; `change` gives the models inside it."""
        nested: dict[str, Any] = {name: getattr(self, name) for name in self.nested}
        for name, inner in nested.items():
            by_name = isinstance(inner, Mapping)
            nested[name] = {key: change(model) for key, model in inner.items()} if by_name else change(inner)
        return replace(self, **nested)

    def _adopt(self, split: EncodedSplit) -> None:
        """Take the vocabularies and histories of the split, by reference; items with an interaction can be scored."""
        self.items, self.users = split.items, split.users
        self.train_histories, self.item_counts = split.train_histories, split.item_counts
        self.can_score = self.item_counts > 0

    def fitted_like(self, other: "Recommender") -> bool:
        """Return whether both learned from the same events of the same catalogue, as far as both know them."""
        pairs = [(self.item_ids, other.item_ids), (self.item_counts, other.item_counts)]
        if "users" in self.__dict__ and "users" in other.__dict__:
            mine, others = self.train_histories, other.train_histories
            pairs += [(self.users.ids, other.users.ids), (mine.items, others.items), (mine.starts, others.starts)]
        return all(first is second or np.array_equal(first, second) for first, second in pairs)

    def answering_members(self) -> "dict[str, Recommender]":
        """Return the models inside this one that can change a list, by name; most models have none."""
        return {}

    def choose_features(self, split: EncodedSplit) -> Vectors | None:
        """Return the item features that the field `features` names, one row per item; "" for the only ones.

        Returns:
            None for "none", or where "" finds none.

        Raises:
            ParameterError: RK-372 the name is unknown, or "" and there are several.
        """
        name, known = self.features, list(split.item_features)
        if name == WITHOUT or (not name and not known):
            return None
        if name not in known and (name or len(known) > 1):
            absent = f"there are no item features {name!r} for {self.name}"
            problem = absent if name else f"{self.name} cannot choose item features"
            raise ParameterError("RK-372", f"{problem}; expected one of {known}.", "Pass features= with one of these.")
        return split.item_features[name or known[0]]

    def encode(self, histories: Any) -> Histories:
        """Return histories of item ids, oldest first, as indices; unknown items are left out, a set is sorted."""
        return encode_histories(histories, self.items)

    def histories_of(self, users: Any) -> Histories:
        """Return the training histories of these user ids; empty for a user without one.

        Raises:
            NotFittedError: RK-373 for a loaded model, which has no histories.
        """
        return self.train_histories.take(self.users.encode(users, "users"))

    def score(self, histories: Any) -> np.ndarray:
        """Return `(B, N)` float32 for histories of item ids, one column per item; compare within a row only.

        Columns where `can_score` is False mean nothing.
        """
        return self._score(self.encode(histories))

    def rank(
        self,
        histories: Histories,
        *,
        k: int,
        texts: Sequence[str] | None = None,
        candidates: np.ndarray | None = None,
        context: pd.DataFrame | None = None,
        progress: bool = False,
    ) -> Ranked:
        """Return the k best unseen items of encoded histories, as arrays.

        Args:
            histories: B histories; their `masked` items are left out.
            k: length of the lists.
            texts: B texts that are answered instead of the histories.
            candidates: (N,) bool, the only items that may be listed; all unless given.
            context: B rows, as `check_context` returns them.
            progress: show a progress bar.
        """
        k, ranked, parts = min(k, len(self.items)), [], list(blocks(histories, len(self.items)))
        for place, block in tqdm(parts, desc=self.name, disable=not progress or len(parts) == 1):
            if texts is None:
                raw = self._score_in_context(block, None if context is None else context.iloc[place])
                fallback = ~self._knows(block)
            else:
                raw = self._score_texts(texts[place])  # all 0 where no word of the text is known
                fallback = ~(self.can_score & np.isfinite(raw) & (raw != 0)).any(axis=1)
            scores = self.visible(raw, fallback)
            if candidates is not None:
                scores[:, ~candidates] = -np.inf
            scores[block.masked.cells] = -np.inf
            best = top_k(scores, k)
            listed = np.take_along_axis(scores, best.clip(0), axis=1)
            ranked.append((best, np.where(best >= 0, listed, np.float32(-np.inf)), fallback))
        return Ranked(*(np.concatenate(arrays) for arrays in zip(*ranked, strict=True)))

    def recommend(
        self,
        users: Any = None,
        *,
        histories: Any = None,
        texts: Sequence[str] | None = None,
        k: int = 10,
        seen: Any = None,
        candidates: Any = None,
        context: pd.DataFrame | None = None,
    ) -> pd.DataFrame:
        """Return the k best items that each user has not seen.

        Args:
            users: user ids; their training histories are used unless `histories` gives newer ones. One id is one query;
                a set is sorted, here and below.
            histories: item ids, oldest first, one list per query; a new user needs no retraining.
            texts: what a user says they want, instead of a history.
            k: length of the list; shorter where the model knows fewer items.
            seen: items to leave out, one list per query; the history unless given.
            candidates: the only items that may be listed, such as those on promotion; all unless given.
            context: one row per query, in their order: `timestamp` and `ctx_*` columns, as in the interactions.

        Returns:
            Columns `query` (the user id as text, or the position in the list given), `item_id`, `score`, `rank` (from
            1) and `fallback` (True where the model knows nothing of the user and lists the most popular items).

        Raises:
            ParameterError: RK-311 texts for a model that does not understand text, RK-312 a wrong k, RK-330 no query,
                RK-331 texts that are not text, RK-313 no list of ids per query, RK-340 a context of another length,
                RK-343, RK-344, RK-346 and RK-347 as `check_context`.
            DataError: RK-153 and RK-154 ids that are missing or cannot be ids.
            NotFittedError: RK-369 before `fit`, RK-373 users of a loaded model, which has no histories.
        """
        check_k(k)
        asked = {"histories": histories, "texts": texts, "seen": seen, "candidates": candidates, "context": context}
        query = encode_query(self, users, **asked)
        options = {"texts": query.texts, "candidates": query.candidates, "context": query.context}
        return self.rank(query.histories, k=k, **options).to_frame(query.names, self.item_ids)

    def visible(self, scores: np.ndarray, fallback: np.ndarray) -> np.ndarray:
        """Return scores `(B, N)` as they are ranked: -inf where the model cannot score, popularity in `fallback` rows.

        NaN becomes -inf: the item is never listed.
        """
        shown = np.where(self.can_score, scores, np.float32(-np.inf))
        np.fmax(shown, np.float32(-np.inf), out=shown)
        shown[fallback] = np.where(self.item_counts > 0, self.item_counts, -np.inf)
        return shown

    def save(self, folder: str | Path) -> None:
        """Write the fitted model into a new folder; `load` reads it. See `store.save_models`."""
        save_models(folder, {self.name: self})
