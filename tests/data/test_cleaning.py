from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_kit.data import clean_text, k_core, load_dataset, repeated_ratings, sample_users
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
