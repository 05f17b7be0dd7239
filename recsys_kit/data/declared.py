"""Data sets by name: `sources.toml` declares their files, columns and joins; this module reads them.

Where they come from, their licences and citations stand there as well.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_kit.data import amazon, atomic, sequences
from recsys_kit.data.columns import NEEDED, UNREAD, Table, Wanted, parse_columns, suggest_columns
from recsys_kit.data.files import FileRows, parse_header, read_tables
from recsys_kit.data.files.rows import note
from recsys_kit.errors import DataError
from recsys_kit.schema import TABLES

SOURCES: dict[str, Any] = tomllib.loads(Path(__file__).with_name("sources.toml").read_text(encoding="utf-8"))
DECLARED = {name: source for name, source in SOURCES.items() if "forms" in source}
READERS = {"lines": amazon.read_lines, "atomic": atomic.read_atomic, "sequences": sequences.read_lines}
Files = Mapping[str, Sequence[Path]]
Form = Mapping[str, Any]


def find_files(name: str, path: Path) -> tuple[Form, Files]:
    """Return the form of a data set whose files are there, and its files by table.

    Args:
        name: one of `DECLARED`.
        path: the folder, or the file of the first table.

    Raises:
        DataError: RK-102 none of the files, or one that completes them is missing; RK-103 several sets of files.
    """
    forms = DECLARED[name]["forms"]
    beside = sorted((path if path.is_dir() else path.parent).iterdir())
    candidates = beside if path.is_dir() else [path]
    for form in forms:
        (main, patterns), *others = form["files"].items()
        of_others = [pattern for _, several in others for pattern in several]
        stems = {
            file: stem
            for file in candidates
            if (stem := _stem(file, patterns)) is not None and _stem(file, of_others) is None
        }
        if len(set(stems.values())) > 1:
            what = f"{path.name}/ has {len(stems)} sets of {main}, {[file.name for file in stems][:5]}; expected one."
            raise DataError("RK-103", what, f"Name one of them: source='{path.name}/{next(iter(stems)).name}'.")
        if stems:
            found, stem = {main: list(stems)}, next(iter(stems.values()))
            for table, several in others:
                names = [pattern.replace("{}", stem) for pattern in several]
                found[table] = [file for file in beside if _stem(file, names) is not None]
            if lacking := [part for part in form.get("join", {}).get(main, {}) if not found[part]]:
                raise _missing(name, beside, form["files"][lacking[0]])
            return form, {table: files for table, files in found.items() if files}
    raise _missing(name, candidates, [pattern for form in forms for pattern in next(iter(form["files"].values()))])


def _missing(name: str, files: Sequence[Path], patterns: Sequence[str]) -> DataError:
    names, there = " or ".join(patterns).replace("{}", "NAME"), [file.name for file in files][:10] or "nothing"
    what = f"dataset {name!r} needs {names} (also .gz, .zip); found {there}."
    return DataError("RK-102", what, "Pass the folder of its files, or the first of them.")


def _stem(file: Path, patterns: Sequence[str]) -> str | None:
    """What stands for `{}` in a file's name; None where it has none of the names."""
    name = re.sub(r"\.(gz|zip)$", "", file.name)
    signs = [re.escape(pattern).replace(r"\{\}", "(.+)").replace(r"\*", ".*") for pattern in patterns]
    match = next(filter(None, (re.fullmatch(sign, name) for sign in signs)), None)
    return "".join(match.groups()) if match else None


def read_files(form: Form, files: Files, encoding: str = "") -> list[Table]:
    """Read the files of a data set, before their columns are named.

    Args:
        form: how they are read, as `sources.toml` has it.
        files: by table.
        encoding: "" for that of the form.

    Raises:
        DataError: RK-105 a file that completes another lacks the key; as the readers.
    """
    code, tables = encoding or form.get("encoding", ""), []
    for table in [table for table in TABLES if table in files]:
        if reader := READERS.get(form.get("reader", "")):
            rows = reader(files[table], table, code)
        else:
            rows = read_tables(files[table], encoding=code, header=parse_header(form.get("header", {}).get(table, "")))
        for part, key in form.get("join", {}).get(table, {}).items():
            rows = _join(rows, read_tables(files[part], encoding=code), key, part) if part in files else rows
        frame = rows.frame
        for column, sign in form.get("split", {}).get(table, {}).items():
            frame = frame.assign(**{column: frame[column].str.split(sign, regex=False)})
        for column, words in form.get("words", {}).get(table, {}).items():
            frame = frame.replace({column: words})
        tables.append(Table(table, files[table][0].name, frame, rows.rejected, rows.notes, rows.starts))
    return tables


def name_declared(form: Form, tables: Sequence[Table], columns: str | Mapping[str, str] | None) -> dict[str, str]:
    """Return `columns` with the names that are declared for a data set.

    Raises:
        DataError: RK-105 the files lack the columns of the data set.
    """
    entries = parse_columns(columns)
    named = _present(tables, parse_columns(form.get("columns", ""))) | {entry.ours: entry.theirs for entry in entries}
    if form.get("reader") == "atomic":  # the types in its header say that the names are meant
        return suggest_columns(tables, named)
    main = next(table for table in tables if table.table in ("interactions", "reviews"))
    known = {entry.name for entry in parse_columns(named)} | set(form.get("header", {}).get(main.table, "").split(","))
    if lacking := [group[0] for group in NEEDED["interactions"] if not set(group) & known]:
        raise _foreign(main.file, lacking[0], main.frame)
    return named


def _foreign(file: str, lacking: str, frame: pd.DataFrame) -> DataError:
    what = f"{file} has no {lacking} as this data set has it; found {list(frame)[:20]}; expected the published files."
    return DataError("RK-105", what, "Pass them as source, or your own with --interactions or --reviews.")


def _present(tables: Sequence[Table], entries: Sequence[Wanted]) -> dict[str, str]:
    """The declared names of the columns that the files have; of `a|b` the first."""
    named = {}
    for entry in entries:
        there = {*UNREAD, *(column for table in tables if entry.table in ("", table.table) for column in table.frame)}
        if column := next((column for column in entry.column.split("|") if column in there), ""):
            named[entry.ours] = replace(entry, column=column).theirs
    return named


def _join(rows: FileRows, other: FileRows, key: str, part: str) -> FileRows:
    """Complete rows with the columns of the row of another file that has the same key."""
    for frame in (rows.frame, other.frame):
        if key not in frame:
            raise _foreign(part, key, frame)
    new = [column for column in other.frame if column == key or column not in rows.frame]
    right = other.frame[new].drop_duplicates(key)
    frame = rows.frame.merge(right, on=key, how="left").set_axis(rows.frame.index)
    alone = (~rows.frame[key].isin(right[key])).sum()
    notes = [*rows.notes, *other.notes, *([note(f"{key} not among the {part}", alone)] if alone else [])]
    return replace(rows, frame=frame, notes=notes)
