"""Files that have been read become raw tables; questions about them come with answers that were tried on the files."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from recsys_kit.data.columns import Table, name_columns, parse_columns
from recsys_kit.data.meeting import check_ids
from recsys_kit.data.questions import Question
from recsys_kit.data.tables import RawTables, as_option, find_repeated, hash_rows, is_present, report_entry
from recsys_kit.data.validation import inspect_table, quarantine_entries
from recsys_kit.errors import DataError, ParameterError, RecsysKitError
from recsys_kit.schema import COLUMNS, ITEM_COLUMNS, TABLES

MAX_TRIED, MAX_LINES = 32, 8  # answers that are tried, and shown
Columns = str | Mapping[str, str] | None


def build_tables(name: str, tables: Sequence[Table], columns: Columns = None) -> RawTables:
    """Name the columns of the files of a data set, and derive the tables that have no file of their own.

    Raises:
        DataError: as `name_columns` and `check_ids`.
    """
    named = name_columns(tables, columns)
    notes = [{**entry, "table": table.table, "action": "noted"} for table in tables for entry in table.notes]
    notes += named.notes + check_ids(named.tables, named, parse_columns(columns))
    rejected = [{"table": table.table, **entry} for table in tables for entry in table.rejected]
    frames, origin = dict(named.frames), {table: table for table in named.frames}
    hashes = {table.table: pd.Series(hash_rows(table.frame), table.frame.index) for table in named.tables}
    repeated = {
        table.table: table.frame.index[find_repeated(hashes[table.table].to_numpy())]
        for table, read in zip(named.tables, tables, strict=True)
        if len(table.frame) == len(read.frame)  # lists became no rows
    }
    _derive_events(frames, hashes, origin)
    notes += _derive_items(frames, origin)
    for table, file in origin.items():
        if table not in ("items", file):
            rejected += [{**entry, "table": table} for entry in rejected if entry["table"] == file]
            repeated[table] = repeated.get(file, pd.Index([]))
    starts = {table.table: table.starts for table in tables}
    gone = {
        "interactions": [*ITEM_COLUMNS, *(("text", "label") if "reviews" in frames else ())],
        "reviews": ["category", "brand"],
    }
    return RawTables(
        name,
        {
            table: frames[table].drop(columns=gone.get(table, []), errors="ignore")
            for table in TABLES
            if table in frames
        },
        rejected,
        notes,
        {table: named.readings[origin[table]] for table in frames},
        {table: named.naming[origin[table]] for table in frames},
        repeated,
        {table: starts[origin[table]] for table in frames if origin[table] in repeated and table in repeated},
    )


def _derive_events(frames: dict[str, pd.DataFrame], hashes: Mapping[str, pd.Series], origin: dict[str, str]) -> None:
    """Derive reviews from interactions with a text, or interactions from reviews with a user, an item and a time."""
    source = "reviews" if "reviews" in frames else "interactions"
    texts = frames.get(source, pd.DataFrame())
    if "text" not in texts:
        return
    if "review_id" not in texts:  # the number of the first equal row: exact duplicates share an id
        first = pd.Series(texts.index, texts.index).groupby(hashes[source]).transform("first")
        texts = frames[source] = texts.assign(review_id="r" + first.astype("str"))
    if source == "interactions":
        columns = [column for column in COLUMNS["reviews"] if column in texts and column not in ITEM_COLUMNS]
        frames["reviews"], origin["reviews"] = texts.loc[is_present(texts["text"]), columns], source
    elif "interactions" not in frames and {"user_id", "item_id", "timestamp"} <= set(texts):
        columns = [name for name in ("user_id", "item_id", "timestamp", "rating", "review_id") if name in texts]
        frames["interactions"] = texts[columns].assign(event="rating" if "rating" in texts else "review")
        origin["interactions"] = source


def _derive_items(frames: dict[str, pd.DataFrame], origin: dict[str, str]) -> list[dict[str, Any]]:
    """Derive the items from the item columns of the interactions (or reviews), if there is no items file."""
    table = "interactions" if origin.get("interactions") == "interactions" else "reviews"
    events = frames.get(table, pd.DataFrame())
    described = [column for column in ITEM_COLUMNS if column in events and (table, column) != ("reviews", "title")]
    if "items" in frames or "item_id" not in events or not described:
        return []
    events = events[is_present(events["item_id"])]
    items = pd.DataFrame({"item_id": events["item_id"].unique()})
    notes = []
    for column in described:
        values, several = usual_values(events["item_id"], events[column])
        items[column] = items["item_id"].map(values)
        if several:
            rule = f"products with more than one {column}: the most frequent counts"
            notes.append(report_entry("items", rule, "noted", len(several), several[0]))
    frames["items"], origin["items"] = items.set_axis(range(1, len(items) + 1)), table
    return notes


def usual_values(keys: pd.Series, values: pd.Series) -> tuple[pd.Series, list[str]]:
    """Return the most frequent value of each key (ties: the first in the alphabet), and the keys with several values.

    >>> usual_values(pd.Series(["a", "a", "a"]), pd.Series(["Cup", "Cup ", "?"]))
    (a    Cup
    dtype: str, ['a'])
    """
    pairs = pd.DataFrame({"key": keys, "value": values.astype("str").str.strip()})
    pairs = pairs[pairs["value"].fillna("") != ""]
    counts = pairs.value_counts().reset_index().sort_values(["key", "count", "value"], ascending=[True, False, True])
    usual = counts.drop_duplicates("key").set_index("key")["value"].rename_axis(None).rename(None)
    return usual, counts["key"][counts["key"].duplicated()].unique().tolist()


# -- questions and their answers ---------------------------------------------------------------------------------------


@dataclass
class Tried:
    """What the answers to questions about files lead to."""

    lines: dict[str, str] = field(default_factory=dict)
    """Options that answer everything, with what they do."""
    asked: list[Question] = field(default_factory=list)
    """The questions, with those that answers led to."""
    ends: list[RecsysKitError] = field(default_factory=list)
    """The refusals, without an answer, that answers led to."""

    def complete(self, question: Question) -> Question:
        """Return a question together with those that its answers lead to, and the options that answer them all."""
        what = "\n".join(dict.fromkeys(one.what for one in self.asked))
        if not self.lines:
            ends = [end for end in self.ends if end.what != question.what]
            last = f"No answer that was tried makes the files usable: {ends[-1]}" if ends else ""
            return Question(question.code, question.what, question.ways, last) if last else question
        accepted = '; --accept ids is columns="accept=ids"' * any("--accept" in line for line in self.lines)
        copied = "\n".join(f"{meaning}:\n{line}" if meaning else line for line, meaning in self.lines.items())
        fix = f"\nAdd the line that is right to your command (in Python its text is columns=...{accepted}):\n{copied}"
        return Question(question.code, what, question.ways, fix)


def try_answers(tables: Sequence[Table], columns: Mapping[str, str], asked: Sequence[RecsysKitError]) -> Tried:
    """Try the answers to questions, and to those that they lead to, on a sample of the files.

    Args:
        tables: the files.
        columns: as the user gave them.
        asked: the questions about the files; without a way out there is nothing to try.
    """
    tables = [table.sample if table.table in ("interactions", "reviews") else table for table in tables]
    tried, n_tried = Tried(), 0
    meanings: tuple[str, ...] = ()
    open_ = deque([(dict(columns), meanings, list(asked))] if asked else [])
    while open_ and n_tried < MAX_TRIED:
        answer, meanings, questions = open_.popleft()
        if not questions:
            n_tried += 1
            if not (questions := _ask(tables, answer)):
                tried.lines[as_option(answer)] = ", ".join(dict.fromkeys(filter(None, meanings)))
                continue
        first = questions[0]
        if not (isinstance(first, Question) and first.ways):
            tried.ends.append(first)
            continue
        tried.asked.append(first)
        for way, meaning in first.ways:
            changed = {ours: theirs for ours, theirs in way.items() if columns.get(ours) != theirs}
            others = [one for one in questions[1:] if not changed.keys() & _changed(one, columns)]  # or asked again
            open_.append((answer | changed, (*meanings, meaning), others))
    tried.lines = _choose_lines(tried.lines)
    return tried


def _choose_lines(lines: Mapping[str, str]) -> dict[str, str]:
    """Return at most `MAX_LINES` lines: first those with an answer that no earlier one has, then others.

    >>> _choose_lines({f"{a}{b}": f"{a}, {b}" for a in "abc" for b in "xyz"}).keys() >= {"ax", "ay", "az", "bx", "cx"}
    True
    """
    known: set[str] = set()
    new, others = {}, {}
    for line, meaning in lines.items():
        answers = set(meaning.split(", "))
        (others if answers <= known else new)[line] = meaning
        known |= answers
    return dict([*new.items(), *others.items()][:MAX_LINES])


def _changed(question: RecsysKitError, columns: Mapping[str, str]) -> set[str]:
    """The entries of `columns` that answers to a question change."""
    ways = question.ways if isinstance(question, Question) else []
    return {ours for way, _ in ways for ours, theirs in way.items() if columns.get(ours) != theirs}


def _ask(tables: Sequence[Table], columns: Mapping[str, str]) -> list[RecsysKitError]:
    """What is asked of files with these columns."""
    try:
        return [refusal for _, refusal in inspect_tables(build_tables("files", tables, columns))[2]]
    except (DataError, ParameterError) as refusal:
        return [refusal]


def inspect_tables(raw: RawTables) -> tuple[list[dict], pd.DataFrame, list[tuple[str, DataError]]]:
    """Return report, quarantine and all refusals, with their tables, of tables that `validate` refuses."""
    found = {
        name: inspect_table(name, frame, raw.readings.get(name), raw.naming.get(name), raw.repeated.get(name))
        for name, frame in raw.frames.items()
    }
    bad = [pd.DataFrame(raw.rejected), *(table.bad for table in found.values())]
    quarantine = pd.concat(bad, ignore_index=True)
    entries = [entry for table in found.values() for entry in table.entries]
    refusals = [(name, refusal) for name, table in found.items() for refusal in table.refusals]
    own = {name for name, naming in raw.naming.items() if naming.table == name}  # others come from them
    asked = {refusal.code for name, refusal in refusals if name in own}
    return (
        [*raw.notes, *entries, *quarantine_entries(quarantine)],
        quarantine,
        [(name, refusal) for name, refusal in refusals if name in own or refusal.code not in asked],
    )
