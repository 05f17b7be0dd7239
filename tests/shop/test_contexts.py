"""A few models of a small shop, from evaluation to the answer: saved, read again and asked in their circumstances."""

import re

import nbformat
import numpy as np
import pandas as pd
import pytest

from recsys_kit import recommend
from recsys_kit.data import load_dataset, split_interactions
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.evaluation import evaluate
from recsys_kit.recommenders import (
    ContextAware,
    Hybrid,
    ItemKNN,
    Popularity,
    ReciprocalRankFusion,
    Stack,
    Switching,
)
from recsys_kit.shop import Showcase, last_event, reasons_tested
from recsys_kit.shop.circumstances import parse_context
from recsys_kit.workbook.runner.parameters import list_chapters
from recsys_kit.workbook.runner.runs import open_run
from recsys_kit.workbook.serving import open_shop
from tests.shop.test_serving import answer, write_bundle

HIDDEN = ["ctx_promotion"]
NAMES = ["popularity", "item_knn", "context_aware", "hybrid", "stack", "rank_fusion", "switching"]
PURCHASES = {"target_events": ["purchase"], "seen_events": ["purchase"]}
pytestmark = pytest.mark.filterwarnings("ignore::recsys_kit.workbook.serving.Note")


@pytest.fixture(scope="module")
def shop():
    return load_dataset("toyshop")


@pytest.fixture(scope="module")
def split(shop):
    return split_interactions(shop.interactions)


@pytest.fixture(scope="module")
def fitted(shop, split):
    """Ensembles that have the context-aware model as a member, and the members."""
    train, valid = split.train.drop(columns=HIDDEN), split.ground_truth("valid")
    options = {"items": shop.items, "valid": valid}
    members = {"item_knn": ItemKNN().fit(train, **options), "context_aware": ContextAware().fit(train, **options)}
    models = {"popularity": Popularity().fit(train, **options), **members}
    models["hybrid"] = Hybrid(members, fixed={"item_knn": 1.0, "context_aware": 1.0}).fit(train, **options)
    models["stack"] = Stack(models["hybrid"], n_trees=10, n_rankers=1).fit(train, **options)
    models["rank_fusion"] = ReciprocalRankFusion(members).fit(train, **options)
    models["switching"] = Switching(members).fit(train, **options)
    return models


def leave_behind(folder, shop, split, models, **successes):
    """What chapters 01 and 04 leave in a run."""
    asked = split.request_context("test").drop(columns=HIDDEN)
    found = evaluate(models, split, context=asked, **successes)
    run = open_run(folder, chapter="04_evaluation", seed=0)
    run.write("data/interactions.parquet", shop.interactions)
    run.write("data/items.parquet", shop.items)
    run.write("data/train.parquet", split.train)
    write_bundle(run, models, {"context": list(asked), **successes})
    run.write("results/recommendations.parquet", found.recommendations)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory, shop, split, fitted):
    return leave_behind(tmp_path_factory.mktemp("runs") / "shop", shop, split, fitted)


@pytest.fixture(scope="module")
def of_purchases(tmp_path_factory, shop, split, fitted):
    """A run whose lists leave out what was bought alone."""
    return leave_behind(tmp_path_factory.mktemp("runs") / "purchases", shop, split, fitted, **PURCHASES)


@pytest.mark.parametrize("name", NAMES)
def test_the_evaluated_lists_are_served(run, split, name):
    check_served(run, split, name)


@pytest.mark.parametrize("name", NAMES)
def test_the_evaluated_lists_are_served_where_only_purchases_are_left_out(of_purchases, split, name):
    seen = split.seen_items("test", ["purchase"])
    expected = of_purchases.read("results/recommendations.parquet").query("model == @name")
    had = split.histories("test").explode().rename_axis("user_id").reset_index(name="item_id")
    if name == "item_knn":  # the case is one: its lists hold what was looked at
        assert len(expected.merge(had, on=["user_id", "item_id"]))
    check_served(of_purchases, split, name, seen=lambda users: [seen.get(user, []) for user in users])


def check_served(run, split, name, seen=lambda users: None):
    expected = run.read("results/recommendations.parquet").query("model == @name").reset_index(drop=True)
    users, histories = expected["user_id"].unique().tolist(), split.histories("test")
    context = split.request_context("test").drop(columns=HIDDEN).reindex(users)
    asked = {"history": [histories.get(user, []) for user in users], "seen": seen(users), "context": context}
    served = recommend(run.folder, **asked, model=name, k=20)
    served = served.assign(user_id=[users[place] for place in served["query"]])
    pd.testing.assert_frame_equal(served[["user_id", "item_id", "rank"]], expected[["user_id", "item_id", "rank"]])
    np.testing.assert_allclose(served["score"], expected["score"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_score_does_not_depend_on_who_else_asks(run, split, name):
    users = [*split.test["user_id"].unique()[:3].tolist(), "nobody"]
    together = recommend(run.folder, user=users, context="last event", model=name, k=5)
    for user in users:
        alone = recommend(run.folder, user=user, context="last event", model=name, k=5)
        mine = together[together["query"] == user].drop(columns="query").reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, mine, rtol=1e-5)


@pytest.mark.parametrize("name", ["context_aware", "hybrid", "stack"])
def test_the_circumstances_reach_a_member_of_an_ensemble(run, split, name):
    users = split.test["user_id"].unique()[:20].tolist()
    lists = [
        recommend(run.folder, user=users, context={"device": device, "timestamp": when}, model=name, k=20)
        for device, when in (("phone", "2025-12-24T18:00"), ("laptop", "2025-07-01T06:00"))
    ]
    assert lists[0]["item_id"].tolist() != lists[1]["item_id"].tolist()
    (note,) = answer(run.folder, user=users[0], context={"device": "phone"}, model=name).notes
    assert note.startswith(f"{name} uses the context, but this is missing: daypart (")


def test_what_is_hidden_from_the_models_is_refused(run):
    with pytest.raises(ParameterError, match=r"RK-343 context names 'promotion'; .* timestamp, device, daypart"):
        recommend(run.folder, user="s0001", context={"promotion": "yes"})


@pytest.mark.parametrize(
    "context", [{"device": "phone", "ctx_device": "laptop"}, pd.DataFrame([[1, 2]], columns=["device", "device"])]
)
def test_a_circumstance_is_told_once(run, context):
    with pytest.raises(
        ParameterError, match=r"RK-346 context has 'device' and '(ctx_)?device'; expected every name once"
    ):
        recommend(run.folder, user="s0001", context=context)


def test_a_command_line_names_a_circumstance_once():
    for pairs in (["device=phone", "device=laptop"], ["device=phone", " ctx_device=phone"]):
        with pytest.raises(ParameterError, match="RK-346"):
            parse_context(pairs)


def test_no_query_has_no_note_and_ids_that_are_texts(run):
    one = recommend(run.folder, user=["s0001"], model="context_aware")
    found = answer(run.folder, user=[], model="context_aware")
    assert found.notes == [] and found.lists["query"].dtype == one["query"].dtype


# -- what is left out --------------------------------------------------------------------------------------------------


def test_a_known_shopper_is_spared_what_the_evaluation_left_out(of_purchases, shop):
    users = shop.interactions["user_id"].unique()[:200].tolist()
    listed = recommend(of_purchases.folder, user=users, model="item_knn", k=20)
    pairs = listed.rename(columns={"query": "user_id"})[["user_id", "item_id"]]
    kinds = pairs.merge(shop.interactions)["event"].value_counts()
    assert kinds.get("purchase", 0) == 0 < kinds["view"]


def test_a_history_does_not_say_what_was_bought_and_is_left_out_as_a_whole_with_a_note(of_purchases, run, shop):
    history = shop.interactions["item_id"].unique()[:5].tolist()
    options = {"history": history, "model": "item_knn", "k": len(shop.items)}
    whole = answer(of_purchases.folder, **options)
    assert not set(whole.lists["item_id"]) & set(history)
    (note,) = [note for note in whole.notes if "left out" in note]
    assert note.startswith("the models were evaluated with items left out after purchase alone; here the whole history")
    part = answer(of_purchases.folder, **options, seen=history[:2])
    assert set(part.lists["item_id"]) & set(history) == set(history[2:])
    for found in (part, answer(run.folder, **options)):
        assert not any("left out" in note for note in found.notes)


@pytest.mark.parametrize("seen", ["s0001", ["s0001"], [[3.5]], 7])
def test_what_is_left_out_is_a_list_of_ids_for_each_query(run, seen):
    with pytest.raises((DataError, ParameterError), match=r"RK-(313|154) .*seen holds"):
        recommend(run.folder, user=["s0001"], seen=seen)
    with pytest.raises(ParameterError, match=r"RK-313 seen has 2 lists for 1 queries"):
        recommend(run.folder, user=["s0001"], seen=[[], []])


# -- chapter 05 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["item_knn", "context_aware"])
def test_the_showcase_leaves_out_and_asks_as_it_is_told(of_purchases, shop, split, name):
    seen, histories = split.seen_items("test", ["purchase"]), split.histories("test")
    when = last_event(shop.interactions)
    showcase = Showcase(open_shop(of_purchases).bundle.models, shop.items, histories, context=when, seen=seen)
    for user in histories.index[:5]:
        asked = {"history": histories[user], "seen": seen.get(user, []), "k": 20}
        expected = recommend(of_purchases.folder, **asked, model=name, context="last event")["item_id"]
        assert showcase.recommend(name, user=user, k=20)["item_id"].tolist() == expected.tolist()
        table = showcase.side_by_side(histories[user], 20, seen=seen.get(user, []))[name]
        titles = (
            shop.items.set_index("item_id")["title"].reindex(expected).fillna(pd.Series(expected.to_list(), expected))
        )
        assert table.tolist() == titles.tolist()


def test_reasons_are_tested_with_the_lists_that_are_shown(fitted, shop, split):
    """The rank is that of the list in these circumstances, with the same products left out."""
    histories, seen = split.histories("test"), split.seen_items("test", ["purchase"])
    users, model = histories.index[:60].tolist(), fitted["context_aware"]
    when = {"device": "phone", "daypart": "evening"} | last_event(shop.interactions)
    told = {"seen": seen, "context": when}
    tested = reasons_tested(model, fitted["item_knn"], {user: histories[user] for user in users}, **told)
    assert len(tested) > 20
    left_out = [seen.get(user, []) for user in tested["user_id"]]
    context = pd.DataFrame([when] * len(tested)).rename(
        columns=lambda name: f"ctx_{name}" if name != "timestamp" else name
    )
    listed = model.recommend(histories=[histories[user] for user in tested["user_id"]], seen=left_out, context=context)
    ranks = listed.set_index(["query", "item_id"])["rank"]
    assert [ranks.get(pair) for pair in enumerate(tested["item_id"])] == tested["rank"].tolist()
    plain = reasons_tested(model, fitted["item_knn"], {user: histories[user] for user in users})
    assert plain["item_id"].tolist() != tested["item_id"].tolist()


def test_chapter_05_asks_no_model_without_saying_when_and_what_is_left_out():
    (chapter,) = [chapter for chapter in list_chapters() if chapter.number == "05"]
    cells = [cell.source for cell in nbformat.read(chapter.path, as_version=4).cells]
    calls = re.findall(r"models\[\w+\]\.recommend\((.*)\)", "\n".join(cells))
    assert calls and all("context=" in call and "**known" in call for call in calls)
    (tested,) = re.findall(r"reasons_tested\((.*)\)", "\n".join(cells))
    assert "seen=seen" in tested and "context=asked" in tested
