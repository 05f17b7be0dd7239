"""A user's column names -> ours: what is named is taken, what could be guessed becomes a question, never an answer.

`--columns "user_id=CustomerID,text=Review Text"` on the command line, `columns={"user_id": "CustomerID"}` in Python.
With several files a name counts for each file that has the column; `items.title=Name` counts for one table alone.
Behind a column's name may stand how to read it: `timestamp=Date:day-first`, `rating=Score:0..10`.
"""

import difflib
import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_kit.data.nested import add_columns, find_paths, holds_lists, holds_objects, split_lists
from recsys_kit.data.numbers import read_numbers
from recsys_kit.data.questions import Question
from recsys_kit.data.tables import Naming, as_option, is_present, report_entry
from recsys_kit.data.times import EARLIEST, LANGUAGES, check_language, read_times
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.schema import COLUMNS, CONTEXT_PREFIX, NUMBER_COLUMNS, TIME_COLUMNS

KNOWN = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
MEANINGS: dict[str, str] = KNOWN["meanings"]
NEEDED: dict[str, list[list[str]]] = KNOWN["needed"]  # one column of each group
EXPORTS: dict[str, dict[str, Any]] = KNOWN["exports"]
READINGS: dict[str, list[str]] = KNOWN["readings"]  # how a column may be read -> the columns
LANGUAGE = "[a-z]{2,3}"  # of the names of months: any behind a form, a usual one behind a column
FORMS = "|".join(form for form in READINGS if form != LANGUAGE)
HOW = rf'(?P<column>.+?)(?P<readings>(?::(?:{FORMS}|(?<=":){LANGUAGE}))+)'
HOW_TIME = HOW.replace(FORMS, f"{FORMS}|{'|'.join(LANGUAGES)}")
SAYS_DATE, NO_EVENT = re.compile(KNOWN["parts"]["says"]), re.compile(KNOWN["parts"]["no_event"])
CONTEXT: list[str] = KNOWN["words"]["context"].split()
UNREAD = ("ignore", "none")  # named in place of a column: it is not read
ACCEPT_IDS = ("accept", "ids")  # ids of two files that do not meet are right
NO_TIME = ("timestamp", "none")  # the rows of interactions have neither a time nor an order
SIGNS = {"zeros": r"^0+(?=.)", "spaces": r"^\s+|\s+$", ".0": r"\.0+$", "prefix": r"^.*[\W_](?=[^\W_])"}  # of strip=
SAMPLES = 3  # values shown in a question
N_TRIED = 1000  # rows at the start of a file, and as many of all of it, on which a guess is tried
MAX_WRONG = 0.03  # share of values that a guessed column may not read


@dataclass(frozen=True)
class Wanted:
    """One entry of `columns`: our `name`, the file's `column`, for one `table` or ("") for each that has it."""

    name: str
    column: str
    table: str = ""
    reading: str = ""

    @property
    def ours(self) -> str:
        """The left side of its entry."""
        return f"{self.table}.{self.name}".lstrip(".")

    @property
    def theirs(self) -> str:
        """The right side of its entry."""
        return ":".join(filter(None, (self.column, self.reading)))


@dataclass(frozen=True)
class Table:
    """One file before its columns are named: the `table` it is to be, the file's name, its frame."""

    table: str
    file: str
    frame: pd.DataFrame
    rejected: Sequence[dict[str, Any]] = ()
    notes: Sequence[dict[str, Any]] = ()
    starts: Sequence[tuple[int, str]] = ()

    def __post_init__(self) -> None:
        """Spaces around names do not matter."""
        object.__setattr__(self, "frame", self.frame.rename(columns=lambda name: str(name).strip()))

    @cached_property
    def paths(self) -> list[str]:
        """The fields of objects and lists, as columns."""
        return find_paths(self.frame)

    @cached_property
    def sample(self) -> "Table":
        """The first rows, and others from all of the file."""
        n = len(self.frame)
        chosen = sorted({*range(min(n, N_TRIED)), *range(0, n, max(1, n // N_TRIED))})
        return replace(self, frame=self.frame.iloc[chosen])

    def expand(self, wanted: Sequence["Wanted"]) -> "Table":
        """Return the table with the columns that lie in objects and lists, or are joined of two."""
        frame, mine = self.frame, [entry for entry in wanted if _takes(self, entry)]
        if filled := EXPORTS.get(export_of(self), {}).get("filled"):  # on the first line of an order alone
            there = [column for column in filled["columns"] if column in frame]
            frame = frame.replace({column: {"": None} for column in there})
            frame = frame.assign(**frame.groupby(filled["by"])[there].ffill())
        has_no_time = NO_TIME in [(entry.name, entry.column) for entry in mine] and self.table == "interactions"
        if has_no_time and "position" not in frame:
            frame = frame.assign(position=range(1, len(frame) + 1))
        named = {"item_id", *(entry.column for entry in mine if entry.name == "item_id")} & set(frame)
        for column in named if self.table == "interactions" else ():
            frame = split_lists(frame, column)
            if holds_lists(frame[column]):  # a list of products is one event each
                path = f"{column}[]"
                frame = add_columns(frame, [path]).drop(columns=column).rename(columns={path: column})
        frame = add_columns(frame, list(dict.fromkeys(entry.column for entry in mine)))
        return self if frame is self.frame else replace(self, frame=frame)

    def values(self, column: str) -> pd.Series:
        """The values of a column of the sample."""
        frame = add_columns(self.sample.frame, [column])
        return frame[column] if column in frame else pd.Series(dtype="str")


@dataclass(frozen=True)
class Named:
    """The tables with our column names, notes for the report, and by table how columns are to be read."""

    tables: Sequence[Table]
    """The files, with the columns that were made of lists and objects."""
    frames: dict[str, pd.DataFrame]
    notes: list[dict[str, Any]]
    readings: dict[str, dict[str, str]]
    naming: dict[str, Naming]


# -- what was given ----------------------------------------------------------------------------------------------------


def parse_columns(columns: str | Mapping[str, str] | None) -> list[Wanted]:
    """The entries of `columns`, from the command line's text or a dict.

    Raises:
        ParameterError: RK-142 where an entry is not `ours=theirs`, or names no column of ours.

    >>> parse_columns("user_id=Customer ID, rating=Score:0..10")[1]
    Wanted(name='rating', column='Score', table='', reading='0..10')
    """
    if isinstance(columns, Mapping):
        pairs = [(ours, "=", theirs) for ours, theirs in columns.items()]
    else:
        parts = re.split(r",(?=\s*[A-Za-z_][\w.]*=)", columns or "")
        pairs = [part.partition("=") for part in parts if part.strip()]
    if broken := [ours for ours, sign, _ in pairs if not sign]:
        raise _invalid(f"has {broken[0].strip()!r}; expected ours=theirs", "Such as user_id=CustomerID.")
    wanted = [_entry(ours.strip(), theirs.strip()) for ours, _, theirs in pairs]
    names = [entry.ours for entry in wanted]
    if twice := [entry.name for entry in wanted if names.count(entry.ours) > 1]:
        raise _invalid(f"names {twice[0]!r} twice", f"For one table alone: items.{twice[0]}=...")
    return wanted


def _invalid(what: str, fix: str) -> ParameterError:
    return ParameterError("RK-142", f"columns {what}.", fix)


def _entry(ours: str, theirs: str) -> Wanted:
    if (ours, theirs) == ACCEPT_IDS:
        return Wanted(*ACCEPT_IDS)
    table, _, name = ours.rpartition(".")
    known = dict.fromkeys(name for names in COLUMNS.values() for name in names)
    if table and table not in COLUMNS:
        raise _invalid(f"names table {table!r}; expected one of {list(COLUMNS)}", "Such as items.title=Name.")
    if name not in known and not name.startswith(CONTEXT_PREFIX) and table != "users":
        near = " or ".join(difflib.get_close_matches(name, known, n=2))
        meant = f"Did you mean {near}?" if near else f"For a context column write ctx_{name}={theirs}."
        raise _invalid(f"names {name!r}, which is no column of ours; known: {', '.join(known)}, ctx_...", meant)
    read = re.fullmatch(HOW_TIME if name in TIME_COLUMNS else HOW, theirs)
    if read is None:
        return Wanted(name, theirs, table)
    forms = []
    for part in split_readings(read["readings"]):
        form, names = next(((form, names) for form, names in READINGS.items() if re.fullmatch(form, part)), ("", []))
        low, dots, high = part.partition("..")
        is_range = dots and names == ["rating"]
        if name not in names or ("=" not in form and form in forms) or (is_range and float(low) >= float(high)):
            example = "Such as timestamp=Date:day-first or rating=Score:0..10."
            raise _invalid(f"has {name}={theirs}; expected {KNOWN['words']['readings']}", example)
        if form == LANGUAGE:
            check_language(part)
        forms.append(form)
    return Wanted(name, read["column"], table, read["readings"][1:])


def split_readings(reading: str) -> list[str]:
    """Return the parts of a reading.

    >>> split_readings('"%d.%m.%Y %H:%M":drop')
    ['"%d.%m.%Y %H:%M"', 'drop']
    """
    return re.findall(r'"[^"]*"|[^:]+', reading)


def read_ids(values: pd.Series, reading: str) -> pd.Series:
    """Return ids as the user wants them read: words for no id become missing, what two files write differently goes.

    `null=largest` is the id with the most rows. `strip=` takes zeros in front, spaces around, `.0`, all signs that are
    neither letters nor digits, the prefix up to the last such sign, or a given text in front; `hash` makes ids
    unreadable, as for addresses of e-mail.

    >>> read_ids(pd.Series(["007", "NULL", " B.0"]), "null=NULL:strip=zeros:strip=spaces:strip=.0:lower").tolist()
    ['7', nan, 'b']
    """
    for part in split_readings(reading):
        how, _, what = part.partition("=")
        texts = values.astype("str")
        if how == "null" and what != "drop":
            words = texts.str.strip()
            values = texts.mask(words == (words[words.ne("")].mode().get(0) if what == "largest" else what))
        elif how == "lower":
            values = texts.str.lower()
        elif how == "hash":
            values = texts.map(cache(_hash), na_action="ignore").astype("str")
        elif (how, what) == ("strip", "signs"):
            values = texts.str.normalize("NFKC").str.replace(r"[\W_]+", "", regex=True)
        elif how == "strip":
            values = texts.str.replace(SIGNS.get(what, f"^(?:{re.escape(what)})+"), "", regex=True)
    return values


def _hash(text: str) -> str:
    text = text.strip().lower()
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""


# -- names -> ours -----------------------------------------------------------------------------------------------------


def name_columns(tables: Sequence[Table], columns: str | Mapping[str, str] | None = None) -> Named:
    """The tables with our names: named ones first, then those that are ours already; the rest stays behind, noted.

    Raises:
        DataError: RK-141 where a named column is in no file, RK-140 (a question, with the `columns` to copy) where a
            column that a table needs is not named but could be guessed, RK-104 where there is not even a guess.
    """
    wanted = parse_columns(columns)
    tables, wanted, notes = _recognize(tables, wanted)
    check_wanted(tables, wanted)
    chosen = {table.table: _chosen(table, wanted) for table in tables}
    if any(_lacking(table, chosen[table.table]) for table in tables):
        raise _question(tables, chosen, wanted)
    given = {entry.ours: entry.theirs for entry in wanted}
    frames, readings, naming = {}, {}, {}
    for table in tables:
        entries = chosen[table.table]
        taken = {name: entry.column for name, entry in entries.items()}
        unread = {entry.name: entry.column for entry in wanted if entry.column in UNREAD and _takes(table, entry)}
        if table.table == "users":  # whatever is known of a shopper, but for what says who it is
            taken |= {column: column for column in _rest(table, taken.values()) if not is_personal(column)}
        for name in ("user_id", "item_id"):
            if name in taken and holds_objects(table.frame[taken[name]]):
                fields = [path for path in table.paths if path.startswith(f"{taken[name]}.")]
                problem = f"{table.table}: {name} holds objects, with the fields {fields[:5]}; expected ids."
                raise DataError("RK-104", problem, f"Name a field: {name}={(fields or ['...'])[0]}.")
        frame = {name: _plain(table.frame[column], name) for name, column in taken.items()}
        ids = {name: read_ids(frame[name], entries[name].reading) for name in ("user_id", "item_id") if name in frame}
        frames[table.table] = pd.DataFrame(frame | ids, index=table.frame.index)
        readings[table.table] = {name: entry.reading for name, entry in entries.items() if entry.reading}
        guesses = {guess.name: guess.column for guess in _guesses(table, taken | unread)}
        read = {name: entry.theirs for name, entry in entries.items()}
        naming[table.table] = Naming(guesses | read, given, table.table)
        if columns or not wanted:  # of an export all is known
            notes += _notes(table, taken, guesses, naming[table.table])
    return Named(tables, frames, notes, readings, naming)


def _recognize(tables: Sequence[Table], wanted: list[Wanted]) -> tuple[list[Table], list[Wanted], list[dict[str, Any]]]:
    """The tables with the columns that are named, or known since a well-known program wrote the file."""
    notes = []
    for table in tables if not wanted else []:
        if export := export_of(table):
            entries = [_entry(name, column) for name, column in EXPORTS[export]["columns"].items()]
            wanted = [entry for entry in entries if entry.column in {*table.frame, *table.paths}]
            used = ", ".join(f"{entry.name}={entry.theirs}" for entry in wanted)
            notes.append(report_entry(table.table, f"an export of {export}: read {used}", "noted", len(table.frame)))
    expanded = [table.expand(wanted) for table in tables]
    for before, after in zip(tables, expanded, strict=True):
        n, n_before = len(after.frame), len(before.frame)
        if "position" in after.frame and "position" not in before.frame:
            rule = "no time: rows are numbered as they stand in the file, so that only --set split=random is fair"
            notes.append(report_entry(after.table, rule, "cautioned", n))
        if n != n_before:
            notes.append(report_entry(after.table, f"a list is one row an element: {n:,} of {n_before:,}", "noted", n))
    return expanded, wanted, notes


def export_of(table: Table) -> str:
    """Return the program that wrote a file, by its columns; "" for another file."""
    columns = {*map(str, table.frame), *table.paths}
    return next((name for name, export in EXPORTS.items() if columns.issuperset(export["known"])), "")


def check_wanted(tables: Sequence[Table], wanted: Sequence[Wanted]) -> None:
    """Raises `DataError` (RK-141) where a named column is in no file."""
    for entry in wanted:
        places = [table for table in tables if _takes(table, entry)]
        has_it = [table for table in tables if entry.column in table.frame]
        if entry.column in UNREAD or entry == Wanted(*ACCEPT_IDS) or any(table in places for table in has_it):
            continue
        what = f"columns names {entry.column!r} for {entry.ours}, which"
        if has_it and not places:
            what += f" is no column of {has_it[0].file} ({has_it[0].table})."
            raise DataError("RK-141", what, "Leave it out, or pass the file as another table.")
        found = list(dict.fromkeys(str(column) for table in places or tables for column in table.frame))
        near = difflib.get_close_matches(entry.column, found, n=3, cutoff=0.5)
        near += [column for column in found if _key(column) == _key(entry.column) and column not in near]
        what += f" {' and '.join(table.file for table in places or tables)} does not have; found {found[:30]}."
        meant = f"Did you mean {' or '.join(map(repr, near))}?" if near else "Use a name of the file."
        raise DataError("RK-141", what, meant)


def _takes(table: Table, entry: Wanted) -> bool:
    return entry.table == table.table if entry.table else _is_ours(table.table, entry.name)


def _is_ours(table: str, column: str) -> bool:
    return column in COLUMNS[table] or (table == "interactions" and column.startswith(CONTEXT_PREFIX))


def _chosen(table: Table, wanted: Sequence[Wanted]) -> dict[str, Wanted]:
    """Our name -> the column of this file, where it was named or bears our name."""
    taken = {
        entry.name: entry
        for entry in sorted(wanted, key=lambda entry: bool(entry.table))  # for this table alone: the last word
        if _takes(table, entry) and entry.column in (*table.frame, *UNREAD)
    }
    used = {*taken, *(entry.column for entry in taken.values())}
    ours = [column for column in table.frame if _is_ours(table.table, column) and column not in used]
    taken |= {column: Wanted(column, column) for column in ours}
    order = [*COLUMNS[table.table], *taken]
    return {name: taken[name] for name in sorted(taken, key=order.index) if taken[name].column in table.frame}


def _lacking(table: Table, taken: Iterable[str]) -> list[str]:
    """The columns that the table needs and that are not there yet, each group by its first name."""
    return [group[0] for group in NEEDED[table.table] if not set(group) & set(taken)]


def _rest(table: Table, used: Iterable[str]) -> list[str]:
    """The columns that are not used, nor parts of one that is."""
    gone = {part for column in used for part in (column, *column.split("+"), re.split(r"\.|\[", column)[0])}
    return [column for column in table.frame if column not in gone]


def _plain(values: pd.Series, name: str) -> pd.Series:
    """Lists of texts as one text, except where a list is what we want."""
    if name == "attributes" or values.dtype != object:
        return values
    return values.map(lambda value: "\n".join(map(str, value)) if isinstance(value, list) else value)


def is_personal(column: str) -> bool:
    """Whether a column's name says that it holds what identifies a person.

    >>> [is_personal(name) for name in ("E-Mail", "reviewerName", "region", "user_id")]
    [True, True, False, False]
    """
    return bool(re.search(KNOWN["parts"]["personal"], _key(column)))


def _key(column: object) -> str:
    """A name without case, spaces, signs and type: what two spellings of it share."""
    return re.sub(r"[\W_]+", "", re.sub(r":[a-z_]+$", "", str(column).strip().lower()))


# -- guesses -----------------------------------------------------------------------------------------------------------


def guess_columns(table: str, columns: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Our name -> the column that it could be, for names not yet `taken`; each column once, never a personal one.

    >>> guess_columns("interactions", ["reviewerID", "asin", "unixReviewTime", "reviewerName"])
    {'user_id': 'reviewerID', 'item_id': 'asin', 'timestamp': 'unixReviewTime'}
    """
    keys: dict[str, str] = {}
    columns = [column for column in columns if not is_personal(column) or (table, _key(column)) == ("items", "name")]
    for column in columns:
        keys.setdefault(_key(column), column)
    for column in columns:  # fields of objects: by their name, and that of their object
        steps = [_key(step) for step in re.split(r"\.|\[\]", column) if step and step[0] != "$"]
        if len(steps) == 1 and ".$" in column:  # as MongoDB writes ids and times
            keys.setdefault(steps[0], column)
        elif len(steps) > 1 and "." in column and not column.endswith("[]") and steps[-2] not in CONTEXT:
            keys.setdefault("".join(steps[-2:]), column)
            if steps[-1] not in ("id", "name", "value", "key", "type"):
                keys.setdefault(steps[-1], column)
        elif steps and column.endswith("[]"):  # a list of ids has the name of one, in the plural
            keys.setdefault(f"{steps[-1].removesuffix('s')}[]", column)
    for parts in KNOWN["joined"]["timestamp"]:
        named = [next((keys[key] for key in part.split() if key in keys), "") for part in parts]
        if all(named) and len(set(named)) == len(parts):
            keys = {"timestamp": "+".join(named)} | keys
            break
    found = {}
    for name in COLUMNS[table]:
        if name in taken or (name == "position" and "timestamp" in {*found, *taken}):
            continue
        special = KNOWN["in_table"][table].get(name, " ")
        names = f"{MEANINGS.get(name, name)} {special}".split() if special else []
        if (table, name) == ("interactions", "item_id"):
            names += [f"{key}[]" for key in names]
        if match := next((key for key in names if key in keys), None):
            found[name] = keys.pop(match)
    if table == "interactions":
        ours = {key: f"{CONTEXT_PREFIX}{key}" for key in CONTEXT if key in keys}
        found |= {name: keys[key] for key, name in ours.items() if name not in taken}
    return found


def guess_table(columns: Sequence[str], wanted: Sequence[Wanted] = ()) -> str:
    """Which of the four tables a file seems to be, by the columns it has.

    >>> guess_table(["sku", "name", "brand"]), guess_table(["reviewerID", "asin", "reviewText", "unixReviewTime"])
    ('items', 'reviews')
    """

    def knows(table: str) -> set[str]:
        taken = _chosen(Table(table, "", pd.DataFrame(columns=list(columns))), wanted)
        used = [entry.column for entry in taken.values()]
        return {*taken, *guess_columns(table, [column for column in columns if column not in used], taken)}

    event, given = knows("interactions"), [entry for entry in wanted if entry.column in columns]
    could_be = {
        "reviews": "text" in knows("reviews") and "quantity" not in event,
        "interactions": {"user_id", "item_id"} <= event,
        "items": "item_id" in knows("items"),
        "users": "user_id" in knows("users"),
    }
    for table in [table for table, could in could_be.items() if could]:  # that takes what is named
        if all(entry.table or _is_ours(table, entry.name) for entry in given):
            return table
    return "interactions"


def suggest_columns(tables: Sequence[Table], columns: str | Mapping[str, str] | None = None) -> dict[str, str]:
    """`columns` with what is named in it, and a guess for whatever else could be one of ours.

    >>> suggest_columns([Table("items", "shop.csv", pd.DataFrame(columns=["SKU", "Product Name"]))])
    {'item_id': 'SKU', 'title': 'Product Name'}
    """
    wanted = parse_columns(columns)
    tables = [table.expand(wanted) for table in tables]
    return _answer(wanted, [guess for table in tables for guess in _guesses(table, _chosen(table, wanted))])


def _guesses(table: Table, taken: Mapping[str, Any]) -> list[Wanted]:
    """What the other columns could be, by their names, tried on the values of a sample."""
    used = [getattr(entry, "column", entry) for entry in taken.values()]
    columns = [column for column in _rest(table, used) if not holds_objects(table.frame[column])]
    columns += [path for path in table.paths if path not in used]
    while True:
        found = guess_columns(table.table, columns, taken)
        lists = next((path for path in (*used, found.get("item_id", "")) if "[]" in path), "")
        wrong = [
            column for name, column in found.items()
            if not _fits(name, table.values(column)) or not lists.startswith(column.rpartition("[]")[0])
        ]  # fmt: skip
        if not wrong:
            break  # else others may fit
        parts = {part for column in wrong for part in (column, *column.split("+")[1:])}
        columns = [column for column in columns if column not in parts]
    if table.table == "interactions":
        ids = [column for column in columns if column not in found.values() and re.search("[_ ]?id$|Id$", column)]
        if "user_id" not in {*found, *taken} and "session_id" in found:  # visits of people without a name
            found["user_id"] = found.pop("session_id")
        if {"user_id"} <= {*found, *taken} and "item_id" not in {*found, *taken} and len(ids) == 1:
            found["item_id"] = ids[0]
    if "timestamp" in COLUMNS[table.table] and not {"timestamp", "position"} & {*found, *taken}:
        dates = [column for column in columns if column not in found.values() and _holds_dates(table, column)]
        if dates:
            found["timestamp"] = min(dates, key=lambda name: bool(NO_EVENT.search(name.casefold())))
    return [Wanted(name, column, table.table) for name, column in found.items()]


def _fits(name: str, values: pd.Series) -> bool:
    """Whether values can be what a column of ours holds."""
    present = values[is_present(values)]
    is_number = name in (*NUMBER_COLUMNS, "position")
    read = read_times(present).values if name in TIME_COLUMNS else read_numbers(present) if is_number else present
    return values.empty or (len(present) > 0 and read.isna().mean() <= MAX_WRONG)


def _holds_dates(table: Table, column: str) -> bool:
    """Whether a column without a known name holds the times of all rows."""
    values = table.values(column)
    times = values[is_present(values)].astype("str")
    is_number = pd.to_numeric(times, errors="coerce").notna().any() and not SAYS_DATE.search(column.casefold())
    if is_personal(column) or "[]" in column or is_number or len(times) < max(1, (1 - MAX_WRONG) * len(values)):
        return False
    return read_times(times).values.between(EARLIEST, pd.Timestamp.now("UTC")).mean() >= 1 - MAX_WRONG


def _question(
    tables: Sequence[Table], chosen: Mapping[str, Mapping[str, Wanted]], wanted: Sequence[Wanted]
) -> DataError:
    """What is missing, what it could be, and the line that says so, for all files at once."""
    guesses: list[Wanted] = []
    lines = []
    for table in tables:
        taken = chosen[table.table]
        found = _guesses(table, taken)
        if hopeless := _lacking(table, {*taken, *[guess.name for guess in found]}):
            return _no_guess(table, hopeless, _answer(wanted, found))
        guesses += found
        if lacking := _lacking(table, taken):
            needs = f"{table.file} ({table.table}) needs {', '.join(lacking)}"
            lines.append(f"{needs}; its columns are {list(table.frame)}.")
            lines += [f"  {guess.name} = {guess.column}{_samples(table, guess.name, guess.column)}" for guess in found]
    answer = _answer(wanted, guesses)
    copied = f"\nCorrect it where it is wrong, and copy:\n{as_option(answer)}\nIn Python: columns={answer}"
    return Question("RK-140", "Which column is what? " + "\n".join(lines), [(answer, "")], copied)


def _samples(table: Table, name: str, column: str) -> str:
    """The first values of a column; none of what a shopper wrote or who they are."""
    if name in ("text", "user_id", "review_id") or (table.table, name) == ("reviews", "title"):
        return ""
    texts = [str(value)[:30].strip() for value in table.values(column).head(20) if isinstance(value, str)]
    shown = list(dict.fromkeys(filter(None, texts)))[:SAMPLES]
    return f" ({', '.join(shown)})" if shown else ""


def _answer(wanted: Sequence[Wanted], guesses: Sequence[Wanted]) -> dict[str, str]:
    """`columns` with what was named and what is guessed; a table before the name only where it is needed."""
    answer = {entry.ours: entry.theirs for entry in wanted}
    for guess in guesses:
        is_same = answer.get(guess.name, guess.column) == guess.column
        answer[guess.name if is_same else guess.ours] = guess.column
    return answer


def _no_guess(table: Table, hopeless: Sequence[str], known: dict[str, str]) -> DataError:
    name, columns = hopeless[0], list(map(str, table.frame))
    what = f"{table.file} ({table.table}) is missing column {name!r}; found {columns[:30]}"
    fix = f"Name it: {as_option({name: '<its name in the file>'} | known)}"
    ways = []
    if list(hopeless) == ["timestamp"]:
        named = guess_columns(table.table, [column for column in columns if column not in known.values()])
        if written := named.get("timestamp"):
            what += f"; {written!r} cannot be read as times{_samples(table, name, written)}"
            form = as_option(known | {name: f'{written}:"<form>"'})
            return DataError("RK-104", f"{what}.", f"Say how they are written: {form}; without time: timestamp=none.")
        what += KNOWN["words"]["no_time"]
        ways = [(dict([NO_TIME]) | known, "for rows without time and order")]
    emails = [column for column in columns if re.search(KNOWN["parts"]["email"], _key(column))]
    if list(hopeless) == ["user_id"] and emails:
        ways = [
            ({name: f"{emails[0]}:hash"} | known, "to know users by a hash of their e-mail address"),
            ({name: emails[0]} | known, "to keep the address itself: results then hold personal data"),
        ]
    return Question("RK-104", f"{what}.", ways, fix) if ways else DataError("RK-104", f"{what}.", fix)


def _notes(table: Table, taken: Mapping[str, str], guesses: Mapping[str, str], naming: Naming) -> list[dict[str, Any]]:
    """What of a file is not read, and how to have it read."""
    rest = _rest(table, taken.values())
    rules = [f"personal data, not read: column {column!r}" for column in rest if is_personal(column)]
    if guesses:
        option = naming.option(*(f"{name}={{{name}}}" for name in guesses))
        could = ", ".join(f"{name}={column}" for name, column in guesses.items())
        rules.append(f"not used, but could be: {could}: {option}")
    known = {*guesses.values(), *(part for column in guesses.values() for part in column.split("+"))}
    if others := [str(column) for column in rest if column not in known and not is_personal(column)]:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        rules.append(f"not used: column {', '.join(map(repr, others[:5]))}{more}")
    return [report_entry(table.table, rule, "noted", len(table.frame)) for rule in rules]
