from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_kit.data import (
    Dataset,
    compare_sample,
    flag_unusual,
    k_core,
    load_dataset,
    sample_users,
)
from recsys_kit.data.cleaning import clean_text, find_bots, find_bursts, find_near_duplicates, repeated_ratings
from recsys_kit.data.questions import said_lines
from recsys_kit.data.tables import report_entry
from recsys_kit.errors import ParameterError


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("Rhythm &amp; Blues", "Rhythm & Blues"),
        ("one<br />two", "one two"),
        ("<p class='x'>bold <b>words</b></p>", "bold words"),
        ("a\n\n b\t c\xa0d", "a b c d"),
        ("I <3 it, 5 < 6 > 4", "I <3 it, 5 < 6 > 4"),
        ("<script>alert('x')</script>Vase", "Vase"),
        ("<style>.a{color:red}</style>Vase", "Vase"),
        ("&lt;b&gt;bold&lt;/b&gt;", "bold"),
        ("Café ☕ 你好", "Café ☕ 你好"),
        ("", ""),
    ],
)
def test_texts_lose_markup_and_nothing_else(raw, cleaned):
    assert clean_text(raw) == cleaned
    assert clean_text(cleaned) == cleaned


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("Use &lt;div&gt; tags; a <b and c> d", "Use <div> tags; a <b and c> d"),
        ("<p>Type &lt;br&gt; for a break</p>", "Type <br> for a break"),
        ("from Ann <ann@shop.com>, <http://shop.com>", "from Ann <ann@shop.com>, <http://shop.com>"),
        ("&lt;p&gt;Oak&lt;br/&gt;bowl&lt;/p&gt;", "Oak bowl"),
        ("<img src='a.png' alt='x'>Oak<hr/ ><!-- new -->", "Oak"),
        ("<input disabled>Oak<INPUT type=text  CHECKED /><details open >bowl", "Oak bowl"),
        ("Size <M> or <L>, <XL>; name <your name>", "Size <M> or <L>, <XL>; name <your name>"),
        ("<o:p>Oak</o:p><blah>bowl</blah><x-y>!<BR>", "Oak bowl !"),
    ],
)
def test_tags_are_cut_before_entities_become_characters(raw, cleaned):
    assert clean_text(raw) == cleaned


def test_the_original_stays_beside_a_cleaned_text_only_where_they_differ():
    items = load_dataset("toyshop").items
    changed = items["title_raw"].notna()
    assert changed.sum() == 8
    assert (items.loc[changed, "title_raw"].map(clean_text) == items.loc[changed, "title"]).all()


def test_only_ratings_that_were_given_anew_are_repeats():
    events = pd.DataFrame({
        "user_id": list("aaaab"), "item_id": list("xxxxx"), "position": [3, 1, 2, 4, 1],
        "rating": [5, 2, np.nan, np.nan, 1], "event": ["rating", "rating", "view", "purchase", "rating"],
    })  # fmt: skip
    assert repeated_ratings(events).tolist() == [False, True, False, False, False]


def test_equal_times_keep_one_rating_whatever_the_order_of_rows():
    events = pd.DataFrame({"user_id": ["a", "a"], "item_id": ["x", "x"], "position": [1, 1], "rating": [5.0, 2.0]})
    for frame in (events, events.iloc[::-1]):
        assert frame.loc[~repeated_ratings(frame), "rating"].tolist() == [5.0]


def slow_k_core(events: pd.DataFrame, k: int) -> pd.DataFrame:
    while True:
        keep = events
        for mine, other in (("user_id", "item_id"), ("item_id", "user_id")):
            keep = keep[keep.groupby(mine)[other].transform("nunique") >= k]
        if len(keep) == len(events):
            return keep
        events = keep


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_k_core_agrees_with_removing_one_side_after_the_other(k):
    rng = np.random.default_rng(k)
    events = pd.DataFrame(
        {"user_id": rng.integers(0, 40, 200).astype(str), "item_id": rng.integers(0, 30, 200).astype(str)}
    )
    before = events.copy()
    pd.testing.assert_frame_equal(k_core(events, k), slow_k_core(events, k))
    pd.testing.assert_frame_equal(events, before)


def test_repeats_do_not_make_a_core():
    events = pd.DataFrame({"user_id": ["a"] * 5, "item_id": ["x"] * 5})
    assert k_core(events, 2).empty


def test_a_sample_holds_whole_shoppers_and_the_whole_catalogue():
    shop = load_dataset("toyshop")
    small = sample_users(shop, 100, seed=1)
    chosen = set(small.interactions["user_id"])
    assert len(chosen) == 100
    assert len(small.interactions) == shop.interactions["user_id"].isin(chosen).sum()
    assert set(small.reviews["user_id"]) <= chosen and set(small.users["user_id"]) == chosen
    assert len(small.items) == len(shop.items)


def test_the_draw_knows_ids_and_seed_but_not_behaviour():
    shop = load_dataset("toyshop")
    chosen = set(sample_users(shop, 100, seed=1).interactions["user_id"])
    fewer = replace(shop, interactions=shop.interactions.drop_duplicates("user_id").iloc[::-1])
    assert set(sample_users(fewer, 100, seed=1).interactions["user_id"]) == chosen
    assert set(sample_users(shop, 100, seed=2).interactions["user_id"]) != chosen
    assert sample_users(shop, 0) is shop


def test_impossible_sizes_are_refused():
    shop = load_dataset("toyshop")
    with pytest.raises(ParameterError, match="RK-321"):
        sample_users(shop, -1)
    with pytest.raises(ParameterError, match="RK-322"):
        k_core(shop.interactions, 0)


@pytest.mark.parametrize("number", [-1, 2.5, "3", None])
def test_counts_that_are_no_whole_numbers_are_refused(number):
    shop = load_dataset("toyshop")
    with pytest.raises(ParameterError, match="RK-321"):
        sample_users(shop, number)
    with pytest.raises(ParameterError, match="RK-322"):
        k_core(shop.interactions, number)


# -- unusual users, items and texts ------------------------------------------------------------------------------------


def clicks(user: str, gaps_s: np.ndarray, item: str = "x") -> pd.DataFrame:
    times = pd.Timestamp("2024-03-01", tz="UTC") + pd.to_timedelta(np.cumsum(gaps_s), unit="s")
    return pd.DataFrame({"user_id": user, "item_id": item, "timestamp": times})


def test_programs_are_flagged_and_busy_people_are_not():
    chance = np.random.default_rng(0)
    events = pd.concat([
        clicks("fast", chance.choice([1, 1, 1, 40], 200)),
        clicks("clock", np.full(200, 1800.0)),
        clicks("sleepless", chance.exponential(600, 800)),
        clicks("fast for a moment", np.ones(50)),
        clicks("one large order", np.zeros(5000)),
        clicks("one a day", np.full(300, 86_400.0)),
        clicks("reader", chance.choice([5, 20, 60, 40_000], 900)),
    ])  # fmt: skip
    assert find_bots(events).to_dict() == {
        "fast": "faster than a person",
        "clock": "regular as a clock",
        "sleepless": "never asleep",
    }
    whole = pd.DataFrame({"user_id": ["crawler"] * 500 + ["reseller"] * 300, "item_id": [*range(500), *range(300)]})
    assert find_bots(whole).to_dict() == {"crawler": "most of the catalogue"}
    assert find_bots(whole.iloc[:0]).empty


def test_bursts_of_top_ratings_are_flagged_and_a_liked_product_is_not():
    minutes = clicks("u", np.full(12, 60.0), "bought").assign(rating=5.0)
    liked = clicks("u", np.full(40, 50_000.0), "liked").assign(rating=5.0)
    mixed = clicks("u", np.full(12, 60.0), "mixed").assign(rating=[5.0, 2.0] * 6)
    assert find_bursts(pd.concat([minutes, liked, mixed])).to_dict() == {"bought": 12}
    assert find_bursts(minutes.drop(columns="rating")).empty


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        ("IT broke — after one   week of use!", True),
        ("It broke after one week of light use", True),
        ("It broke after two week of use", True),
        ("It broke after one week", False),
        ("It lasted after two week of use", False),
        ("broke", False),
        (None, False),
    ],
)
def test_a_text_that_repeats_another_but_for_a_word(text, repeats):
    texts = pd.Series(["It broke after one week of use", "broke", None, text], index=list("abcd"))
    assert find_near_duplicates(texts).tolist() == [False, False, False, repeats]


def test_texts_without_spaces_and_long_texts_are_compared_too():
    long = " ".join(f"w{n}" for n in range(100))
    texts = pd.Series(["这个茶壶很漂亮,质量也好", "这个茶壶很漂亮!质量也很好", long, long.upper(), long + " more"])
    assert find_near_duplicates(texts).tolist() == [False, True, False, True, False]


def unusual_shop():
    events = pd.concat([clicks("bot", np.full(200, 30.0)), clicks("ann", np.array([5.0, 80_000.0]))], ignore_index=True)
    texts = ["A pot that is well made", "a pot, that is well made!", "Nothing to say about it really"]
    reviews = pd.DataFrame({"review_id": ["1", "2", "3"], "text": texts, "user_id": ["ann", "ann", "bot"]})
    report = pd.DataFrame([report_entry("interactions", "kept in all", "kept", len(events)),
                           report_entry("reviews", "kept in all", "kept", 3)])  # fmt: skip
    return Dataset("shop", events, None, None, reviews, quarantine=pd.DataFrame(), report=report)


def test_flagging_removes_nothing_unless_it_is_asked_to():
    shop = unusual_shop()
    flagged = flag_unusual(shop)
    assert len(flagged.interactions) == 202 and len(flagged.reviews) == 3
    noted = flagged.report.query("action == 'noted'")[["table", "rule", "rows"]].values.tolist()
    assert noted == [
        ["interactions", "bots: regular as a clock", 200],
        ["reviews", "bots: regular as a clock", 1],
        ["reviews", "near-duplicates: like another text but for a word", 1],
    ]
    assert not flagged.report["example"].str.len().any()  # no ids of users
    dropped = flag_unusual(shop, drop="bots, near-duplicates")
    assert len(dropped.interactions) == 2 and dropped.reviews["review_id"].tolist() == ["1"]
    assert dropped.row_counts()["read"].to_dict() == flagged.row_counts()["read"].to_dict()
    assert dropped.row_counts()["dropped"].tolist() == [200, 2] and not dropped.row_counts()["deduplicated"].any()
    assert "dropped" not in flagged.row_counts()
    assert "interactions: 200 of 202 rows (99 %) dropped: bots: regular as a clock" in said_lines(
        dropped.report.to_dict("records")
    )
    of_bot = replace(shop, reviews=shop.reviews.assign(user_id="bot"))  # also a near-duplicate: dropped once
    assert flag_unusual(of_bot, drop="bots,near-duplicates").row_counts().loc[
        "reviews", ["kept", "dropped"]
    ].tolist() == [0, 3]
    with pytest.raises(ParameterError, match="RK-381"):
        flag_unusual(shop, drop="resellers")


def test_a_representative_sample_keeps_activity_better_than_chance_and_popularity_as_well():
    shop = load_dataset("toyshop", seed=7)
    even = {seed: sample_users(shop, 200, seed=seed, representative=True).interactions for seed in range(5)}
    assert {events["user_id"].nunique() for events in even.values()} == {200}
    assert even[0]["user_id"].unique().tolist() != even[1]["user_id"].unique().tolist()
    hashed = [sample_users(shop, 200, seed=seed).interactions for seed in range(5)]
    distance = [
        np.mean([compare_sample(shop.interactions, events)["distance"].tolist() for events in drawn], axis=0)
        for drawn in (even.values(), hashed)
    ]
    assert distance[0][0] < 0.6 * distance[1][0] and (distance[0] < 0.03).all(), distance
