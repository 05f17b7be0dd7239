"""Histories of many users as two integer arrays."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse


@dataclass(frozen=True)
class Histories:
    """What B shoppers had, as item indices, oldest first: history b is `items[starts[b]:starts[b + 1]]`."""

    items: np.ndarray
    starts: np.ndarray
    seen: "Histories | None" = None
    """What is left out of the lists; None: the histories."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column, in a `(B, N)` array, of each event."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts)), self.items

    @property
    def masked(self) -> "Histories":
        """What is left out of the lists of these shoppers."""
        return self if self.seen is None else self.seen

    def block(self, start: int, stop: int) -> "Histories":
        """The histories `start` to `stop`."""
        starts, seen = self.starts[start : stop + 1], None if self.seen is None else self.seen.block(start, stop)
        return Histories(self.items[starts[0] : starts[-1]], starts - starts[0], seen)

    def take(self, rows: np.ndarray) -> "Histories":
        """The histories of these rows, in this order."""
        lengths = np.diff(self.starts)[rows]
        bounds = np.r_[0, lengths.cumsum()]
        places = np.arange(bounds[-1]) + np.repeat(self.starts[rows] - bounds[:-1], lengths)
        return Histories(self.items[places], bounds, None if self.seen is None else self.seen.take(rows))

    def matrix(self, n_items: int, decay: float = 0.0) -> sparse.csr_array:
        """`(B, N)` weights: an item that is `back` events from the end of its history weighs (1 + back)^-decay.

        An item that was had repeatedly weighs as its latest event.
        """
        rows = self.cells[0]
        back = self.starts[1:][rows] - np.arange(len(self.items)) - 1
        latest = ~pd.DataFrame({"row": rows, "item": self.items}).duplicated(keep="last").to_numpy()
        weights = (1.0 + back[latest]) ** -decay
        return sparse.csr_array(
            (weights.astype(np.float32), (rows[latest], self.items[latest])), shape=(len(self), n_items)
        )
