"""A cache of encoded texts on disk: each text is computed once per encoder, and an interrupted job resumes.

A shard is a safetensors file named by the hash of its bytes, so a damaged shard is recognized and deleted.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save


def key_of(text: str) -> bytes:
    """Return the key of a text in the cache: the hash of its content."""
    return hashlib.sha256(text.encode("utf-8")).digest()


def read_rows(folder: Path) -> dict[bytes, np.ndarray]:
    """Return the rows of all shards in a folder, by the `key_of` their text; a damaged shard is deleted."""
    rows: dict[bytes, np.ndarray] = {}
    for path in sorted(folder.glob("*.safetensors")):
        shard = path.read_bytes()
        if hashlib.sha256(shard).hexdigest() != path.stem:
            path.unlink()  # its rows are computed again
            continue
        arrays = load(shard)
        rows.update(zip(map(bytes, arrays["keys"]), arrays["values"], strict=True))
    return rows


def write_rows(folder: Path, rows: Mapping[str, np.ndarray]) -> None:
    """Write the rows of some texts as one shard, completely or not at all."""
    keys = np.stack([np.frombuffer(key_of(text), dtype=np.uint8) for text in rows])
    shard = save({"keys": keys, "values": np.stack([*rows.values()])})
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(shard).hexdigest()}.safetensors"
    temporary = path.with_suffix(".writing")
    temporary.write_bytes(shard)
    temporary.replace(path)
