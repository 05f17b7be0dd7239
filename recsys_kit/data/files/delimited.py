"""Text -> rows of a CSV or TSV file, read by DuckDB. A value stays the text that it is: `007`, `NA`, `1E5` survive.

The form of the file (delimiter, quotes, lines above the header) is looked for here and spelled out for DuckDB: measured
with 2.0.1, its own `sniff_csv` skips a header that is shorter than the rows, and takes a text with bars for a table.
DuckDB drops lines that it cannot place (such as mixed line ends) without a word, so every line is accounted for.
"""

import csv
import mmap
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from recsys_kit.data.files.database import connect, quoted
from recsys_kit.data.files.decoding import Text
from recsys_kit.data.files.rows import FileRows, check_names, check_rows, check_size, note, rejection
from recsys_kit.errors import DataError

TAB_SUFFIXES = (".tsv", ".tab", ".inter", ".item", ".user")
NAMES = {",": "a comma", "\t": "a tab", ";": "a semicolon", "|": "a bar", "::": "two colons", " ": "a space"}
N_LOOKED_AT = 100  # records that must agree on a delimiter
AGREE = 0.9  # share of them
MAX_LINE = 512 * 1024**2  # bytes of one row
TIMES = range(788_918_400, 4_102_444_800)  # seconds since 1970, from 1995 to 2100
_NUMBER = re.compile(r"\s*-?\d+([.,]\d+)?\s*")
_SEP_LINE = re.compile(r'"?sep=(.)"?\r?\n|"?sep=(.)"?\r')
_LINE_END = re.compile(r"\r\n?|\n")
_QUOTED_OR_END = re.compile(rb'(?:(?<=[,;|\t\n\r])|\A)"[^"]*+(?:""[^"]*+)*+"|\r\n?')


@dataclass(frozen=True)
class Form:
    """How the rows of one file are written."""

    delimiter: str
    header: list[str]
    n_above: int
    """Lines above the first row: the header, and what stands above it."""
    quote: str = '"'
    notes: list[dict[str, Any]] = field(default_factory=list)


class BrokenQuote(Exception):
    """A quoted field does not end where it should."""

    def __init__(self, first: int, last: int, at_end: bool) -> None:
        self.first, self.last, self.at_end = first, last, at_end


def read_delimited(text: Text, header: Sequence[str] = ()) -> FileRows:
    """The rows of a CSV or TSV file.

    Rows with too few or too many fields, with NUL or with undecodable bytes are rejected.

    Args:
        text: of the file.
        header: names of the columns, for a file without a header.

    Raises:
        DataError: RK-122 no rows, RK-125 two columns of one name, RK-126 an unclear delimiter, RK-127 most rows do not
            fit the header, RK-128 a quote that does not close, RK-165 no header.
    """
    limit = csv.field_size_limit(sys.maxsize)
    try:
        _unify_line_ends(text.path)
        form = _find_form(text, header)
        try:
            return _read(text, form)
        except BrokenQuote as broken:
            if form.delimiter != "\t":
                raise _unclosed(text.name, broken) from broken
            quotes = note(
                "quotes are part of the text", 1, f"line {broken.first}"
            )  # most tab-separated files have none
        _unify_line_ends(text.path, quotes=False)
        try:
            return _read(text, replace(form, quote="", notes=[*form.notes, quotes]))
        except BrokenQuote as broken:
            raise _unclosed(text.name, broken) from broken
    finally:
        csv.field_size_limit(limit)


def _unify_line_ends(path: Path, *, quotes: bool = True) -> None:
    """Write every end of a line as `\\n`, but not inside quotes: DuckDB drops rows where ends are mixed."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        content = mapped[:] if mapped.find(b"\r") >= 0 else b""
    if content and quotes and b'"' in content:
        path.write_bytes(_QUOTED_OR_END.sub(lambda end: end[0] if end[0][:1] == b'"' else b"\n", content))
    elif content:
        path.write_bytes(content.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))


# -- the form ----------------------------------------------------------------------------------------------------------


def _find_form(text: Text, names: Sequence[str]) -> Form:
    head, above, notes = text.head, 0, []
    usual = "\t" if text.suffix in TAB_SUFFIXES else ","
    if separator := _SEP_LINE.match(head):  # written by Excel
        usual, above, head = separator[1] or separator[2], 1, head[separator.end() :]
        notes.append(note("line sep= of a spreadsheet is skipped"))
    delimiter, said = _find_delimiter(text.name, head, usual)
    records = list(_head_records(head, delimiter))
    preamble = _n_above_header(records, delimiter)
    if preamble:
        notes.append(note("lines above the header are skipped", preamble, records[0][1][0]))
    records = records[preamble:]
    if not records:
        raise _no_rows(text.name)
    end, first = records[0]
    rows = [record for _, record in records[1:]]
    if _is_headerless(first, rows) and not names:
        raise DataError(
            "RK-165",
            f"{text.name} has no header: line {above + end} is {delimiter.join(first)[:80]!r}, numbers like the lines "
            f"below it, in {len(first)} columns; expected the names of the columns.",
            f"Name them in their order, such as --header {','.join(_guess_header([first, *rows]))}.",
        )
    if names and len(names) == len(first) and [name.strip().lower() for name in first] != list(names):
        return Form(delimiter, list(names), above, '"' * (delimiter != "::"), notes + said)
    form = Form(delimiter, first, above + end, '"' * (delimiter != "::"), notes + said)
    return replace(form, header=_check_header(text, form.header))


def _no_rows(name: str) -> DataError:
    return DataError(
        "RK-122",
        f"{name} has no whole row (a header at most); expected at least one.",
        "Export it again, with its rows.",
    )


def _head_records(head: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The first records that are not blank, each with the number of its last line."""
    lines = _LINE_END.split(head)
    if len(delimiter) > 1:
        found: Iterable[tuple[int, list[str]]] = ((n, line.split(delimiter)) for n, line in enumerate(lines, start=1))
    else:
        reader = csv.reader((line + "\n" for line in lines), delimiter=delimiter)
        found = ((reader.line_num, record) for record in reader)
    return islice(((end, record) for end, record in found if "".join(record).strip()), N_LOOKED_AT)


def _find_delimiter(name: str, head: str, usual: str) -> tuple[str, list[dict[str, Any]]]:
    """The usual delimiter; another one, with a note, only where nearly all of the first records agree on it."""
    fields = {
        delimiter: [len(record) for _, record in _head_records(head, delimiter)] or [1]
        for delimiter in dict.fromkeys((usual, *NAMES))
    }
    fitting = [delimiter for delimiter, counts in fields.items() if _agree(counts)]
    if " " in fitting and not (fitting == [" "] and _is_fixed_table(list(_head_records(head, " ")))):
        fitting.remove(" ")
    if usual in fitting:
        return usual, []
    if len(fitting) == 1:
        return fitting[0], [note(f"delimiter is {NAMES[fitting[0]]}, not {NAMES.get(usual, usual)}")]
    first = head.lstrip().splitlines()[0] if head.strip() else ""
    guess = max(set(NAMES) - {" "}, key=lambda delimiter: (first.count(delimiter), len(delimiter)))
    if fields[usual][0] > 1 or guess == usual or guess not in first:
        return usual, []
    raise DataError(
        "RK-126",
        f"{name} has one column when split at {NAMES.get(usual, usual)}, and line 1 has {first.count(guess)} times "
        f"{guess!r}; expected a delimiter that gives every line as many fields as the header.",
        f"The delimiter is probably {guess!r}: save the file with {NAMES.get(usual, usual)} and quotes around texts.",
    )


def _agree(counts: list[int]) -> bool:
    """Whether the records have as many fields as the first of them, or as the header below a title."""
    usual, n = Counter(counts).most_common(1)[0]
    titled = usual > 2 and counts[0] == 1
    return usual > 1 and n >= AGREE * (len(counts) - titled) and (counts[0] == usual or titled)


def _is_fixed_table(records: list[tuple[int, list[str]]]) -> bool:
    """Whether numbers between spaces are columns, of which one holds times; sequences hold none."""
    columns = list(zip(*(record for _, record in records), strict=False))
    return len(columns) > 2 and any(all(v.isdigit() and int(v) in TIMES for v in column) for column in columns)


def _n_above_header(records: list[tuple[int, list[str]]], delimiter: str) -> int:
    """Titles above the header: lines of fewer fields than a header that is followed by such rows."""
    counts = [len(record) for _, record in records]
    usual, n = Counter(counts).most_common(1)[0] if counts else (0, 0)
    start = counts.index(usual) if usual > 2 else 0
    header = [name.strip() for name in records[start][1]] if start else []
    named = all(header) and len(set(header)) == len(header) and not any(map(_NUMBER.fullmatch, header))
    fits = n >= AGREE * (len(counts) - start) and all(count < usual for count in counts[:start])
    return start if start and named and fits and counts[0] == 1 else 0


def _is_headerless(first: list[str], rows: list[list[str]]) -> bool:
    """Whether the first record is a row like the others: a number in every column that holds numbers below it."""
    rows = [row for row in rows if len(row) == len(first)]
    if not rows or first == [str(n) for n in range(len(first))]:
        return False
    numeric = [
        place
        for place in range(len(first))
        if sum(bool(_NUMBER.fullmatch(row[place])) for row in rows) > AGREE * len(rows)
    ]
    return len(numeric) > 1 and all(_NUMBER.fullmatch(first[place]) for place in numeric)


def _guess_header(rows: list[list[str]]) -> list[str]:
    """Names for the columns of a file without a header, by what they hold."""
    names: list[str] = []
    for number, values in enumerate(zip(*rows, strict=False), start=1):
        numbers = [float(value) for value in values if re.fullmatch(r"\d+(\.\d+)?", value)]
        is_numeric = len(numbers) == len(values)
        if is_numeric and all(int(value) in TIMES for value in numbers):
            name = "timestamp"
        elif is_numeric and max(numbers) <= 5 and len(names) > 1:
            name = "rating"
        elif not numbers and len(set(values)) <= len(values) / 4:
            name = "event"
        else:
            name = next((known for known in ("user_id", "item_id") if known not in names), f"column{number}")
        names.append(f"column{number}" if name in names else name)
    return names


def _check_header(text: Text, header: list[str]) -> list[str]:
    """The names without byte-order marks. Raises (RK-124) for one that is no text, (RK-125) for two that are alike."""
    if flaw := next(filter(None, map(text.flaw, header)), ""):
        raise DataError(
            "RK-124",
            f"{text.name} has a broken name in its header ({flaw}); expected text.",
            "Mend the header, or pass the encoding of the file.",
        )
    check_size(text.name, 1, len(header))
    return [column.strip("\ufeff") for column in header]


# -- the rows ----------------------------------------------------------------------------------------------------------


def _read(text: Text, form: Form) -> FileRows:
    table, starts = _query(text, form)
    content = np.memmap(text.path, np.uint8, "r")
    ends = np.flatnonzero(content == ord("\n"))
    rejected, taken = _reject(text, form, starts, ends)
    n_lines = len(ends) + int(content[-1] != ord("\n"))
    lines, n_blank = _number_rows(text, form, table, taken, n_lines)
    frame = table.set_axis(lines, axis=0).set_axis(form.header, axis=1)
    if text.has_flaws:
        frame, flawed = _drop_flawed(text, frame)
        rejected = sorted(rejected + flawed, key=lambda entry: entry["row"])
    frame = _drop_unnamed(frame)
    check_names(text.name, frame.columns)
    check_rows(text.name, len(frame), rejected, _fix(form, rejected))
    notes = [*text.notes, *form.notes, *([note("blank lines left out", n_blank)] if n_blank else [])]
    return FileRows(frame, rejected, notes)


def _query(text: Text, form: Form) -> tuple[pd.DataFrame, list[int]]:
    """The rows that fit, and where in the file those start that do not."""
    columns = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(form.header)))
    max_line = min(MAX_LINE, text.path.stat().st_size + 2_000_000)
    with connect() as database:
        try:
            rows = database.sql(
                f"SELECT * FROM read_csv({quoted(str(text.path))}, delim={quoted(form.delimiter)}, "
                f"quote={quoted(form.quote)}, escape={quoted(form.quote)}, skip={form.n_above}, header=false, "
                f"columns={{{columns}}}, auto_detect=false, all_varchar=true, new_line='\\n', nullstr='\x01\x02\x03', "
                f"store_rejects=true, rejects_limit=0, max_line_size={max_line})"
            ).to_arrow_table()
            starts = database.execute("SELECT DISTINCT line_byte_position FROM reject_errors ORDER BY 1").fetchall()
        except duckdb.Error as error:
            raise DataError(
                "RK-127",
                f"{text.name} cannot be read as a table ({str(error).splitlines()[0][:200]}).",
                "Look at its first lines: the header, the delimiter or the quotes of the whole file are wrong.",
            ) from error
    return rows.to_pandas(), [start - 1 for (start,) in starts if start]


def _reject(text: Text, form: Form, starts: list[int], ends: np.ndarray) -> tuple[list[dict[str, Any]], dict[int, int]]:
    """The rejected rows, and their lines: first line -> number of lines. Blank ones are no rows."""
    rejected: list[dict[str, Any]] = []
    taken: dict[int, int] = {}
    with text.path.open("rb") as file:
        for start in starts:
            file.seek(start)
            number = int(np.searchsorted(ends, start)) + 1
            lines = (line.decode("utf-8", "surrogateescape") for line in file)
            line = next(lines, "")
            while line == "\n":  # DuckDB counts the empty lines above to the row
                line, number = next(lines, ""), number + 1
            if number in taken or not line.strip():
                continue
            record, n_lines = _parse(form, chain([line], lines))
            if isinstance(record, list):
                taken[number] = n_lines
                rejected.append(_why(text, form, number, record))
            elif not (text.cut_off and record.at_end):
                if record.at_end or record.last > 1 or form.delimiter == "\t":
                    raise BrokenQuote(number, number + record.last - 1, record.at_end)
                taken[number] = 1
                rejected.append(rejection(number, "text behind a closing quote", line.rstrip("\n")))
            else:
                taken[number] = n_lines
    return rejected, taken


def _parse(form: Form, lines: Iterator[str]) -> tuple[list[str] | BrokenQuote, int]:
    """The fields of the first record, or why it has none, and the number of its lines."""
    if len(form.delimiter) > 1:
        return next(lines).rstrip("\n").split(form.delimiter), 1
    quoting: Any = csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE
    reader = csv.reader(lines, delimiter=form.delimiter, quoting=quoting, strict=True)
    try:
        return next(reader), reader.line_num
    except csv.Error as error:
        return BrokenQuote(1, reader.line_num, "end of data" in str(error)), reader.line_num


def _why(text: Text, form: Form, line: int, record: list[str]) -> dict[str, Any]:
    if len(record) != len(form.header):
        rule = "row is too short" if len(record) < len(form.header) else "row is too long"
        return rejection(line, rule, f"{len(record)} fields, not {len(form.header)}: {form.delimiter.join(record)}")
    for column, value in zip(form.header, record, strict=True):
        if rule := text.flaw(value):
            return rejection(line, rule, value, column)
    return rejection(line, "row cannot be read", form.delimiter.join(record))


def _number_rows(
    text: Text, form: Form, table: pd.DataFrame, taken: dict[int, int], n_lines: int
) -> tuple[np.ndarray, int]:
    """The line where each row starts, and the number of blank lines. Raises `BrokenQuote` where a line has no place."""
    lost = {line + place for line, n in taken.items() for place in range(n)}
    n_free = n_lines - form.n_above - len(lost)
    spans = np.ones(len(table), int) if n_free == len(table) else _spans(table)
    blank = set()
    if n_free != spans.sum() or form.n_above > 1:
        blank = {number for number, line in enumerate(text.raw_lines(), start=1) if not line.strip()} - lost
    starts, line, skipped = np.empty(len(table), int), form.n_above + 1, lost | blank
    if not skipped and spans.sum() == len(table):
        starts, line = np.arange(line, line + len(table)), line + len(table)
    else:
        for row, span in enumerate(spans.tolist()):
            while line in skipped:
                line += 1
            starts[row] = line
            line += span
    rest = [number for number in range(line, n_lines + 1) if number not in skipped]
    if rest or line > n_lines + 1:
        raise BrokenQuote(min([*taken, *rest, n_lines]), n_lines, False)
    n_blank = len(blank) - sum(number in blank for number in _inner_lines(starts, spans)) if blank else 0
    return starts, n_blank


def _inner_lines(starts: np.ndarray, spans: np.ndarray) -> Iterator[int]:
    """The lines of rows that go over several, but for the first of each."""
    for row in np.flatnonzero(spans > 1):
        yield from range(starts[row] + 1, starts[row] + spans[row])


def _spans(table: pd.DataFrame) -> np.ndarray:
    """The number of lines of each row."""
    spans = np.ones(len(table), int)
    for column in table:
        spans += table[column].str.count("\n").to_numpy(int)
    return spans


def _drop_flawed(text: Text, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Without the rows that hold NUL, which DuckDB reads."""
    flawed: dict[int, dict[str, Any]] = {}
    for place, column in enumerate(frame):
        values = frame.iloc[:, place]
        for line, value in values[values.str.contains("\0", regex=False)].items():
            flawed.setdefault(line, rejection(line, text.flaw(value), value, str(column)))
    return frame.drop(index=list(flawed)), list(flawed.values())


def _drop_unnamed(frame: pd.DataFrame) -> pd.DataFrame:
    """Without columns that have neither a name nor a value, as a spreadsheet leaves them."""
    empty = [not name.strip() and not frame.iloc[:, place].str.strip().any() for place, name in enumerate(frame)]
    return frame if all(empty) else frame.loc[:, ~np.array(empty)]


def _fix(form: Form, rejected: list[dict[str, Any]]) -> str:
    """What to do when most rows are broken."""
    surplus = Counter(entry["value"].split(",")[0] for entry in rejected if entry["rule"] == "row is too long")
    if surplus:
        return (
            f"Line {form.n_above} names {len(form.header)} columns and most rows have {surplus.most_common(1)[0][0]}: "
            "add the missing name, take the surplus delimiter out, or quote the texts that contain it."
        )
    return "Look at the rows named: the header, the delimiter or the quotes of the whole file are wrong."


def _unclosed(name: str, broken: BrokenQuote) -> DataError:
    reach = "to the end of the file" if broken.at_end else f"to line {broken.last}"
    return DataError(
        "RK-128",
        f'{name} opens a quote (") in line {broken.first} that does not close properly and reaches {reach}; expected '
        'fields like "a ""quoted"" word". The rows between would become one.',
        'Close the quote in that line, or write quotes inside a quoted field twice ("").',
    )
