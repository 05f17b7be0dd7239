"""Validation: raw rows become typed rows or are quarantined.

For every table, rows read = kept + deduplicated + quarantined, and the report counts all three. A few invalid rows
are quarantined. If so many rows break a rule that the column seems to mean something else, the file is refused, with a
suggestion.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.core.ids import IDS
from recsys_kit.data.columns import split_readings
from recsys_kit.data.nested import load
from recsys_kit.data.numbers import examine_numbers, read_numbers, read_ratings
from recsys_kit.data.questions import (
    ask,
    ask_about_ids,
    ask_about_rules,
    find_giant,
    start_of_scale,
    words_of_ratings,
)
from recsys_kit.data.tables import (
    RULES,
    Dataset,
    Naming,
    RawTables,
    Rule,
    as_codes,
    is_present,
    rating_scale,
    report_entry,
)
from recsys_kit.data.times import CLOCKS, EARLIEST, ORDERS, ReadTimes, explain_zones, guess_clock, read_times
from recsys_kit.errors import DataError
from recsys_kit.schema import (
    HALF_STAR_SCALE,
    KEYS,
    QUARANTINE_COLUMNS,
    RATING_SCALE,
    REPORT_COLUMNS,
    REQUIRED,
    TABLES,
    TIME_COLUMNS,
    UNDOING_EVENTS,
)

MAX_INVALID_TIMES = 0.9  # share of invalid times above which the column, not its rows, is wrong
MAX_INVALID_RATINGS = 0.02  # the same for ratings; lower, since another scale shares most of its values with ours
MANY_ROWS = 1000  # from this number of invalid ratings on, the next share applies
MAX_INVALID_RATINGS_OF_MANY = 0.005
FEW_ROWS = 10  # fewer invalid rows are quarantined, whatever their share, as long as valid ones are left
N_EXAMPLES = 5
UNNAMED = Naming(dict.fromkeys(("timestamp", "created_at", "joined_at", "rating"), "<your column>"))
# characters of no width
INVISIBLE = dict.fromkeys([0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), 0x2060, 0xFEFF])


@dataclass(frozen=True)
class Inspection:
    """A table checked against its rules."""

    typed: pd.DataFrame
    """The valid rows, typed."""
    bad: pd.DataFrame
    """The invalid rows, each with the first rule that it breaks: rows of the quarantine."""
    entries: list[dict[str, Any]]
    """Repairs and notes: entries of the report."""
    refusals: list[DataError]
    """The reasons why the table cannot be used."""
    ids: dict[str, pd.Series]
    """The ids of the valid rows as categories."""


def validate(raw: RawTables) -> Dataset:
    """Check raw tables against the rules of `tables.RULES`: valid rows are typed, invalid rows quarantined.

    A negative or unreadable price becomes missing and is counted as repaired: the item is still one that people buy.
    Of items (users) with the same id the first is kept. Items that occur only in the interactions are added to the
    items table.

    Args:
        raw: the tables as a source read them.

    Returns:
        The typed tables, the quarantine and the report.

    Raises:
        DataError: RK-104 a required column is missing, RK-106 no row is valid, RK-144 nearly all times out of range,
            RK-145 day and month are ambiguous, RK-146 nearly all times unreadable, RK-147 another rating scale.
    """
    report, tables, items_of = list(raw.notes), {}, {}
    quarantine = [pd.DataFrame(raw.rejected, columns=list(QUARANTINE_COLUMNS))]
    for table, frame in raw.frames.items():
        found = inspect_table(table, frame, raw.readings.get(table), raw.naming.get(table))
        if found.refusals:
            raise found.refusals[0]
        quarantine.append(found.bad)
        found, repeats = _drop_repeated_rows(table, found, raw.repeated.get(table))
        tables[table], entries = _drop_repeated_ids(table, found.typed)
        report += found.entries + repeats + entries
        if table == "interactions":
            report += _notes_on_events(tables[table], found.ids["user_id"])
        items_of[table] = found.ids.get("item_id")
    report += [report_entry(table, "kept in all", "kept", len(tables[table])) for table in raw.frames]
    tables["items"], entries = _complete_catalogue(tables.get("items"), items_of)
    quarantined = pd.concat([part for part in quarantine if len(part)] or quarantine[:1], ignore_index=True)
    report += entries + quarantine_entries(quarantined)
    return Dataset(
        name=raw.name,
        **{table: tables.get(table) for table in TABLES},
        quarantine=quarantined,
        report=pd.DataFrame(report, columns=list(REPORT_COLUMNS)),
        n_read={
            table: len(frame) + sum(entry["table"] == table for entry in raw.rejected)
            for table, frame in raw.frames.items()
        },
        compared=tuple(raw.repeated),
        truth=raw.truth,
    )


def inspect_table(
    table: str,
    frame: pd.DataFrame,
    readings: Mapping[str, str] | None = None,
    naming: Naming | None = None,
) -> Inspection:
    """Check one table against its rules.

    Args:
        table: its name.
        frame: the values as in the file; the index is the row number.
        readings: how to read ambiguous columns: {"timestamp": "day-first", "rating": "0..10"}.
        naming: of a user's file; what would change many rows of it is refused.

    Raises:
        DataError: RK-104 a required column is missing.
    """
    _check_columns(table, frame)
    readings = dict(readings or {})
    if "timestamp" in frame and "position" in frame:  # the times tell the order
        frame = frame.drop(columns="position")
    with_times = [name for name in TIME_COLUMNS if name in frame]
    times = {name: read_times(frame[name], **_how_to_read(readings.get(name, ""))) for name in with_times}
    read = {name: times[name].values for name in times}
    numbers = {name: examine_numbers(frame[name]) for name in ("price", "quantity") if name in frame}
    read |= {name: found for name, (found, _) in numbers.items()}
    read |= {"position": read_numbers(frame["position"])} if "position" in frame else {}
    entries = [*_notes_on_times(table, frame, times), *_notes_on_numbers(table, numbers)]
    scale = RATING_SCALE
    if "rating" in frame:
        read["rating"] = read_ratings(frame["rating"])
        frame, read["rating"], notes = _map_ratings(table, frame, read["rating"], readings.get("rating", ""))
        reading, asked = readings.get("rating", ""), naming or UNNAMED
        read["rating"], scale, more = _convert_ratings(table, read["rating"], reading, asked)
        entries += notes + more
    ids = {column: as_codes(frame[column].astype("str")) for column in IDS if column in frame}
    broken = {
        rule: rule.broken(ids.get(rule.column, frame[rule.column]), read.get(rule.column), scale)
        for rule in RULES[table]
        if rule.column in frame
    }
    bad = _find_invalid_rows(table, frame, broken)
    typed, kept = _convert_types(frame, read), ~frame.index.isin(bad["row"])
    typed = typed if kept.all() else typed[kept]
    typed, repairs = _repair_prices(table, typed, frame, kept)
    whole = {rule.name: _select_rows(frame[rule.column], mask) for rule, mask in broken.items()}
    refused = {
        "timestamp": [*_refuse_times(table, frame, times, whole, naming or UNNAMED)],
        "rating": [*_refuse_ratings(table, frame, whole, scale, naming or UNNAMED)],
    }
    refusals = [refusal for of_column in refused.values() for refusal in of_column]
    if naming:
        refusals += ask_about_ids(table, ids, readings, naming)
        others = {rule.name: mask for rule, mask in broken.items() if not refused.get(rule.column)}
        refusals += ask_about_rules(table, frame, others, readings, naming, left=len(typed) > 0)
    if not refusals and (table == "interactions" or len(frame)):
        refusals = _refuse_nothing_left(table, typed, bad)
    ids = {column: values if kept.all() else values[kept] for column, values in ids.items()}
    entries += repairs + _notes_on_ids(table, ids)
    return Inspection(typed, bad, entries, refusals, ids)


def _check_columns(table: str, frame: pd.DataFrame) -> None:
    missing = [name for name in REQUIRED[table] if name not in frame]
    if table == "interactions" and not {"timestamp", "position"} & set(frame):
        missing.append("timestamp")
    if missing:
        raise DataError(
            "RK-104",
            f"{table} is missing column {missing[0]!r}; found {sorted(map(str, frame))}.",
            f"Pass columns={{{missing[0]!r}: <the name it has in your file>}}.",
        )


def _map_ratings(
    table: str, frame: pd.DataFrame, ratings: pd.Series, reading: str
) -> tuple[pd.DataFrame, pd.Series, list[dict[str, Any]]]:
    """Read the ratings that mean another number, or "not rated", as the user says."""
    entries = []
    for word, _, meant in (part.partition("=") for part in split_readings(reading) if "=" in part):
        same = frame["rating"].astype("str").str.strip().eq(word).fillna(False).astype(bool)
        number = pd.to_numeric(word, errors="coerce")
        same |= ratings.eq(number)
        value = np.nan if meant == "missing" else float(meant)
        frame = frame.assign(rating=frame["rating"].mask(same, None if meant == "missing" else meant))
        ratings = ratings.mask(same, value)
        rule = "rating means not rated: missing" if meant == "missing" else f"rating {word} read as {meant}"
        entries += [report_entry(table, rule, "repaired", same.sum(), word)] * bool(same.any())
    return frame, ratings, entries


def _convert_ratings(
    table: str, ratings: pd.Series, reading: str, naming: Naming
) -> tuple[pd.Series, tuple[float, float], list[dict[str, Any]]]:
    """Return the ratings, their scale and report entries.

    Half stars are kept, declared or recognized; ratings of another declared scale are converted to `RATING_SCALE`.
    """
    reading = ([part for part in split_readings(reading) if ".." in part] or [""])[-1]
    low, high = map(float, reading.split("..")) if reading else rating_scale(ratings)
    n_rated = ratings.notna().sum()
    if (low, high) == HALF_STAR_SCALE:
        rule = f"ratings are half stars, {low:g} to {high:g}, and stay as they are"
        rule += "" if reading else f"; to read them as 1 to 5: {naming.option('rating={rating}:1..5')}"
        return ratings, HALF_STAR_SCALE, [report_entry(table, rule, "noted", n_rated)]
    if not reading:
        return ratings, RATING_SCALE, []
    ratings = RATING_SCALE[0] + (RATING_SCALE[1] - RATING_SCALE[0]) * (ratings - low) / (high - low)
    rule = f"rating of {reading} brought to {RATING_SCALE[0]:g}..{RATING_SCALE[1]:g}"
    return ratings, RATING_SCALE, [report_entry(table, rule, "repaired", n_rated)]


def _how_to_read(reading: str) -> dict[str, Any]:
    """The options of `read_times`."""
    parts = split_readings(reading)
    form = next((part.strip('"') for part in parts if part.startswith('"') or part in CLOCKS), "")
    language = next((part for part in parts if re.fullmatch("[a-z]{2,3}", part)), "")
    order = next((part for part in parts if part in ORDERS), "")
    return {"order": order, "form": form, "language": language}


def _find_invalid_rows(table: str, frame: pd.DataFrame, broken: dict[Rule, pd.Series]) -> pd.DataFrame:
    """Return the invalid rows, each with the first rule that it breaks: rows of the quarantine."""
    valid = pd.Series(True, index=frame.index)
    parts = []
    for rule, mask in broken.items():
        parts.append(_select_rows(frame[rule.column], valid & mask).assign(column=rule.column, rule=rule.name))
        valid &= ~mask
    if not (parts := [part for part in parts if len(part)]):
        return pd.DataFrame(columns=list(QUARANTINE_COLUMNS))
    bad = pd.concat(parts).sort_values("row", kind="stable").assign(table=table)
    return bad[list(QUARANTINE_COLUMNS)].reset_index(drop=True)


def _select_rows(values: pd.Series, mask: pd.Series) -> pd.DataFrame:
    """Return number and value of the rows in the mask."""
    shown = values[mask].astype("str").fillna("")
    return pd.DataFrame({"row": shown.index, "value": shown.to_numpy()})


def _convert_types(frame: pd.DataFrame, read: dict[str, pd.Series]) -> pd.DataFrame:
    """Convert ids and texts to strings exactly as written, numbers to floats, times to UTC, attributes to lists."""
    columns: dict[str, pd.Series] = {}
    for name, values in frame.items():
        if name in read:
            columns[name] = read[name]
        elif name == "attributes":
            columns[name] = _split_lists(values).map(_as_list)
        else:
            texts = values.astype("str")
            empty = texts.eq("").fillna(False)
            columns[name] = texts.mask(empty) if empty.any() else texts  # an empty field is missing
    typed = pd.DataFrame(columns, index=frame.index)
    if "position" in typed:
        whole = typed["position"].fillna(0).replace([np.inf, -np.inf], 0)  # such rows are quarantined
        typed["position"] = whole.astype("int64")
    return typed


def _split_lists(values: pd.Series) -> pd.Series:
    """Split texts at a bar or semicolon that most of them hold."""
    texts = values[values.map(lambda value: isinstance(value, str) and bool(value.strip()))].astype("str")
    for sign in "|;":
        if len(texts) and texts.str.contains(sign, regex=False).mean() > 0.5:
            parts = texts.map(lambda text, sign=sign: [part.strip() for part in text.split(sign) if part.strip()])
            return values.astype(object).where(~values.index.isin(texts.index), parts.reindex(values.index))
    return values


def _as_list(value: Any) -> list[str]:
    value = load(value)
    if isinstance(value, (list, tuple, np.ndarray)):
        return [str(part) for part in value]
    return [str(value)] if pd.notna(value) and str(value).strip() else []


def _repair_prices(
    table: str, typed: pd.DataFrame, raw: pd.DataFrame, kept: np.ndarray
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Set prices to missing that are negative or not a number."""
    if "price" not in typed:
        return typed, []
    given = raw["price"][kept]
    broken = {
        "negative price": typed["price"] < 0,
        "price is not a number": typed["price"].isna() & is_present(given),
    }
    repaired = typed.assign(price=typed["price"].mask(typed["price"] < 0))
    return repaired, [
        report_entry(table, rule, "repaired", mask.sum(), given[mask].iloc[0])
        for rule, mask in broken.items()
        if mask.any()
    ]


# -- notes -------------------------------------------------------------------------------------------------------------


def _notes_on_times(table: str, frame: pd.DataFrame, times: dict[str, ReadTimes]) -> Iterator[dict[str, Any]]:
    for column, found in times.items():
        for how, rows in found.how[~found.how.isin(["", "ISO 8601"])].value_counts().items():
            example = frame.loc[found.how == how, column].iloc[0]
            action = "cautioned" if "lost" in how else "noted"
            yield report_entry(table, f"{column} read as {how}", action, rows, example)


def _notes_on_numbers(table: str, numbers: dict[str, tuple[pd.Series, pd.Series]]) -> Iterator[dict[str, Any]]:
    for column, (found, doubtful) in numbers.items():
        for row, text in doubtful.head(1).items():
            rule = f"{column} {text} read as {found[row]:g}: no other value tells whether its sign separates thousands"
            yield report_entry(table, rule, "cautioned", len(doubtful), text)


def _visible(text: str) -> str:
    return unicodedata.normalize("NFKC", text).translate(INVISIBLE)


def _notes_on_ids(table: str, coded: dict[str, pd.Series]) -> list[dict[str, Any]]:
    """Count ids that may be mistakes; they are kept, since they may be right."""
    entries = []
    for column, values in coded.items():
        ids = values.drop_duplicates().dropna().astype("str")
        visible = ids.mask(~ids.str.isascii(), ids[~ids.str.isascii()].map(_visible))
        found = {
            f"{column} looks like another: kept apart": ids[visible.str.strip().duplicated(keep=False)],
            f"{column} written with .0, as a spreadsheet or pandas leaves it: kept so": ids[
                ids.str.fullmatch(r"\d+\.0")
            ],
        }
        for rule, odd in found.items():
            if len(odd):
                example = "" if column == "user_id" else repr(odd.iloc[0])  # the report shows no ids of users
                entries.append(report_entry(table, rule, "noted", values.isin(odd).sum(), example))
    return entries


def _notes_on_events(typed: pd.DataFrame, users: pd.Series) -> list[dict[str, Any]]:
    """Name a user that is hardly one shopper, and kinds of event that undo others."""
    table, entries = "interactions", []
    if giant := find_giant(users):
        share = f"{giant:,} of {len(typed):,} events ({giant / len(typed):.0%})"
        rule = f"one user has {share}: a reseller, a test account, or a word for no user"
        entries.append(report_entry(table, rule, "cautioned", giant))
    kinds = typed["event"].dropna().value_counts() if "event" in typed else {}
    for kind, rows in dict(kinds).items():
        if re.search(UNDOING_EVENTS, str(kind).casefold()):
            rule = f"event {kind!r} undoes another: no success unless target_events names it"
            entries.append(report_entry(table, rule, "cautioned", rows))
    return entries


# -- reasons to refuse a table -----------------------------------------------------------------------------------------


def _show_examples(rows: pd.DataFrame) -> str:
    """Show the first rows, with their numbers.

    >>> _show_examples(pd.DataFrame({"row": [2, 9], "value": ["soon", "never"]}))
    "row 2 'soon', row 9 'never'"
    """
    shown = rows.head(N_EXAMPLES)
    return ", ".join(f"row {row} {str(text)[:40]!r}" for row, text in zip(shown["row"], shown["value"], strict=True))


def _too_many(rows: int, of: int, share: float) -> bool:
    return rows > 0 and (rows == of or (rows >= FEW_ROWS and rows > share * of))


def _refuse_times(
    table: str,
    frame: pd.DataFrame,
    times: dict[str, ReadTimes],
    broken: dict[str, pd.DataFrame],
    naming: Naming,
) -> Iterator[DataError]:
    for column, found in times.items():
        if found.orders:
            rows = frame[column][found.how == ORDERS[found.orders[0]]]
            what = (
                f"{table}: the order of day, month and year is ambiguous in {len(rows):,} times such as "
                f"{rows.iloc[0]!r} ({column})."
            )
            firsts = {order: order.removesuffix("-first") for order in found.orders}
            ways = {f"{column}={{{column}}}:{order}": f"if the {first} comes first" for order, first in firsts.items()}
            yield ask("RK-145", what, ways, naming, "or write dates as 2024-12-31")
    if "time out of range" not in broken:
        return
    found, given = times["timestamp"], frame["timestamp"]
    outside, unreadable = broken["time out of range"], broken["time cannot be read"]
    n_given = int(is_present(given).sum()) if len(outside) or len(unreadable) else 0
    if _too_many(len(outside), n_given, MAX_INVALID_TIMES):
        how = found.how.loc[outside["row"].iloc[0]]
        clock = guess_clock(outside["value"])
        seems = f"they look like {CLOCKS[clock]['words']}" if clock else "they fit no known clock"
        what = (
            f"{table}: {len(outside):,} of {n_given:,} times, read as {how}, lie outside {EARLIEST:%Y}..tomorrow "
            f"({_show_examples(outside)}); {seems}."
        )
        ways = {f"timestamp={{timestamp}}:{clock}": "to read them so"} if clock else {}
        if pd.to_numeric(given[is_present(given)], errors="coerce").notna().all():
            ways["timestamp=ignore,position={timestamp}"] = "if they only give an order"
        yield ask("RK-144", what, ways, naming, "or write them as 2024-12-31")
    if _too_many(len(unreadable), n_given, MAX_INVALID_TIMES):
        yield DataError(
            "RK-146",
            f"{table}: {len(unreadable):,} of {n_given:,} times cannot be read ({_show_examples(unreadable)})"
            f"{explain_zones(unreadable['value'])}; "
            "expected times such as 2024-12-31 10:00, 12/31/2024, 31.12.2024 or seconds since 1970.",
            "Name the column of times with --columns, or rewrite it.",
        )


def _refuse_ratings(
    table: str, frame: pd.DataFrame, broken: dict[str, pd.DataFrame], scale: tuple[float, float], naming: Naming
) -> Iterator[DataError]:
    if "rating out of range" not in broken:
        return
    wrong = pd.concat([broken["rating out of range"], broken["rating is not a number"]]).sort_values("row")
    if wrong.empty:
        return
    n_given = int(is_present(frame["rating"]).sum())
    many = len(wrong) >= MANY_ROWS and len(wrong) > MAX_INVALID_RATINGS_OF_MANY * n_given
    if not many and not _too_many(len(wrong), n_given, MAX_INVALID_RATINGS):
        return
    numbers = read_ratings(frame["rating"]).replace([np.inf, -np.inf], np.nan).dropna()
    found, ways = "none is a number", words_of_ratings(frame["rating"])
    if len(numbers):
        low, high = numbers.min(), np.ceil(numbers.max())
        found = f"they go {low:g} to {numbers.max():g}"
        if set(numbers) == {0, 1}:
            found = "they go 0 to 1: all are 0 and 1, as likes are"
        elif set(numbers) == {-1, 1}:
            ways["rating={rating}:1=5:-1=1"] = "if they are likes and dislikes: they become 5 and 1 stars"
        elif low in (0, -1):
            rated = numbers[numbers > 0]
            others = "" if rated.between(*scale).all() else f":{start_of_scale(rated):g}..{high:g}"
            ways[f"rating={{rating}}:{low:g}=missing{others}"] = f"if {low:g} means not rated"
        if low < high and not numbers.between(*scale).all():
            ways[f"rating={{rating}}:{start_of_scale(numbers):g}..{high:g}"] = (
                "if that is the scale: it is brought to 1..5"
            )
    if table == "reviews" or "text" in frame:
        ways["rating=ignore,label={rating}"] = "if they are classes"
    else:
        ways["rating=ignore"] = "to leave the ratings out"
    what = (
        f"{table}: {len(wrong):,} of {n_given:,} ratings are not in {scale[0]:g}..{scale[1]:g} "
        f"({_show_examples(wrong)}); {found}."
    )
    yield ask("RK-147", what, ways, naming)


def _refuse_nothing_left(table: str, typed: pd.DataFrame, bad: pd.DataFrame) -> list[DataError]:
    if len(typed):
        return []
    why = "; ".join(f"{rule}: {len(rows):,} ({_show_examples(rows)})" for rule, rows in bad.groupby("rule", sort=False))
    return [
        DataError(
            "RK-106",
            f"{table} has no valid row; expected at least one. Quarantined: {why or 'none, the table is empty'}.",
            "Correct the file, or name other columns with --columns.",
        )
    ]


# -- rules across rows and tables --------------------------------------------------------------------------------------


def _drop_repeated_rows(
    table: str, found: Inspection, repeated: pd.Index | None
) -> tuple[Inspection, list[dict[str, Any]]]:
    """Drop the rows that repeat an earlier one of the file."""
    typed = found.typed
    again = typed.index.isin([] if repeated is None else repeated)
    if not again.any():
        return found, []
    example = typed["item_id"][again].iloc[0] if "item_id" in typed else ""
    entry = report_entry(table, "exact duplicate", "deduplicated", again.sum(), example)
    ids = {column: values[~again] for column, values in found.ids.items()}
    return replace(found, typed=typed[~again], ids=ids), [entry]


def _drop_repeated_ids(table: str, typed: pd.DataFrame) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Keep the first of items (users) with the same id; repeated interactions and reviews are left to cleaning."""
    if table not in ("items", "users"):
        return typed.reset_index(drop=True), []
    key = KEYS[table]
    again = typed.duplicated(key)
    entries = []
    if again.any():
        example = typed[key][again].iloc[0] if table == "items" else ""
        entries.append(report_entry(table, "id listed twice", "deduplicated", again.sum(), example))
        others = typed.drop(columns="attributes", errors="ignore").drop_duplicates()
        differ = others[others.duplicated(key)]
        if len(differ):
            example = differ[key].iloc[0] if table == "items" else ""
            entries.append(
                report_entry(table, "listed again with other content: the first counts", "noted", len(differ), example)
            )
    return typed[~again].reset_index(drop=True), entries


def _complete_catalogue(
    items: pd.DataFrame | None, items_of: dict[str, pd.Series | None]
) -> tuple[pd.DataFrame | None, list[dict[str, Any]]]:
    """Add the items that occur only in the interactions (or, without interactions, in the reviews)."""
    table = "interactions" if "interactions" in items_of else "reviews"
    if (found := items_of.get(table)) is None:
        return items, []
    item_ids = found.dropna()
    if items is None:
        return pd.DataFrame({"item_id": item_ids.unique()}).astype("str") if len(item_ids) else None, []
    unknown = item_ids[~item_ids.isin(items["item_id"])]
    if unknown.empty:
        return items, []
    entry = report_entry(table, "item not in the catalogue", "noted", len(unknown), unknown.iloc[0])
    new = pd.DataFrame({"item_id": unknown.unique()}).astype("str")
    return pd.concat([items, new], ignore_index=True), [entry]


def quarantine_entries(quarantine: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the report entries for the rows of a quarantine."""
    if quarantine.empty:
        return []
    groups = quarantine.groupby(["table", "rule"], sort=False)["value"]
    return [report_entry(table, rule, "quarantined", len(values), values.iloc[0]) for (table, rule), values in groups]
