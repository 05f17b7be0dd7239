"""Ids of users and items as text, and the fixed hash that breaks ties between items."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from hashlib import blake2b
from numbers import Integral, Real
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd

from recsys_kit.errors import DataError

IDS = ("user_id", "item_id")
EXACT = 2**53  # from here on a float of 64 bits has lost digits of a whole number; a shorter one earlier
SHOWN = 5  # rows and values that an error names


def as_ids(values: Any, name: str) -> pd.Series:
    """Return ids as text.

    Whole numbers lose their `.0`, bytes are read as UTF-8, categories become their values. A single id is a list of
    one; a set, which has no order, is sorted as text.

    Args:
        values: a Series (its index stays), an array, any iterable, or one id.
        name: their name in errors.

    Raises:
        DataError: RK-153 ids are missing, RK-154 values cannot be ids: fractions, dates, lists, True.

    >>> [as_ids(ids, "ids").tolist() for ids in ([7, 8], [7.0], "s1", {"b", "a"}, [b"x"], pd.Categorical(["y"]))]
    [['7', '8'], ['7'], ['s1'], ['a', 'b'], ['x'], ['y']]
    """
    if isinstance(values, pd.DataFrame):
        raise _no_ids(name, [type(values)])
    if not isinstance(values, pd.Series):
        is_array = isinstance(values, (np.ndarray, pd.Index, pd.api.extensions.ExtensionArray)) and np.ndim(values) == 1
        values = values if is_array else listed(values)
        values = pd.Series(values, dtype=None if len(values) else "str")
    if values.hasnans:
        rows = np.flatnonzero(values.isna())
        problem = (
            f"{name} is missing in {len(rows):,} of {len(values):,} rows (the first: {rows[:SHOWN].tolist()}, counted "
            "from 0); expected an id in each."
        )
        raise DataError("RK-153", problem, "Leave these rows out or say who or what they are.")
    if pd.api.types.infer_dtype(values, skipna=False) == "string":
        return values.astype("str")
    try:
        codes, different = pd.factorize(values)
    except TypeError:  # lists and the like
        raise _no_ids(name, list(values)) from None
    different = np.asarray(different, values.dtype if isinstance(values.dtype, np.dtype) else None)  # also of 16 bits
    texts = [_id_text(value) for value in different]
    if wrong := [value for value, text in zip(different.tolist(), texts, strict=True) if text is None]:
        raise _no_ids(name, wrong)
    return pd.Series(pd.array(texts, dtype="str").take(codes), index=values.index, name=values.name)


def listed(values: Any) -> Sequence[Any]:
    """Return values as a sequence: a single one is a list of one, a set is sorted as text, an iterator is read.

    >>> listed("s1"), listed({3, 1}), listed(iter("ab"))
    (['s1'], [1, 3], ['a', 'b'])
    """
    if isinstance(values, (set, frozenset)):
        return sorted(values, key=str)
    if not pd.api.types.is_list_like(values):
        return [values.item() if isinstance(values, np.ndarray) else values]
    return values if isinstance(values, (list, tuple)) else list(values)


def _id_text(value: Any) -> str | None:
    """Return one id as text; None where it cannot be one, such as a float that may have lost digits of another id."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    if isinstance(value, (str, UUID)):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, (Real, Decimal)):
        return None
    if isinstance(value, Integral):
        return str(int(value))
    exact = 2 ** (np.finfo(type(value)).nmant + 1) if isinstance(value, np.floating) else EXACT
    return str(int(value)) if abs(value) < exact and value == int(value) else None


def _no_ids(name: str, values: Sequence[Any]) -> DataError:
    shown = ", ".join(repr(value)[:40] for value in values[:SHOWN])
    return DataError(
        "RK-154",
        f"{name} holds {shown}, which cannot be an id; expected text, whole numbers (in a float only those "
        "that it holds exactly, of 64 bits below 2^53) or UTF-8 bytes.",
        "Pass the ids as text.",
    )


def with_text_ids(frame: pd.DataFrame, table: str, columns: Sequence[str] = IDS) -> pd.DataFrame:
    """Return the frame with its id columns as text, without a copy where they are text.

    Raises:
        DataError: RK-104 a column is missing; as `as_ids`.
    """
    if not isinstance(frame, pd.DataFrame):
        problem = f"{table} is a {type(frame).__name__}; expected a table."
        raise DataError("RK-107", problem, "Pass a pandas DataFrame, such as dataset.interactions.")
    fixed = {}
    for column in columns:
        if column not in frame:
            raise missing_column(table, column, frame)
        ids = as_ids(frame[column], f"{column} of {table}")
        if frame[column].dtype != ids.dtype:
            fixed[column] = ids
    return frame.assign(**fixed) if fixed else frame


def missing_column(table: str, column: str, frame: pd.DataFrame) -> DataError:
    """Return the error (RK-104) that a table lacks a column."""
    return DataError(
        "RK-104",
        f"{table} is missing column {column!r}; found {sorted(map(str, frame))}.",
        f"Rename yours: {table}.rename(columns={{<its name>: {column.split()[0]!r}}}).",
    )


def item_hash(item_ids: Iterable[str]) -> np.ndarray:
    """Return a fixed number for each id, `(N,)` uint64: ties broken by it favour neither row order nor the alphabet.

    >>> item_hash(["007", "7"])
    array([13655456112802015817,  9407870976149377255], dtype=uint64)
    """
    digests = [blake2b(str(item).encode(), digest_size=8).digest() for item in item_ids]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)
