import time

import numpy as np
import pandas as pd
import pytest

from recsys_kit.core.events import order_events
from recsys_kit.core.ids import item_hash
from recsys_kit.data import RawTables, clean, validate
from recsys_kit.data.questions import count_ids, find_giant
from recsys_kit.data.tables import as_codes, is_present
from recsys_kit.errors import DataError

DAY = "2024-05-01T10:00:00"


def numbered(rows: list[dict]) -> pd.DataFrame:
    return pd.DataFrame(rows, index=range(1, len(rows) + 1))


def event(user_id="u", item_id="i", timestamp=DAY, rating="4", **more) -> dict:
    return {"user_id": user_id, "item_id": item_id, "timestamp": timestamp, "rating": rating} | more


def through_the_door(events: list[dict], **frames: pd.DataFrame):
    return validate(RawTables("made", {"interactions": numbered(events), **frames}))


@pytest.mark.parametrize(
    "identifier",
    ["007", "7", "NA", "None", "null", "nan", "True", "1E5", "100000", "-3", "0", "9007199254740993", " x"],
)
def test_ids_stay_exactly_as_written(identifier):
    dataset = through_the_door([event(user_id=identifier, item_id=identifier), event()])
    assert dataset.interactions["user_id"].tolist() == [identifier, "u"]
    assert dataset.items["item_id"].tolist() == [identifier, "i"]


@pytest.mark.parametrize(
    ("bad", "column", "rule", "value"),
    [
        ({"user_id": ""}, "user_id", "missing user_id", ""),
        ({"user_id": None}, "user_id", "missing user_id", ""),
        ({"item_id": "  "}, "item_id", "missing item_id", "  "),
        ({"timestamp": None}, "timestamp", "missing timestamp", ""),
        ({"timestamp": "soon"}, "timestamp", "time cannot be read", "soon"),
        ({"timestamp": "2024-02-30"}, "timestamp", "time cannot be read", "2024-02-30"),
        ({"timestamp": "1970-01-01"}, "timestamp", "time out of range", "1970-01-01"),
        ({"timestamp": "2099-01-01"}, "timestamp", "time out of range", "2099-01-01"),
        ({"rating": "five"}, "rating", "rating is not a number", "five"),
        ({"rating": "9"}, "rating", "rating out of range", "9"),
        ({"rating": "-1"}, "rating", "rating out of range", "-1"),
        ({"rating": "inf"}, "rating", "rating out of range", "inf"),
        ({"quantity": "0"}, "quantity", "quantity not above zero: cancelled", "0"),
        ({"quantity": "-3"}, "quantity", "quantity not above zero: cancelled", "-3"),
        ({"quantity": "many"}, "quantity", "quantity is not a number", "many"),
    ],
)
def test_a_bad_row_goes_to_quarantine_with_its_number_rule_and_value(bad, column, rule, value):
    dataset = through_the_door([event(), event(**bad), event(user_id="v")])
    assert dataset.quarantine.to_dict("records") == [
        {"table": "interactions", "row": 2, "column": column, "rule": rule, "value": value}
    ]
    assert dataset.interactions["user_id"].tolist() == ["u", "v"]


@pytest.mark.parametrize("position", ["soon", "1.5", "", None])
def test_a_position_that_is_no_whole_number_goes_to_quarantine(position):
    rows = [{"user_id": "u", "item_id": item, "position": place} for item, place in (("x", "1"), ("y", position))]
    dataset = through_the_door(rows)
    assert dataset.interactions["position"].tolist() == [1]
    assert dataset.quarantine["column"].tolist() == ["position"]


def test_a_row_that_breaks_two_rules_is_quarantined_once_for_the_first():
    dataset = through_the_door([event(), event(user_id="", rating="nine", timestamp="never")])
    assert dataset.quarantine["rule"].tolist() == ["missing user_id"]


def test_a_missing_rating_is_no_fault():
    dataset = through_the_door([event(rating=None)])
    assert dataset.quarantine.empty
    assert np.isnan(dataset.interactions["rating"][0])


def test_types_are_strings_floats_and_utc_times():
    frame = through_the_door([event(timestamp="2024-05-01T12:00:00+02:00")]).interactions
    assert str(frame["timestamp"].dtype) == "datetime64[ns, UTC]"
    assert frame["timestamp"][0] == pd.Timestamp("2024-05-01T10:00:00Z")
    assert (str(frame["user_id"].dtype), str(frame["rating"].dtype)) == ("str", "float64")


def test_a_negative_or_unreadable_price_is_repaired_not_lost():
    items = numbered(
        [{"item_id": "i", "price": "-5"}, {"item_id": "j", "price": "cheap"}, {"item_id": "k", "price": "7.5"}]
    )
    dataset = through_the_door([event()], items=items)
    assert dataset.items["price"].fillna(0).tolist() == [0, 0, 7.5]
    repaired = dataset.report.query("action == 'repaired'").set_index("rule")["rows"].to_dict()
    assert repaired == {"negative price": 1, "price is not a number": 1}


def test_of_an_item_listed_twice_the_first_stays():
    items = numbered([{"item_id": "i", "title": "first"}, {"item_id": "i", "title": "second"}])
    dataset = through_the_door([event()], items=items)
    assert dataset.items["title"].tolist() == ["first"]
    assert dataset.row_counts().loc["items"].tolist() == [2, 1, 1, 0]


def test_an_unknown_item_joins_the_catalogue_and_is_noted():
    dataset = through_the_door(
        [event(), event(item_id="new"), event(item_id="new")], items=numbered([{"item_id": "i", "title": "I"}])
    )
    assert dataset.items["item_id"].tolist() == ["i", "new"]
    assert dataset.report.query("rule == 'item not in the catalogue'")["rows"].tolist() == [2]
    assert dataset.row_counts().loc["items"].tolist() == [1, 1, 0, 0]


def test_an_empty_review_is_quarantined_from_reviews_only():
    reviews = numbered([{"review_id": "r", "text": " "}, {"review_id": "s", "text": "Fine"}])
    dataset = through_the_door([event(review_id="r"), event(review_id="s")], reviews=reviews)
    assert len(dataset.interactions) == 2
    assert dataset.reviews["review_id"].tolist() == ["s"]
    assert dataset.quarantine["rule"].tolist() == ["empty review text"]


def test_rows_read_are_kept_deduplicated_or_quarantined():
    dataset = clean(through_the_door([event(), event(), event(user_id=""), event(user_id="v"), event(rating="9")]))
    assert dataset.row_counts().loc["interactions"].to_dict() == {
        "read": 5,
        "kept": 2,
        "deduplicated": 1,
        "quarantined": 2,
    }
    assert len(dataset.interactions) == 2


def test_the_same_event_with_another_rating_is_kept_named_and_counted():
    dataset = clean(through_the_door([event(rating="4"), event(rating="5"), event(rating="4")]))
    assert dataset.interactions["rating"].tolist() == [4.0, 5.0]
    counts = dataset.report.set_index("rule")["rows"]
    assert (counts["exact duplicate"], counts["repeated rating"]) == (1, 1)


def test_a_missing_value_is_no_key_and_a_text_of_nan_is_one():
    dataset = through_the_door([event(user_id="nan"), event(user_id=None), event(user_id=np.nan), event(user_id="")])
    assert dataset.interactions["user_id"].tolist() == ["nan"]
    assert dataset.quarantine["rule"].tolist() == ["missing user_id"] * 3


def test_numbers_and_texts_are_the_same_keys():
    items = numbered([{"item_id": "7", "title": "Bowl"}])
    dataset = through_the_door([event(item_id=7), event(item_id="7", user_id="v")], items=items)
    assert dataset.interactions["item_id"].tolist() == ["7", "7"]
    assert dataset.items["item_id"].tolist() == ["7"]


def test_an_item_that_nobody_met_stays_in_the_catalogue():
    items = numbered([{"item_id": "i"}, {"item_id": "never met"}])
    assert through_the_door([event()], items=items).items["item_id"].tolist() == ["i", "never met"]


def test_ids_of_another_form_are_kept_apart_and_noted_without_naming_a_shopper():
    dataset = through_the_door([event(user_id="Jo\u00e9"), event(user_id="Joe\u0301"), event(user_id="Joe")])
    noted = dataset.report.query("rule.str.startswith('user_id looks like another')")
    assert noted[["rows", "example"]].to_numpy().tolist() == [[2, ""]]
    assert dataset.interactions["user_id"].nunique() == 3


def test_ids_that_went_through_a_spreadsheet_are_noted_and_stay():
    dataset = through_the_door([event(user_id="17850.0"), event(user_id="17850"), event(item_id="v1.0")])
    assert dataset.interactions["user_id"].tolist() == ["17850.0", "17850", "u"]
    assert dataset.report.query("rule.str.contains('.0', regex=False)")["rows"].tolist() == [1, 1]  # noted, a caution


def test_nothing_valid_says_which_rules_were_broken_where():
    with pytest.raises(DataError, match=r"RK-106 .*missing user_id in 2 of 2 rows \(row 1 '', row 2 ''\)"):
        through_the_door([event(user_id=""), event(user_id="")])


def test_a_hundred_thousand_bad_rows_are_quarantined_in_a_moment():
    frame = pd.DataFrame({"user_id": ["u", ""] * 100_000, "item_id": "i", "timestamp": DAY}, index=range(1, 200_001))
    started = time.monotonic()
    dataset = validate(RawTables("made", {"interactions": frame}, readings={"interactions": {"user_id": "null=drop"}}))
    assert time.monotonic() - started < 10  # 0.5 s on an idle machine
    assert len(dataset.quarantine) == 100_000


def test_a_missing_column_is_named_with_the_fix():
    with pytest.raises(DataError, match=r"RK-104 interactions is missing column 'timestamp'; found .*'ts'.*columns="):
        validate(RawTables("made", {"interactions": numbered([{"user_id": "u", "item_id": "i", "ts": DAY}])}))


def test_nothing_valid_is_an_error():
    with pytest.raises(DataError, match="RK-106"):
        through_the_door([event(user_id="")])


def test_the_raw_frames_are_not_changed():
    frame = numbered([event(user_id=""), event(price="-1"), event()])
    before = frame.copy(deep=True)
    clean(validate(RawTables("made", {"interactions": frame})))
    pd.testing.assert_frame_equal(frame, before)


def test_canonical_order_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(0)
    events = pd.DataFrame({"user_id": rng.choice(list("abc"), 200), "item_id": rng.choice(list("xyz"), 200)})
    events = events.assign(
        timestamp=pd.Timestamp(DAY, tz="UTC") + pd.to_timedelta(rng.integers(0, 3, 200), unit="D"),
        rating=rng.integers(1, 6, 200) * 1.0,
    )
    ordered = order_events(events)
    pd.testing.assert_frame_equal(order_events(events.sample(frac=1, random_state=1)), ordered)
    ties = ordered[ordered.duplicated(["user_id", "timestamp"], keep=False)]
    for _, tied in ties.groupby(["user_id", "timestamp"]):
        assert (np.diff(item_hash(tied["item_id"]).astype(float)) >= 0).all()


def test_item_hash_is_fixed_and_tells_ids_apart():
    assert item_hash(["0417"])[0] == 16775426987203270136
    assert len(set(item_hash([str(number) for number in range(10_000)]))) == 10_000


def test_ids_as_codes_are_counted_like_texts_and_an_empty_field_is_missing():
    ids = pd.Series(["b", "", None, "a", " ", "b"], index=range(1, 7), dtype="str")
    coded = as_codes(ids)
    assert coded.drop_duplicates().dropna().astype("str").tolist() == ["b", "a", " "]
    assert coded.index.tolist() == ids.index.tolist()
    assert is_present(coded).tolist() == is_present(ids).tolist() == [True, False, False, True, False, True]
    gone, kept = [f"gone {n}" for n in range(500)], [*"bcdefghijk"] * 3 + ["a"] * 50
    assert (
        find_giant(count_ids(pd.Series(kept)))
        == find_giant(count_ids(as_codes(pd.Series(gone + kept))[len(gone) :]))
        == 0
    )
    assert find_giant(count_ids(as_codes(pd.Series(gone + kept)))) == 50
