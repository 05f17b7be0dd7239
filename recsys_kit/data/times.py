"""Times however they were written: seconds to nanoseconds since 1970, ISO 8601, common dates; all become UTC."""

import difflib
from calendar import month_name
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa

from recsys_kit.data.numbers import cast_texts
from recsys_kit.errors import ParameterError

EARLIEST = pd.Timestamp("1995-01-01", tz="UTC")
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # how many a second; from 1995 to 2100 no two overlap
REPRESENTED = pd.Timestamp("1700-01-01", tz="UTC"), pd.Timestamp("2200-01-01", tz="UTC")  # what ns can hold
LATEST_S = pd.Timestamp("2100-01-01", tz="UTC").timestamp()
CLOCKS = {  # what numbers may count besides, as `columns` names it: seconds of one, where it starts, and in words
    "unix-days": (86_400, 0, "days since 1970"),
    "excel-days": (86_400, -25_569 * 86_400, "days of a spreadsheet (since 1900)"),
    "unix-minutes": (60, 0, "minutes since 1970"),
    "unix-hours": (3_600, 0, "hours since 1970"),
    "years": (31_556_952, -1_970 * 31_556_952, "years"),  # calendar years
    '"%y%m%d"': (0, 0, "dates written YYMMDD"),
}
ZONES = {"E": 5, "C": 6, "M": 7, "P": 8}  # of North America: hours behind UTC, one less in summer
COMPACT = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
CLOCK = (
    r"(?:[T ,:]+(?P<hour>\d{1,2})(?:[:时時点h.](?P<minute>\d{2})(?:[:分](?P<second>\d{2}(?:\.\d+)?))?[分秒]?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?(?:Uhr|h)?\s*(?P<zone>[+-]\d{2}:?\d{2}|Z)?)?$"
)
YEAR_FIRST = r"^(?P<year>\d{4})[-/.年 ]\s*(?P<month>\d{1,2})[-/.月 ]\s*(?P<day>\d{1,2})日?" + CLOCK
YEAR_LAST = r"^(?P<first>\d{1,2})[-/.](?P<second_part>\d{1,2})[-/.](?P<year>\d{4}|\d{2})" + CLOCK
BETWEEN = r"\.?,?[\s/-]*(?:de[l]?\s+)?"
DAY_NAMED = rf"^(?P<day>\d{{1,2}}){BETWEEN}(?P<month>[^\W\d]+){BETWEEN}(?P<year>\d{{4}}|\d{{2}})" + CLOCK
MONTH_NAMED = rf"^(?P<month>[^\W\d]+){BETWEEN}(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})" + CLOCK
LANGUAGES = (
    "en", "de", "fr", "es", "it", "pt", "nl", "pl", "sv", "da", "nb", "fi", "cs", "tr", "ru", "uk", "hu", "ro", "id",
)  # fmt: skip
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


def read_times(values: pd.Series, *, day_first: bool | None = None, form: str = "", language: str = "") -> ReadTimes:
    """Read each value by what it looks like; times without a zone are taken as UTC.

    A number's unit shows in its size; one that fits no unit takes that of most others, and so falls out of range.
    Whether a day or a month comes first is learned from the dates that leave no choice, unless `day_first` tells.
    Names of months are read in `language`, or else in the one that knows most of them. `form` is the form of the
    times, as `strptime` takes it, where the column has one of its own.

    >>> read_times(pd.Series(["1400000000", "1400000000000", "2014-05-13T16:53:20Z"])).values.nunique()
    1
    >>> read_times(pd.Series(["13/5/2014 4:53 PM", "1/2/2014"])).values.dt.strftime("%Y-%m-%d %H:%M").tolist()
    ['2014-05-13 16:53', '2014-02-01 00:00']
    """
    plain = None if form else cast_texts(values, pa.timestamp("ns"))
    if plain is not None and not plain.hasnans:
        plain = plain.dt.tz_localize("UTC")
        if plain.between(*REPRESENTED).all():
            return ReadTimes(plain, pd.Series("ISO 8601", values.index, dtype="str"), False)
    codes, unique = pd.factorize(values.astype("str").str.strip())
    texts = pd.Series(np.asarray(unique, dtype=object), dtype="str")
    weights = pd.Series(np.bincount(codes[codes >= 0], minlength=len(texts)))
    read = pd.Series(pd.NaT, index=texts.index, dtype="datetime64[ns, UTC]")
    how = pd.Series("", index=texts.index, dtype="str")

    def settle(found: pd.Series, name: str) -> None:
        good = found.dropna().dt.as_unit("us").clip(*REPRESENTED)
        read[good.index] = good.dt.as_unit("ns")
        how[good.index] = name

    def finish(ambiguous: bool = False) -> ReadTimes:
        times, ways = (found.reindex(codes).set_axis(values.index) for found in (read, how))
        return ReadTimes(times, ways.fillna(""), ambiguous)

    if form == "years":
        texts, form = texts.str.replace(r"\.0+$", "", regex=True), "%Y"
    if form in CLOCKS:
        size, start, _ = CLOCKS[form]
        counted = pd.to_numeric(texts, errors="coerce") * size + start
        settle(pd.to_datetime(counted, unit="s", utc=True, errors="coerce"), form)
        return finish()
    if form:
        settle(pd.to_datetime(_in_english(texts, language), utc=True, errors="coerce", format=form), form)
        return finish()
    numbers = pd.to_numeric(
        texts.where(texts.str.fullmatch(r"[+-]?[\d.]+(?:[eE][+-]?\d+)?").astype(bool)), errors="coerce"
    )
    for unit, found in _read_numbers(texts, numbers, weights).items():
        settle(found, unit)
    rest = texts[numbers.isna()]
    settle(pd.to_datetime(_with_zones(rest), utc=True, errors="coerce", format="ISO8601"), "ISO 8601")
    rest = _with_zones(_without_words(rest[how[rest.index] == ""]))
    settle(pd.to_datetime(rest, utc=True, errors="coerce", format="ISO8601"), "ISO 8601")
    rest = rest[how[rest.index] == ""]
    settle(_from_parts(rest.str.extract(YEAR_FIRST)), "year/month/day")
    parts = rest.str.extract(YEAR_LAST).dropna(subset="year")
    if _is_year_first(parts):
        names = {"first": "year", "second_part": "month", "year": "day"}
        settle(_from_parts(parts.rename(columns=names)), "year/month/day")
        parts = parts[:0]
    order = _day_first(parts, weights[parts.index]) if day_first is None else day_first
    names = {"first": "day", "second_part": "month"} if order else {"first": "month", "second_part": "day"}
    settle(_from_parts(parts.rename(columns=names)), "day/month/year" if order else "month/day/year")
    rest = rest[how[rest.index] == ""]
    for form in (DAY_NAMED, MONTH_NAMED):
        settle(_from_parts(_name_months(rest.str.extract(form), language)), "dates with names of months")
    rest = rest[how[rest.index] == ""]
    words = rest[rest.str.contains(MONTH_NAME)]
    settle(pd.to_datetime(words, utc=True, errors="coerce", format="mixed"), "dates in words")
    return finish(ambiguous=len(parts) > 0 and order is None)


def _with_zones(texts: pd.Series) -> pd.Series:
    """Write `UTC-5` as `-05:00`: five hours behind UTC. POSIX, and pandas, take the sign the other way round."""
    texts = texts.str.removesuffix(" UTC")  # also behind +0000, as Go writes it
    named = texts.str.contains(r"(?:UTC|GMT)", regex=True)
    if not named.any():
        return texts
    parts = texts[named].str.extract(r"(?:UTC|GMT)\s*(?P<sign>[+-])(?P<hours>\d{1,2}):?(?P<minutes>\d{2})?$")
    zone = parts["sign"] + parts["hours"].str.zfill(2) + ":" + parts["minutes"].fillna("00")
    bare = texts[named].str.replace(r"\s*\(?(?:UTC|GMT)\s*(?:[+-]\d{1,2}:?(?:\d{2})?)?\)?$", "", regex=True)
    return texts.mask(named, bare + zone.fillna("+00:00"))


def _without_words(texts: pd.Series) -> pd.Series:
    """Leave out words around dates, and write the zones of North America in hours."""
    texts = texts.str.replace(r"(:\d{2}),(\d{3})$", r"\1.\2", regex=True)  # as programs write it in their logs
    texts = texts.str.replace(r"(\d)\s*(?:года|г\.)|\s+(?:às|a las|à|um|kl\.?|в)(?=\s+\d)", r"\1", regex=True)
    texts = texts.str.replace(r"((?:UTC|GMT)[+-]\d{4}) \([^()]*\)$", r"\1", regex=True)  # as JavaScript writes it
    texts = texts.str.replace(r"^[^\W\d]+\.?,\s+(?=\d)", "", regex=True)  # the day of the week
    for zone, hours in ZONES.items() if texts.str.contains(r":\d{2} [A-Z]{3}$").any() else ():
        for sign, more in (("S", 0), ("D", 1)):
            texts = texts.str.replace(f" {zone}{sign}T$", f"-{hours - more:02}:00", regex=True)
    return texts


def check_language(language: str) -> None:
    """Raises `ParameterError` (RK-142) for a language whose names of months are not known."""
    from babel.localedata import locale_identifiers

    if language not in (known := [name for name in locale_identifiers() if name.islower()]):
        near = " or ".join(difflib.get_close_matches(language, known, n=3, cutoff=0.4)) or ", ".join(LANGUAGES)
        raise ParameterError("RK-142", f"columns names language {language!r}; expected one such as de.", f"{near}?")


@cache
def _months(language: str) -> dict[str, int]:
    """The names of months of a language, in full and short, without dots -> 1 to 12."""
    from babel import Locale

    found = {}
    for names in Locale(language).months.values():
        for width in ("wide", "abbreviated"):
            found |= {name.casefold().rstrip("."): number for number, name in names[width].items()}
    return found | ({"mrz": 3, "maerz": 3, "jänner": 1} if language == "de" else {})


def _language(words: pd.Series, language: str) -> dict[str, int]:
    """The months of the language, or of the one that knows most of the words."""
    if language:
        return _months(language)
    counts = words.dropna().value_counts()
    return max(map(_months, LANGUAGES), key=lambda months: sum(n for word, n in counts.items() if word in months))


def _name_months(parts: pd.DataFrame, language: str) -> pd.DataFrame:
    """Numbers in place of names of months."""
    words = parts["month"].str.casefold().str.rstrip(".")
    if not words.notna().any():
        return parts
    numbers = words.map(_language(words, language))
    return parts.assign(month=numbers.astype("Int64").astype("str"), year=parts["year"].mask(numbers.isna()))


def _in_english(texts: pd.Series, language: str) -> pd.Series:
    """Names of months in English, in full, for `strptime`."""
    words = texts.str.findall(r"[^\W\d]{3,}").explode().str.casefold()
    if not words.notna().any():
        return texts
    months = _language(words, language)
    return texts.str.replace(
        r"([^\W\d]{3,})\.?", lambda found: month_name[months.get(found[1].casefold(), 0)] or found[0], regex=True
    )


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
    return bool(day > month) if min(day, month) <= TOLERATED * max(day, month) > 0 else None


def _is_year_first(parts: pd.DataFrame) -> bool:
    """Whether dates are written 18-01-31: else some lie in the future, and so none does."""
    first, last, this_year = parts["first"].astype(int), parts["year"].astype(int), pd.Timestamp.now("UTC").year % 100
    is_short = parts["year"].str.len().eq(2).all()
    return bool(is_short and last.between(this_year + 1, 31).any() and last.max() <= 31 and first.max() <= this_year)


def _from_parts(parts: pd.DataFrame) -> pd.Series:
    """Dates of the columns year, month, day, hour, minute, second, half (am or pm); NaT for impossible ones."""
    parts = parts.dropna(subset="year")
    half = parts["half"].str.lower().str.replace(".", "")
    hour = parts["hour"].fillna("0").astype(int)
    hour = hour.where(half.isna(), hour % 12 + 12 * (half == "pm"))
    year = parts["year"].where(parts["year"].str.len() == 4, "20" + parts["year"])
    texts = year + "-" + parts["month"].str.zfill(2) + "-" + parts["day"].str.zfill(2) + "T"
    texts += hour.astype("str").str.zfill(2) + ":" + parts["minute"].fillna("00") + ":" + parts["second"].fillna("00")
    texts += parts["zone"].fillna("Z")
    return pd.to_datetime(texts, utc=True, errors="coerce", format="ISO8601")


def guess_clock(values: pd.Series) -> str:
    """What numbers that are no time since 1970 might count; "" where nothing fits.

    >>> guess_clock(pd.Series(["40513.35", "40544"]))
    'excel-days'
    >>> guess_clock(pd.Series(["230102", "241231"]))
    '"%y%m%d"'
    """
    texts, now = values.astype("str").str.strip(), pd.Timestamp.now("UTC")
    if texts.str.fullmatch(r"\d{6}").all() and read_times(texts, form="%y%m%d").values.between(EARLIEST, now).all():
        return '"%y%m%d"'
    middle = pd.to_numeric(values, errors="coerce").median()
    fits = [
        name
        for name, (size, start, _) in CLOCKS.items()
        if EARLIEST.timestamp() <= middle * size + start <= now.timestamp()
    ]
    return (fits or [""])[0]
