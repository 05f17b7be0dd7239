"""Training examples of the networks that predict each event of a user from the others."""

import numpy as np
from scipy import sparse


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
