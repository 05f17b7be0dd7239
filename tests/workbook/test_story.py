"""The shopper and the product of the story are warm, tested and known to each other."""

import pandas as pd

from recsys_kit.data import load_dataset, split_interactions
from recsys_kit.workbook.story import choose_product, choose_shopper


def test_the_shopper_is_warm_and_has_ground_truth_and_interacted_with_the_product():
    shop = load_dataset("toyshop", seed=7)
    split = split_interactions(shop.interactions)
    shopper = choose_shopper(split)
    product = choose_product(split, shop.items, shopper)
    history = split.train.loc[split.train["user_id"] == shopper, "item_id"]
    assert shopper in set(split.ground_truth("test")["user_id"])
    assert history.nunique() >= 5
    assert product in set(history)


def test_if_no_warm_user_has_ground_truth_the_longest_history_is_chosen():
    pairs = [pair.split(":") for pair in ["a:x", "b:x", "b:y", "a:z", "b:w", "c:x", "c:y", "c:z", "d:x", "e:y"]]
    times = pd.date_range("2025-01-01", periods=len(pairs), tz="UTC")
    frame = pd.DataFrame(pairs, columns=["user_id", "item_id"]).assign(timestamp=times)
    split = split_interactions(frame)
    assert set(split.ground_truth("test")["user_id"]) == {"e"}
    assert choose_shopper(split) in {"b", "c"}
