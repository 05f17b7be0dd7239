"""Times however they were written, and the columns that are not what they seem."""

import numpy as np
import pandas as pd
import pytest

from recsys_kit.data import RawTables, validate
from recsys_kit.data.times import guess_clock, read_times
from recsys_kit.errors import DataError

NOON = "2014-05-13 16:53:20+00:00"  # 1,400,000,000 s after 1970


def read(*values: object, **options) -> list[str]:
    return read_times(pd.Series(list(values), dtype=object), **options).values.astype("str").fillna("-").tolist()


@pytest.mark.parametrize(
    "text",
    [
        "1400000000", "1400000000.0", "1.4e9", "1400000000000", "1400000000000000", "1400000000000000000",
        "2014-05-13T16:53:20Z", "2014-05-13 16:53:20", "2014-05-13T18:53:20+02:00", "2014-05-13T12:53:20.000-0400",
        "20140513165320", "2014/5/13 16:53:20", "2014年5月13日 16:53:20", "May 13, 2014 16:53:20",
        "13 May 2014 4:53:20 PM", "13/5/2014 16:53:20", "5/13/2014 4:53:20 PM", "13.05.2014 16:53:20", " 1400000000 ",
    ],
)  # fmt: skip
def test_the_same_moment_in_any_writing(text):
    assert read(text)[0][:19] == NOON[:19]


def test_a_mixture_of_units_is_read_row_by_row():
    texts = ["1400000000", "1400000000000", "1400000000000000", "2014-05-13T16:53:20Z", None]
    assert [value[:19] for value in read(*texts)] == [NOON[:19]] * 4 + ["-"]


def test_a_number_of_no_unit_takes_that_of_the_others_and_falls_out_of_range():
    assert read("1400000000000", "1400000000001", "99")[2].startswith("1970-01-01 00:00:00.099")
    assert read("1400000000", "99")[1].startswith("1970-01-01 00:01:39")


@pytest.mark.parametrize(
    "text",
    ["2024-02-30", "31/4/2024", "2024-13-01", "20240532", "last Tuesday", "soon", "nan", "inf", "1e30", "25:00", ""],
)
def test_impossible_dates_are_no_time(text):
    assert read(text, "2024-01-31") == ["-", "2024-01-31 00:00:00+00:00"]


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31", "31/12/9999", "1677-01-01"])
def test_dates_that_nanoseconds_cannot_hold_are_out_of_range(text):
    shop = door([text, "2024-12-31"])
    assert shop.quarantine[["rule", "value"]].to_numpy().tolist() == [["time out of range", text]]


def test_the_order_of_day_and_month_is_learned_from_the_dates_that_leave_no_choice():
    assert read("1/2/2024", "13/2/2024")[0].startswith("2024-02-01")
    assert read("1/2/2024", "2/13/2024")[0].startswith("2024-01-02")
    assert read("1/2/2024", order="day-first")[0].startswith("2024-02-01")
    assert read("1/2/2024", order="month-first")[0].startswith("2024-01-02")


def test_a_few_contradicting_dates_are_unreadable_many_leave_it_open():
    few = read_times(pd.Series(["13/2/2024"] * 30 + ["2/13/2024"]))
    assert not few.orders and few.values.isna().sum() == 1
    assert read_times(pd.Series(["13/2/2024"] * 3 + ["2/13/2024"])).orders
    assert read_times(pd.Series(["1/2/2024", "3/4/2024"])).orders
    assert not read_times(pd.Series(["2024-01-02"])).orders


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2023-07-02 09:00:00 Europe/Berlin", "07"), ("2023-01-02 09:00:00 Europe/Berlin", "08"),
        ("2023-07-02 09:00 Etc/GMT+5", "14"), ("2023-07-02 09:00:00 CEST", "07"), ("2.7.2023 9:00 Uhr MESZ", "07"),
        ("13/7/2023 9:00 AM America/New_York", "13"), ("2023-07-02T09:00:00+02:00[Europe/Berlin]", "07"),
        ("Sun Jul 02 09:00:00 JST 2023", "00"), ("Jul 2, 2023 09:00 (UTC-5:30)", "14"),
    ],
)  # fmt: skip
def test_names_of_zones_are_read(text, hour):
    assert read(text, order="day-first")[0][11:13] == hour


def test_an_hour_that_a_clock_skips_or_shows_twice_is_no_time():
    assert read("2023-03-26 02:30 Europe/Berlin", "2023-10-29 02:30 Europe/Berlin") == ["-", "-"]


@pytest.mark.parametrize("zone", ["CST", "AMT", "Europe/Nowhere"])
def test_names_of_several_zones_are_no_zone_and_that_is_said(zone):
    with pytest.raises(DataError, match=f"RK-144 .* {zone} is no zone, or several: write the hours"):
        door([f"2023-07-{day:02} 09:00:00 {zone}" for day in range(1, 30)])


def test_years_of_two_digits_in_front_are_learned_or_asked():
    assert read("18-01-30", "19-02-01") == ["2018-01-30 00:00:00+00:00", "2019-02-01 00:00:00+00:00"]
    assert read("30.01.18", "01.02.19") == ["2018-01-30 00:00:00+00:00", "2019-02-01 00:00:00+00:00"]
    assert read("12/30/98") == ["1998-12-30 00:00:00+00:00"]
    either = ["18-01-20", "19-02-03"] * 20
    with pytest.raises(DataError, match=r"RK-145 .*:day-first.*:year-first"):
        door(either)
    assert set(door(either, timestamp="year-first").interactions["timestamp"].dt.year) == {2018, 2019}


@pytest.mark.parametrize(
    ("values", "clock"),
    [(["40513.35"], "excel-days"), (["19000"], "unix-days"), (["2015"], "years"), (["1", "2"], "")],
)
def test_other_clocks_are_recognised(values, clock):
    assert guess_clock(pd.Series(values)).startswith(clock)


# -- at the door -------------------------------------------------------------------------------------------------------


def door(times: list[str], ratings: list[str] | None = None, **readings: str):
    frame = pd.DataFrame(
        {"user_id": [f"u{n}" for n in range(len(times))], "item_id": "i", "timestamp": times},
        index=range(2, len(times) + 2),
    )
    if ratings:
        frame["rating"] = ratings
    return validate(RawTables("made", {"interactions": frame}, readings={"interactions": readings}))


def test_the_report_says_how_numbers_were_read():
    shop = door(["1400000000000"] * 3 + ["1400000000"])
    noted = shop.report.query("action == 'noted'").set_index("rule")["rows"].to_dict()
    assert noted == {"timestamp read as ms": 3, "timestamp read as s": 1}


def test_times_that_lost_their_digits_in_a_spreadsheet_are_said():
    said = "timestamp read as ms in scientific notation: digits are lost, exact to 1,000 s only"
    lost = door([f"1.67265{n}E+12" for n in range(10)] * 3).report.query("action == 'cautioned'")
    assert said in lost["rule"].tolist()
    whole = door([f"1.67265{n}123e9" for n in range(10)]).report.query("action == 'cautioned'")
    assert not whole["rule"].str.contains("digits are lost").any()


def test_a_few_times_out_of_range_are_quarantined_nearly_all_refuse_the_file_with_a_guess():
    shop = door(["2024-05-01"] * 50 + ["1400"] * 9)
    assert shop.quarantine["rule"].value_counts().to_dict() == {"time out of range": 9}
    with pytest.raises(DataError, match=r"RK-144 .*20 of 21 rows .*row 2 '40513'.*days of a spreadsheet"):
        door(["40513"] * 20 + ["2024-05-01"])
    with pytest.raises(DataError, match=r"RK-144 .*position=timestamp"):
        door([str(n) for n in range(1, 30)])


def test_times_that_cannot_be_read_refuse_the_file_with_what_is_expected():
    with pytest.raises(DataError, match=r"RK-144 .*time cannot be read in 30 of 30 rows \(row 2 'soon', .*%d/%m/%Y"):
        door(["soon"] * 30)


def test_a_date_that_may_be_two_days_is_a_question_and_the_answer_is_taken():
    with pytest.raises(DataError, match=r"RK-145 .*in 4 of 4 rows \(row 2 '1/2/2024'.*:day-first"):
        door(["1/2/2024"] * 4)
    assert door(["1/2/2024"] * 4, timestamp="day-first").interactions["timestamp"][0].month == 2
    assert door(["1/2/2024"] * 4, timestamp="month-first").interactions["timestamp"][0].month == 1


# -- another scale of ratings ------------------------------------------------------------------------------------------


def test_a_few_ratings_out_of_range_are_quarantined():
    shop = door(["2024-05-01"] * 1000, ["5"] * 985 + ["0"] * 15)
    assert len(shop.quarantine) == 15


@pytest.mark.parametrize(
    ("ratings", "words"),
    [
        ([str(n % 11) for n in range(110)], "they go 0 to 10.*:0..10"),
        (["0", "1"] * 30, "they go 0 to 1.*rating=ignore"),
        (["good", "bad"] * 30, "none is a number.*rating=ignore"),
        (["5"] * 190 + ["0"] * 10, "they go 0 to 5.*0=missing. if 0 means not rated.*:0..5"),
        (["0.73", "4.2", "3.1", "2.5"] * 10, "they go 0.73 to 4.2.*:0..5"),
        (["1", "0"] + ["1"] * 18 + (["1"] * 19 + ["0"]) * 19, "they go 0 to 1.*:0..1"),
    ],
)
def test_another_scale_is_refused_with_what_was_found_and_the_fix(ratings, words):
    with pytest.raises(DataError, match=f"RK-147 .*{words}"):
        door(["2024-05-01"] * len(ratings), ratings)


HALF_STARS = ["0.5", "1", "1.5", "2", "2.5", "3", "3.5", "4", "4.5", "5"]


@pytest.mark.parametrize("reading", [{}, {"rating": "0.5..5"}])
def test_half_stars_stay_as_they_are_and_are_noted(reading):
    shop = door(["2024-05-01"] * 201, HALF_STARS * 20 + ["5.5"], **reading)
    assert shop.interactions["rating"].tolist() == [float(rating) for rating in HALF_STARS] * 20
    assert shop.quarantine["value"].tolist() == ["5.5"]
    (note,) = shop.report.query("rule.str.contains('half stars')").to_dict("records")
    assert (note["action"], note["rows"]) == ("noted", 201)


def test_a_scale_that_is_declared_counts_for_half_stars_too():
    ratings = HALF_STARS[1:] * 56 + ["0.5"]
    shop = door(["2024-05-01"] * len(ratings), ratings, rating="1..5")
    assert shop.quarantine["value"].tolist() == ["0.5"]


@pytest.mark.parametrize("ratings", [["0.5", *"12345"], ["1", "1.5", "5"], ["0.5", "0.7", "2.5"], ["0", "0.5", "1"]])
def test_what_has_no_half_steps_from_a_half_is_on_the_usual_scale(ratings):
    shop = door(["2024-05-01"] * len(ratings), ratings)
    assert shop.quarantine["value"].tolist() == [rating for rating in ratings if float(rating) < 1]


def test_a_declared_scale_is_brought_to_ours_and_what_lies_outside_is_quarantined():
    shop = door(["2024-05-01"] * 12, [str(n) for n in range(12)], rating="0..10")
    assert shop.interactions["rating"].tolist() == pytest.approx(np.linspace(1, 5, 11).tolist())
    assert shop.quarantine["value"].tolist() == ["11"]
    assert shop.report.query("rule.str.startswith('rating of')")["action"].tolist() == ["repaired"]
