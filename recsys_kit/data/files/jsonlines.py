"""Text -> records of a JSON lines file, or of a JSON array. Numbers stay the text that they are written as."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from recsys_kit.data.files.decoding import NO_TEXT, NUL, Text
from recsys_kit.data.files.rows import CUT_OFF, FileRows, check_rows, check_size, note, rejection
from recsys_kit.data.files.unpacking import JSON
from recsys_kit.errors import DataError

JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")


class NotARecord(ValueError):
    """A line that is no JSON object; its message is the rule."""


class Number(str):
    """A number as it is written."""


class Broken(dict[str, Any]):
    """An object that breaks a rule: one bad record of an array is rejected, not the file."""

    def __init__(self, rule: str, record: dict[str, Any] | None = None) -> None:
        super().__init__(record or {})
        self.rule = rule


def is_json(text: Text) -> bool:
    """Whether a file begins as an object or as an array of objects, or is called so."""
    return bool(JSON.match(text.head)) or text.suffix in JSON_SUFFIXES


def read_json(text: Text, parse: Callable[[str], dict[str, Any]] | None = None) -> FileRows:
    """The rows of JSON lines, an array, or a map from id to object: one column for each key, None where a row lacks it.

    `parse` makes an object of a line, by default `parse_json`. In an array or a map the rows are numbered from 1.

    Raises `DataError`: (RK-127) most lines are no objects, (RK-130) a broken array, (RK-132) too many keys.
    """

    def read_line(line: str) -> dict[str, Any]:
        if rule := text.flaw(line):
            raise NotARecord(rule)
        return (parse or parse_json)(line)

    notes = list(text.notes)
    if (begin := JSON.match(text.head)) and begin[1][0] == "[":
        rows, rejected, n_lines = _collect(_read_array(text), check_record)
    else:
        rows, rejected, n_lines = _collect(text.lines(), read_line)
        if (len(rejected) > len(rows) or n_lines == 1) and (found := _map_records(text)):
            rows, rejected, n_lines = _collect(found, check_record)
            notes.append(note("one JSON map over all rows: its keys are the column id, or the columns", n_lines))
        elif rows and rejected and rejected[-1]["row"] == n_lines and text.is_open:
            rejected.pop()
            n_lines -= 1
            notes.append(note(CUT_OFF, 1, text.name))
    if n_blank := n_lines - len(rows) - len(rejected):
        notes.append(note("blank lines left out", n_blank))
    fix = "Write one JSON object per line, as json.dumps makes it, not the text of a Python dict."
    check_rows(text.name, len(rows), rejected, fix)
    columns = dict.fromkeys(key for row in rows.values() for key in row)
    check_size(text.name, len(rows), len(columns))
    index = pd.Index(rows)
    values = {column: to_column([row.get(column) for row in rows.values()], index) for column in columns}
    return FileRows(pd.DataFrame(values, index), rejected, notes)


def _collect(
    values: Iterable[Any], parse: Callable[[Any], dict[str, Any]]
) -> tuple[dict[int, dict[str, Any]], list[dict[str, Any]], int]:
    """The records by number, those that are none, and how many lines or values there are, with blank ones."""
    rows, rejected, number = {}, [], 0
    for number, value in enumerate(values, start=1):
        if not isinstance(value, str) or value.strip():
            try:
                rows[number] = flatten(parse(value))
            except (NotARecord, RecursionError, MemoryError) as error:
                rule = str(error) if isinstance(error, NotARecord) else "nested too deeply"
                rejected.append(rejection(number, rule, to_text(value)))
    return rows, rejected, number


# -- one object --------------------------------------------------------------------------------------------------------


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        return Broken("key appears twice", record)
    parts = (part for value in record.values() for part in (value if isinstance(value, list) else (value,)))
    broken = next((part for part in parts if isinstance(part, Broken)), None)
    return record if broken is None else Broken(broken.rule, record)


def _no_constant(name: str) -> Broken | None:
    return None if name == "NaN" else Broken(f"{name} is not JSON")  # Python writes NaN for a missing number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=_no_constant
)


def parse_json(line: str) -> dict[str, Any]:
    """One JSON object; numbers as `Number`. Raises `NotARecord`.

    >>> parse_json('{"id": 007}')
    Traceback (most recent call last):
    ...
    recsys_kit.data.files.jsonlines.NotARecord: line is not JSON
    """
    try:
        value = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        raise NotARecord("line is not JSON") from error
    return check_record(value, line)


def check_record(value: Any, line: str = "\\") -> dict[str, Any]:
    """The value of a line, if it is an object whose texts can be written again. Raises `NotARecord`."""
    if isinstance(value, Broken) or not isinstance(value, dict):
        raise NotARecord(value.rule if isinstance(value, Broken) else "line is not an object")
    parts: list[Any] = [value] if "\\" in line else []
    for part in parts:  # and the parts of it
        parts += [*part, *part.values()] if isinstance(part, dict) else part if isinstance(part, list) else []
        if isinstance(part, str) and (found := NO_TEXT.search(part)):
            raise NotARecord(NUL if found[0] == "\0" else "lone surrogate")
    return value


def flatten(record: dict[str, Any]) -> dict[str, str | list[str] | None]:
    """A record whose values are text, lists of texts, or None.

    >>> flatten({"id": "007", "new": True, "tags": ["a", None, "b"], "size": {"cm": Number("1.10")}, "brand": None})
    {'id': '007', 'new': 'true', 'tags': ['a', 'b'], 'size': '{"cm": 1.10}', 'brand': None}
    """
    return {
        key: [to_text(part) for part in value if part is not None]
        if isinstance(value, list)
        else None if value is None else to_text(value)
        for key, value in record.items()
    }  # fmt: skip


def to_text(value: Any) -> str:
    """Text as it is, anything else as JSON with its numbers as they were written."""
    return str(value) if isinstance(value, str) else to_json(value)


def to_json(value: Any) -> str:
    """JSON text, numbers as they were written."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{to_json(key)}: {to_json(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_json, value)) + "]"
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False, default=str)


def to_column(values: list[Any], index: pd.Index) -> pd.Series:
    """Text as `str`; with None or a list among it, the values as they are."""
    is_text = all(isinstance(value, str) for value in values)
    return pd.Series(values, index, dtype="str" if is_text else "object")


# -- a whole file ------------------------------------------------------------------------------------------------------


def _read_array(text: Text) -> list[Any]:
    """The elements of an array. Raises (RK-130) where it is broken."""
    try:
        return _DECODER.decode(text.read())
    except (ValueError, RecursionError, MemoryError) as error:
        problem = f"{text.name} begins as a JSON array and is none ({error or 'nested too deeply'}); expected objects."
        fix = f"Mend or export it again; `jq -c '.[]' {text.name}` makes lines of an array."
        raise DataError("RK-130", problem, fix) from error


def _map_records(text: Text) -> list[Any]:
    """The rows of one JSON map of alike objects, or of lists of objects; none of anything else.

    Its keys become the column `id`, unless it holds columns by the number of the row, as `DataFrame.to_json` writes it.
    """
    try:
        found = parse_json(text.read())
        rows = [str(number) for number in range(max(map(len, found.values())))]
        if all([*column] == rows for column in found.values()):
            return [{name: column[row] for name, column in found.items()} for row in rows]
        parts = [(key, one) for key, part in found.items() for one in (part if isinstance(part, list) else [part])]
        shared = set.intersection(*({*record} for _, record in parts))
        return [{"id": key} | record for key, record in parts] if shared and len(found) > 1 else []
    except (ValueError, TypeError, AttributeError, RecursionError, MemoryError):
        return []
