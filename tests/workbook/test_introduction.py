"""Chapter 04 fits its models family by family on one encoded split, and shows what each would list."""

import pytest

from recsys_kit.recommenders import EASE, Hybrid, validation_ndcg
from recsys_kit.shop.showcase import Showcase
from recsys_kit.testing.planted import planted_shop
from recsys_kit.workbook.introduction import Introduction
from recsys_kit.workbook.lineup import choose

SHOP = planted_shop()
NAMES = ["item_knn", "ease"]


@pytest.fixture
def split():
    return SHOP.encode()


def introduce(split, **options):
    skipped = []
    history = SHOP.train.query("user_id == 'u0'")["item_id"].tolist() or SHOP.train["item_id"].head(3).tolist()
    chosen, _ = choose(split, names=NAMES)
    showcase = Showcase({}, SHOP.items, SHOP.train.groupby("user_id")["item_id"].agg(list))
    return Introduction(split, chosen, showcase, history, lambda *note: skipped.append(note), **options), skipped


def test_a_family_is_fitted_once_and_each_model_has_a_column_and_its_seconds(split):
    lineup, skipped = introduce(split)
    lineup.introduce("popularity")
    table = lineup.introduce("neighbours", "factors")
    assert list(lineup.fitted) == list(lineup.seconds) == ["popularity", *NAMES]
    assert list(table) == NAMES and list(table.index[:5]) == [1, 2, 3, 4, 5]
    assert "bestsellers" in table.index
    assert all(model.items is split.items for model in lineup.fitted.values())
    assert not skipped


def test_a_family_without_a_chosen_model_is_skipped_with_a_reason(split):
    lineup, skipped = introduce(split)
    assert lineup.introduce("networks", "formulas") is None
    assert skipped == [("networks, formulas", "none of these models is among the chosen")]


def test_tuning_chooses_for_models_with_options_and_fits_no_member_again(split):
    lineup, _ = introduce(split, tuned=True)
    tuned, plain = lineup.fit("ease", EASE(regularization=1e-6)), EASE(regularization=1e-6).fit(split)
    reached = validation_ndcg({"tuned": tuned, "plain": plain}, split, k=10)
    assert reached["tuned"] > reached["plain"]
    blend = lineup.fit("hybrid", Hybrid(dict(lineup.fitted)))
    assert blend.members["ease"] is tuned
