import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_kit.core.events import order_events
from recsys_kit.data import (
    Split,
    assign_parts,
    audit_split,
    leak_counts,
    load_dataset,
    split_at_random,
    split_interactions,
)
from recsys_kit.data import k_core as keep_k_core
from recsys_kit.errors import DataError, ParameterError


@pytest.fixture(scope="module")
def shop():
    return load_dataset("toyshop", seed=7)


@pytest.fixture(scope="module")
def split(shop):
    return split_interactions(shop.interactions)


def events(rows: str, **columns) -> pd.DataFrame:
    """`"a:x a:y b:x"` as events in this order, one position and one day each."""
    pairs = [pair.split(":") for pair in rows.split()]
    days = pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(np.arange(len(pairs)), unit="D")
    frame = pd.DataFrame(pairs, columns=["user_id", "item_id"], dtype="str")
    return frame.assign(timestamp=days, **columns)


def pairs(frame: pd.DataFrame) -> str:
    return " ".join(frame["user_id"] + ":" + frame["item_id"])


def test_time_cuts_eighty_ten_ten(shop, split):
    assert [round(len(part) / len(shop.interactions), 2) for part in (split.valid, split.test)] == [0.1, 0.1]
    assert split.train["timestamp"].max() < pd.Timestamp(split.how["cuts"][0]) <= split.valid["timestamp"].min()
    assert split.valid["timestamp"].max() < pd.Timestamp(split.how["cuts"][1]) <= split.test["timestamp"].min()


def test_equal_times_are_never_cut_apart():
    frame = events("a:x " * 10).assign(timestamp=pd.to_datetime(["2025-01-01"] * 5 + ["2025-01-02"] * 5, utc=True))
    split = split_interactions(frame.assign(item_id=list("qwertyuiop")))
    assert (len(split.train), len(split.valid), len(split.test)) == (5, 0, 5)


def test_microsecond_times_cut_like_nanosecond_times(shop, split):
    micro = shop.interactions.assign(timestamp=shop.interactions["timestamp"].dt.as_unit("us"))
    assert split_interactions(micro).how == split.how


def test_leave_last_out_takes_the_newest_item_with_all_that_follows():
    frame = events("a:x a:y a:x a:z a:z b:x b:y c:x c:y c:x c:z c:y")
    split = split_interactions(frame, method="leave_last_out")
    assert pairs(split.train) == "a:x b:x b:y c:x"
    assert pairs(split.valid) == "a:y a:x c:y c:x"
    assert pairs(split.test) == "a:z a:z c:z c:y"
    assert pairs(split.ground_truth("test")) == "a:z c:z"
    assert pairs(split.ground_truth("valid")) == "a:y c:y"


def test_sequences_without_time_are_left_last_out_and_refused_by_time():
    frame = events("a:x a:y a:z").drop(columns="timestamp").assign(position=[1, 2, 3])
    assert pairs(split_interactions(frame, method="leave_last_out").test) == "a:z"
    with pytest.raises(DataError, match=r"RK-109 .*leave_last_out"):
        split_interactions(frame)


def test_in_train_the_latest_rating_stays_and_the_rest_is_set_aside():
    frame = events("a:x a:x a:x b:y b:y c:z c:v c:w d:x d:x", rating=[1, 2, np.nan, 3, 3, 4, 4, 4, 5, 5])
    split = split_interactions(frame)
    assert split.set_aside[["item_id", "rating"]].to_numpy().tolist() == [["x", 1.0], ["y", 3.0]]
    assert pairs(split.train) == "a:x a:x b:y c:z c:v c:w"
    assert split.how["rated_again"] == 2


def test_the_k_core_acts_on_train_only_and_its_losses_stay_in_histories():
    frame = events("a:x a:y b:x b:y c:x a:lone b:x b:y e:new a:new2")
    split = split_interactions(frame, k_core=2)
    assert set(pairs(split.train).split()) == {"a:x", "a:y", "b:x", "b:y"}
    assert set(pairs(split.set_aside).split()) == {"c:x", "a:lone"}
    assert pairs(split.test) == "a:new2"
    assert split.histories("test")["c"] == ["x"]
    assert split.histories("test")["a"] == ["x", "y", "lone"]


def test_histories_are_oldest_first_and_grow_with_validation():
    split = split_interactions(events("a:x a:y b:z a:x a:v b:v a:w b:w a:q a:r"))
    assert split.histories("valid")["a"] == ["x", "y", "x", "v", "w"]
    assert split.histories("test")["a"] == ["x", "y", "x", "v", "w", "q"]
    with pytest.raises(ParameterError, match="RK-323"):
        split.histories("train")


def test_ground_truth_holds_each_new_pair_once():
    split = Split(
        train=events("a:x"), valid=events("a:v"), set_aside=events("b:s"),
        test=events("a:x a:v a:n a:n b:s b:n b:m", rating=[5, 5, 5, 1, 5, 2, np.nan], event=list("rrrrrrv")),
    )  # fmt: skip
    assert set(pairs(split.ground_truth("test")).split()) == {"a:n", "b:n", "b:m"}
    assert set(pairs(split.ground_truth("test", min_rating=4)).split()) == {"a:n", "b:m"}
    assert pairs(split.ground_truth("test", target_events=["v"])) == "b:m"


def stratified_by_the_book(frame: pd.DataFrame) -> set[str]:
    """The test pairs of the published protocol, item by item as its authors describe it."""
    draws = np.random.RandomState(42).rand(len(frame))
    drawn = frame.assign(draw=draws).sort_values(["item_id", "draw"])
    mine = [rows.iloc[round(0.75 * len(rows)) :] for _, rows in drawn.groupby("item_id")]  # halves to the even number
    return set(pairs(pd.concat(mine)).split())


def test_stratified_draws_a_quarter_of_each_item_as_published_and_a_tenth_of_the_rest(shop):
    frame = shop.interactions.drop_duplicates(["user_id", "item_id"])
    split = split_interactions(frame, method="stratified")
    assert set(pairs(split.test).split()) == stratified_by_the_book(frame)
    sizes = pd.DataFrame({name: part["item_id"].value_counts() for name, part in split.parts.items()}).fillna(0)
    n = sizes.sum(axis=1)
    assert (sizes["test"] == n - (0.75 * n).round()).all()
    assert ((sizes["valid"] - 0.075 * n).abs() <= 1).all() and len(split.valid) > 0.05 * len(frame)
    assert split.how["method"] == "stratified" and "the future leaks into train" in split.how["protocol"]


def test_stratified_goes_by_the_order_of_the_rows_and_is_asked_with_all_that_was_known(shop):
    one = split_interactions(shop.interactions, method="stratified")
    other = split_interactions(shop.interactions.sample(frac=1, random_state=3), method="stratified")
    assert not one.test.equals(other.test)
    assert one.train.equals(order_events(one.train))
    before = pd.concat([one.train, one.set_aside, one.valid])
    assert one.histories("test").map(len).sum() == len(before)


def test_stratified_fails_the_audit_in_time_and_in_nothing_else(shop):
    split = split_interactions(shop.interactions, method="stratified")
    broken = failed(split, shop.interactions, assign_parts(shop.reviews, split))
    assert broken == {"train ends before valid begins, valid before test"}
    sequences = shop.interactions.assign(position=shop.interactions.groupby("user_id").cumcount())
    sequences = sequences.drop(columns="timestamp")
    assert failed(split_interactions(sequences, method="stratified"), sequences) == broken


@pytest.mark.parametrize("method", ["time", "leave_last_out"])
def test_the_order_of_rows_does_not_matter_and_the_input_stays(shop, method):
    before = shop.interactions.copy(deep=True)
    one = split_interactions(shop.interactions, method=method, k_core=2)
    two = split_interactions(shop.interactions.sample(frac=1, random_state=3), method=method, k_core=2)
    assert list(one.parts) == ["train", "valid", "test", "set_aside"]
    for name, frame in one.parts.items():
        pd.testing.assert_frame_equal(frame, two.parts[name])
    pd.testing.assert_frame_equal(shop.interactions, before)


@pytest.mark.parametrize("method", ["time", "leave_last_out"])
def test_garbage_in_every_test_row_leaves_train_identical(shop, method):
    clean = split_interactions(shop.interactions, method=method, k_core=3)
    later = pd.concat([clean.valid, clean.test])
    garbage = later.assign(rating=1.0, event="garbage", price=-9.0, review_id="poison", ctx_device="?", quantity=99.0)
    poisoned = pd.concat([garbage, clean.train, clean.set_aside], ignore_index=True)
    again = split_interactions(poisoned, method=method, k_core=3)
    for name in ("train", "set_aside"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(clean, name))


@pytest.mark.parametrize(
    ("bad", "code"),
    [({"method": "by chance"}, "RK-324"), ({"shares": (0.9, 0.2, 0.1)}, "RK-325"), ({"k_core": 0}, "RK-322")],
)
def test_wrong_parameters_are_refused(shop, bad, code):
    with pytest.raises(ParameterError, match=code):
        split_interactions(shop.interactions, **bad)


def test_a_core_that_leaves_nothing_is_an_error(shop):
    with pytest.raises(DataError, match=r"RK-108 .*k_core=50"):
        split_interactions(shop.interactions, k_core=50)


# -- reviews -----------------------------------------------------------------------------------------------------------


def test_a_review_belongs_to_the_part_of_its_event(shop, split):
    parts = assign_parts(shop.reviews, split).set_index("review_id")["part"]
    for name in ("train", "valid", "test"):
        mine = getattr(split, name)["review_id"].dropna()
        mine = mine[mine.isin(parts.index)]
        assert len(mine) > 100 and (parts[mine] == name).all()


def test_a_review_without_event_follows_its_own_time(split):
    first, second = (pd.Timestamp(cut) for cut in split.how["cuts"])
    times = [first - pd.Timedelta("1s"), first, second - pd.Timedelta("1s"), second]
    reviews = pd.DataFrame({"review_id": list("abcd"), "text": "x", "timestamp": times})
    assert assign_parts(reviews, split)["part"].tolist() == ["train", "valid", "valid", "test"]


def test_reviews_without_event_and_time_are_drawn_by_seed_within_each_rating(split):
    reviews = pd.DataFrame({"review_id": [f"x{n}" for n in range(400)], "text": "x", "rating": [1.0, 5.0] * 200})
    parts = assign_parts(reviews, split, seed=1)
    shares = parts.groupby("rating")["part"].value_counts(normalize=True).unstack()
    np.testing.assert_allclose(shares[["train", "valid", "test"]], [[0.8, 0.1, 0.1]] * 2)
    shuffled = assign_parts(reviews.sample(frac=1, random_state=0), split, seed=1).sort_index()
    assert shuffled["part"].equals(parts["part"])
    assert not assign_parts(reviews, split, seed=2)["part"].equals(parts["part"])


# -- the audit must be able to fail ------------------------------------------------------------------------------------


def failed(split: Split, interactions: pd.DataFrame, reviews: pd.DataFrame | None = None) -> set[str]:
    audit = audit_split(split, interactions, reviews=reviews)
    return set(audit.loc[~audit["passed"], "check"])


@pytest.mark.parametrize("method", ["time", "leave_last_out"])
def test_an_honest_split_passes_every_check(shop, method):
    split = split_interactions(shop.interactions, method=method)
    assert failed(split, shop.interactions, assign_parts(shop.reviews, split)) == set()


def test_a_random_split_fails_the_audit(shop):
    assert "train ends before valid begins, valid before test" in failed(
        split_at_random(shop.interactions, seed=0), shop.interactions
    )


def test_leaks_are_counted_by_hand_and_an_honest_cut_has_none(shop, split):
    cut = Split(train=events("a:x b:y a:z b:w"), valid=events(""), test=events("c:x c:y a:v"), set_aside=events(""))
    assert leak_counts(cut) == {
        "training has later events of the shopper": 0.0,  # a: train until day 3, tested on day 3
        "training has only later events of the shopper": 0.0,
        "training ends after the event": 100.0,  # day 4 is after all three
        "training has no event of the shopper": pytest.approx(200 / 3),
    }
    at_random, honest = leak_counts(split_at_random(shop.interactions, seed=0)), leak_counts(split)
    assert at_random["training has later events of the shopper"] > 50
    assert honest["training ends after the event"] == 0


def test_each_planted_leak_is_caught(shop, split):
    one = split.test.iloc[[0]]
    lost = replace(split, test=split.test.iloc[1:])
    assert "every event is in exactly one part" in failed(lost, shop.interactions)
    twice = replace(split, train=pd.concat([split.train, one]))
    assert {"every event is in exactly one part", "train ends before valid begins, valid before test"} <= failed(
        twice, shop.interactions
    )
    again = replace(split, train=pd.concat([split.train, split.set_aside]), set_aside=split.set_aside.iloc[:0])
    assert "no item is rated twice by one shopper in train" in failed(again, shop.interactions)
    reviews = assign_parts(shop.reviews, split)
    moved = reviews.assign(part=reviews["part"].replace("test", "train"))
    assert "every review is in the part of its event" in failed(split, shop.interactions, moved)


def test_a_splitter_that_looks_at_the_future_is_caught(shop, split, monkeypatch):
    def looks_ahead(interactions, **options):
        honest = split_interactions(interactions, **options)
        return replace(honest, train=honest.train.iloc[int(honest.test["price"].max()) :])

    assert failed(split, shop.interactions) == set()
    monkeypatch.setattr("recsys_kit.data.audit.split_interactions", looks_ahead)
    leaky = looks_ahead(shop.interactions)
    assert "garbage in valid and test does not change train" in failed(leaky, shop.interactions)


def test_a_k_core_over_all_parts_is_caught(shop, monkeypatch):
    """The classic leak: what is rare before the cut, but not after it, stays in train."""

    def leaky(interactions, *, k_core, **options):
        dense = keep_k_core(interactions, k_core)
        split = split_interactions(dense, k_core=1, **options)
        left = order_events(pd.concat([split.set_aside, interactions.drop(index=dense.index)], ignore_index=True))
        period = left["timestamp"] < pd.Timestamp(split.how["cuts"][0])
        return replace(split, set_aside=left[period].reset_index(drop=True), how=split.how | {"k_core": k_core})

    monkeypatch.setattr("recsys_kit.data.audit.split_interactions", leaky)
    split = leaky(shop.interactions, k_core=5)
    assert "garbage in valid and test does not change train" in failed(split, shop.interactions)


def test_an_empty_validation_part_can_be_audited():
    frame = events("a:x a:y a:z b:x").assign(
        timestamp=pd.to_datetime(["2025-01-01"] * 2 + ["2025-01-02"] * 2, utc=True)
    )
    assert failed(split_interactions(frame), frame) == set()


def test_the_request_context_is_that_of_the_first_event_in_the_part():
    times = pd.date_range("2025-01-01", periods=10, tz="UTC")
    events = pd.DataFrame({"user_id": ["a"] * 10, "item_id": list("qwertyuiop"), "timestamp": times, "rating": 5.0,
                           "ctx_device": list("0123456789")})  # fmt: skip
    split = split_interactions(events, shares=(0.5, 0.1, 0.4))
    rows = split.request_context("test")
    assert rows.index.tolist() == ["a"]
    assert rows.loc["a"].to_dict() == {"timestamp": times[6], "ctx_device": "6"}


def viewed_then_bought() -> Split:
    """a viewed v and bought p; then buys v, views and buys n, buys p again."""
    return Split(
        train=events("a:v a:p b:v", event=["view", "purchase", "view"]), valid=events("b:w", event=["purchase"]),
        set_aside=events("a:o", event=["purchase"]), test=events("a:v a:n a:n a:p a:o b:v b:w", event=[
            "purchase", "view", "purchase", "purchase", "purchase", "view", "view",
        ]),
    )  # fmt: skip


def test_an_item_viewed_before_and_bought_later_counts_where_views_make_nothing_seen():
    split, bought = viewed_then_bought(), {"target_events": ["purchase"], "seen_events": ["purchase"]}
    assert pairs(split.ground_truth("test")) == "a:n"
    assert pairs(split.ground_truth("test", target_events=["purchase"])) == "a:n"
    assert set(pairs(split.ground_truth("test", **bought)).split()) == {"a:v", "a:n"}
    assert set(pairs(split.ground_truth("test", seen_events=["purchase"])).split()) == {"a:v", "a:n", "b:v"}
    assert split.seen_items("test", ["purchase"]).map(sorted).to_dict() == {"a": ["o", "p"], "b": ["w"]}
    assert split.seen_items("test").equals(split.histories("test"))


@pytest.mark.parametrize("option", ["target_events", "seen_events"])
def test_kinds_of_event_that_there_are_none_of_are_refused_with_those_found(option):
    split = viewed_then_bought()
    with pytest.raises(ParameterError, match=rf"RK-368 {option} names 'buy'; expected .*'purchase', 'view'"):
        split.ground_truth("test", **{option: ["buy"]})
    nameless = Split(*(part.drop(columns="event") for part in split.parts.values()))
    with pytest.raises(DataError, match="RK-110"):
        nameless.ground_truth("test", **{option: ["purchase"]})


def events_of_days(days: list[int]) -> pd.DataFrame:
    return pd.DataFrame({
        "user_id": [f"u{row % 40}" for row in range(len(days))],
        "item_id": [f"p{row * 7 % 60}" for row in range(len(days))],
        "timestamp": pd.Timestamp("2024-05-01", tz="UTC") + pd.to_timedelta(days, unit="D"),
    })  # fmt: skip


@pytest.mark.parametrize("n_days", [3, 4, 6])
@pytest.mark.parametrize("crowded", ["first", "last"])
def test_the_cut_that_is_proposed_works(n_days, crowded):
    usual = 0 if crowded == "first" else n_days - 1
    events = events_of_days([row // 20 % n_days if row % 20 == 0 else usual for row in range(2000)])
    with pytest.raises(DataError, match="RK-164") as refused:
        split_interactions(events)
    proposed = re.search(r"cut=([\d-]+)", str(refused.value))
    split = split_interactions(events, cut=proposed[1])
    assert len(split.train) and len(split.valid) and len(split.test)


def test_a_cut_is_proposed_only_where_one_works():
    with pytest.raises(DataError, match=r"RK-164.*split=random"):
        split_interactions(events_of_days([row % 2 for row in range(400)]))


def test_users_of_one_basket_cannot_be_cut_by_their_last_items():
    with pytest.raises(DataError, match="RK-164 no user has three different items at different times"):
        split_interactions(events_of_days([0] * 400), method="leave_last_out")
