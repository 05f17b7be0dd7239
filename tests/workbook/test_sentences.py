"""The sentences of chapter 01, by hand: every number is computed, and what a data set lacks is not spoken of."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_kit.data import load_dataset, split_interactions
from recsys_kit.data.splitting import Split
from recsys_kit.data.tables import Dataset
from recsys_kit.schema import REPORT_COLUMNS
from recsys_kit.workbook.report import sentences

pytestmark = pytest.mark.filterwarnings("error")


def dataset(interactions=None, reviews=None, truth=None):
    report = pd.DataFrame([{"table": "interactions", "rule": "kept in all", "action": "kept", "rows": 3}])
    return Dataset("files", interactions, None, None, reviews, quarantine=pd.DataFrame(), report=report, truth=truth)


def frame(*rows):
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "event"])
    return events.assign(timestamp=pd.date_range("2025-01-01", periods=len(rows), freq="D", tz="UTC"))


SHOP = frame(
    ("a", "x", "view"), ("a", "x", "purchase"), ("a", "y", "view"), ("b", "x", "view"), ("b", "x", "swap"),
)  # fmt: skip


def test_the_built_in_shop_is_called_simulated_and_no_other():
    assert "**This shop is simulated.**" in sentences.introduction(load_dataset("toyshop"))
    assert "simulated" not in sentences.introduction(dataset(SHOP))


def test_the_kinds_of_events_are_counted_in_the_order_in_which_they_happen():
    table = sentences.funnel(SHOP)
    assert table.index.tolist() == ["view", "purchase", "swap", "all"]
    assert table["events"].tolist() == [3, 1, 1, 5]
    assert table["pairs of shopper and product"].tolist() == [3, 1, 1, 3]
    assert table["pairs without a view"].tolist() == [0, 0, 0, 0]
    assert "33% of the pairs of a shopper and a product were only viewed" in sentences.how_uneven(dataset(SHOP))


def test_the_density_names_its_products_and_pairs_without_a_view_are_counted():
    assert "of the pairs of a shopper and one of these 2 products have one" in sentences.introduction(dataset(SHOP))
    unseen = frame(("a", "x", "purchase"), ("a", "x", "purchase"), ("b", "x", "purchase"), ("b", "x", "view"))
    assert sentences.funnel(unseen)["pairs without a view"].to_dict() == {"view": 0, "purchase": 1, "all": 1}
    assert "pairs without a view" not in sentences.funnel(unseen[:3])


def test_texts_alone_have_no_sentence_about_shoppers():
    reviews = pd.DataFrame({"review_id": ["r1", "r2", "r3"], "text": list("abc"), "label": ["1", "1", "2"]})
    assert sentences.how_uneven(dataset(reviews=reviews)) == (
        "**Labels:** 2 different ones; the most frequent has 67% of the texts."
    )
    assert "shoppers" not in sentences.introduction(dataset(reviews=reviews))


def test_cold_shoppers_are_those_without_training_and_some_of_them_have_a_history():
    events = frame(("a", "x", ""), ("late", "x", ""), ("late", "y", ""), ("new", "x", ""), ("a", "z", ""))
    split = Split(events[:1], events[1:2], events[2:], events[:0])
    said = sentences.cold_start(split)
    assert "Of the **3** shoppers in the test set **2** are *cold*" in said
    assert "**1** of them is new to the model, but not to the shop" in said
    assert "**1** of them has no history: they get bestsellers." in said
    assert "**2** products of the test set have no interaction in the training set" in said
    assert "To predict: 3 pairs of a shopper and a product that is not in their history, for 3 shoppers." in said


def test_cold_shoppers_of_the_core_are_not_said_to_have_come_late():
    events = frame(("a", "x", ""), ("core", "x", ""), ("both", "y", ""), ("both", "x", ""), ("late", "y", ""))
    test = frame(*[(user, "z", "") for user in ("a", "core", "both", "late", "new")])
    said = sentences.cold_start(Split(events[:1], events[3:], test, events[1:3]))
    assert "**4** are *cold*" in said
    assert "**2** of them are new to the model, but not to the shop: they have a history from the time" in said
    assert "**1** of them has a history of events that the k-core set aside" in said
    assert "**1** of them has no history" in said


def test_a_shop_without_new_shoppers_is_not_said_to_have_any():
    said = sentences.cold_start(split_interactions(frame(*[("a", f"i{n}", "") for n in range(20)])))
    assert "**0** are *cold*" in said and "not to the shop" not in said and "no history" not in said
    assert "k-core" not in said


def test_answers_are_listed_where_they_differ_from_the_default_and_flags_are_told_elsewhere():
    rules = [
        ("interactions", "80 of 100 ids", "cautioned", 20, ""),
        ("reviews", "near-duplicates: like another", "noted", 9, ""),
        ("interactions", "repeated rating", "noted", 3, ""),
        ("items", "negative price", "repaired", 2, ""),
    ]
    shop = replace(dataset(SHOP), report=pd.DataFrame(rules, columns=REPORT_COLUMNS))
    said = sentences.asked(shop, {"split": "time", "columns": "user_id=who"}).splitlines()
    assert said == [
        "- `columns` was given as `user_id=who`.",
        "- Caution, interactions: 80 of 100 ids.",
        "- Repaired, items: negative price (2).",
        "- Noted, interactions: repeated rating (3).",
    ]
    assert "No option was given" in sentences.asked(shop, {"split": "time", "columns": ""})
    named = sentences.asked(replace(shop, name="online-retail"), {"split": "time"})
    assert "No option was given" not in named and "`user_id=CustomerID|Customer ID:null=drop" in named
    assert "`split` was given as `random`" in sentences.asked(shop, {"split": "random"})


def test_the_question_that_is_shown_is_the_one_of_the_door():
    said = sentences.example_question(frame(*[(f"u{n}", "x", "view") for n in range(100)]))
    assert said.startswith("RK-162") and "in 34 of 100 rows" in said and "null=NULL" in said
    assert sentences.example_question(SHOP).startswith("Nothing is asked")


def test_texts_are_shown_where_cleaning_changed_them():
    long = "A pot that is described at some length, in words that nobody changed"
    raw = [f"{long} &amp; more", "Two  spaces", None]
    items = pd.DataFrame({"item_id": list("xyz"), "title": [f"{long} & more", "Two spaces", "A"], "title_raw": raw})
    shown = sentences.cleaned_texts(replace(dataset(), items=items))
    assert shown["as it came"].tolist() == ["… changed &amp; more", "Two␣␣spaces"]
    assert shown["cleaned"].tolist() == ["… changed & more", "Two spaces"]


def test_near_duplicates_are_shown_beside_the_text_that_they_are_like():
    texts = ["So small that it broke", "A lovely pot, and well made", "a LOVELY pot and very well made!", "A pot"]
    reviews = pd.DataFrame({"text": [*texts, texts[0], None]})
    said = f"- “{texts[2]}” is like the earlier “{texts[1]}”"
    assert sentences.near_duplicates(dataset(reviews=reviews)) == said
    assert sentences.near_duplicates(dataset(reviews=reviews[1:3])) == said
    assert sentences.near_duplicates(dataset(SHOP)) == sentences.near_duplicates(dataset(reviews=reviews[:2])) == ""
    assert sentences.near_duplicates(dataset(reviews=reviews[:0])) == ""


def test_the_best_described_rows_keep_their_order():
    history = pd.DataFrame({"timestamp": [1, 2, 3], "item_id": list("xyz"), "title": [None, "A pot", "A bowl"]})
    assert sentences.first_rows(history, 3)["timestamp"].tolist() == [1, 2, 3]
    assert "attributes" not in sentences.first_rows(pd.DataFrame({"item_id": ["x"], "title": "A", "attributes": [[]]}))


@pytest.mark.parametrize(
    ("at_random", "by_time", "gap"),
    [
        ((0.3, 0.28, 0.32), (0.1, 0.08, 0.12), "0.200 ± 0.028: the random split flatters, by a factor of 3.0."),
        ((0.3, 0.1, 0.5), (0.2, 0.0, 0.4), "0.100 ± 0.283: no significant difference."),
        ((0.3, np.nan, np.nan), (0.1, 0.08, 0.12), "0.200: too few shoppers to tell."),
        ((0.3, 0.28, 0.32), (0.0, 0.0, 0.0), "0.300 ± 0.020: the random split flatters."),
        ((0.3, 0.28, 0.32), (0.4, 0.38, 0.42), "-0.100 ± 0.028: here the random split is the harder one."),
    ],
)  # fmt: skip
def test_which_split_is_kinder(at_random, by_time, gap):
    rows = [("als", "at random", *at_random), ("als", "by time", *by_time)]
    said = sentences.kinder_cut(pd.DataFrame(rows, columns=["model", "group", "value", "low", "high"]))
    assert said.startswith("**als**: 0.300 at random") and said.endswith(f" The gap is {gap}")
