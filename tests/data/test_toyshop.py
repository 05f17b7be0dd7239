import numpy as np
import pandas as pd
import pytest

from recsys_kit.data import load_dataset, split_interactions
from recsys_kit.data.toyshop import START, STYLES, make_toyshop
from recsys_kit.features.texts import item_texts
from tests.data.affinity import true_affinity


@pytest.fixture(scope="module")
def shop():
    return load_dataset("toyshop", seed=7)


@pytest.mark.parametrize("seed", [7, 8])
def test_every_planted_dirty_row_is_found_and_no_other(seed):
    shop = load_dataset("toyshop", seed=seed)
    found = shop.report.groupby("rule")["rows"].sum().drop("kept in all")
    assert found.to_dict() == shop.truth.dirty


def test_rows_add_up_in_every_table(shop):
    for table, counts in shop.row_counts().iterrows():
        assert counts["read"] == len(shop.truth.frames[table])
        assert counts["kept"] == len(getattr(shop, table)) - (2 if table == "items" else 0)  # two unknown items joined


def test_the_size_is_as_promised(shop):
    assert len(shop.users) == 1500
    assert 19_000 < len(shop.interactions) < 22_000
    assert 3_500 < len(shop.reviews) < 4_500


def test_same_seed_same_shop_another_seed_another():
    first, again, other = (make_toyshop(seed, n_users=60, n_items=80, n_events=600) for seed in (3, 3, 4))
    for name, frame in first.frames.items():
        pd.testing.assert_frame_equal(frame, again.frames[name])
    assert not first.frames["interactions"].equals(other.frames["interactions"])


def test_nothing_is_met_before_its_launch(shop):
    met = shop.interactions.merge(shop.items[["item_id", "created_at"]], on="item_id").dropna(subset="created_at")
    assert (met["timestamp"] > met["created_at"].dt.floor("D")).all()
    late = shop.items["created_at"] > START
    assert 0.06 < late.mean() < 0.14
    assert (~shop.items["item_id"].isin(shop.interactions["item_id"])).sum() >= 3


def test_every_star_has_its_share_and_five_is_commonest(shop):
    shares = shop.reviews["rating"].value_counts(normalize=True)
    assert shares.min() >= 0.04
    assert shares.idxmax() == 5
    assert shares[[4, 5]].sum() > 0.6


def test_shoppers_choose_what_suits_them(shop):
    events = shop.interactions.drop_duplicates(["user_id", "item_id"])
    chosen = true_affinity(shop.truth, events["user_id"], events["item_id"])
    chance = true_affinity(shop.truth, events["user_id"], events["item_id"].sample(frac=1, random_state=0))
    assert np.nanmean(chosen) - np.nanmean(chance) > np.nanstd(chance)


def test_affinity_is_nan_for_strangers(shop):
    assert np.isnan(true_affinity(shop.truth, ["nobody", "s0001"], ["0001", "nothing"])).all()


def test_words_follow_the_satisfaction(shop):
    happy = shop.reviews["text"].str.contains("love|perfect|joy", case=False)
    angry = shop.reviews["text"].str.contains("refund|broke|waste", case=False)
    assert shop.reviews.loc[happy, "rating"].mean() > 4
    assert shop.reviews.loc[angry, "rating"].mean() < 3


def test_a_style_shows_in_many_words_none_shared_by_two():
    from recsys_kit.data.toyshop_words import STYLES as WORDS

    words = [word for titles, phrases in WORDS.values() for word in (*titles, *phrases)]
    assert len(words) == len(set(words)) >= 16 * len(STYLES)


def test_every_listed_product_has_something_to_read(shop):
    texts = item_texts(shop.items)
    assert (texts.str.len() > 0).sum() == 800
    assert not texts.str.contains(r"[{}<>]|&\w+;").any()


def test_neighbours_beat_popularity_by_a_factor_of_two(shop):
    split = split_interactions(shop.interactions)
    truth, histories = split.ground_truth("test"), split.histories("test")
    train = split.train.drop_duplicates(["user_id", "item_id"])
    met = pd.crosstab(train["user_id"], train["item_id"]).clip(upper=1)
    together = met.T @ met
    norms = np.sqrt(np.diag(together))
    cosine = together / (np.outer(norms, norms) + 5) * (1 - np.eye(len(norms)))
    popularity = met.sum()
    hits = {"neighbours": 0, "popularity": 0}
    for user, wanted in truth.groupby("user_id")["item_id"]:
        had = [item for item in set(histories.get(user, [])) if item in cosine.index]
        for name, scores in (("neighbours", cosine.loc[had].sum()), ("popularity", popularity)):
            best = scores.drop(had).nlargest(10).index
            hits[name] += wanted.isin(best).sum()
    assert hits["neighbours"] >= 2 * hits["popularity"] > 0
