"""Bootstrap confidence intervals, paired permutation tests and the correction for several tests."""

from typing import NamedTuple

import numpy as np

N_RESAMPLES = 1000
N_FLIPS = 9999
LEVEL = 0.95
BLOCK_CELLS = 2**21  # draws held at once: 16 MB, whatever the number of users


class Interval(NamedTuple):
    """A value with its confidence interval; a format spec applies to all three, by default 3 significant digits.

    >>> f"{Interval(0.12, 0.1, 0.14)} and {Interval(0.12, 0.1, 0.14):+.2f}"
    '0.120 [0.100, 0.140] and +0.12 [+0.10, +0.14]'
    """

    value: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        value, low, high = (format(end, spec or "#.3g").rstrip(".") for end in self)
        return value if np.isnan(self.low) else f"{value} [{low}, {high}]"

    def __str__(self) -> str:
        return format(self, "")

    @property
    def sign(self) -> int:
        """1 if the whole interval is above zero, -1 if it is below, otherwise 0."""
        return int(self.low > 0) - int(self.high < 0)


def percentile_interval(value: float, draws: np.ndarray, *, level: float = LEVEL) -> Interval:
    """Return the value and the quantiles of its resampled copies that enclose the share `level` of them.

    Args:
        value: of the sample itself.
        draws: `(n,)` the values of the resampled copies; NaN is left out, and without any copy the ends are NaN.
        level: the share inside the interval.

    >>> percentile_interval(2.0, np.arange(101.0), level=0.5)
    Interval(value=2.0, low=25.0, high=75.0)
    """
    if np.isnan(draws).all():
        return Interval(float(value), np.nan, np.nan)
    low, high = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value), float(low), float(high))


def bootstrap(values: np.ndarray, *, seed: int = 0) -> Interval:
    """Return the percentile bootstrap interval of a mean, at `LEVEL`.

    With fewer than two values, or where one is NaN, the ends are NaN.

    Args:
        values: (n,).
        seed: random seed.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.

    >>> bootstrap(np.array([1.0, 1.0, 1.0]))
    Interval(value=1.0, low=1.0, high=1.0)
    """
    value = float(np.mean(values)) if len(values) else np.nan
    if len(values) < 2 or np.isnan(value):
        return Interval(value, np.nan, np.nan)
    from scipy import stats  # takes two seconds

    result = stats.bootstrap(
        (values,), np.mean, vectorized=False, n_resamples=N_RESAMPLES, confidence_level=LEVEL, method="percentile",
        rng=np.random.default_rng(seed),
    )  # fmt: skip
    low, high = result.confidence_interval
    return Interval(value, float(low), float(high))


def bootstrap_means(
    values: np.ndarray, *, n_resamples: int = N_RESAMPLES, level: float = LEVEL, seed: int = 0
) -> np.ndarray:
    """Return percentile bootstrap intervals of many means at once.

    Args:
        values: `(n, m)`, one row per user, one column per metric; a user with NaN is left out of this column.
        n_resamples: number of resampled copies; all columns share them.
        level: the share inside the interval.
        seed: random seed.

    Returns:
        `(m, 3)`: value, low, high. With fewer than two rows the ends are NaN.

    >>> bootstrap_means(np.array([[0.0, 1.0], [0.0, 1.0], [0.0, np.nan]]))
    array([[0., 0., 0.],
           [1., 1., 1.]])
    """
    values = np.asarray(values, float)
    intervals = np.full((values.shape[1], 3), np.nan)
    silent = np.isnan(values)
    _, first, group = np.unique(np.packbits(silent, axis=0), axis=1, return_index=True, return_inverse=True)
    for number, column in enumerate(first):  # usually one group of columns: no value is missing
        columns, no_answer = np.flatnonzero(group == number), silent[:, column]
        answered = values[np.ix_(~no_answer, columns)] if no_answer.any() else values[:, columns]
        if len(answered):
            intervals[columns, 0] = answered.mean(axis=0)
        if len(answered) > 1:
            means = _resampled_means(answered, n_resamples, np.random.default_rng(seed))
            intervals[columns, 1:] = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0).T
    return intervals


def _resampled_means(values: np.ndarray, n_resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Return `(n_resamples, m)`: column means of n rows drawn with replacement, as the count of each row times it."""
    n, size = len(values), max(1, BLOCK_CELLS // len(values))
    means = np.empty((n_resamples, values.shape[1]))
    for start in range(0, n_resamples, size):
        rows = min(size, n_resamples - start)
        drawn = rng.integers(0, n, (rows, n)) + np.arange(rows)[:, None] * n
        counts = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
        means[start : start + rows] = counts.astype(float) @ values / n
    return means


def permutation_test(differences: np.ndarray, *, n_flips: int = N_FLIPS, seed: int = 0) -> np.ndarray:
    """Return two-sided p-values `(m,)` of the hypothesis that the mean of paired differences is 0.

    If neither of two models is better, each user's difference could as well have the other sign. So the signs are
    flipped, at random `n_flips` times, or in all 2^n ways if these are fewer. p is the share of the flips whose mean is
    as far from 0 as the observed one, which counts as a flip itself, so p is never 0.

    Args:
        differences: `(n, m)`, one row per user, one column per comparison; a user with NaN is left out of this column.
        n_flips: number of random flips.
        seed: random seed.

    Source: Fisher, The design of experiments, 1935, section 21; Smucker, Allan and Carterette, A comparison of
    statistical significance tests for information retrieval evaluation, CIKM 2007.

    >>> permutation_test(np.array([[1.0], [2.0], [3.0]]))  # 2 of the 8 ways to set the signs are as extreme
    array([0.25])
    """
    differences = np.nan_to_num(np.asarray(differences, float))
    differences = differences[differences.any(axis=1)]  # a 0 has no sign
    n = len(differences)
    exact = n < 31 and 2**n <= n_flips + 1
    n_rows = 2**n if exact else n_flips
    observed = np.abs(differences.sum(axis=0)) - 1e-9 * np.abs(differences).sum(axis=0)  # rounding apart
    extreme = np.zeros(differences.shape[1], np.int64)
    rng, size = np.random.default_rng(seed), max(1, BLOCK_CELLS // max(n, 1))
    for start in range(0, n_rows, size):
        rows = np.arange(start, min(start + size, n_rows))
        kept = rows[:, None] >> np.arange(n) & 1 if exact else _random_bits(rng, len(rows), n)
        flipped = 2 * (kept.astype(float) @ differences) - differences.sum(axis=0)
        extreme += (np.abs(flipped) >= observed).sum(axis=0)
    return extreme / n_rows if exact else (extreme + 1) / (n_rows + 1)


def _random_bits(rng: np.random.Generator, rows: int, n: int) -> np.ndarray:
    return np.unpackbits(rng.integers(0, 256, (rows, -(-n // 8)), np.uint8), axis=1, count=n)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return Holm's corrected p-values: rejecting those below alpha keeps the chance of any false rejection at alpha.

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(2)  # 3 * 0.01, 2 * 0.03, and 0.04 not below 0.06
    array([0.03, 0.06, 0.06])
    """
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values, kind="stable")
    corrected = np.empty(len(order))
    corrected[order] = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1)).clip(max=1)
    return corrected
