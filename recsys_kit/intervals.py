"""How sure are we? Bootstrap intervals, so that no number stands alone."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

N_RESAMPLES = 1000
LEVEL = 0.95


class Interval(NamedTuple):
    """A value with the ends of its interval; a format applies to all three, three significant digits by default.

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
        """1 where the whole interval is above zero, -1 where it is below, 0 where it cannot be told."""
        return int(self.low > 0) - int(self.high < 0)


def percentile_interval(value: float, draws: np.ndarray, *, level: float = LEVEL) -> Interval:
    """The value, and the ends between which lies the share `level` of its resampled copies (NaN left out)."""
    low, high = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value), float(low), float(high))


def bootstrap(
    *arrays: np.ndarray,
    statistic: Callable[..., float] = np.mean,
    n_resamples: int = N_RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """A percentile bootstrap interval of any statistic; the rows of all arrays are drawn together, so pairs stay pairs.

    Fewer than two rows say nothing about spread: the ends are NaN.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.

    >>> bootstrap(np.array([1.0, 1.0, 1.0]))
    Interval(value=1.0, low=1.0, high=1.0)
    """
    if len(arrays[0]) < 2:
        return Interval(float(statistic(*arrays)) if len(arrays[0]) else np.nan, np.nan, np.nan)
    result = stats.bootstrap(
        arrays, statistic, paired=True, vectorized=False, n_resamples=n_resamples, confidence_level=level,
        method="percentile", rng=np.random.default_rng(seed),
    )  # fmt: skip
    low, high = result.confidence_interval
    return Interval(float(statistic(*arrays)), float(low), float(high))


def bootstrap_means(
    values: np.ndarray, *, n_resamples: int = N_RESAMPLES, level: float = LEVEL, seed: int = 0
) -> np.ndarray:
    """Percentile bootstrap intervals of many means at once.

    Args:
        values: `(n, m)`, one row per user, one column per metric; NaN nowhere.
        n_resamples: how many times the users are drawn anew; all columns share each draw.
        level: the share of the resampled means inside the interval.
        seed: the same seed draws the same users.

    Returns:
        `(m, 3)`: value, low, high. With fewer than two rows the ends are NaN.

    >>> bootstrap_means(np.array([[0.0, 1.0], [0.0, 1.0]]))
    array([[0., 0., 0.],
           [1., 1., 1.]])
    """
    n, m = values.shape
    if n < 2:
        return np.column_stack([values.mean(axis=0) if n else np.full(m, np.nan), np.full((m, 2), np.nan)])
    rng = np.random.default_rng(seed)
    means = np.empty((n_resamples, m))
    for start in range(0, n_resamples, 100):  # draws as counts: (100, n) at a time keeps memory small
        draws = rng.multinomial(n, np.full(n, 1 / n), size=min(100, n_resamples - start))
        means[start : start + len(draws)] = draws @ values / n
    tail = (1 - level) / 2
    return np.column_stack([values.mean(axis=0), *np.quantile(means, [tail, 1 - tail], axis=0)])
