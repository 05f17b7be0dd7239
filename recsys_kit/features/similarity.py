"""Nearest items by their vectors, and the words behind a similarity."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, issparse

from recsys_kit.core.vectors import Vectors


def nearest_items(vectors: Vectors, item_id: str, *, k: int = 5) -> pd.DataFrame:
    """Find the nearest items of an item by cosine.

    Args:
        vectors: one row of unit length per item.
        item_id: one of its ids.
        k: number of neighbours.

    Returns:
        At most `k` rows with rank (from 1), item_id and score; items with a cosine of 0 or less are left out, so an
        item without text has no neighbours.

    Raises:
        ParameterError: RK-342 the item has no vector.

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


def explain_similarity(vectors: Vectors, item_id: str, other_id: str) -> pd.Series:
    """Split the cosine of two items into the contributions of their shared words.

    Args:
        vectors: of TF-IDF, or of other features with a `vocabulary` in `how`.
        item_id: the id of an item.
        other_id: the id of another item.

    Returns:
        The contribution of each shared word, the largest first; their sum is the cosine.

    Raises:
        ParameterError: RK-342 an item has no vector.

    >>> how = {"vocabulary": ["bowl", "lamp"]}
    >>> vectors = Vectors(["a", "b"], csr_matrix(np.array([[0.6, 0.8], [1, 0]], np.float32)), how)
    >>> explain_similarity(vectors, "a", "b").round(2).to_dict()
    {'bowl': 0.6}
    """
    first, second = (csr_matrix(vectors.values[[vectors.row_of(each)]]) for each in (item_id, other_id))
    product = first.multiply(second).tocsr()
    words = np.asarray(vectors.how["vocabulary"], dtype=object)[product.indices]
    return pd.Series(product.data, index=words, dtype=float).sort_values(ascending=False, kind="stable")


def nearest_neighbour_accuracy(vectors: Vectors, labels: pd.Series) -> pd.Series:
    """Check for each labelled item whether its nearest labelled neighbour has the same label.

    An item without text, or without anything in common with another item, counts as a miss. Among equally near
    neighbours the first one counts.

    Args:
        vectors: one row of unit length per item.
        labels: the label of each item, by item_id; missing labels are left out.

    Returns:
        1.0 (same label) or 0.0 for each labelled item, by item_id: the accuracy of a one-nearest-neighbour classifier
        per item.

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
        rows = np.arange(len(scores))
        scores[rows, rows + start] = -np.inf
        nearest = scores.argmax(axis=1)
        hits[start : start + 1024] = (codes[nearest] == codes[start : start + 1024]) & (scores[rows, nearest] > 0)
    return pd.Series(hits, index=ids)


def _dense(values: Any) -> np.ndarray:
    return np.asarray(values.toarray() if issparse(values) else values)
