"""All encoders by name, and the encoder behind saved vectors."""

from collections import deque
from typing import Any

from recsys_kit.errors import ArtifactError
from recsys_kit.features.base import Encoder
from recsys_kit.features.text import LanguageModel, TfidfEncoder

ENCODERS: dict[str, type[Encoder]] = {encoder.method: encoder for encoder in (TfidfEncoder, LanguageModel)}
_loaded: deque[tuple[dict[str, Any], Encoder]] = deque(maxlen=4)  # a language model takes seconds to load


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
        problem = f"no encoder is known for method {how.get('method')!r}; expected one of {sorted(ENCODERS)}."
        raise ArtifactError("RK-211", problem, "Make the vectors again with one of these encoders.")
    encoder = next((one for known, one in tuple(_loaded) if known == how), None)
    if encoder is None:
        encoder = ENCODERS[how["method"]].from_how(how)
        _loaded.append((how, encoder))
    return encoder
