"""Check files before a run: which table a file is, which rows are invalid, whether it can be used."""

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from recsys_kit.data import columns as naming
from recsys_kit.data.building import Columns, build_tables, inspect_tables, try_answers
from recsys_kit.data.cleaning import clean
from recsys_kit.data.columns import Table, Wanted
from recsys_kit.data.files import parse_header, read_table
from recsys_kit.data.questions import Question
from recsys_kit.data.sequences import looks_like_sequences, read_sequences
from recsys_kit.data.sources import Files, known_dataset, list_files
from recsys_kit.data.validation import validate
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.schema import KEYS, REPORT_COLUMNS, TABLES

N_EXAMPLES = 5  # lines shown of a rule
MAX_ASKED = 9  # questions of one file that are answered to find what else is wrong
NOTHING = pd.DataFrame(columns=[*REPORT_COLUMNS, "lines"])


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
    paths: Files, *, table: str = "", columns: Columns = None, encoding: str = "", header: str = ""
) -> list[FileCheck]:
    """Check each file, and whether their ids meet; a file that cannot be read does not stop the others.

    Args:
        paths: CSV, JSON lines or Parquet files, also in gzip or zip; patterns with `*`. Files of different tables are
            checked together, as a run reads them.
        table: the table that they are; "" to guess it for each file from its columns.
        columns: as for `load_dataset`; only a column that no file has is reported then.
        encoding: of text files; "" to detect it.
        header: as for `load_dataset`.

    Raises:
        ParameterError: RK-149 an unknown table; RK-142 as `parse_columns`.
    """
    if table and table not in TABLES:
        raise ParameterError("RK-149", f"as is {table!r}; expected one of {list(TABLES)}.", "Leave it out to guess.")
    wanted = naming.parse_columns(columns)
    tables: dict[Path, Table] = {}
    checks: dict[Path, FileCheck] = {}
    for path in list_files(paths):
        try:
            rows = read_table(path, encoding=encoding, header=parse_header(header))
        except DataError as refusal:
            checks[path] = FileCheck(path.name, "", 0, NOTHING, [refusal])
        else:
            checks[path] = FileCheck(path.name, "", len(rows.frame) + len(rows.rejected), NOTHING, [])
            tables[path] = _guess_table(
                Table(table, path.name, rows.frame, rows.rejected, rows.notes, rows.starts), wanted
            )
    try:
        naming.check_wanted([one.expand(wanted) for one in tables.values()], wanted)
    except DataError as refusal:
        found = [replace(checks[path], table=one.table, refusals=[refusal]) for path, one in tables.items()]
    else:
        differ = len({one.table for one in tables.values()}) == len(tables)
        groups = [list(tables.values())] if differ else [[one] for one in tables.values()]
        found = [check for group in groups if group for check in _check_together(group, wanted)]
    checks |= dict(zip(tables, found, strict=True))
    return [replace(check, hint=_hint(check, tables.get(path), path, encoding)) for path, check in checks.items()]


def _guess_table(table: Table, wanted: Sequence[Wanted]) -> Table:
    """The file as the table that it is, or seems to be by its columns; lists of users and items name each once."""
    if table.table:
        return table
    events = replace(table, table="interactions").expand(wanted)
    kind = "" if naming.export_of(events) else naming.guess_table([*map(str, events.frame), *events.paths], wanted)
    if kind in ("items", "users"):
        given = {entry.ours: entry.theirs for entry in wanted}
        has_times = {"timestamp", "position"} & {*events.frame, *naming.suggest_columns([events], given)}
        part = replace(events, table=kind)
        with suppress(DataError):
            ids = naming.name_columns([part], naming.suggest_columns([part], given)).frames[kind][KEYS[kind]]
            kind = "interactions" if len(ids) > 2 * ids.nunique() and (has_times or kind == "users") else kind
    return replace(table, table=kind or "interactions")


def _check_together(tables: Sequence[Table], wanted: Sequence[Wanted]) -> list[FileCheck]:
    """Check files of different tables as a run reads them; each alone where one of them has no way in."""
    columns = {entry.ours: entry.theirs for entry in wanted}
    if len(tables) == 1:
        known = {*tables[0].expand(wanted).frame, *naming.UNREAD, naming.ACCEPT_IDS[1]}
        columns = {entry.ours: entry.theirs for entry in wanted if entry.column in known}
    answer, asked = columns, list[DataError]()
    while True:
        try:
            raw = build_tables("files", tables, answer)
            break
        except DataError as refusal:
            asked.append(refusal)
            if isinstance(refusal, Question) and answer != refusal.ways[0][0] and len(asked) < MAX_ASKED:
                answer = refusal.ways[0][0]  # check the rows with the guessed columns
                columns = answer if refusal.code != "RK-161" else columns
            elif len(tables) > 1:
                return [check for table in tables for check in _check_together([table], wanted)]
            else:
                return [_file_check(tables[0], asked)]
    try:
        dataset = clean(validate(raw))
        report, quarantine, refused = dataset.report.to_dict("records"), dataset.quarantine, []
    except DataError:
        report, quarantine, refused = inspect_tables(raw)
    of, found = {name: raw.naming[name].table for name in raw.naming}, []
    tried = try_answers(tables, columns, asked + [refusal for _, refusal in refused])
    for table in tables:
        mine = [entry for entry in report if of.get(entry["table"], tables[0].table) == table.table]
        nowhere = [one for one in asked if not any(other.file in one.what for other in tables)]
        refusals = [one for one in asked if table.file in one.what or (one in nowhere and table is tables[0])]
        refusals += [refusal for name, refusal in refused if of[name] == table.table]
        if not tried.lines:  # with what the answers lead to
            refusals = [tried.complete(one) if isinstance(one, Question) else one for one in refusals]
        check = _file_check(table, refusals, _problems(mine, quarantine, table.table))
        found.append(replace(check, lines=tried.lines) if refusals else check)
    return found


def _file_check(table: Table, refusals: list[DataError], problems: pd.DataFrame = NOTHING) -> FileCheck:
    return FileCheck(table.file, table.table, len(table.frame) + len(table.rejected), problems, refusals)


def _hint(found: FileCheck, table: Table | None, path: Path, encoding: str) -> str:
    """What else a file that is refused may be: sequences, or a published data set."""
    codes = {refusal.code for refusal in found.refusals}
    if not codes:
        return ""
    if not codes <= {"RK-140", "RK-165"} and (table is None or table.frame.shape[1] == 1):
        with suppress(DataError):  # not text, no such file, or other lines further on
            if looks_like_sequences(path, encoding=encoding):
                rows = read_sequences(path, encoding=encoding)
                if len(rows.rejected) <= naming.MAX_WRONG * rows.frame["user_id"].nunique():
                    command = f"recsys-kit run --dataset sequences --source {shlex.quote(str(path))}"
                    return f"if each line is a user and their items: {command} --set split=leave_last_out"
    if name := known_dataset(path):
        command = f"recsys-kit run --dataset {name} --source {shlex.quote(str(path))}"
        return f"this looks like the data set {name}: {command}"
    return f"its files: recsys-kit check {shlex.quote(str(path))}/*" if path.is_dir() else ""


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
