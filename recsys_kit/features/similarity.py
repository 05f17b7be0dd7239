"""Which items are near one another by their vectors, and why."""

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, issparse

from recsys_kit.core.vectors import Vectors


def nearest_items(vectors: Vectors, item_id: str, *, k: int = 5) -> pd.DataFrame:
    """The `k` items nearest to `item_id` by cosine: columns rank, item_id, score; no rows where it has no text.

    >>> vectors = Vectors(["a", "b", "c"], np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32), {})
    >>> nearest_items(vectors, "a", k=2)[["rank", "item_id"]].values.tolist()
    [[1, 'b']]
    """
    row = vectors.row_of(item_id)
    scores = _dense(vectors.values @ vectors.values[[row]].T).ravel()
    scores[row] = -np.inf
    order = np.argsort(-scores, kind="stable")[:k]
    order = order[scores[order] > 0]
    ids = [vectors.ids[index] for index in order]
    return pd.DataFrame({"rank": np.arange(1, len(order) + 1), "item_id": ids, "score": scores[order]})


def shared_weight(vectors: Vectors, item_id: str, other_id: str) -> pd.Series:
    """What each word adds to the cosine of two items under TF-IDF, the most first; the sum is the cosine.

    >>> how = {"vocabulary": ["bowl", "lamp"]}
    >>> vectors = Vectors(["a", "b"], csr_matrix(np.array([[0.6, 0.8], [1, 0]], np.float32)), how)
    >>> shared_weight(vectors, "a", "b").round(2).to_dict()
    {'bowl': 0.6}
    """
    first, second = (vectors.values[[vectors.row_of(one)]] for one in (item_id, other_id))
    product = first.multiply(second).tocsr()
    words = np.asarray(vectors.how["vocabulary"], dtype=object)[product.indices]
    return pd.Series(product.data, index=words, dtype=float).sort_values(ascending=False, kind="stable")


def nearest_neighbour_accuracy(vectors: Vectors, labels: pd.Series) -> pd.Series:
    """Does the nearest other item have the same label? 1.0 or 0.0 for each labelled item, indexed by item id.

    An item without text, or with nothing in common with any other, counts as a miss. Equal neighbours: the first wins.

    Args:
        vectors: rows of unit length.
        labels: Series indexed by item id; items without a label are left out.

    >>> vectors = Vectors(["a", "b", "c"], np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32), {})
    >>> nearest_neighbour_accuracy(vectors, pd.Series({"a": "mug", "b": "mug", "c": "jazz"})).to_dict()
    {'a': 1.0, 'b': 1.0, 'c': 0.0}
    """
    labels = labels.dropna()
    keep = [index for index, item_id in enumerate(vectors.ids) if item_id in labels.index]
    ids = [vectors.ids[index] for index in keep]
    codes, values = labels.loc[ids].to_numpy(), vectors.values[keep]
    hits = np.zeros(len(keep))
    for start in range(0, len(keep), 1024):
        scores = _dense(values[start : start + 1024] @ values.T)
        here = np.arange(len(scores))
        scores[here, here + start] = -np.inf
        nearest = scores.argmax(axis=1)
        hits[start : start + 1024] = (codes[nearest] == codes[start : start + 1024]) & (scores[here, nearest] > 0)
    return pd.Series(hits, index=ids)


def _dense(values: np.ndarray | csr_matrix) -> np.ndarray:
    return np.asarray(values.toarray() if issparse(values) else values)
