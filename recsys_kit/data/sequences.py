"""Sequence files of research papers: one line per user, `user item item ...` in time order, without times.

Source of the format: Kang and McAuley, Self-attentive sequential recommendation, 2018; Zhou et al., S3-Rec, 2020.
"""

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pandas as pd

from recsys_kit.data.files import FileRows, decode, open_content, read_tables
from recsys_kit.data.files.rows import note, rejection
from recsys_kit.errors import DataError

NO_ITEM = "line holds a shopper and no product"
N_CHECKED_LINES = 20
SEPARATORS = set(',;|"{')  # between the fields of a table, and rarely in an id


def read_sequences(path: Path, *, encoding: str = "") -> FileRows:
    """Read a file of sequences.

    A line without an item is rejected, a blank line is skipped and counted. A user's second line continues the first.

    Args:
        path: a text file, also in gzip or zip.
        encoding: "" to detect it.

    Returns:
        Interactions with user_id, item_id and position (from 1 for each user), indexed by event number from 1. The
        row of a rejected line is its number.

    Raises:
        DataError: RK-148 no item, or more rejected lines than users.
    """
    with open_content(path) as content:
        text = decode(content, encoding)
        lines = list(text.lines())
    words = {number: line.split() for number, line in enumerate(lines, start=1)}
    flaws = {n: text.flaw(lines[n - 1]) or (NO_ITEM if len(words[n]) == 1 else "") for n in words}
    rejected = [rejection(n, rule, f"{len(lines[n - 1])} characters") for n, rule in flaws.items() if rule]
    good = [words[n] for n, rule in flaws.items() if not rule and words[n]]
    users = pd.Series([user for user, *_ in good], dtype="str")
    if not good or len(rejected) > users.nunique():
        what = f"{text.name} has {users.nunique():,} users with items; expected lines `user item item ...`."
        raise DataError("RK-148", what, "Pass a table of interactions with --interactions instead.")
    events = pd.DataFrame({"user_id": users, "item_id": [items for _, *items in good]}).explode("item_id")
    events = events.assign(position=events.groupby("user_id").cumcount() + 1).set_axis(range(1, len(events) + 1))
    n_blank = sum(not line for line in words.values())
    counted = {"blank line, left out": n_blank, "shopper on another line: continued": int(users.duplicated().sum())}
    return FileRows(events, rejected, [*text.notes, *(note(rule, rows) for rule, rows in counted.items() if rows)])


def read_lines(paths: Sequence[Path], table: str, encoding: str = "") -> FileRows:
    """Read a file of sequences; or of items, their attributes or a table.

    Raises:
        DataError: as `read_sequences` and `read_tables`.
    """
    if table == "interactions":
        return read_sequences(paths[0], encoding=encoding)
    return read_attributes(paths[0]) or read_tables(paths, encoding=encoding)


def looks_like_sequences(path: str | Path, *, encoding: str = "") -> bool:
    """Return whether each of the first lines may be a user and items: words without separators of fields.

    Raises:
        DataError: the file is not text.
    """
    with open_content(path) as content:
        lines = list(islice(filter(str.strip, decode(content, encoding).lines()), N_CHECKED_LINES))
    return all(len(line.split()) > 1 and not SEPARATORS & set(line) for line in lines)


def read_attributes(path: Path) -> FileRows | None:
    """Read the attributes of items from a JSON map, item -> list of attributes (or one); None for another file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "map.json"
    ...     _ = path.write_text('{"4": [1, 2], "007": ["oak"]}')
    ...     read_attributes(path).frame["attributes"].tolist()
    [['1', '2'], ['oak']]
    """
    with open_content(path) as content:
        text = decode(content) if content.kind == "text" else None
        written = text.read() if text and text.head.lstrip().startswith("{") else ""
    try:
        found = json.loads(written, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    if "item_id" in found or not all(isinstance(value, (list, str)) for value in found.values()):
        return None
    values = [[*map(str, value if isinstance(value, list) else [value])] for value in found.values()]
    frame = pd.DataFrame({"item_id": list(found), "attributes": values}, index=range(1, len(found) + 1))
    return FileRows(frame, [], [])
