"""The metrics by hand, against a slow reference written differently, and against trec_eval and scikit-learn."""

import math

import numpy as np
import pytest
import pytrec_eval
from scipy import sparse
from sklearn.metrics import ndcg_score

from recsys_kit import metrics


def hits_of(*rows):
    return np.array([[item == "1" for item in row] for row in rows])


def test_graded_ndcg_counts_judged_items_that_were_not_retrieved():
    value = metrics.ndcg(np.array([[3, 2, 3, 0, 1, 2]]), np.array([[3, 2, 3, 0, 1, 2, 3, 2]]), k=6)
    assert value[0] == pytest.approx(0.785002371969948, abs=1e-12)


def test_one_relevant_item_at_rank_two():
    assert metrics.binary_ndcg(hits_of("01"), np.array([1]), k=10)[0] == pytest.approx(0.6309297535714575, abs=1e-12)


def test_the_list_a_x_b_y_z():
    hits, n_relevant = hits_of("10100"), np.array([3])
    values = {name: value[0] for name, value in metrics.ranking_metrics(hits, n_relevant, k=5).items()}
    expected = {
        "precision@5": 0.4,
        "recall@5": 2 / 3,
        "f1@5": 0.5,
        "map@5": 5 / 9,
        "ndcg@5": 0.7039180890341347,
        "mrr@5": 1.0,
        "hit_rate@5": 1.0,
    }
    assert values == pytest.approx(expected, abs=1e-12)


def test_tie_averaged_ndcg_of_twenty_tied_items_and_of_a_random_scorer():
    twenty = metrics.tie_averaged_ndcg(np.zeros((1, 20)), np.eye(1, 20), k=5)[0]
    thousand = metrics.tie_averaged_ndcg(np.zeros((1, 1000)), np.eye(1, 1000), k=10)[0]
    assert twenty == pytest.approx(0.1474229559439696, abs=1e-12)
    assert thousand == pytest.approx(0.00454355933809, abs=1e-12)


def test_tie_averaged_ndcg_is_plain_ndcg_without_ties():
    rng = np.random.default_rng(0)
    scores = rng.permuted(np.tile(np.arange(30.0), (50, 1)), axis=1)
    gains = rng.integers(0, 4, (50, 30))
    ranked = np.take_along_axis(gains, np.argsort(-scores, axis=1), axis=1)
    np.testing.assert_allclose(
        metrics.tie_averaged_ndcg(scores, gains, k=7), metrics.ndcg(ranked, gains, k=7), atol=1e-12
    )


def random_case(rng, n_users=40, n_items=60, length=20):
    recommended = np.array([rng.permutation(n_items)[:length] for _ in range(n_users)])
    for row in range(0, n_users, 5):
        recommended[row, rng.integers(0, length) :] = -1
    pairs = np.argwhere(rng.random((n_users, n_items)) < 0.08)
    return recommended, pairs[:, 0], pairs[:, 1]


def slow_reference(ranked: list[int], relevant: set[int], k: int) -> dict[str, float]:
    """Written item by item, as one would with pencil and paper."""
    top = [item for item in ranked if item >= 0][:k]
    found, gain, precisions, first = 0, 0.0, 0.0, 0.0
    for rank, item in enumerate(top, start=1):
        if item in relevant:
            found += 1
            gain += 1 / math.log2(rank + 1)
            precisions += found / rank
            first = first or 1 / rank
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(relevant)) + 1))
    p, r = found / k, found / len(relevant)
    return {
        f"precision@{k}": p,
        f"recall@{k}": r,
        f"f1@{k}": 2 * p * r / (p + r) if found else 0.0,
        f"ndcg@{k}": gain / ideal,
        f"map@{k}": precisions / len(relevant),
        f"mrr@{k}": first,
        f"hit_rate@{k}": float(found > 0),
    }


@pytest.mark.parametrize("k", [1, 3, 10, 20])
def test_every_metric_agrees_with_the_slow_reference(k):
    recommended, users, items = random_case(np.random.default_rng(k))
    hits, n_relevant = metrics.match(recommended, users, items)
    fast = metrics.ranking_metrics(hits, n_relevant, k)
    for row in np.flatnonzero(n_relevant):
        slow = slow_reference(recommended[row].tolist(), set(items[users == row]), k)
        assert {name: fast[name][row] for name in slow} == pytest.approx(slow, abs=1e-12)


def test_the_metrics_agree_with_trec_eval():
    recommended, users, items = random_case(np.random.default_rng(1))
    hits, n_relevant = metrics.match(recommended, users, items)
    fast = metrics.ranking_metrics(hits, n_relevant, k=10)
    truth = {str(u): {str(i): 1 for i in items[users == u]} for u in np.flatnonzero(n_relevant)}
    run = {u: {str(i): 100.0 - r for r, i in enumerate(recommended[int(u)]) if i >= 0} for u in truth}
    measures = {"ndcg_cut.10", "map_cut.10", "P.10", "recall.10", "success.10"}
    oracle = pytrec_eval.RelevanceEvaluator(truth, measures).evaluate(run)
    pairs = {
        "ndcg": "ndcg_cut_10",
        "map": "map_cut_10",
        "precision": "P_10",
        "recall": "recall_10",
        "hit_rate": "success_10",
    }
    assert len(oracle) > 30
    for user, values in oracle.items():
        for ours, theirs in pairs.items():
            assert fast[f"{ours}@10"][int(user)] == pytest.approx(values[theirs], abs=1e-9)


def test_graded_ndcg_agrees_with_scikit_learn():
    rng = np.random.default_rng(2)
    gains = rng.integers(0, 4, (50, 30))
    gains[:, 0] = 1
    scores = rng.permuted(np.tile(np.arange(30.0), (50, 1)), axis=1)
    ranked = np.take_along_axis(gains, np.argsort(-scores, axis=1), axis=1)
    assert metrics.ndcg(ranked, gains, k=10).mean() == pytest.approx(ndcg_score(gains, scores, k=10), abs=1e-12)


def test_an_empty_list_scores_zero_and_no_relevant_item_gives_nan_in_every_metric():
    recommended = np.array([[-1, -1], [0, 1], [3, 0]])
    hits, n_relevant = metrics.match(recommended, np.array([0, 2]), np.array([0, 0]))
    for name, values in metrics.ranking_metrics(hits, n_relevant, k=2).items():
        assert values[0] == 0, name
        assert np.isnan(values[1]), name
        assert values[2] > 0, name


def test_a_repeated_item_counts_once_and_a_repeated_pair_is_one_relevant_item():
    hits, n_relevant = metrics.match(np.array([[4, 4, 4]]), np.array([0, 0]), np.array([4, 4]))
    assert hits.tolist() == [[True, False, False]]
    assert n_relevant.tolist() == [1]


def test_an_ended_list_never_matches_an_item_without_index():
    hits, _ = metrics.match(np.array([[-1, -1]]), np.array([0]), np.array([-1]))
    assert not hits.any()


def test_moving_a_hit_up_never_lowers_a_metric():
    for rank in range(1, 10):
        later, sooner = np.zeros((1, 10), bool), np.zeros((1, 10), bool)
        later[0, rank], sooner[0, rank - 1] = True, True
        below = metrics.ranking_metrics(later, np.array([2]), k=10)
        above = metrics.ranking_metrics(sooner, np.array([2]), k=10)
        assert all(above[name][0] >= below[name][0] for name in above)
        assert above["ndcg@10"][0] > below["ndcg@10"][0]


def test_values_stay_in_zero_to_one_and_recall_grows_with_k():
    recommended, users, items = random_case(np.random.default_rng(3))
    hits, n_relevant = metrics.match(recommended, users, items)
    by_k = [metrics.ranking_metrics(hits, n_relevant, k) for k in range(1, 21)]
    for values in by_k:
        assert all(((v >= 0) & (v <= 1))[n_relevant > 0].all() for v in values.values())
    recalls = np.array([values[f"recall@{k}"] for k, values in enumerate(by_k, start=1)])[:, n_relevant > 0]
    assert (np.diff(recalls, axis=0) >= 0).all()


def test_diversity_by_hand_dense_and_sparse():
    vectors = np.array([[1.0, 0], [1, 0], [0, 1], [0, 0]])
    lists = np.array([[0, 1, 2], [0, 1, -1], [2, 3, -1], [-1, -1, -1]])
    expected = [2 / 3, 0.0, 1 / 3, 0.0]  # pairs of three places: an empty place counts as no diversity
    np.testing.assert_allclose(metrics.intra_list_diversity(lists, vectors, k=3), expected, atol=1e-12)
    np.testing.assert_allclose(
        metrics.intra_list_diversity(lists, sparse.csr_array(vectors), k=3), expected, atol=1e-12
    )


def test_novelty_and_coverage_by_hand():
    lists = np.array([[0, 1], [1, -1]])
    bits = metrics.novelty(lists, item_counts=np.array([3, 0, 1]), n_users=3, k=2)
    np.testing.assert_allclose(bits, [1.0, 1.0])
    assert metrics.coverage(lists, n_items=4, k=2) == 0.5
    assert metrics.coverage(lists, n_items=4, k=1) == 0.5
