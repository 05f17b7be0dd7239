"""Ids must meet: those of the events have to be known in the files of items and users, or something is wrong."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from recsys_kit.data.columns import ACCEPT_IDS, Named, Table, Wanted, read_ids
from recsys_kit.data.nested import holds_objects
from recsys_kit.data.questions import ask
from recsys_kit.data.tables import is_present, report_entry

ASKED, SAID = 0.5, 0.95  # shares of the ids of the events below which it is asked, and said
FEW_IDS = 10
DESCRIBED = (("items", "item_id"), ("users", "user_id"))
WAYS = (  # that make ids meet, as `columns` names them, the simplest first
    "strip=.0", "strip=zeros", "lower", "strip=spaces", "strip='", "strip=signs",
    "strip=.0:strip=zeros", "strip=signs:strip=zeros", "strip=signs:lower",
)  # fmt: skip
MAX_MERGED = 0.01  # share of the ids of a file that a way may make alike


def check_ids(tables: Sequence[Table], named: Named, wanted: Sequence[Wanted]) -> list[dict[str, Any]]:
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
    files = {table.table: table for table in tables}
    accepted = ACCEPT_IDS in [(entry.name, entry.column) for entry in wanted]
    pairs = [(events, other, key) for other, key in DESCRIBED for events in ("interactions", "reviews")]
    if "items" not in files:
        pairs.append(("reviews", "interactions", "item_id"))
    entries = []
    for events, other, key in pairs:
        if other not in files or key not in named.frames.get(events, ()) or key not in named.frames[other]:
            continue
        asked = _different(named.frames[events][key])
        n_met = len(asked & _different(named.frames[other][key]))
        if len(asked) < FEW_IDS or n_met >= SAID * len(asked):
            continue
        found = f"{n_met:,} of {len(asked):,} different {key}s of the {events} are in the {other}"
        better, way = _best_way(files, named, events, other, key)
        has_way = better >= ASKED * len(asked) and better > n_met
        if n_met < ASKED * len(asked) and not accepted:
            ways = {",".join(way): f"so that {better:,} meet"} if has_way else {}
            ways |= {"accept=ids": "to take them as they are"}
            more = "or name the column of each file that holds the same ids" * (not has_way)
            raise ask("RK-161", f"{found}; expected nearly all.", ways, named.naming[events], more)
        option = f"; {better:,} would meet with {named.naming[events].option(*way)}" if has_way and not accepted else ""
        entries.append(
            report_entry(events, f"{found}, the others are not described{option}", "cautioned", len(asked) - n_met)
        )
    return entries


def _different(ids: pd.Series) -> set[str]:
    return set(ids[is_present(ids)].astype("str").unique())


def _best_way(files: dict[str, Table], named: Named, events: str, other: str, key: str) -> tuple[int, tuple[str, ...]]:
    """How many ids meet at best, and the entries of `columns` that make them meet."""
    ids = {table: pd.Series(sorted(_different(named.frames[table][key])), dtype="str") for table in (events, other)}
    found = []
    for way in WAYS:
        read = {table: set(read_ids(values, way)) for table, values in ids.items()}
        if all(len(read[table]) >= (1 - MAX_MERGED) * len(values) for table, values in ids.items()):
            found.append((len(read[events] & read[other]), _entries(named, events, other, key, way)))
    for table, against in ((other, events), (events, other)):
        for column, values in files[table].frame.items():
            if values.dtype != object and not holds_objects(values):
                found.append((len(_different(values) & set(ids[against])), (f"{table}.{key}={column}",)))
    return max(found, key=lambda way: way[0], default=(0, ()))


def _entries(named: Named, events: str, other: str, key: str, way: str) -> tuple[str, ...]:
    written = {table: f"{named.naming[table].names[key]}:{way}" for table in (events, other)}
    if written[events] == written[other]:
        return (f"{key}={written[events]}",)
    return f"{events}.{key}={written[events]}", f"{other}.{key}={written[other]}"
