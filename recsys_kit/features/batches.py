"""Batches of texts whose shape depends on each text alone, so that a result never depends on its company."""

from collections.abc import Iterator, Sequence
from typing import Any

STEP = 8  # tokens: lengths are rounded up to a multiple, so that equal lengths are frequent


def rounded_length(length: int, max_length: int, *, doubling: bool = False) -> int:
    """`length` rounded up to a multiple of 8, or to 8, 16, 32, 64 ... (`doubling`: few shapes); at most `max_length`.

    >>> rounded_length(5, 128), rounded_length(17, 128), rounded_length(127, 100)
    (8, 24, 100)
    >>> rounded_length(5, 128, doubling=True), rounded_length(17, 128, doubling=True)
    (8, 32)
    """
    steps = max(1, -(-length // STEP))
    return min((1 << (steps - 1).bit_length() if doubling else steps) * STEP, max_length)


def fixed_shape_batches(
    lengths: Sequence[int], batch_size: int, max_length: int, *, doubling: bool = False
) -> Iterator[tuple[list[int], int]]:
    """Row numbers of at most `batch_size` texts of one rounded length, and that length; longest texts first.

    What does not fit in memory fails at once, and the progress bar never promises too much. A GPU plans for every new
    shape, so there `doubling` rounds lengths to few values.

    >>> list(fixed_shape_batches([3, 12, 7, 5], batch_size=2, max_length=128))
    [([1], 16), ([0, 2], 8), ([3], 8)]
    """
    by_length: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        by_length.setdefault(rounded_length(length, max_length, doubling=doubling), []).append(row)
    for length in sorted(by_length, reverse=True):
        rows = by_length[length]
        for start in range(0, len(rows), batch_size):
            yield rows[start : start + batch_size], length


def pad_to_shape(tokenizer: Any, token_ids: list[list[int]], shape: tuple[int, int]) -> Any:
    """Tensors of exactly `shape` (B, L): short rows padded and masked, missing rows filled with copies of the first."""
    rows, length = shape
    filled = token_ids + [token_ids[0]] * (rows - len(token_ids))
    return tokenizer.pad({"input_ids": filled}, padding="max_length", max_length=length, return_tensors="pt")
