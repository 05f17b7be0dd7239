"""The contract of the four tables: their columns, their rules, and the orders and texts that every chapter shares."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import pandas as pd
from pandera.pandas import Check, Column, DataFrameSchema

RATINGS = (1.0, 5.0)
EARLIEST = pd.Timestamp("1995-01-01", tz="UTC")
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
    truth: Any = None


@dataclass(frozen=True)
class Dataset:
    """The tables of one shop, typed and valid. `users` and `reviews` are None where there are none."""

    name: str
    interactions: pd.DataFrame
    """An event: user_id, item_id, timestamp or position; optional rating, event, price, quantity, review_id, ctx_*."""
    items: pd.DataFrame
    """A product, bought or not: item_id; optional title, description, category, brand, price, created_at ..."""
    users: pd.DataFrame | None
    """A shopper: user_id and what is known."""
    reviews: pd.DataFrame | None
    """A review: review_id, text; optional title, rating, user_id, item_id, timestamp."""
    quarantine: pd.DataFrame
    """A rejected row: table, row (from 1), column, rule (the first that failed), value as it came."""
    report: pd.DataFrame
    """table, rule, action (one of `ACTIONS`), rows, example."""
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


# -- the rules: one schema a table, checked on the values as they came -------------------------------------------------


def to_number(values: pd.Series) -> pd.Series:
    """Numbers; what is none becomes NaN."""
    return pd.to_numeric(values, errors="coerce").astype(float)


def to_time(values: pd.Series) -> pd.Series:
    """`datetime64[ns, UTC]`; what is no time becomes NaT. Times without a zone are taken as UTC."""
    if not pd.api.types.is_datetime64_any_dtype(values):
        values = values.astype("str")
    return pd.to_datetime(values, utc=True, errors="coerce", format="ISO8601").dt.as_unit("ns")


def is_present(values: pd.Series) -> pd.Series:
    """True where there is a value that is not blank."""
    return values.notna() & values.astype("str").str.strip().ne("")


def _in_years(values: pd.Series) -> pd.Series:
    tomorrow = pd.Timestamp.now("UTC") + pd.Timedelta(days=1)
    return to_time(values).between(EARLIEST, tomorrow)


def _rule(holds: Callable[[pd.Series], pd.Series], name: str, *, also_missing: bool = False) -> Check:
    """A check of a column; missing values pass it, unless `also_missing`."""
    return Check(holds, name=name, ignore_na=not also_missing)


def _needed(column: str, name: str | None = None) -> Check:
    return _rule(is_present, name or f"missing {column}", also_missing=True)


RATING_RULES = [
    _rule(lambda values: to_number(values).notna(), "rating is not a number"),
    _rule(lambda values: to_number(values).between(*RATINGS), "rating out of range"),
]
POSITION_RULE = _rule(lambda values: to_number(values).mod(1).eq(0), "position is not a whole number")
TIME_RULES = [
    _rule(lambda values: to_time(values).notna(), "time cannot be read"),
    _rule(_in_years, "time out of range"),
]
SCHEMAS = {
    "interactions": DataFrameSchema({
        "user_id": Column(checks=_needed("user_id"), nullable=True),
        "item_id": Column(checks=_needed("item_id"), nullable=True),
        "timestamp": Column(checks=[_needed("timestamp"), *TIME_RULES], nullable=True, required=False),
        "position": Column(checks=[_needed("position"), POSITION_RULE], nullable=True, required=False),
        "rating": Column(checks=RATING_RULES, nullable=True, required=False),
    }),
    "items": DataFrameSchema({"item_id": Column(checks=_needed("item_id"), nullable=True)}),
    "users": DataFrameSchema({"user_id": Column(checks=_needed("user_id"), nullable=True)}),
    "reviews": DataFrameSchema({
        "review_id": Column(checks=_needed("review_id"), nullable=True),
        "text": Column(checks=_needed("text", "empty review text"), nullable=True),
        "timestamp": Column(checks=TIME_RULES, nullable=True, required=False),
        "rating": Column(checks=RATING_RULES, nullable=True, required=False),
    }),
}  # fmt: skip
KEYS = {"items": "item_id", "users": "user_id", "reviews": "review_id"}


def report_entry(table: str, rule: str, action: str, rows: int, example: Any = "") -> dict[str, Any]:
    """One line of the report."""
    return dict(zip(REPORT_COLUMNS, (table, rule, action, int(rows), str(example)), strict=True))


# -- orders and texts that every chapter shares ------------------------------------------------------------------------


def item_hash(item_ids: Iterable[str]) -> np.ndarray:
    """`(N,)` uint64, a fixed number for each id: ties broken by it favour neither row order nor the alphabet.

    >>> item_hash(["007", "7"])
    array([13655456112802015817,  9407870976149377255], dtype=uint64)
    """
    digests = [blake2b(str(item).encode(), digest_size=8).digest() for item in item_ids]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def order_events(interactions: pd.DataFrame) -> pd.DataFrame:
    """A copy in canonical order: by shopper, then time (or position), ties by a hash of the item, then of the row.

    So the order of the rows given does not matter.

    >>> events = pd.DataFrame({"user_id": ["b", "a", "a"], "item_id": ["x", "y", "z"], "position": [1, 2, 1]})
    >>> order_events(events)["item_id"].tolist()
    ['z', 'y', 'x']
    """
    when = "timestamp" if "timestamp" in interactions else "position"
    codes, items = pd.factorize(interactions["item_id"])
    rows = pd.util.hash_pandas_object(interactions, index=False).to_numpy()
    keys = interactions[["user_id", when]].reset_index(drop=True)
    keys = keys.assign(item=item_hash(items)[codes], row=rows)
    order = keys.sort_values(["user_id", when, "item", "row"], kind="stable").index
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
