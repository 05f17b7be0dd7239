"""The lists that are not personal: each checked by counting, by the fitted model, or by what was planted."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest

import recsys_kit
from recsys_kit.data import split_interactions
from recsys_kit.data.sources import load_dataset
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.features.text import fit_tfidf
from recsys_kit.recommenders import AssociationRules, Content, ItemKNN, Popularity
from recsys_kit.shop.events import VERBS, strongest_kinds
from recsys_kit.shop.statistics import PROMOTION_DAYS
from recsys_kit.workbook.runner.runs import open_run
from recsys_kit.workbook.serving import (
    bought_together,
    open_shop,
    popular,
    promotions,
    recommend,
    related,
    shoppers_for,
)
from tests.data.affinity import true_affinity
from tests.recommenders.test_classic import rules_from
from tests.shop.test_serving import command, write_bundle

pytestmark = pytest.mark.filterwarnings("error::recsys_kit.workbook.serving.Note")
SHOP = load_dataset("toyshop")
TRAIN = split_interactions(SHOP.interactions).train
COUNTS = TRAIN.drop_duplicates(["user_id", "item_id"])["item_id"].value_counts()
PAIR = COUNTS.index[[20, 30]].tolist()
KNOWN = PAIR[0]
UNMET = sorted(set(SHOP.items["item_id"]) - set(COUNTS.index))
TITLES = SHOP.items.set_index("item_id")["title"]


def write_run(folder, train: pd.DataFrame, models: dict, items: pd.DataFrame = SHOP.items):
    """What chapters 01 and 04 leave behind, as far as these lists read it."""
    run = open_run(folder, chapter="04_evaluation", seed=0)
    run.write("data/items.parquet", items)
    run.write("data/train.parquet", train)
    run.write("data/interactions.parquet", SHOP.interactions)
    write_bundle(run, models or {"popularity": Popularity().fit(train, items=items)})
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The built-in shop, split by time, with a behavioural model and one that reads."""
    texts = TITLES.fillna("") + ". " + SHOP.items.set_index("item_id")["description"].fillna("")
    tfidf = fit_tfidf(texts).vectors(texts)
    models = {
        "item_knn": ItemKNN().fit(TRAIN, items=SHOP.items),
        "content_tfidf": Content().fit(TRAIN, items=SHOP.items, item_vectors=tfidf),
    }
    return write_run(tmp_path_factory.mktemp("runs") / "shop", TRAIN, models)


# -- more like this ----------------------------------------------------------------------------------------------------


def test_related_products_are_those_of_the_same_shoppers_as_item_knn_ranks_them(run):
    listed = related(run.folder, KNOWN, k=5)
    assert list(listed)[:3] == ["rank", "item_id", "title"] and list(listed)[-2:] == ["score", "reason"]
    ranked = open_shop(run).bundle.models["item_knn"].recommend(histories=[[KNOWN]], k=100)["item_id"].tolist()
    places = [ranked.index(item) for item in listed["item_id"]]
    assert places == sorted(places)
    owners = set(TRAIN.loc[TRAIN["item_id"] == KNOWN, "user_id"])
    for row in listed.itertuples():
        both = len(owners & set(TRAIN.loc[TRAIN["item_id"] == row.item_id, "user_id"]))
        assert both >= 2 and row.reason == f"{both} shoppers interacted with both"


def test_a_product_that_nobody_had_is_related_by_its_words(run):
    listed = related(run, UNMET[0], k=4)
    assert len(listed) == 4 and listed["reason"].str.startswith("shares the words ").all()
    content = open_shop(run).bundle.models["content_tfidf"].recommend(histories=[[UNMET[0]]], k=4)
    assert listed["item_id"].tolist() == content["item_id"].tolist()


def test_content_comes_only_where_behaviour_ends(run):
    listed = related(run, KNOWN, k=700)
    by_behaviour = listed["reason"].str.endswith("shoppers interacted with both").tolist()
    assert 0 < sum(by_behaviour) < len(listed)
    assert not listed["reason"].str.startswith("1 ").any(), "one shopper who had both may be chance"
    assert by_behaviour == sorted(by_behaviour, reverse=True)
    assert listed["item_id"].is_unique and KNOWN not in set(listed["item_id"])


def test_without_item_knn_on_the_leaderboard_it_is_fitted_for_the_bundle(run, tmp_path):
    other = write_run(tmp_path / "run", TRAIN, {"popularity": Popularity().fit(TRAIN, items=SHOP.items)})
    pd.testing.assert_frame_equal(related(other, KNOWN, k=5), related(run, KNOWN, k=5))
    with pytest.warns(UserWarning, match="nothing is known that resembles"):
        assert related(other, UNMET[0]).empty


# -- bought together ---------------------------------------------------------------------------------------------------


def test_what_is_bought_together_is_counted_as_the_rules_say(run):
    listed = bought_together(run.folder, KNOWN, k=5)
    rules = rules_from(AssociationRules().fit(TRAIN, items=SHOP.items), KNOWN).round(6)
    rules = rules.sort_values(["confidence", "count"], ascending=False, kind="stable").head(5).reset_index()
    pd.testing.assert_frame_equal(listed[rules.columns], rules)
    share = listed["count"].iloc[0] / COUNTS[KNOWN]
    assert listed["confidence"].iloc[0] == pytest.approx(share, abs=1e-6)
    assert (
        listed["reason"].iloc[0]
        == f"{share:.0%} of the shoppers who interacted with “{TITLES[KNOWN]}” also interacted with this"
    )


def test_a_basket_gets_the_best_rule_of_its_products_and_nothing_that_is_in_it(run):
    alone = pd.concat([bought_together(run, item, k=800) for item in PAIR])
    best = alone[~alone["item_id"].isin(PAIR)].groupby("item_id")["lift"].max()
    listed = bought_together(run, PAIR, k=800, by="lift").set_index("item_id")["lift"]
    assert listed.to_dict() == best.to_dict()
    assert listed.is_monotonic_decreasing


def test_orders_are_baskets_where_the_events_have_them(tmp_path):
    events = [("u", "a", "1"), ("u", "b", "1"), ("u", "c", "2"), ("v", "a", "3"), ("v", "b", "3"), ("w", "d", None)]
    train = pd.DataFrame(events, columns=["user_id", "item_id", "session_id"]).assign(position=range(1, 7))
    run = write_run(tmp_path / "run", train, {}, pd.DataFrame({"item_id": list("abcd")}))
    listed = bought_together(run, "a")
    assert listed.drop(columns="title").to_dict("records") == [
        {"rank": 1, "item_id": "b", "count": 2, "support": 0.5, "confidence": 1.0, "lift": 2.0,
         "reason": "100% of the sessions with “a” have this too"}
    ]  # fmt: skip
    with pytest.warns(UserWarning, match="no product goes with c in at least 2 sessions"):
        assert bought_together(run, "c").empty


def test_orders_of_two_shoppers_are_two_baskets_though_their_numbers_are_the_same(tmp_path):
    events = [(f"u{user}", item, "1") for user in range(8) for item in ("ac" if user % 2 else "bd")]
    train = pd.DataFrame(events, columns=["user_id", "item_id", "session_id"]).assign(position=1)
    run = write_run(tmp_path / "run", train, {}, pd.DataFrame({"item_id": list("abcd")}))
    listed = bought_together(run, "a")
    assert listed[["item_id", "count", "support"]].to_dict("records") == [{"item_id": "c", "count": 4, "support": 0.5}]


def test_unknown_products_of_a_basket_are_named(run):
    with pytest.warns(UserWarning, match="product 'x' is unknown to this shop and left out"):
        listed = bought_together(run, [KNOWN, "x"], k=3)
    pd.testing.assert_frame_equal(listed, bought_together(run, KNOWN, k=3))


# -- ranking lists -----------------------------------------------------------------------------------------------------


def test_the_ranking_list_is_the_one_that_a_stranger_gets(run):
    listed = popular(run.folder, k=20)
    assert listed["item_id"].tolist() == Popularity().fit(TRAIN, items=SHOP.items).recommend(histories=[[]], k=20)[
        "item_id"
    ].tolist()  # fmt: skip
    assert listed["score"].tolist() == COUNTS[listed["item_id"]].tolist()
    assert listed["reason"].iloc[0] == f"{COUNTS.iloc[0]} shoppers interacted with it"


def test_more_days_than_there_are_is_all_of_train(run):
    assert popular(run, days=1e12, k=5)["item_id"].tolist() == popular(run, k=5)["item_id"].tolist()


def test_a_shop_of_purchases_says_bought_and_one_of_views_does_not(run, tmp_path):
    for kind, verb in {"purchase": "bought", "view": "looked at", "teleport": "interacted with"}.items():
        train = TRAIN[TRAIN["event"] == "purchase"].assign(event=kind)
        other = write_run(tmp_path / kind, train, {"item_knn": ItemKNN().fit(train, items=SHOP.items)})
        assert popular(other, k=1)["reason"].str.contains(f"shoppers {verb} it").all()
        item = popular(other, k=1)["item_id"].iloc[0]
        assert related(other, item, k=1)["reason"].str.endswith(f"shoppers {verb} both").all()
        (reason,) = bought_together(other, item, k=1)["reason"]
        assert f"of the shoppers who {verb} “{TITLES[item]}” also {verb} this" in reason


def test_a_ranking_list_of_now_and_of_a_category_counts_these_alone(run):
    category = SHOP.items["category"].dropna().iloc[0]
    listed = popular(run, category=category, days=30, k=5)
    recent = TRAIN[TRAIN["timestamp"] > TRAIN["timestamp"].max() - pd.Timedelta(days=30)]
    recent = recent[recent["item_id"].isin(SHOP.items.loc[SHOP.items["category"] == category, "item_id"])]
    counts = recent.groupby("item_id")["user_id"].nunique()
    assert listed["score"].tolist() == sorted(counts, reverse=True)[:5] == counts[listed["item_id"]].tolist()
    assert set(listed["category"]) == {category}
    assert listed["reason"].str.endswith("in the last 30 days").all()


# -- on promotion ------------------------------------------------------------------------------------------------------


def test_promotions_are_the_shoppers_own_list_without_all_else(run):
    promoted = UNMET[:3] + list(COUNTS.index[:20])
    listed = promotions(run.folder, user="s1011", items=promoted, model="content_tfidf", k=5)
    whole = recommend(run, user="s1011", model="content_tfidf", k=700)
    expected = whole[whole["item_id"].isin(promoted)].head(5)
    assert listed["item_id"].tolist() == expected["item_id"].tolist()
    np.testing.assert_allclose(listed["score"], expected["score"])
    assert listed["rank"].tolist() == [1, 2, 3, 4, 5]


def test_what_is_on_promotion_the_latest_event_of_the_last_days_says(run):
    found = open_shop(run).bundle.promoted()
    recent = TRAIN[TRAIN["timestamp"] > TRAIN["timestamp"].max() - pd.Timedelta(days=PROMOTION_DAYS)]
    assert 5 < len(found) < 100
    for item in found:
        assert recent[recent["item_id"] == item].sort_values("timestamp")["ctx_promotion"].iloc[-1] == "yes"
    latest = recent.sort_values("timestamp").drop_duplicates("item_id", keep="last")
    assert (latest["ctx_promotion"] == "yes").sum() == len(found)
    listed = promotions(run, history=[KNOWN], k=3)
    assert set(listed["item_id"]) <= set(found)


def test_candidates_that_are_unknown_or_had_already_are_said(run):
    with pytest.warns(UserWarning) as caught:
        listed = recommend(run, history=[KNOWN], candidates=[KNOWN, "x"], k=5)
    assert listed.empty
    assert [str(warning.message).split(":")[0] for warning in caught] == [
        "product 'x' is unknown to this shop and left out of the candidates.",
        "the list has 0 products, fewer than the 1 asked for",
    ]


# -- new products ------------------------------------------------------------------------------------------------------


def test_the_shoppers_of_a_new_product_had_what_its_text_is_like(run):
    shown = shoppers_for(run.folder, text="A funny teapot for tea", k=5)
    assert list(shown) == ["rank", "user_id", "score", "reason"]
    assert shown["score"].is_monotonic_decreasing and shown["score"].between(0, 1).all()
    nearest = recommend(run, text="A funny teapot for tea", model="content_tfidf", k=800).set_index("item_id")["score"]
    had = SHOP.interactions[SHOP.interactions["user_id"] == shown["user_id"].iloc[0]]["item_id"].unique()
    best = nearest.reindex(had).dropna().sort_values(ascending=False).head(3)
    assert shown["score"].iloc[0] == pytest.approx(best.sum() / 3)
    kinds = strongest_kinds(SHOP.interactions)[shown["user_id"].iloc[0]]
    assert shown["reason"].iloc[0] == ", ".join(f"{VERBS[kinds[item]]} “{TITLES[item]}”" for item in best.index)


def test_tastes_that_were_planted_are_found(run):
    """Shoppers chosen for products that nobody had suit them better than the shop's shoppers do."""
    users = sorted(SHOP.interactions["user_id"].unique())
    gains = []
    for item in UNMET:
        shown = shoppers_for(run, item=item, k=20)["user_id"].tolist()
        if shown:
            chosen, anyone = (true_affinity(SHOP.truth, who, [item] * len(who)) for who in (shown, users))
            gains.append(np.nanmean(chosen) - np.nanmean(anyone))
    assert len(gains) > 5
    assert np.mean(gains) > 1  # of the log-odds of a choice


def test_who_had_the_product_already_is_not_told_of_it(run):
    owners = set(SHOP.interactions.loc[SHOP.interactions["item_id"] == KNOWN, "user_id"])
    assert not owners & set(shoppers_for(run, item=KNOWN, k=1000)["user_id"])


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "problem"),
    [
        (lambda run: related(run, "x"), "RK-335 no product of this shop is called 'x'"),
        (lambda run: related(run, KNOWN, k=0), "RK-312"),
        (lambda run: bought_together(run, []), "RK-335"),
        (lambda run: bought_together(run, KNOWN, by="luck"), "RK-341 by is 'luck'"),
        (lambda run: bought_together(run, KNOWN, k=-1), "RK-312"),
        (lambda run: popular(run, category="Teas & Coffees"), r"RK-336 .*'Tea & Coffee'"),
        (lambda run: popular(run, days=-1), "RK-337 days is -1;"),
        (lambda run: popular(run, days=float("nan")), "RK-337 days is nan;"),
        (lambda run: popular(run, days=float("inf")), "RK-337 days is inf;"),
        (lambda run: popular(run, days="7"), "RK-337 days is '7';"),
        (lambda run: popular(run, days=1.5), "RK-337 days is 1.5;"),
        (lambda run: promotions(run, user="s1011", items=[["0001"]]), "RK-154"),
        (lambda run: promotions(run, items=["0001"]), "RK-330"),
        (lambda run: shoppers_for(run), "RK-330"),
        (lambda run: shoppers_for(run, text="tea", item=KNOWN), "RK-330"),
        (lambda run: shoppers_for(run, item="x"), "RK-335"),
        (lambda run: shoppers_for(run, text="tea", k=0), "RK-312"),
    ],
)
def test_a_wrong_question_is_refused_with_its_value(run, ask, problem):
    with pytest.raises((DataError, ParameterError), match=problem):
        ask(run)


def test_what_sequences_cannot_tell_is_refused_with_the_remedy(tmp_path):
    train = pd.DataFrame({"user_id": list("aabb"), "item_id": list("xyxy"), "position": [1, 2, 1, 2]})
    items = pd.DataFrame({"item_id": ["x", "y"]})
    run = write_run(tmp_path / "run", train, {"popularity": Popularity().fit(train)}, items)
    assert popular(run)["item_id"].size == 2
    with pytest.raises(ParameterError, match=r"RK-337 .*no time"):
        popular(run, days=7)
    with pytest.raises(ParameterError, match=r"RK-336 .*have none"):
        popular(run, category="Tea")
    with pytest.raises(ParameterError, match=r"RK-338 .*--candidates"):
        promotions(run, user="a")
    with pytest.raises(ParameterError, match=r"RK-332 .*--only 02,04"):
        shoppers_for(run, text="tea")


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "ask"),
    [
        (["related", KNOWN], lambda run: related(run, KNOWN, k=3)),
        (["together", ",".join(PAIR)], lambda run: bought_together(run, PAIR, k=3)),
        (["popular"], lambda run: popular(run, k=3)),
        (["popular", "--category", "Garden", "--days", "60"],
         lambda run: popular(run, category="Garden", days=60, k=3)),
        (["promotions", "--user", "s1011"], lambda run: promotions(run, user="s1011", k=3)),
        (
            ["history", KNOWN, "--candidates", "0001,0002,0003"],
            lambda run: promotions(run, history=[KNOWN], items=["0001", "0002", "0003"], k=3),
        ),
        (["shoppers-for", UNMET[0]], lambda run: shoppers_for(run, item=UNMET[0], k=3)),
        (["new-item", "a funny teapot"], lambda run: shoppers_for(run, text="a funny teapot", k=3)),
    ],
)  # fmt: skip
def test_the_command_answers_as_python_does(run, tmp_path, options, ask):
    done = command(run, "recommend", *options, "-k", "3", "--json", "--csv", str(tmp_path / "list.csv"))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = ask(run.folder)
    key = "user_id" if "user_id" in expected else "item_id"
    rows = found["shoppers" if key == "user_id" else "items"]
    assert [row[key] for row in rows] == expected[key].tolist() != []
    assert [row["reason"] for row in rows] == expected["reason"].tolist()
    assert pd.read_csv(tmp_path / "list.csv", dtype={key: str})[key].tolist() == expected[key].tolist()
    if "new-item" in options:
        nearest = recommend(run, text="a funny teapot", model="content_tfidf", k=3)
        assert [row["item_id"] for row in found["items"]] == nearest["item_id"].tolist()


def test_the_command_shows_a_table_and_its_notes_and_refuses_in_one_line(run):
    done = command(run, "recommend", "together", f"{KNOWN},x", "-k", "2")
    assert TITLES[bought_together(run, KNOWN, k=1)["item_id"].iloc[0]] in done.stdout
    assert "note: product 'x' is unknown" in done.stdout and done.stderr == ""
    for days in ("nan", "inf", "-3"):
        refused = command(run, "recommend", "popular", "--days", days)
        assert (refused.returncode, refused.stdout, refused.stderr[:6]) == (2, "", "RK-337")


def test_each_list_is_a_public_name():
    for name in ("related", "bought_together", "popular", "promotions", "shoppers_for"):
        assert callable(getattr(recsys_kit, name))
