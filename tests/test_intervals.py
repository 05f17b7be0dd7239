"""Intervals: they cover as often as they say, and pairs stay pairs."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from recsys_kit.intervals import Interval, bootstrap, bootstrap_means


def test_a_95_percent_interval_covers_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(0)
    intervals = bootstrap_means(rng.exponential(1.0, (300, 400)), n_resamples=400)
    covered = ((intervals[:, 1] <= 1.0) & (intervals[:, 2] >= 1.0)).mean()
    assert 0.91 < covered < 0.98


def test_the_two_bootstraps_agree():
    values = np.random.default_rng(1).normal(size=200)
    fast, slow = bootstrap_means(values[:, None])[0], bootstrap(values)
    np.testing.assert_allclose(fast, slow, atol=0.02)
    assert fast[0] == pytest.approx(slow.value)


def test_columns_share_their_draws_so_that_a_constant_difference_has_no_width():
    values = np.random.default_rng(2).normal(size=(100, 1))
    _, low, high = bootstrap_means(values + 0.5 - values)[0]
    assert low == pytest.approx(0.5)
    assert high == pytest.approx(0.5)


def test_rows_of_several_arrays_are_drawn_together():
    labels = np.random.default_rng(3).integers(0, 3, 200)
    interval = bootstrap(labels, labels, statistic=lambda t, p: f1_score(t, p, average="macro"), n_resamples=50)
    assert tuple(interval) == (1.0, 1.0, 1.0)


def test_the_same_seed_draws_the_same_users():
    values = np.random.default_rng(4).normal(size=(50, 2))
    np.testing.assert_array_equal(bootstrap_means(values, seed=1), bootstrap_means(values, seed=1))
    assert not np.array_equal(bootstrap_means(values, seed=1), bootstrap_means(values, seed=2))


def test_one_user_has_a_value_and_no_interval():
    value, low, high = bootstrap_means(np.array([[0.3]]))[0]
    assert value == 0.3
    assert np.isnan(low)
    assert np.isnan(high)
    assert np.isnan(bootstrap(np.array([0.3])).low)


def test_nobody_has_neither():
    assert np.isnan(bootstrap_means(np.empty((0, 2)))).all()


@pytest.mark.parametrize(
    ("low", "high", "sign"), [(0.1, 0.2, 1), (-0.2, -0.1, -1), (-0.1, 0.1, 0), (np.nan, np.nan, 0)]
)
def test_the_sign_is_said_only_where_the_interval_holds_it(low, high, sign):
    assert Interval(0.0, low, high).sign == sign


def test_a_value_without_an_interval_prints_alone():
    assert f"{Interval(0.5, np.nan, np.nan):.2f}" == "0.50"
