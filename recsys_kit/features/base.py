"""The contract of every encoder: learn from the training contents, turn any content into a vector, describe itself."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from recsys_kit.core.vectors import Vectors


class Encoder(ABC):
    """Turns contents (texts, and in other encoders images or several kinds at once) into vectors of unit length.

    `how` describes a fitted encoder in plain JSON, and `from_how` rebuilds it from that description alone. A new
    encoder is one class and one entry of `recsys_kit.features.registry.ENCODERS`.
    """

    method: ClassVar[str]
    """The name in `ENCODERS`, and `how["method"]`."""

    def fit(self, contents: Sequence[Any] | pd.Series) -> Self:
        """Learn from contents known at the cut, nothing later; a pretrained encoder has nothing to learn."""
        return self

    @abstractmethod
    def encode(self, contents: Sequence[Any]) -> np.ndarray | csr_matrix:
        """Return `(N, D)` float32, one row of unit length per content, zeros where a content is empty."""

    def unknown_shares(self, contents: Sequence[Any]) -> list[float]:
        """Return the share of each content that the encoder cannot read; 0 unless the encoder can tell."""
        return [0.0] * len(contents)

    @property
    @abstractmethod
    def how(self) -> dict[str, Any]:
        """The description from which `from_how` rebuilds this encoder, as plain JSON."""

    @classmethod
    @abstractmethod
    def from_how(cls, how: dict[str, Any]) -> Self:
        """Rebuild the encoder that `how` describes."""

    def vectors(self, contents: pd.Series, **options: Any) -> Vectors:
        """Encode a Series of contents indexed by id.

        Args:
            contents: one content per id.
            options: passed on to `encode`, such as `cache` and `progress` of a language model.
        """
        return Vectors(contents.index.tolist(), self.encode(contents.tolist(), **options), self.how)
