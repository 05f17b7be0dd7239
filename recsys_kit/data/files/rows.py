"""What reading a file gives: its rows, the lines that are no rows, and notes."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath
from typing import Any

import pandas as pd

from recsys_kit.errors import DataError

SHOWN = 80  # characters of a rejected value
MAX_COLUMNS = 20_000
MAX_VALUES = 200_000_000  # rows times columns: the table is held in memory
CUT_OFF = "file cut off, read to its last whole line"


@dataclass(frozen=True)
class FileRows:
    """The rows of one file, values as they are written. Rows in the file = rows of `frame` + `rejected`."""

    frame: pd.DataFrame
    """The file's columns under its own names. A value is a str exactly as written, a list of str, or None where the
    file has none. Index: the line where the row starts (the header is line 1); in Parquet and in a JSON array the
    number of the row, from 1."""
    rejected: list[dict[str, Any]]
    """Rows that cannot be read: row, column, rule, value (at most 80 characters)."""
    notes: list[dict[str, Any]]
    """What was accepted but differs from a plain file: rule, rows, example."""
    starts: Sequence[tuple[int, str]] = ()
    """Of several files: the number before the first line of each, and its name. See `name_lines`."""


def join_rows(read: Mapping[str, FileRows]) -> FileRows:
    """The rows of several files of one table below each other; the keys are their paths.

    Raises `DataError`: (RK-133) a file that has no column of the first, (RK-125) two columns of one name, (RK-132).
    """
    frames, rejected, notes, starts, n_lines = [], [], [], [], 0
    names = dict.fromkeys(name for rows in read.values() for name in rows.frame)
    (first, of_first), *_ = read.items()
    for path, rows in read.items():
        file, frame = PurePath(path).name, rows.frame
        if not set(frame) & set(of_first.frame):
            problem = f"{file} has no column of {PurePath(first).name}, {[*of_first.frame][:5]}, but {[*frame][:5]}."
            raise DataError("RK-133", problem, "Pass files of one table, and each table by its own option.")
        if missing := [name for name in names if name not in frame]:
            notes.append(note("file lacks columns of the others", len(frame), f"{file}: {', '.join(missing)}"))
        notes += [note(one["rule"], one["rows"], f"{file}: {one['example']}".removesuffix(": ")) for one in rows.notes]
        starts.append((n_lines, file))
        frames.append(frame.set_axis(frame.index + n_lines))
        rejected += [{**entry, "row": n_lines + entry["row"]} for entry in rows.rejected]
        n_lines = max([int(frames[-1].index[-1]), *(entry["row"] for entry in rejected[-1:])])
    check_names(f"{len(read)} files together", names)
    check_size(f"{len(read)} files together", sum(map(len, frames)), len(names))
    shown = ", ".join(f"{file} from {before + 1}" for before, file in starts)
    notes.insert(0, note("files read as one table, rows numbered on from file to file", len(read), shown))
    frame = pd.concat([frame.reindex(columns=list(names)) for frame in frames])
    named = name_lines(pd.DataFrame(rejected, columns=["row", "column", "rule", "value"]), starts)
    return FileRows(frame, named.to_dict("records"), notes, starts)


def name_lines(bad: pd.DataFrame, starts: Sequence[tuple[int, str]]) -> pd.DataFrame:
    """Quarantined rows of several files, each value behind its file and the line there; `starts` as in `FileRows`.

    >>> name_lines(pd.DataFrame({"row": [3, 9], "value": "soon"}), [(0, "may.csv"), (7, "june.csv")])["value"].tolist()
    ['may.csv line 3: soon', 'june.csv line 2: soon']
    """

    def name_line(row: int, value: Any) -> str:
        before, file = starts[bisect_left(starts, (row,)) - 1]
        return excerpt(f"{file} line {row - before}: {value}")

    return bad.assign(value=[*map(name_line, bad["row"], bad["value"])]) if starts else bad


def note(rule: str, rows: int = 1, example: Any = "") -> dict[str, Any]:
    """One thing to say about a file."""
    return {"rule": rule, "rows": int(rows), "example": excerpt(example)}


def rejection(row: int, rule: str, value: Any, column: str = "") -> dict[str, Any]:
    """One row that cannot be read."""
    return {"row": row, "column": column, "rule": rule, "value": excerpt(value)}


def excerpt(value: Any) -> str:
    r"""The beginning of a value as printable text.

    >>> excerpt("caf\udce9")
    'caf\\udce9'
    """
    text = str(value)[: SHOWN + 1].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def first_five(examples: Iterable[Any], n: int) -> str:
    """The first five of n examples and how many there are.

    >>> first_five(range(2, 100), 98)
    '2, 3, 4, 5, 6 ... (98 in all)'
    """
    shown = ", ".join(map(str, islice(examples, 5)))
    return shown if n <= 5 else f"{shown} ... ({n:,} in all)"


def check_names(name: str, columns: Iterable[str]) -> None:
    """Raises `DataError` (RK-125) where two columns differ in case or spaces at most."""
    alike: dict[str, list[str]] = defaultdict(list)
    for number, column in enumerate(columns, start=1):
        alike[column.strip().casefold()].append(f"{column!r} (column {number})")
    if twice := [" and ".join(same[:3]) for same in alike.values() if len(same) > 1]:
        problem = f"{name} has columns that differ in case or spaces at most: {first_five(twice, len(twice))}."
        raise DataError("RK-125", problem, "Rename or remove one of them, or the wrong one would be read.")


def check_size(name: str, n_rows: int, n_columns: int) -> None:
    """Raises `DataError` (RK-132) for a table too large to hold."""
    if n_columns > MAX_COLUMNS or n_rows * n_columns > MAX_VALUES:
        limit = f"at most {MAX_COLUMNS:,} columns and {MAX_VALUES:,} values, which memory holds"
        problem = f"{name} has {n_columns:,} columns and {n_rows:,} rows; expected {limit}."
        fix = "Write ids as values, not as names of columns, and keep the columns that you need."
        raise DataError("RK-132", problem, fix)


def check_rows(name: str, n_rows: int, rejected: list[dict[str, Any]], fix: str) -> None:
    """Raises `DataError` (RK-122) for a table without rows, (RK-127) where most rows are broken: it is the file."""
    if not n_rows and not rejected:
        problem = f"{name} has no whole row (a header at most); expected at least one."
        raise DataError("RK-122", problem, "Export or download it again, with its rows.")
    if len(rejected) > n_rows:
        n, broken = len(rejected), (f"row {entry['row']}: {entry['rule']}" for entry in rejected)
        problem = f"{name} has {n:,} broken rows of {n_rows + n:,}: {first_five(broken, n)}; expected few."
        raise DataError("RK-127", problem, fix)


def damaged(name: str, kind: str, why: Any) -> DataError:
    """The error of a packed file that cannot be unpacked."""
    problem = f"{name} cannot be unpacked ({' '.join(str(why).split())[:200] or repr(why)}); expected a whole {kind}."
    return DataError("RK-117", problem, "Download or save it again, without a password.")


def unclear_member(name: str, problem: str, members: Sequence[str]) -> DataError:
    """The error of a file that holds several tables, or not the one that is asked for."""
    listed = first_five(map(repr, members), len(members)) or "nothing"
    fix = f"Name one: '{name}::{next(iter(members), 'table.csv')}'."
    return DataError("RK-118", f"{name} {problem}; it holds {listed}; expected one table.", fix)
