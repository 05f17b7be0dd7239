"""Text -> rows of a CSV or TSV file, read by DuckDB. A value stays the text that it is: `007`, `NA`, `1E5` survive.

The form of the file (delimiter, quotes, lines above the header) is looked for here and spelled out for DuckDB: measured
with 2.0.1, its `sniff_csv` misreads 11 of 56 files, such as one with a bad row near its start, and knows neither `::`
nor columns between spaces. A file in which not every line is a row is first written again, without the others.
"""

import csv
import io
import re
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from recsys_kit.data.files.database import connect, quoted
from recsys_kit.data.files.decoding import Text
from recsys_kit.data.files.rows import FileRows, check_names, check_rows, check_size, no_rows, note, rejection
from recsys_kit.errors import DataError

TAB_SUFFIXES = (".tsv", ".tab", ".inter", ".item", ".user")
NAMES = {",": "a comma", "\t": "a tab", ";": "a semicolon", "|": "a bar", "::": "two colons", " ": "a space"}
N_LOOKED_AT = 100  # records that must agree on a delimiter
AGREE = 0.9  # share of them
MANY = 100_000  # broken rows: if so far there are fewer good ones, the file is wrong, not its rows
MAX_LINE = 512 * 1024**2  # bytes of one row
TIMES = range(788_918_400, 4_102_444_800)  # seconds since 1970, from 1995 to 2100
LINE_ENDS = {None: r"\n", "\n": r"\n", "\r\n": r"\r\n"}
_NUMBER = re.compile(r"\s*-?\d+([.,]\d+)?\s*$")
_DATE = re.compile(r"\s*(\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.]\d{4})")
_SEP_LINE = re.compile(r'"?sep=(.)"?(\r\n?|\n)')


@dataclass(frozen=True)
class Form:
    """How the rows of one file are written."""

    delimiter: str
    header: list[str]
    n_above: int
    """Lines above the first row: the header, and what stands above it."""
    quote: str = '"'
    notes: list[dict[str, Any]] = field(default_factory=list)


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
        form = _find_form(text, header)
        try:
            return _read(text, form)
        except DataError as refused:
            if refused.code != "RK-128" or form.delimiter != "\t":
                raise
        form = _find_form(text, header, quote="")  # most tab-separated files have no quoting
        return _read(text, replace(form, notes=[*form.notes, note("quotes are part of the text")]))
    finally:
        csv.field_size_limit(limit)


def _records(lines: Iterator[str], form: Form) -> Iterator[tuple[int, int, str, list[str] | csv.Error]]:
    """The first and the last line of each record, its first line as text, and its fields or why it has none."""
    last, delimiter = 0, form.delimiter
    for line in lines:
        last, first, content = last + 1, last + 1, line.rstrip("\r\n")
        if not form.quote or form.quote not in line:
            yield first, last, content, content.split(delimiter) if content else []
            continue
        rest = chain([line], lines)
        spaced = _without_spaces(rest, delimiter) if f'{delimiter} "' in line else rest
        reader = csv.reader(spaced, delimiter=delimiter, strict=True)
        try:
            record: list[str] | csv.Error = next(reader)
        except csv.Error as error:
            record = error
            if '\\"' in line and reader.line_num == 1:  # quotes inside a field may be written so, too
                with suppress(csv.Error):
                    record = next(csv.reader([line], delimiter=delimiter, strict=True, escapechar="\\"))
        last += reader.line_num - 1
        yield first, last, content, record


def _without_spaces(lines: Iterator[str], delimiter: str) -> Iterator[str]:
    """The lines of one record without the spaces between a delimiter and a quote, which DuckDB skips as well.

    Other spaces are part of a value: an id stays as it is written.
    """
    gap, is_quoted = re.compile(rf"{re.escape(delimiter)} +$"), False
    for line in lines:
        parts = line.split('"')
        for place in range(int(is_quoted), len(parts) - 1, 2):  # outside of quotes, before a quote
            parts[place] = gap.sub(delimiter, parts[place])
        is_quoted ^= len(parts) % 2 == 0
        yield '"'.join(parts)


# -- the form ----------------------------------------------------------------------------------------------------------


def _find_form(text: Text, names: Sequence[str], quote: str = '"') -> Form:
    head, above, notes = text.head, 0, []
    usual = "\t" if text.suffix in TAB_SUFFIXES else ","
    if separator := _SEP_LINE.match(head):  # written by Excel
        usual, above, head = separator[1], 1, head[separator.end() :]
        notes.append(note("line sep= of a spreadsheet is skipped"))
    found = {delimiter: _head_records(head, delimiter, quote) for delimiter in dict.fromkeys((usual, *NAMES))}
    delimiter, said = _find_delimiter(text.name, found, usual, head)
    records = found[delimiter]
    preamble = _n_above_header([record for _, record in records])
    if preamble:
        notes.append(note("lines above the header are skipped", preamble, records[0][1][0]))
    if not records:
        raise no_rows(text.name)
    (end, first), *rows = records[preamble:]
    form = Form(delimiter, first, above + end, quote * (delimiter != "::"), notes + said)
    if len(names) == len(first) and [name.strip().lower() for name in first] != list(names):
        return replace(form, header=list(names), n_above=above)
    if _is_headerless(first, [row for _, row in rows]):
        guess = _guess_header([row for _, row in records])
        raise DataError(
            "RK-165",
            f"{text.name} has no header: line {form.n_above} is {delimiter.join(first)[:80]!r}, numbers or dates "
            f"like the lines below it, in {len(first)} columns; expected the names of the columns.",
            f"Name them in their order, such as --header {','.join(guess)}"
            + (" (if that is right)." if "item_id" in guess else ", with user_id and item_id in their places."),
        )
    if flaw := next(filter(None, map(text.flaw, first)), ""):
        raise DataError(
            "RK-124",
            f"{text.name} has a broken name in its header ({flaw}); expected text.",
            "Mend the header, or pass the encoding of the file.",
        )
    check_size(text.name, 1, len(first))
    names = [name.strip("\ufeff") for name in first]
    check_names(text.name, [name.strip() or f"\0{place}" for place, name in enumerate(names)])
    return replace(form, header=names)


def _head_records(head: str, delimiter: str, quote: str) -> list[tuple[int, list[str]]]:
    """The first records that are not blank, each with the number of its last line."""
    records = _records(io.StringIO(head, newline=""), Form(delimiter, [], 0, quote * (delimiter != "::")))
    found = ((end, record) for _, end, _, record in records if isinstance(record, list) and "".join(record).strip())
    return list(islice(found, N_LOOKED_AT))


def _find_delimiter(
    name: str, found: dict[str, list[tuple[int, list[str]]]], usual: str, head: str
) -> tuple[str, list[dict[str, Any]]]:
    """The usual delimiter; another one, with a note, only where nearly all of the first records agree on it."""
    fields = {delimiter: [len(record) for _, record in records] or [1] for delimiter, records in found.items()}
    fitting = [one for one in fields if _agree(fields[one])] or [
        one for one in fields if _agree(fields[one], titled=True)
    ]
    if " " in fitting and not (fitting == [" "] and _is_fixed_table(found[" "])):
        fitting.remove(" ")
    if usual in fitting and "::" not in fitting:
        return usual, []
    fitting = ["::"] if "::" in fitting else fitting  # which nothing else holds in every line
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


def _agree(counts: list[int], *, titled: bool = False) -> bool:
    """Whether the records have as many fields as the first of them, or (`titled`) as the header below a title."""
    usual, n = Counter(counts).most_common(1)[0]
    return usual > 1 + titled and n >= AGREE * (len(counts) - titled) and counts[0] == (1 if titled else usual)


def _is_fixed_table(records: list[tuple[int, list[str]]]) -> bool:
    """Whether numbers between spaces are columns, of which one holds times; sequences hold none."""
    columns = list(zip(*(record for _, record in records), strict=False))
    return len(columns) > 2 and any(map(_are_times, columns))


def _are_times(values: Iterable[str]) -> bool:
    return all(_DATE.match(value) or (re.fullmatch(r"\d{9,10}", value) and int(value) in TIMES) for value in values)


def _n_above_header(records: list[list[str]]) -> int:
    """Titles above the header: lines of fewer fields than a header that is followed by such rows."""
    counts = [len(record) for record in records]
    usual, n = Counter(counts).most_common(1)[0] if counts else (0, 0)
    start = counts.index(usual) if usual > 2 else 0
    header = [name.strip() for name in records[start]] if start else []
    named = all(header) and len(set(header)) == len(header) and not any(map(_NUMBER.fullmatch, header))
    fits = n >= AGREE * (len(counts) - start) and all(count < usual for count in counts[:start])
    return start if start and named and fits and counts[0] == 1 else 0


def _is_headerless(first: list[str], rows: list[list[str]]) -> bool:
    """Whether the first record is a row like the others: a number or date in every column that holds those below."""
    rows = [row for row in rows if len(row) == len(first)]
    if not rows or first == [str(n) for n in range(len(first))]:
        return False
    columns = list(zip(first, zip(*rows, strict=True), strict=True))
    numbers, dates = (
        [name for name, values in columns if sum(map(bool, map(form.match, values))) > AGREE * len(rows)]
        for form in (_NUMBER, _DATE)
    )
    alike = all(map(_NUMBER.match, numbers)) and all(map(_DATE.match, dates))
    return alike and len(first) > 1 and bool(numbers + dates)


def _guess_header(rows: list[list[str]]) -> list[str]:
    """Names for the columns of a file without a header; by number, where more than one may hold the users or items."""
    columns = list(zip(*rows, strict=False))
    names, ids = [f"column{number}" for number in range(1, len(columns) + 1)], []
    for place, values in enumerate(columns):
        several = len(set(values)) > 1
        if _are_times(values):
            names[place] = "timestamp"
        elif several and len(ids) > 1 and all(re.fullmatch(r"[0-5](\.\d+)?", value) for value in values):
            names[place] = "rating"
        elif len(set(values)) <= len(values) / 4 and all(re.fullmatch("[A-Za-z_]+", value) for value in values):
            names[place] = "event"
        elif (several or not place) and all(re.fullmatch(r"[\w-]+", value) for value in values):
            ids.append(place)
        elif several:
            ids += [place, place, place]  # it may be anything
    if len(ids) == 2:
        names[ids[0]], names[ids[1]] = "user_id", "item_id"
    doubtful = {name for name in names if names.count(name) > 1} | ({"rating"} if len(ids) != 2 else set())
    return [f"column{n}" if name in doubtful else name for n, name in enumerate(names, start=1)]


# -- the rows ----------------------------------------------------------------------------------------------------------


def _read(text: Text, form: Form) -> FileRows:
    """Read a file as it is where every line is a row, else the rows that fit, written again.

    DuckDB's `ignore_errors` loses the row behind a broken one and `store_rejects` keeps up to 10 kB for each missing
    value, which makes 10 GB of half a megabyte of short rows.
    """
    n_lines = text.count_lines()
    fix = (
        f"Line {form.n_above} is read as the header, with {len(form.header)} names: mend it, take surplus delimiters "
        "out, quote the texts that contain one, and write a list (a basket) as one row for each of its products."
    )
    index, rejected, n_blank, frame = pd.RangeIndex(form.n_above + 1, n_lines + 1), [], 0, None
    if form.n_above < 2 and not text.has_flaws and text.line_end in LINE_ENDS:
        with suppress(duckdb.Error):
            frame = _query(text.path, form, LINE_ENDS[text.line_end])
    if frame is None or len(frame) != len(index):
        index, rejected, n_blank = _rewrite(text, form)
        check_rows(text.name, len(index), rejected, fix)
        try:
            frame = _query(text.path, Form(",", form.header, 0))
        except duckdb.Error as error:  # such as a row of more than `MAX_LINE` bytes
            problem = f"{text.name} cannot be read as a table ({str(error).splitlines()[0][:200]})."
            raise DataError("RK-127", problem, fix) from error
    frame = _drop_unnamed(frame.set_axis(index, axis=0).set_axis(form.header, axis=1))
    check_names(text.name, frame.columns)
    check_rows(text.name, len(frame), rejected, "")
    blank = [note("blank lines left out", n_blank)] if n_blank else []
    return FileRows(frame, rejected, [*text.notes, *form.notes, *blank])


def _query(path: Path, form: Form, line_end: str = "\\n") -> pd.DataFrame:
    columns = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(form.header)))
    max_line = min(MAX_LINE, path.stat().st_size + 2_000_000)
    with connect() as database:
        rows = database.sql(
            f"SELECT * FROM read_csv({quoted(str(path))}, delim={quoted(form.delimiter)}, "
            f"quote={quoted(form.quote)}, escape={quoted(form.quote)}, skip={form.n_above}, header=false, "
            f"columns={{{columns}}}, auto_detect=false, all_varchar=true, nullstr='\x01\x02\x03', "
            f"new_line='{line_end}', max_line_size={max_line})"
        )
        return rows.to_arrow_table().to_pandas()


def _rewrite(text: Text, form: Form) -> tuple[pd.Index, list[dict[str, Any]], int]:
    """Write the rows that fit to a plain CSV file; return where they start, the rejected rows, and the blank lines."""
    starts, rejected, plain = array("q"), [], text.path.with_name("plain")
    with text.open() as file, plain.open("w", encoding="utf-8", newline="") as out:
        write = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow
        n_blank = sum(not line.strip() for line in islice(file, form.n_above))
        for first, last, line, record in _records(file, form):
            number = first + form.n_above
            if isinstance(record, csv.Error):
                at_end = "end of data" in str(record)
                if at_end and text.cut_off:
                    break
                if at_end or last > first or form.delimiter == "\t":
                    reach = "to the end of the file" if at_end else f"to line {last + form.n_above}"
                    raise DataError(
                        "RK-128",
                        f'{text.name} opens a quote (") in line {number} that does not close properly and reaches '
                        f'{reach}; expected fields like "a ""quoted"" word". The rows between would become one.',
                        'Close the quote in that line, or write quotes inside a quoted field twice ("").',
                    )
                rejected.append(rejection(number, "text behind a closing quote", line))
            elif len(record) < min(2, len(form.header)) and not "".join(record).strip():
                n_blank += 1
            elif why := _why_not(text, form, record):
                rejected.append(rejection(number, *why))
                if len(rejected) > max(MANY, len(starts)):
                    break
            else:
                write(record)
                starts.append(number)
    plain.replace(text.path)
    return pd.Index(np.asarray(starts)), rejected, n_blank


def _why_not(text: Text, form: Form, record: list[str]) -> tuple[str, str, str] | None:
    """The rule that a record breaks, with the value and the column."""
    if len(record) != len(form.header):
        rule = "row is too short" if len(record) < len(form.header) else "row is too long"
        return rule, f"{len(record)} fields, not {len(form.header)}: {form.delimiter.join(record)}", ""
    if text.has_flaws and text.flaw("".join(record)):
        for column, value in zip(form.header, record, strict=True):
            if rule := text.flaw(value):
                return rule, value, column
    return None


def _drop_unnamed(frame: pd.DataFrame) -> pd.DataFrame:
    """Without columns that have neither a name nor a value, as a spreadsheet leaves them."""
    empty = [not name.strip() and not frame.iloc[:, place].str.strip().any() for place, name in enumerate(frame)]
    return frame if all(empty) else frame.loc[:, ~np.array(empty)]
