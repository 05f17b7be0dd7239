"""Content models: items that resemble the history, also items without any interaction."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.core.vectors import Vectors
from recsys_kit.errors import DataError
from recsys_kit.features.attributes import attribute_vectors
from recsys_kit.recommenders.interactions import HistoryDecay


@dataclass
class ItemCosine(HistoryDecay):
    """Cosine between the vector of an item and the weighted mean of the vectors in the history."""

    history_decay: float = 0.5

    def set_vectors(self, vectors: Vectors) -> None:
        """Take the item vectors, one row per item.

        Raises:
            DataError: RK-151 a row is not finite.
        """
        self.vectors, lengths = vectors, _row_lengths(vectors.values)
        if not np.isfinite(lengths).all():
            bad = self.item_ids[~np.isfinite(lengths)]
            problem = f"item_vectors has {len(bad)} rows that are not finite: {bad[:5].tolist()}."
            raise DataError("RK-151", problem, "Remove them.")
        self.can_score = lengths > 0

    def _score(self, histories: Histories) -> np.ndarray:
        return self._similarity(self.weigh(histories) @ self.vectors.values)

    def _similarity(self, profiles: np.ndarray | sparse.csr_array) -> np.ndarray:
        """Return the cosine of `(B, D)` profiles with all items, `(B, N)` float32; 0 for an empty profile."""
        product, lengths = profiles @ self.vectors.values.T, _row_lengths(profiles)
        product = product.toarray() if sparse.issparse(product) else product
        return (product / np.where(lengths > 0, lengths, 1)[:, None]).astype(np.float32)

    def item_space(self) -> np.ndarray | sparse.csr_matrix:
        """Return `(N, D)` vectors whose cosine is the similarity of two items."""
        return self.vectors.values


@dataclass
class Content(ItemCosine):
    """Cosine between the vector of an item and the weighted mean of the vectors in the history.

    Works with any item features, dense or sparse. An item without a vector (or with zeros) is never recommended. With
    the features of a text encoder it also answers a text.
    Source: Pazzani and Billsus, Content-based recommendation systems, 2007.
    """

    features: str = ""
    """Name of the item features; "" takes the only ones."""

    name = "content"
    uses = {"item_features": True}
    understands_text = True

    def _fit(self, split: EncodedSplit) -> None:
        self.set_vectors(self.choose_features(split))

    def _score_texts(self, texts: Sequence[str]) -> np.ndarray:
        from recsys_kit.features.registry import load_encoder  # imports scikit-learn

        return self._similarity(load_encoder(self.vectors.how).encode(list(texts)))


@dataclass
class Attributes(ItemCosine):
    """Cosine over the attributes of the items (brand, categories, tags); rare attributes weigh more.

    Source: as `Content`, with inverse document frequencies.
    """

    name = "attributes"
    uses = {"attributes": True}

    def _fit(self, split: EncodedSplit) -> None:
        self.set_vectors(attribute_vectors(split.item_table).align(self.item_ids.tolist()))


def _row_lengths(values: np.ndarray | sparse.csr_array) -> np.ndarray:
    return (sparse.linalg if sparse.issparse(values) else np.linalg).norm(values, axis=1)


def unit_rows(values: np.ndarray) -> np.ndarray:
    """Return the rows with length 1; a row of zeros, or of rounding errors, becomes zeros.

    >>> unit_rows(np.array([[0.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.where(lengths > 1e-5, values / np.where(lengths > 1e-5, lengths, 1), 0).astype(np.float32)


def reduced(values: np.ndarray | sparse.csr_matrix, dimension: int, seed: int) -> np.ndarray:
    """Return `(N, D)` float32 rows of unit length: `values`, or their truncated SVD where they are wider."""
    if values.shape[1] > dimension:
        from sklearn.decomposition import TruncatedSVD

        values = TruncatedSVD(min(dimension, *values.shape), random_state=seed).fit_transform(values)
    return unit_rows(values.toarray() if sparse.issparse(values) else np.asarray(values))
