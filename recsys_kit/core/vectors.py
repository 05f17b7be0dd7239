"""Vectors with the ids they belong to, saved and loaded without pickle."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save
from scipy.sparse import csr_matrix, issparse

from recsys_kit.core.ids import as_ids
from recsys_kit.errors import ParameterError


def check_vectors(vectors: Any, name: str = "item_vectors") -> "Vectors":
    """Return the vectors; raise `ParameterError` (RK-314) where they are not `Vectors`."""
    if not isinstance(vectors, Vectors):
        problem = f"{name} is a {type(vectors).__name__}; expected Vectors, which know their items."
        raise ParameterError("RK-314", problem, "Pass Vectors(ids, values, {}).")
    return vectors


@dataclass(frozen=True)
class Vectors:
    """One row per id: `values` is `(N, D)` float32, dense or csr; `how` describes their encoder as plain JSON.

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
        (folder / "vectors.safetensors").write_bytes(save(arrays))  # save_file lets only this account read it
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
        """Return the row of an item; raise `ParameterError` (RK-342) where it has none."""
        (item_id,) = as_ids(item_id, "item_id")
        rows = np.flatnonzero(self._index == item_id)
        if not len(rows):
            raise ParameterError("RK-342", f"item {item_id!r} has no vector.", "Pass one of the ids.")
        return int(rows[0])

    def align(self, ids: Sequence[str]) -> "Vectors":
        """Return one row per id, in this order; zeros for an id without a vector.

        >>> Vectors(["a", "b"], np.eye(2, dtype=np.float32), {}).align(["b", "new"]).values.tolist()
        [[0.0, 1.0], [0.0, 0.0]]
        """
        place = self._index.get_indexer(as_ids(ids, "ids to align"))
        rows = np.flatnonzero(place >= 0)
        ones = np.ones(len(rows), np.float32)
        choose = csr_matrix((ones, (rows, place[rows])), shape=(len(place), len(self.ids)))
        return Vectors(list(ids), choose @ self.values, self.how)
