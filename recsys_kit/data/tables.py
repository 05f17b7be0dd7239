"""Raw and validated tables, and the rules that a valid row keeps."""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from recsys_kit.data.files.database import connect
from recsys_kit.data.times import EARLIEST
from recsys_kit.schema import HALF_STAR_SCALE, RATING_SCALE, REPORT_COLUMNS


@dataclass(frozen=True)
class Naming:
    """The columns of one of a user's files."""

    names: Mapping[str, str] = field(default_factory=dict)
    """Our names -> the file's columns that are read so, with how to read them, and those that could be."""
    given: Mapping[str, str] = field(default_factory=dict)
    """What the user gave as `columns`: our names -> theirs, with how to read them."""
    table: str = ""

    def answer(self, *entries: str) -> dict[str, str]:
        """Return the `columns` to give: what was given, with these entries; {name} is the file's column.

        >>> Naming({"rating": "Stars"}, {"user_id": "uid"}).answer("rating={rating}:0..10")
        {'user_id': 'uid', 'rating': 'Stars:0..10'}
        """
        answer = dict(self.given)
        for ours, _, theirs in (entry.format_map(dict(self.names)).partition("=") for entry in entries):
            theirs = re.sub(r":[^:]+\.\.[^:]+(?=:(.*:)?[^:]+\.\.[^:]+$)", "", theirs)  # of two ranges the last
            answer[f"{self.table}.{ours}" if f"{self.table}.{ours}" in answer else ours] = theirs
        return answer

    def option(self, *entries: str) -> str:
        """Return the option of the command line that gives this answer."""
        return as_option(self.answer(*entries))


def as_option(columns: Mapping[str, str]) -> str:
    """Return `columns` as an option of the command line.

    >>> as_option({"user_id": "uid", "rating": "Stars:0..10"})
    '--columns "user_id=uid,rating=Stars:0..10"'
    >>> as_option({"accept": "ids"})
    '--accept ids'
    >>> as_option({"timestamp": "none"})
    '--columns "timestamp=none" --set split=random'
    """
    given = ",".join(f"{ours}={theirs}" for ours, theirs in columns.items() if ours != "accept")
    options = [f"--columns {quoted(given)}"] * bool(given)
    options += ["--set split=random"] * (columns.get("timestamp") == "none" and "position" not in columns)
    return " ".join([*options, *(f"--accept {columns[name]}" for name in columns if name == "accept")])


def quoted(text: str) -> str:
    """Return the text as one word of a command line.

    >>> quoted("text=Review Text")
    '"text=Review Text"'
    """
    return shlex.quote(text) if re.search(r'["$`\\!]', text) else f'"{text}"'


@dataclass(frozen=True)
class RawTables:
    """The tables of a source before validation. Values are as in the file, the index is the row number from 1."""

    name: str
    frames: dict[str, pd.DataFrame]
    rejected: list[dict[str, Any]] = field(default_factory=list)
    """Lines that could not be parsed as rows, such as a line that is not JSON: entries of the quarantine."""
    notes: list[dict[str, Any]] = field(default_factory=list)
    """Entries of the report."""
    readings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """How to read columns whose values are ambiguous: {"interactions": {"timestamp": "day-first"}}."""
    naming: Mapping[str, Naming] = field(default_factory=dict)
    """Of a user's files, by table. What would change many of their rows is asked about."""
    repeated: Mapping[str, pd.Index] = field(default_factory=dict)
    """Of a user's files, by table: rows equal to an earlier one in all columns of the file."""
    starts: Mapping[str, Any] = field(default_factory=dict)
    """Of tables of several files: which file a row is from, as in `FileRows`."""
    truth: Any = None
    """For the built-in shop: the `ToyShop` with the preferences behind its events."""


@dataclass(frozen=True)
class Dataset:
    """The validated and typed tables of a shop; None for a table that it does not have."""

    name: str
    interactions: pd.DataFrame | None
    """One row per event: user_id, item_id, timestamp (UTC) or position (a whole number that orders the events of a
    user); optional rating, event, price, quantity, review_id, ctx_*."""
    items: pd.DataFrame | None
    """One row per item, also without interactions: item_id; optional title, description, category, brand, price ..."""
    users: pd.DataFrame | None
    """One row per user: user_id and any other columns."""
    reviews: pd.DataFrame | None
    """One row per review: review_id, text; optional title, rating, label, user_id, item_id, timestamp."""
    quarantine: pd.DataFrame
    """One row per rejected row: table, row (from 1), column, rule (the first that it breaks), value as in the file."""
    report: pd.DataFrame
    """One row per rule and action: table, rule, action (one of `schema.ACTIONS`), rows, example."""
    n_read: dict[str, int] = field(default_factory=dict)
    """Rows read of each table of the source."""
    compared: tuple[str, ...] = ()
    """Tables without rows that repeat one in all columns of their file, so that no other row is a duplicate."""
    truth: Any = None
    """For the built-in shop: the `ToyShop` with the preferences behind its events."""

    def row_counts(self) -> pd.DataFrame:
        """Return the number of rows read, kept, deduplicated, quarantined and, if any, dropped, a row per table."""
        actions = ["kept", "deduplicated", "quarantined", *({"dropped"} & set(self.report["action"]))]
        counted = self.report[self.report["action"].isin(actions)]
        counts = counted.pivot_table(index="table", columns="action", values="rows", aggfunc="sum", fill_value=0)
        counts = counts.reindex(columns=actions, fill_value=0).astype(int)
        counts.insert(0, "read", counts.sum(axis=1))
        return counts.rename_axis(columns=None)


# -- equal rows --------------------------------------------------------------------------------------------------------


def hash_rows(frame: pd.DataFrame) -> np.ndarray:
    """Return a number for the content of each row, (rows,) uint64; missing values are alike.

    In a hundred thousand files of 10 million different rows, two rows of one file share a number.

    >>> len(set(hash_rows(pd.DataFrame({"a": ["x", "x", None], "b": [[1], [1], [1]]}))))
    2
    """
    frame = frame.set_axis(range(frame.shape[1]), axis=1)
    as_texts = {column: "str" for column, values in frame.items() if values.dtype == object}
    with connect() as database:
        database.register("given", frame.astype(as_texts))
        return database.sql("SELECT hash(*COLUMNS(*)) AS hash FROM given").fetchnumpy()["hash"]


def find_repeated(hashes: np.ndarray, keep: Literal["first", False] = "first") -> np.ndarray:
    """Return True for rows whose hash an earlier row has; with `keep=False` for all rows that share one.

    >>> find_repeated(np.array([7, 8, 7])).tolist(), find_repeated(np.array([7, 8, 7]), keep=False).tolist()
    ([False, False, True], [True, False, True])
    """
    ordered = np.sort(hashes)  # much faster than a table of all: few repeat
    shared = ordered[1:][ordered[1:] == ordered[:-1]]
    again = np.array(pd.Series(hashes).isin(shared))
    if keep == "first":
        again[again] = pd.Series(hashes[again]).duplicated()
    return again


# -- the rules, checked on the values as in the file -------------------------------------------------------------------


def as_codes(ids: pd.Series) -> pd.Series:
    """Return ids as numbers of their different values, a category: what is counted or compared by id takes no texts."""
    codes, different = pd.factorize(ids)
    coded = pd.Series(pd.Categorical.from_codes(codes, different), index=ids.index, name=ids.name)
    return coded.cat.remove_categories("") if "" in different else coded  # an empty field is missing


def is_present(values: pd.Series) -> pd.Series:
    """Return True for values that are neither missing nor blank."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        different = values.cat.categories.to_series()
        return values.isin(different[is_present(different)])
    return values.notna() & values.astype("str").str.strip().fillna("").ne("")


def rating_scale(ratings: pd.Series) -> tuple[float, float]:
    """Return `HALF_STAR_SCALE` if the ratings have half steps and start below 1, else `RATING_SCALE`.

    >>> rating_scale(pd.Series([0.5, 3.5, 5.0])), rating_scale(pd.Series([0.0, 0.5, 1.0]))
    ((0.5, 5.0), (1.0, 5.0))
    """
    inside = ratings[ratings.between(*HALF_STAR_SCALE)]
    half = inside[inside.mod(1).ne(0)]
    in_half_steps = half.mod(0.5).eq(0).all() and half.gt(1).any()  # 0.5 alone may be an error
    return HALF_STAR_SCALE if in_half_steps and inside.lt(1).any() else RATING_SCALE


class Rule(NamedTuple):
    """A condition on the values of a column. Missing values pass, unless the rule is about them."""

    column: str
    name: str
    broken: Callable[[pd.Series, Any, tuple[float, float]], pd.Series]
    """Called with the values as in the file, those parsed (numbers, times) and the scale of ratings; True where a value
    breaks the rule."""


def _is_missing(values: pd.Series, *_: Any) -> pd.Series:
    return ~is_present(values)


def _is_unread(values: pd.Series, parsed: pd.Series, *_: Any) -> pd.Series:
    missing = parsed.isna()
    missing[missing] = is_present(values[missing]).to_numpy()
    return missing


def _is_outside_years(values: pd.Series, parsed: pd.Series, *_: Any) -> pd.Series:
    return parsed.notna() & ~parsed.between(EARLIEST, pd.Timestamp.now("UTC") + pd.Timedelta(days=1))


_RATING = [
    Rule("rating", "rating is not a number", _is_unread),
    Rule("rating", "rating out of range", lambda values, parsed, scale: parsed.notna() & ~parsed.between(*scale)),
]
_TIME = [
    Rule("timestamp", "time cannot be read", _is_unread),
    Rule("timestamp", "time out of range", _is_outside_years),
]
RULES = {
    "interactions": [
        *(Rule(column, f"missing {column}", _is_missing) for column in ("user_id", "item_id", "timestamp", "position")),
        *_TIME,
        Rule("position", "position is not a whole number", lambda values, parsed, scale: parsed.mod(1).ne(0)),
        *_RATING,
        Rule("quantity", "quantity is not a number", _is_unread),
        Rule("quantity", "quantity not above zero: cancelled", lambda values, parsed, scale: parsed.le(0)),
    ],
    "items": [Rule("item_id", "missing item_id", _is_missing)],
    "users": [Rule("user_id", "missing user_id", _is_missing)],
    "reviews": [
        Rule("review_id", "missing review_id", _is_missing),
        Rule("text", "empty review text", _is_missing),
        *_TIME,
        *_RATING,
    ],
}


def report_entry(table: str, rule: str, action: str, rows: int, example: Any = "") -> dict[str, Any]:
    """Return one row of the report."""
    return dict(zip(REPORT_COLUMNS, (table, rule, action, int(rows), str(example)), strict=True))


def count_rows(
    table: str, action: str, rules: Mapping[str, pd.Series], values: pd.Series | None
) -> list[dict[str, Any]]:
    """Return an entry of the report for each rule with rows.

    Args:
        table: its name.
        action: what happens to the rows.
        rules: True for the rows of each.
        values: of which the first is the example, except where they say who a user is.
    """
    return [
        report_entry(
            table, rule, action, rows.sum(), "" if values is None or values.name == "user_id" else values[rows].iloc[0]
        )
        for rule, rows in rules.items()
        if rows.any()
    ]
