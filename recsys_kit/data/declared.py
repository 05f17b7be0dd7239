"""Published data sets by name: `sources.toml` declares their files, columns and joins; this module reads them.

Where they come from, their licences and citations stand there as well.
"""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from recsys_kit.data import amazon, atomic
from recsys_kit.data.columns import NEEDED, Table, Wanted, parse_columns, suggest_columns
from recsys_kit.data.files import FileRows, parse_header, read_table, read_tables
from recsys_kit.data.files.rows import note
from recsys_kit.errors import DataError

DECLARED: dict[str, dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("sources.toml").read_text(encoding="utf-8")
)
READERS: dict[str, Callable[[Sequence[Path], str, str], FileRows]] = {
    "lines": amazon.read_lines,
    "atomic": atomic.read_atomic,
}
PACKED = re.compile(r"\.(gz|zip)$", re.IGNORECASE)
Form = Mapping[str, Any]


def find_files(name: str, path: Path) -> tuple[Form, dict[str, list[Path]]]:
    """Return the form of a data set whose files are there, and its files by table; those to join stand behind.

    Args:
        name: one of `DECLARED`.
        path: the folder, or the file of the first table.

    Raises:
        DataError: RK-102 none of the files, RK-103 several sets of files.
    """
    beside = sorted(path.iterdir()) if path.is_dir() else sorted(path.parent.iterdir())
    for form in DECLARED[name]["forms"]:
        main, *others = form["files"]
        stems = {file: _stem(file, form["files"][main]) for file in (beside if path.is_dir() else [path])}
        stems = {
            file: stem for file, stem in stems.items()
            if stem is not None and all(_stem(file, form["files"][other]) is None for other in others)
        }  # fmt: skip
        if len(set(stems.values())) > 1:
            some = next(iter(stems)).name
            raise DataError(
                "RK-103",
                f"{path.name}/ has {len(stems)} sets of {main}, {[file.name for file in stems][:5]}; expected one.",
                f"Name one of them: source='{path.name}/{some}'.",
            )
        if stems:
            stem = next(iter(stems.values())) or ""
            found = {main: list(stems)}
            for table in others:
                names = [pattern.replace("{}", stem) for pattern in form["files"][table]]
                found[table] = [file for file in beside if _stem(file, names) is not None]
            for table, joined in form.get("join", {}).items():
                found[table] += [_only(name, file, beside) for file in joined] if found[table] else []
            return form, {table: files for table, files in found.items() if files}
    expected = " or ".join(" ".join(next(iter(form["files"].values()))) for form in DECLARED[name]["forms"])
    expected = expected.replace("{}", "NAME")
    there = [file.name for file in (beside if path.is_dir() else [path])][:10]
    raise DataError(
        "RK-102",
        f"{path.name} has no file of {name}; found {there or 'nothing'}; expected {expected} (also .gz, .zip).",
        "Pass their folder, or the first of the files, as source; for files of other names use --interactions.",
    )


def _stem(file: Path, patterns: Sequence[str]) -> str | None:
    """What stands for `{}` in a file's name; None where it has none of the names."""
    for pattern in patterns:
        sign = re.escape(pattern).replace(r"\{\}", "(.+)").replace(r"\*", ".*")
        if match := re.fullmatch(sign, PACKED.sub("", file.name)):
            return "".join(match.groups())
    return None


def _only(name: str, wanted: str, files: Sequence[Path]) -> Path:
    found = [file for file in files if _stem(file, [wanted]) is not None]
    if not found:
        raise DataError(
            "RK-102",
            f"{name} lacks {wanted}, which completes its rows; found {[file.name for file in files][:10]}.",
            "Put it into the same folder.",
        )
    return found[0]


def read_declared(
    name: str, path: Path, columns: str | Mapping[str, str] | None, encoding: str
) -> tuple[dict[str, FileRows], list[Table], dict[str, str]]:
    """Read the files of a data set: the rows, the tables before their columns are named, and the names.

    Raises:
        DataError: as `find_files`; RK-105 the files lack the columns of the data set.
    """
    form, files = find_files(name, path)
    read, tables = {}, []
    for table, paths in files.items():
        joins: dict[str, str] = form.get("join", {}).get(table, {})
        own = paths[: len(paths) - len(joins)]
        code = encoding or form.get("encoding", "")
        if reader := READERS.get(form.get("reader", "")):
            rows = reader(own, table, code)
        else:
            rows = read_tables(own, encoding=code, header=parse_header(form.get("header", {}).get(table, "")))
        for key, other in zip(joins.values(), paths[len(own) :], strict=True):
            rows = _join(rows, read_table(other, encoding=code), key, other)
        read[table] = rows
        tables.append(Table(table, own[0].name, rows.frame))
    named = _present(tables, parse_columns(form.get("columns", "")), {entry.ours for entry in parse_columns(columns)})
    named |= {entry.ours: entry.theirs for entry in parse_columns(columns)}
    if form.get("reader") == "atomic":  # the types in its header say that the names are meant
        return read, tables, suggest_columns(tables, named)
    known = {entry.name for entry in parse_columns(named)} | set(tables[0].frame)
    if lacking := [group for group in NEEDED["interactions"] if not set(group) & known]:
        raise DataError(
            "RK-105",
            f"{tables[0].file} has no {lacking[0][0]} as {name} has it; found {list(tables[0].frame)[:20]}; "
            f"expected {form.get('columns') or form['header'][tables[0].table]}.",
            "Pass the files of this data set as source, or your own with --interactions or --reviews.",
        )
    return read, tables, named


def _present(tables: Sequence[Table], entries: Sequence[Wanted], given: set[str]) -> dict[str, str]:
    """The declared names of the columns that the files have; of `a|b` the first."""
    named = {}
    for entry in entries:
        places = [table.frame for table in tables if entry.table in ("", table.table)]
        names = [one for one in entry.column.split("|") if one in ("none", "ignore") or any(one in f for f in places)]
        if names and entry.ours not in given:
            named[entry.ours] = replace(entry, column=names[0]).theirs
    return named


def _join(rows: FileRows, other: FileRows, key: str, path: Path) -> FileRows:
    """Complete rows with the columns of the row of another file that has the same key."""
    right = other.frame.drop_duplicates(key)
    right = right.drop(columns=[column for column in right if column != key and column in rows.frame])
    frame = rows.frame.merge(right, on=key, how="left").set_axis(rows.frame.index)
    alone = int((~rows.frame[key].isin(right[key])).sum())
    notes = [*rows.notes, note(f"completed from {path.name} by {key}: {alone:,} rows have no match there", len(frame))]
    return replace(rows, frame=frame, notes=notes)
