"""Rows of numbers with the ids they belong to: saved and read without pickle, and asked who is near whom."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix, issparse

from recsys_kit.data.tables import as_ids
from recsys_kit.errors import ParameterError


class Encoder(Protocol):
    """Anything that turns texts into rows of unit length."""

    def encode(self, texts: Sequence[str]) -> np.ndarray | csr_matrix:
        """One row per text, (N, D)."""


@dataclass(frozen=True)
class Vectors:
    """One row per id: `values` is (N, D) float32, dense or csr; `how` is plain JSON, enough to make the encoder again.

    >>> two = Vectors(["i1", "i2"], np.eye(2, dtype=np.float32), {"method": "by hand"})
    >>> two.values.shape
    (2, 2)
    """

    ids: list[str]
    values: np.ndarray | csr_matrix
    how: dict[str, Any]

    def save(self, folder: str | Path) -> None:
        """Write vectors.safetensors, ids.json and how.json into `folder`."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if issparse(self.values):
            arrays = {name: getattr(self.values, name) for name in ("data", "indices", "indptr")}
        else:
            arrays = {"values": np.ascontiguousarray(self.values)}
        save_file(arrays, folder / "vectors.safetensors")
        shape = [int(size) for size in self.values.shape]
        for name, value in {"ids": self.ids, "how": {**self.how, "shape": shape}}.items():
            text = json.dumps(value, ensure_ascii=False, sort_keys=True)
            (folder / f"{name}.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> "Vectors":
        """Read what `save` wrote."""
        ids, how = (json.loads((Path(folder) / f"{name}.json").read_text("utf-8")) for name in ("ids", "how"))
        arrays, shape = load_file(Path(folder) / "vectors.safetensors"), how.pop("shape")
        if "values" in arrays:
            return cls(ids, arrays["values"], how)
        return cls(ids, csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape), how)

    @cached_property
    def _index(self) -> pd.Index:
        return pd.Index(as_ids(self.ids, "ids of vectors"))

    def row_of(self, item_id: Any) -> int:
        """The row of an item; RK-342 where it has none."""
        (item_id,) = as_ids(item_id, "item_id")
        rows = np.flatnonzero(self._index == item_id)
        if not len(rows):
            raise ParameterError("RK-342", f"item {item_id!r} has no vector.", "Pass one of the ids.")
        return int(rows[0])

    def align(self, ids: Sequence[str]) -> "Vectors":
        """The rows of these ids, in this order; zeros where there is none.

        >>> Vectors(["a", "b"], np.eye(2, dtype=np.float32), {}).align(["b", "new"]).values.tolist()
        [[0.0, 1.0], [0.0, 0.0]]
        """
        place = self._index.get_indexer(as_ids(ids, "ids to align"))
        rows = np.flatnonzero(place >= 0)
        ones = np.ones(len(rows), np.float32)
        choose = csr_matrix((ones, (rows, place[rows])), shape=(len(place), len(self.ids)))
        return Vectors(list(ids), choose @ self.values, self.how)

    def encoder(self) -> Encoder:
        """What made these rows, ready for new texts."""
        return self._encoder

    @cached_property
    def _encoder(self) -> Encoder:  # a language model takes seconds to load: once
        from recsys_kit.features.text import load_encoder

        return load_encoder(self.how)


def nearest_items(vectors: Vectors, item_id: str, *, k: int = 5) -> pd.DataFrame:
    """The `k` items nearest to `item_id` by cosine: columns rank, item_id, score; no rows where it has no text.

    >>> vectors = Vectors(["a", "b", "c"], np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32), {})
    >>> nearest_items(vectors, "a", k=2)[["rank", "item_id"]].values.tolist()
    [[1, 'b']]
    """
    row = vectors.row_of(item_id)
    scores = _dense(vectors.values @ vectors.values[[row]].T).ravel()
    scores[row] = -np.inf
    order = np.argsort(-scores, kind="stable")[:k]
    order = order[scores[order] > 0]
    ids = [vectors.ids[index] for index in order]
    return pd.DataFrame({"rank": np.arange(1, len(order) + 1), "item_id": ids, "score": scores[order]})


def shared_weight(vectors: Vectors, item_id: str, other_id: str) -> pd.Series:
    """What each word adds to the cosine of two items under TF-IDF, the most first; the sum is the cosine.

    >>> how = {"vocabulary": ["bowl", "lamp"]}
    >>> vectors = Vectors(["a", "b"], csr_matrix(np.array([[0.6, 0.8], [1, 0]], np.float32)), how)
    >>> shared_weight(vectors, "a", "b").round(2).to_dict()
    {'bowl': 0.6}
    """
    first, second = (vectors.values[[vectors.row_of(one)]] for one in (item_id, other_id))
    product = first.multiply(second).tocsr()
    words = np.asarray(vectors.how["vocabulary"], dtype=object)[product.indices]
    return pd.Series(product.data, index=words, dtype=float).sort_values(ascending=False, kind="stable")


def nearest_neighbour_accuracy(vectors: Vectors, labels: pd.Series) -> pd.Series:
    """Does the nearest other item have the same label? 1.0 or 0.0 for each labelled item, indexed by item id.

    An item without text, or with nothing in common with any other, counts as a miss. Equal neighbours: the first wins.

    Args:
        vectors: rows of unit length.
        labels: Series indexed by item id; items without a label are left out.

    >>> vectors = Vectors(["a", "b", "c"], np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32), {})
    >>> nearest_neighbour_accuracy(vectors, pd.Series({"a": "mug", "b": "mug", "c": "jazz"})).to_dict()
    {'a': 1.0, 'b': 1.0, 'c': 0.0}
    """
    labels = labels.dropna()
    keep = [index for index, item_id in enumerate(vectors.ids) if item_id in labels.index]
    ids = [vectors.ids[index] for index in keep]
    codes, values = labels.loc[ids].to_numpy(), vectors.values[keep]
    hits = np.zeros(len(keep))
    for start in range(0, len(keep), 1024):
        scores = _dense(values[start : start + 1024] @ values.T)
        here = np.arange(len(scores))
        scores[here, here + start] = -np.inf
        nearest = scores.argmax(axis=1)
        hits[start : start + 1024] = (codes[nearest] == codes[start : start + 1024]) & (scores[here, nearest] > 0)
    return pd.Series(hits, index=ids)


def _dense(values: np.ndarray | csr_matrix) -> np.ndarray:
    return np.asarray(values.toarray() if issparse(values) else values)
