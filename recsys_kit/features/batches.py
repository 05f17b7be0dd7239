"""Batches of texts whose shape depends on the length of the text alone, so that a row does not depend on the others."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

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
