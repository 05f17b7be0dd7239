"""The training interactions as a sparse matrix, and the age of each event."""

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.events import Events


def event_ages(events: Events) -> np.ndarray:
    """Return `(E,)` the age of each event, from 0 (the newest) to 1 (the oldest); 0 where events have no time.

    Ages are measured in training periods, so that data of months and of decades are treated alike.
    """
    if "timestamp" not in events.columns:
        return np.zeros(len(events))
    times = events.columns["timestamp"]
    period = max(times.max() - times.min(), pd.Timedelta(1, "s"))
    return ((times.max() - times) / period).to_numpy(float)


def latest_of_pairs(events: Events) -> np.ndarray:
    """Return `(E,)` bool: the latest event of each user with each item."""
    return ~pd.DataFrame({"user": events.user, "item": events.item}).duplicated(keep="last").to_numpy()


def interaction_matrix(split: EncodedSplit, half_life: float | None = None) -> sparse.csr_array:
    """Return `(U, N)` training interactions: 1, or 0.5^(age / half_life) by the age of the latest event of a pair."""
    events = split.train
    latest = latest_of_pairs(events)
    weights = np.ones(latest.sum(), np.float32)
    if half_life is not None:
        weights = np.power(0.5, event_ages(events)[latest] / half_life).astype(np.float32)
    cells = tuple(index[latest].astype(np.int32) for index in (events.user, events.item))  # as `implicit` wants them
    return sparse.csr_array((weights, cells), shape=(len(split.users), len(split.items)))


def keep_largest(matrix: sparse.csr_array, n: int) -> sparse.csr_array:
    """Return the n largest values of each row; of equal values those of the lower columns.

    >>> keep_largest(sparse.csr_array([[1.0, 3.0, 3.0, 0.0], [0.0, 0.0, 0.0, 5.0]]), 2).toarray()
    array([[0., 3., 3., 0.],
           [0., 0., 0., 5.]])
    """
    entries = matrix.tocoo()
    order = np.lexsort((entries.col, -entries.data, entries.row))
    rows, columns, values = entries.row[order], entries.col[order], entries.data[order]
    kept = np.arange(len(rows)) - np.searchsorted(rows, rows) < n
    return sparse.csr_array((values[kept], (rows[kept], columns[kept])), shape=matrix.shape)
