"""Reasons that are true, variety that costs, and a shelf that shows what there is."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_kit.core.encoded import encode_histories
from recsys_kit.core.vectors import Vectors
from recsys_kit.core.vocabulary import Vocabulary
from recsys_kit.errors import ParameterError
from recsys_kit.features.text import fit_tfidf
from recsys_kit.shop import Showcase, reasons_tested, rerank_mmr, trade_off
from recsys_kit.shop.events import STRENGTH, VERBS, counted_kinds, strongest_kinds
from recsys_kit.shop.explanations import find_causes, reasons, shared_words
from recsys_kit.testing.planted import planted_shop
from tests.models import fitted

SHOP = planted_shop()
VECTORS = Vectors(["a", "b", "c", "d"], np.array([[1.0, 0], [1, 0], [0, 1], [0.6, 0.8]], np.float32), {})
CANDIDATES = pd.DataFrame({"item_id": list("abcd"), "score": [4.0, 3.9, 2.0, 0.0], "rank": [1, 2, 3, 4]})
OTHERS = {f"x{number}": f"plate from the {number}00" for number in range(20)}
TEXTS = pd.Series(
    {"i1": "green tea from the hills", "i2": "green tea pot from the sea", "i3": "spade from the sun"} | OTHERS
)
TFIDF = fit_tfidf(TEXTS).vectors(TEXTS)


def test_no_diversity_leaves_the_list_as_it_is():
    assert rerank_mmr(CANDIDATES, VECTORS, diversity=0, k=4)["item_id"].tolist() == list("abcd")


def test_a_near_copy_falls_behind_what_is_different():
    chosen = rerank_mmr(CANDIDATES, VECTORS, diversity=0.5, k=2)
    assert chosen["item_id"].tolist() == ["a", "c"]
    assert chosen["rank"].tolist() == [1, 2]
    assert chosen["rank_before"].tolist() == [1, 3]


def test_mmr_by_hand():
    """Third place at dial 0.5 after a, c: b = .5*.975 - .5*1, d = .5*0 - .5*.8."""
    assert rerank_mmr(CANDIDATES, VECTORS, diversity=0.5, k=3)["item_id"].tolist() == ["a", "c", "b"]


@pytest.mark.parametrize("diversity", [-0.1, 1.1, float("nan")])
def test_a_dial_out_of_range_is_refused(diversity):
    with pytest.raises(ParameterError, match="RK-317"):
        rerank_mmr(CANDIDATES, VECTORS, diversity=diversity)


def test_the_trade_off_grows_in_diversity_and_starts_at_the_models_own_accuracy():
    users = list(SHOP.withheld)[:30]
    model = fitted("content", SHOP)
    candidates = model.recommend(users, k=20).rename(columns={"query": "user_id"})
    truth = pd.DataFrame(SHOP.withheld.items(), columns=["user_id", "item_id"])
    curve = (
        trade_off(candidates, truth, SHOP.vectors, dials=[0.0, 0.9], k=5).groupby("dial")[["ndcg", "diversity"]].mean()
    )
    assert curve.loc[0.9, "diversity"] > 2 * curve.loc[0.0, "diversity"]
    assert curve.loc[0.9, "ndcg"] < curve.loc[0.0, "ndcg"]


def causes(model, history, item_ids):
    """The ids of the items of the history that explain these items; None without one."""
    found = find_causes(model, model.encode([history]), model.items.encode(item_ids))
    return [None if cause < 0 else str(model.item_ids[cause]) for cause in found]


def test_the_reason_is_an_item_of_the_history_that_shares_shoppers():
    model = fitted("item_knn", SHOP)
    assert causes(model, ["i10", "i00"], ["i01", "i11"]) == ["i00", "i10"]
    assert causes(model, ["i10"], ["i01"]) == [None]
    assert causes(model, [], ["i01"]) == [None]


def test_shared_words_are_in_both_texts_and_not_in_every_text():
    rows = [np.array([TFIDF.ids.index(item) for item in items], int) for items in (["i1"], ["i2", "i3"])]
    words, none = shared_words(TFIDF, *rows)
    assert set(words) == {"green", "tea"}
    assert none == []
    assert shared_words(TFIDF, rows[0][:0], rows[1][:1]) == [[]]


def reason(history, item, items, titles, kinds=None, **options):
    """The reasons for one item by ids."""
    encoded = encode_histories([history], items)
    kinds = None if kinds is None else np.array([STRENGTH[kinds[item]] for item in history])
    (found,) = reasons(encoded, items.encode([item]), items, titles, kinds=kinds, **options)
    return found


def test_reasons_go_from_shoppers_to_words_to_nothing():
    model, titles = fitted("item_knn", SHOP), {"i00": "Green tea"}
    assert reason(["i00"], "i01", model.items, titles, neighbours=model) == "because you interacted with “Green tea”"
    assert reason(["i00"], "i11", model.items, titles, neighbours=model) == "close to your history"
    items = Vocabulary.of_items(TEXTS.index)
    assert "green" in reason(["i1"], "i2", items, {}, tfidf=TFIDF.align(items.ids))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("purchase", "bought"),
        ("view", "looked at"),
        ("cart", "put in the cart"),
        ("rating", "rated"),
        ("", "interacted with"),
    ],
)
def test_a_reason_names_what_the_shopper_did(kind, words):
    model = fitted("item_knn", SHOP)
    found = reason(["i00"], "i01", model.items, {}, kinds={"i00": kind}, neighbours=model)
    assert found == f"because you {words} “i00”"


def test_the_strongest_event_of_a_shopper_and_an_item_names_it_whatever_the_order_of_rows():
    events = pd.DataFrame(
        [("a", "x", "view", None), ("a", "x", "purchase", None), ("a", "x", "view", None), ("a", "y", "cart", None),
         ("a", "y", "view", None), ("b", "x", "View", None), ("b", "y", "teleport", 4.0), ("b", "z", None, 4.0)],
        columns=["user_id", "item_id", "event", "rating"],
    )  # fmt: skip
    expected = {"a": {"x": "purchase", "y": "cart"}, "b": {"x": "view", "y": "rating", "z": "rating"}}
    for rows in (events, events[::-1], events.sample(frac=1, random_state=1)):
        assert {user: dict(sorted(kinds.items())) for user, kinds in strongest_kinds(rows).items()} == expected
    bare = events.drop(columns=["event", "rating"])
    assert strongest_kinds(bare)["a"] == {"x": "", "y": ""}, "bought is not claimed where nothing says so"


def test_the_test_of_the_reasons_takes_the_named_product_away():
    model, histories = fitted("item_knn", SHOP), SHOP.train.groupby("user_id")["item_id"].agg(list).head(30)
    tested = reasons_tested(model, model, histories.to_dict(), k=5)
    assert len(tested) > 20
    row = tested.iloc[0]
    history = histories[row.user_id]
    assert causes(model, history, [row.item_id]) == [row.cause]
    other = next(item for item in history if item != row.cause)
    for gone, expected in ((row.cause, row.without_it), (other, row.without_another)):
        kept = [item for item in history if item != gone]
        listed = model.recommend(histories=[kept], seen=[history], k=100).set_index("item_id")["rank"]
        assert listed.get(row.item_id, len(model.item_ids) + 1) == expected
    assert (tested["without_it"] - tested["without_another"]).mean() > 0
    assert reasons_tested(model, model, {"a": ["i00"], "b": []}).empty
    assert list(reasons_tested(model, model, {})) == list(tested)


@pytest.fixture
def showcase():
    items = SHOP.items.assign(title=[f"<b>{item}</b>" if item != "i03" else None for item in SHOP.items["item_id"]])
    models = {name: fitted(name, SHOP) for name in ("popularity", "item_knn", "content")}
    histories = SHOP.train.groupby("user_id")["item_id"].agg(list)
    return Showcase(models, items, histories, vectors=SHOP.vectors)


def test_the_shelf_shows_titles_and_falls_back_to_the_id(showcase):
    listed = showcase.recommend("item_knn", history=["i00"], k=9).set_index("item_id")["title"]
    assert listed["i01"] == "<b>i01</b>"
    assert listed["i03"] == "i03"


def test_the_history_is_shown_latest_first_each_item_once(showcase):
    history = SHOP.train.query("user_id == 'u000'")["item_id"].tolist()
    assert showcase.history("u000")["item_id"].tolist() == history[::-1]
    assert showcase.history("nobody").empty


def test_the_history_says_what_the_shopper_did(showcase):
    events = SHOP.train.assign(event=np.resize(["purchase", "view", "cart", "view"], len(SHOP.train)))
    told = replace(showcase, events=events)
    kinds = strongest_kinds(events[events["user_id"] == "u000"])["u000"]
    shown = told.history("u000").set_index("item_id")["event"]
    assert shown.to_dict() == {item: VERBS[kind] for item, kind in kinds.items()}
    assert told.history_in_words("u000") == (
        f"History ({len(kinds)} products, latest first): {counted_kinds(kinds.values())}"
    )
    assert showcase.history_in_words("u000") == f"History ({len(kinds)} products, latest first)"
    assert told.history_in_words("nobody") == "History (0 products, latest first)"
    bare = replace(showcase, events=SHOP.train)
    assert bare.history_in_words("u000") == showcase.history_in_words("u000"), "no kind is known: none is counted"
    assert "event" not in bare.history("u000")
    entry = told.page_entry("u000", "somebody")
    assert entry["history_in_words"] == told.history_in_words("u000")
    assert entry["lists"]["item_knn"][0]["reason"].split(" “")[0].removeprefix("because you ") in VERBS.values()


def test_a_stranger_gets_what_is_popular_and_is_told_so(showcase):
    listed = showcase.lists("item_knn", histories=[["i00"], []], k=3)
    assert listed["fallback"].tolist() == [False] * 3 + [True] * 3
    assert set(listed.loc[listed["fallback"], "reason"]) == {"popular in the shop: nothing is known of you yet"}


def test_one_list_alone_is_the_same_as_in_company(showcase):
    histories = SHOP.train.groupby("user_id")["item_id"].agg(list).tolist()[:20]
    together = showcase.lists("item_knn", histories=histories, k=5)
    for place in (0, 7, 19):
        alone = showcase.lists("item_knn", histories=[histories[place]], k=5).drop(columns="query")
        pd.testing.assert_frame_equal(
            alone, together[together["query"] == place].drop(columns="query").reset_index(drop=True)
        )


def test_popularity_gives_no_personal_reason(showcase):
    assert set(showcase.recommend("popularity", history=["i00"], k=4)["reason"]) == {"popular in the shop"}


def test_two_views_of_the_same_model_do_not_differ():
    from recsys_kit.evaluation import disagreements, evaluate
    from tests.evaluation.test_leaderboard import shop_split

    result = evaluate({"popularity": fitted("popularity", SHOP)}, shop_split())
    assert (disagreements(result, "popularity", "popularity")["difference"] == 0).all()


def test_a_model_that_is_not_there_is_refused_with_those_that_are(showcase):
    with pytest.raises(ParameterError, match=r"RK-318 .*'eas'.*popularity, item_knn, content"):
        showcase.recommend("eas", history=["i00"])


def test_side_by_side_has_a_column_per_model(showcase):
    table = showcase.side_by_side(["i00"], k=4)
    assert list(table) == ["popularity", "item_knn", "content"]
    assert table.index.tolist() == [1, 2, 3, 4]


def test_a_reading_counts_kinds_bestsellers_and_how_known_the_products_are(showcase):
    popularity = showcase.models["popularity"]
    listed = showcase.recommend("item_knn", history=["i00"], k=4)["item_id"]
    alike = SHOP.items["item_id"].isin({"i00", *listed.head(1)})
    kinds = SHOP.items.assign(category=np.where(alike, "a", None))
    read = Showcase(showcase.models, kinds, showcase.histories).readings(["i00"], popularity, k=4)
    assert list(read) == list(showcase.models)
    assert read.at["of your categories", "item_knn"] == 1
    assert read.at["bestsellers", "popularity"] == 4
    met = SHOP.train.drop_duplicates(["user_id", "item_id"])["item_id"].value_counts().reindex(listed, fill_value=0)
    assert read.at["shoppers in training", "item_knn"] == f"{met.min()} to {met.max()}"
    assert (
        "of your categories"
        not in Showcase(showcase.models, kinds.drop(columns="category"), showcase.histories)
        .readings(["i00"], popularity)
        .index
    )


def test_the_explorer_view_escapes_titles_and_changes_with_the_dial(showcase):
    from recsys_kit.widgets import view_shopper

    straight = view_shopper(showcase, "u000", "content", diversity=0.0).data
    varied = view_shopper(showcase, "u000", "content", diversity=0.9).data
    assert "<b>i" not in straight
    assert "&lt;b&gt;i" in straight
    assert straight != varied
