"""The metrics by hand, by property, against a slow reference written differently, trec_eval and scikit-learn."""

import math

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics._ranking import _ndcg_sample_scores as sklearn_ndcg  # the public one shows the mean alone

from recsys_kit import metrics
from recsys_kit.errors import ParameterError

N_CASES = 10_000
PROPERTY = settings(deadline=None, derandomize=True, max_examples=50)


def hits_of(*rows):
    return np.array([[item == "1" for item in row] for row in rows])


# -- by hand ---------------------------------------------------------------------------------------------------------


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


def test_map_divides_by_all_relevant_items_or_when_asked_by_those_that_fit():
    hits, n_relevant = hits_of("11"), np.array([4])
    assert metrics.average_precision(hits, n_relevant, k=2)[0] == 0.5
    assert metrics.average_precision(hits, n_relevant, k=2, attainable=True)[0] == 1.0
    assert metrics.ranking_metrics(hits, n_relevant, k=2)["map@2"][0] == 0.5


def test_the_two_gains_by_hand():
    gains, judged = np.array([[1, 3]]), np.array([[1, 3, 2]])
    linear = (1 + 3 / math.log2(3)) / (3 + 2 / math.log2(3) + 1 / 2)
    exponential = (1 + 7 / math.log2(3)) / (7 + 3 / math.log2(3) + 1 / 2)
    assert metrics.ndcg(gains, judged, k=3)[0] == pytest.approx(linear, abs=1e-12)
    assert metrics.ndcg(gains, judged, k=3, gain="exponential")[0] == pytest.approx(exponential, abs=1e-12)
    with pytest.raises(ParameterError, match="RK-360"):
        metrics.ndcg(gains, judged, k=3, gain="burges")


def test_both_gains_and_the_binary_form_agree_where_relevance_is_binary():
    recommended, users, items = random_case(np.random.default_rng(5))
    gains, judged = metrics.match_grades(recommended, users, items, np.ones(len(users)))
    hits, n_relevant = metrics.match(recommended, users, items)
    binary = metrics.binary_ndcg(hits, n_relevant, k=10)
    for gain in metrics.GAINS:
        np.testing.assert_allclose(metrics.ndcg(gains, judged, k=10, gain=gain), binary, atol=1e-12)


def test_the_denominator_never_shrinks():
    lists = np.array([[7, 8]])  # two places of ten
    hits, n_relevant = metrics.match(lists, np.array([0, 0]), np.array([7, 8]))
    values = metrics.ranking_metrics(hits, n_relevant, k=10)
    assert values["precision@10"][0] == 0.2
    assert values["f1@10"][0] == pytest.approx(2 * 2 / (10 + 2))
    assert values["recall@10"][0] == values["ndcg@10"][0] == values["map@10"][0] == 1


def test_an_item_graded_zero_is_no_hit_and_the_higher_of_two_grades_counts():
    gains, judged = metrics.match_grades(
        np.array([[4, 7, 4]]), np.array([0, 0, 0]), np.array([4, 7, 7]), np.array([0.0, 1.0, 3.0])
    )
    assert gains.tolist() == [[0.0, 3.0, 0.0]]
    assert judged.tolist() == [[0.0, 3.0]]
    assert metrics.ndcg(gains, judged, k=3)[0] == pytest.approx(1 / math.log2(3))


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


def test_an_empty_place_never_matches_the_last_item_of_the_shopper_before():
    hits, _ = metrics.match(np.array([[0, 1], [-1, -1]]), np.array([0]), np.array([1]))
    assert hits.tolist() == [[False, True], [False, False]]


def test_without_any_relevant_item_there_is_no_hit():
    hits, n_relevant = metrics.match(np.array([[0, 1]]), np.empty(0, int), np.empty(0, int))
    assert not hits.any()
    assert n_relevant.tolist() == [0]


# -- against others --------------------------------------------------------------------------------------------------


def random_case(rng, n_users=40, n_items=60, length=20):
    """Lists without repeats, every fifth cut short, and about 8 % of all pairs relevant."""
    recommended = rng.permuted(np.tile(np.arange(n_items), (n_users, 1)), axis=1)[:, :length]
    ends = np.where(np.arange(n_users) % 5 == 0, rng.integers(0, length, n_users), length)
    recommended[np.arange(length) >= ends[:, None]] = -1
    pairs = np.argwhere(rng.random((n_users, n_items)) < 0.08)
    rng.shuffle(pairs)
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
    recommended, users, items = random_case(np.random.default_rng(k), n_users=N_CASES // 4)
    hits, n_relevant = metrics.match(recommended, users, items)
    fast = metrics.ranking_metrics(hits, n_relevant, k)
    relevant = [set() for _ in recommended]
    for user, item in zip(users, items, strict=True):
        relevant[user].add(int(item))
    rows = np.flatnonzero(n_relevant)
    slow = [slow_reference(recommended[row].tolist(), relevant[row], k) for row in rows]
    for name, values in fast.items():
        np.testing.assert_allclose(values[rows], [value[name] for value in slow], rtol=0, atol=1e-12, err_msg=name)


def test_ten_thousand_random_lists_agree_with_trec_eval():
    rng = np.random.default_rng(1)
    recommended, users, items = random_case(rng, n_users=N_CASES)
    grades = rng.integers(0, 4, len(users))
    gains, judged = metrics.match_grades(recommended, users, items, grades)
    hits, n_relevant = metrics.match(recommended, users[grades > 0], items[grades > 0])
    truth: dict[str, dict[str, int]] = {}
    for user, item, grade in zip(users.tolist(), items.tolist(), grades.tolist(), strict=True):
        truth.setdefault(str(user), {})[str(item)] = grade
    run = {u: {str(i): 100.0 - r for r, i in enumerate(recommended[int(u)].tolist()) if i >= 0} for u in truth}
    oracle = pytrec_eval.RelevanceEvaluator(
        truth, {"ndcg_cut.1,5,10,20", "map_cut.1,5,10,20", "P.1,5,10,20", "recall.1,5,10,20", "success.1,5,10"}
        | {"recip_rank"},
    ).evaluate(run)  # fmt: skip
    answered = [user for user in oracle if n_relevant[int(user)]]
    rows = np.array(answered, int)
    assert len(rows) > 0.95 * N_CASES
    for k in (1, 5, 10, 20):
        ours = metrics.ranking_metrics(hits, n_relevant, k)
        pairs = {
            "ndcg_cut": metrics.ndcg(gains, judged, k),
            "map_cut": ours[f"map@{k}"],
            "P": ours[f"precision@{k}"],
            "recall": ours[f"recall@{k}"],
            "success": ours[f"hit_rate@{k}"],
            "recip_rank": ours[f"mrr@{k}"],
        }
        for name, values in pairs.items():
            key = "recip_rank" if name == "recip_rank" else f"{name}_{k}"
            if key in oracle[answered[0]] and (name != "recip_rank" or k == recommended.shape[1]):
                theirs = np.array([oracle[user][key] for user in answered])
                np.testing.assert_allclose(values[rows], theirs, rtol=0, atol=1e-9, err_msg=key)


@pytest.mark.parametrize("gain", metrics.GAINS)
def test_ten_thousand_random_rankings_agree_with_scikit_learn(gain):
    rng = np.random.default_rng(N_CASES)
    grades = rng.integers(0, 4, (N_CASES, 30)).astype(float)
    scores = rng.permuted(np.tile(np.arange(30.0), (N_CASES, 1)), axis=1)
    theirs = sklearn_ndcg(2**grades - 1 if gain == "exponential" else grades, scores, k=10)
    ranked = np.take_along_axis(grades, np.argsort(-scores, axis=1), axis=1)
    np.testing.assert_allclose(metrics.ndcg(ranked, grades, k=10, gain=gain), theirs, rtol=0, atol=1e-9)


# -- properties ------------------------------------------------------------------------------------------------------

N_ITEMS = 12


@st.composite
def cases(draw):
    """Lists without repeats of 0 to 8 items of 12, cut to 6 places; at least one relevant item for each user."""
    n_users = draw(st.integers(1, 5))
    item = st.integers(0, N_ITEMS - 1)
    lists = [draw(st.lists(item, unique=True, max_size=6)) for _ in range(n_users)]
    relevant = [draw(st.lists(item, unique=True, min_size=1, max_size=8)) for _ in range(n_users)]
    recommended = np.array([row + [-1] * (6 - len(row)) for row in lists])
    users = np.repeat(np.arange(n_users), [len(row) for row in relevant])
    return recommended, users, np.array([i for row in relevant for i in row])


def all_metrics(recommended, users, items, k=4):
    """Every metric that has one value per user, of lists over twelve items; the histories hold items 0 and 1."""
    hits, n_relevant = metrics.match(recommended, users, items)
    counts = np.arange(N_ITEMS)
    kinds = metrics.category_vectors(np.array(["a", "b", "c"] * 4, dtype=object))
    had = metrics.category_shares(sparse.csr_array(np.tile(np.arange(N_ITEMS) < 2, (len(recommended), 1))), kinds)
    values = metrics.ranking_metrics(hits, n_relevant, k)
    values["diversity"] = metrics.intra_list_diversity(recommended, kinds, k)
    values["novelty"] = metrics.novelty(recommended, counts, N_ITEMS, k) / np.log2(N_ITEMS + 1)
    values["popularity"] = metrics.average_popularity(recommended, counts, N_ITEMS, k)
    values["serendipity"] = metrics.serendipity(
        hits, recommended, np.tile([11, 10, 9, 8], (len(hits), 1)), n_relevant, k
    )
    values["calibration"] = metrics.calibration(recommended, had, kinds, k)
    values["experience"] = metrics.experience_index(values[f"ndcg@{k}"], values[f"recall@{k}"], values["novelty"])
    return values


@PROPERTY
@given(cases())
def test_every_value_lies_between_0_and_1_and_an_empty_list_has_0(case):
    recommended, users, items = case
    for name, values in all_metrics(*case).items():
        assert ((values >= -1e-12) & (values <= 1 + 1e-12)).all(), name
    for name, values in all_metrics(np.full_like(recommended, -1), users, items).items():
        assert (values == 0).all(), name


@PROPERTY
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_users_and_pairs_and_the_size_of_chunks_do_not_matter(case, random):
    recommended, users, items = case
    whole = all_metrics(*case)
    order = random.sample(range(len(recommended)), len(recommended))
    pairs = random.sample(range(len(users)), len(users))
    place = np.argsort(order)
    moved = all_metrics(recommended[order], place[users[pairs]], items[pairs])
    for row in range(len(recommended)):
        mine = users == row
        alone = all_metrics(recommended[[row]], users[mine] * 0, items[mine])
        for name, values in whole.items():
            assert values[row] == pytest.approx(moved[name][place[row]], abs=1e-12), name
            assert values[row] == pytest.approx(alone[name][0], abs=1e-12), name


@PROPERTY
@given(cases(), st.permutations(range(N_ITEMS)))
def test_the_names_of_items_do_not_matter(case, names):
    recommended, users, items = case
    names = np.array([*names, -1])
    before = metrics.ranking_metrics(*metrics.match(recommended, users, items), k=4)
    after = metrics.ranking_metrics(*metrics.match(names[recommended], users, names[items]), k=4)
    for name, values in before.items():
        np.testing.assert_array_equal(values, after[name], err_msg=name)


@PROPERTY
@given(cases(), st.sampled_from([np.int8, np.int32, np.int64]))
def test_the_dtype_does_not_matter(case, dtype):
    plain, other = all_metrics(*case), all_metrics(*(array.astype(dtype) for array in case))
    for name, values in plain.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)


@PROPERTY
@given(cases(), st.integers(1, 6))
def test_moving_a_hit_up_never_lowers_a_metric(case, k):
    hits, n_relevant = metrics.match(*case)
    before = metrics.ranking_metrics(hits, n_relevant, k)
    for row, rank in np.argwhere(hits[:, 1:] & ~hits[:, :-1]):
        better = hits.copy()
        better[row, [rank, rank + 1]] = True, False
        after = metrics.ranking_metrics(better, n_relevant, k)
        for name, values in before.items():
            assert after[name][row] >= values[row] - 1e-12, name
        if rank < k:
            assert after[f"ndcg@{k}"][row] > before[f"ndcg@{k}"][row]


@PROPERTY
@given(cases())
def test_hit_rate_and_recall_grow_with_k(case):
    hits, n_relevant = metrics.match(*case)
    for function in (metrics.hit_rate, metrics.recall):
        by_k = np.array([function(hits, n_relevant, k) for k in range(1, 9)])
        assert (np.diff(by_k, axis=0) >= 0).all()


@PROPERTY
@given(cases(), st.integers(1, 6))
def test_what_lies_below_k_counts_nothing(case, k):
    recommended, users, items = case
    whole, cut = (metrics.match(lists, users, items) for lists in (recommended, recommended[:, :k]))
    for name, values in metrics.ranking_metrics(*whole, k).items():
        np.testing.assert_array_equal(values, metrics.ranking_metrics(*cut, k)[name], err_msg=name)


# -- beyond accuracy -------------------------------------------------------------------------------------------------


def shuffled(matrix: sparse.csr_array) -> sparse.csr_array:
    """The same matrix, the entries of every row stored the other way round."""
    back = np.concatenate([np.arange(a, b)[::-1] for a, b in zip(matrix.indptr, matrix.indptr[1:], strict=False)])
    return sparse.csr_array((matrix.data[back], matrix.indices[back], matrix.indptr), shape=matrix.shape)


def test_diversity_by_hand_dense_and_sparse():
    vectors = np.array([[1.0, 0], [1, 0], [0, 1], [0, 0]])
    lists = np.array([[0, 1, 2], [0, 1, -1], [2, 3, -1], [-1, -1, -1]])
    expected = [2 / 3, 0.0, 1 / 3, 0.0]  # pairs of three places: an empty place counts as no diversity
    np.testing.assert_allclose(metrics.intra_list_diversity(lists, vectors, k=3), expected, atol=1e-12)
    np.testing.assert_allclose(
        metrics.intra_list_diversity(lists, sparse.csr_array(vectors), k=3), expected, atol=1e-12
    )


def test_diversity_is_one_less_the_mean_cosine_of_the_pairs_whatever_the_order_of_the_csr():
    rng = np.random.default_rng(0)
    vectors = rng.random((30, 8)) * (rng.random((30, 8)) < 0.6)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    lists = rng.permuted(np.tile(np.arange(30), (5, 1)), axis=1)[:, :6]
    slow = [
        np.mean([1 - vectors[a] @ vectors[b] for at, a in enumerate(row) for b in row[at + 1 :]])
        for row in lists[:, :5]
    ]
    for given_vectors in (vectors, sparse.csr_array(vectors), shuffled(sparse.csr_array(vectors))):
        np.testing.assert_allclose(metrics.intra_list_diversity(lists, given_vectors, k=5), slow, atol=1e-12)


def test_diversity_by_category_is_the_share_of_pairs_of_different_categories():
    kinds = metrics.category_vectors(np.array(["mug", "mug", "book", None], dtype=object))
    lists = np.array([[0, 1, 2], [0, 3, -1], [0, 1, -1]])
    np.testing.assert_allclose(metrics.intra_list_diversity(lists, kinds, k=3), [2 / 3, 1 / 3, 0])


def test_novelty_and_coverage_by_hand():
    lists = np.array([[0, 1], [1, -1]])
    bits = metrics.novelty(lists, item_counts=np.array([3, 0, 1]), n_users=3, k=2)
    np.testing.assert_allclose(bits, [1.0, 1.0])
    assert metrics.coverage(lists, n_items=4, k=2) == 0.5
    assert metrics.coverage(lists, n_items=4, k=1) == 0.5


def test_gini_is_half_the_mean_absolute_difference_over_the_mean():
    rng = np.random.default_rng(0)
    lists = rng.integers(-1, 9, (50, 6))
    shown = np.bincount(lists[:, :4][lists[:, :4] >= 0], minlength=12)
    slow = np.abs(shown[:, None] - shown[None]).mean() / (2 * shown.mean())
    assert metrics.gini(lists, n_items=12, k=4) == pytest.approx(slow, abs=1e-12)
    assert metrics.gini(np.full((3, 4), -1), n_items=12, k=4) == 0


def test_average_popularity_and_its_lift_by_hand():
    counts, histories = np.array([8, 4, 2, 0]), sparse.csr_array(np.array([[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]))
    lists = np.array([[0, 3], [1, -1], [0, 1]])
    np.testing.assert_allclose(metrics.average_popularity(lists, counts, n_users=8, k=2), [0.5, 0.25, 0.75])
    lift = metrics.popularity_lift(
        lists, histories, counts, k=2
    )  # lists 4 and 2, histories 4 and 2; the third has none
    assert lift == pytest.approx(0.0, abs=1e-12)
    assert metrics.popularity_lift(lists, histories, counts, k=1) == pytest.approx((8 + 4) / (4 + 2) - 1)
    assert np.isnan(metrics.popularity_lift(lists, sparse.csr_array((3, 4)), counts, k=1))


def test_serendipity_counts_hits_that_the_obvious_list_did_not_show():
    lists, obvious = np.array([[4, 7, 9], [4, 5, 6], [-1, -1, -1]]), np.array([[4, 5, 6]] * 3)
    hits, n_relevant = metrics.match(lists, np.array([0, 0, 1, 2]), np.array([4, 9, 5, 4]))
    np.testing.assert_allclose(metrics.serendipity(hits, lists, obvious, n_relevant, k=3), [1 / 3, 0, 0])
    np.testing.assert_allclose(metrics.serendipity(hits, lists, obvious, n_relevant, k=2), [0, 0, 0])


def test_calibration_does_not_ask_how_long_the_list_is():
    kinds = metrics.category_vectors(np.array(["a", "b"]))
    had = metrics.category_shares(sparse.csr_array(np.array([[1, 0]])), kinds)
    lists = np.array([[0] + [-1] * 9])
    assert metrics.calibration(lists, had, kinds, k=10).tolist() == [1.0]
    assert metrics.precision(lists >= 0, np.array([1]), k=10).tolist() == [0.1]


def test_calibration_is_one_for_the_mix_of_the_history_and_zero_for_nothing_in_common():
    kinds = metrics.category_vectors(np.array(["a", "a", "b", "c", None], dtype=object))
    histories = sparse.csr_array(np.array([[1, 0, 1, 0, 0]] * 4 + [[0, 0, 0, 0, 1]]))
    had = metrics.category_shares(histories, kinds)
    lists = np.array([[1, 2], [3, -1], [0, 1], [-1, -1], [0, 2]])
    divergence = 0.5 * math.log2(1 / 0.75) + 0.5 * (0.5 * math.log2(0.5 / 0.75) + 0.5 * math.log2(0.5 / 0.25))
    expected = [1, 0, 1 - divergence, 0, np.nan]  # the last has nothing to be true to
    for mix in (had, shuffled(had)):
        np.testing.assert_allclose(metrics.calibration(lists, mix, shuffled(kinds), k=2), expected, atol=1e-12)


def test_the_experience_index_shows_its_weights_and_refuses_others():
    parts = np.array([1.0]), np.array([0.5]), np.array([0.0])
    assert metrics.experience_index(*parts)[0] == pytest.approx(0.65)
    assert metrics.experience_index(*parts, {"relevance": 0, "completeness": 4, "novelty": 4})[0] == 0.25
    for wrong in (
        {"relevance": 1},
        {"relevance": 1, "completeness": -1, "novelty": 1},
        dict.fromkeys(metrics.EXPERIENCE_WEIGHTS, 0),
    ):
        with pytest.raises(ParameterError, match="RK-361"):
            metrics.experience_index(*parts, wrong)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_users", [0, 1])
@pytest.mark.parametrize("width", [0, 1, 3])
def test_nobody_one_user_and_lists_without_a_place_raise_no_warning(n_users, width):
    lists, hits, n_relevant = np.full((n_users, width), -1), np.zeros((n_users, width), bool), np.ones(n_users, int)
    for name, values in metrics.ranking_metrics(hits, n_relevant, 3).items():
        assert values.tolist() == [0.0] * n_users, name
    for vectors in (np.zeros((1, 2)), sparse.csr_array(np.zeros((1, 2)))):
        assert (metrics.intra_list_diversity(lists, vectors, 3) >= 0).all()
    assert metrics.novelty(lists, np.array([0]), 0, 3).tolist() == [0.0] * n_users
    assert np.isnan(metrics.popularity_lift(lists, sparse.csr_array(np.zeros((n_users, 1))), np.array([0]), 3))
