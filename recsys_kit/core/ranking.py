"""The k best columns of each row, with ties broken the same way on every machine."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from recsys_kit.core.histories import Histories
from recsys_kit.core.threads import one_torch_thread
from recsys_kit.errors import ParameterError

BLOCK_CELLS = 2**24  # scores in memory at once: 64 MB of float32 for any number of users
TOP_K_CELLS = 2**21  # scores that NumPy ranks; for more PyTorch is faster


def blocks(histories: Histories, n_items: int) -> Iterator[tuple[slice, Histories]]:
    """Yield the histories in blocks whose scores `(B, n_items)` fit in memory, each with its place; one at least."""
    size = max(1, BLOCK_CELLS // n_items)
    for start in range(0, max(len(histories), 1), size):
        stop = min(start + size, len(histories))
        yield slice(start, stop), histories.take(np.arange(start, stop))


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the columns of the k best scores of each row, best first.

    Args:
        scores: (B, N) float32 without NaN; -inf for a column that must not be returned.
        k: columns per row.

    Returns:
        (B, min(k, N)) int64; -1 where a row has no further score. Of equal scores the lower column comes first.

    >>> top_k(np.array([[0.0, 2.0, 2.0, -np.inf]], dtype=np.float32), k=4)
    array([[ 1,  2,  0, -1]])
    """
    scores, k = np.ascontiguousarray(scores, np.float32), min(k, scores.shape[1])
    best = np.full((len(scores), k), -1, np.int64)
    many = scores.size > TOP_K_CELLS and k > 0  # for a few rows the second that PyTorch takes to load is too long
    unsure = _fill_untied(best, scores) if many else np.arange(len(scores))
    size = max(1, TOP_K_CELLS // max(1, scores.shape[1]))
    for start in range(0, len(unsure) if k else 0, size):
        rows = unsure[start : start + size]
        best[rows] = _best_of(scores[rows], k)
    return best


@one_torch_thread()
def _fill_untied(best: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Fill in the rows without a tie at the k-th score; return the numbers of the other rows."""
    import torch

    k = best.shape[1]
    values, columns = (found.numpy() for found in torch.topk(torch.from_numpy(scores), min(k + 1, scores.shape[1])))
    order = np.lexsort((columns[:, :k], -values[:, :k]))
    shown = np.take_along_axis(values, order, axis=1) > -np.inf
    best[:] = np.where(shown, np.take_along_axis(columns, order, axis=1), -1)
    tied = (values[:, k - 1] == values[:, -1]) & (values[:, -1] > -np.inf)
    return np.flatnonzero(tied & (values.shape[1] > k))


def _best_of(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the same as `top_k`, by integers that are unique in a row: the bits of a score, then the column."""
    bits = (scores + np.float32(0)).view(np.int32)  # + 0: -0.0 becomes 0.0
    rising = bits.astype(np.int64) ^ ((bits >> 31) & 0x7FFFFFFF)  # in the order of the scores, negative ones as well
    keys = (~rising << 32) | np.arange(scores.shape[1])
    first = np.sort(np.partition(keys, k - 1)[:, :k])
    columns = first & 0xFFFFFFFF
    return np.where(np.take_along_axis(scores, columns, axis=1) > -np.inf, columns, -1)


def check_k(k: Any) -> None:
    """Raise `ParameterError` (RK-312) unless `k` is a whole number from 1."""
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 1:
        raise ParameterError("RK-312", f"k is {k!r}; expected a whole number from 1.", "Pass k=10.")
