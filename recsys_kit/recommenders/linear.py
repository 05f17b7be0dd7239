"""Linear models of items by items, solved in closed form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.core.threads import one_blas_thread
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.interactions import interaction_matrix, keep_largest


@dataclass
class EASE(Recommender):
    """A ridge regression of every item on all others, with no item allowed to explain itself.

    G = X'X + l2 I, P = G^-1, weights B = -P / diag(P), diag(B) = 0: one dense matrix of n^2 float32, time n^3.
    Source: Steck, Embarrassingly shallow autoencoders for sparse data, WWW 2019, equation 8.

    Beyond `dense_up_to` items the same regression sees the `neighbours` items that are most alike by cosine alone, each
    item solved by itself: G_NN b = (X'X)_Ni. With all items as neighbours that is equation 8 again. Source: the
    selection of columns of SLIM, Ning and Karypis, ICDM 2011, section 4.3; with ridge alone, as in the sparse
    approximation of Steck, Markov random fields for collaborative filtering, NeurIPS 2019, section 3.
    """

    l2: float = 200.0
    """Ridge penalty on the diagonal of the Gram matrix."""
    dense_up_to: int = 20_000
    """The dense form serves catalogues of so many bought items (20,000 need 1.6 GB), the sparse form larger ones."""
    neighbours: int = 100
    """Items that take part in the regression of one item in the sparse form."""
    history_decay: float = 0.3
    """An item `back` events from the end of a history weighs (1 + back)^-history_decay; 0 is the published model."""

    name = "ease"
    options: ClassVar[Mapping[str, Sequence[Any]]] = {
        "history_decay": (0.0, 0.1, 0.3), "l2": (50.0, 100.0, 200.0, 400.0, 800.0, 1600.0),
    }  # fmt: skip
    state = ("members", "weights")  # (n,) columns of item_ids; (n, n) dense or CSR: row = item had, column = scored

    def _fit(self, split: EncodedSplit) -> None:
        self.can_score = self.item_counts > 0
        self.members = np.flatnonzero(self.can_score)
        matrix = interaction_matrix(split)[:, self.members]
        gram = sparse.csr_array(matrix.T @ matrix)
        if len(self.members) <= self.dense_up_to:
            self.weights = _all_on_all(gram, self.l2)
        else:
            with one_blas_thread():  # many small systems: threads would only wait
                self.weights = _each_on_its_neighbours(gram, self.l2, self.neighbours)

    def _score(self, histories: Histories) -> np.ndarray:
        had = histories.matrix(len(self.items), self.history_decay)[:, self.members]
        product = had @ self.weights
        scores = np.zeros((len(histories), len(self.items)), np.float32)
        scores[:, self.members] = product.toarray() if sparse.issparse(product) else product
        return scores


def _all_on_all(gram: sparse.csr_array, l2: float) -> np.ndarray:
    """`(n, n)` dense weights: column j predicts item j."""
    dense = gram.toarray(order="F").astype(np.float32, copy=False)
    dense[np.diag_indices_from(dense)] += np.float32(l2)
    inverse = _invert_in_place(dense)
    inverse /= -inverse.diagonal().copy()  # B = -P / diag(P)
    inverse[np.diag_indices_from(inverse)] = 0
    return inverse


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


def _each_on_its_neighbours(gram: sparse.csr_array, l2: float, n: int) -> sparse.csr_array:
    """`(n, n)` CSR weights: column j predicts item j from the items most alike to it."""
    near = _nearest(gram, n)
    values = np.empty(near.nnz, np.float32)
    place = np.full(gram.shape[0], -1)  # of an item among the neighbours of the one being solved
    for item, (start, stop) in enumerate(pairwise(near.indptr)):
        members = near.indices[start:stop]
        place[members] = np.arange(len(members))
        rows = gram[np.r_[members, item]]
        columns = place[rows.indices]
        inside = columns >= 0
        row = np.repeat(np.arange(len(members) + 1), np.diff(rows.indptr))[inside]
        system = np.zeros((len(members) + 1, len(members)), np.float32)
        system[row, columns[inside]] = rows.data[inside]
        target = system[-1].copy()
        system[np.diag_indices(len(members))] += np.float32(l2)
        values[start:stop] = np.linalg.solve(system[:-1], target)
        place[members] = -1
    return sparse.csr_array((values, near.indices, near.indptr), shape=gram.shape).T.tocsr()


def _nearest(gram: sparse.csr_array, n: int) -> sparse.csr_array:
    """In the row of each item the cosines of the n items most alike to it, itself left out."""
    counts = gram.diagonal()
    entries = gram.tocoo()
    cosine = entries.data / np.sqrt(counts[entries.row] * counts[entries.col])
    other = entries.row != entries.col
    return keep_largest(
        sparse.csr_array((cosine[other], (entries.row[other], entries.col[other])), shape=gram.shape), n
    )
