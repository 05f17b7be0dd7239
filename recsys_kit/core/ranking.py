"""The k best columns of score matrices, with ties broken the same way on every machine."""

from typing import Any

import numpy as np

from recsys_kit.core.threads import one_torch_thread
from recsys_kit.errors import ParameterError

BLOCK_CELLS = 2**24  # scores held at once: 64 MB of float32, whatever the number of users
TOP_K_CELLS = 2**21  # of these, ranked by NumPy; more are worth PyTorch, so many at once where scores are equal


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """The columns of the k best scores of each row, best first; -1 where the scores end (`-inf`).

    Equal scores are won by the lower column. `scores` is `(B, N)` float32 without NaN; the result `(B, min(k, N))`.

    >>> top_k(np.array([[0.0, 2.0, 2.0, -np.inf]], dtype=np.float32), k=4)
    array([[ 1,  2,  0, -1]])
    """
    scores, k = np.ascontiguousarray(scores, np.float32), min(k, scores.shape[1])
    best = np.full((len(scores), k), -1, np.int64)
    many = scores.size > TOP_K_CELLS and k > 0  # for a few rows PyTorch is not worth the second that loading it takes
    unsure = _fill_untied(best, scores) if many else np.arange(len(scores))
    size = max(1, TOP_K_CELLS // max(1, scores.shape[1]))
    for start in range(0, len(unsure) if k else 0, size):
        rows = unsure[start : start + size]
        best[rows] = _best_of(scores[rows], k, many)
    return best


@one_torch_thread()
def _fill_untied(best: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Fill in the rows whose k-th score no further one equals; the numbers of the others."""
    import torch

    k = best.shape[1]
    values, columns = (found.numpy() for found in torch.topk(torch.from_numpy(scores), min(k + 1, scores.shape[1])))
    order = np.lexsort((columns[:, :k], -values[:, :k]))
    shown = np.take_along_axis(values, order, axis=1) > -np.inf
    best[:] = np.where(shown, np.take_along_axis(columns, order, axis=1), -1)
    tied = (values[:, k - 1] == values[:, -1]) & (values[:, -1] > -np.inf)
    return np.flatnonzero(tied & (values.shape[1] > k))


def _best_of(scores: np.ndarray, k: int, many: bool) -> np.ndarray:
    """As `top_k`, by whole numbers that no two columns share: the bits of a score, then the column."""
    bits = (scores + np.float32(0)).view(np.int32)  # + 0: -0.0 becomes 0.0
    rising = bits.astype(np.int64) ^ ((bits >> 31) & 0x7FFFFFFF)  # in the order of the scores, negative ones as well
    keys = (~rising << 32) | np.arange(scores.shape[1])
    if many:
        import torch

        with one_torch_thread():
            first = torch.topk(torch.from_numpy(keys), k, largest=False).values.numpy()
    else:
        first = np.sort(np.partition(keys, k - 1)[:, :k])
    columns = first & 0xFFFFFFFF
    return np.where(np.take_along_axis(scores, columns, axis=1) > -np.inf, columns, -1)


def check_k(k: Any) -> None:
    """Raises `ParameterError` (RK-312) where `k` is no length of a list."""
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 1:
        raise ParameterError("RK-312", f"k is {k!r}; expected a whole number from 1.", "Pass k=10.")
