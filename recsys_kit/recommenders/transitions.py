"""What shoppers had next: from one item to another, forwards and, less, backwards."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.recommenders.base import Recommender


def transition_counts(histories: Histories, n_items: int, window: int, decay: float) -> sparse.csr_array:
    """`(N, N)`: how often the column was had after the row; a pair `d` events apart counts d^-decay, up to `window`.

    >>> histories = Histories(np.array([0, 1, 2]), np.array([0, 3]))  # one shopper: item 0, then 1, then 2
    >>> transition_counts(histories, 3, window=2, decay=1.0).toarray().tolist()
    [[0.0, 1.0, 0.5], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """
    owner, _ = histories.cells
    counts = sparse.csr_array((n_items, n_items), dtype=np.float32)
    for distance in range(1, min(window, len(owner) - 1) + 1):
        same = owner[distance:] == owner[:-distance]
        before, after = histories.items[:-distance][same], histories.items[distance:][same]
        weights = np.full(len(before), float(distance) ** -decay, np.float32)
        counts += sparse.csr_array((weights, (before, after)), shape=counts.shape)  # equal pairs add up
    counts.setdiag(0)  # having an item again says nothing about others
    counts.eliminate_zeros()
    return counts


@dataclass
class ItemTransitions(Recommender):
    """Counts which items shoppers had after one another; near pairs weigh more, frequent items are held back.

    An entry of `weights` is (forward + backward * its transpose), divided by a power of the row's sum and of the
    column's. Source: own; a decayed, two-way form of the Markov chain of Rendle et al., Factorizing personalized Markov
    chains, WWW 2010.
    """

    window: int = 10
    """Pairs of events at most so far apart are counted."""
    decay: float = 0.7
    """A pair `d` events apart weighs d^-decay."""
    backward: float = 0.4
    """What a pair weighs against its order, as a share of the same pair in order."""
    row_power: float = 0.3
    """Rows are divided by their sum to this power: what leads everywhere says less."""
    column_power: float = 0.15
    """Columns are divided by their sum to this power: what is reached from everywhere is held back."""
    history_decay: float = 1.0
    """An item `back` events from the end of a history weighs (1 + back)^-history_decay."""

    name = "transitions"
    state = ("weights",)  # (N, N) CSR: row = item had, column = item scored

    def _fit(self, split: EncodedSplit) -> None:
        self.can_score = self.item_counts > 0
        forward = transition_counts(split.train_histories, len(self.items), self.window, self.decay)
        both = forward + forward.T * np.float32(self.backward)
        rows = sparse.diags_array(_inverse_power(both.sum(axis=1), self.row_power))
        columns = sparse.diags_array(_inverse_power(both.sum(axis=0), self.column_power))
        self.weights = (rows @ both @ columns).tocsr().astype(np.float32)

    def _score(self, histories: Histories) -> np.ndarray:
        return (histories.matrix(len(self.items), self.history_decay) @ self.weights).toarray()


def _inverse_power(sums: np.ndarray, power: float) -> np.ndarray:
    return np.where(sums > 0, sums, 1) ** -power
