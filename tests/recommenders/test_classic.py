"""Every classic model against numbers worked by hand, or against its definition written another way."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.errors import ParameterError
from recsys_kit.recommenders import (
    ALS,
    BPR,
    EASE,
    AssociationRules,
    Attributes,
    Content,
    ContextAware,
    FormulaDeep,
    Hybrid,
    ItemKNN,
    ItemKNNBM25,
    PopularInCategory,
    Popularity,
    PopularLately,
    TwoTowers,
    UserKNN,
)
from recsys_kit.recommenders.interactions import interaction_matrix, keep_largest
from recsys_kit.recommenders.rules import MEASURES
from recsys_kit.testing.planted import planted_shop

SHOP = planted_shop()
PLAIN = EncodedSplit.of(SHOP.train, valid=SHOP.valid)


def frame(events):
    interactions = pd.DataFrame(events, columns=["user_id", "item_id", "day"])
    days = pd.to_timedelta(interactions.pop("day"), unit="D")
    return interactions.assign(timestamp=pd.Timestamp("2024-01-01", tz="UTC") + days)


def of_baskets(*baskets):
    """One shopper per word, one item per letter, all on one day."""
    return frame([(f"u{number:02d}", item, 0) for number, basket in enumerate(baskets) for item in basket])


def scores_of(model, history):
    return pd.Series(model.score([list(history)])[0], model.item_ids)


def random_shop(n_users=60, n_items=12, share=0.3, seed=0):
    matrix = np.random.default_rng(seed).random((n_users, n_items)) < share
    matrix[:, 0] |= ~matrix.any(axis=1)
    matrix[0] = True
    train = frame([(f"u{u:03d}", f"i{i:02d}", 0) for u, i in np.argwhere(matrix)])
    return train, matrix.astype(float)


# -- popularity --------------------------------------------------------------------------------------------------------


def test_popular_lately_halves_with_each_half_life():
    train = frame([("u1", "old", 0), ("u2", "old", 0), ("u3", "old", 0), ("u4", "new", 10), ("u5", "mid", 5)])
    scores = scores_of(PopularLately(half_life=0.5).fit(train), "")
    assert scores.to_dict() == pytest.approx({"old": 3 / 4, "new": 1.0, "mid": 1 / 2})


@pytest.mark.parametrize(
    ("model", "missing"),
    [(PopularLately(), "timestamp"), (PopularInCategory(), "category"), (ContextAware(), "context"),
     (Content(), "item_features"), (Attributes(), "attributes"), (Hybrid({"a": PopularLately()}), "timestamp")],
    ids=lambda one: getattr(one, "name", one),
)  # fmt: skip
def test_a_missing_input_is_named(model, missing):
    train = of_baskets("ab", "a", "bc", "a").drop(columns="timestamp").assign(position=0)
    with pytest.raises(ParameterError, match=rf"RK-345 \w+ needs {missing}; the split has none"):
        model.fit(train, valid=train)


def test_popularity_by_category_by_hand():
    """Shelf x sold 3 (a twice, b once), shelf y sold 1; a history of b is (1 + 3/4, 1/4) events, 2 in all."""
    train, items = of_baskets("a", "a", "b", "c"), pd.DataFrame({"item_id": list("abc"), "category": list("xxy")})
    scores = scores_of(PopularInCategory(prior=1).fit(train, items=items), "b")
    assert scores.to_dict() == pytest.approx({"a": 7 / 8 * 2 / 3, "b": 7 / 8 / 3, "c": 1 / 8})
    assert scores.sum() == pytest.approx(1)


# -- neighbours --------------------------------------------------------------------------------------------------------


def test_the_damped_cosine_by_hand():
    scores = scores_of(ItemKNN(shrink=1, half_life=None).fit(of_baskets("ab", "ab", "ac")), "a")
    assert scores.to_dict() == pytest.approx({"a": 0, "b": 2 / np.sqrt(4 * 3), "c": 1 / np.sqrt(4 * 2)})


def test_bm25_by_hand():
    """Five items, 9 events: a had by 3 shoppers, b and c by 2; who had two items says ln(5/3)."""
    model = ItemKNNBM25(k1=1.5, b=0.5, half_life=None).fit(of_baskets("ab", "ab", "ac", "c", "de"))

    def weight(item_shoppers):
        return np.log(5 / 3) * 2.5 / (1.5 * (0.5 + 0.5 * item_shoppers / (9 / 5)) + 1)

    scores = scores_of(model, "a")
    assert scores["b"] == pytest.approx(2 * weight(3) * weight(2))
    assert scores["c"] == pytest.approx(weight(3) * weight(2))
    assert scores["d"] == 0


def test_item_neighbours_agree_with_the_dense_product():
    train, matrix = random_shop(n_items=30)
    model = ItemKNN(n_neighbors=7, shrink=2, half_life=None).fit(train)
    columns = matrix[:, [int(item[1:]) for item in model.item_ids]]
    norms = np.sqrt(columns.sum(axis=0) + 2)
    cosine = columns.T @ columns / np.outer(norms, norms)
    np.fill_diagonal(cosine, 0)
    seventh = -np.sort(-cosine, axis=1)[:, 6:7]
    found = model.similarity.toarray()
    np.testing.assert_allclose(found[found > 0], cosine[found > 0], rtol=1e-6)
    assert (np.count_nonzero(found, axis=1) == 7).all()
    assert (np.where(found > 0, cosine, np.inf).min(axis=1) >= seventh.ravel() - 1e-9).all()


def test_user_knn_by_hand():
    """Shoppers ab and bc share one item of two with the history b, shopper d none."""
    scores = scores_of(UserKNN(shrink=0, half_life=None).fit(of_baskets("ab", "bc", "d")), "b")
    assert scores.to_dict() == pytest.approx({"a": 1 / np.sqrt(2), "b": 2 / np.sqrt(2), "c": 1 / np.sqrt(2), "d": 0})


def test_user_knn_asks_so_many_neighbours():
    model = UserKNN(n_neighbors=1, shrink=0, half_life=None, history_decay=0).fit(of_baskets("ab", "abc", "bd"))
    assert scores_of(model, "ab").to_dict() == pytest.approx({"a": np.sqrt(2), "b": np.sqrt(2), "c": 0, "d": 0})


def test_the_largest_of_a_row_are_those_of_a_full_sort():
    values = np.random.default_rng(0).integers(0, 5, (40, 30)).astype(float)
    kept = keep_largest(sparse.csr_array(values), 6).toarray()
    order = np.argsort(-values, axis=1, kind="stable")[:, 6:]
    np.put_along_axis(values, order, 0, axis=1)
    np.testing.assert_array_equal(kept, values)


def test_old_events_weigh_less_in_the_matrix():
    split = EncodedSplit.of(frame([("u1", "a", 0), ("u1", "b", 10), ("u2", "a", 0), ("u2", "a", 5)]))
    found = pd.DataFrame(interaction_matrix(split, half_life=0.5).toarray(), split.users.ids, split.items.ids)
    np.testing.assert_allclose(found[["a", "b"]], [[0.25, 1], [0.5, 0]])


# -- linear ------------------------------------------------------------------------------------------------------------


def test_the_sparse_ease_with_all_neighbours_is_the_dense_one():
    train, _ = random_shop()
    dense, thin = EASE(regularization=3).fit(train), EASE(regularization=3, dense_up_to=5, n_neighbors=11).fit(train)
    assert sparse.issparse(thin.weights) and not sparse.issparse(dense.weights)
    np.testing.assert_allclose(thin.weights.toarray(), dense.weights, atol=2e-5)


def test_the_sparse_ease_is_a_ridge_regression_on_the_nearest_items():
    train, matrix = random_shop(n_items=20)
    model = EASE(regularization=2, dense_up_to=5, n_neighbors=4).fit(train)
    columns = matrix[:, [int(item[1:]) for item in model.item_ids]]
    cosine = columns.T @ columns / np.sqrt(np.outer(columns.sum(axis=0), columns.sum(axis=0)))
    np.fill_diagonal(cosine, -1)
    for item in range(20):
        near = np.sort(np.argsort(-cosine[item], kind="stable")[:4])
        x = columns[:, near]
        expected = np.linalg.solve(x.T @ x + 2 * np.eye(4), x.T @ columns[:, item])
        column = model.weights[:, [item]].toarray().ravel()
        np.testing.assert_array_equal(np.flatnonzero(column), near)
        np.testing.assert_allclose(column[near], expected, rtol=1e-4)


# -- factorisation -----------------------------------------------------------------------------------------------------


def test_als_folds_a_history_in_by_its_normal_equations():
    train, _ = random_shop()
    model = ALS(embedding_dim=4, history_decay=0.5, epochs=3).fit(train)
    history = ["i03", "i05"]
    weight = np.zeros(12)
    weight[[list(model.item_ids).index(item) for item in history]] = 9 * np.array([2**-0.5, 1.0])
    y = model.item_factors.astype(float)
    x = np.linalg.solve(y.T @ np.diag(1 + weight) @ y + 20 * np.eye(4), y.T @ (np.where(weight > 0, 1 + weight, 0)))
    np.testing.assert_allclose(model.score([history])[0], y @ x, rtol=1e-3, atol=1e-5)


def test_als_folds_in_what_it_has_learned():
    """At the minimum the normal equations give back the fitted vector: the last half-step solved for the items."""
    from implicit.cpu.als import AlternatingLeastSquares

    train, matrix = random_shop()
    model = ALS(embedding_dim=4, history_decay=0, epochs=200, regularization=1).fit(train)
    columns = matrix[:, [int(item[1:]) for item in model.item_ids]]
    fitted = AlternatingLeastSquares(factors=4, regularization=1, alpha=10, iterations=200, random_state=0)
    fitted.fit(sparse.csr_matrix(columns, dtype=np.float32), show_progress=False)
    expected = fitted.user_factors @ fitted.item_factors.T
    np.testing.assert_allclose(model._score(model.train_histories), expected, atol=0.02)


def test_the_blas_threads_of_the_caller_are_given_back():
    from threadpoolctl import threadpool_info

    before = [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]
    ALS(embedding_dim=4, epochs=1).fit(SHOP.train).recommend(["u000"])
    after = {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}
    assert all(after[path] == threads for path, threads in before)


def test_als_and_bpr_do_not_depend_on_how_many_threads_there_are(monkeypatch):
    import implicit.cpu.matrix_factorization_base as library

    def with_threads(number):
        original = library.MatrixFactorizationBase.__init__
        monkeypatch.setattr(
            library.MatrixFactorizationBase,
            "__init__",
            lambda self, num_threads=0: original(self, num_threads or number),
        )
        models = ALS(embedding_dim=8, epochs=4).fit(SHOP.train), BPR(embedding_dim=8, epochs=4).fit(SHOP.train)
        monkeypatch.undo()
        return [model.item_factors for model in models]

    for one, four in zip(with_threads(1), with_threads(4), strict=True):
        np.testing.assert_array_equal(one, four)


def test_bpr_takes_the_mean_of_the_items():
    model = BPR(embedding_dim=8, epochs=4, history_decay=0).fit(SHOP.train)
    own = [list(model.item_ids).index(item) for item in ("i00", "i04")]
    vectors, bias = model.item_factors[:, :-1], model.item_factors[:, -1]
    expected = vectors @ vectors[own].mean(axis=0) + bias
    np.testing.assert_allclose(model.score([["i00", "i04"]])[0], expected, rtol=1e-4, atol=1e-6)


# -- rules -------------------------------------------------------------------------------------------------------------

BASKETS = ("abc", "abc", "ab", "ac", "bd", "d")


def rules_from(model, item_id):
    """The rules of one item: count, support, confidence and lift by the other item."""
    chosen = model.antecedents == model.items.encode(item_id)[0]
    table = pd.DataFrame({name: getattr(model, name)[chosen].astype(float) for name in MEASURES})
    table.insert(0, "count", np.rint(table["support"] * model.n_users).astype(int))
    return table.set_index(pd.Index(model.item_ids[model.consequents[chosen]], name="item_id"))


def test_rules_count_what_they_say():
    """a 4 of 6 shoppers, b 4, c 3; a and b 3, a and c 3, b and c 2."""
    table = rules_from(AssociationRules(min_count=2, min_lift=0).fit(of_baskets(*BASKETS)), "a").loc[["c", "b"]]
    assert len(table) == 2
    assert table["count"].tolist() == [3, 3]
    assert table["support"].tolist() == pytest.approx([1 / 2, 1 / 2])
    assert table["confidence"].tolist() == pytest.approx([3 / 4, 3 / 4])
    assert table["lift"].tolist() == pytest.approx([3 / 4 / (3 / 6), 3 / 4 / (4 / 6)])


def test_rules_below_chance_and_rare_ones_are_left_out():
    model = AssociationRules(min_count=1, min_lift=1).fit(of_baskets(*BASKETS))
    assert rules_from(model, "d").empty  # b and d: 1 of 2 against 4 of 6
    assert rules_from(AssociationRules(min_count=3, min_lift=0).fit(of_baskets(*BASKETS)), "b")["count"].min() == 3


def test_a_rule_at_chance_is_no_rule():
    """a 2 of 4 shoppers, b 2, both 1: exactly what chance gives; of c and d, 6 of 9 and 3 of 9, 2 have both."""
    assert rules_from(AssociationRules(min_count=1).fit(of_baskets("ab", "a", "b", "x")), "a").empty
    baskets = ("cd", "cd", "c", "c", "c", "c", "d", "x", "y")
    assert rules_from(AssociationRules(min_count=1).fit(of_baskets(*baskets)), "c").empty
    assert len(rules_from(AssociationRules(min_count=1, min_lift=0).fit(of_baskets(*baskets)), "c")) == 1


@pytest.mark.parametrize("measure", ["support", "confidence", "lift"])
def test_behind_what_the_rules_fire_for_stands_the_rest_by_popularity(measure):
    """a goes with b, which few have; the circles of c to h, which many have, fire nothing for a."""
    circles = ["cd"] * 9 + ["ef"] * 8 + ["gh"] * 7 + ["c", "e", "e", "g", "g", "g"]
    model = AssociationRules(measure=measure).fit(of_baskets("ab", "ab", *circles))
    listed = model.recommend(histories=[["a"]], k=9)
    assert listed["item_id"].tolist()[0] == "b" and not listed["fallback"].any()
    counts = pd.Series(model.item_counts, model.item_ids)[listed["item_id"]]
    assert len(counts) == 7 and counts.iloc[1:].is_monotonic_decreasing
    assert listed["score"].iloc[0] > 0 > listed["score"].iloc[1]
    assert model.score([["a"]]).dtype == np.float32


def test_a_list_is_a_fallback_only_where_no_rule_fires(monkeypatch):
    model = AssociationRules().fit(of_baskets("ab", "ab", "cd", "cd", "cd", "x", "x", "x", "x"))
    monkeypatch.setattr(AssociationRules, "_score", None)  # it is not asked for
    assert model._knows(model.encode([["a"], ["a", "b"], ["x"], []])).tolist() == [True, True, False, False]
    monkeypatch.undo()
    nothing_new = model.recommend(histories=[["a", "b"]], k=5)
    assert set(nothing_new["item_id"]) == {"c", "d"} and not nothing_new["fallback"].any()
    assert model.recommend(histories=[["x"]], k=5)["fallback"].all()


def test_rules_add_their_confidences():
    model = AssociationRules(min_count=2, min_lift=0).fit(of_baskets(*BASKETS))
    assert scores_of(model, "ab")["c"] == pytest.approx(3 / 4 + 2 / 4)
    assert scores_of(AssociationRules(min_count=2, min_lift=0, measure="support").fit(of_baskets(*BASKETS)), "a")[
        "c"
    ] == pytest.approx(1 / 2)


def test_an_item_that_no_rule_leads_to_is_never_recommended():
    model = AssociationRules(min_count=2).fit(of_baskets("ab", "ab", "c"))
    assert not model.can_score[list(model.item_ids).index("c")]
    assert model.recommend(histories=[["c"]], k=3)["fallback"].all()


def test_rules_refuse_an_unknown_measure():
    with pytest.raises(ParameterError, match=r"RK-341 measure is 'leverage'; .*support.*confidence.*lift"):
        AssociationRules(measure="leverage").fit(SHOP.train)


# -- context -----------------------------------------------------------------------------------------------------------


def test_the_evening_is_told_from_the_morning():
    """Everyone takes m-items in the morning and e-items in the evening: the base cannot tell, the context can."""
    rng = np.random.default_rng(0)
    start, events = pd.Timestamp("2024-01-01", tz="UTC"), []
    for user in range(120):
        for day in range(6):
            evening = rng.random() < 0.5
            item = f"{'e' if evening else 'm'}{rng.integers(15)}"
            events.append((f"u{user:03d}", item, start + pd.Timedelta(hours=24 * day + (20 if evening else 8))))
    train = pd.DataFrame(events, columns=["user_id", "item_id", "timestamp"])
    model, users = ContextAware(base=Popularity()).fit(train), [f"u{user:03d}" for user in range(120)]

    def share_of_evening_items(hour):
        context = pd.DataFrame({"timestamp": [start + pd.Timedelta(days=7, hours=hour)] * len(users)})
        return model.recommend(users, context=context, k=5)["item_id"].str.startswith("e").mean()

    assert share_of_evening_items(20) > 0.9
    assert share_of_evening_items(8) < 0.1


def test_without_a_context_or_with_an_unknown_one_the_lists_are_the_bases():
    model, users = ContextAware(base=ItemKNN()).fit(SHOP.train), list(SHOP.withheld)
    expected = ItemKNN().fit(SHOP.train).recommend(users)
    pd.testing.assert_frame_equal(model.recommend(users), expected)
    unheard_of = pd.DataFrame({"ctx_moon": ["full"] * len(users)})
    pd.testing.assert_frame_equal(model.recommend(users, context=unheard_of), expected)


def test_lift_by_hand():
    """a: both of its 2 events at night, which are 2 of 4: ln((2 + 5/2) / ((2 + 5) / 2))."""
    night = pd.to_datetime(["2024-01-01T01:00Z"] * 2 + ["2024-01-01T13:00Z"] * 2)
    train = pd.DataFrame({"user_id": list("uvuv"), "item_id": list("aabb"), "timestamp": night})
    model = ContextAware().fit(train)
    row = [value for values in model.context_values.values() for value in values].index(
        "0"
    )  # the first quarter of the day
    lift = pd.Series(model.lift[row], model.item_ids)
    assert lift.to_dict() == pytest.approx({"a": np.log(4.5 / 3.5), "b": np.log(2.5 / 3.5)})


def test_no_model_disturbs_the_random_numbers_of_the_caller():
    torch.manual_seed(0)
    np.random.seed(0)
    expected = torch.rand(1), np.random.rand()
    torch.manual_seed(0)
    np.random.seed(0)
    for model in (TwoTowers(epochs=1), FormulaDeep(epochs=1), BPR(epochs=1), ALS(epochs=1), ContextAware()):
        model.fit(SHOP.train)
    assert (torch.rand(1), np.random.rand()) == expected
