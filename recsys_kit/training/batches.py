"""Which rows share a batch: those of similar length, so that little is padding.

A GPU plans its work again for every new shape of a batch, so there lengths are rounded up to few values.
"""

from collections.abc import Sequence

import numpy as np
import torch

from recsys_kit.core.hardware import padded_length


def cut(order: Sequence[int], batch_size: int) -> list[Sequence[int]]:
    """Return the rows in batches of `batch_size`; the last may be smaller.

    >>> cut([4, 0, 2], 2)
    [[4, 0], [2]]
    """
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def group_by_length(lengths: Sequence[int], batch_size: int, seed: int) -> list[int]:
    """Return a random order of rows in which neighbours have similar lengths; the longest row comes first.

    Rows are shuffled, and sorted by length within every 50 batches; too little memory shows at once.
    Source: `LengthGroupedSampler` of Hugging Face transformers.

    >>> sorted(group_by_length([3, 9, 4, 8], 2, seed=0))
    [0, 1, 2, 3]
    """
    from transformers.trainer_pt_utils import get_length_grouped_indices  # takes a second to load

    return get_length_grouped_indices(lengths, batch_size, generator=torch.Generator().manual_seed(seed))


def batches_of_tokens(lengths: np.ndarray, n_tokens: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return batches of about `n_tokens` tokens, rows of about the same length together, in random order.

    Args:
        lengths: (R,) of the rows, in tokens (or events).
        n_tokens: at most this many in a batch, and the rest of its last row.
        rng: draws the order.

    >>> batches = batches_of_tokens(np.array([1, 9, 1, 9]), 10, np.random.default_rng(0))
    >>> sorted(sorted(rows.tolist()) for rows in batches)
    [[0, 2], [1, 3]]
    """
    order = rng.permutation(len(lengths))
    order = order[np.argsort(lengths[order], kind="stable")]
    number = (np.cumsum(lengths[order]) - 1) // n_tokens
    batches = np.split(order, np.flatnonzero(np.diff(number)) + 1) if len(order) else []
    return [batches[place] for place in rng.permutation(len(batches))]


def batches_of_few_shapes(
    lengths: Sequence[int], n_tokens: int, max_rows: int, max_length: int, rng: np.random.Generator
) -> list[list[int]]:
    """Return batches of rows with one padded length each, of at most `n_tokens` tokens with the padding, shuffled.

    Args:
        lengths: (R,) of the rows, in tokens.
        n_tokens: at most this many in a batch; a longer row is a batch of its own.
        max_rows: rows of a batch, at most.
        max_length: tokens of a row, at most.
        rng: draws the order.

    >>> sorted(map(len, batches_of_few_shapes([3, 5, 8, 60, 64], 64, 2, 128, np.random.default_rng(0))))
    [1, 1, 1, 2]
    """
    padded = np.array([padded_length(length, max_length) for length in lengths], np.int64)
    batches = []
    for length in np.unique(padded):
        rows = rng.permutation(np.flatnonzero(padded == length)).tolist()
        batches += cut(rows, max(1, min(n_tokens // int(length), max_rows)))
    return [batches[place] for place in rng.permutation(len(batches))]
