"""Matrix factorization: users and items as vectors; a new history gets its vector without retraining."""

from abc import abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import sparse

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.core.threads import one_blas_thread
from recsys_kit.recommenders.interactions import HistoryDecay, interaction_matrix


class _Factors(HistoryDecay):
    """Vectors of the items, fitted by `implicit`."""

    state = ("item_factors",)  # (N, D) float32; with biases they are the last column

    @abstractmethod
    def _implicit(self) -> Any:
        """Return the unfitted model of `implicit`."""

    def _fit(self, split: EncodedSplit) -> None:
        with one_blas_thread():
            model = self._implicit()
            model.fit(sparse.csr_matrix(interaction_matrix(split)))
        self.item_factors = model.item_factors


@dataclass
class ALS(_Factors):
    """Weighted least squares: interactions have the weight `confidence`, all other pairs the weight 1 and the value 0.

    Minimises sum_ui c_ui (p_ui - x_u' y_i)^2 + regularization (|x|^2 + |y|^2), x_u and y_i `(D,)`; `implicit` fits it.
    A history gets its vector from the fitted items by the normal equations of one user, with sums over its items:
    x = (Y'Y + regularization I + sum (c - 1) y y')^-1 sum c y. With `history_decay` an item `back` events from the end
    has c = 1 + (confidence - 1) (1 + back)^-history_decay.
    Source: Hu, Koren and Volinsky, Collaborative filtering for implicit feedback datasets, ICDM 2008, equation 4.
    """

    embedding_dim: int = 64
    """D: length of the vectors of users and items."""
    confidence: float = 10.0
    """Weight of an interaction; a pair without one has the weight 1."""
    regularization: float = 20.0
    """Penalty on the squared lengths of the vectors."""
    epochs: int = 15
    """Alternations between users and items."""
    seed: int = 0
    """Random seed."""

    name = "als"
    options = {
        "history_decay": (0.0, 0.1, 0.3), "embedding_dim": (32, 64, 96, 128),
        "regularization": (5.0, 10.0, 20.0, 40.0, 80.0),
        "confidence": (2.0, 3.0, 5.0, 10.0, 30.0),
    }  # fmt: skip

    def _implicit(self) -> Any:
        from implicit.cpu.als import AlternatingLeastSquares

        sizes = self.embedding_dim, self.regularization, self.confidence
        return AlternatingLeastSquares(*sizes, iterations=self.epochs, random_state=self.seed)

    def _score(self, histories: Histories) -> np.ndarray:
        with one_blas_thread():
            users = self._user_factors(self.weigh(histories))
        # double precision: in a larger batch BLAS sums in another order, which would decide near ties
        return (users.astype(np.float64) @ self.item_factors.T).astype(np.float32)

    def _user_factors(self, weights: sparse.csr_array) -> np.ndarray:
        """Return `(B, D)` by the normal equations; zeros for an empty history."""
        factors = self.item_factors
        common = factors.T @ factors + self.regularization * np.eye(self.embedding_dim, dtype=np.float32)
        solved = np.zeros((weights.shape[0], self.embedding_dim), np.float32)
        for row, (start, stop) in enumerate(pairwise(weights.indptr)):
            own = factors[weights.indices[start:stop]]  # (L, D)
            extra = np.float32(self.confidence - 1) * weights.data[start:stop]
            solved[row] = np.linalg.solve(common + (own.T * extra) @ own, own.T @ (1 + extra))
        return solved


@dataclass
class BPR(_Factors):
    """Pairwise ranking: an item of the user scores higher than another item.

    Maximises the sum of ln sigmoid(x_u' (y_i - y_j)) - regularization (|x|^2 + |y|^2) by stochastic gradients; x_u and
    y_i `(D + 1,)`, the last place being the bias of the item. `implicit` fits it on one thread: several threads
    overwrite one another, and the same seed gives different vectors. The vector of a history is the mean of those of
    its items.
    Source: Rendle et al., BPR: Bayesian personalized ranking from implicit feedback, UAI 2009, section 4.
    """

    embedding_dim: int = 64
    """D: length of the vectors of users and items."""
    learning_rate: float = 0.02
    """Step size of the fit."""
    regularization: float = 0.01
    """Penalty on the squared lengths of the vectors."""
    epochs: int = 100
    """Passes over the interactions."""
    seed: int = 0
    """Random seed."""

    name = "bpr"

    def _implicit(self) -> Any:
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        options = {"iterations": self.epochs, "num_threads": 1, "random_state": self.seed}
        return BayesianPersonalizedRanking(self.embedding_dim, self.learning_rate, self.regularization, **options)

    def _score(self, histories: Histories) -> np.ndarray:
        vectors, bias = self.item_factors[:, :-1], self.item_factors[:, -1]
        weights = self.weigh(histories)
        totals = np.asarray(weights.sum(axis=1)).reshape(-1, 1)  # 0 for an empty history
        return (weights @ vectors / np.fmax(totals, np.float32(1e-9))) @ vectors.T + bias
