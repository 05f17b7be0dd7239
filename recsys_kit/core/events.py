"""Interactions in their canonical order (by user, then time, ties by fixed hashes), and as arrays."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys_kit.core.histories import Histories
from recsys_kit.core.ids import item_hash, missing_column, with_text_ids
from recsys_kit.errors import DataError


def check_times(events: pd.DataFrame, table: str) -> str:
    """Return the column that orders the events, "timestamp" or "position".

    Raises:
        DataError: RK-104 where there is neither, RK-156 where its values are missing, or not times (numbers).
    """
    when = "timestamp" if "timestamp" in events else "position"
    if when not in events:
        raise missing_column(table, "timestamp or position", events)
    values, is_time = events[when], pd.api.types.is_datetime64_any_dtype
    expected, fix = "times", f"Convert: pd.to_datetime({table}['timestamp'], utc=True), with unit='s' for numbers."
    if when == "position":
        is_time = pd.api.types.is_numeric_dtype
        expected, fix = "numbers", f"Number the events: {table}.groupby('user_id').cumcount()."
    problem = ""
    if len(events) and not is_time(values.dtype):
        problem = f"{values.dtype} such as {values.iloc[0]!r:.40}"
    elif values.hasnans:
        problem, fix = f"missing in {values.isna().sum():,} of {len(values):,} rows", "Leave these rows out."
    if problem:
        raise DataError("RK-156", f"{when} of {table} is {problem}; expected {expected}.", fix)
    return when


def order_events(interactions: pd.DataFrame, table: str = "interactions") -> pd.DataFrame:
    """Return a copy in canonical order: by user, then time (or position), ties by a hash of the item, then of the row.

    The order of the given rows does not matter. Ids become text.

    Args:
        interactions: user_id, item_id, timestamp or position.
        table: the name of the table in errors.

    Raises:
        DataError: as `with_text_ids` and `check_times`.

    >>> events = pd.DataFrame({"user_id": ["b", "a", "a"], "item_id": ["x", "y", "z"], "position": [1, 2, 1]})
    >>> order_events(events)["item_id"].tolist()
    ['z', 'y', 'x']
    """
    interactions = with_text_ids(interactions, table)
    check_times(interactions, table)
    users = pd.factorize(interactions["user_id"], sort=True)[0]
    times = times_as_numbers(interactions)
    order = _sort_pairs(users, times)
    equal = (np.diff(users[order]) == 0) & (np.diff(times[order]) == 0)
    if equal.any():
        tied = np.r_[equal, False] | np.r_[False, equal]
        rows = interactions.iloc[order[tied]]
        codes, items = pd.factorize(rows["item_id"])
        hashes = pd.util.hash_pandas_object(rows, index=False).to_numpy(), item_hash(items)[codes]
        order[tied] = order[tied][np.lexsort((*hashes, times[order[tied]], users[order[tied]]))]
    return interactions.iloc[order].reset_index(drop=True)


def times_as_numbers(events: pd.DataFrame) -> np.ndarray:
    """Return what orders the events, their timestamp or position, as numbers, `(E,)`."""
    return pd.DatetimeIndex(events["timestamp"]).asi8 if "timestamp" in events else events["position"].to_numpy()


def _sort_pairs(users: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the order by user, then time: whole times of a shop fit beside the user into one number."""
    if len(users) and times.dtype == np.int64:
        times = times - times.min()
        times //= max(np.gcd.reduce(times), 1)
        span = int(times.max()) + 1
        if span * (int(users.max()) + 1) < 2**63:
            return np.argsort(users * np.int64(span) + times, kind="stable")
    return np.lexsort((times, users))


@dataclass(frozen=True, eq=False)
class Events:
    """E interactions as arrays; what is known of each beside who and what stands in `columns`."""

    user: np.ndarray
    """(E,) int64 index of the user; -1 for a user without a training event."""
    item: np.ndarray
    """(E,) int64 index of the item; -1 for an item that is not in the catalogue."""
    columns: pd.DataFrame
    """E rows, in the same order: `timestamp` (UTC) or `position`, `rating`, `event`, `session_id`, `ctx_*` ..."""

    def __len__(self) -> int:
        return len(self.user)

    def keep(self, rows: np.ndarray) -> "Events":
        """Return the events where `rows`, (E,) bool, is True."""
        return Events(self.user[rows], self.item[rows], self.columns[rows].reset_index(drop=True))

    def histories(self, n_users: int) -> Histories:
        """Return the history of each of the users 0 to `n_users` - 1; the events are in the order of their users."""
        bounds = np.r_[0, np.bincount(self.user, minlength=n_users).cumsum()]
        return Histories(self.item, bounds)
