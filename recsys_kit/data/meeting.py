"""Ids must meet: those of the events have to be known in the files of items and users, or something is wrong."""

import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from operator import itemgetter
from typing import Any

import pandas as pd

from recsys_kit.data import columns
from recsys_kit.data.nested import N_LOOKED_AT, holds_objects
from recsys_kit.data.questions import ask
from recsys_kit.data.tables import is_present, report_entry

ASKED, SAID = 0.5, 0.95  # shares of the ids of the events below which it is asked, and said
FEW_IDS = 10
PAIRS = (
    ("interactions", "items", "item_id"),
    ("reviews", "items", "item_id"),
    ("interactions", "users", "user_id"),
    ("reviews", "users", "user_id"),
    ("reviews", "interactions", "item_id"),  # where there is no file of items
)
# that make ids meet, as `columns` names them: the simplest first, and of two the one that comes first
WAYS = ("strip=.0", "strip=spaces", "strip='", "lower", "strip=signs", "strip=prefix", "strip=zeros")
SAYS_ID = r"(?i)(?:^|[^a-z])(?:id|sku|asin|isbn|ean|gtin|upc|code|key|nr|no|number|handle)$|Id$"  # of numbers
MAX_MERGED = 0.01  # share of the ids of a file that a way may make alike


def check_ids(
    tables: Sequence[columns.Table], named: columns.Named, wanted: Sequence[columns.Wanted]
) -> list[dict[str, Any]]:
    """Measure which ids of the interactions and reviews the files of items and users know.

    Without a file of items, the items of the reviews are looked for in the interactions.

    Args:
        tables: the files, with all their columns.
        named: their columns by our names.
        wanted: what the user named; `accept=ids` takes the ids as they are.

    Returns:
        Cautions: entries of the report for ids that meet in part.

    Raises:
        DataError: RK-161 fewer than half of the ids meet.
    """
    files, entries = {table.table: table.frame for table in tables}, []
    accepted = columns.ACCEPT_IDS in [(entry.name, entry.column) for entry in wanted]
    for events, other, key in PAIRS:
        frames = {table: named.frames[table] for table in (events, other) if key in named.frames.get(table, ())}
        if len(frames) < 2 or (other == "interactions" and "items" in files):
            continue
        ids = {table: _different(frame[key]) for table, frame in frames.items()}
        n, n_met = len(ids[events]), len(ids[events] & ids[other])
        if n < FEW_IDS or n_met >= SAID * n:
            continue
        found = f"{n_met:,} of {n:,} different {key}s of the {events} are in the {other}"
        option, naming = "", named.naming[events]
        if not accepted:
            better, way = max(_ways(files, ids, named, key), key=itemgetter(0), default=(0, ()))
            has_way = better >= ASKED * n and better > n_met
            option = f"; {better:,} would meet with {naming.option(*way)}" * has_way
            if n_met < ASKED * n:
                ways = {",".join(way): f"so that {better:,} meet"} if has_way else {}
                ways |= {"accept=ids": "to take them as they are"}
                more = "or name the column of each file that holds the same ids" * (not has_way)
                raise ask("RK-161", f"{found}; expected nearly all.", ways, naming, more)
        entries.append(report_entry(events, f"{found}, the others are not described{option}", "cautioned", n - n_met))
    return entries


def _different(ids: pd.Series) -> set[str]:
    return set(ids[is_present(ids)].astype("str").unique())


def _ways(
    files: dict[str, pd.DataFrame], ids: dict[str, set[str]], named: columns.Named, key: str
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """How many ids meet in each way, and the entries of `columns` that name it."""
    events, other = ids
    different, best = {table: pd.Series(sorted(of_table), dtype="str") for table, of_table in ids.items()}, 0
    for way in [*WAYS, *map(":".join, combinations(WAYS, 2))]:
        if way not in WAYS and best >= SAID * len(ids[events]):
            break
        read = {table: set(columns.read_ids(values, way)) for table, values in different.items()}
        if all(len(read[table]) >= (1 - MAX_MERGED) * len(ids[table]) for table in ids):
            n_met = len(read[events] & read[other])
            best = max(best, n_met)
            written = {table: f"{named.naming[table].names[key]}:{way}" for table in ids}
            names = {events: key, other: key}
            if written[events] != written[other]:
                names = {table: f"{table}.{key}" for table in ids}
            yield n_met, tuple(f"{names[table]}={how}" for table, how in written.items())
    for table, against in ((other, events), (events, other)):
        taken = {theirs for ours, theirs in named.naming[table].names.items() if ours != key}  # such as the price
        for column, values in files[table].items():
            is_id = re.search(SAYS_ID, str(column)) or not values.head(N_LOOKED_AT).str.fullmatch(r"[\d.]+").all()
            if column not in taken and values.dtype != object and not holds_objects(values) and is_id:
                yield len(_different(values) & ids[against]), (f"{table}.{key}={column}",)
