"""What is particular to blend, fusion, switch and stack."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.vectors import Vectors
from recsys_kit.errors import ParameterError
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
)
from recsys_kit.recommenders.ensembles import search as searching
from recsys_kit.recommenders.ensembles.base import Ensemble
from recsys_kit.recommenders.ensembles.search import SHARE_POWERS, WeightSearch, standardize
from recsys_kit.recommenders.holdout import measure_ndcg, validation_ndcg
from recsys_kit.recommenders.rerankers import stack as stacking
from recsys_kit.recommenders.rerankers.stack import ITEM_FACTS, last_events
from recsys_kit.testing.planted import planted_shop

SHOP = planted_shop()
QUICK = {"n_trees": 10, "n_rankers": 1}
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


def stack_of(members, fixed=None, fixed_power=1.0, **options):
    return Stack(Hybrid(members, fixed=fixed, fixed_power=fixed_power), **QUICK | options)


def encode(train=None, valid=None, **tables):
    return EncodedSplit.of(
        SHOP.train if train is None else train, valid=SHOP.valid if valid is None else valid, **tables
    )


def fit(model, **inputs):
    return model.fit(SHOP.train, valid=SHOP.valid, **{"items": SHOP.items, "item_vectors": SHOP.vectors} | inputs)


@pytest.mark.parametrize("kind", [Hybrid, ReciprocalRankFusion, Switching, Stack])
def test_an_ensemble_is_never_below_its_best_member_on_validation_and_says_what_answers(kind):
    model = ensemble(kind, {"noise": Content(), "ease": EASE(regularization=5), "popularity": Popularity()})
    model = fit(model, item_vectors=NOISE)
    alone = [model.validation[name] for name in ("noise", "ease", "popularity")]
    assert model.validation[model.kept] == model.reached >= max(alone)
    measured = validation_ndcg({"m": model}, encode(items=SHOP.items), k=10)["m"]
    assert measured == pytest.approx(model.reached, rel=1e-6)


def test_where_the_fusion_is_below_its_best_part_that_part_answers(tmp_path):
    model = fit(ReciprocalRankFusion({"noise": Content(), "ease": EASE(regularization=5)}), item_vectors=NOISE)
    assert model.validation["rank_fusion"] < model.validation["ease"]
    assert model.kept == "ease"
    expected = model.members["ease"].recommend(list(SHOP.withheld), k=10)
    pd.testing.assert_frame_equal(model.recommend(list(SHOP.withheld), k=10), expected)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert list(again.members) == ["ease"]
    histories = [["i00", "i01"], ["i11"]]
    pd.testing.assert_frame_equal(again.recommend(histories=histories), model.recommend(histories=histories))


def test_reciprocal_ranks_add_up_by_hand():
    train = sequences("ab", "ab", "ac", "bd")
    model = ReciprocalRankFusion({"first": Popularity(), "second": ItemTransitions()}, constant=60)
    model.fit(train, valid=train.iloc[:0])
    lists = {name: part.recommend(histories=[["a"]], k=10)["item_id"].tolist() for name, part in model.members.items()}
    scores = pd.Series(model.score([["a"]])[0], model.item_ids)
    for item in "bcd":
        expected = sum(1 / (61 + ranked.index(item)) for ranked in lists.values() if item in ranked)
        assert scores[item] == pytest.approx(expected)


def test_the_switch_asks_the_part_that_is_best_for_shoppers_of_this_warmth():
    train, valid = newcomers_and_regulars()
    model = Switching({"popularity": Popularity(), "transitions": ItemTransitions()}, edges=(5,), min_users=20)
    model.fit(train, valid=valid)
    assert model.choices == ["transitions", "popularity"]
    assert model.validation["switching"] > max(model.validation["popularity"], model.validation["transitions"])
    few = Switching(model.members, edges=(5,), min_users=91).fit(train, valid=valid)
    assert len(set(few.choices)) == 1


def test_the_switch_knows_whom_the_part_chosen_for_them_knows():
    """Regulars are asked of the rules, and c leads to nothing: that popularity knows them does not help."""
    train = sequences("ab", "ab", "ab", "cd", "ce", "e", "e")
    model = Switching({"popularity": Popularity(), "rules": AssociationRules()}, edges=(2,))
    model.fit(train, valid=train.iloc[:0])
    model.choices = ["popularity", "rules"]
    model._settle()
    histories = [["c"], ["c", "d"], ["a", "d"], ["b"], []]
    encoded = model.encode(histories)
    assert model.members["popularity"]._knows(encoded).tolist() == [True, True, True, True, False]
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
        fixed = Hybrid(model.members, fixed=model.weights | {name: 0.0}).fit(train, valid=valid)
        expected = model.reached - validation_ndcg({"m": fixed}, encode(train, valid), k=model.k)["m"]
        assert lost == pytest.approx(expected, abs=1e-6) and low <= lost <= high and lost > 0
    model.save(tmp_path / "model")
    assert load(tmp_path / "model").without == model.without


def test_a_blend_takes_the_weights_it_is_given():
    model = fit(Hybrid({"ease": EASE(regularization=5), "content": Content()}, fixed={"ease": 0.25, "content": 1.0}))
    assert model.weights == {"ease": 0.25, "content": 1.0}


def test_refitted_ensembles_share_their_members_and_keep_weights_choices_and_trees():
    features = {"content": SHOP.vectors, "noise": NOISE}
    split = encode(items=SHOP.items, item_features=features)
    members = {"ease": EASE(regularization=5), "item_knn": ItemKNN(), "noise": Content(features="noise")}
    tuned = {name: member.fit(split) for name, member in members.items()}
    tuned["hybrid"] = Hybrid(dict(members)).fit(split)
    tuned["stack"] = Stack(tuned["hybrid"], **QUICK).fit(split)
    tuned["switching"] = Switching(dict(members), min_users=1).fit(split)
    both = EncodedSplit.of(pd.concat([SHOP.train, SHOP.valid]), items=SHOP.items, item_features=features)
    again = refit_all(tuned, both)
    assert again["hybrid"].members["ease"] is again["switching"].members["ease"] is again["ease"] is not tuned["ease"]
    assert again["stack"].base is again["hybrid"]
    pd.testing.assert_frame_equal(
        again["ease"].recommend(["u000"]), EASE(regularization=5).fit(both).recommend(["u000"])
    )
    assert again["hybrid"].weights == tuned["hybrid"].weights
    assert again["switching"].choices == tuned["switching"].choices
    assert again["stack"].rankers is tuned["stack"].rankers
    assert again["stack"].item_facts[:, 0].sum() > tuned["stack"].item_facts[:, 0].sum()
    alone = Hybrid(again["hybrid"].members, fixed=tuned["hybrid"].weights)
    alone.fit(both.with_targets("valid", SHOP.valid))
    pd.testing.assert_frame_equal(again["hybrid"].recommend(["u000"]), alone.recommend(["u000"]))


def test_a_refit_of_a_loaded_ensemble_is_that_of_the_one_saved(tmp_path):
    model = fit(Hybrid({"ease": EASE(regularization=5), "item_knn": ItemKNN(), "popularity": Popularity()}))
    model.save(tmp_path / "model")
    both = EncodedSplit.of(pd.concat([SHOP.train, SHOP.valid]), items=SHOP.items)
    lists = [one.refit(both).recommend(["u000"]) for one in (model, load(tmp_path / "model"))]
    pd.testing.assert_frame_equal(*lists)


def test_the_rankers_of_a_stack_leave_a_part_that_has_a_base_alone():
    part = fit(ContextAware())
    before = part.base.item_counts.copy()
    part.unfitted().fit(SHOP.train.iloc[:30])
    np.testing.assert_array_equal(part.base.item_counts, before)


def test_unfitted_copies_learn_anew_and_leave_the_original_alone():
    model = fit(Hybrid({"ease": EASE(regularization=5)}))
    copy = model.unfitted()
    assert isinstance(copy, Ensemble)
    assert copy.members["ease"] == model.members["ease"]
    assert not hasattr(copy.members["ease"], "item_ids")


# -- items that a member cannot score ----------------------------------------------------------------------------------


def crowded_shop(n_new=300):
    """The planted shop with many new items whose vectors are nearer to a taste than those of the items in train."""
    rng = np.random.default_rng(1)
    ids, values = [*SHOP.vectors.ids], [SHOP.vectors.values]
    for circle in range(3):
        own = [number for number, item in enumerate(ids[:30]) if item[1] == str(circle)]
        centre = SHOP.vectors.values[own].mean(axis=0)
        values.append(centre + rng.normal(0, 0.001, (n_new // 3, len(centre))))
    ids += [f"new{number}" for number in range(n_new)]
    vectors = Vectors(ids, np.concatenate(values).astype(np.float32), {})
    return pd.DataFrame({"item_id": ids}), vectors


ITEMS, VECTORS = crowded_shop()


def crowded(model):
    return model.fit(SHOP.train, valid=SHOP.valid, items=ITEMS, item_vectors=VECTORS)


def test_new_items_that_crowd_out_the_rest_make_validation_choose_another_power(tmp_path):
    """Popularity knows no taste, and the mean over those who can score is content's list: new items alone."""
    model = crowded(Hybrid({"popularity": Popularity(), "content": Content()}))
    assert set(model.powers) == {str(power) for power in SHARE_POWERS}
    assert model.share_power < 1 and model.weights["content"] > 0
    assert model.reached > model.powers["1.0"]["ndcg"] + 0.1
    lighter = crowded(Hybrid(model.members, fixed=model.weights | {"content": 0.0}, fixed_power=model.share_power))
    expected = model.reached - validation_ndcg({"m": lighter}, encode(items=ITEMS), k=model.k)["m"]
    assert model.without["content"][0] == pytest.approx(expected, abs=1e-6)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert (again.share_power, again.powers) == (model.share_power, model.powers)
    asked = {"histories": [["i00", "i01"]]}
    pd.testing.assert_frame_equal(again.recommend(**asked), model.recommend(**asked))
    fresh = model.refit(encode(items=ITEMS, item_features={"content": VECTORS}))
    assert fresh.share_power == model.share_power
    pd.testing.assert_frame_equal(fresh.recommend(["u000"]), model.recommend(["u000"]))


def test_where_another_power_is_no_significant_gain_the_mean_over_those_who_can_score_stays():
    model = fit(Hybrid({"ease": EASE(regularization=5), "content": Content()}))
    assert set(model.powers) == {"1.0", "0.5", "0.0"} and model.share_power == 1.0
    alike = fit(Hybrid({"ease": EASE(regularization=5), "item_knn": ItemKNN()}))
    assert list(alike.powers) == ["1.0"]  # every member can score the same items: all powers are one


def test_one_shopper_on_validation_changes_no_power():
    gains, members = [], {"popularity": Popularity(), "content": Content()}
    for user in ("u000", "u100", "u103", "u206", "u209"):
        model = Hybrid(members).fit(
            SHOP.train, valid=SHOP.valid[SHOP.valid["user_id"] == user], items=ITEMS, item_vectors=VECTORS
        )
        gains.append(model.powers["0.0"]["ndcg"] - model.powers["1.0"]["ndcg"])
        assert model.share_power == 1.0
    assert max(gains) > 0


@pytest.mark.parametrize("power", SHARE_POWERS)
def test_the_search_and_the_lists_agree_for_every_power(power):
    """NDCG, the loss without a member, and the new items found: of the search, and of the model with these weights."""
    members = {"item_knn": ItemKNN(), "popularity": Popularity(), "content": Content()}
    weights = {"item_knn": 1.0, "popularity": 0.5, "content": 0.35}
    model = crowded(Hybrid(members, fixed=weights, fixed_power=power))
    assert (model.weights, model.share_power) == (weights, power)
    targets = encode(items=ITEMS).validation(100, 0)
    search = WeightSearch(model.members, targets, model.k)
    np.testing.assert_allclose(search.ndcg(weights, power), measure_ndcg(model, targets, model.k), atol=1e-6)
    lighter = crowded(Hybrid(model.members, fixed=weights | {"content": 0.0}, fixed_power=power))
    lost = search.measure_without(weights, power, ["content", "item_knn"], seed=0)["content"][0]
    expected = np.nanmean(measure_ndcg(model, targets, model.k) - measure_ndcg(lighter, targets, model.k))
    assert lost == pytest.approx(expected, abs=1e-6)


def test_an_item_is_never_ahead_of_itself():
    """It is scored twice, as a candidate and as a relevant item, and float32 may round the two sums differently."""
    members = {"item_knn": ItemKNN(), "popularity": Popularity(), "content": Content()}
    model = crowded(Hybrid(members, fixed=dict.fromkeys(members, 1.0)))
    search = WeightSearch(model.members, encode(items=ITEMS).validation(100, 0), model.k)
    ranks = search._ranks(model.weights, 1.0)
    search.relevant = np.nextafter(search.relevant, np.float32(-np.inf))
    first = ranks == 1
    assert first.any()
    assert (search._ranks(model.weights, 1.0)[first] == 1).all()


def test_the_candidates_hold_the_best_items_of_content_that_are_new_and_those_that_are_not(monkeypatch):
    """Under power 1 the new ones may win, under power 0 the others: three of each are tried."""
    monkeypatch.setattr(searching, "N_CANDIDATES", 3)
    model = crowded(Hybrid({"content": Content()}, fixed={"content": 1.0}))
    items = WeightSearch(model.members, encode(items=ITEMS).validation(100, 0), model.k).items
    named = [np.char.startswith(model.item_ids[row[row >= 0]], "new") for row in items]
    assert all((~new).sum() >= 3 and new.any() for new in named)


def test_new_items_that_are_relevant_are_counted_by_power():
    valid = pd.concat([SHOP.valid[["user_id", "item_id"]], pd.DataFrame({"user_id": ["u000"], "item_id": ["new0"]})])
    model = Hybrid({"popularity": Popularity(), "content": Content()})
    model.fit(SHOP.train, valid=valid, items=ITEMS, item_vectors=VECTORS)
    assert {said["new_items"] for said in model.powers.values()} == {1}
    assert all(said["found"] in (0, 1) for said in model.powers.values())


def test_the_power_decides_how_much_a_member_that_cannot_score_counts():
    """By hand: the sum of the standardised scores, over the weights times share^power."""
    model = crowded(Hybrid({"item_knn": ItemKNN(), "content": Content()}, fixed={"item_knn": 3.0, "content": 1.0}))
    histories = model.encode([["i00", "i01"]])
    knn, content = (standardize(part._score(histories), part.can_score)[0] for part in model.members.values())
    new = np.flatnonzero(np.char.startswith(model.item_ids, "new"))[0]
    old = np.flatnonzero(model.item_ids == "i05")[0]
    for power in SHARE_POWERS:
        model.share_power = power
        scores = model.score([["i00", "i01"]])[0]
        assert scores[new] == pytest.approx(content[new] / 4 / 0.25**power, rel=1e-5)
        assert scores[old] == pytest.approx((3 * knn[old] + content[old]) / 4, rel=1e-5)


def test_a_stack_blends_by_the_power_it_is_given_and_tells_its_trees_so(monkeypatch):
    inner, original = [], stacking._examples_of
    monkeypatch.setattr(stacking, "_examples_of", lambda *given: inner.append(given[0]) or original(*given))
    members, weights = {"item_knn": ItemKNN(), "content": Content()}, {"item_knn": 1.0, "content": 0.5}
    stack = crowded(stack_of(members, weights, 0.0))
    blend = crowded(Hybrid(stack.base.members, fixed=weights, fixed_power=0.0))
    assert inner[0].base.share_power == stack.base.share_power == 0.0
    histories = blend.encode([["i00", "i01"]])
    _, features, scores = stack.describe_candidates(histories)
    np.testing.assert_array_equal(scores, blend._score(histories))
    assert features[0, 0, 2] <= scores.max()


# -- one question, one answer ------------------------------------------------------------------------------------------

ENSEMBLES = [Hybrid, Stack, ReciprocalRankFusion, Switching]


def ensemble(kind, members):
    return stack_of(members) if kind is Stack else kind(members)


@pytest.mark.parametrize("kind", ENSEMBLES)
def test_an_ensemble_passes_the_context_on(kind):
    """Served and evaluated lists are those of the one member, in the context that each shopper asks in."""
    train = SHOP.train.assign(ctx_device=np.where(SHOP.train["item_id"].str[2].astype(int) % 2, "phone", "desk"))
    member = ContextAware(ItemKNN()).fit(train, items=SHOP.items)
    model = ensemble(kind, {"context": member}).fit(train, valid=SHOP.valid, items=SHOP.items)
    users = list(SHOP.withheld)
    context = pd.DataFrame({"ctx_device": ["phone"] * len(users)}, index=users)
    lists = {name: one.recommend(users, k=5, context=context) for name, one in (("m", model), ("c", member))}
    plain = model.recommend(users, k=5)
    assert lists["m"]["item_id"].tolist() == lists["c"]["item_id"].tolist() != plain["item_id"].tolist()
    known = {"m": 0.123, "c": 0.123}
    split = encode(train, items=SHOP.items)
    measured = validation_ndcg({"m": model, "c": member}, split, k=5, known=known, context=context)
    assert measured["m"] == measured["c"] != 0.123
    assert validation_ndcg({"m": model}, split, k=5, known=known) == {"m": 0.123}


def test_the_switch_gives_each_member_the_contexts_of_its_own_shoppers():
    train = SHOP.train.assign(ctx_device=np.where(SHOP.train["item_id"].str[2].astype(int) % 2, "phone", "desk"))
    member = ContextAware(ItemKNN()).fit(train, items=SHOP.items)
    model = Switching({"context": member, "popularity": Popularity()}, edges=(3,))
    model.fit(train, valid=SHOP.valid, items=SHOP.items)
    model.choices, model.kept = ["popularity", "context"], "switching"
    model._settle()
    histories = [["i00"], ["i00", "i01", "i02", "i03"], ["i10"], ["i10", "i11", "i12", "i13"]]
    context = pd.DataFrame({"ctx_device": ["desk", "phone", "phone", "desk"]})
    listed = model.recommend(histories=histories, k=3, context=context)
    for row in (1, 3):
        expected = member.recommend(histories=[histories[row]], k=3, context=context.iloc[[row]])
        assert listed.loc[listed["query"] == row, "item_id"].tolist() == expected["item_id"].tolist()


@pytest.mark.parametrize("kind", ENSEMBLES)
def test_a_shoppers_scores_do_not_depend_on_who_else_asks(kind):
    """The members here score bit for bit the same alone; what the ensemble adds must not change that."""
    train, valid = walk()
    model = ensemble(kind, {"item_knn": ItemKNN(), "transitions": ItemTransitions(), "popularity": Popularity()})
    model.fit(train, valid=valid)
    if kind is not Hybrid:
        assert model.kept == model.name or kind is not Stack
    users = sorted(train["user_id"].unique())[:40]
    together = model.recommend(users, k=5)
    alone = pd.concat([model.recommend([user], k=5) for user in users], ignore_index=True)
    pd.testing.assert_frame_equal(alone, together, check_exact=True)


@pytest.mark.parametrize("kind", ENSEMBLES)
def test_fit_leaves_the_members_that_were_passed_in_alone(kind):
    fitted, fresh = fit(EASE(regularization=5)), Content()
    given = {"ease": fitted, "content": fresh}
    model = fit(ensemble(kind, given))
    model = model.base if kind is Stack else model
    assert given == {"ease": fitted, "content": fresh} and not fresh.is_fitted
    assert model.members["ease"] is fitted and model.members["content"] is not fresh
    assert model.members["content"].is_fitted


@pytest.mark.parametrize("told", [True, False], ids=["fit was told", "only recommend is told"])
@pytest.mark.parametrize("kind", ENSEMBLES)
def test_items_of_the_history_stay_in_the_running_where_only_some_of_them_are_seen(kind, told, tmp_path):
    """Validation wants the last training item, which was only viewed: lists that may hold it must rank it by merit."""
    viewed = SHOP.train.groupby("user_id").tail(1)
    bought = SHOP.train.drop(index=viewed.index)
    histories = SHOP.train.groupby("user_id")["item_id"].agg(list)
    model = ensemble(kind, {"ease": EASE(regularization=5), "item_knn": ItemKNN()})
    model.fit(SHOP.encode(valid=None).with_targets("valid", viewed, seen=bought if told else None))
    model.kept = model.name
    users = viewed["user_id"].tolist()
    wanted = viewed["item_id"].to_numpy()[:, None]
    seen = bought.groupby("user_id")["item_id"].agg(list)
    asked = {"histories": histories.reindex(users).tolist(), "seen": seen.reindex(users).tolist(), "k": 4}
    lists = model.recommend(**asked)
    found = (lists["item_id"].to_numpy().reshape(len(users), 4) == wanted).any(axis=1)
    assert found.mean() > 0.5
    model.save(tmp_path / "model")
    pd.testing.assert_frame_equal(load(tmp_path / "model").recommend(**asked), lists)


@pytest.mark.parametrize("seen", [[], ["i01"], None])
def test_candidates_of_the_trees_are_all_that_is_not_seen(seen):
    model = fit(stack_of({"item_knn": ItemKNN()}, {"item_knn": 1.0}, n_candidates=20))
    histories = model.encode([["i00", "i01"]] * 2)
    histories = histories if seen is None else replace(histories, seen=model.encode([["i02"], seen]))
    items, _, _ = model.describe_candidates(histories.take(np.array([1])))
    assert set(model.item_ids[items[0]]) & {"i00", "i01"} == {"i00", "i01"} - set(
        ["i00", "i01"] if seen is None else seen
    )


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
    model = stack_of({"ease": EASE(regularization=5), "item_knn": ItemKNN()}, n_candidates=10).fit(train, valid=valid)
    assert model.kept == "stack"
    assert model.validation["stack"] > model.validation["hybrid"] + 0.05
    model.save(tmp_path / "model")
    histories = train.groupby("user_id")["item_id"].agg(list).tolist()
    again = load(tmp_path / "model")
    pd.testing.assert_frame_equal(again.recommend(histories=histories), model.recommend(histories=histories))
    assert again.rankers[0].startswith("tree")


def test_the_stack_never_learns_from_validation_or_test(monkeypatch):
    """With garbage for validation the examples and the trees are the same, as long as what it chooses is fixed."""
    train, valid = walk()
    seen, original = [], Stack._train

    def watched(self, examples, n_rankers, **settings):
        seen.append((examples, original(self, examples, n_rankers, **settings)))
        return seen[-1][1]

    monkeypatch.setattr(Stack, "_train", watched)
    for part in (valid, valid.assign(item_id=valid["item_id"].to_numpy()[::-1])):
        model = stack_of({"ease": EASE(regularization=5), "net": ShallowSequence(epochs=1)}, {"ease": 1.0, "net": 0.5})
        model.fit(train, valid=part)
    (examples, trees), (again, trees_again) = seen
    for first, second in zip(examples, again, strict=True):
        np.testing.assert_array_equal(first, second)
    assert trees == trees_again != []


def test_the_stacks_targets_are_the_last_events_of_train_and_its_members_have_not_seen_them(monkeypatch):
    train, valid = walk()
    fitted_on, original = [], stacking._examples_of
    monkeypatch.setattr(stacking, "_examples_of", lambda *given: fitted_on.append(given) or original(*given))
    stack_of({"ease": EASE(regularization=5)}).fit(train, valid=valid)
    ((stack, last),) = fitted_on
    assert len(last) == train["user_id"].nunique()
    assert (last.columns["position"] == 5).all()
    models = {**stack.base.members, "blend": stack.base, "stack": stack}
    assert all(len(model.train_histories.items) == len(train) - len(last) for model in models.values())


def test_a_user_with_one_event_keeps_it():
    events = EncodedSplit.of(sequences("ab", "c"))
    last = last_events(events.train)
    assert events.items.ids[events.train.item[~last]].tolist() == ["a", "c"]
    assert events.items.ids[events.train.item[last]].tolist() == ["b"]


def test_candidates_are_unseen_and_described_by_finite_numbers():
    members = {"ease": EASE(regularization=5), "content": Content(), "net": ShallowSequence(epochs=2)}
    model = fit(stack_of(members, dict.fromkeys(members, 1.0), n_candidates=5))
    histories = model.encode([["i00", "i01"], []])
    items, features, scores = model.describe_candidates(histories)
    n_features = len(members) + len(ITEM_FACTS) + 7  # blend, rank, followed, preceded, two cosines, length
    assert (items.shape, features.shape, scores.shape) == ((2, 5), (2, 5, n_features), (2, len(model.item_ids)))
    assert not set(model.item_ids[items[0]]) & {"i00", "i01"}
    assert np.isfinite(features).all()


def test_where_trees_have_nothing_to_learn_from_the_blend_answers():
    train = sequences("a", "b", "c")
    model = stack_of({"popularity": Popularity()}).fit(train, valid=train.iloc[:0])
    assert len(model.recommend(histories=[["a"]], k=5)) == 2


def test_each_member_takes_the_item_features_that_it_names():
    split = encode(items=SHOP.items, item_features={"content": SHOP.vectors, "noise": NOISE})
    model = Hybrid({"content": Content(features="content"), "noise": Content(features="noise")}).fit(split)
    expected = Content().fit(SHOP.train, items=SHOP.items, item_vectors=SHOP.vectors)
    for again in (model, model.unfitted().fit(split), model.refit(split)):
        np.testing.assert_array_equal(again.members["content"].item_space(), expected.item_space())
        assert again.members["noise"].item_space().shape[1] == 8
    with pytest.raises(ParameterError, match=r"RK-372 content cannot choose .*'content', 'noise'"):
        Hybrid({"content": Content()}).fit(split)
    with pytest.raises(ParameterError, match="RK-372 there are no item features 'x'"):
        Content(features="x").fit(split)


def test_what_is_seen_on_validation_may_be_given():
    """The shopper's last training item was only viewed, and is what validation wants."""
    viewed = SHOP.train.groupby("user_id").tail(1)
    bought, split = SHOP.train.drop(index=viewed.index), SHOP.encode(valid=None)
    members = {"ease": EASE(regularization=5), "item_knn": ItemKNN()}
    assert Hybrid(members).fit(split.with_targets("valid", viewed)).validation == {}  # all of it was had
    for model in (Hybrid(members), ShallowSequence(embedding_dim=8, epochs=2)):
        reached = model.fit(split.with_targets("valid", viewed, seen=bought)).validation
        assert len(reached) and np.isfinite(list(reached.values() if isinstance(reached, dict) else reached)).all()
