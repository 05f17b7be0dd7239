"""Validation: raw rows become typed rows or are quarantined.

For every table, rows read = kept + deduplicated + quarantined, and the report counts all three. A few invalid rows
are quarantined. If so many rows break a rule that the column seems to mean something else, the file is refused, with a
suggestion.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit import schema
from recsys_kit.core.ids import IDS
from recsys_kit.data import nested, numbers, questions, tables
from recsys_kit.data.columns import split_readings
from recsys_kit.data.files.rows import name_lines
from recsys_kit.data.times import CLOCKS, ORDERS, ReadTimes, read_times
from recsys_kit.errors import DataError

INVISIBLE = "[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff]"  # characters of no width
Entries = list[dict[str, Any]]  # of the report


@dataclass(frozen=True)
class Inspection:
    """A table checked against its rules."""

    typed: pd.DataFrame
    """The valid rows, typed."""
    bad: pd.DataFrame
    """The invalid rows, each with the first rule that it breaks: rows of the quarantine."""
    entries: Entries
    """Repairs, repeated rows and notes: entries of the report."""
    refusals: list[DataError]
    """The reasons why the table cannot be used."""
    ids: dict[str, pd.Series]
    """The ids of the valid rows as categories."""


def validate(raw: tables.RawTables) -> tables.Dataset:
    """Check raw tables against the rules of `tables.RULES`: valid rows are typed, invalid rows quarantined.

    A negative or unreadable price becomes missing and is counted as repaired: the item is still one that people buy.
    Of items (users) with the same id the first is kept. Items that occur only in the interactions are added to the
    items table.

    Args:
        raw: the tables as a source read them.

    Returns:
        The typed tables, the quarantine and the report.

    Raises:
        DataError: RK-104 a required column is missing, RK-106 no row is valid, RK-144 most times out of range or
            unreadable, RK-145 day and month are ambiguous, RK-147 another rating scale, RK-160 many rows break
            another rule, RK-162 a word for no id, RK-163 ids in scientific notation.
    """
    report, typed, found = list(raw.notes), {}, {}
    for table, frame in raw.frames.items():
        how = raw.readings.get(table), raw.naming.get(table), raw.repeated.get(table)
        found[table] = inspected = inspect_table(table, frame, *how)
        if inspected.refusals:
            raise inspected.refusals[0]
        typed[table], repeats = _drop_repeated_ids(table, inspected.typed)
        kept = tables.report_entry(table, "kept in all", "kept", len(typed[table]))
        report += [*inspected.entries, *repeats, kept]
    if "interactions" not in typed and "reviews" in typed:
        lacking = " and ".join(name for name in ("user_id", "item_id", "timestamp") if name not in typed["reviews"])
        rule = f"without {lacking} they are texts alone: for recommendations pass --interactions as well"
        report.append(tables.report_entry("reviews", rule, "noted", len(typed["reviews"])))
    table = "interactions" if "interactions" in found else "reviews"
    if table in found and "item_id" in found[table].ids:
        met = found[table].ids["item_id"].dropna()
        typed["items"], unknown = _complete_catalogue(table, typed.get("items"), met)
        report += unknown
    bad = [pd.DataFrame(raw.rejected, columns=list(schema.QUARANTINE_COLUMNS))]
    bad += [name_lines(part.bad, raw.starts.get(table, ())) for table, part in found.items()]
    quarantine = pd.concat([part for part in bad if len(part)] or bad[:1], ignore_index=True)
    report += quarantine_entries(quarantine)
    return tables.Dataset(
        name=raw.name,
        **{table: typed.get(table) for table in schema.TABLES},
        quarantine=quarantine,
        report=pd.DataFrame(report, columns=list(schema.REPORT_COLUMNS)),
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
    naming: tables.Naming | None = None,
    repeated: Sequence[int] | pd.Index | None = None,
) -> Inspection:
    """Check one table against its rules.

    Args:
        table: its name.
        frame: the values as in the file; the index is the row number.
        readings: how to read ambiguous columns: {"timestamp": "day-first", "rating": "0..10"}.
        naming: of a user's file; by default the columns have our names.
        repeated: the rows that repeat an earlier one of the file; they are left out.

    Raises:
        DataError: RK-104 a required column is missing.
    """
    lacking = [name for name in schema.REQUIRED[table] if name not in frame]
    lacking += ["timestamp"] * (table == "interactions" and not {"timestamp", "position"} & {*frame})
    if lacking:
        what = f"{table} is missing column {lacking[0]!r}; found {sorted(map(str, frame))}."
        raise DataError("RK-104", what, f"Pass columns={{{lacking[0]!r}: <the name it has in your file>}}.")
    said, naming = dict(readings or {}), naming or tables.Naming({str(name): str(name) for name in frame}, {}, table)
    if "timestamp" in frame and "position" in frame:  # the times tell the order
        frame = frame.drop(columns="position")
    times = {name: _read_times(frame[name], said.get(name, "")) for name in schema.TIME_COLUMNS if name in frame}
    read = {name: times[name].values for name in times}
    entries, scale = [], schema.RATING_SCALE
    for name in ("price", "quantity", "position"):
        if name in frame:
            read[name], doubtful = numbers.examine_numbers(frame[name])
            for row, text in doubtful.head(1).items():
                shown = f"{name} {text} read as {read[name][row]:g}"
                rule = f"{shown}: no other value tells whether its sign separates thousands"
                entries.append(tables.report_entry(table, rule, "cautioned", len(doubtful), text))
    for name, found in times.items():
        for how in found.how.unique():
            if how not in ("", "ISO 8601"):
                action = "cautioned" if "lost" in how else "noted"
                entries += tables.count_rows(table, action, {f"{name} read as {how}": found.how == how}, frame[name])
    if "rating" in frame:
        given, read["rating"], scale, notes = _read_ratings(table, frame["rating"], said.get("rating", ""))
        frame, entries = frame.assign(rating=given), entries + notes
    ids = {column: tables.as_codes(frame[column].astype("str")) for column in IDS if column in frame}
    broken = {
        rule: rule.broken(ids.get(rule.column, frame[rule.column]), read.get(rule.column), scale)
        for rule in tables.RULES[table]
        if rule.column in frame
    }
    bad = _find_invalid_rows(table, frame, broken)
    valid = ~frame.index.isin(bad["row"])
    again = valid & frame.index.isin([] if repeated is None else repeated)
    refusals: list[DataError] = [
        *questions.ask_about_dates(frame, times, naming),
        *questions.ask_about_ids(table, ids, said, naming),
        *questions.ask_about_rules(table, frame, broken, said, naming, scale=scale, left=bool(valid.any())),
    ]
    if not (refusals or valid.any()) and (table == "interactions" or len(frame)):
        why = [questions.describe(rule.name, rows, frame[rule.column]) for rule, rows in broken.items() if rows.any()]
        what = f"{table} has no valid row; expected at least one. {' '.join(why) or 'The table is empty.'}"
        refusals = [DataError("RK-106", what, "Correct the file, or name other columns with --columns.")]
    typed = _convert_types(frame, read)
    if not (kept := valid & ~again).all():
        typed, ids = typed[kept], {column: values[kept] for column, values in ids.items()}
    if "price" in typed:
        typed, repairs = _repair_prices(table, typed, frame["price"][kept])
        entries += repairs
    repeats = {"exact duplicate": pd.Series(again, frame.index)}
    entries += tables.count_rows(table, "deduplicated", repeats, frame.get("item_id")) + _notes_on_ids(table, ids)
    if table == "interactions" and not refusals:
        entries += _notes_on_events(typed, ids["user_id"], naming)
    return Inspection(typed, bad, entries, refusals, ids)


def _read_times(values: pd.Series, reading: str) -> ReadTimes:
    """Read a column of times as the user says."""
    parts = split_readings(reading)
    form = next((part.strip('"') for part in parts if part.startswith('"') or part in CLOCKS), "")
    language = next((part for part in parts if re.fullmatch("[a-z]{2,3}", part)), "")
    order = next((part for part in parts if part in ORDERS), "")
    return read_times(values, order=order, form=form, language=language)


def _read_ratings(
    table: str, values: pd.Series, reading: str
) -> tuple[pd.Series, pd.Series, tuple[float, float], Entries]:
    """Read ratings as the user says: the values without those that mean "not rated", the ratings, their scale.

    Half stars are kept, declared or recognized; ratings of another declared scale are converted to `RATING_SCALE`.
    """
    ratings, span, entries = numbers.read_ratings(values), "", []
    for part in split_readings(reading):
        word, equals, meant = part.partition("=")
        if equals:
            same = values.astype("str").str.strip().eq(word).fillna(False).astype(bool)
            same |= ratings.eq(pd.to_numeric(word, errors="coerce"))
            is_none = meant == "missing"
            rule = "rating means not rated: missing" if is_none else f"rating {word} read as {meant}"
            entries += tables.count_rows(table, "repaired", {rule: same}, values)
            values = values.mask(same, None if is_none else meant)
            ratings = ratings.mask(same, np.nan if is_none else float(meant))
        elif ".." in part:
            span = part
    (low, high), scale = map(float, span.split("..")) if span else tables.rating_scale(ratings), schema.RATING_SCALE
    if (low, high) == schema.HALF_STAR_SCALE:
        scale, action, rule = (low, high), "noted", f"ratings are half stars, {low:g} to {high:g}, and stay as they are"
    elif span:
        ratings = scale[0] + (scale[1] - scale[0]) * (ratings - low) / (high - low)
        action, rule = "repaired", f"rating of {span} brought to {scale[0]:g}..{scale[1]:g}"
    else:
        return values, ratings, scale, entries
    return values, ratings, scale, [*entries, tables.report_entry(table, rule, action, ratings.notna().sum())]


def _find_invalid_rows(table: str, frame: pd.DataFrame, broken: Mapping[tables.Rule, pd.Series]) -> pd.DataFrame:
    """Return the invalid rows, each with the first rule that it breaks: rows of the quarantine."""
    valid, parts = pd.Series(True, index=frame.index), []
    for rule, rows in broken.items():
        values = frame[rule.column][valid & rows].astype("str").fillna("")
        where = {"table": table, "row": values.index, "column": rule.column, "rule": rule.name}
        parts += [pd.DataFrame({**where, "value": values.to_numpy()})] * bool(len(values))
        valid &= ~rows
    if not parts:
        return pd.DataFrame(columns=list(schema.QUARANTINE_COLUMNS))
    return pd.concat(parts).sort_values("row", kind="stable", ignore_index=True)


def _convert_types(frame: pd.DataFrame, read: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Convert ids and texts to strings exactly as written, numbers to floats, times to UTC, attributes to lists."""
    columns: dict[str, pd.Series] = {}
    for name, values in frame.items():
        if name in read:
            columns[name] = read[name]
        elif name == "attributes":
            columns[name] = _read_lists(values)
        else:
            texts = values.astype("str")
            empty = texts.eq("").fillna(False)
            columns[name] = texts.mask(empty) if empty.any() else texts  # an empty field is missing
    if "position" in columns:  # rows without a whole number are quarantined
        columns["position"] = columns["position"].replace([np.inf, -np.inf], np.nan).fillna(0).astype("int64")
    return pd.DataFrame(columns, index=frame.index)


def _read_lists(values: pd.Series) -> pd.Series:
    """Read lists; texts are split at a bar or semicolon that most of them hold."""
    texts = values[values.map(lambda value: isinstance(value, str) and bool(value.strip()))].astype("str")
    sign = next((sign for sign in "|;" if texts.str.contains(sign, regex=False).mean() > 0.5), None)

    def as_list(value: Any) -> list[str]:
        value = nested.load(value)
        if isinstance(value, (list, tuple, np.ndarray)):
            return [str(part) for part in value]
        parts = str(value).split(sign) if sign else [str(value)]
        return [part.strip() for part in parts if part.strip()] if pd.notna(value) else []

    return values.map(as_list)


def _repair_prices(table: str, typed: pd.DataFrame, given: pd.Series) -> tuple[pd.DataFrame, Entries]:
    """Set prices to missing that are negative or not a number; many are a caution."""
    price, entries = typed["price"], []
    unreadable = price.isna() & tables.is_present(given)
    for rule, rows in {"negative price": price < 0, "price is not a number": unreadable}.items():
        many = rows.all() or questions.is_many(rows.sum(), len(rows))
        action, rule = ("cautioned", f"{rule}: missing from now on") if many else ("repaired", rule)
        entries += tables.count_rows(table, action, {rule: rows}, given)
    return typed.assign(price=price.mask(price < 0)), entries


# -- notes -------------------------------------------------------------------------------------------------------------


def _notes_on_ids(table: str, coded: Mapping[str, pd.Series]) -> Entries:
    """Count ids that may be mistakes; they are kept, since they may be right."""
    entries = []
    for column, values in coded.items():
        ids = values.drop_duplicates().dropna().astype("str")
        plain, odd = ids.str.strip(), ids[~ids.str.isascii()]
        plain[odd.index] = odd.str.normalize("NFKC").str.replace(INVISIBLE, "", regex=True).str.strip()
        found = {
            f"{column} looks like another: kept apart": plain.duplicated(keep=False),
            f"{column} written with .0, as a spreadsheet or pandas leaves it: kept so": ids.str.fullmatch(r"\d+\.0"),
        }
        rules = {rule: values.isin(ids[rows]) for rule, rows in found.items()}
        entries += tables.count_rows(table, "noted", rules, values)
        both = {f"{column} with and without .0, which strip=.0 makes one": values.isin(ids[ids.isin(ids + ".0")])}
        entries += tables.count_rows(table, "cautioned", both, values)
    return entries


def _notes_on_events(typed: pd.DataFrame, users: pd.Series, naming: tables.Naming) -> Entries:
    """Name a user that is hardly one shopper, users without a history, and kinds of event that undo others."""
    counts, found = questions.count_ids(users), {}
    if giant := questions.find_giant(counts):
        share = f"{giant:,} of {len(typed):,} events ({giant / len(typed):.0%})"
        way = naming.option(f"{naming.table}.user_id={{user_id}}:null=largest")
        end = f"; to leave these events out: {way}" if len(counts) > 1 else "; nobody else can be evaluated"
        found[f"one user has {share}: a reseller, a test account, or a word for no user{end}"] = giant
    n_single = counts.eq(1).sum()
    if n_single > questions.NEARLY_ALL * len(counts) and n_single >= questions.FEW_ROWS:
        found[f"{n_single:,} of {len(counts):,} users have one event, so nearly no user has a history"] = n_single
    if "timestamp" in typed and len(typed):
        first = typed["timestamp"].min().floor("D")
        later = typed["timestamp"][typed["timestamp"] >= first + pd.Timedelta(days=1)]
        if 0 < len(later) < len(typed) / 2:
            cut, part = later.quantile(0.8).ceil("D"), 1 - len(later) / len(typed)
            rule = f"the first day, {first:%Y-%m-%d}, has {part:.0%} of the events, perhaps since their time is unknown"
            found[f"{rule}; --set cut={cut:%Y-%m-%d} names the first day of validation"] = len(typed) - len(later)
    kinds = typed["event"].dropna().value_counts() if "event" in typed else {}
    for kind, rows in dict(kinds).items():
        if re.search(schema.UNDOING_EVENTS, str(kind).casefold()):
            found[f"event {kind!r} undoes another: no success unless target_events names it"] = rows
    return [tables.report_entry("interactions", rule, "cautioned", rows) for rule, rows in found.items()]


# -- rules across rows and tables --------------------------------------------------------------------------------------


def _drop_repeated_ids(table: str, typed: pd.DataFrame) -> tuple[pd.DataFrame, Entries]:
    """Keep the first of items (users) with the same id; repeated interactions and reviews are left to cleaning."""
    if table not in ("items", "users") or not (again := typed.duplicated(schema.KEYS[table])).any():
        return typed.reset_index(drop=True), []
    differ = again & ~typed.drop(columns="attributes", errors="ignore").duplicated()
    entries = tables.count_rows(table, "deduplicated", {"id listed twice": again}, typed[schema.KEYS[table]])
    rules = {"listed again with other content: the first counts": differ}
    entries += tables.count_rows(table, "noted", rules, typed[schema.KEYS[table]])
    return typed[~again].reset_index(drop=True), entries


def _complete_catalogue(table: str, items: pd.DataFrame | None, met: pd.Series) -> tuple[pd.DataFrame | None, Entries]:
    """Add the items that occur only in this table."""
    if items is None:
        return pd.DataFrame({"item_id": met.unique()}).astype("str") if len(met) else None, []
    unknown = ~met.isin(items["item_id"])
    new = pd.DataFrame({"item_id": met[unknown].unique()}).astype("str")
    entries = tables.count_rows(table, "noted", {"item not in the catalogue": unknown}, met)
    return pd.concat([items, new], ignore_index=True) if len(new) else items, entries


def quarantine_entries(quarantine: pd.DataFrame) -> Entries:
    """Return the report entries for the rows of a quarantine."""
    groups = quarantine.groupby(["table", "rule"], sort=False)["value"]
    return [tables.report_entry(table, rule, "quarantined", len(of), of.iloc[0]) for (table, rule), of in groups]
