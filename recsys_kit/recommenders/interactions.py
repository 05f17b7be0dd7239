"""How interactions are weighed, in training by their age, in a history by their place; each as a training example."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.events import Events
from recsys_kit.core.histories import Histories
from recsys_kit.recommenders.base import Recommender


def weigh_latest(events: Events, half_life: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Find the latest event of each user with each item, and weigh it by its age.

    The age is 0 for the newest event of all and 1 for the oldest: measured in training periods, data of months and of
    decades are treated alike.

    Returns:
        (E,) bool, the latest events; their weights, float64: 0.5^(age / half_life), or 1 without a time or half-life.
    """
    latest = ~pd.DataFrame({"user": events.user, "item": events.item}).duplicated(keep="last").to_numpy()
    if half_life is None or "timestamp" not in events.columns:
        return latest, np.ones(latest.sum())
    times = events.columns["timestamp"]
    period = max(times.max() - times.min(), pd.Timedelta(1, "s"))
    ages = ((times.max() - times) / period).to_numpy(float)
    return latest, np.power(0.5, ages[latest] / half_life)


def interaction_matrix(split: EncodedSplit, half_life: float | None = None) -> sparse.csr_array:
    """Return `(U, N)` training interactions: 1, or 0.5^(age / half_life) by the age of the latest event of a pair."""
    events, (latest, weights) = split.train, weigh_latest(split.train, half_life)
    cells = tuple(index[latest].astype(np.int32) for index in (events.user, events.item))  # as `implicit` wants them
    return sparse.csr_array((weights.astype(np.float32), cells), shape=(len(split.users), len(split.items)))


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


@dataclass
class HistoryDecay(Recommender):
    """A recommender that weighs the items of a history by their age."""

    history_decay: float = 0.3
    """An item `back` events from the end of a history has the weight (1 + back)^-history_decay; 0: all the same."""

    def weigh(self, histories: Histories) -> sparse.csr_array:
        """Return the weight of each item in each history, `(B, N)`. The matrix is shared: do not change it."""
        return histories.matrix(len(self.items), self.history_decay)


class LeaveOneOut:
    """Every event of a user with two items or more, in a new order each epoch.

    Args:
        weights: (U, N) weights of the items in the histories; each is an event.
        batch_size: events of a batch; of fewer events than this all are in one.
        rng: draws the order.
    """

    def __init__(self, weights: sparse.csr_array, batch_size: int, rng: np.random.Generator) -> None:
        self.weights, self.rng, self.lengths = weights, rng, np.diff(weights.indptr)
        self.rows = np.repeat(np.arange(len(self.lengths)), self.lengths)  # the user of each event
        self.events = np.flatnonzero(self.lengths[self.rows] > 1)
        self.n_batches = min(len(self.events), max(1, len(self.events) // batch_size))

    def draw(self) -> list[np.ndarray]:
        """Return the events of each batch of an epoch, as places in the data of `weights`."""
        order = self.rng.permutation(self.events)
        return np.array_split(order, self.n_batches) if self.n_batches else []
