"""Linear item-to-item models, solved in closed form."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.core.ranges import POSITIVE
from recsys_kit.core.threads import one_blas_thread
from recsys_kit.recommenders.interactions import HistoryDecay, interaction_matrix, keep_largest


@dataclass
class EASE(HistoryDecay):
    """A ridge regression of every item on all others; the weight of an item on itself is 0.

    G = X'X + regularization I, P = G^-1, weights B = -P / diag(P), diag(B) = 0: one dense matrix of n^2 float32, time
    n^3. Source: Steck, Embarrassingly shallow autoencoders for sparse data, WWW 2019, equation 8.

    In larger catalogues than `dense_up_to` the regression of an item uses only the `n_neighbors` items with the highest
    cosine, and each item is solved separately: G_NN b = (X'X)_Ni. With all items as neighbours that is equation 8.
    Source: the selection of columns of SLIM, Ning and Karypis, ICDM 2011, section 4.3; with ridge alone, as in the
    sparse approximation of Steck, Markov random fields for collaborative filtering, NeurIPS 2019, section 3.
    """

    regularization: float = 200.0
    """Ridge penalty on the diagonal of the Gram matrix."""
    dense_up_to: int = 20_000
    """Items with a training interaction, at most, for the dense form (20,000 need 1.6 GB); others take the sparse."""
    n_neighbors: int = 100
    """Items in the regression of one item in the sparse form."""

    name = "ease"
    options = {"history_decay": (0.0, 0.1, 0.3), "regularization": (50.0, 100.0, 200.0, 400.0, 800.0, 1600.0)}
    ranges = {"regularization": POSITIVE}  # 0 may have no solution
    state = ("members", "weights")  # (n,) item indices; (n, n) dense or CSR: row = item of the history, column = scored

    def _fit(self, split: EncodedSplit) -> None:
        self.members = np.flatnonzero(self.can_score)
        matrix = interaction_matrix(split)[:, self.members]
        gram = sparse.csr_array(matrix.T @ matrix)
        if len(self.members) <= self.dense_up_to:
            self.weights = _all_on_all(gram, self.regularization)
        else:
            with one_blas_thread():  # many small systems: more threads would only wait
                self.weights = _each_on_its_neighbours(gram, self.regularization, self.n_neighbors)

    def _score(self, histories: Histories) -> np.ndarray:
        product = self.weigh(histories)[:, self.members] @ self.weights
        scores = np.zeros((len(histories), len(self.items)), np.float32)
        scores[:, self.members] = product.toarray() if sparse.issparse(product) else product
        return scores


def _all_on_all(gram: sparse.csr_array, regularization: float) -> np.ndarray:
    """Return `(n, n)` dense weights: column j predicts item j."""
    dense = gram.toarray(order="F").astype(np.float32, copy=False)
    dense[np.diag_indices_from(dense)] += np.float32(regularization)
    inverse = _invert_in_place(dense)
    inverse /= -inverse.diagonal().copy()  # B = -P / diag(P)
    inverse[np.diag_indices_from(inverse)] = 0
    return inverse


def _invert_in_place(gram: np.ndarray) -> np.ndarray:
    """Invert a symmetric positive definite float32 matrix in Fortran order, in its own memory, by Cholesky."""
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


def _each_on_its_neighbours(gram: sparse.csr_array, regularization: float, n: int) -> sparse.csr_array:
    """Return `(n, n)` CSR weights: column j predicts item j from its most similar items."""
    near = _nearest(gram, n)
    values = np.empty(near.nnz, np.float32)
    for item, (start, stop) in enumerate(pairwise(near.indptr)):
        members = near.indices[start:stop]
        system = gram[np.r_[members, item]][:, members].toarray()  # G_NN, and G_Nj below it
        system[np.diag_indices(len(members))] += np.float32(regularization)
        values[start:stop] = np.linalg.solve(system[:-1], system[-1])
    return sparse.csr_array((values, near.indices, near.indptr), shape=gram.shape).T.tocsr()


def _nearest(gram: sparse.csr_array, n: int) -> sparse.csr_array:
    """In the row of each item the cosines of the n items most alike to it, itself left out."""
    counts = gram.diagonal()
    entries = gram.tocoo()
    cosine = entries.data / np.sqrt(counts[entries.row] * counts[entries.col])
    other = entries.row != entries.col
    cells = entries.row[other], entries.col[other]
    return keep_largest(sparse.csr_array((cosine[other], cells), shape=gram.shape), n)
