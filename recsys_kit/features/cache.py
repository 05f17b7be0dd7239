"""A cache of encoded rows by content: each content is computed once per encoder, and an interrupted job resumes.

A shard is a safetensors file named by the hash of its bytes, so a damaged shard is recognized and deleted.
"""

import hashlib
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save


class VectorCache:
    """Rows by content, in memory and (with a folder) on disk under `folder/fingerprint/`.

    Args:
        folder: where the shards are; None keeps rows in memory only.
        fingerprint: of the encoder (`Encoder.fingerprint`).

    >>> cache = VectorCache(None, "")
    >>> cache.add("jazz", np.ones(2, dtype=np.float32), flush_every=100)
    >>> cache.get("jazz"), cache.get("rock")
    (array([1., 1.], dtype=float32), None)
    """

    def __init__(self, folder: str | Path | None, fingerprint: str) -> None:
        self._folder = Path(folder) / fingerprint if folder is not None else None
        self._rows: dict[bytes, np.ndarray] = {}
        self._new: list[bytes] = []
        for path in sorted(self._folder.glob("*.safetensors")) if self._folder is not None else []:
            self._read(path)

    def get(self, content: str | bytes) -> np.ndarray | None:
        """Return the row of a content, or None."""
        return self._rows.get(_key(content))

    def add(self, content: str | bytes, row: np.ndarray, *, flush_every: int) -> None:
        """Keep one row; every `flush_every` rows are written to disk."""
        self._rows[_key(content)] = row
        self._new.append(_key(content))
        if len(self._new) >= flush_every:
            self.flush()

    def flush(self) -> None:
        """Write the new rows as one shard, completely or not at all."""
        if self._folder is not None and self._new:
            keys = np.frombuffer(b"".join(self._new), dtype=np.uint8).reshape(len(self._new), -1)
            shard = save({"keys": keys, "values": np.stack([self._rows[key] for key in self._new])})
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{hashlib.sha256(shard).hexdigest()}.safetensors"
            temporary = path.with_suffix(".writing")
            temporary.write_bytes(shard)
            temporary.replace(path)
        self._new = []

    def _read(self, path: Path) -> None:
        shard = path.read_bytes()
        if hashlib.sha256(shard).hexdigest() != path.stem:
            path.unlink()  # damaged; its rows are computed again
            return
        arrays = load(shard)
        self._rows.update((key.tobytes(), row) for key, row in zip(arrays["keys"], arrays["values"], strict=True))


def _key(content: str | bytes) -> bytes:
    return hashlib.sha256(content.encode("utf-8") if isinstance(content, str) else content).digest()
