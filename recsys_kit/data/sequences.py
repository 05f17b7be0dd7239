"""Sequence files of research papers: one line per user, `user item item ...` in time order, without times.

Source of the format: Kang and McAuley, Self-attentive sequential recommendation, 2018; Zhou et al., S3-Rec, 2020.
"""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_kit.data.files import decode, open_content
from recsys_kit.data.tables import report_entry
from recsys_kit.errors import DataError

NO_ITEM = "line holds a shopper and no product"
N_CHECKED_LINES = 20
SEPARATORS = set(',;|"{')  # between the fields of a table, and rarely in an id


def read_sequences(
    path: Path, *, encoding: str = ""
) -> tuple[pd.DataFrame, list[dict[str, Any]], list[dict[str, Any]]]:
    """Read a file of sequences.

    A line without an item is rejected, a blank line is skipped and counted. A user's second line continues the first.

    Args:
        path: a text file, also in gzip or zip.
        encoding: "" to detect it.

    Returns:
        Interactions with user_id, item_id and position (from 1 for each user), indexed by event number from 1; the
        rejected lines (entries of the quarantine, whose row is the line number); and notes (entries of the report).

    Raises:
        DataError: RK-148 no item, or more rejected lines than users.
    """
    with open_content(path) as content:
        text = decode(content, encoding)
        lines = list(text.lines())
    users, items, positions, rejected = [], [], [], []
    lengths: Counter[str] = Counter()
    n_blank = n_continued = 0
    for number, line in enumerate(lines, start=1):
        user, *user_items = line.split() or [""]
        rule = text.flaw(line) or ("" if user_items or not user else NO_ITEM)
        if rule:
            rejected.append({"row": number, "column": "", "rule": rule, "value": f"{len(line)} characters"})
        elif user:
            n_continued += user in lengths
            users += [user] * len(user_items)
            items += user_items
            positions += range(lengths[user] + 1, lengths[user] + len(user_items) + 1)
            lengths[user] += len(user_items)
        else:
            n_blank += 1
    if not items or len(rejected) > len(lengths):
        raise DataError(
            "RK-148",
            f"{text.name} has {len(lengths):,} lines with a user and items; expected `user item item ...`.",
            "Pass a table of interactions with --interactions instead.",
        )
    counted = {"blank line, left out": n_blank, "shopper on another line: continued": n_continued}
    notes = [{**entry, "table": "interactions", "action": "noted"} for entry in text.notes]
    notes += [report_entry("interactions", rule, "noted", rows) for rule, rows in counted.items() if rows]
    events = pd.DataFrame({"user_id": users, "item_id": items, "position": positions}, index=range(1, len(items) + 1))
    return events, rejected, notes


def looks_like_sequences(path: str | Path, *, encoding: str = "") -> bool:
    """Return whether each of the first lines may be a user and items: words without separators of fields.

    Raises:
        DataError: the file is not text.
    """
    with open_content(path) as content:
        lines = list(islice(filter(str.strip, decode(content, encoding).lines()), N_CHECKED_LINES))
    return all(len(line.split()) > 1 and not SEPARATORS & set(line) for line in lines)


def read_attributes(path: Path) -> pd.DataFrame | None:
    """Read the attributes of items from a JSON map, item -> list of attributes (or one); None for another file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "map.json"
    ...     _ = path.write_text('{"4": [1, 2], "007": ["oak"]}')
    ...     read_attributes(path)["attributes"].tolist()
    [['1', '2'], ['oak']]
    """
    with open_content(path) as content:
        if content.kind != "text":
            return None
        text = decode(content)
        if not text.head.lstrip().startswith("{"):
            return None
        written = text.read()
    try:
        found = json.loads(written, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    if "item_id" in found or not all(isinstance(value, (list, str)) for value in found.values()):
        return None
    return pd.DataFrame(
        {"item_id": list(found), "attributes": [list(_texts(value)) for value in found.values()]},
        index=range(1, len(found) + 1),
    )


def _texts(value: Any) -> Iterator[str]:
    for part in value if isinstance(value, list) else [value]:
        yield str(part)
