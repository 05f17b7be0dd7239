"""Association rules: who has these has that."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.core.ids import as_ids
from recsys_kit.core.ranges import Range
from recsys_kit.core.ranking import check_k
from recsys_kit.errors import ParameterError
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.interactions import interaction_matrix

MEASURES = ("support", "confidence", "lift")


@dataclass
class AssociationRules(Recommender):
    """Rules "who has A has also c" over the shoppers of train; a history scores c by the sum over its rules.

    support = n(A and c) / n, confidence = n(A and c) / n(A), lift = confidence / (n(c) / n), n counting shoppers, A one
    item or more, c one item. Behind the items that a rule fires for the others follow by popularity, scored from -1 to
    0. Items that no rule leads to are never recommended; a history that fires no rule gets the popularity list.
    Source: Agrawal and Srikant, Fast algorithms for mining association rules, VLDB 1994, section 1;
    pairs are counted by X'X, longer rules mined by the FP-growth of `mlxtend` (Han, Pei and Yin, SIGMOD 2000).
    """

    min_count: int = 2
    """Shoppers who had all of a rule."""
    min_lift: float = 1.0
    """A rule needs a lift above this: at 1, those that are not above chance are left out."""
    max_length: int = 2
    """Items of a rule, both sides together; 3 and more take minutes where shoppers have much."""
    measure: str = "confidence"
    """What is summed over the rules that fire: support, confidence or lift."""

    name = "association_rules"
    ranges: ClassVar[Mapping[str, Range]] = {"max_length": Range(2)}
    state = ("antecedents", "consequents", "support", "confidence", "lift")
    learned = ("n_users",)
    # (R, N) CSR of ones; (R,) int64 columns of item_ids; (R,) float32 each

    def _fit(self, split: EncodedSplit) -> None:
        if self.measure not in MEASURES:
            raise ParameterError(
                "RK-341", f"measure is {self.measure!r}; expected one of {MEASURES}.", "Pass measure='confidence'."
            )
        matrix = interaction_matrix(split)
        mined = _pairs(matrix, self.min_count) if self.max_length == 2 else self._longer(matrix)
        expected = mined.left * self.item_counts[mined.consequents]  # times n; whole numbers: chance is exactly 1
        lift = mined.both * matrix.shape[0] / expected
        kept = np.flatnonzero(lift > self.min_lift)
        self.antecedents, self.consequents = mined.antecedents[kept], mined.consequents[kept]
        self.support = (mined.both[kept] / matrix.shape[0]).astype(np.float32)
        self.confidence = (mined.both[kept] / mined.left[kept]).astype(np.float32)
        self.lift = lift[kept].astype(np.float32)
        self.n_users = len(split.users)
        self.can_score = np.isin(np.arange(len(self.items)), self.consequents)

    def _longer(self, matrix: sparse.csr_array) -> "_Mined":
        """Rules of any length by FP-growth, in an order that depends on nothing but the rules."""
        from mlxtend.frequent_patterns import association_rules, fpgrowth

        frequent, n_users = np.flatnonzero(self.item_counts >= self.min_count), max(matrix.shape[0], 1)
        baskets = pd.DataFrame.sparse.from_spmatrix(matrix[:, frequent].astype(bool))
        enough = (self.min_count - 0.5) / n_users  # half a shopper below, so that rounding takes none away
        sets = fpgrowth(baskets, min_support=enough, max_len=self.max_length)
        if (sets["itemsets"].map(len) < 2).all():
            return _pairs(matrix[:0], self.min_count)
        rules = association_rules(sets, metric="support", min_threshold=0)
        rules = rules[rules["consequents"].map(len) == 1]
        left = [sorted(frequent[list(items)].tolist()) for items in rules["antecedents"]]
        right = [frequent[min(items)] for items in rules["consequents"]]
        order = sorted(range(len(left)), key=lambda rule: (left[rule], right[rule]))
        starts = np.r_[0, np.cumsum([len(left[rule]) for rule in order])]
        items = np.array([item for rule in order for item in left[rule]], dtype=np.int64)
        shape = (len(order), matrix.shape[1])
        return _Mined(
            sparse.csr_array((np.ones(len(items), np.float32), items, starts), shape=shape),
            np.array(right, dtype=np.int64)[order],
            np.rint(rules["support"].to_numpy()[order] * n_users),
            np.rint(rules["antecedent support"].to_numpy()[order] * n_users),
        )

    def _score(self, histories: Histories) -> np.ndarray:
        had = histories.matrix(len(self.items))
        pairs, lengths = self._lengths == 1, self._lengths
        ends = np.arange(len(lengths) + 1)
        worth = sparse.csr_array(
            (getattr(self, self.measure), self.consequents, ends), shape=(len(lengths), had.shape[1])
        )
        scores = had @ (self.antecedents[pairs].T @ worth[pairs])  # the rules of one item add up without being fired
        scores = (scores + self._longer_fired(had) @ worth[lengths > 1]).toarray().astype(np.float32)
        share = self.item_counts / np.float32(max(1, self.n_users))
        return np.where(scores > 0, scores, share - 1)  # from -1 to 0: behind whatever a rule fires for

    @property
    def _lengths(self) -> np.ndarray:
        """`(R,)` items of each left side."""
        return np.diff(self.antecedents.indptr)

    def _longer_fired(self, had: sparse.csr_array) -> sparse.csr_array:
        """`(B, rules of two items or more)`: 1 where a history has all of the left side."""
        longer = self._lengths > 1
        fired = (had @ self.antecedents[longer].T).tocsr()
        fired.data = (fired.data == self._lengths[longer][fired.indices]).astype(np.float32)
        return fired

    def _knows(self, histories: Histories) -> np.ndarray:
        """Whether any rule fires, be it towards what the shopper has already."""
        had, alone = histories.matrix(len(self.items)), np.zeros(len(self.items), np.float32)
        alone[self.antecedents[self._lengths == 1].indices] = 1
        return (had @ alone > 0) | (np.asarray(self._longer_fired(had).sum(axis=1)).ravel() > 0)

    def bought_together(self, item_id: str, *, k: int = 10, by: str = "lift") -> pd.DataFrame:
        """What goes with one item: columns `item_id, count, support, confidence, lift`, the best `by` first.

        Raises `ParameterError`: RK-341 for another `by` than confidence, lift or support, RK-342 for an unknown item,
        RK-312 for a wrong k.

        >>> train = pd.DataFrame({"user_id": list("112233445"), "item_id": list("abababcca"), "position": range(9)})
        >>> AssociationRules(min_count=2).fit(train).bought_together("a").to_dict("records")
        [{'item_id': 'b', 'count': 3, 'support': 0.6, 'confidence': 0.75, 'lift': 1.25}]
        """
        if by not in MEASURES:
            raise ParameterError("RK-341", f"by is {by!r}; expected one of {MEASURES}.", "Pass by='lift'.")
        check_k(k)
        item_id = as_ids(item_id, "item_id")[0]
        if item_id not in self.items:
            raise ParameterError("RK-342", f"item {item_id!r} is not in the catalogue.", "Pass an id of item_ids.")
        single = self._lengths == 1
        column = int(self.items.encode(item_id)[0])
        chosen = np.flatnonzero(single & (self.antecedents[:, [column]].toarray().ravel() > 0))
        both = self.support[chosen] * np.float64(self.n_users)
        table = pd.DataFrame({
            "item_id": self.item_ids[self.consequents[chosen]],
            "count": np.rint(both).astype(int),
            **{name: getattr(self, name)[chosen].astype(float).round(6) for name in MEASURES},
        })  # fmt: skip
        order = ["count" if by == "support" else by, "count"]
        return table.sort_values(order, ascending=False, kind="stable", ignore_index=True).head(k)


@dataclass(frozen=True)
class _Mined:
    """R rules: left sides `(R, N)` as CSR of ones, right sides as columns; how many shoppers had both, and the left."""

    antecedents: sparse.csr_array
    consequents: np.ndarray
    both: np.ndarray
    left: np.ndarray


def _pairs(matrix: sparse.csr_array, min_count: int) -> _Mined:
    """All rules of one item on each side."""
    gram = (matrix.T @ matrix).tocoo()
    counts = gram.diagonal()
    chosen = (gram.row != gram.col) & (gram.data >= min_count)
    order = np.lexsort((gram.col[chosen], gram.row[chosen]))
    left, right, both = (values[chosen][order] for values in (gram.row, gram.col, gram.data))
    entries = np.ones(len(left), np.float32), left, np.arange(len(left) + 1)
    antecedents = sparse.csr_array(entries, shape=(len(left), matrix.shape[1]))
    return _Mined(antecedents, right.astype(np.int64), both.astype(float), counts[left].astype(float))
