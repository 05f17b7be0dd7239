"""Intervals cover as often as they say, pairs stay pairs, and a verdict is as rarely wrong as it says."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from recsys_kit.intervals import Interval, bootstrap, bootstrap_means, holm, percentile_interval, permutation_test


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
    first, second = bootstrap_means(np.column_stack([values, values + 0.5]))
    np.testing.assert_allclose(second - first, 0.5, atol=1e-12)
    assert first[2] > first[1]


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


def test_a_user_without_an_answer_is_left_out_where_there_is_none():
    values = np.random.default_rng(5).normal(size=(60, 2))
    gappy = np.column_stack([values, np.where(np.arange(60) < 40, values[:, 0], np.nan), np.full(60, np.nan)])
    intervals = bootstrap_means(gappy)
    np.testing.assert_allclose(intervals[:2], bootstrap_means(values), atol=1e-12)
    np.testing.assert_allclose(intervals[2], bootstrap_means(values[:40, :1])[0], atol=1e-12)
    assert np.isnan(intervals[3]).all()


def test_the_number_of_columns_and_of_draws_held_at_once_does_not_matter(monkeypatch):
    values = np.random.default_rng(6).normal(size=(50, 3))
    together = bootstrap_means(values)
    monkeypatch.setattr("recsys_kit.intervals.BLOCK_CELLS", 50 * 7)
    np.testing.assert_allclose(bootstrap_means(values[:, [2]])[0], together[2], atol=1e-12)


# -- paired tests ----------------------------------------------------------------------------------------------------


def test_a_few_users_are_tested_in_every_way_to_set_the_signs():
    differences = np.array([0.3, -0.1, 0.2, 0.5, 0.0])
    signs = np.array(list(product([1, -1], repeat=5)))
    expected = (np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12).mean()
    assert permutation_test(differences[:, None])[0] == pytest.approx(expected, abs=1e-12)


def test_drawn_flips_agree_with_scipy():
    differences = np.random.default_rng(7).normal(0.15, 1, 80)
    theirs = stats.permutation_test(
        (differences, np.zeros(80)), lambda a, b, axis: (a - b).mean(axis=axis), permutation_type="samples",
        vectorized=True, n_resamples=9999, rng=np.random.default_rng(0),
    ).pvalue  # fmt: skip
    assert permutation_test(differences[:, None])[0] == pytest.approx(theirs, abs=0.02)


def test_without_a_difference_few_tests_are_significant_and_with_one_nearly_all():
    rng = np.random.default_rng(8)
    nothing = permutation_test(rng.exponential(1, (100, 300)) - rng.exponential(1, (100, 300)), n_flips=999)
    something = permutation_test(rng.normal(0.6, 1, (100, 300)), n_flips=999)
    assert 0.02 < (nothing < 0.05).mean() < 0.09
    assert (something < 0.05).mean() > 0.98


def test_a_test_has_two_sides_and_its_p_is_never_zero():
    differences = np.random.default_rng(9).normal(1, 1, (200, 1))
    above, below = permutation_test(differences)[0], permutation_test(-differences)[0]
    assert above == below == 1 / 10_000
    assert permutation_test(np.zeros((30, 1)))[0] == 1
    assert permutation_test(np.empty((0, 1)))[0] == 1


def test_a_user_on_whom_nobody_differs_does_not_change_p():
    differences = np.random.default_rng(10).normal(0.2, 1, (60, 2))
    with_others = np.vstack([np.zeros((500, 2)), differences, np.full((3, 2), np.nan)])
    np.testing.assert_array_equal(permutation_test(with_others, seed=1), permutation_test(differences, seed=1))


def test_the_same_seed_draws_the_same_flips_however_many_are_held_at_once(monkeypatch):
    differences = np.random.default_rng(11).normal(0.1, 1, (60, 2))
    whole = permutation_test(differences, seed=1)
    assert not np.array_equal(whole, permutation_test(differences, seed=2))
    monkeypatch.setattr("recsys_kit.intervals.BLOCK_CELLS", 60 * 1000)
    np.testing.assert_array_equal(whole, permutation_test(differences, seed=1))


def test_holm_by_hand_and_never_out_of_order():
    np.testing.assert_allclose(holm(np.array([0.01, 0.02, 0.03, 0.04])), [0.04, 0.06, 0.06, 0.06])
    np.testing.assert_allclose(holm(np.array([0.9, 0.001, 0.8])), [1.0, 0.003, 1.0])
    rng = np.random.default_rng(12)
    p_values = rng.random(20) ** 3
    corrected = holm(p_values)
    assert (np.diff(corrected[np.argsort(p_values)]) >= 0).all()
    assert (corrected >= p_values).all()
    assert holm(np.empty(0)).size == 0


def test_holm_keeps_the_chance_of_any_false_verdict():
    rng = np.random.default_rng(13)
    p_values = rng.random((4000, 10))
    any_false = [(holm(row) < 0.05).any() for row in p_values]
    assert 0.035 < np.mean(any_false) < 0.065


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("value", [1.0, np.nan])
def test_nobody_and_a_single_user_raise_no_warning(n, value):
    users = np.full((n, 2), value)
    assert np.isnan(bootstrap_means(users)[:, 1:]).all()
    assert np.isnan(bootstrap(users[:, 0]).low)
    assert permutation_test(users).tolist() == [1.0, 1.0]


@pytest.mark.filterwarnings("error")
def test_without_a_resampled_copy_there_is_a_value_and_no_interval():
    for draws in (np.array([]), np.array([np.nan, np.nan])):
        assert str(percentile_interval(0.5, draws)) == "0.500"
    assert np.isnan(bootstrap(np.array([np.nan, np.nan]))).all()
