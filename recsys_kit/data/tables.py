"""The contract of the four tables: their columns, their rules, and the orders and texts that every chapter shares."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from recsys_kit.data.times import EARLIEST

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


# -- orders and texts that every chapter shares ------------------------------------------------------------------------


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
