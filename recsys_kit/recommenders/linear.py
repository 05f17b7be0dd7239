"""Linear models of items by items, solved in closed form."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.linalg import lapack

from recsys_kit.recommenders.base import Histories, Recommender
from recsys_kit.recommenders.neighbours import interaction_matrix


@dataclass
class EASE(Recommender):
    """A ridge regression of every item on all others, with no item allowed to explain itself.

    Memory is one dense matrix of n^2 float32 for the n most bought items, n at most `max_items`; time is n^3.
    Source: Steck, Embarrassingly shallow autoencoders for sparse data, WWW 2019, equation 8.
    """

    l2: float = 200.0
    """Ridge penalty on the diagonal of the Gram matrix."""
    max_items: int = 20_000
    """Only this many items with the most shoppers take part: 20,000 items need 1.6 GB."""
    history_decay: float = 0.3
    """As in ItemKNN; 0 is the published model."""

    name = "ease"
    state = ("members", "weights")  # (n,) columns of item_ids; (n, n) row = item had, column = item scored

    def _fit(self, train: pd.DataFrame, **inputs: Any) -> None:
        bought = np.flatnonzero(self.item_counts > 0)
        by_count = bought[np.argsort(-self.item_counts[bought], kind="stable")]
        self.members = np.sort(by_count[: self.max_items])
        self.can_score = np.isin(np.arange(len(self.item_ids)), self.members)
        matrix = interaction_matrix(train, len(self.item_ids))[:, self.members]
        gram = (matrix.T @ matrix).toarray(order="F").astype(np.float32, copy=False)
        gram[np.diag_indices_from(gram)] += np.float32(self.l2)
        inverse = _invert_in_place(gram)
        inverse /= -inverse.diagonal().copy()  # B = -P / diag(P): column j predicts item j
        inverse[np.diag_indices_from(inverse)] = 0
        self.weights = inverse

    def _score(self, histories: Histories) -> np.ndarray:
        had = histories.matrix(len(self.item_ids), self.history_decay)[:, self.members]
        scores = np.zeros((len(histories), len(self.item_ids)), np.float32)
        scores[:, self.members] = had @ self.weights
        return scores


def _invert_in_place(gram: np.ndarray) -> np.ndarray:
    """Inverse of a symmetric positive definite float32 matrix in Fortran order, in its own memory, by Cholesky."""
    factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1, clean=0)
    if not failed:
        inverse, failed = lapack.spotri(factor, lower=1, overwrite_c=1)
    assert not failed, "the ridge penalty makes the Gram matrix positive definite"
    for start in range(0, len(inverse), 1024):  # LAPACK fills the lower triangle only: mirror it, a block at a time
        stop = start + 1024
        inverse[start:stop, stop:] = inverse[stop:, start:stop].T
        block = inverse[start:stop, start:stop]
        block[...] = np.tril(block) + np.tril(block, -1).T
    return inverse
