"""Item-to-item transitions: which items follow one another in the histories."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.recommenders.interactions import HistoryDecay


def transition_counts(histories: Histories, n_items: int, window: int, decay: float) -> sparse.csr_array:
    """Count how often the column followed the row, `(N, N)`; a pair `d` events apart counts d^-decay, up to `window`.

    >>> histories = Histories(np.array([0, 1, 2]), np.array([0, 3]))  # one user: item 0, then 1, then 2
    >>> transition_counts(histories, 3, window=2, decay=1.0).toarray().tolist()
    [[0.0, 1.0, 0.5], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """
    owner, _ = histories.cells
    counts = sparse.csr_array((n_items, n_items), dtype=np.float32)
    for distance in range(1, min(window, len(owner) - 1) + 1):
        same = owner[distance:] == owner[:-distance]
        before, after = histories.items[:-distance][same], histories.items[distance:][same]
        weights = np.full(len(before), float(distance) ** -decay, np.float32)
        counts += sparse.csr_array((weights, (before, after)), shape=counts.shape)  # equal pairs are summed
    counts.setdiag(0)  # a repeated item says nothing about others
    counts.eliminate_zeros()
    return counts


@dataclass
class ItemTransitions(HistoryDecay):
    """Counts which items follow one another; near pairs weigh more, frequent items are damped.

    An entry of `weights` is (forward + backward * its transpose), divided by a power of the row's sum and of the
    column's. Source: own; a decayed, two-way form of the Markov chain of Rendle et al., Factorizing personalized Markov
    chains, WWW 2010.
    """

    window: int = 10
    """Largest distance, in events, of the pairs that are counted."""
    decay: float = 0.7
    """A pair `d` events apart has the weight d^-decay."""
    backward: float = 0.4
    """Weight of a pair in reverse order, as a share of its weight in order."""
    row_power: float = 0.3
    """Rows are divided by their sum to this power: damps items that precede many others."""
    column_power: float = 0.15
    """Columns are divided by their sum to this power: damps items that follow many others."""
    history_decay: float = 1.0

    name = "transitions"
    state = ("weights",)  # (N, N) CSR: row = item of the history, column = item scored

    def _fit(self, split: EncodedSplit) -> None:
        forward = transition_counts(split.train_histories, len(self.items), self.window, self.decay)
        both = forward + forward.T * np.float32(self.backward)
        rows = sparse.diags_array(_inverse_power(both.sum(axis=1), self.row_power))
        columns = sparse.diags_array(_inverse_power(both.sum(axis=0), self.column_power))
        self.weights = (rows @ both @ columns).tocsr().astype(np.float32)

    def _score(self, histories: Histories) -> np.ndarray:
        return (self.weigh(histories) @ self.weights).toarray()


def _inverse_power(sums: np.ndarray, power: float) -> np.ndarray:
    return np.where(sums > 0, sums, 1) ** -power
