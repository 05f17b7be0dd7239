"""Times however they were written: seconds to nanoseconds since 1970, ISO 8601, common dates; all become UTC.

The forms, zones, clocks and words that are known stand in `times.toml`.
"""

import difflib
import tomllib
import zoneinfo
from calendar import month_name
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from recsys_kit.data.numbers import cast_texts
from recsys_kit.errors import ParameterError

KNOWN = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
CLOCKS: dict[str, dict[str, Any]] = KNOWN["clocks"]
ORDERS: dict[str, str] = KNOWN["orders"]
LANGUAGES: list[str] = KNOWN["languages"].split()
EARLIEST = pd.Timestamp("1995-01-01", tz="UTC")
MOST = 0.9  # of the numbers must be times of a clock, or it is another one
LATEST = pd.Timestamp("2100-01-01", tz="UTC")
REPRESENTED = pd.Timestamp("1700-01-01", tz="UTC"), pd.Timestamp("2200-01-01", tz="UTC")  # what ns can hold
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # how many a second; from 1995 to 2100 no two overlap
_to_times = partial(pd.to_datetime, utc=True, errors="coerce")
TOLERATED = 0.1  # share of dates that may contradict the order of day and month that the others prove
FORMS = [
    (name, f"^{form.replace('CLOCK', KNOWN['clock']).replace('MONTH', '|'.join(month_name[1:]))}$")
    for name, form in KNOWN["forms"]
]


@dataclass(frozen=True)
class ReadTimes:
    """One column of times, read."""

    values: pd.Series
    """`datetime64[ns, UTC]`; NaT where there is no time, or none that can be read."""
    how: pd.Series
    """How each row was read: "ISO 8601", a unit of `UNITS`, an order of day and month ..., "" where it was not."""
    orders: tuple[str, ...] = ()
    """Of `ORDERS`, where 1/2/2024 may be several days and no other row tells which."""


def read_times(values: pd.Series, *, order: str = "", form: str = "", language: str = "") -> ReadTimes:
    """Read each value by what it looks like; times without a zone are taken as UTC.

    A number's unit shows in its size; one that fits no unit takes that of most others, and so falls out of range. An
    hour that the clocks of a zone skip, or show twice, is no time.

    Args:
        values: a column as in the file.
        order: one of `ORDERS`; by default it is learned from the dates that leave no choice.
        form: one of `CLOCKS`, or the form of the times as `strptime` takes it.
        language: of names of months; by default the one that knows most of them.

    >>> read_times(pd.Series(["1400000000", "1400000000000", "2014-05-13T16:53:20Z"])).values.nunique()
    1
    >>> read_times(pd.Series(["13/5/2014 4:53 PM", "1/2/2014"])).values.dt.strftime("%Y-%m-%d %H:%M").tolist()
    ['2014-05-13 16:53', '2014-02-01 00:00']
    """
    plain = None if form else cast_texts(values, pa.timestamp("ns"))
    if plain is not None and not plain.hasnans:
        plain = plain.dt.tz_localize("UTC")
        if plain.between(*REPRESENTED).all():
            return ReadTimes(plain, pd.Series("ISO 8601", values.index, dtype="str"))
    codes, unique = pd.factorize(values.astype("str").str.strip().str.removesuffix(" UTC"))
    texts = pd.Series(np.asarray(unique, dtype=object), dtype="str")
    read = pd.Series(pd.NaT, index=texts.index, dtype="datetime64[ns, UTC]")
    how = pd.Series("", index=texts.index, dtype="str")
    orders: tuple[str, ...] = ()

    def settle(name: str, found: pd.Series) -> None:
        good = found.dropna().dt.as_unit("us").clip(*REPRESENTED)
        read[good.index] = good.dt.as_unit("ns")
        how[good.index] = name

    if form:
        settle(form, _read_form(texts, form, language))
    else:
        weights = pd.Series(np.bincount(codes[codes >= 0], minlength=len(texts)))
        is_number = texts.str.fullmatch(KNOWN["number"]) & ~texts.str.fullmatch(KNOWN["compact"])
        numbers = pd.to_numeric(texts[is_number.astype(bool)], errors="coerce").dropna()
        for unit, rows in _find_units(numbers, weights).items():
            settle(unit, _to_times(numbers[rows], unit=unit))
            how[rows] = how[rows].mask(how[rows] == unit, unit + _lost_digits(texts[rows], unit))
        rest = texts.drop(numbers.index)
        settle("ISO 8601", _to_times(rest, format="ISO8601"))
        rest = rest[how[rest.index] == ""]
        odd, zones = _tidy(rest[rest.str.contains(KNOWN["odd"])], language)
        settle("ISO 8601", _to_times(odd, format="ISO8601"))
        rest = odd.combine_first(rest)[how[rest.index] == ""]
        for name, pattern in FORMS:
            parts = rest.str.extract(pattern).dropna(how="all")
            rest = rest.drop(parts.index)
            if "last" in parts and len(parts):
                found = [order] if order else _find_orders(parts, weights[parts.index])
                name, orders = ORDERS[found[0]], tuple(found if len(found) > 1 else ())
                parts = parts.set_axis([*name.split("/"), *parts.columns[3:]], axis=1)
            settle(name, _from_parts(parts))
        settle("dates in words", _to_times(rest[rest.str.contains(KNOWN["in_words"])], format="mixed"))
        for zone, rows in zones.groupby(zones):
            local = read[rows.index].dt.tz_localize(None)
            local = local.dt.tz_localize(_as_zone(zone), ambiguous="NaT", nonexistent="NaT")
            read[rows.index] = local.dt.tz_convert("UTC")
    times, ways = (found.reindex(codes).set_axis(values.index) for found in (read, how))
    return ReadTimes(times, ways.fillna(""), orders)


def _read_form(texts: pd.Series, form: str, language: str) -> pd.Series:
    clock = CLOCKS.get(form, {"form": form})
    if form in CLOCKS:
        texts = texts.str.replace(r"\.0+$", "", regex=True)
    if "form" in clock:
        return _to_times(_in_english(texts, language), format=clock["form"])
    return _to_times(pd.to_numeric(texts, errors="coerce") * clock["seconds"] + clock["start"], unit="s")


def guess_clock(values: pd.Series) -> str:
    """Return what numbers that are no time since 1970 might count, one of `CLOCKS`; "" where nothing fits.

    >>> guess_clock(pd.Series(["40513.35", "40544"]))
    'excel-days'
    >>> guess_clock(pd.Series(["230102", "241231"]))
    '"%y%m%d"'
    """
    now, texts = pd.Timestamp.now("UTC"), values.astype("str").str.strip()
    shares = {name: _read_form(texts, name, "").between(EARLIEST, now).mean() for name in CLOCKS}
    best = max(CLOCKS, key=lambda name: shares[name])
    return best if shares[best] > MOST else ""


def _find_units(numbers: pd.Series, weights: pd.Series) -> dict[str, pd.Index]:
    """The rows of each unit."""
    fits = {unit: (numbers / size).between(EARLIEST.timestamp(), LATEST.timestamp()) for unit, size in UNITS.items()}
    usual = max(UNITS, key=lambda unit: weights[numbers.index][fits[unit]].sum())
    fits[usual] |= ~np.logical_or.reduce(list(fits.values()))
    return {unit: numbers.index[fit] for unit, fit in fits.items() if fit.any()}


def _lost_digits(texts: pd.Series, unit: str) -> pd.Series:
    """What a spreadsheet took from the numbers that it wrote as 1.67265E+12; "" for others."""
    parts = texts.where(texts.str.contains("[eE]")).str.extract(KNOWN["scientific"])
    seconds = (10.0 ** (parts["zeros"].astype(float) - parts["decimals"].str.len()) / UNITS[unit]).min()
    said = f" in scientific notation: digits are lost, exact to {seconds:,.0f} s only" if seconds > 1 else ""
    return pd.Series(said, texts.index).where(parts["zeros"].notna(), "")


def _tidy(texts: pd.Series, language: str) -> tuple[pd.Series, pd.Series]:
    """Texts without words around dates and without known zones, with months in English; and those zones."""
    for pattern, written in KNOWN["rewrites"]:
        texts = texts.str.replace(pattern, written, regex=True)
    parts = texts.str.extract(KNOWN["zone"])
    zones = parts["zone"][parts["zone"].map(_as_zone, na_action="ignore").notna()]
    return _in_english(texts.mask(texts.index.isin(zones.index), parts["time"]), language), zones


@cache
def _as_zone(name: str) -> str | None:
    return KNOWN["zones"].get(name, name if "/" in name and name in zoneinfo.available_timezones() else None)


def explain_zones(texts: pd.Series) -> str:
    """Return what is wrong with the zones of times that cannot be read; "" where they have none.

    >>> explain_zones(pd.Series(["2023-01-02 09:00:00 CST"]))
    ' CST is no zone, or several: write the hours, such as +08:00, or a place, such as Asia/Shanghai.'
    """
    zones = texts[texts.str.contains(r":\d{2}")].str.extract(KNOWN["zone"])["zone"].dropna()
    fix = "write the hours, such as +08:00, or a place, such as Asia/Shanghai"
    return f" {zones.iloc[0]} is no zone, or several: {fix}." if len(zones) else ""


def check_language(language: str) -> None:
    """Raises `ParameterError` (RK-142) for a language whose names of months are not known."""
    from babel.localedata import locale_identifiers

    if language not in (known := [name for name in locale_identifiers() if name.islower()]):
        near = " or ".join(difflib.get_close_matches(language, known, n=3, cutoff=0.4) or LANGUAGES)
        raise ParameterError("RK-142", f"columns names language {language!r}; expected one such as de.", f"{near}?")


@cache
def _months(language: str) -> dict[str, str]:
    """The names of months of a language, in full and short, without dots -> in English."""
    from babel import Locale

    found = dict(KNOWN["months"].get(language, {}))
    for names in Locale(language).months.values():
        for width in ("wide", "abbreviated"):
            found |= {name.casefold().rstrip("."): month_name[number] for number, name in names[width].items()}
    return found


def _in_english(texts: pd.Series, language: str) -> pd.Series:
    """Names of months in English, in full: of the language, or of the one that knows most of the words."""
    words = texts.str.findall(r"[^\W\d]{3,}").explode().str.casefold().value_counts()
    if words.empty:
        return texts
    languages = [language] if language else LANGUAGES
    months = max(map(_months, languages), key=lambda known: words[words.index.isin(known)].sum())
    return texts.str.replace(r"([^\W\d]{3,})\.?", lambda word: months.get(word[1].casefold(), word[0]), regex=True)


def _find_orders(parts: pd.DataFrame, weights: pd.Series) -> list[str]:
    """The orders of dates that no other order proves wrong, the likeliest first."""
    first, middle, last = (parts[name].astype(int) for name in ("first", "middle", "last"))
    this_year, is_short = pd.Timestamp.now("UTC").year % 100, parts["last"].str.len().eq(2)
    late = is_short & last.between(this_year + 1, EARLIEST.year % 100 - 1)
    is_wrong = {
        "month-first": (first > 12) | late,
        "day-first": (middle > 12) | late,
        "year-first": ~is_short | (middle > 12) | ~last.between(1, 31) | first.between(this_year + 1, 94),
    }
    wrong = {order: weights[rows].sum() for order, rows in is_wrong.items()}
    best = min(wrong, key=lambda order: wrong[order])
    others = [order for order in wrong if order != best and not TOLERATED * wrong[order] >= wrong[best] < wrong[order]]
    return [best, *others]


def _from_parts(parts: pd.DataFrame) -> pd.Series:
    """Dates of their parts, half being am or pm; NaT for impossible ones."""
    parts = parts.reindex(columns=["year", "month", "day", "hour", "minute", "second", "half", "zone"]).astype("str")
    months = {name: str(number) for number, name in enumerate(month_name)}
    year, month, half = parts["year"], parts["month"].replace(months), parts["half"].str.lower()
    century = pd.Series(np.where(year > "94", "19", "20"), year.index)
    year = year.where(year.str.len() == 4, century + year)
    hour = parts["hour"].fillna("0").astype(int)
    hour = hour.where(half.isna(), hour % 12 + 12 * (half == "p")).astype("str")
    texts = year + "-" + month.str.zfill(2) + "-" + parts["day"].str.zfill(2) + "T" + hour.str.zfill(2)
    texts += ":" + parts["minute"].fillna("00") + ":" + parts["second"].fillna("00") + parts["zone"].fillna("Z")
    return _to_times(texts, format="ISO8601")
