"""Ids and their contiguous indices."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd

from recsys_kit.core.ids import as_ids, item_hash


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """N ids; the index of an id is its place in `ids`.

    >>> items = Vocabulary.of_items(["7", "007", "7"])
    >>> items.ids.tolist(), items.encode(["7", "unknown"]).tolist()
    (['7', '007'], [0, -1])
    """

    ids: np.ndarray
    """(N,) str, each once."""

    @classmethod
    def of_items(cls, ids: Iterable[str]) -> Self:
        """Order the ids by a fixed hash: ties between items are broken by it, not by the order of rows or names."""
        unique = np.asarray(pd.unique(as_ids(ids, "item_id")), dtype=str)
        return cls(unique[np.lexsort((unique, item_hash(unique)))])

    @classmethod
    def of_users(cls, ids: Iterable[str]) -> Self:
        """Order the ids as text."""
        return cls(np.unique(as_ids(ids, "user_id").to_numpy(str)))

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, name: object) -> bool:
        return name in self.index

    @cached_property
    def index(self) -> pd.Index:
        """The ids as a pandas index."""
        return pd.Index(self.ids)

    def encode(self, ids: Any, name: str = "ids") -> np.ndarray:
        """Return the index of each id, (n,) int64; -1 for an id that is not in the vocabulary.

        Raises:
            DataError: RK-153 and RK-154 ids that are missing or cannot be ids; the error calls them `name`.
        """
        return self.index.get_indexer(as_ids(ids, name)).astype(np.int64)
