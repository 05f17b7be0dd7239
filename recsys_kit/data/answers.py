"""Questions with all that their answers lead to: options to copy that answer everything, each tried on the file."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from recsys_kit.data.columns import Table
from recsys_kit.data.files import FileRows
from recsys_kit.data.questions import Question
from recsys_kit.data.tables import RawTables, as_option
from recsys_kit.data.validation import inspect_table, quarantine_entries
from recsys_kit.errors import DataError, ParameterError, RecsysKitError

MAX_TRIED, MAX_LINES = 16, 8  # answers that are tried, and shown
Build = Callable[[str, list[Table], dict[str, FileRows], dict[str, str]], RawTables]  # `sources.build_tables`


def complete(question: Question, tables: Sequence[Table], read: Mapping[str, FileRows], build: Build) -> Question:
    """Return a question together with those that its answer leads to, and the options that answer them all."""
    lines, asked = try_answers(tables, read, {}, [question], build)
    if not lines:
        return question
    accepted = '; --accept ids is columns="accept=ids"' * any("--accept" in line for line in lines)
    copied = "\n".join(f"{meaning}:\n{line}" if meaning else line for line, meaning in lines.items())
    fix = f"\nAdd the line that is right to your command (in Python its text is columns=...{accepted}):\n{copied}"
    return Question(question.code, "\n".join(dict.fromkeys(one.what for one in asked)), question.ways, fix)


def try_answers(
    tables: Sequence[Table],
    read: Mapping[str, FileRows],
    columns: dict[str, str],
    asked: Sequence[RecsysKitError],
    build: Build,
) -> tuple[dict[str, str], list[Question]]:
    """Options that answer all questions together, each tried on a sample, with what they do; and the questions."""
    tables = [table.sample if table.table in ("interactions", "reviews") else table for table in tables]
    read = {table.table: replace(read[table.table], frame=table.frame) for table in tables}
    lines, found, n_tried = {}, [], 0
    meanings: tuple[str, ...] = ()
    open_ = deque([(columns, meanings, list(asked))])
    while open_ and n_tried < MAX_TRIED and len(lines) < MAX_LINES:
        answer, meanings, questions = open_.popleft()
        if not questions:
            n_tried += 1
            if not (questions := _ask(tables, read, answer, build)):
                lines[as_option(answer)] = ", ".join(dict.fromkeys(filter(None, meanings)))
                continue
        if isinstance(questions[0], Question):
            found.append(questions[0])
            for way, meaning in questions[0].ways:
                changed = {ours: theirs for ours, theirs in way.items() if columns.get(ours) != theirs}
                others = [one for one in questions[1:] if not changed.keys() & _changed(one, columns)]  # or asked again
                open_.append((answer | changed, (*meanings, meaning), others))
    return lines, found


def _changed(question: RecsysKitError, columns: Mapping[str, str]) -> set[str]:
    """The entries of `columns` that answers to a question change."""
    return {
        ours for way, _ in getattr(question, "ways", ()) for ours, theirs in way.items() if columns.get(ours) != theirs
    }


def _ask(
    tables: Sequence[Table], read: Mapping[str, FileRows], columns: dict[str, str], build: Build
) -> list[RecsysKitError]:
    """What is asked of files with these columns."""
    try:
        return list(inspect_tables(build("files", list(tables), dict(read), columns))[2])
    except (DataError, ParameterError) as refusal:
        return [refusal]


def inspect_tables(raw: RawTables) -> tuple[list[dict], pd.DataFrame, list[DataError]]:
    """Return report, quarantine and all refusals of tables that `validate` refuses."""
    found = {
        name: inspect_table(name, frame, raw.readings.get(name), raw.naming.get(name))
        for name, frame in raw.frames.items()
    }
    bad = [pd.DataFrame(raw.rejected), *(table.bad for table in found.values())]
    quarantine = pd.concat(bad, ignore_index=True)
    entries = [entry for table in found.values() for entry in table.entries]
    report = [*raw.notes, *entries, *quarantine_entries(quarantine)]
    own = [name for name in raw.frames if name == getattr(raw.naming.get(name), "table", name)]  # others come from them
    refusals = [(name, refusal) for name, table in found.items() for refusal in table.refusals]
    asked = {refusal.code for name, refusal in refusals if name in own}
    return report, quarantine, [refusal for name, refusal in refusals if name in own or refusal.code not in asked]
