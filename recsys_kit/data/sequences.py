"""Sequence files of the research papers: one line a shopper, `user item item ...` in time order, without any time.

Source of the form: Kang and McAuley, Self-attentive sequential recommendation, 2018; S3-Rec and after it.
"""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_kit.data.files import decode, read_content
from recsys_kit.data.tables import report_entry
from recsys_kit.errors import DataError

NO_ITEM = "line holds a shopper and no product"
N_LOOKED_AT = 20  # lines that must look alike
OF_A_TABLE = set(',;|"{')  # what stands between the fields of a table and hardly ever in an id


def read_sequences(
    path: Path, *, encoding: str = ""
) -> tuple[pd.DataFrame, list[dict[str, Any]], list[dict[str, Any]]]:
    """Interactions with `position` from 1, the lines that are none, and notes.

    A line without an item is rejected, a blank one left out and counted. A shopper's second line continues the first.
    The index of the frame is the number of the event, from 1; the row of a rejected line is its line.
    """
    text = decode(read_content(path), encoding)
    users, items, positions, rejected = [], [], [], []
    lengths: Counter[str] = Counter()
    n_blank = n_continued = 0
    for number, line in enumerate(text.text.split("\n"), start=1):
        user, *chosen = line.split() or [""]
        rule = text.flaw(line) or ("" if chosen or not user else NO_ITEM)
        if rule:
            rejected.append({"row": number, "column": "", "rule": rule, "value": f"{len(line)} characters"})
        elif user:
            n_continued += user in lengths
            users += [user] * len(chosen)
            items += chosen
            positions += range(lengths[user] + 1, lengths[user] + len(chosen) + 1)
            lengths[user] += len(chosen)
        else:
            n_blank += 1
    n_blank -= text.text.endswith("\n")
    if not items or len(rejected) > len(lengths):
        raise DataError(
            "RK-148",
            f"{text.name} holds {len(lengths):,} lines of a shopper and products; expected `user item item ...`.",
            "Pass a table of events with --interactions instead.",
        )
    counted = {"blank line, left out": n_blank, "shopper on another line: continued": n_continued}
    notes = [{**entry, "table": "interactions", "action": "noted"} for entry in text.notes]
    notes += [report_entry("interactions", rule, "noted", rows) for rule, rows in counted.items() if rows]
    events = pd.DataFrame({"user_id": users, "item_id": items, "position": positions}, index=range(1, len(items) + 1))
    return events, rejected, notes


def looks_like_sequences(path: str | Path, *, encoding: str = "") -> bool:
    """Whether the first lines could each be a shopper and products: words, and nothing that divides fields.

    Raises `DataError` where the file holds no text.
    """
    lines = filter(str.strip, decode(read_content(path), encoding).text.split("\n"))
    return all(len(line.split()) > 1 and not OF_A_TABLE & set(line) for line in islice(lines, N_LOOKED_AT))


def read_attributes(path: Path) -> pd.DataFrame | None:
    """Items of a JSON map, item -> list of attribute ids (or one); None where the file is something else.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "map.json"
    ...     _ = path.write_text('{"4": [1, 2], "007": ["oak"]}')
    ...     read_attributes(path)["attributes"].tolist()
    [['1', '2'], ['oak']]
    """
    content = read_content(path)
    if content.kind != "text" or not content.data.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{"):
        return None
    text = decode(content)
    try:
        found = json.loads(text.text, parse_int=str, parse_float=str)
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
