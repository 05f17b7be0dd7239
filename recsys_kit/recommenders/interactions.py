"""Events as arrays: how old each is, and who had what."""

import numpy as np
import pandas as pd
from scipy import sparse


def event_ages(train: pd.DataFrame) -> np.ndarray:
    """`(E,)` age of each event: 0 for the newest of train, 1 for the oldest; all 0 where events have no time.

    Measured in training periods, so that a shop of months and one of decades are treated alike.
    """
    if "timestamp" not in train:
        return np.zeros(len(train))
    newest = train["timestamp"].max()
    period = max(newest - train["timestamp"].min(), pd.Timedelta(1, "s"))
    return ((newest - train["timestamp"]) / period).to_numpy(float)


def interaction_matrix(train: pd.DataFrame, n_items: int, half_life: float | None = None) -> sparse.csr_array:
    """`(U, N)`: 1 for what a shopper had, or 0.5^(age / half_life) by the age of the latest event of the pair."""
    latest = ~train.duplicated(["user_index", "item_index"], keep="last").to_numpy()
    weights = np.ones(latest.sum(), np.float32)
    if half_life is not None:
        weights = np.power(0.5, event_ages(train)[latest] / half_life).astype(np.float32)
    users, items = (train[index].to_numpy(np.int32)[latest] for index in ("user_index", "item_index"))  # for `implicit`
    return sparse.csr_array((weights, (users, items)), shape=(users.max(initial=-1) + 1, n_items))


def keep_largest(matrix: sparse.csr_array, n: int) -> sparse.csr_array:
    """The n largest values of each row; equal values are won by the lower column.

    >>> keep_largest(sparse.csr_array([[1.0, 3.0, 3.0, 0.0], [0.0, 0.0, 0.0, 5.0]]), 2).toarray()
    array([[0., 3., 3., 0.],
           [0., 0., 0., 5.]])
    """
    entries = matrix.tocoo()
    order = np.lexsort((entries.col, -entries.data, entries.row))
    rows, columns, values = entries.row[order], entries.col[order], entries.data[order]
    kept = np.arange(len(rows)) - np.searchsorted(rows, rows) < n
    return sparse.csr_array((values[kept], (rows[kept], columns[kept])), shape=matrix.shape)
