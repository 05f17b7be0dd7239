"""What is particular to one recommender."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_kit.core import ranking
from recsys_kit.core.ranking import top_k
from recsys_kit.core.vectors import Vectors
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.features.text import fit_tfidf
from recsys_kit.recommenders import EASE, Content, Hybrid, ItemKNN, Popularity
from recsys_kit.recommenders.holdout import validation_ndcg
from recsys_kit.testing.planted import planted_shop
from tests.models import fitted

SHOP = planted_shop()


def frame(events):
    interactions = pd.DataFrame(events, columns=["user_id", "item_id", "day"])
    interactions["timestamp"] = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(
        interactions.pop("day"), unit="D"
    )
    return interactions


@pytest.mark.parametrize("levels", [4, 10**6])
@pytest.mark.parametrize("rows", [200, ranking.TOP_K_CELLS // 50 + 1])
def test_top_k_agrees_with_a_stable_sort_on_scores_full_of_ties(rows, levels):
    rng = np.random.default_rng(0)
    scores = rng.integers(1 - levels, levels, (rows, 50)).astype(np.float32) / 2
    scores[rng.random(len(scores)) < 0.1, 5:] = -np.inf  # fewer than asked for
    scores[rng.random(scores.shape) < 0.2] = -np.inf
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :20]
    expected = np.where(np.isneginf(np.take_along_axis(scores, expected, axis=1)), -1, expected)
    np.testing.assert_array_equal(top_k(scores, 20), expected)


def test_top_k_takes_minus_zero_for_zero():
    assert top_k(np.array([[-0.0, 0.0]], dtype=np.float32), 1).tolist() == [[0]]


def test_equal_scores_do_not_follow_the_alphabet():
    train = frame([(f"u{i:03d}", f"i{i:03d}", 0) for i in range(100)])  # every item once: all tied
    ranked = Popularity().fit(train).recommend(["nobody"], k=100)["item_id"].tolist()
    assert ranked != sorted(ranked)
    assert ranked != sorted(ranked, reverse=True)


def test_popularity_counts_shoppers_not_events():
    train = frame([("u1", "a", 0), ("u1", "a", 1), ("u1", "a", 2), ("u2", "b", 0), ("u3", "b", 0)])
    assert Popularity().fit(train).recommend(["new"], k=1)["item_id"].tolist() == ["b"]


def test_item_knn_by_hand():
    train = frame([("u1", "a", 0), ("u1", "b", 0), ("u2", "a", 0), ("u2", "b", 0), ("u3", "a", 0), ("u3", "c", 0)])
    model = ItemKNN(shrink=0, half_life=None).fit(train)
    scores = pd.Series(model.score([["a"]])[0], model.item_ids)
    assert scores["b"] == pytest.approx(2 / np.sqrt(3 * 2))
    assert scores["c"] == pytest.approx(1 / np.sqrt(3 * 1))
    assert scores["a"] == 0


def test_item_knn_forgets_old_events():
    old, new = [("u1", "a", 0), ("u1", "b", 0)], [("u2", "a", 700), ("u2", "c", 700)]
    model = ItemKNN(shrink=1, half_life=0.2).fit(frame(old + new))
    scores = pd.Series(model.score([["a"]])[0], model.item_ids)
    assert scores["c"] > 2 * scores["b"] > 0


def test_item_knn_keeps_so_many_neighbours():
    model = ItemKNN(n_neighbors=2).fit(SHOP.train)
    assert np.diff(model.similarity.indptr).max() == 2


def test_ease_is_the_closed_form_of_its_paper():
    matrix = (np.random.default_rng(0).random((60, 12)) < 0.3).astype(float)
    matrix[0] = 1
    train = frame([(f"u{u:02d}", f"i{i:02d}", 0) for u, i in np.argwhere(matrix)])
    model = EASE(regularization=3.0).fit(train)
    order = [int(item[1:]) for item in model.item_ids]
    gram = matrix[:, order].T @ matrix[:, order] + 3.0 * np.eye(12)
    inverse = np.linalg.inv(gram)
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(model.weights, expected, atol=2e-5)


def test_ease_mirrors_matrices_larger_than_a_block(monkeypatch):
    rng = np.random.default_rng(1)
    from recsys_kit.recommenders.linear import _invert_in_place

    root = rng.random((1500, 1500)).astype(np.float32)
    gram = np.asfortranarray(root @ root.T + 1500 * np.eye(1500, dtype=np.float32))
    product = gram.copy() @ _invert_in_place(gram)
    np.testing.assert_allclose(product, np.eye(1500), atol=2e-3)


def test_content_can_sell_what_nobody_has_bought():
    recommended = fitted("content", SHOP).recommend(["u000"], k=5)["item_id"].tolist()
    assert "new" in recommended
    assert "new" not in fitted("ease", SHOP).recommend(["u000"], k=50)["item_id"].tolist()


def test_content_refuses_vectors_that_are_not_finite():
    broken = Vectors(SHOP.vectors.ids, np.where(np.eye(31, 4) > 0, np.nan, SHOP.vectors.values), {})
    with pytest.raises(DataError, match="RK-151"):
        Content().fit(SHOP.train, item_vectors=broken)


def test_content_without_vectors_says_what_is_missing():
    with pytest.raises(ParameterError, match="RK-345"):
        Content().fit(SHOP.train)


def test_the_hybrid_is_never_below_its_best_part_on_validation():
    model = fitted("hybrid", SHOP)
    measured = validation_ndcg({"hybrid": model, **model.members}, SHOP.encode(), k=model.k)
    assert measured["hybrid"] >= max(measured[name] for name in model.members)
    assert measured == pytest.approx({name: model.validation[name] for name in measured}, abs=1e-6)


def test_the_hybrids_validation_is_the_ndcg_of_its_lists():
    """The fast search and the public path agree: recommend, match, binary NDCG."""
    from recsys_kit import metrics

    model = fitted("hybrid", SHOP)
    users = sorted(SHOP.withheld)
    lists = model.recommend(users, k=10)
    hits = np.zeros((len(users), 10), bool)
    found = lists["item_id"] == lists["query"].map(SHOP.withheld)
    hits[np.searchsorted(users, lists["query"].to_numpy(str)), lists["rank"] - 1] = found
    expected = metrics.binary_ndcg(hits, np.ones(len(users), int), k=10).mean()
    assert model.validation["hybrid"] == pytest.approx(expected, abs=1e-6)


def test_the_hybrid_gives_a_useless_part_no_weight_that_hurts():
    noise = Vectors(SHOP.vectors.ids, np.random.default_rng(0).normal(size=(31, 8)).astype(np.float32), {})
    model = Hybrid({"noise": Content(), "ease": EASE(regularization=5)}).fit(
        SHOP.train, items=SHOP.items, valid=SHOP.valid, item_vectors=noise
    )
    assert model.weights["ease"] > 0
    assert model.validation["hybrid"] >= model.validation["ease"] > model.validation["noise"]


def test_a_product_without_text_answers_no_sentence_though_another_part_can_score_it():
    texts = pd.Series({item: f"circle{item[1]} {item}" for item in SHOP.items["item_id"] if item[0] == "i"})
    model = fitted("hybrid", replace(SHOP, vectors=fit_tfidf(texts.drop("i10")).vectors(texts.drop("i10"))))
    model.weights = dict.fromkeys(model.members, 1.0)
    model._settle()
    assert model.can_score[model.item_ids == "i10"].all()
    assert "i10" in set(model.recommend(histories=[["i11", "i12"]], k=50)["item_id"])
    assert "i10" not in set(model.recommend(texts=["circle1"], k=50)["item_id"])


def test_a_part_fitted_on_another_catalogue_is_refused():
    part = EASE().fit(SHOP.train)
    with pytest.raises(ParameterError, match="RK-316"):
        Hybrid({"ease": part}).fit(SHOP.train, items=SHOP.items, valid=SHOP.valid)


def test_a_part_fitted_on_other_events_is_refused():
    part = EASE().fit(pd.concat([SHOP.train, SHOP.valid]), items=SHOP.items)
    with pytest.raises(ParameterError, match="RK-316"):
        Hybrid({"ease": part}).fit(SHOP.train, items=SHOP.items, valid=SHOP.valid)


def test_one_shopper_and_one_item_are_enough():
    train = frame([("u1", "a", 0)])
    for model in (Popularity(), ItemKNN(), EASE()):
        assert model.fit(train).recommend(["u2"], k=3)["item_id"].tolist() == ["a"]
