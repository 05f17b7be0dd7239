"""The context of a request: time and `ctx_*` columns, checked in one place."""

from typing import Any

import pandas as pd

from recsys_kit.core.ids import as_ids
from recsys_kit.errors import ParameterError
from recsys_kit.schema import CONTEXT_PREFIX

UNIT_LIMITS = {"s": 1e11, "ms": 1e14, "us": 1e17}  # numbers below are times since 1970 in this unit; above, in ns


def is_context(column: Any) -> bool:
    """Return whether a column of the interactions belongs to the context.

    >>> [column for column in ("user_id", "timestamp", "ctx_device", "rating") if is_context(column)]
    ['timestamp', 'ctx_device']
    """
    return column == "timestamp" or str(column).startswith(CONTEXT_PREFIX)


def check_context(context: Any) -> pd.DataFrame:
    """Return the context as models read it: `timestamp` in UTC, and `ctx_*` columns.

    Args:
        context: one row per query. Times may be text or in another zone; without a zone they are UTC, and a
            missing one stays missing. Columns that a model does not use are allowed.

    Raises:
        ParameterError: RK-343 a column that is not a context column, RK-344 no table, RK-346 a column twice, RK-347 a
            time that cannot be read.

    >>> check_context(pd.DataFrame({"timestamp": ["2025-12-24T18:00+01:00"]}))["timestamp"].tolist()
    [Timestamp('2025-12-24 17:00:00+0000', tz='UTC')]
    """
    if not isinstance(context, pd.DataFrame):
        problem = f"context is {context!r:.60}; expected a table of timestamp and ctx_* columns."
        raise ParameterError("RK-344", problem, "Pass pd.DataFrame({'ctx_device': ['phone']}).")
    if wrong := [column for column in context if not is_context(column)]:
        tip = f"Rename it to 'ctx_{wrong[0]}', or drop it."
        problem = f"context has a column {wrong[0]!r}; expected timestamp, or names that begin with ctx_."
        raise ParameterError(
            "RK-343", problem, "Make it the index: context.set_index('user_id')." if wrong[0] == "user_id" else tip
        )
    if not context.columns.is_unique:
        twice = context.columns[context.columns.duplicated()][0]
        raise ParameterError("RK-346", f"context has {twice!r} twice; expected each column once.", "Drop one of them.")
    return context.assign(timestamp=in_utc(context["timestamp"])) if "timestamp" in context else context


def context_of(context: Any, users: Any) -> pd.DataFrame:
    """Return the checked context of these users, from one row per user_id; a user without a row has missing values.

    Raises:
        DataError: RK-153 and RK-154 as `as_ids`, for the index.
        ParameterError: as `check_context`; RK-340 a user twice, or a context without any of these users.
    """
    context = check_context(context)
    context = context.set_axis(as_ids(context.index, "user_id of context"))
    if not context.index.is_unique:
        twice = context.index[context.index.duplicated()][0]
        problem = f"context has several rows of user {twice!r}; expected one."
        raise ParameterError("RK-340", problem, "Keep one row per user_id.")
    if not context.index.isin(users).any():
        problem = (
            f"context has {len(context):,} rows (the first: {context.index[:3].tolist()}), and none is of the users "
            f"asked (such as {list(users[:3])})."
        )
        raise ParameterError("RK-340", problem, "Give it their user_id as index, as Split.request_context does.")
    return context.reindex(users)


def in_utc(values: pd.Series) -> pd.Series:
    """Return times in UTC: datetimes, ISO 8601 text, or numbers since 1970. RK-347 for a value that cannot be read."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.dt.tz_localize("UTC") if values.dt.tz is None else values.dt.tz_convert("UTC")
    numbers = pd.to_numeric(values, errors="coerce").dropna()
    if len(numbers) and len(numbers) == values.notna().sum():
        size = numbers.abs().max()
        unit = next((unit for unit, limit in UNIT_LIMITS.items() if size < limit), "ns")
        read = pd.to_datetime(numbers, utc=True, errors="coerce", unit=unit).reindex(values.index)
    else:
        read = pd.to_datetime(values, utc=True, errors="coerce", format="ISO8601")
    wrong = values[values.notna() & read.isna()]
    if len(wrong):
        problem = f"the timestamp of the context is {wrong.iloc[0]!r}; expected a time."
        raise ParameterError("RK-347", problem, "Write it as 2025-12-24T18:00, in UTC.")
    return read
