"""Times however they were written: seconds to nanoseconds since 1970, ISO 8601, common dates; all become UTC."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

EARLIEST = pd.Timestamp("1995-01-01", tz="UTC")
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # how many a second; from 1995 to 2100 no two overlap
REPRESENTED = pd.Timestamp("1700-01-01", tz="UTC"), pd.Timestamp("2200-01-01", tz="UTC")  # what ns can hold
LATEST_S = pd.Timestamp("2100-01-01", tz="UTC").timestamp()
OTHER_CLOCKS = {  # what numbers may mean besides: seconds of one, and where it starts
    "days since 1970": (86_400, 0),
    "days of a spreadsheet (since 1900)": (86_400, -25_569 * 86_400),
    "minutes since 1970": (60, 0),
    "hours since 1970": (3_600, 0),
    "years": (31_556_952, -1_970 * 31_556_952),
}
COMPACT = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
CLOCK = r"(?:[T ,]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:\.\d+)?))?\s*(?P<half>[AaPp][Mm])?)?$"
YEAR_FIRST = r"^(?P<year>\d{4})[-/.年](?P<month>\d{1,2})[-/.月](?P<day>\d{1,2})日?" + CLOCK
YEAR_LAST = r"^(?P<first>\d{1,2})[-/.](?P<second_part>\d{1,2})[-/.](?P<year>\d{4})" + CLOCK
MONTH_NAME = r"(?i)\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b.*\b\d{4}\b|^\d{4}\b.*[a-z]{3}"
TOLERATED = 0.1  # share of dates that may contradict the order of day and month that the others prove


@dataclass(frozen=True)
class ReadTimes:
    """One column of times, read."""

    values: pd.Series
    """`datetime64[ns, UTC]`; NaT where there is no time, or none that can be read."""
    how: pd.Series
    """How each row was read: "ISO 8601", a unit of `UNITS`, an order of day and month ..., "" where it was not."""
    ambiguous: bool
    """True where 1/2/2024 may be either of two days and no other row tells which."""


def read_times(values: pd.Series, *, day_first: bool | None = None) -> ReadTimes:
    """Read each value by what it looks like; times without a zone are taken as UTC.

    A number's unit shows in its size; one that fits no unit takes that of most others, and so falls out of range.
    Whether a day or a month comes first is learned from the dates that leave no choice, unless `day_first` tells.

    >>> read_times(pd.Series(["1400000000", "1400000000000", "2014-05-13T16:53:20Z"])).values.nunique()
    1
    >>> read_times(pd.Series(["13/5/2014 4:53 PM", "1/2/2014"])).values.dt.strftime("%Y-%m-%d %H:%M").tolist()
    ['2014-05-13 16:53', '2014-02-01 00:00']
    """
    codes, unique = pd.factorize(values.astype("str").str.strip())
    texts = pd.Series(np.asarray(unique, dtype=object), dtype="str")
    weights = pd.Series(np.bincount(codes[codes >= 0], minlength=len(texts)))
    read = pd.Series(pd.NaT, index=texts.index, dtype="datetime64[ns, UTC]")
    how = pd.Series("", index=texts.index, dtype="str")
    ambiguous = False

    def settle(found: pd.Series, name: str) -> None:
        good = found.dropna().dt.as_unit("us").clip(*REPRESENTED)
        read[good.index] = good.dt.as_unit("ns")
        how[good.index] = name

    numbers = pd.to_numeric(texts, errors="coerce")
    for unit, found in _read_numbers(texts, numbers, weights).items():
        settle(found, unit)
    rest = texts[numbers.isna()]
    settle(pd.to_datetime(rest, utc=True, errors="coerce", format="ISO8601"), "ISO 8601")
    rest = rest[how[rest.index] == ""]
    settle(_from_parts(rest.str.extract(YEAR_FIRST)), "year/month/day")
    parts = rest.str.extract(YEAR_LAST).dropna(subset="year")
    if len(parts):
        order = _day_first(parts, weights[parts.index]) if day_first is None else day_first
        ambiguous = order is None
        names = {"first": "day", "second_part": "month"} if order else {"first": "month", "second_part": "day"}
        settle(_from_parts(parts.rename(columns=names)), "day/month/year" if order else "month/day/year")
    words = rest[rest.str.contains(MONTH_NAME)]
    settle(pd.to_datetime(words, utc=True, errors="coerce", format="mixed"), "dates in words")
    return ReadTimes(_spread(read, codes, values.index), _spread(how, codes, values.index).fillna(""), ambiguous)


def _spread(found: pd.Series, codes: np.ndarray, index: pd.Index) -> pd.Series:
    """What was found for each different text, for every row."""
    return found.reindex(codes).set_axis(index)


def _read_numbers(texts: pd.Series, numbers: pd.Series, weights: pd.Series) -> dict[str, pd.Series]:
    numbers = numbers[np.isfinite(numbers.astype(float))]
    found = {}
    for digits, form in COMPACT.items():  # such as 20240501: as a number of any unit it lies long before 1995
        dates = texts[numbers.index][texts[numbers.index].str.fullmatch(rf"(?:19|20)\d{{{digits - 2}}}")]
        found[f"{form} without signs"] = pd.to_datetime(dates, format=form, utc=True, errors="coerce")
    numbers = numbers.drop([place for dates in found.values() for place in dates.index])
    seconds = {unit: numbers / size for unit, size in UNITS.items()}
    fits = {unit: values.between(EARLIEST.timestamp(), LATEST_S) for unit, values in seconds.items()}
    usual = max(UNITS, key=lambda unit: weights[numbers.index][fits[unit]].sum())
    other = ~np.logical_or.reduce(list(fits.values()))
    for unit, fit in fits.items():
        chosen = numbers[fit | other if unit == usual else fit]
        found[unit] = pd.to_datetime(chosen, unit=unit, utc=True, errors="coerce")
    return {name: dates for name, dates in found.items() if len(dates)}


def _day_first(parts: pd.DataFrame, weights: pd.Series) -> bool | None:
    """Whether the day comes first; None where no date tells, or too many contradict."""
    day, month = (weights[parts[column].astype(int) > 12].sum() for column in ("first", "second_part"))
    if min(day, month) > TOLERATED * max(day, month) or not max(day, month):
        return None
    return bool(day > month)


def _from_parts(parts: pd.DataFrame) -> pd.Series:
    """Dates of the columns year, month, day, hour, minute, second, half (am or pm); NaT for impossible ones."""
    parts = parts.dropna(subset="year")
    half = parts["half"].str.lower()
    hour = parts["hour"].fillna("0").astype(int)
    hour = hour.where(half.isna(), hour % 12 + 12 * (half == "pm"))
    texts = parts["year"] + "-" + parts["month"].str.zfill(2) + "-" + parts["day"].str.zfill(2) + "T"
    texts += hour.astype("str").str.zfill(2) + ":" + parts["minute"].fillna("00") + ":" + parts["second"].fillna("00")
    return pd.to_datetime(texts, utc=True, errors="coerce", format="ISO8601")


def guess_clock(values: pd.Series) -> str:
    """What numbers that are no time since 1970 might count; "" where nothing fits.

    >>> guess_clock(pd.Series(["40513.35", "40544"]))
    'days of a spreadsheet (since 1900)'
    """
    middle = pd.to_numeric(values, errors="coerce").median()
    for name, (size, start) in OTHER_CLOCKS.items():
        if EARLIEST.timestamp() <= middle * size + start <= pd.Timestamp.now("UTC").timestamp():
            return name
    return ""
