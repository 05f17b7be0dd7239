"""Association rules: users of one item also interact with another."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.errors import ParameterError
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.interactions import interaction_matrix

MEASURES = ("support", "confidence", "lift")


@dataclass
class AssociationRules(Recommender):
    """Rules "users of a also interact with c" from the training set; the score of c is the sum over a history's rules.

    support = n(a and c) / n, confidence = n(a and c) / n(a), lift = confidence / (n(c) / n), where n counts users.
    Items without a rule from the history follow by popularity, with scores from -1 to 0. Items that no rule leads to
    are never recommended; a history without a rule gets the popularity list.
    Source: Agrawal and Srikant, Fast algorithms for mining association rules, VLDB 1994, section 1; rules of one item
    on each side, counted by X'X.

    >>> import pandas as pd
    >>> train = pd.DataFrame({"user_id": list("112233445"), "item_id": list("abababcca"), "position": range(9)})
    >>> rules = AssociationRules(min_count=2).fit(train)
    >>> rules.item_ids[rules.consequents].tolist(), rules.confidence.tolist(), rules.lift.tolist()
    (['b', 'a'], [0.75, 1.0], [1.25, 1.25])
    """

    min_count: int = 2
    """Users of both items of a rule, at least."""
    min_lift: float = 1.0
    """A rule needs a lift above this; 1 is the lift of independent items."""
    measure: str = "confidence"
    """What is summed over the rules: support, confidence or lift."""

    name = "association_rules"
    state = ("antecedents", "consequents", "support", "confidence", "lift")  # (R,) item indices a and c; (R,) float32
    learned = ("n_users",)

    def _fit(self, split: EncodedSplit) -> None:
        if self.measure not in MEASURES:
            problem = f"measure is {self.measure!r}; expected one of {MEASURES}."
            raise ParameterError("RK-341", problem, "Pass measure='confidence'.")
        matrix = interaction_matrix(split)
        self.n_users = matrix.shape[0]
        both = (matrix.T @ matrix).tocoo()
        counts, chosen = both.diagonal().astype(float), (both.row != both.col) & (both.data >= self.min_count)
        order = np.lexsort((both.col[chosen], both.row[chosen]))
        first, second, common = (values[chosen][order] for values in (both.row, both.col, both.data.astype(float)))
        expected = counts[first] * self.item_counts[second]  # times n; whole numbers: independence is exactly 1
        lift = common * self.n_users / expected
        kept = np.flatnonzero(lift > self.min_lift)
        self.antecedents, self.consequents = first[kept].astype(np.int64), second[kept].astype(np.int64)
        self.support = (common[kept] / self.n_users).astype(np.float32)
        self.confidence = (common[kept] / counts[first[kept]]).astype(np.float32)
        self.lift = lift[kept].astype(np.float32)
        self.can_score = np.isin(np.arange(len(self.items)), self.consequents)

    def _score(self, histories: Histories) -> np.ndarray:
        shape = len(self.items), len(self.items)
        rules = sparse.csr_array((getattr(self, self.measure), (self.antecedents, self.consequents)), shape=shape)
        scores = (histories.matrix(len(self.items)) @ rules).toarray().astype(np.float32)
        share = self.item_counts / np.float32(max(1, self.n_users))
        return np.where(scores > 0, scores, share - 1)  # from -1 to 0: after all items with a rule

    def _knows(self, histories: Histories) -> np.ndarray:
        """Return whether any rule starts in the history, even one to an item that the user has seen."""
        return histories.has_any(np.isin(np.arange(len(self.items)), self.antecedents))
