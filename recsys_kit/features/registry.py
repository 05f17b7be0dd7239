"""All encoders by name, and the encoder behind saved vectors."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from recsys_kit.errors import ArtifactError
from recsys_kit.features.base import Encoder
from recsys_kit.features.text import LanguageModel, TfidfEncoder

ENCODERS: dict[str, type[Encoder]] = {encoder.method: encoder for encoder in (TfidfEncoder, LanguageModel)}
N_KEPT = 4  # loaded encoders kept in memory: a language model takes seconds to load


def load_encoder(how: dict[str, Any]) -> Encoder:
    """Return the encoder that `how` describes; an equal description gives the same encoder without loading it again.

    Args:
        how: the description of an encoder, such as `Vectors.how`.

    Raises:
        ArtifactError: RK-211 no encoder of this name; and what `from_how` of the encoder raises.

    >>> encoder = TfidfEncoder().fit(["jazz piano", "jazz guitar"])
    >>> load_encoder(encoder.how).vocabulary
    ['guitar', 'jazz', 'piano']
    """
    if how.get("method") not in ENCODERS:
        raise ArtifactError(
            "RK-211",
            f"no encoder is known for method {how.get('method')!r}; expected one of {sorted(ENCODERS)}.",
            "Make the vectors again with one of these encoders.",
        )
    return _load(_Description(how["method"], how))


@dataclass(frozen=True)
class _Description:
    """A description as a key of the loaded encoders: equal where all of its values are."""

    method: str
    how: dict[str, Any] = field(hash=False)


@lru_cache(maxsize=N_KEPT)
def _load(description: _Description) -> Encoder:
    return ENCODERS[description.method].from_how(description.how)
