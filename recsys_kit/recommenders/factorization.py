"""Shoppers and items as vectors whose product is a taste; a new history gets its vector without retraining."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from scipy.special import expit

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.core.threads import one_blas_thread
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.interactions import interaction_matrix


@dataclass
class ALS(Recommender):
    """Weighted least squares: what was had counts `confidence`, all that was not counts 1, as zeros.

    Minimises sum_ui c_ui (p_ui - x_u' y_i)^2 + regularization (|x|^2 + |y|^2), x_u and y_i `(factors,)`; `implicit`
    fits it. A history, also a shopper's own, gets its vector by the normal equations of one shopper,
    x = (Y'Y + regularization I + sum_had (c - 1) y y')^-1 sum_had c y, from the fitted items.
    Source: Hu, Koren and Volinsky, Collaborative filtering for implicit feedback datasets, ICDM 2008, equation 4.
    """

    factors: int = 64
    confidence: float = 10.0
    """Weight of an event beside the 1 of everything that was not had."""
    regularization: float = 20.0
    iterations: int = 15
    history_decay: float = 0.3
    """An item `back` events from the end of a history counts 1 + (confidence - 1) (1 + back)^-history_decay."""
    seed: int = 0

    name = "als"
    options: ClassVar[Mapping[str, Sequence[Any]]] = {
        "history_decay": (0.0, 0.1, 0.3), "factors": (32, 64, 96, 128), "regularization": (5.0, 10.0, 20.0, 40.0, 80.0),
        "confidence": (2.0, 3.0, 5.0, 10.0, 30.0),
    }  # fmt: skip
    state = ("item_factors",)  # (N, factors) float32

    def _fit(self, split: EncodedSplit) -> None:
        from implicit.cpu.als import AlternatingLeastSquares

        self.can_score = self.item_counts > 0
        with one_blas_thread():
            model = AlternatingLeastSquares(
                factors=self.factors,
                regularization=self.regularization,
                alpha=self.confidence,
                iterations=self.iterations,
                random_state=self.seed,
            )
            model.fit(sparse.csr_matrix(interaction_matrix(split)))
        self.item_factors = model.item_factors

    def _score(self, histories: Histories) -> np.ndarray:
        had = histories.matrix(len(self.items), self.history_decay)
        with one_blas_thread():
            users = self._user_factors(had)
        # in double precision, or what BLAS adds in another order in a larger batch would decide between near ties
        return (users.astype(np.float64) @ self.item_factors.T).astype(np.float32)

    def _user_factors(self, had: sparse.csr_array) -> np.ndarray:
        """`(B, factors)` by the normal equations; zeros for an empty history."""
        factors = self.item_factors
        common = factors.T @ factors + self.regularization * np.eye(self.factors, dtype=np.float32)
        solved = np.zeros((had.shape[0], self.factors), np.float32)
        for row, (start, stop) in enumerate(pairwise(had.indptr)):
            own = factors[had.indices[start:stop]]  # (L, factors)
            extra = np.float32(self.confidence - 1) * had.data[start:stop]
            solved[row] = np.linalg.solve(common + (own.T * extra) @ own, own.T @ (1 + extra))
        return solved


@dataclass
class BPR(Recommender):
    """Pairs of an item that was had and one that was not: the first is to score higher.

    Maximises the sum of ln sigmoid(x_u' (y_i - y_j)) - regularization (|x|^2 + |y|^2) by stochastic gradients; x_u and
    y_i `(factors + 1,)`, the last place being the bias of the item. `implicit` fits it, on one thread: with more, they
    overwrite one another and the same seed gives other vectors each time. A history, also a shopper's own, gets its
    vector by `fold_steps` steps up the same objective from the mean of its items, against `negatives` fixed items.
    Source: Rendle et al., BPR: Bayesian personalized ranking from implicit feedback, UAI 2009, section 4.
    """

    factors: int = 64
    learning_rate: float = 0.02
    regularization: float = 0.01
    iterations: int = 100
    """Passes over the events."""
    fold_steps: int = 5
    """Steps of the gradient for the vector of a history; 0: the mean of the vectors of its items."""
    negatives: int = 100
    """Items, drawn by `seed`, that a history is set against."""
    history_decay: float = 0.3
    """An item `back` events from the end of a history weighs (1 + back)^-history_decay."""
    seed: int = 0

    name = "bpr"
    state = ("item_factors",)  # (N, factors + 1) float32, the last column the bias

    def _fit(self, split: EncodedSplit) -> None:
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        self.can_score = self.item_counts > 0
        with one_blas_thread():
            model = BayesianPersonalizedRanking(
                factors=self.factors,
                learning_rate=self.learning_rate,
                regularization=self.regularization,
                iterations=self.iterations,
                num_threads=1,
                random_state=self.seed,
            )
            model.fit(sparse.csr_matrix(interaction_matrix(split)))
        self.item_factors = model.item_factors

    def _score(self, histories: Histories) -> np.ndarray:
        had = histories.matrix(len(self.items), self.history_decay)
        vectors, bias = self.item_factors[:, :-1], self.item_factors[:, -1]
        return self._user_factors(had, vectors, bias) @ vectors.T + bias

    def _user_factors(self, had: sparse.csr_array, vectors: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """`(B, factors)`; zeros for an empty history."""
        totals = np.repeat(np.asarray(had.sum(axis=1)).ravel(), np.diff(had.indptr))
        shares = sparse.csr_array((had.data / totals, had.indices, had.indptr), shape=had.shape)
        users = shares @ vectors
        drawn = np.random.default_rng(self.seed).integers(0, self.can_score.sum(), self.negatives)
        others = np.flatnonzero(self.can_score)[drawn]
        rows = np.repeat(np.arange(len(users)), np.diff(shares.indptr))
        for _ in range(self.fold_steps):
            wanted = (users[rows] * vectors[shares.indices]).sum(axis=1) + bias[shares.indices]  # (E,)
            unwanted = users @ vectors[others].T + bias[others]  # (B, M)
            push = shares.data[:, None] * expit(unwanted[rows] - wanted[:, None]) / self.negatives  # (E, M)
            up = sparse.csr_array((push.sum(axis=1), shares.indices, shares.indptr), shape=shares.shape) @ vectors
            down = _sums(push, shares.indptr) @ vectors[others]
            users = users + up - down - self.regularization * users
        return users


def _sums(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """`(B, M)`: the sums of the rows `starts[b]:starts[b + 1]` of `(E, M)`."""
    ones = np.ones(len(values), np.float32)
    return sparse.csr_array((ones, np.arange(len(values)), starts), shape=(len(starts) - 1, len(values))) @ values
