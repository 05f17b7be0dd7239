"""The contract of the four tables: their columns, their rules, and the orders and texts that every chapter shares."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from numbers import Integral, Number
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd

from recsys_kit.data.times import EARLIEST
from recsys_kit.errors import DataError

RATINGS = (1.0, 5.0)
HALF_STARS = (0.5, 5.0)
"""Stars as well, in half steps: such ratings stay as they are."""
TIMES = ("timestamp", "created_at", "joined_at")
NUMBERS = ("rating", "price", "quantity")
TEXTS = ("title", "description", "category", "brand", "text")
ACTIONS = ("kept", "quarantined", "deduplicated", "repaired", "noted")
REPORT_COLUMNS = ("table", "rule", "action", "rows", "example")
QUARANTINE_COLUMNS = ("table", "row", "column", "rule", "value")


@dataclass(frozen=True)
class RawTables:
    """What a source read, before any rule: values as they came; the index of a frame is the row number, from 1."""

    name: str
    frames: dict[str, pd.DataFrame]
    rejected: list[dict[str, Any]] = field(default_factory=list)
    """Rows that are not even a row (a line that is not JSON): entries of the quarantine."""
    notes: list[dict[str, Any]] = field(default_factory=list)
    """What the source has to say: entries of the report."""
    readings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """How a column is to be read where its values do not tell: {"timestamp": "day-first", "rating": "0..10"}."""
    truth: Any = None


@dataclass(frozen=True)
class Dataset:
    """The tables of one shop, typed and valid; None for a table that the shop does not have."""

    name: str
    interactions: pd.DataFrame | None
    """An event: user_id, item_id, timestamp or position; optional rating, event, price, quantity, review_id, ctx_*."""
    items: pd.DataFrame | None
    """A product, bought or not: item_id; optional title, description, category, brand, price, created_at ..."""
    users: pd.DataFrame | None
    """A shopper: user_id and what is known."""
    reviews: pd.DataFrame | None
    """A review: review_id, text; optional title, rating, label, user_id, item_id, timestamp."""
    quarantine: pd.DataFrame
    """A rejected row: table, row (from 1), column, rule (the first that failed), value as it came."""
    report: pd.DataFrame
    """table, rule, action (one of `ACTIONS`), rows, example."""
    n_read: dict[str, int] = field(default_factory=dict)
    """Rows read of each table that the source has."""
    truth: Any = None
    """Of an invented shop: the tastes behind it."""

    def row_counts(self) -> pd.DataFrame:
        """One row a table: read, kept, deduplicated, quarantined."""
        actions = ["kept", "deduplicated", "quarantined"]
        counted = self.report[self.report["action"].isin(actions)]
        counts = counted.pivot_table(index="table", columns="action", values="rows", aggfunc="sum", fill_value=0)
        counts = counts.reindex(columns=actions, fill_value=0).astype(int)
        counts.insert(0, "read", counts.sum(axis=1))
        return counts.rename_axis(columns=None)


# -- the rules, checked on the values as they came ---------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """What the values of a column must be. A missing value is no fault, unless the rule is about it."""

    column: str
    name: str
    broken: Callable[[pd.Series, Any], pd.Series]
    """From the values as they came and the same as read (numbers, times) to True where the rule is broken."""


def to_number(values: pd.Series) -> pd.Series:
    """Numbers; what cannot be read as one becomes NaN."""
    return pd.to_numeric(values, errors="coerce").astype(float)


def is_present(values: pd.Series) -> pd.Series:
    """True where there is a value that is not blank."""
    return values.notna() & values.astype("str").str.strip().fillna("").ne("")


def _needed(column: str, name: str | None = None) -> Rule:
    return Rule(column, name or f"missing {column}", lambda values, read: ~is_present(values))


def _unreadable(column: str, name: str) -> Rule:
    return Rule(column, name, lambda values, read: is_present(values) & read.isna())


def _outside_years(values: pd.Series, read: pd.Series) -> pd.Series:
    tomorrow = pd.Timestamp.now("UTC") + pd.Timedelta(days=1)
    return read.notna() & ~read.between(EARLIEST, tomorrow)


def rating_rules(scale: tuple[float, float] = RATINGS) -> list[Rule]:
    """The rules of ratings on this scale."""
    return [
        _unreadable("rating", "rating is not a number"),
        Rule("rating", "rating out of range", lambda values, read: read.notna() & ~read.between(*scale)),
    ]


def rating_scale(ratings: pd.Series) -> tuple[float, float]:
    """`HALF_STARS` where the ratings go in half steps and start below 1, else `RATINGS`.

    >>> rating_scale(pd.Series([0.5, 3.5, 5.0])), rating_scale(pd.Series([0.0, 0.5, 1.0]))
    ((0.5, 5.0), (1.0, 5.0))
    """
    inside = ratings[ratings.between(*HALF_STARS)]
    half = inside[inside.mod(1).ne(0)]
    in_half_steps = half.mod(0.5).eq(0).all() and half.gt(1).any()  # .5 alone may be a slip
    return HALF_STARS if in_half_steps and inside.lt(1).any() else RATINGS


TIME_RULES = [_unreadable("timestamp", "time cannot be read"), Rule("timestamp", "time out of range", _outside_years)]
RULES = {
    "interactions": [
        _needed("user_id"),
        _needed("item_id"),
        _needed("timestamp"),
        *TIME_RULES,
        _needed("position"),
        Rule("position", "position is not a whole number", lambda values, read: read.mod(1).ne(0)),
        *rating_rules(),
        _unreadable("quantity", "quantity is not a number"),
        Rule("quantity", "quantity not above zero: cancelled", lambda values, read: read.le(0)),
    ],
    "items": [_needed("item_id")],
    "users": [_needed("user_id")],
    "reviews": [_needed("review_id"), _needed("text", "empty review text"), *TIME_RULES, *rating_rules()],
}
REQUIRED = {
    "interactions": ("user_id", "item_id"), "items": ("item_id",), "users": ("user_id",),
    "reviews": ("review_id", "text"),
}  # fmt: skip
TABLES = tuple(RULES)
KEYS = {"items": "item_id", "users": "user_id", "reviews": "review_id"}


def report_entry(table: str, rule: str, action: str, rows: int, example: Any = "") -> dict[str, Any]:
    """One line of the report."""
    return dict(zip(REPORT_COLUMNS, (table, rule, action, int(rows), str(example)), strict=True))


# -- ids, whatever they come as ----------------------------------------------------------------------------------------

IDS = ("user_id", "item_id")
EXACT = 2**53  # from here on a float of 64 bits has lost digits of a whole number; a shorter one earlier
SHOWN = 5  # rows and values that an error names


def as_ids(values: Any, name: str) -> pd.Series:
    """Ids as text, whatever they come as; a column that is text already is handed through.

    Whole numbers lose their `.0`, bytes are read as UTF-8, of categories the values count. A single id is a list of
    one; a set, which has no order, is sorted as text.

    Args:
        values: a Series (its index stays), an array, any iterable, or one id.
        name: what an error calls them.

    Raises:
        DataError: RK-153 where ids are missing, RK-154 where values cannot be ids: fractions, dates, lists, True.

    >>> [as_ids(ids, "ids").tolist() for ids in ([7, 8], [7.0], "s1", {"b", "a"}, [b"x"], pd.Categorical(["y"]))]
    [['7', '8'], ['7'], ['s1'], ['a', 'b'], ['x'], ['y']]
    """
    if not isinstance(values, pd.Series):
        values = _series_of(values, name)
    if values.hasnans:
        rows = np.flatnonzero(values.isna())
        raise DataError(
            "RK-153",
            f"{name} is missing in {len(rows):,} of {len(values):,} rows (the first: {rows[:SHOWN].tolist()}, counted "
            "from 0); expected an id in each.",
            "Leave these rows out or say who or what they are.",
        )
    if isinstance(values.dtype, pd.StringDtype) or (
        values.dtype == object and pd.api.types.infer_dtype(values, skipna=False) == "string"
    ):
        return values.astype("str")
    try:
        codes, different = pd.factorize(values)
    except TypeError:  # lists and the like
        raise _no_ids(name, values.tolist()) from None
    kind = values.dtype if isinstance(values.dtype, np.dtype) else np.asarray(different).dtype  # of 16 bits first
    exact = 2 ** (np.finfo(kind).nmant + 1) if kind.kind == "f" else EXACT
    texts = [_id_text(value, exact) for value in different.tolist()]
    if None in texts:
        raise _no_ids(name, [value for value, text in zip(different.tolist(), texts, strict=True) if text is None])
    return pd.Series(pd.array(texts, dtype="str").take(codes), index=values.index, name=values.name)


def _series_of(values: Any, name: str) -> pd.Series:
    if isinstance(values, pd.DataFrame):
        raise _no_ids(name, [values], "a table")
    array = isinstance(values, (np.ndarray, pd.Index, pd.api.extensions.ExtensionArray))
    values = values if array and np.ndim(values) == 1 else listed(values)
    return pd.Series(values, dtype=None if len(values) else "str")


def listed(values: Any) -> Sequence[Any]:
    """Values one can count: a single one is a list of one, a set is sorted as text, an iterator is read.

    >>> listed("s1"), listed({3, 1}), listed(iter("ab"))
    (['s1'], [1, 3], ['a', 'b'])
    """
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        return [values]
    if isinstance(values, np.ndarray) and not values.ndim:
        return [values.item()]
    if isinstance(values, (set, frozenset)):
        return sorted(values, key=str)
    return values if isinstance(values, (list, tuple)) else list(values)


def _id_text(value: Any, exact: int) -> str | None:
    """One id as text; None where it cannot be one, such as a float from `exact` on, which may be another id."""
    if isinstance(value, (str, UUID)):
        return str(value)
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return None
    if isinstance(value, bool) or not isinstance(value, Number) or isinstance(value, complex):
        return None
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, np.floating):
        exact = min(exact, 2 ** (np.finfo(type(value)).nmant + 1))
    return str(int(value)) if abs(value) < exact and value == int(value) else None


def _no_ids(name: str, values: Sequence[Any], kind: str = "") -> DataError:
    shown = ", ".join(repr(value)[:40] for value in values[:SHOWN])
    return DataError(
        "RK-154",
        f"{name} holds {kind or shown}, which cannot be an id; expected text, whole numbers (in a float only those "
        "that it holds exactly, of 64 bits below 2^53) or UTF-8 bytes.",
        "Pass the ids as text.",
    )


def with_text_ids(frame: pd.DataFrame, table: str, columns: Sequence[str] = IDS) -> pd.DataFrame:
    """The frame with its id columns as text; the very frame where they are. Raises as `as_ids`, RK-104 without them."""
    if not isinstance(frame, pd.DataFrame):
        raise DataError("RK-104", f"{table} is a {type(frame).__name__}; expected a table.", "Pass a pandas DataFrame.")
    fixed = {}
    for column in columns:
        if column not in frame:
            raise missing_column(table, column, frame)
        ids = as_ids(frame[column], f"{column} of {table}")
        if frame[column].dtype != ids.dtype:
            fixed[column] = ids
    return frame.assign(**fixed) if fixed else frame


def missing_column(table: str, column: str, frame: pd.DataFrame) -> DataError:
    """The error (RK-104) that a table lacks a column."""
    return DataError(
        "RK-104",
        f"{table} is missing column {column!r}; found {sorted(map(str, frame))}.",
        f"Rename yours: {table}.rename(columns={{<its name>: {column.split()[0]!r}}}).",
    )


def check_times(events: pd.DataFrame, table: str) -> str:
    """Which column orders the events, "timestamp" or "position".

    Raises:
        DataError: RK-104 where there is neither, RK-156 where its values are missing, or not times (numbers).
    """
    when = "timestamp" if "timestamp" in events else "position"
    if when not in events:
        raise missing_column(table, "timestamp or position", events)
    values = events[when]
    is_time = pd.api.types.is_datetime64_any_dtype if when == "timestamp" else pd.api.types.is_numeric_dtype
    expected, fix = {
        "timestamp": ("times", f"Convert: pd.to_datetime({table}['timestamp'], utc=True), with unit='s' for numbers."),
        "position": ("numbers", f"Number the events: {table}.groupby('user_id').cumcount()."),
    }[when]
    if len(events) and not is_time(values.dtype):
        example = repr(values.iloc[0])[:40]
        raise DataError("RK-156", f"{when} of {table} is {values.dtype} such as {example}; expected {expected}.", fix)
    if values.hasnans:
        raise DataError(
            "RK-156",
            f"{when} of {table} is missing in {values.isna().sum():,} of {len(values):,} rows; expected {expected}.",
            "Leave these rows out.",
        )
    return when


# -- orders and texts that every chapter shares ------------------------------------------------------------------------


def item_hash(item_ids: Iterable[str]) -> np.ndarray:
    """`(N,)` uint64, a fixed number for each id: ties broken by it favour neither row order nor the alphabet.

    >>> item_hash(["007", "7"])
    array([13655456112802015817,  9407870976149377255], dtype=uint64)
    """
    digests = [blake2b(str(item).encode(), digest_size=8).digest() for item in item_ids]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def order_events(interactions: pd.DataFrame, table: str = "interactions") -> pd.DataFrame:
    """A copy in canonical order: by shopper, then time (or position), ties by a hash of the item, then of the row.

    So the order of the rows given does not matter. Ids become text. Raises as `with_text_ids` and `check_times`; an
    error calls the frame `table`.

    >>> events = pd.DataFrame({"user_id": ["b", "a", "a"], "item_id": ["x", "y", "z"], "position": [1, 2, 1]})
    >>> order_events(events)["item_id"].tolist()
    ['z', 'y', 'x']
    """
    interactions, when = with_text_ids(interactions, table), check_times(interactions, table)
    users, times = (pd.factorize(interactions[column], sort=True)[0] for column in ("user_id", when))
    order = np.lexsort((times, users))
    equal = (np.diff(users[order]) == 0) & (np.diff(times[order]) == 0)
    if equal.any():
        tied = np.r_[equal, False] | np.r_[False, equal]
        rows = interactions.iloc[order[tied]]
        codes, items = pd.factorize(rows["item_id"])
        hashes = pd.util.hash_pandas_object(rows, index=False).to_numpy(), item_hash(items)[codes]
        order[tied] = order[tied][np.lexsort((*hashes, times[order[tied]], users[order[tied]]))]
    return interactions.iloc[order].reset_index(drop=True)


def _joined(frame: pd.DataFrame, key: str, columns: Iterable[str], separator: str) -> pd.Series:
    parts = [frame[column].astype("str").fillna("").str.strip() for column in columns if column in frame]
    texts = ["".join(row) if len(row) == 1 else separator.join(filter(None, row)) for row in zip(*parts, strict=True)]
    texts = texts or [""] * len(frame)
    return pd.Series(texts, index=pd.Index(frame[key], name=key), dtype="str", name="text")


def item_texts(items: pd.DataFrame) -> pd.Series:
    """What is written about each item (title, category, brand, description), by item_id; "" where nothing is known.

    >>> items = pd.DataFrame({"item_id": ["1", "2"], "title": ["Oak bowl", None], "brand": ["Fernby", None]})
    >>> item_texts(items).tolist()
    ['Oak bowl. Fernby', '']
    """
    return _joined(items, "item_id", ("title", "category", "brand", "description"), ". ")


def review_texts(reviews: pd.DataFrame) -> pd.Series:
    """Title and text of each review, by review_id.

    >>> review_texts(pd.DataFrame({"review_id": ["r1"], "title": ["Lovely"], "text": ["Warm light."]})).tolist()
    ['Lovely. Warm light.']
    """
    return _joined(reviews, "review_id", ("title", "text"), ". ")
