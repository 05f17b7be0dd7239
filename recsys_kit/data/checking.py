"""Check files before a run: which table a file is, which rows are invalid, whether it can be used."""

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from recsys_kit.data.answers import inspect_tables, try_answers
from recsys_kit.data.cleaning import clean
from recsys_kit.data.columns import (
    MAX_WRONG,
    UNREAD,
    Table,
    Wanted,
    check_wanted,
    export_of,
    guess_table,
    name_columns,
    parse_columns,
    suggest_columns,
)
from recsys_kit.data.files import FileRows, parse_header, read_table
from recsys_kit.data.meeting import check_ids
from recsys_kit.data.questions import Question
from recsys_kit.data.sequences import looks_like_sequences, read_sequences
from recsys_kit.data.sources import Columns, build_tables, known_dataset
from recsys_kit.data.validation import validate
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.schema import KEYS, REPORT_COLUMNS, TABLES

N_EXAMPLES = 5  # lines shown of a rule


@dataclass(frozen=True)
class FileCheck:
    """The result of checking one file."""

    file: str
    table: str
    """The table that it was read as; "" if it could not be read."""
    n_rows: int
    problems: pd.DataFrame
    """One row per rule: table, rule, action, rows, lines (the first five of quarantined rows), example. Problems of a
    derived table (items from interactions) that the file's own table has too are left out."""
    refusals: list[DataError]
    """The reasons why it cannot be used; empty if it can."""
    hint: str = ""
    """What else the file may be, with the command to use it."""
    lines: Mapping[str, str] = field(default_factory=dict)
    """If it can be used with other `columns`: options to copy, which answer all questions, and what each does."""


def check_files(
    paths: Sequence[str | Path], *, table: str = "", columns: Columns = None, encoding: str = "", header: str = ""
) -> list[FileCheck]:
    """Check each file, and whether their ids meet; a file that cannot be read does not stop the others.

    Args:
        paths: CSV, JSON lines or Parquet files, also in gzip or zip.
        table: the table that they are; "" to guess it for each file from its columns.
        columns: as for `load_dataset`; a column that no file has is a refusal of the first file.
        encoding: of text files; "" to detect it.
        header: as for `load_dataset`.

    Raises:
        ParameterError: RK-149 an unknown table; RK-142 as `parse_columns`.
    """
    if table and table not in TABLES:
        raise ParameterError("RK-149", f"as is {table!r}; expected one of {list(TABLES)}.", "Leave it out to guess.")
    wanted = parse_columns(columns)
    checks, tables, read = [], [], {}
    for path in paths:
        try:
            rows = read_table(path, encoding=encoding, header=parse_header(header))
        except DataError as refusal:
            unreadable = FileCheck(Path(path).name, "", 0, _problems([], pd.DataFrame()), [refusal])
            checks.append(_with_hint(unreadable, path, encoding))
            continue
        tables.append(_as_table(table, Path(path).name, rows, wanted))
        read[tables[-1].table] = rows
        known = {*tables[-1].expand(wanted).frame, *UNREAD}
        found = _check(tables[-1], rows, {entry.ours: entry.theirs for entry in wanted if entry.column in known})
        checks.append(_with_hint(found, path, encoding) if rows.frame.shape[1] == 1 else found)
    try:
        check_wanted(tables, wanted)
        if len(read) == len(tables) > 1:
            checks = _check_together(tables, read, checks, {entry.ours: entry.theirs for entry in wanted})
    except DataError as refusal:
        if tables:
            next(check for check in checks if check.table).refusals.insert(0, refusal)
    for n, (path, found) in enumerate(zip(paths, checks, strict=True)):
        if found.refusals and not found.hint and (name := known_dataset(path)):
            command = f"recsys-kit run --dataset {name} --source {shlex.quote(str(path))}"
            checks[n] = replace(found, hint=f"this looks like the data set {name}: {command}")
    return checks


def _check_together(
    tables: Sequence[Table], read: Mapping[str, FileRows], checks: list[FileCheck], columns: dict[str, str]
) -> list[FileCheck]:
    """Add whether the ids of the files meet, and options that answer the questions of all files."""
    asked = [refusal for check in checks for refusal in check.refusals]
    if not asked:
        named = name_columns(tables, columns)
        try:
            cautions = check_ids(named.tables, named, parse_columns(columns))
        except Question as question:
            asked = [question]
            checks[0].refusals.append(question)
        else:
            for n, check in enumerate(checks):
                own = [entry for entry in cautions if entry["table"] == check.table]
                checks[n] = replace(check, problems=pd.concat([check.problems, _problems(own, pd.DataFrame())]))
            return checks
    if not all(isinstance(refusal, Question) for refusal in asked):
        return checks
    lines = try_answers(tables, read, columns, asked, build_tables)[0]
    return [replace(check, lines=lines) if lines and check.refusals else check for check in checks]


def _as_table(name: str, file: str, rows: FileRows, wanted: Sequence[Wanted]) -> Table:
    """The file as the table that it is, or seems to be by its columns; lists of users and items name each once."""
    table = Table(name or "interactions", file, rows.frame).expand(wanted)
    if name or export_of(table):
        return replace(table, frame=rows.frame)
    guess = guess_table([*map(str, table.frame), *table.paths], wanted)
    if guess in ("items", "users"):
        part, given = replace(table, table=guess), {entry.ours: entry.theirs for entry in wanted}
        with suppress(DataError):
            ids = name_columns([part], suggest_columns([part], given)).frames[guess][KEYS[guess]]
            guess = "interactions" if len(ids) > 2 * ids.nunique() else guess
    return Table(guess, file, rows.frame)


def _with_hint(found: FileCheck, path: str | Path, encoding: str) -> FileCheck:
    """Add a hint to a file that holds sequences. A file that only lacks column names (RK-140, RK-165) is a table."""
    if {refusal.code for refusal in found.refusals} <= {"RK-140", "RK-165"}:
        return found
    try:
        if not looks_like_sequences(path, encoding=encoding):
            return found
        rows = read_sequences(Path(path), encoding=encoding)
    except DataError:  # not text, no such file, or other lines further on
        return found
    command = f"recsys-kit run --dataset sequences --source {shlex.quote(str(path))} --set split=leave_last_out"
    hint = f"if each line is a user and their items, `user item item ...`: {command}"
    return replace(found, hint=hint) if len(rows.rejected) <= MAX_WRONG * rows.frame["user_id"].nunique() else found


def _check(table: Table, rows: FileRows, columns: dict[str, str]) -> FileCheck:
    refusals: list[DataError] = []
    n_rows = len(rows.frame) + len(rows.rejected)
    try:
        name_columns([table], columns)
    except DataError as question:
        refusals.append(question)
        if not isinstance(question, Question):
            return FileCheck(table.file, table.table, n_rows, _problems([], pd.DataFrame()), refusals)
        columns = question.ways[0][0]  # check the rows with the guessed columns
    raw = build_tables("files", [table], {table.table: rows}, columns)
    try:
        dataset = clean(validate(raw))
        report, quarantine = dataset.report.to_dict("records"), dataset.quarantine
    except DataError:
        report, quarantine, more = inspect_tables(raw)
        refusals += more
    lines = try_answers([table], {table.table: rows}, columns, refusals, build_tables)[0] if refusals else {}
    return FileCheck(table.file, table.table, n_rows, _problems(report, quarantine, table.table), refusals, lines=lines)


def _problems(report: list[dict], quarantine: pd.DataFrame, own: str = "") -> pd.DataFrame:
    """Return the report with line numbers, the file's `own` table first, without what derived tables repeat."""
    table = pd.DataFrame(report, columns=list(REPORT_COLUMNS))
    first = (
        quarantine.reindex(columns=["table", "rule", "row"])
        .sort_values("row", kind="stable")
        .groupby(["table", "rule"])
    )
    lines = {key: ", ".join(map(str, rows.head(N_EXAMPLES))) for key, rows in first["row"]}
    keys = zip(table["table"], table["rule"], strict=True)
    of_own = table[table["table"] == own].groupby(["rule", "action"])["rows"].max()
    known = [of_own.get((row.rule, row.action), 0) for row in table.itertuples()]
    repeated = (table["table"] != own) & (table["action"] != "kept") & (table["rows"] <= known)
    problems = table.assign(lines=[lines.get(key, "") for key in keys])[~repeated]
    return problems.sort_values("table", key=lambda names: names != own, kind="stable", ignore_index=True)
