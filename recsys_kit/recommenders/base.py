"""The one contract of every recommender: fit, score, recommend, save, load."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy import sparse
from tqdm.auto import tqdm

from recsys_kit.core import ranking
from recsys_kit.core.contexts import check_context, in_utc
from recsys_kit.core.events import order_events
from recsys_kit.core.histories import Histories
from recsys_kit.core.ids import as_ids, item_hash, listed, with_text_ids
from recsys_kit.core.ranges import Range, check_parameters
from recsys_kit.core.ranking import check_k, top_k
from recsys_kit.core.vectors import Vectors
from recsys_kit.errors import ArtifactError, DataError, NotFittedError, ParameterError

MODELS: dict[str, type["Recommender"]] = {}  # every model registers itself by its `name`
NEVER_TOLD = object()  # of item vectors: not even that the shop has none


def check_models(models: Any) -> None:
    """Raises `ParameterError` (RK-157) where these are no models by name."""
    if not isinstance(models, Mapping) or not models or not all(isinstance(m, Recommender) for m in models.values()):
        raise ParameterError(
            "RK-157", f"models is {models!r:.60}; expected one fitted model or more by name.", "Pass {'ease': model}."
        )


def check_by_user(seen: Any) -> None:
    """Raises `ParameterError` (RK-313) where these are no lists by user_id."""
    if not isinstance(seen, Mapping | pd.Series):
        raise ParameterError(
            "RK-313",
            f"seen is {seen!r:.60}; expected a list of item ids by user_id.",
            "Pass Split.seen_items('valid', ...).",
        )


class Recommender(ABC):
    """Learns from interactions and ranks the whole catalogue for a shopper's history.

    Subclasses are dataclasses whose fields are their parameters; `_fit` fills `can_score` and what `state` names,
    `_score` answers. Columns of every score matrix are `item_ids`, in the order of a fixed hash of the id: so a tie
    is broken the same way whatever the order of rows or the alphabet.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]  # every recommender is a dataclass
    name: ClassVar[str]
    state: ClassVar[tuple[str, ...]] = ()  # fitted attributes to save: arrays or CSR matrices
    learned: ClassVar[tuple[str, ...]] = ()  # likewise: plain values
    understands_text: ClassVar[bool] = False
    ranges: ClassVar[Mapping[str, Range]] = {}  # of parameters, where they are narrower than those of their name
    personal: ClassVar[bool] = True  # False: everyone gets the same list, less what they had

    item_ids: np.ndarray  # (N,) str
    can_score: np.ndarray  # (N,) bool: where False the model knows nothing of the item and never recommends it
    item_counts: np.ndarray  # (N,) float32: how many shoppers of train had the item
    user_ids: np.ndarray  # (U,) str, sorted
    _own_vectors: Any = NEVER_TOLD  # the item vectors that it was last fitted with, for when it is fitted anew

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            MODELS[cls.name] = cls

    def __post_init__(self) -> None:
        check_parameters(self)

    def __getattr__(self, name: str) -> Any:
        """What is not there although the class promises it: the model has not learned anything yet."""
        if name.startswith("__") or "item_ids" in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        raise NotFittedError(
            "RK-369", f"{type(self).__name__} is not fitted and has no {name!r}; expected a fitted model.",
            "Call fit(train) first.",
        )  # fmt: skip

    # -- what a subclass writes ------------------------------------------------------------------------------------

    @abstractmethod
    def _fit(self, train: pd.DataFrame, **inputs: Any) -> None:
        """Learn from `train`, in canonical order, with the columns `user_index` and `item_index` added."""

    @abstractmethod
    def _score(self, histories: Histories) -> np.ndarray:
        """`(B, N)` float32, finite where `can_score`."""

    def _score_in_context(self, histories: Histories, context: pd.DataFrame) -> np.ndarray:
        """As `_score`, knowing when and where each of the B shoppers asks; most models do not care."""
        return self._score(histories)

    def _score_texts(self, texts: Sequence[str]) -> np.ndarray:
        raise ParameterError(
            "RK-311", f"{self.name} does not understand text.", "Use a content model or a hybrid with one."
        )

    def _knows(self, histories: Histories) -> np.ndarray:
        """`(B,)` bool: does the history hold anything this model can start from?"""
        return np.asarray(histories.matrix(len(self.item_ids))[:, self.can_score].sum(axis=1)).ravel() > 0

    # -- the contract ----------------------------------------------------------------------------------------------

    def fit(
        self,
        train: pd.DataFrame,
        *,
        items: pd.DataFrame | None = None,
        valid: pd.DataFrame | None = None,
        item_vectors: Any = None,
        seen: Mapping[str, Sequence[str]] | pd.Series | None = None,
    ) -> Self:
        """Learn from the training interactions alone. Ids may be numbers or categories; in the model they are text.

        Args:
            train: interactions; the order of its rows does not matter.
            items: the catalogue; without it, the items of `train`.
            valid: interactions after `train`, for models that choose something by validation.
            item_vectors: a `features.Vectors` of the items, for models that use content.
            seen: by user_id, the items that are masked where validation chooses (`Split.seen_items`); the training
                histories unless given.

        Raises:
            DataError: RK-104 a column is missing, RK-108 there is no event, RK-153 and RK-154 ids that are missing or
                cannot be ids, RK-156 times that are missing or cannot be times.
            ParameterError: RK-313 `seen` holds no lists by user_id, RK-314 `item_vectors` are no `Vectors`.
        """
        items = None if items is None else with_text_ids(items, "items", ["item_id"])
        valid = None if valid is None else with_text_ids(valid, "valid")
        item_vectors = None if item_vectors is None else text_ids_of(item_vectors)
        if seen is not None:
            check_by_user(seen)
        self._own_vectors = item_vectors
        inputs = {"items": items, "valid": valid, "item_vectors": item_vectors} | (
            {} if seen is None else {"seen": seen}
        )
        self._fit(self._meet(train, items), **inputs)
        return self

    def with_own_vectors(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """`inputs` of `fit` with the item vectors, or their absence, that this model was fitted with before."""
        return dict(inputs) | ({} if self._own_vectors is NEVER_TOLD else {"item_vectors": self._own_vectors})

    def refit(
        self,
        train: pd.DataFrame,
        *,
        items: pd.DataFrame | None = None,
        item_vectors: Any = None,
        fitted: dict[int, "Recommender"] | None = None,
    ) -> Self:
        """The model fitted anew on `train`, with all that validation chose kept as it is; this one stays.

        Once validation has chosen, its events may be learned from as well: `train` is then both together.

        Args:
            train: interactions, as for `fit`.
            items: as for `fit`.
            item_vectors: for a model that was loaded and does not keep its own; others take what they were fitted with.
            fitted: the models fitted anew so far by the `id` of the old one, so that shared parts are fitted once.
        """
        fitted = {} if fitted is None else fitted
        if id(self) not in fitted:
            fitted[id(self)] = self._refit(train, fitted, {"items": items, "item_vectors": item_vectors})
        return fitted[id(self)]

    def _refit(self, train: pd.DataFrame, fitted: dict[int, "Recommender"], inputs: Mapping[str, Any]) -> Self:
        return replace(self.unfitted(), **self._chosen()).fit(train, **self.with_own_vectors(inputs))

    def _chosen(self) -> dict[str, Any]:
        """The parameters that validation chose in `fit`."""
        return {}

    def unfitted(self) -> Self:
        """The same model before it has learned anything; fitted as a part it takes the vectors it had."""
        fresh = replace(self)
        fresh._own_vectors = self._own_vectors
        return fresh

    def _meet(self, train: pd.DataFrame, items: pd.DataFrame | None) -> pd.DataFrame:
        """Number the catalogue, the shoppers and their histories; train as `_fit` takes it."""
        train = order_events(train, "train")
        if train.empty:
            raise DataError(
                "RK-108", "train has no event; expected at least one.", "Fit on the interactions of a shop."
            )
        if "timestamp" in train:  # as the times of a context
            train["timestamp"] = in_utc(train["timestamp"])
        named = train["item_id"] if items is None else pd.concat([items["item_id"], train["item_id"]])
        codes, ids = pd.factorize(named)
        ids = np.asarray(ids, dtype=str)
        order = np.lexsort((ids, item_hash(ids)))
        self.item_ids = ids[order]
        self._item_index = pd.Index(self.item_ids)
        user_index, users = pd.factorize(train["user_id"])
        self.user_ids = np.asarray(users, dtype=str)
        bounds = np.r_[0, np.bincount(user_index, minlength=len(users)).cumsum()]
        train = train.assign(
            user_index=user_index,
            item_index=np.argsort(order)[codes[len(codes) - len(train) :]],
        )
        had = ~train.duplicated(["user_index", "item_index"])
        self.item_counts = np.bincount(train["item_index"][had], minlength=len(ids)).astype(np.float32)
        self._train_histories = Histories(train["item_index"].to_numpy(np.int64), bounds)
        return train

    def fitted_like(self, other: "Recommender") -> bool:
        """Whether both learned from the same events of the same catalogue."""
        mine, theirs = self._train_histories, other._train_histories
        pairs = [(self.item_ids, other.item_ids), (self.user_ids, other.user_ids)]
        pairs += [(mine.items, theirs.items), (mine.starts, theirs.starts)]
        return all(np.array_equal(first, second) for first, second in pairs)

    def encode(self, histories: Iterable[Sequence[str]]) -> Histories:
        """Item ids to indices; items this model has never heard of are left out. A set of ids is sorted."""
        histories = [listed(history) for history in _lists_of_ids(histories, "histories")]
        flat = [item for history in histories for item in history]
        index = self._item_index.get_indexer(as_ids(flat, "item ids of the histories"))
        rows = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
        lengths = np.bincount(rows[index >= 0], minlength=len(histories))
        return Histories(index[index >= 0].astype(np.int64), np.r_[0, lengths.cumsum()])

    def known_histories(self, users: Sequence[str]) -> list[list[str]]:
        """The training histories of these shoppers, ids oldest first; empty for a stranger."""
        users = as_ids(users, "users").to_numpy(str)
        place = np.searchsorted(self.user_ids, users).clip(max=len(self.user_ids) - 1)
        known = self.user_ids[place] == users
        starts, items = self._train_histories.starts, self._train_histories.items
        return [
            self.item_ids[items[starts[p] : starts[p + 1]]].tolist() if ok else []
            for p, ok in zip(place, known, strict=True)
        ]

    def score(self, histories: Iterable[Sequence[str]]) -> np.ndarray:
        """`(B, N)` float32, one column per item of `item_ids`; compare within a row only.

        Columns where `can_score` is False mean nothing.
        """
        return self._score(self.encode(histories))

    def recommend(
        self,
        users: Sequence[str] | None = None,
        *,
        histories: Sequence[Sequence[str]] | None = None,
        texts: Sequence[str] | None = None,
        k: int = 10,
        seen: Sequence[Sequence[str]] | None = None,
        candidates: Sequence[str] | None = None,
        context: pd.DataFrame | None = None,
        progress: bool = False,
    ) -> pd.DataFrame:
        """The k best items that each shopper has not had.

        Args:
            users: ids of shoppers; their training histories are used unless `histories` gives newer ones. One id is
                one query; a set is sorted, here and below.
            histories: item ids, oldest first, one list per shopper; no retraining is needed for a new shopper.
            texts: what a shopper says they want, instead of a history.
            k: length of the list; shorter where the model knows fewer items.
            seen: what to leave out; the history unless given.
            candidates: the only items that may be listed, such as those on promotion; all unless given.
            context: one row per query, in their order: `timestamp` and `ctx_*` columns, as in the interactions.
            progress: show a progress bar.

        Returns:
            Columns `query` (the user id as text, or the position in the list given), `item_id`, `score`, `rank` (from
            1) and `fallback` (True where nothing is known of the shopper and the list is the most popular items).

        Raises:
            ParameterError: RK-311 texts for a model that understands none, RK-312 a wrong k, RK-330 no query, RK-331
                texts that are no text, RK-313 no list of ids per query, RK-340 a context of another length, RK-343,
                RK-344, RK-346 and RK-347 as `check_context`.
            DataError: RK-153 and RK-154 ids that are missing or cannot be ids.
            NotFittedError: RK-369 before `fit`.
        """
        check_k(k)
        given = [x for x in (users, histories, texts) if x is not None]
        if not given or (texts is not None and len(given) > 1):
            raise ParameterError("RK-330", "recommend() needs users, histories or texts.", "Pass users=['u1'].")
        users = None if users is None else as_ids(users, "users")
        texts = None if texts is None else listed(texts)
        if wrong := [text for text in texts or () if not isinstance(text, str)]:
            raise ParameterError("RK-331", f"texts holds {wrong[0]!r:.40}; expected text.", "Pass texts=['a gift'].")
        if histories is None:
            histories = self.known_histories(users) if texts is None else [[] for _ in texts]
        histories = _lists_of_ids(histories, "histories")
        queries = np.arange(len(histories)) if users is None else users.array
        seen = histories if seen is None else _lists_of_ids(seen, "seen")
        for name, lists in (("histories", histories), ("seen", seen)):
            if len(lists) != len(queries):
                raise ParameterError(
                    "RK-313", f"{name} has {len(lists)} lists for {len(queries)} queries.", "Pass one list per query."
                )
        context = None if context is None else check_context(context)
        if context is not None and len(context) != len(queries):
            raise ParameterError(
                "RK-340", f"context has {len(context)} rows for {len(queries)} queries.", "Pass one row per query."
            )
        encoded = self.encode(histories)
        encoded = encoded if seen is histories else replace(encoded, seen=self.encode(seen))
        barred = np.zeros(len(self.item_ids), bool)
        if candidates is not None:
            barred = ~self._item_index.isin(as_ids(candidates, "candidates"))
        frames = []
        size = max(1, ranking.BLOCK_CELLS // len(self.item_ids))
        for start in tqdm(
            range(0, max(len(queries), 1), size), desc=self.name, disable=not progress or size >= len(queries)
        ):
            stop = min(start + size, len(queries))
            block, now = encoded.block(start, stop), None if context is None else context.iloc[start:stop]
            scores, fallback = self._scores_or_fallback(block, texts if texts is None else texts[start:stop], now)
            scores[:, barred] = -np.inf
            frames.append(self._ranked(queries[start:stop], scores, block.masked, k, fallback))
        return pd.concat(frames, ignore_index=True)

    def _scores_or_fallback(
        self, histories: Histories, texts: Sequence[str] | None, context: pd.DataFrame | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores with -inf where the model cannot tell, and which rows are the popularity list instead."""
        if texts is not None:
            raw = self._score_texts(texts) if len(texts) or not self.understands_text else self._no_scores()
        else:
            raw = self._score(histories) if context is None else self._score_in_context(histories, context)
        if texts is None:
            fallback = ~self._knows(histories)
        else:  # no word of the text is known: all 0
            fallback = ~(self.can_score & np.isfinite(raw) & (raw != 0)).any(axis=1)
        return self.visible(raw, fallback), fallback

    def _no_scores(self) -> np.ndarray:
        return np.empty((0, len(self.item_ids)), np.float32)

    def visible(self, scores: np.ndarray, fallback: np.ndarray) -> np.ndarray:
        """The scores `(B, N)` as they are ranked: -inf where the model cannot tell, popularity in `fallback` rows."""
        shown = np.where(self.can_score, scores, np.float32(-np.inf))
        np.fmax(shown, np.float32(-np.inf), out=shown)  # what is no number is never listed
        shown[fallback] = np.where(self.item_counts > 0, self.item_counts, -np.inf)
        return shown

    def _ranked(self, queries: Any, scores: np.ndarray, seen: Histories, k: int, fallback: np.ndarray) -> pd.DataFrame:
        """Mask what was seen, take the best k, put the lists under one another."""
        rows, had = seen.cells
        scores[rows, had] = -np.inf
        best = top_k(scores, k)
        row, place = np.nonzero(best >= 0)
        item = best[row, place]
        return pd.DataFrame({
            "query": queries[row],
            "item_id": self.item_ids[item],
            "score": scores[row, item],
            "rank": place + 1,
            "fallback": fallback[row],
        })  # fmt: skip

    # -- on disk ---------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> None:
        """Write the fitted model as safetensors and JSON into a new folder.

        Raises:
            ArtifactError: RK-407 there is such a folder, RK-505 it cannot be written.
        """
        folder = Path(folder)
        arrays = {"can_score": self.can_score, "item_counts": self.item_counts}
        arrays |= {"history_items": self._train_histories.items, "history_starts": self._train_histories.starts}
        for attribute in self.state:
            arrays |= _pack(attribute, getattr(self, attribute))
        meta = {"model": self.name, "parameters": self._parameters(), "understands_text": self.understands_text}
        meta |= {"learned": {name: getattr(self, name) for name in self.learned}}
        meta |= {"item_ids": self.item_ids.tolist(), "user_ids": self.user_ids.tolist()}
        try:
            folder.mkdir(parents=True)
            save_file({key: np.ascontiguousarray(value) for key, value in arrays.items()}, folder / "model.safetensors")
            self._save_extra(folder)
            (folder / "model.json").write_text(json.dumps(meta, sort_keys=True, ensure_ascii=False), encoding="utf-8")
        except FileExistsError:
            raise ArtifactError(
                "RK-407", f"{folder} exists; expected a new folder for a model.", "Save elsewhere or remove it."
            ) from None
        except (OSError, SafetensorError) as problem:
            raise ArtifactError(
                "RK-505",
                f"{folder} cannot be written ({problem}); expected a folder of yours on a disk with room.",
                "Make room, or name another folder.",
            ) from problem

    def _parameters(self) -> dict[str, Any]:
        return asdict(self)

    def _save_extra(self, folder: Path) -> None:  # noqa: B027 (most models have nothing more)
        """Files beyond arrays: vectors, members of a hybrid."""

    @classmethod
    def _restore(cls, folder: Path, meta: Mapping[str, Any]) -> Self:
        model = cls(**meta["parameters"])
        model._load_state(folder, meta)
        return model

    def _load_state(self, folder: Path, meta: Mapping[str, Any]) -> None:
        arrays = load_file(folder / "model.safetensors")
        self.item_ids, self.user_ids = np.array(meta["item_ids"], dtype=str), np.array(meta["user_ids"], dtype=str)
        self._item_index = pd.Index(self.item_ids)
        self.can_score, self.item_counts = arrays["can_score"], arrays["item_counts"]
        self._train_histories = Histories(arrays["history_items"], arrays["history_starts"])
        for attribute in self.state:
            setattr(self, attribute, _unpack(attribute, arrays))
        for name in self.learned:
            setattr(self, name, meta["learned"][name])


def _lists_of_ids(lists: Any, name: str) -> list[Any]:
    """The lists, one per query; RK-313 where they are ids or missing."""
    lists = list(listed(lists))
    for row, ids in enumerate(lists):
        if isinstance(ids, (str, bytes)) or not isinstance(ids, Iterable):
            raise ParameterError(
                "RK-313",
                f"{name} holds {ids!r:.40} in place {row}; expected one list of ids per query.",
                f"Pass {name}=[['i1', 'i2']].",
            )
    return lists


def text_ids_of(vectors: Any) -> Any:
    """The vectors with their ids as text; the very object where they are. RK-314 where they are no `Vectors`."""
    if not isinstance(vectors, Vectors):
        raise ParameterError(
            "RK-314",
            f"item_vectors is a {type(vectors).__name__}; expected Vectors, which know their items.",
            "Pass Vectors(ids, values, {}).",
        )
    if pd.api.types.infer_dtype(vectors.ids, skipna=False) == "string":
        return vectors
    return replace(vectors, ids=as_ids(vectors.ids, "ids of item_vectors").tolist())


def load(folder: str | Path) -> Recommender:
    """Read a model that `save` wrote; its class is found by the registered name, nothing in the file is run."""
    meta = _read_meta(folder)
    try:
        return MODELS[meta["model"]]._restore(Path(folder), meta)
    except (
        KeyError,
        TypeError,
        SafetensorError,
    ) as problem:  # a parameter or an array that this version does not know, or misses
        raise ArtifactError(
            "RK-406", f"{folder} was written by another version ({problem}).", "Run notebook 04_evaluation again."
        ) from problem


def class_of(folder: str | Path) -> type[Recommender]:
    """What kind of model lies in `folder`; its arrays are not read."""
    return MODELS[_read_meta(folder)["model"]]


def understands_text(folder: str | Path) -> bool:
    """Whether the model in `folder` can answer a sentence; its arrays are not read."""
    return _read_meta(folder).get("understands_text", False)


def _read_meta(folder: str | Path) -> dict[str, Any]:
    try:
        meta = json.loads((Path(folder) / "model.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(
            "RK-408",
            f"{folder} holds no model.json; expected a folder written by save().",
            "Run notebook 04_evaluation.",
        ) from None
    except ValueError as problem:
        raise ArtifactError(
            "RK-406",
            f"{folder} holds a model.json that cannot be read ({problem}).",
            "Run notebook 04_evaluation again.",
        ) from problem
    if meta["model"] not in MODELS:
        raise ArtifactError(
            "RK-403",
            f"{folder} holds a model named {meta['model']!r}; known are {sorted(MODELS)}.",
            "Update recsys_kit.",
        )
    return meta


def _pack(name: str, value: Any) -> dict[str, np.ndarray]:
    """A dense array as itself, a CSR matrix as its three arrays and its shape."""
    if not sparse.issparse(value):
        return {name: value}
    return {
        f"{name}.data": value.data,
        f"{name}.indices": value.indices,
        f"{name}.indptr": value.indptr,
        f"{name}.shape": np.array(value.shape),
    }


def _unpack(name: str, arrays: Mapping[str, np.ndarray]) -> Any:
    if name in arrays:
        return arrays[name]
    parts = (arrays[f"{name}.data"], arrays[f"{name}.indices"], arrays[f"{name}.indptr"])
    return sparse.csr_array(parts, shape=tuple(arrays[f"{name}.shape"]))
