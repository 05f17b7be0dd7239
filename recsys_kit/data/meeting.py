"""Ids must meet: those of the events have to be known in the files of items and users, or something is wrong."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from recsys_kit.data.columns import Named, Table, Wanted, read_ids
from recsys_kit.data.nested import holds_objects
from recsys_kit.data.tables import is_present, report_entry
from recsys_kit.errors import DataError

ASKED, SAID = 0.5, 0.95  # shares of the ids of the events below which it is asked, and said
FEW_IDS = 10
WAYS = ("strip=.0", "strip=zeros", "lower", "strip=spaces", "strip='")  # that make ids meet, as `columns` names them


def check_ids(tables: Sequence[Table], named: Named, wanted: Sequence[Wanted]) -> list[dict[str, Any]]:
    """Measure which ids of the events the files of items and users know.

    Args:
        tables: the files, with all their columns.
        named: their columns by our names.
        wanted: what the user named; `accept=ids` takes the ids as they are.

    Returns:
        Entries of the report for ids that meet in part.

    Raises:
        DataError: RK-161 fewer than half of the ids meet.
    """
    files = {table.table: table for table in tables}
    events = "interactions" if "interactions" in named.frames else "reviews"
    entries = []
    for other, key in (("items", "item_id"), ("users", "user_id")):
        if other in named.frames and key in named.frames.get(events, ()):
            asked = _different(named.frames[events][key])
            n_met = len(asked & _different(named.frames[other][key]))
            if len(asked) < FEW_IDS or n_met >= SAID * len(asked):
                continue
            found = f"{n_met:,} of {len(asked):,} different {key}s of the {events} are in the {other}"
            if n_met < ASKED * len(asked) and ("accept", "ids") not in [(entry.name, entry.column) for entry in wanted]:
                raise DataError("RK-161", f"{found}; expected nearly all.", _offer(files, named, events, other, key))
            entries.append(
                report_entry(events, f"{found}: the others have no description", "noted", len(asked) - n_met)
            )
    return entries


def _different(ids: pd.Series) -> set[str]:
    return set(ids[is_present(ids)].astype("str").unique())


def _offer(files: dict[str, Table], named: Named, events: str, other: str, key: str) -> str:
    """The option that makes most ids meet, and the one to take them as they are."""
    ids = {table: pd.Series(sorted(_different(named.frames[table][key])), dtype="str") for table in (events, other)}
    best = 0
    option: tuple[str, ...] = ()
    for way in WAYS:
        n = len(set.intersection(*(set(read_ids(values, way)) for values in ids.values())))
        if n > best:
            best, option = n, _entries(named, events, other, key, way)
    for table, against in ((other, events), (events, other)):
        for column in files[table].frame:
            values = files[table].frame[column]
            if not holds_objects(values) and not values.map(type).eq(list).any():
                n = len(_different(values) & set(ids[against]))
                if n > best:
                    best, option = n, (f"{table}.{key}={column}",)
    naming = named.naming[events]
    accept = f"To take them as they are: {naming.option('accept=ids')}."
    if best < ASKED * len(ids[events]):
        return f"Name the column of each file that holds the same ids. {accept}"
    return f"With {naming.option(*option)} {best:,} would meet. {accept}"


def _entries(named: Named, events: str, other: str, key: str, way: str) -> tuple[str, ...]:
    written = {
        table: ":".join(filter(None, (named.naming[table].names[key], named.readings[table].get(key), way)))
        for table in (events, other)
    }
    if written[events] == written[other]:
        return (f"{key}={written[events]}",)
    return f"{events}.{key}={written[events]}", f"{other}.{key}={written[other]}"
