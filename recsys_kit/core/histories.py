"""Histories of many users as two integer arrays."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import sparse


@dataclass(frozen=True, eq=False)
class Histories:
    """The histories of B users as item indices, oldest first: history b is `items[starts[b]:starts[b + 1]]`."""

    items: np.ndarray
    starts: np.ndarray
    seen: "Histories | None" = None
    """The seen items, which are masked in the lists; None: the histories."""
    _matrices: dict[tuple[int, float], sparse.csr_array] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column, in a `(B, N)` array, of each event."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts)), self.items

    @property
    def masked(self) -> "Histories":
        """The items that are masked in the lists of these users."""
        return self if self.seen is None else self.seen

    def take(self, rows: np.ndarray) -> "Histories":
        """Return the histories of these rows, in this order; an empty one for -1."""
        lengths = np.where(rows >= 0, np.diff(self.starts)[rows] if len(self) else 0, 0)
        bounds = np.r_[0, lengths.cumsum()]
        places = np.arange(bounds[-1]) + np.repeat(self.starts[rows] - bounds[:-1], lengths)
        return Histories(self.items[places], bounds, None if self.seen is None else self.seen.take(rows))

    def has_any(self, items: np.ndarray) -> np.ndarray:
        """Return whether each history holds one of the items, a mask (N,): (B,) bool."""
        rows, columns = self.cells
        return np.bincount(rows[items[columns]], minlength=len(self)) > 0

    def matrix(self, n_items: int, decay: float = 0.0) -> sparse.csr_array:
        """Return `(B, N)` weights: (1 + back)^-decay for an item `back` events from the end of its history.

        A repeated item has the weight of its latest event. The matrix is kept and returned again: do not change it.
        """
        if (n_items, decay) not in self._matrices:
            rows = self.cells[0]
            back = self.starts[1:][rows] - np.arange(len(self.items)) - 1
            latest = ~pd.DataFrame({"row": rows, "item": self.items}).duplicated(keep="last").to_numpy()
            weights = ((1.0 + back[latest]) ** -decay).astype(np.float32)
            cells = rows[latest], self.items[latest]
            self._matrices[n_items, decay] = sparse.csr_array((weights, cells), shape=(len(self), n_items))
        return self._matrices[n_items, decay]
