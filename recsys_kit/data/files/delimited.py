"""Text -> rows of a CSV or TSV file, read by DuckDB. A value stays the text that it is: `007`, `NA`, `1E5` survive.

The form of the file (delimiter, quotes, lines above the header) is looked for here and spelled out for DuckDB: measured
with 2.0.1, its `sniff_csv` misreads 11 of 56 files, such as one with a bad row near its start, and knows neither `::`
nor columns between blanks. A file in which not every line is a row is first written again, without the others.
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
from recsys_kit.data.files.rows import FileRows, check_names, check_rows, check_size, note, rejection
from recsys_kit.data.files.unpacking import FORMATS
from recsys_kit.errors import DataError

NAMES = FORMATS["delimiters"]
BLANKS = ("  ", " ")
TAB_SUFFIXES = (".tsv", ".tab", ".inter", ".item", ".user")
N_LOOKED_AT = 100  # records that must agree on a delimiter
AGREE = 0.9  # share of them
FEW_ROWS = 10  # in fewer, blanks around all values may be chance
MAX_REJECTED = 0.03  # share of rows that cannot be read with names that are proposed
MANY = 100_000  # broken rows: if so far there are fewer good ones, the file is wrong, not its rows
MEND = "quote texts that contain a delimiter, and write a list (a basket) as one row for each of its products"
MAX_LINE = 512 * 1024**2  # bytes of one row
TIMES = range(788_918_400, 4_102_444_800)  # seconds since 1970, from 1995 to 2100
LINE_ENDS = {None: r"\n", "\n": r"\n", "\r\n": r"\r\n"}
ROLES = {role: re.compile(form) for role, form in FORMATS["roles"].items()}
_NUMBER = re.compile(r"\s*-?\d+([.,]\d+)?\s*$")
_DATE = re.compile(r"\s*(\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.]\d{4})")
_RULER = re.compile(r"[\s:|+=-]*-{2}[\s:|+=-]*")
_SEP_LINE = re.compile(r'"?sep=(.)"?(\r\n?|\n)')


@dataclass(frozen=True)
class Form:
    """How the rows of one file are written."""

    delimiter: str
    quote: str = '"'
    records: list[list[str]] = field(default_factory=list)
    """The first ones that are not blank."""
    ends: list[int] = field(default_factory=list)
    """The number of the last line of each."""
    header: list[str] = field(default_factory=list)
    n_above: int = 0
    """Lines above the first row: the header, and what stands above it."""
    notes: list[dict[str, Any]] = field(default_factory=list)

    def find_start(self) -> int:
        """The place of the header, below titles, or of the first row; -1 where the records do not agree."""
        records, counts = self.records, [len(record) for record in self.records]
        usual, n = Counter(counts).most_common(1)[0] if counts else (0, 0)
        whole = (place for place, record in enumerate(records) if len(record) == usual and all(map(str.strip, record)))
        if usual > 2 and (start := next(whole, 0)) and n >= AGREE * (len(counts) - start):
            cells = [sum(bool(cell.strip()) for cell in title) for title in records[:start]]
            are_titles = all(count < usual or 2 * n <= usual for n, count in zip(cells, counts, strict=False))
            is_above_rows = max(cells) == 1 or _is_like(records[start], records[start + 1 :]) is False
            if are_titles and is_above_rows and _are_names(records[start]):
                return start
        return 0 if usual > 1 and counts[0] == usual and n >= AGREE * len(counts) else -1

    def is_table(self) -> bool:
        """Whether what stands between blanks are columns: below names, or one of them of times; not so in sequences."""
        columns = list(zip(*self.records, strict=False))
        timed = any(map(_are_times, columns))
        return len(columns) > 2 and (timed or _is_like(self.records[0], self.records[1:]) is False)


def read_delimited(text: Text, header: Sequence[str] = ()) -> FileRows:
    """The rows of a CSV or TSV file.

    Rows with too few or too many fields, with NUL or with undecodable bytes are rejected. Blanks around every value of
    a column are left out, with a note.

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
        return _read(text, _find_form(text, header, quotes=""))  # most tab-separated files have no quoting
    finally:
        csv.field_size_limit(limit)


def _records(lines: Iterator[str], form: Form) -> Iterator[tuple[int, int, str, Any]]:
    """The first and the last line of each record, its first line as text, and the record."""
    last, delimiter, quote = 0, form.delimiter, form.quote
    for line in lines:
        last, first, content = last + 1, last + 1, line.rstrip("\r\n")
        if delimiter in BLANKS:
            yield first, last, content, re.split(f"{delimiter}+", content.strip(" "))
            continue
        if not quote or quote not in line:
            yield first, last, content, content.split(delimiter) if content else []
            continue
        spaced = _without_spaces(chain([line], lines), form)
        reader = csv.reader(spaced, delimiter=delimiter, quotechar=quote, strict=True)
        try:
            record: Any = next(reader)
        except csv.Error as error:
            record = error
            if "\\" + quote in line and reader.line_num == 1:  # quotes inside a field may be written so, too
                with suppress(csv.Error):
                    record = next(
                        csv.reader([line], delimiter=delimiter, quotechar=quote, strict=True, escapechar="\\")
                    )
        last += reader.line_num - 1
        yield first, last, content, record


def _without_spaces(lines: Iterator[str], form: Form) -> Iterator[str]:
    """The lines of one record without the spaces between a delimiter and a quote, which DuckDB skips as well.

    Other spaces are part of a value: an id stays as it is written.
    """
    gap, is_quoted = re.compile(rf"{re.escape(form.delimiter)} +$"), False
    for line in lines:
        parts = line.split(form.quote)
        for place in range(int(is_quoted), len(parts) - 1, 2):  # outside of quotes, before a quote
            parts[place] = gap.sub(form.delimiter, parts[place])
        is_quoted ^= len(parts) % 2 == 0
        yield form.quote.join(parts)


# -- the form ----------------------------------------------------------------------------------------------------------


def _find_form(text: Text, names: Sequence[str], quotes: str = "\"'") -> Form:
    head, above, notes = text.head, 0, []
    usual = "\t" if text.suffix in TAB_SUFFIXES else ","
    if separator := _SEP_LINE.match(head):  # written by Excel
        usual, above, head = separator[1], 1, head[separator.end() :]
        notes.append(note("line sep= of a spreadsheet is skipped"))
    lines = list(io.StringIO(head, newline=""))
    forms = [_split(lines, delimiter, quotes) for delimiter in dict.fromkeys((usual, *NAMES))]
    form, start = _choose_form(text.name, forms, head)
    if form.delimiter != usual:
        notes.append(note(f"delimiter is {NAMES[form.delimiter]}, not {NAMES.get(usual, usual)}"))
    if not (records := form.records):
        check_rows(text.name, 0, [], "")
    if quotes and form.quote == quotes[-1]:
        notes.append(note("apostrophes around texts read as quotes"))
    if not quotes:
        notes.append(note("quotes are part of the text"))
    if start:
        notes.append(note("lines above the header are skipped", start, records[0][0]))
    first, *rows = records[start:]
    if has_ruler := bool(rows and _RULER.fullmatch(" ".join(rows[0]))):
        notes.append(note("line of dashes below the header left out"))
    form = replace(form, header=first, n_above=above + form.ends[start + has_ruler], notes=notes)
    if len(names) == len(first) and [name.strip().lower() for name in first] != list(names):
        return replace(form, header=list(names), n_above=above)
    if first != [str(n) for n in range(len(first))] and len(first) > 1 and _is_like(first, rows):
        raise _no_header(text, replace(form, n_above=above))
    if flaw := next(filter(None, map(text.flaw, first)), ""):
        problem = f"{text.name} has a broken name in its header ({flaw}); expected text."
        raise DataError("RK-124", problem, "Mend the header, or pass the encoding of the file.")
    check_size(text.name, 1, len(first))
    names = [name.strip("\ufeff") for name in first]
    check_names(text.name, [name.strip() or f"\0{place}" for place, name in enumerate(names)])
    return replace(form, header=names)


def _split(lines: list[str], delimiter: str, quotes: str) -> Form:
    """The form with this delimiter; the quotes are apostrophes where nearly all lines have a field between two."""
    sign, shown = re.escape(delimiter), lines[:N_LOOKED_AT]
    in_apostrophes = re.compile(rf"(^|.*{sign})'[^']*'({sign}|\s*$)")
    is_apostrophe = "'" in quotes and sum(bool(in_apostrophes.match(line)) for line in shown) > AGREE * len(shown)
    form = Form(delimiter, "" if delimiter in ("::", *BLANKS) else "'" if is_apostrophe else quotes[:1])
    records = _records(iter(lines), form)
    found = ((record, end) for _, end, _, record in records if isinstance(record, list) and "".join(record).strip())
    first = list(islice(found, N_LOOKED_AT))
    return replace(form, records=[record for record, _ in first], ends=[end for _, end in first])


def _choose_form(name: str, forms: list[Form], head: str) -> tuple[Form, int]:
    """The usual form, the first, or another one on which nearly all records agree; and where it starts."""
    starts = [(form, form.find_start()) for form in forms]
    fitting = [one for one in starts if not one[1]] or [one for one in starts if one[1] > 0]
    for form, start in fitting:
        if form.delimiter == "::" or (form is forms[0] and "::" not in [one.delimiter for one, _ in fitting]):
            return form, start
    signs = [one for one in fitting if one[0].delimiter.strip(" ")]
    signs = signs or [one for one in fitting if not one[1] and one[0].is_table()][:1]
    if len(signs) == 1:
        return signs[0]
    usual, first = forms[0].delimiter, head.lstrip().split("\n")[0]
    guess = max(NAMES, key=lambda sign: (first.count(sign) if sign.strip(" ") else 0, len(sign)))
    if guess == usual or guess not in first or any(len(record) > 1 for record in forms[0].records[:1]):
        return forms[0], 0
    usual = NAMES.get(usual, usual)
    problem = f"{name} has one column when split at {usual}, and line 1 has {first.count(guess)} times {guess!r}."
    fix = f"The delimiter is probably {guess!r}: save the file with {usual} and quotes around texts."
    raise DataError("RK-126", problem, fix)


# -- the header --------------------------------------------------------------------------------------------------------


def _are_names(record: list[str]) -> bool:
    return len(set(record)) == len(record) and not any(_NUMBER.match(name) or _DATE.match(name) for name in record)


def _is_like(first: list[str], rows: list[list[str]]) -> bool | None:
    """Whether a record is a row like the others, with a number or date where they have one; None where they do not."""
    rows = [row for row in rows if len(row) == len(first)]
    columns = list(zip(first, zip(*rows, strict=True), strict=True)) if rows else []
    forms = [
        (form, name, sum(map(bool, map(form.match, values)))) for name, values in columns for form in (_NUMBER, _DATE)
    ]
    alike = [bool(form.match(name)) for form, name, n in forms if n > AGREE * len(rows)]
    return all(alike) if alike else None


def _are_times(values: Iterable[str]) -> bool:
    return all(_DATE.match(value) or (re.fullmatch(r"\d{9,10}", value) and int(value) in TIMES) for value in values)


def _no_header(text: Text, form: Form) -> DataError:
    """The error of a file without a header, with names for its columns if they read the file."""
    names = _guess_names(form.records)
    fix = "Write a first line with the names of the columns."
    with suppress(DataError):
        rows = _read(text, replace(form, header=names))
        if len(rows.rejected) <= MAX_REJECTED * len(rows.frame):
            how = " (if that is right)" if "item_id" in names else ", with user_id and item_id in their places"
            fix = f"Name them in their order, such as --header {','.join(names)}{how}."
    line = f"line {form.n_above + 1} is {form.delimiter.join(form.header)[:80]!r}, numbers or dates like those below"
    return DataError("RK-165", f"{text.name} has no header: {line}; expected names of {len(names)} columns.", fix)


def _guess_names(rows: list[list[str]]) -> list[str]:
    """Names for the columns of a file without a header; by number, where more than one may hold the users or items."""
    roles = []
    for values in zip(*rows, strict=False):
        is_event = len(set(values)) <= len(values) / 4
        fit = (
            role for role, form in ROLES.items() if all(map(form.fullmatch, values)) and (role != "event" or is_event)
        )
        roles.append("timestamp" if _are_times(values) else next(fit, ""))
    if roles.count("id") == 2 and "" not in roles:
        roles[roles.index("id")] = "user_id"
        roles[roles.index("id")] = "item_id"
    else:
        roles = [role * (role in ("timestamp", "event")) for role in roles]
    return [role if role and roles.count(role) == 1 else f"column{n}" for n, role in enumerate(roles, start=1)]


# -- the rows ----------------------------------------------------------------------------------------------------------


def _read(text: Text, form: Form) -> FileRows:
    """Read a file as it is where every line is a row, else the rows that fit, written again.

    DuckDB's `ignore_errors` loses the row behind a broken one and `store_rejects` keeps up to 10 kB for each missing
    value, which makes 10 GB of half a megabyte of short rows.
    """
    plain = text.path.with_name("plain")
    index, rejected, n_blank, frame = pd.RangeIndex(form.n_above + 1, text.n_lines + 1), [], 0, None
    if form.n_above < 2 and form.delimiter not in BLANKS and not text.has_flaws and text.line_end in LINE_ENDS:
        frame = _query(text.path, form, LINE_ENDS[text.line_end])
    if frame is None or not 0 < len(index) == len(frame):
        index, rejected, n_blank = _rewrite(text, form, plain)
        fix = f"Line {form.n_above} is read as the header, with {len(form.header)} names: mend it, {MEND}."
        check_rows(text.name, len(index), rejected, fix)
        frame = _query(plain, replace(form, delimiter=",", quote='"', n_above=0))
    if frame is None:
        raise DataError("RK-127", f"{text.name} has a row that DuckDB cannot hold.", "Split or shorten its fields.")
    frame, padded = _tidy(frame.set_axis(index, axis=0).set_axis(form.header, axis=1))
    check_names(text.name, frame.columns)
    notes = [*text.notes, *form.notes]
    notes += [note("blank lines left out", n_blank)] if n_blank else []
    notes += [note("blanks around all values of a column left out", len(frame), ", ".join(padded))] if padded else []
    return FileRows(frame, rejected, notes)


def _query(path: Path, form: Form, line_end: str = "\\n") -> pd.DataFrame | None:
    """The rows as DuckDB reads them; None where it refuses one, such as one of more than `MAX_LINE` bytes."""
    columns = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(form.header)))
    with suppress(duckdb.Error), connect() as database:
        rows = database.sql(
            f"SELECT * FROM read_csv({quoted(str(path))}, delim={quoted(form.delimiter)}, "
            f"quote={quoted(form.quote)}, escape={quoted(form.quote)}, skip={form.n_above}, header=false, "
            f"columns={{{columns}}}, auto_detect=false, all_varchar=true, nullstr='\x02\x03\x04', "
            f"new_line='{line_end}', max_line_size={min(MAX_LINE, path.stat().st_size + 2_000_000)})"
        )
        return rows.to_arrow_table().to_pandas()
    return None


def _rewrite(text: Text, form: Form, plain: Path) -> tuple[pd.Index, list[dict[str, Any]], int]:
    """Write the rows that fit to a plain CSV file; return where they start, the rejected rows, and the blank lines."""
    starts, rejected = array("q"), []
    with text.open() as file, plain.open("w", encoding="utf-8", newline="") as out:
        write = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow
        n_blank = sum(not line.strip() for line in islice(file, form.n_above))
        for first, last, line, record in _records(file, form):
            number, is_broken = first + form.n_above, isinstance(record, csv.Error)
            at_end = is_broken and "end of data" in str(record)
            if at_end and text.cut_off:
                break
            if is_broken and (at_end or last > first or form.delimiter == "\t"):
                place = f"in line {number} that does not close properly and reaches to line {last + form.n_above}"
                problem = f'{text.name} opens a quote ({form.quote}) {place}; expected fields like "a ""quoted"" word".'
                raise DataError("RK-128", problem, "Close it there, or write quotes inside a quoted field twice.")
            if not is_broken and len(record) < min(2, len(form.header)) and not "".join(record).strip():
                n_blank += 1
            elif why := _why_not(text, form, line, record):
                rejected.append(rejection(number, *why))
                if len(rejected) > max(MANY, len(starts)):
                    break
            else:
                write(record)
                starts.append(number)
    return pd.Index(np.asarray(starts)), rejected, n_blank


def _why_not(text: Text, form: Form, line: str, record: Any) -> tuple[str, str, str] | None:
    """The rule that a record breaks, with the value and the column."""
    if isinstance(record, csv.Error):
        return "text behind a closing quote", line, ""
    if len(record) != len(form.header):
        rule = "row is too short" if len(record) < len(form.header) else "row is too long"
        return rule, f"{len(record)} fields, not {len(form.header)}: {form.delimiter.join(record)}", ""
    flaws = ((text.flaw(value), value, column) for column, value in zip(form.header, record, strict=True))
    return next((flaw for flaw in flaws if flaw[0]), None) if text.has_flaws else None


def _tidy(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Leave out columns without a name and a value, as in spreadsheets, and blanks around all values of a column.

    Returns the frame, and the columns that lost blanks.
    """
    padded, empty = [], []
    for place, name in enumerate(frame):
        values = frame.iloc[:, place]
        empty.append(not name.strip() and not values.str.strip().any())
        shown = list(filter(None, values.head(N_LOOKED_AT)))
        if len(shown) >= FEW_ROWS and all(value != value.strip() for value in shown):
            trimmed = values.str.strip()
            if (trimmed.ne(values) | values.eq("")).all():
                frame.isetitem(place, trimmed)
                padded.append(name.strip())
    return frame if all(empty) else frame.loc[:, ~np.array(empty)], padded
