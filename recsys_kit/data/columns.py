"""A user's column names -> ours: what is named is taken, what could be guessed becomes a question, never an answer.

`--columns "user_id=CustomerID,text=Review Text"` on the command line, `columns={"user_id": "CustomerID"}` in Python.
With several files a name counts for each file that has the column; `items.title=Name` counts for one table alone.
Behind a column's name may stand how to read it: `timestamp=Date:day-first`, `rating=Score:0..10`.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_kit.data.nested import add_columns, find_paths, holds_objects
from recsys_kit.data.tables import Naming, quoted, report_entry
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.schema import COLUMNS, CONTEXT_PREFIX, TIME_COLUMNS

NEEDED = {  # one column of each group
    "interactions": (("user_id",), ("item_id",), ("timestamp", "position")),
    "items": (("item_id",),),
    "users": (("user_id",),),
    "reviews": (("text",),),
}
KNOWN = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
MEANINGS: dict[str, str] = KNOWN["meanings"]
DAYS = ("date", "day", "orderdate", "invoicedate", "purchasedate", "transactiondate", "saledate")  # beside a time
EXPORTS: dict[str, dict[str, Any]] = KNOWN["exports"]
CONTEXT = ("country", "device", "platform", "channel", "season", "promotion", "region", "city", "daypart")
PERSONAL = (
    r"e?mail|phone|mobile$|telefon|^tel$|firstname|lastname|surname|fullname|username|nickname|"
    r"(reviewer|customer|user|buyer|member|client)name|^name$|address|street|postcode|zipcode|birth|^dob$|^ip$|ipaddr|"
    r"passport|creditcard|iban|邮箱|电话|手机|姓名|昵称|地址|身份证"
)
NUMBER = r"-?\d+(?:\.\d+)?"
READINGS = {  # how a column may be read -> the columns
    r"day-first|month-first": TIME_COLUMNS,
    r'"[^"]+"': TIME_COLUMNS,
    rf"{NUMBER}\.\.{NUMBER}": ("rating",),
    rf"{NUMBER}=missing": ("rating",),
    r"drop": ("timestamp", "position", "rating", "quantity"),
    r"(?:null|keep)=[^:]+": ("user_id", "item_id"),
    r"lower|strip=[^:]+": ("user_id", "item_id"),
}
HOW = re.compile(rf"(?P<column>.+?)(?P<readings>(?::(?:{'|'.join(READINGS)}))+)")
EXPECTED = (
    "behind a time day-first, month-first or its form in quotes; behind a rating its range from low to high, or "
    "0=missing; behind an id null=, keep=, strip= or lower; drop where rows may be left out"
)
UNREAD = ("ignore", "none")  # named in place of a column: it is not read
ACCEPT_IDS = ("accept", "ids")  # ids of two files that do not meet are right
NO_TIME = ("timestamp", "none")  # the rows of interactions have neither a time nor an order
SAMPLES = 3  # values shown in a question


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
        return f"{self.column}:{self.reading}".rstrip(":") if self.reading else self.column


@dataclass(frozen=True)
class Table:
    """One file before its columns are named: the `table` it is to be, the file's name, its frame."""

    table: str
    file: str
    frame: pd.DataFrame

    def __post_init__(self) -> None:
        """Spaces around names do not matter."""
        object.__setattr__(self, "frame", self.frame.rename(columns=lambda name: str(name).strip()))

    @cached_property
    def paths(self) -> list[str]:
        """The fields of objects and lists, as columns."""
        return find_paths(self.frame)

    def expand(self, wanted: Sequence["Wanted"]) -> "Table":
        """Return the table with the columns that lie in objects and lists, or are joined of two."""
        frame, mine = self.frame, [entry for entry in wanted if _takes(self, entry)]
        has_no_time = NO_TIME in [(entry.name, entry.column) for entry in mine] and self.table == "interactions"
        if has_no_time and "position" not in frame:
            frame = frame.assign(position=range(1, len(frame) + 1))
        for entry in mine:
            if (
                entry.name == "item_id"
                and entry.column in frame
                and frame[entry.column].dtype == object
                and frame[entry.column].map(_is_list).any()
            ):
                path = f"{entry.column}[]"  # a list of products is one event each
                frame = add_columns(frame, [path]).drop(columns=entry.column).rename(columns={path: entry.column})
        frame = add_columns(frame, list(dict.fromkeys(entry.column for entry in mine)))
        return self if frame is self.frame else replace(self, frame=frame)


@dataclass(frozen=True)
class Named:
    """The tables with our column names, notes for the report, and by table how columns are to be read."""

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
    if not isinstance(columns, Mapping):
        entries = [part for part in re.split(r",(?=\s*[A-Za-z_][\w.]*=)", columns or "") if part.strip()]
        if broken := [entry for entry in entries if "=" not in entry]:
            raise ParameterError(
                "RK-142", f"columns has {broken[0].strip()!r}; expected ours=theirs.", "Such as user_id=CustomerID."
            )
        pairs = [entry.split("=", 1) for entry in entries]
    else:
        pairs = list(columns.items())
    wanted = [_entry(ours.strip(), theirs.strip()) for ours, theirs in pairs]
    twice = [entry for number, entry in enumerate(wanted) if (entry.table, entry.name) in
             {(other.table, other.name) for other in wanted[:number]}]  # fmt: skip
    if twice:
        raise ParameterError(
            "RK-142", f"columns names {twice[0].name!r} twice.", f"For one table alone: items.{twice[0].name}=..."
        )
    return wanted


def _entry(ours: str, theirs: str) -> Wanted:
    if (ours, theirs) == ACCEPT_IDS:
        return Wanted(*ACCEPT_IDS)
    table, _, name = ours.rpartition(".")
    known = dict.fromkeys(name for names in COLUMNS.values() for name in names)
    if table and table not in COLUMNS:
        raise ParameterError(
            "RK-142", f"columns names table {table!r}; expected one of {list(COLUMNS)}.", "Such as items.title=Name."
        )
    if name not in known and not name.startswith(CONTEXT_PREFIX) and table != "users":
        near = difflib.get_close_matches(name, known, n=2)
        raise ParameterError(
            "RK-142",
            f"columns names {name!r}, which is no column of ours; known: {', '.join(known)}, ctx_...",
            f"Did you mean {' or '.join(near)}?" if near else f"For a context column write ctx_{name}={theirs}.",
        )
    read = HOW.fullmatch(theirs)
    if read is None:
        return Wanted(name, theirs, table)
    reading = read["readings"][1:]
    for part in split_readings(reading):
        _check_reading(name, part, theirs)
    return Wanted(name, read["column"], table, reading)


def split_readings(reading: str) -> list[str]:
    """Return the parts of a reading.

    >>> split_readings('"%d.%m.%Y %H:%M":drop')
    ['"%d.%m.%Y %H:%M"', 'drop']
    """
    return re.findall(r'"[^"]*"|[^:]+', reading)


def _check_reading(name: str, reading: str, theirs: str) -> None:
    """RK-142 for a reading that this column cannot have, or a range that runs backwards."""
    names = next((names for form, names in READINGS.items() if re.fullmatch(form, reading)), ())
    low, dots, high = reading.partition("..")
    if name not in names or (dots and names == ("rating",) and float(low) >= float(high)):
        raise ParameterError(
            "RK-142",
            f"columns has {name}={theirs}; expected {EXPECTED}.",
            "Such as timestamp=Date:day-first or rating=Score:0..10.",
        )


def read_ids(values: pd.Series, reading: str) -> pd.Series:
    """Return ids as the user wants them read: words for no id become missing, what two files write differently goes.

    >>> read_ids(pd.Series(["007", "NULL", " B.0"]), "null=NULL:strip=zeros:strip=spaces:strip=.0:lower").tolist()
    ['7', nan, 'b']
    """
    for part in split_readings(reading):
        how, _, what = part.partition("=")
        texts = values.astype("str")
        if how == "null" and what != "drop":
            values = texts.mask(texts == what)
        elif how == "lower":
            values = texts.str.lower()
        elif how == "strip":
            sign = {"zeros": r"^0+(?=.)", "spaces": r"^\s+|\s+$", ".0": r"\.0+$"}
            values = texts.str.replace(sign.get(what, f"^(?:{re.escape(what)})+"), "", regex=True)
    return values


# -- names -> ours -----------------------------------------------------------------------------------------------------


def name_columns(tables: Sequence[Table], columns: str | Mapping[str, str] | None = None) -> Named:
    """The tables with our names: named ones first, then those that are ours already; the rest stays behind, noted.

    Raises:
        DataError: RK-141 where a named column is in no file, RK-140 (a question, with the `columns` to copy) where a
            column that a table needs is not named but could be guessed, RK-104 where there is not even a guess.
    """
    wanted = parse_columns(columns)
    tables, wanted, recognized = recognize(tables, wanted)
    check_wanted(tables, wanted)
    chosen = {table.table: _chosen(table, wanted) for table in tables}
    if any(_lacking(table, chosen[table.table]) for table in tables):
        raise _question(tables, chosen, wanted)
    frames, notes = {}, recognized
    for table in tables:
        taken = {name: entry.column for name, entry in chosen[table.table].items()}
        if table.table == "users":  # whatever is known of a shopper, but for what says who it is
            taken |= {column: column for column in _rest(table, taken.values()) if not is_personal(column)}
        how = {name: entry.reading for name, entry in chosen[table.table].items()}
        frames[table.table] = pd.DataFrame(
            {
                name: read_ids(values, how.get(name, "")) if name in ("user_id", "item_id") else values
                for name, values in ((name, _plain(table.frame[column], name)) for name, column in taken.items())
            },
            index=table.frame.index,
        )
        notes += _notes(table, taken)
    readings = {
        table: {name: entry.reading for name, entry in taken.items() if entry.reading}
        for table, taken in chosen.items()
    }
    given, naming = {entry.ours: entry.theirs for entry in wanted}, {}
    for table in tables:
        taken = {name: entry.column for name, entry in chosen[table.table].items()}
        naming[table.table] = Naming(guess_columns(table.table, _rest(table, taken.values()), taken) | taken, given)
    return Named(frames, notes, readings, naming)


def recognize(tables: Sequence[Table], wanted: list[Wanted]) -> tuple[list[Table], list[Wanted], list[dict[str, Any]]]:
    """Return the tables with the columns that are named, or known since a well-known program wrote the file.

    Args:
        tables: of the files.
        wanted: what the user named; without it the columns of an export are known.
    """
    notes = []
    for table in tables if not wanted else []:
        if export := export_of(table):
            wanted = [Wanted(name, column, table.table) for name, column in EXPORTS[export]["columns"].items()]
            notes.append(report_entry(table.table, f"read as an export of {export}", "noted", len(table.frame)))
    expanded = [table.expand(wanted) for table in tables]
    for before, after in zip(tables, expanded, strict=True):
        if "position" in after.frame and "position" not in before.frame:
            rule = "no time: rows are numbered as they stand in the file, so that split=random is the only fair one"
            notes.append(report_entry(after.table, rule, "cautioned", len(after.frame)))
        if len(before.frame) != len(after.frame):
            rule = f"a list is one row for each element: {len(after.frame):,} of {len(before.frame):,}"
            notes.append(report_entry(after.table, rule, "noted", len(after.frame)))
    return expanded, wanted, notes


def export_of(table: Table) -> str:
    """Return the program that wrote a file, by its columns; "" for another file."""
    columns = {*map(str, table.frame), *table.paths}
    return next((name for name, export in EXPORTS.items() if columns.issuperset(export["known"])), "")


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def check_wanted(tables: Sequence[Table], wanted: Sequence[Wanted]) -> None:
    """Raises `DataError` (RK-141) where a named column is in no file."""
    tables = [table.expand(wanted) for table in tables]
    for entry in wanted:
        if entry.column in UNREAD or (entry.name, entry.column) == ACCEPT_IDS:
            continue
        places = [table for table in tables if _takes(table, entry)]
        if not any(entry.column in table.frame for table in places):
            found = list(dict.fromkeys(str(column) for table in places or tables for column in table.frame))
            near = difflib.get_close_matches(entry.column, found, n=3, cutoff=0.5)
            near += [column for column in found if _key(column) == _key(entry.column) and column not in near]
            files = " and ".join(table.file for table in places or tables)
            raise DataError(
                "RK-141",
                f"columns names {entry.column!r} for {entry.name}, which {files} does not have; found {found[:30]}.",
                f"Did you mean {' or '.join(map(repr, near))}?" if near else "Use a name of the file as it is written.",
            )


def _takes(table: Table, entry: Wanted) -> bool:
    if entry.table:
        return entry.table == table.table
    return _is_ours(table, entry.name)


def _is_ours(table: Table, column: str) -> bool:
    return column in COLUMNS[table.table] or (table.table == "interactions" and column.startswith(CONTEXT_PREFIX))


def _chosen(table: Table, wanted: Sequence[Wanted]) -> dict[str, Wanted]:
    """Our name -> the column of this file, where it was named or bears our name."""
    taken = {}
    for entry in sorted(wanted, key=lambda entry: bool(entry.table)):  # for this table alone: the last word
        if _takes(table, entry) and (entry.column in table.frame or entry.column in UNREAD):
            taken[entry.name] = entry
    used = {entry.column for entry in taken.values()}
    for column in table.frame:
        if _is_ours(table, str(column)) and column not in taken and column not in used:
            taken[column] = Wanted(column, column)
    order = [*COLUMNS[table.table], *taken]
    taken = {name: entry for name, entry in taken.items() if entry.column in table.frame}
    return dict(sorted(taken.items(), key=lambda pair: order.index(pair[0])))


def _lacking(table: Table, taken: Iterable[str]) -> list[str]:
    """The columns that the table needs and that are not there yet, each group by its first name."""
    return [group[0] for group in NEEDED[table.table] if not set(group) & set(taken)]


def _rest(table: Table, used: Iterable[str]) -> list[str]:
    return [column for column in table.frame if column not in set(used)]


def _candidates(table: Table, used: Iterable[str]) -> list[str]:
    """The columns that may be guessed: no objects and lists, but their fields."""
    columns = [column for column in table.frame if not holds_objects(table.frame[column])]
    return [column for column in [*columns, *table.paths] if column not in set(used)]


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
    return bool(re.search(PERSONAL, _key(column)))


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
    columns = list(columns)
    for column in columns:
        if not is_personal(column) or (table == "items" and _key(column) == "name"):
            keys.setdefault(_key(column), column)
    for column in [column for column in columns if "." in column and not is_personal(column)]:
        last = _key(column.rpartition(".")[2])
        if last not in ("id", "name", "value", "key", "type"):
            keys.setdefault(last, column)
    if "time" in keys and (day := next((keys[key] for key in DAYS if key in keys), "")) and day != keys["time"]:
        keys = {"timestamp": f"{day}+{keys['time']}"} | keys if "timestamp" not in keys else keys
    found = {}
    for name in COLUMNS[table]:
        if name in taken or (name == "position" and "timestamp" in {*found, *taken}):
            continue
        special = KNOWN["in_table"][table].get(name)
        meanings = "" if special == "" else MEANINGS.get(name, name) + (special or "")
        match = next((key for key in meanings.split() if key in keys), None)
        if match:
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
        frame = Table(table, "", pd.DataFrame(columns=list(columns)))
        taken = _chosen(frame, wanted)
        return set(taken) | set(guess_columns(table, [c for c in columns if c not in _used(taken)], taken))

    event = knows("interactions")
    if "text" in knows("reviews") and "quantity" not in event:
        return "reviews"
    if {"user_id", "item_id"} <= event:
        return "interactions"
    if "item_id" in knows("items"):
        return "items"
    return "users" if "user_id" in knows("users") else "interactions"


def _used(taken: Mapping[str, Wanted]) -> set[str]:
    return {entry.column for entry in taken.values()}


def suggest_columns(tables: Sequence[Table], columns: str | Mapping[str, str] | None = None) -> dict[str, str]:
    """`columns` with what is named in it, and a guess for whatever else could be one of ours.

    >>> suggest_columns([Table("items", "shop.csv", pd.DataFrame(columns=["SKU", "Product Name"]))])
    {'item_id': 'SKU', 'title': 'Product Name'}
    """
    wanted = parse_columns(columns)
    tables = [table.expand(wanted) for table in tables]
    return _answer(wanted, [guess for table in tables for guess in _guesses(table, _chosen(table, wanted))])


def _guesses(table: Table, taken: Mapping[str, Wanted]) -> list[Wanted]:
    found = guess_columns(table.table, _candidates(table, _used(taken)), taken)
    return [Wanted(name, column, table.table) for name, column in found.items()]


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
            return _no_guess(table, hopeless, found)
        guesses += found
        if lacking := _lacking(table, taken):
            needs = f"{table.file} ({table.table}) needs {', '.join(lacking)}"
            lines.append(f"{needs}; its columns are {list(table.frame)}.")
            lines += [f"  {guess.name} = {guess.column}{_samples(table, guess.name, guess.column)}" for guess in found]
    answer = _answer(wanted, guesses)
    return DataError(
        "RK-140",
        "Which column is what? " + "\n".join(lines),
        f"\nCorrect it where it is wrong, and copy:\n--columns {quoted(_as_text(answer))}\nIn Python: columns={answer}",
    )


def _samples(table: Table, name: str, column: str) -> str:
    """The first values of a column; none of what a shopper wrote or who they are."""
    if name in ("text", "user_id", "review_id") or (table.table, name) == ("reviews", "title"):
        return ""
    if column not in table.frame:
        return ""
    values = dict.fromkeys(
        str(value)[:30] for value in table.frame[column].head(20) if isinstance(value, str) and value
    )
    return f" ({', '.join(list(values)[:SAMPLES])})" if values else ""


def _answer(wanted: Sequence[Wanted], guesses: Sequence[Wanted]) -> dict[str, str]:
    """`columns` with what was named and what is guessed; a table before the name only where it is needed."""
    answer = {entry.ours: entry.theirs for entry in wanted}
    for guess in guesses:
        if answer.get(guess.name, guess.column) == guess.column:
            answer[guess.name] = guess.column
        else:
            answer[f"{guess.table}.{guess.name}"] = guess.column
    return answer


def _as_text(answer: Mapping[str, str]) -> str:
    return ",".join(f"{ours}={theirs}" for ours, theirs in answer.items())


def _no_guess(table: Table, hopeless: Sequence[str], found: Sequence[Wanted]) -> DataError:
    columns = list(map(str, table.frame))
    meanings = MEANINGS[hopeless[0]].split()
    near = [column for column in columns if difflib.get_close_matches(_key(column), meanings, n=1, cutoff=0.6)]
    known = "".join(f",{guess.name}={guess.column}" for guess in found)
    order = (
        "; where the rows have no time but an order, number them in a column position; where they have neither, pass "
        "timestamp=none and --set split=random"
    ) * (hopeless[0] == "timestamp")
    line = quoted(f"{hopeless[0]}=<its name in the file>{known}")
    return DataError(
        "RK-104",
        f"{table.file} ({table.table}) is missing column {hopeless[0]!r}; found {columns[:30]}"
        + (f", of which {', '.join(map(repr, near[:3]))} come nearest{order}." if near else f"{order}."),
        f"Name it: --columns {line}",
    )


def _notes(table: Table, taken: Mapping[str, str]) -> list[dict[str, Any]]:
    """What of a file is not read, and how to have it read."""
    rest = _rest(table, taken.values())
    personal = [column for column in rest if is_personal(column)]
    guesses = guess_columns(table.table, rest, taken)
    notes = [
        report_entry(table.table, f"personal data, not read: column {column!r}", "noted", len(table.frame))
        for column in personal
    ]
    for name, column in guesses.items():
        rule = f"column {column!r} is not used: --columns {quoted(f'{name}={column}')}"
        example = _samples(table, name, column).strip(" ()")
        notes.append(report_entry(table.table, rule, "noted", len(table.frame), example))
    if others := [str(column) for column in rest if column not in personal and column not in guesses.values()]:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        names = ", ".join(map(repr, others[:5])) + more
        notes.append(report_entry(table.table, f"not used: column {names}", "noted", len(table.frame)))
    return notes
