"""Text -> rows of a CSV or TSV file. A value stays the text that it is: `007`, `NA` and `1E5` survive."""

import csv
import io
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pyarrow as pa

from recsys_kit.data.files.decoding import Text
from recsys_kit.data.files.rows import FileRows, check_names, check_rows, check_size, note, rejection
from recsys_kit.errors import DataError

TAB_SUFFIXES = (".tsv", ".tab", ".inter", ".item", ".user")
NAMES = {",": "a comma", "\t": "a tab", ";": "a semicolon", "|": "a bar"}
N_LOOKED_AT = 20  # records that must agree on a delimiter
HEAD = 1024**2  # characters in which they are looked for
BLOCK = 10_000  # rows that are Python objects at a time


class BrokenQuote(Exception):
    """A quoted field does not end where it should."""

    def __init__(self, first: int, last: int, at_end: bool) -> None:
        self.first, self.last, self.at_end = first, last, at_end


def read_delimited(text: Text) -> FileRows:
    """The rows of a CSV or TSV file.

    Rows with too few or too many fields, with NUL or with undecodable bytes are rejected. Raises `DataError`:
    (RK-122) no rows, (RK-125) two columns of one name, (RK-126) an unclear delimiter, (RK-127) most rows do not fit the
    header, (RK-128) a quote that does not close.
    """
    limit = csv.field_size_limit(sys.maxsize)
    try:
        delimiter, notes = _find_delimiter(text)
        rows = _Rows(text, delimiter, notes=text.notes + notes)
        try:
            rows.read()
        except BrokenQuote as broken:
            if delimiter != "\t":
                raise _unclosed(text.name, broken) from broken
            rows = _Rows(text, delimiter, csv.QUOTE_NONE, text.notes + notes)  # most tab-separated files have no quotes
            rows.notes.append(note("quotes are part of the text", 1, f"line {broken.first}"))
            rows.read()
    finally:
        csv.field_size_limit(limit)
    return rows.done()


def _records(text: str, delimiter: str, quoting: int) -> Iterator[tuple[int, list[str] | BrokenQuote]]:
    """Each record with the line where it starts. A blank line is an empty record."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    while True:
        start = reader.line_num + 1
        try:
            yield start, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield start, BrokenQuote(start, reader.line_num, "end of data" in str(error))


@dataclass
class _Rows:
    """Collects the rows of one file, block by block."""

    text: Text
    delimiter: str
    quoting: int = csv.QUOTE_MINIMAL
    notes: list[dict[str, Any]] = field(default_factory=list)
    header: list[str] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    batches: list[pa.RecordBatch] = field(default_factory=list)
    n_blank: int = 0

    def read(self) -> None:
        rows: list[list[str]] = []
        for line, record in _records(self.text.text, self.delimiter, self.quoting):
            if isinstance(record, BrokenQuote):
                self._reject_quote(record)
            elif not record or (len(record) == 1 != len(self.header) and not record[0].strip()):
                self.n_blank += 1
            elif not self.header:
                self.header = _check_header(self.text, record)
            elif len(record) != len(self.header):
                rule = "row is too short" if len(record) < len(self.header) else "row is too long"
                value = f"{len(record)} fields, not {len(self.header)}: {self.delimiter.join(record)}"
                self.rejected.append(rejection(line, rule, value))
            elif not (self.text.has_flaws and self._is_flawed(line, record)):
                rows.append(record)
                self.lines.append(line)
                if len(rows) == BLOCK:
                    self._pack(rows)
                    rows = []
        self._pack(rows)

    def _reject_quote(self, broken: BrokenQuote) -> None:
        """One line with text behind a closing quote is a bad row; a quote that swallows lines is a bad file."""
        if broken.at_end and self.text.cut_off:
            return
        if broken.at_end or broken.last > broken.first or self.delimiter == "\t" or not self.header:
            raise broken
        self.rejected.append(rejection(broken.first, "text behind a closing quote", self.text.lines[broken.first - 1]))

    def _is_flawed(self, line: int, record: list[str]) -> bool:
        for column, value in zip(self.header, record, strict=True):
            if rule := self.text.flaw(value):
                self.rejected.append(rejection(line, rule, value, column))
                return True
        return False

    def _pack(self, rows: list[list[str]]) -> None:
        if rows:
            columns = [pa.array(column, pa.large_string()) for column in zip(*rows, strict=True)]
            self.batches.append(pa.RecordBatch.from_arrays(columns, self.header))

    def _fix(self) -> str:
        """What to do when most rows are broken."""
        n_surplus = Counter(
            entry["value"].split(",")[0] for entry in self.rejected if entry["rule"] == "row is too long"
        )
        if n_surplus:
            return (
                f"Line 1 names {len(self.header)} columns and most rows have {n_surplus.most_common(1)[0][0]}: add the "
                "missing name, take the surplus delimiter out, or quote the texts that contain it."
            )
        return "Look at the rows named: the header, the delimiter or the quotes of the whole file are wrong."

    def done(self) -> FileRows:
        check_rows(self.text.name, len(self.lines), self.rejected, self._fix())
        if self.n_blank:
            self.notes.append(note("blank lines left out", self.n_blank))
        frame = pa.Table.from_batches(self.batches).combine_chunks().to_pandas()
        frame.index = self.lines
        return FileRows(frame, self.rejected, self.notes)


def _unclosed(name: str, broken: BrokenQuote) -> DataError:
    reach = "to the end of the file" if broken.at_end else f"to line {broken.last}"
    return DataError(
        "RK-128",
        f'{name} opens a quote (") in line {broken.first} that does not close properly and reaches {reach}; expected '
        'fields like "a ""quoted"" word". The rows between would become one.',
        'Close the quote in that line, or write quotes inside a quoted field twice ("").',
    )


def _check_header(text: Text, header: list[str]) -> list[str]:
    """The names without byte-order marks. Raises (RK-124) for one that is no text, (RK-125) for two that are alike."""
    if flaw := next(filter(None, map(text.flaw, header)), ""):
        raise DataError(
            "RK-124",
            f"{text.name} has a broken name in its header ({flaw}); expected text.",
            "Mend the header, or pass the encoding of the file.",
        )
    header = [column.strip("\ufeff") for column in header]
    check_size(text.name, 1, len(header))
    check_names(text.name, header)
    return header


# -- the delimiter -----------------------------------------------------------------------------------------------------


def _find_delimiter(text: Text) -> tuple[str, list[dict[str, Any]]]:
    """The usual delimiter; another one, with a note, only where that fits every one of the first records."""
    usual = "\t" if text.suffix in TAB_SUFFIXES else ","
    fields = {delimiter: _count_fields(text.text, delimiter) for delimiter in (usual, *NAMES)}
    fitting = [delimiter for delimiter, counts in fields.items() if counts[0] > 1 and len(set(counts)) == 1]
    if usual in fitting:
        return usual, []
    if len(fitting) == 1:
        return fitting[0], [note(f"delimiter is {NAMES[fitting[0]]}, not {NAMES[usual]}")]
    first = text.text.lstrip()[:HEAD].splitlines()[0]
    guess = max((*NAMES, "::"), key=first.count)
    if fields[usual][0] > 1 or guess == usual or guess not in first:
        return usual, []
    raise DataError(
        "RK-126",
        f"{text.name} has one column when split at {NAMES[usual]}, and line 1 has {first.count(guess)} times "
        f"{guess!r}; expected a delimiter that gives every line as many fields as the header.",
        f"The delimiter is probably {guess!r}: save the file with {NAMES[usual]} and quotes around texts.",
    )


def _count_fields(text: str, delimiter: str) -> list[int]:
    """Fields of each of the first records that are not blank; the last one of the head may be incomplete."""
    head = text[:HEAD]
    reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)
    counts = [len(record) for record in islice((row for row in reader if "".join(row).strip()), N_LOOKED_AT)]
    is_whole = len(head) == len(text) or len(counts) == N_LOOKED_AT
    return (counts if is_whole else counts[:-1]) or counts or [1]
