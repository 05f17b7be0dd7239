"""Neighbourhood models: similar items, and similar users."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.recommenders.interactions import HistoryDecay, interaction_matrix, keep_largest

DECAYS: Mapping[str, Sequence[Any]] = {"history_decay": (0.0, 0.1, 0.3), "half_life": (None, 1.0)}


@dataclass
class _ItemNeighbours(HistoryDecay):
    """The similarity of two items is the product of their columns; each item keeps its most similar ones."""

    n_neighbors: int = 200
    """Similar items kept for each item."""
    half_life: float | None = 1.0
    """An event of this age, in training periods, weighs half; None: all events weigh the same."""

    state = ("similarity",)  # (N, N) CSR: row = item of the history, column = item scored

    def _fit(self, split: EncodedSplit) -> None:
        from implicit.nearest_neighbours import all_pairs_knn

        weighted = self._weighted(interaction_matrix(split, self.half_life))
        # one more: every item is found as its own neighbour
        weighted = sparse.csr_matrix(weighted, dtype=np.float64)
        found = all_pairs_knn(weighted, self.n_neighbors + 1, num_threads=0, show_progress=False)
        kept = (found.row != found.col) & (found.data != 0)
        ends = np.r_[0, np.bincount(found.row[kept], minlength=len(self.items)).cumsum()]  # found row by row
        entries = found.data[kept].astype(np.float32), found.col[kept], ends
        self.similarity = sparse.csr_array(entries, shape=found.shape)

    @abstractmethod
    def _weighted(self, matrix: sparse.csr_array) -> sparse.csr_array:
        """Return the `(U, N)` weights W of the interactions; similarities are `W' W`."""

    def _score(self, histories: Histories) -> np.ndarray:
        return (self.weigh(histories) @ self.similarity).toarray()


@dataclass
class ItemKNN(_ItemNeighbours):
    """Damped cosine between items over their users; older events weigh less.

    similarity(i, j) = x_i' x_j / (sqrt(x_i' x_i + shrink) sqrt(x_j' x_j + shrink)), with x_i `(U,)` the weights of the
    users of item i. Source: Deshpande and Karypis, Item-based top-N recommendation algorithms, 2004, section 4;
    damping as in Bell and Koren, 2007, here on both norms, so that it stays a product; `implicit` finds the neighbours.
    """

    shrink: float = 10.0
    """Added to both squared norms: shrinks the similarities of items with few users."""

    name = "item_knn"
    options = {**DECAYS, "n_neighbors": (50, 200, 500), "shrink": (0.0, 10.0, 50.0)}

    def _weighted(self, matrix: sparse.csr_array) -> sparse.csr_array:
        squares = np.asarray(matrix.multiply(matrix).sum(axis=0)).ravel()
        return matrix @ sparse.diags_array(1 / np.sqrt(np.where(squares > 0, squares + self.shrink, 1)))


@dataclass
class ItemKNNBM25(_ItemNeighbours):
    """Item neighbours by BM25: users with many items weigh less, and so do popular items.

    w_ui = idf_u x (k1 + 1) / (k1 (1 - b + b n_i / mean n) + x), with x the weight of the event, n_i the users of item i
    and idf_u = ln(N / (1 + items of user u)), N items in all: items are the documents, users the words.
    Source: Robertson and Zaragoza, The probabilistic relevance framework, 2009, section 3, as weighted in `implicit`.
    """

    k1: float = 1.2
    """How slowly a weight saturates."""
    b: float = 0.5
    """How much popular items are damped, from 0 to 1."""

    name = "item_knn_bm25"
    options = {**DECAYS, "n_neighbors": (50, 200, 500), "b": (0.25, 0.5, 0.75)}

    def _weighted(self, matrix: sparse.csr_array) -> sparse.csr_array:
        from implicit.nearest_neighbours import bm25_weight

        known = np.flatnonzero(self.item_counts > 0).astype(np.int32)  # items without a user would lower the mean
        documents = sparse.coo_matrix(matrix.T[known])
        weighted = bm25_weight(documents, self.k1, self.b)
        entries = np.maximum(weighted.data, 0), (weighted.col, known[weighted.row])
        return sparse.csr_array(entries, shape=matrix.shape)


@dataclass
class UserKNN(HistoryDecay):
    """Items of the most similar users: score(u, i) = sum over the nearest v of cosine(u, v) w_vi.

    Source: Herlocker et al., An algorithmic framework for performing collaborative filtering, SIGIR 1999, section 4.
    """

    n_neighbors: int = 100
    """Similar users whose items are scored."""
    shrink: float = 4.0
    """Added to both squared norms, as in `ItemKNN`: shrinks the similarities of users with a short history."""
    half_life: float | None = 1.0
    """As in `ItemKNN`: older events of the neighbours weigh less."""

    name = "user_knn"
    uses = {"histories": True}
    state = ("matrix",)  # (U, N) CSR: the weights of the training interactions
    options = {**DECAYS, "n_neighbors": (50, 100, 200), "shrink": (0.0, 4.0, 20.0)}

    def set_histories(self, split: EncodedSplit) -> None:
        """Take the training histories of a split: the state of this model is their weights, nothing is learned."""
        self.matrix = interaction_matrix(split, self.half_life)

    _fit = set_histories

    def _score(self, histories: Histories) -> np.ndarray:
        """Return scores without the norm of the history, which does not change the order of a row."""
        squares = np.asarray(self.matrix.multiply(self.matrix).sum(axis=1)).ravel()
        product = self.weigh(histories) @ self.matrix.T @ sparse.diags_array(1 / np.sqrt(squares + self.shrink))
        return (keep_largest(product.tocsr(), self.n_neighbors) @ self.matrix).toarray().astype(np.float32)
