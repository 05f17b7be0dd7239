"""Shoppers who had this also had that: neighbourhoods of items."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_kit.recommenders.base import Histories, Recommender

ROWS_AT_ONCE = 1024


def interaction_matrix(train: pd.DataFrame, n_items: int, half_life: float | None = None) -> sparse.csr_array:
    """`(U, N)`: 1 for what a shopper had, or less for what they had long ago.

    With `half_life`, the latest event of a pair weighs 0.5^(age / half_life); both are measured in training periods,
    from the first event of train to the last, so that a shop of months and one of decades are treated alike.
    Events without a time (sequence files) all weigh 1.
    """
    pairs = train.drop_duplicates(["user_id", "item_index"], keep="last")
    weights = np.ones(len(pairs), np.float32)
    if half_life is not None and "timestamp" in pairs:
        newest = train["timestamp"].max()
        period = max(newest - train["timestamp"].min(), pd.Timedelta(1, "s"))
        weights = np.power(0.5, (newest - pairs["timestamp"]) / period / half_life).to_numpy(np.float32)
    users = pd.factorize(pairs["user_id"])[0]
    return sparse.csr_array((weights, (users, pairs["item_index"])), shape=(users.max(initial=-1) + 1, n_items))


@dataclass
class ItemKNN(Recommender):
    """Cosine between items over the shoppers who had them, the most similar kept; what is old weighs less.

    Source: Deshpande and Karypis, Item-based top-N recommendation algorithms, 2004; shrinkage: Bell and Koren, 2007.
    """

    neighbours: int = 200
    """Similar items kept for each item."""
    shrink: float = 20.0
    """Added to the denominator of the cosine: pairs seen together once or twice are trusted less."""
    half_life: float | None = 1.0
    """An event this many training periods old weighs half (1.0: the oldest, half of the newest); None: all alike."""
    history_decay: float = 0.3
    """An item `back` events from the end of a history weighs (1 + back)^-history_decay."""

    name = "item_knn"
    state = ("similarity",)  # (N, N) CSR: row = item had, column = item scored

    def _fit(self, train: pd.DataFrame, **inputs: Any) -> None:
        self.can_score = self.item_counts > 0
        by_item = interaction_matrix(train, len(self.item_ids), self.half_life).T.tocsr()  # (N, U)
        norms = np.sqrt(by_item.multiply(by_item).sum(axis=1))
        blocks = []
        for start in range(0, len(norms), ROWS_AT_ONCE):
            stop = min(start + ROWS_AT_ONCE, len(norms))
            block = (by_item[start:stop] @ by_item.T).tocoo()
            cosine = block.data / (norms[start + block.row] * norms[block.col] + self.shrink)
            other = block.col != start + block.row
            blocks.append(
                _keep_largest(
                    cosine[other], block.row[other], block.col[other], self.neighbours, (stop - start, len(norms))
                )
            )
        self.similarity = sparse.vstack(blocks, format="csr").astype(np.float32)

    def _score(self, histories: Histories) -> np.ndarray:
        return (histories.matrix(len(self.item_ids), self.history_decay) @ self.similarity).toarray()


def _keep_largest(
    values: np.ndarray, rows: np.ndarray, columns: np.ndarray, n: int, shape: tuple[int, int]
) -> sparse.csr_array:
    """The n largest values of each row; equal values are won by the lower column."""
    order = np.lexsort((columns, -values, rows))
    values, rows, columns = values[order], rows[order], columns[order]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    kept = place < n
    return sparse.csr_array((values[kept], (rows[kept], columns[kept])), shape=shape)
