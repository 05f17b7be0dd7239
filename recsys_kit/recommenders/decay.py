"""The weights of the items of a history: recent ones weigh more."""

from dataclasses import dataclass

from scipy import sparse

from recsys_kit.core.histories import Histories
from recsys_kit.recommenders.base import Recommender


@dataclass
class HistoryDecay(Recommender):
    """A recommender that weighs the items of a history by their age."""

    history_decay: float = 0.3
    """An item `back` events from the end of a history has the weight (1 + back)^-history_decay; 0: all the same."""

    def weigh(self, histories: Histories) -> sparse.csr_array:
        """Return the weight of each item in each history, `(B, N)`. The matrix is shared: do not change it."""
        return histories.matrix(len(self.items), self.history_decay)
