"""What is particular to fusion, switch and stack; the blend is in test_models.py."""

import json

import numpy as np
import pandas as pd
import pytest

from recsys_kit.features.vectors import Vectors
from recsys_kit.recommenders import (
    EASE,
    AssociationRules,
    Content,
    ContextAware,
    Hybrid,
    ItemKNN,
    ItemTransitions,
    Popularity,
    ReciprocalRankFusion,
    ShallowSequence,
    Stack,
    Switching,
    load,
    refit_all,
    stacking,
)  # fmt: skip
from recsys_kit.recommenders.hybrid import Ensemble
from recsys_kit.recommenders.stacking import ITEM_FACTS, candidate_features, without_last
from recsys_kit.recommenders.validation import validation_ndcg
from tests.recommenders.planted import planted_shop

SHOP = planted_shop()
QUICK = {"trees": 10, "rankers": 1}
NOISE = Vectors(SHOP.vectors.ids, np.random.default_rng(0).normal(size=(31, 8)).astype(np.float32), {})


def sequences(*lists):
    rows = [(f"u{user:03d}", item, place) for user, items in enumerate(lists) for place, item in enumerate(items)]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "position"])


def newcomers_and_regulars():
    """Train and validation: newcomers follow the transition, regulars (six events) come back for what is popular."""
    rng = np.random.default_rng(0)
    newcomers = [[f"n{i % 9}", f"n{(i + 1) % 9}"] for i in range(90)]
    regulars = [[*(f"r{j}" for j in rng.permutation(40)[:6])] for _ in range(90)]
    train = sequences(*newcomers, *regulars, *([["hit"]] * 200))
    nexts = [f"n{(i + 2) % 9}" for i in range(90)] + ["hit"] * 90
    valid = pd.DataFrame({"user_id": [f"u{u:03d}" for u in range(180)], "item_id": nexts, "position": 9})
    return train, valid


def fit(model, **inputs):
    return model.fit(SHOP.train, valid=SHOP.valid, **{"items": SHOP.items, "item_vectors": SHOP.vectors} | inputs)


@pytest.mark.parametrize("kind", [Hybrid, ReciprocalRankFusion, Switching, Stack])
def test_an_ensemble_is_never_below_its_best_part_on_validation_and_says_what_answers(kind):
    model = fit(kind({"noise": Content(), "ease": EASE(l2=5), "popularity": Popularity()}), item_vectors=NOISE)
    parts = {name: model.validation[name] for name in model.parts}
    assert model.validation[model.kept] == model.reached >= max(parts.values())
    assert validation_ndcg({"m": model}, SHOP.valid, k=model.k)["m"] == pytest.approx(model.reached, rel=1e-6)


def test_where_the_fusion_is_below_its_best_part_that_part_answers(tmp_path):
    model = fit(ReciprocalRankFusion({"noise": Content(), "ease": EASE(l2=5)}), item_vectors=NOISE)
    assert model.validation["rank_fusion"] < model.validation["ease"]
    assert model.kept == "ease"
    expected = model.parts["ease"].recommend(list(SHOP.withheld), k=10)
    pd.testing.assert_frame_equal(model.recommend(list(SHOP.withheld), k=10), expected)
    model.save(tmp_path / "model")
    assert [path.name for path in (tmp_path / "model" / "parts").iterdir()] == ["ease"]
    pd.testing.assert_frame_equal(load(tmp_path / "model").recommend(list(SHOP.withheld), k=10), expected)


def test_reciprocal_ranks_add_up_by_hand():
    train = sequences("ab", "ab", "ac", "bd")
    model = ReciprocalRankFusion({"first": Popularity(), "second": ItemTransitions()}, constant=60)
    model.fit(train, valid=train.iloc[:0])
    lists = {name: part.recommend(histories=[["a"]], k=10)["item_id"].tolist() for name, part in model.parts.items()}
    scores = pd.Series(model.score([["a"]])[0], model.item_ids)
    for item in "bcd":
        expected = sum(1 / (61 + ranked.index(item)) for ranked in lists.values() if item in ranked)
        assert scores[item] == pytest.approx(expected)


def test_the_switch_asks_the_part_that_is_best_for_shoppers_of_this_warmth():
    train, valid = newcomers_and_regulars()
    model = Switching({"popularity": Popularity(), "transitions": ItemTransitions()}, edges=(5,), min_shoppers=20)
    model.fit(train, valid=valid)
    assert model.choices == ["transitions", "popularity"]
    assert model.validation["switching"] > max(model.validation["popularity"], model.validation["transitions"])
    few = Switching(model.parts, edges=(5,), min_shoppers=91).fit(train, valid=valid)
    assert len(set(few.choices)) == 1


def test_the_switch_knows_whom_the_part_chosen_for_them_knows():
    """Regulars are asked of the rules, and c leads to nothing: that popularity knows them does not help."""
    train = sequences("ab", "ab", "ab", "cd", "ce", "e", "e")
    model = Switching({"popularity": Popularity(), "rules": AssociationRules()}, edges=(2,))
    model.fit(train, valid=train.iloc[:0])
    model.choices = ["popularity", "rules"]
    model._mark_scorable()
    histories = [["c"], ["c", "d"], ["a", "d"], ["b"], []]
    encoded = model.encode(histories)
    assert model.parts["popularity"]._knows(encoded).tolist() == [True, True, True, True, False]
    assert model._knows(encoded).tolist() == [True, False, True, True, False]
    listed = model.recommend(histories=histories, k=5)
    popular = Popularity().fit(train).recommend(histories=[["c", "d"]], k=5)
    fallback = listed[listed["query"] == 1]
    assert fallback["fallback"].all() and fallback["item_id"].tolist() == popular["item_id"].tolist()
    assert not listed.loc[listed["query"].isin([0, 2, 3]), "fallback"].any()


def test_without_validation_a_part_that_can_score_nothing_does_not_answer():
    train = sequences("a", "a", "b")  # nobody had two: no rule
    model = Switching({"a rules": AssociationRules(), "b popularity": Popularity()}).fit(train, valid=train.iloc[:0])
    assert model.recommend(histories=[["b"]], k=2)[["item_id", "fallback"]].values.tolist() == [["a", False]]
    helpless = Switching({"a rules": AssociationRules()}).fit(train, valid=train.iloc[:0])
    assert helpless.recommend(histories=[["b"]], k=2)[["item_id", "fallback"]].values.tolist() == [["a", True]]


def test_a_blend_says_what_validation_loses_without_each_part(tmp_path):
    train, valid = newcomers_and_regulars()
    model = Hybrid({"popularity": Popularity(), "transitions": ItemTransitions()}).fit(train, valid=valid)
    assert set(model.without) == {"popularity", "transitions"}
    for name, (lost, low, high) in model.without.items():
        fixed = Hybrid(model.parts, fixed=model.weights | {name: 0.0}).fit(train, valid=valid)
        expected = model.reached - validation_ndcg({"m": fixed}, valid, k=model.k)["m"]
        assert lost == pytest.approx(expected, abs=1e-6) and low <= lost <= high and lost > 0
    model.save(tmp_path / "model")
    assert load(tmp_path / "model").without == model.without


def test_a_blend_takes_the_weights_it_is_given():
    model = fit(Hybrid({"ease": EASE(l2=5), "content": Content()}, fixed={"ease": 0.25, "content": 1.0}))
    assert model.weights == {"ease": 0.25, "content": 1.0}


def test_refitted_ensembles_share_their_parts_and_keep_weights_choices_and_trees():
    parts = {"ease": fit(EASE(l2=5)), "item_knn": fit(ItemKNN()), "noise": fit(Content(), item_vectors=NOISE)}
    tuned = parts | {"hybrid": fit(Hybrid(dict(parts))), "stack": fit(Stack(dict(parts), **QUICK))}
    tuned["switching"] = fit(Switching(dict(parts), min_shoppers=1))
    both = pd.concat([SHOP.train, SHOP.valid])
    again = refit_all(tuned, both, items=SHOP.items, item_vectors=SHOP.vectors)
    assert again["hybrid"].parts["ease"] is again["stack"].parts["ease"] is again["ease"] is not parts["ease"]
    pd.testing.assert_frame_equal(
        again["ease"].recommend(["u000"]), EASE(l2=5).fit(both, items=SHOP.items).recommend(["u000"])
    )
    assert again["hybrid"].weights == tuned["hybrid"].weights
    assert again["switching"].choices == tuned["switching"].choices
    assert again["stack"]._boosters is tuned["stack"]._boosters
    assert again["stack"]._facts.items[:, 0].sum() > tuned["stack"]._facts.items[:, 0].sum()
    alone = Hybrid(again["hybrid"].parts, fixed=tuned["hybrid"].weights).fit(both, valid=SHOP.valid, items=SHOP.items)
    pd.testing.assert_frame_equal(again["hybrid"].recommend(["u000"]), alone.recommend(["u000"]))


def test_a_refit_of_a_loaded_ensemble_is_that_of_the_one_saved(tmp_path):
    model = fit(Hybrid({"ease": EASE(l2=5), "item_knn": ItemKNN(), "popularity": Popularity()}))
    model.save(tmp_path / "model")
    both = pd.concat([SHOP.train, SHOP.valid])
    lists = [one.refit(both, items=SHOP.items).recommend(["u000"]) for one in (model, load(tmp_path / "model"))]
    pd.testing.assert_frame_equal(*lists)


def test_the_rankers_of_a_stack_leave_a_part_that_has_a_base_alone():
    part = fit(ContextAware())
    before = part.base.item_counts.copy()
    part.unfitted().fit(SHOP.train.iloc[:30])
    np.testing.assert_array_equal(part.base.item_counts, before)


def test_unfitted_copies_learn_anew_and_leave_the_original_alone():
    model = fit(Hybrid({"ease": EASE(l2=5)}))
    copy = model.unfitted()
    assert isinstance(copy, Ensemble)
    assert copy.parts["ease"] == model.parts["ease"]
    assert not hasattr(copy.parts["ease"], "item_ids")


# -- the stack ---------------------------------------------------------------------------------------------------------


def walk(n_users=200, seed=0):
    """Shoppers walk round circles of ten items, two steps forward or one back: the order holds what the bag hides."""
    rng = np.random.default_rng(seed)
    lists = []
    for _ in range(n_users):
        circle, place, items = rng.integers(3), int(rng.integers(10)), []
        while len(items) < 7:
            if (item := f"i{circle}{place % 10}") not in items:
                items.append(item)
            place += int(rng.choice([2, 2, 2, -1]))
        lists.append(items)
    events = sequences(*lists)
    return events[events["position"] < 6], events[events["position"] == 6]


def test_the_stack_reorders_the_blend_where_order_tells(tmp_path):
    train, valid = walk()
    model = Stack({"ease": EASE(l2=5), "item_knn": ItemKNN()}, candidates=10, **QUICK).fit(train, valid=valid)
    assert model.kept == "stack"
    assert model.validation["stack"] > model.validation["hybrid"] + 0.05
    model.save(tmp_path / "model")
    users = sorted(train["user_id"].unique())
    pd.testing.assert_frame_equal(load(tmp_path / "model").recommend(users), model.recommend(users))
    assert json.loads((tmp_path / "model" / "rankers.json").read_text())[0].startswith("tree")


def test_the_stack_never_learns_from_validation_or_test(monkeypatch):
    """With garbage for validation the examples and the trees are the same, as long as what it chooses is fixed."""
    train, valid = walk()
    seen, original = [], stacking._train
    monkeypatch.setattr(stacking, "_train", lambda *given: seen.append((given[1:], original(*given))) or seen[-1][1])
    for part in (valid, valid.assign(item_id=valid["item_id"].to_numpy()[::-1])):
        model = Stack({"ease": EASE(l2=5), "net": ShallowSequence(epochs=1)}, fixed={"ease": 1.0, "net": 0.5}, **QUICK)
        model.fit(train, valid=part)
    (examples, trees), (again, trees_again) = seen
    for first, second in zip(examples, again, strict=True):
        np.testing.assert_array_equal(first, second)
    assert [tree.model_to_string() for tree in trees] == [tree.model_to_string() for tree in trees_again] != []


def test_the_stacks_targets_are_the_last_events_of_train_and_its_parts_have_not_seen_them(monkeypatch):
    train, valid = walk()
    fitted_on, original = [], stacking._examples
    monkeypatch.setattr(stacking, "_examples", lambda *given: fitted_on.append(given[:2]) or original(*given))
    Stack({"ease": EASE(l2=5)}, **QUICK).fit(train, valid=valid)
    ((blend, last),) = fitted_on
    assert len(last) == train["user_id"].nunique()
    assert (last["position"] == 5).all()
    events = {name: part._train_histories.items for name, part in {**blend.parts, "blend": blend}.items()}
    assert all(len(items) == len(train) - len(last) for items in events.values())


def test_a_shopper_with_one_event_keeps_it():
    earlier, last = without_last(sequences("ab", "c"))
    assert earlier["item_id"].tolist() == ["a", "c"]
    assert last["item_id"].tolist() == ["b"]


def test_candidates_are_new_to_the_shopper_and_described_by_finite_numbers():
    parts = {"ease": EASE(l2=5), "content": Content(), "net": ShallowSequence(epochs=2)}
    model = fit(Hybrid(parts, fixed=dict.fromkeys(parts, 1.0)))
    histories = model.encode([["i00", "i01"], []])
    items, features, scores = candidate_features(model, stacking._Facts(model), histories, 5)
    n_features = len(parts) + len(ITEM_FACTS) + 7  # blend, rank, followed, preceded, two cosines, length
    assert (items.shape, features.shape, scores.shape) == ((2, 5), (2, 5, n_features), (2, len(model.item_ids)))
    assert not set(model.item_ids[items[0]]) & {"i00", "i01"}
    assert np.isfinite(features).all()


def test_where_trees_have_nothing_to_learn_from_the_blend_answers():
    train = sequences("a", "b", "c")
    model = Stack({"popularity": Popularity()}, **QUICK).fit(train, valid=train.iloc[:0])
    assert len(model.recommend(histories=[["a"]], k=5)) == 2


def test_parts_fitted_anew_take_their_own_vectors():
    part = Content().fit(SHOP.train, items=SHOP.items, item_vectors=SHOP.vectors)
    model = fit(Hybrid({"content": part}, fixed={"content": 1.0}), item_vectors=NOISE)
    for again in (
        fit(model.unfitted(), item_vectors=NOISE),
        model.refit(SHOP.train, items=SHOP.items, item_vectors=NOISE),
    ):
        assert again.parts["content"] is not part
        np.testing.assert_array_equal(again.parts["content"].item_space(), part.item_space())


def test_what_is_seen_on_validation_may_be_given():
    """The shopper's last training item was only viewed, and is what validation wants."""
    viewed = SHOP.train.groupby("user_id").tail(1)
    bought = SHOP.train.drop(index=viewed.index).groupby("user_id")["item_id"].agg(list)
    valid = viewed[["user_id", "item_id"]]
    parts = {"ease": EASE(l2=5), "item_knn": ItemKNN()}
    inputs = {"items": SHOP.items, "valid": valid, "item_vectors": SHOP.vectors}
    assert Hybrid(parts).fit(SHOP.train, **inputs).validation == {}  # all of it was had
    for model in (Hybrid(parts), ShallowSequence(embedding_dim=8, epochs=2)):
        reached = model.fit(SHOP.train, **inputs, seen=bought).validation
        assert len(reached) and np.isfinite(list(reached.values() if isinstance(reached, dict) else reached)).all()
