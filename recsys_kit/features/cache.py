"""Rows kept by content: the same text under the same model is computed once, and an interrupted job goes on.

A shard is one safetensors file named by the hash of its bytes: a damaged one does not match its name and is made again.
"""

import hashlib
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save


class VectorCache:
    """Text -> row, in memory and (with a folder) on disk under `folder/fingerprint/`.

    >>> cache = VectorCache(None, "any")
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

    def get(self, text: str) -> np.ndarray | None:
        """The row of `text`, or None."""
        return self._rows.get(_key(text))

    def add(self, text: str, row: np.ndarray, *, flush_every: int) -> None:
        """Keep one row; every `flush_every` rows go to disk."""
        self._rows[_key(text)] = row
        self._new.append(_key(text))
        if len(self._new) >= flush_every:
            self.flush()

    def flush(self) -> None:
        """Write what is new as one shard, all or nothing."""
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
            path.unlink()  # damaged: its texts are computed again
            return
        arrays = load(shard)
        self._rows.update((key.tobytes(), row) for key, row in zip(arrays["keys"], arrays["values"], strict=True))


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8")).digest()
