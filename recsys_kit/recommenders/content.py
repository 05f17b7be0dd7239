"""Recommend what resembles what the shopper had: the only family that can sell a product nobody has bought."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.core.vectors import Vectors
from recsys_kit.errors import DataError
from recsys_kit.features.attributes import attribute_vectors
from recsys_kit.recommenders.base import Recommender


@dataclass
class Content(Recommender):
    """Cosine between an item's vector and the mean of the vectors in the history, recent ones weighing more.

    Works with any `Vectors` of items, dense or sparse; an item without one (or with zeros) is never recommended.
    Source: Pazzani and Billsus, Content-based recommendation systems, 2007.
    """

    history_decay: float = 0.5
    """An item `back` events from the end of a history weighs (1 + back)^-history_decay."""

    features: str = ""
    """Name of the item features; "" takes the only ones."""

    name = "content"
    uses: ClassVar[Mapping[str, bool]] = {"item_features": True}
    understands_text = True

    def _fit(self, split: EncodedSplit) -> None:
        self._set_vectors(self.choose_features(split))

    def _set_vectors(self, vectors: Vectors) -> None:
        self.vectors, values = vectors, vectors.values
        lengths = sparse.linalg.norm(values, axis=1) if sparse.issparse(values) else np.linalg.norm(values, axis=1)
        if not np.isfinite(lengths).all():
            bad = self.item_ids[~np.isfinite(lengths)]
            raise DataError(
                "RK-151", f"item_vectors has {len(bad)} rows that are not finite: {bad[:5].tolist()}.", "Remove them."
            )
        self.can_score = lengths > 0

    def _score(self, histories: Histories) -> np.ndarray:
        return self._similarity(histories.matrix(len(self.items), self.history_decay) @ self.vectors.values)

    def _score_texts(self, texts: Sequence[str]) -> np.ndarray:
        from recsys_kit.features.registry import load_encoder  # imports scikit-learn

        return self._similarity(load_encoder(self.vectors.how).encode(list(texts)))

    def _similarity(self, profiles: np.ndarray | sparse.csr_array) -> np.ndarray:
        """Cosine of `(B, D)` profiles with all items, `(B, N)` float32; 0 for an empty profile."""
        product = profiles @ self.vectors.values.T
        if sparse.issparse(product):
            product, lengths = product.toarray(), sparse.linalg.norm(profiles, axis=1)
        else:
            lengths = np.linalg.norm(profiles, axis=1)
        return (product / np.where(lengths > 0, lengths, 1)[:, None]).astype(np.float32)

    def item_space(self) -> np.ndarray | sparse.csr_matrix:
        """`(N, D)`: how alike two items are to this model."""
        return self.vectors.values


def unit_rows(values: np.ndarray) -> np.ndarray:
    """Rows of length 1; a row of zeros stays. Rounding dust of a cancelled row counts as zero.

    >>> unit_rows(np.array([[0.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.where(lengths > 1e-5, values / np.where(lengths > 1e-5, lengths, 1), 0).astype(np.float32)


def reduced(values: np.ndarray | sparse.csr_matrix, dimension: int, seed: int) -> np.ndarray:
    """`(N, D)` float32 rows of unit length: `values` as they are, or their truncated SVD where they are wider."""
    if values.shape[1] > dimension:
        from sklearn.decomposition import TruncatedSVD

        values = TruncatedSVD(min(dimension, *values.shape), random_state=seed).fit_transform(values)
    return unit_rows(values.toarray() if sparse.issparse(values) else np.asarray(values))


@dataclass
class Attributes(Content):
    """Content over the attributes of the items (brand, categories, tags), the rare ones weighing more."""

    name = "attributes"
    uses: ClassVar[Mapping[str, bool]] = {"attributes": True}
    understands_text = False

    def _fit(self, split: EncodedSplit) -> None:
        self._set_vectors(attribute_vectors(split.item_table).align(self.item_ids.tolist()))

    def _score_texts(self, texts: Sequence[str]) -> np.ndarray:
        return Recommender._score_texts(self, texts)
