"""The rows of a language model: which texts share a batch, and the rows that are kept on disk.

The shape of a batch depends on the length of its texts alone, so that a row does not depend on the others. On disk each
text is computed once per encoder, and an interrupted job resumes: a shard is a safetensors file named by the hash of
its bytes, so a damaged shard is recognized and deleted.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from recsys_kit.core.hardware import STEP, padded_length


def rounded_length(length: int, max_length: int, *, doubling: bool = False) -> int:
    """Round `length` up to a multiple of 8, or with `doubling` to 8, 16, 32, 64 ...; at most `max_length`.

    >>> rounded_length(5, 128), rounded_length(17, 128), rounded_length(127, 100)
    (8, 24, 100)
    >>> rounded_length(5, 128, doubling=True), rounded_length(17, 128, doubling=True)
    (8, 32)
    """
    return padded_length(length, max_length) if doubling else min(max(1, -(-length // STEP)) * STEP, max_length)


def fixed_shape_batches(
    lengths: Sequence[int], batch_size: int, max_length: int, *, doubling: bool = False
) -> Iterator[tuple[list[int], int]]:
    """Group texts of equal rounded length into batches, the longest first.

    The largest batch comes first, so a lack of memory shows at once and a progress bar only gets faster.

    Args:
        lengths: tokens of each text.
        batch_size: the largest number of texts in a batch.
        max_length: tokens read of a text.
        doubling: round lengths to few values, for a GPU that plans for each new shape.

    Yields:
        The row numbers of the texts in a batch, and their rounded length.

    >>> list(fixed_shape_batches([3, 12, 7, 5], batch_size=2, max_length=128))
    [([1], 16), ([0, 2], 8), ([3], 8)]
    """
    rounded = np.array([rounded_length(length, max_length, doubling=doubling) for length in lengths], int)
    for length in np.unique(rounded)[::-1].tolist():
        rows = np.flatnonzero(rounded == length).tolist()
        yield from ((rows[start : start + batch_size], length) for start in range(0, len(rows), batch_size))


def pad_to_shape(tokenizer: Any, token_ids: list[list[int]], shape: tuple[int, int]) -> Any:
    """Return tensors of exactly `shape` (B, L): rows are padded and masked, missing rows are copies of the first."""
    rows, length = shape
    filled = token_ids + [token_ids[0]] * (rows - len(token_ids))
    return tokenizer.pad({"input_ids": filled}, padding="max_length", max_length=length, return_tensors="pt")


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
