"""All that the front door has to say about one file, without using it: what it is, what is wrong, what would happen."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from recsys_kit.data.cleaning import clean
from recsys_kit.data.columns import Table, check_wanted, guess_table, name_columns, parse_columns, suggest_columns
from recsys_kit.data.files import FileRows, read_table
from recsys_kit.data.sequences import looks_like_sequences
from recsys_kit.data.sources import Columns, build_tables
from recsys_kit.data.tables import RawTables
from recsys_kit.data.validation import EXAMPLES, inspect_table, quarantine_entries, validate
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.schema import REPORT_COLUMNS, TABLES


@dataclass(frozen=True)
class FileCheck:
    """One file as the front door would treat it."""

    file: str
    table: str
    """Which of the four tables it was read as; "" where it could not be read."""
    n_rows: int
    problems: pd.DataFrame
    """One row a rule: table, rule, action, rows, lines (the first five, of quarantined rows), example. Of a table that
    follows from the file (items out of events), what the file's own table does not say already."""
    refusals: list[DataError]
    """Why it cannot be used as it is; empty where it can."""
    hint: str = ""
    """What else the file may be, and how to use it then."""


def check_files(
    paths: Sequence[str | Path], *, table: str = "", columns: Columns = None, encoding: str = ""
) -> list[FileCheck]:
    """Check each file for itself; what is wrong with one does not stop the others.

    Args:
        paths: CSV, JSON lines or Parquet files, also in gzip or zip.
        table: what they are; guessed for each from its columns where it is "".
        columns: as for `load_dataset`; a name that none of the files has is a refusal of the first.
        encoding: of text files.
    """
    if table and table not in TABLES:
        raise ParameterError("RK-149", f"as is {table!r}; expected one of {list(TABLES)}.", "Leave it out to guess.")
    wanted = parse_columns(columns)
    checks, tables = [], []
    for path in paths:
        try:
            rows = read_table(path, encoding=encoding)
        except DataError as refusal:
            unread = FileCheck(Path(path).name, "", 0, _problems([], pd.DataFrame()), [refusal])
            checks.append(_with_hint(unread, path, encoding))
            continue
        one = Table(table or guess_table(list(rows.frame), wanted), Path(path).name, rows.frame)
        tables.append(one)
        here = {
            f"{entry.table}.{entry.name}".lstrip("."): entry.theirs for entry in wanted if entry.column in rows.frame
        }
        found = _check(one, rows, here)
        checks.append(_with_hint(found, path, encoding) if rows.frame.shape[1] == 1 else found)
    try:
        check_wanted(tables, wanted)
    except DataError as refusal:
        if tables:
            next(check for check in checks if check.table).refusals.insert(0, refusal)
    return checks


def _with_hint(found: FileCheck, path: str | Path, encoding: str) -> FileCheck:
    """A file that is no table may hold sequences; one that only leaves a question open is a table."""
    try:
        if {refusal.code for refusal in found.refusals} <= {"RK-140"} or not looks_like_sequences(
            path, encoding=encoding
        ):
            return found
    except DataError:  # no text, or no file at all
        return found
    command = f"recsys-kit run --dataset sequences --source {shlex.quote(str(path))} --set split=leave_last_out"
    return replace(found, hint=f"if each line is a shopper and their products, `user item item ...`: {command}")


def _check(one: Table, rows: FileRows, columns: Columns) -> FileCheck:
    refusals: list[DataError] = []
    n_rows = len(rows.frame) + len(rows.rejected)
    try:
        name_columns([one], columns)
    except DataError as question:
        refusals.append(question)
        columns = suggest_columns([one], columns)  # with the guesses the rows can be checked at once
    try:
        raw = build_tables("files", [one], {one.table: rows}, columns)
    except DataError:
        return FileCheck(one.file, one.table, n_rows, _problems([], pd.DataFrame()), refusals)
    try:
        dataset = clean(validate(raw))
        report, quarantine = dataset.report.to_dict("records"), dataset.quarantine
    except DataError:
        report, quarantine, more = _inspect(raw)
        refusals += more
    return FileCheck(one.file, one.table, n_rows, _problems(report, quarantine, one.table), refusals)


def _inspect(raw: RawTables) -> tuple[list[dict], pd.DataFrame, list[DataError]]:
    """Report, quarantine and all refusals of tables that `validate` refuses."""
    found = [inspect_table(table, frame, raw.readings.get(table)) for table, frame in raw.frames.items()]
    quarantine = pd.concat([pd.DataFrame(raw.rejected), *[one.bad for one in found]], ignore_index=True)
    report = [*raw.notes, *[entry for one in found for entry in one.entries], *quarantine_entries(quarantine)]
    return report, quarantine, [refusal for one in found for refusal in one.refusals]


def _problems(report: list[dict], quarantine: pd.DataFrame, own: str = "") -> pd.DataFrame:
    """The report with line numbers, the file's `own` table first; of the others only what is new."""
    table = pd.DataFrame(report, columns=list(REPORT_COLUMNS))
    lines = {}
    if len(quarantine):
        first = quarantine.sort_values("row", kind="stable").groupby(["table", "rule"])["row"]
        lines = {key: ", ".join(map(str, rows.head(EXAMPLES))) for key, rows in first}
    keys = zip(table["table"], table["rule"], strict=True)
    said = table[table["table"] == own].groupby(["rule", "action"])["rows"].max()
    known = [said.get((row.rule, row.action), 0) for row in table.itertuples()]
    inherited = (table["table"] != own) & (table["action"] != "kept") & (table["rows"] <= known)
    told = table.assign(lines=[lines.get(key, "") for key in keys])[~inherited]
    return told.sort_values("table", key=lambda names: names != own, kind="stable", ignore_index=True)
