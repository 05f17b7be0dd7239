"""Text -> records of a JSON lines file, or of a JSON array. Numbers stay the text that they are written as."""

import json
import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import pandas as pd

from recsys_kit.data.files.decoding import NO_TEXT, Text
from recsys_kit.data.files.rows import CUT_OFF, FileRows, check_rows, check_size, note, rejection
from recsys_kit.errors import DataError

JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
_LOOKS_LIKE_JSON = re.compile(r'\s*(\{\s*["}]|\[\s*[{\]])')
_SPACE = re.compile(r"[ \t\r\n]*")


class NotARecord(ValueError):
    """A line that is no JSON object; its message is the rule."""


class Number(str):
    """A number as it is written."""


def looks_like_json(text: str) -> bool:
    """True for what begins as an object or as an array of objects."""
    return bool(_LOOKS_LIKE_JSON.match(text))


def read_json(text: Text, parse: Callable[[str], dict[str, Any]] | None = None) -> FileRows:
    """The rows of JSON lines, an array, or a map from id to object: one column for each key, None where a row lacks it.

    `parse` makes an object of a line, by default `parse_json`. In an array or a map the rows are numbered from 1.

    Raises `DataError`: (RK-127) most lines are no objects, (RK-130) a broken array, (RK-132) too many keys.
    """
    is_array = text.head.lstrip().startswith("[") and looks_like_json(text.head)
    lines, notes = _elements(text) if is_array else list(text.lines()), list(text.notes)
    rows, rejected = _parse_lines(text, lines, parse or parse_json)
    if (len(rejected) > len(rows) or len(lines) == 1) and not is_array and (found := _map_records(text)):
        rows, rejected = _parse_lines(text, lines := found, parse_json)
        notes.append(note("one JSON map over all rows: its keys are the column id, or the columns", len(lines)))
    elif rows and rejected and rejected[-1]["row"] == len(lines) and text.is_open and not is_array:
        rejected.pop()
        notes.append(note(CUT_OFF, 1, text.name))
    if n_blank := sum(not line.strip() for line in lines):
        notes.append(note("blank lines left out", n_blank))
    fix = "Write one JSON object per line, as json.dumps makes it, not the text of a Python dict."
    check_rows(text.name, len(rows), rejected, fix)
    columns = dict.fromkeys(key for row in rows.values() for key in row)
    check_size(text.name, len(rows), len(columns))
    index = pd.Index(rows)
    values = {column: to_column([row.get(column) for row in rows.values()], index) for column in columns}
    return FileRows(pd.DataFrame(values, index), rejected, notes)


def _parse_lines(
    text: Text, lines: list[str], parse: Callable[[str], dict[str, Any]]
) -> tuple[dict[int, dict[str, Any]], list[dict[str, Any]]]:
    """The records by number of line, and the lines that hold no record."""
    rows, rejected = {}, []
    for number, line in enumerate(lines, start=1):
        if rule := text.flaw(line):
            rejected.append(rejection(number, rule, line))
        elif line.strip():
            try:
                rows[number] = flatten(parse(line))
            except NotARecord as error:
                rejected.append(rejection(number, str(error), line))
            except (RecursionError, MemoryError):
                rejected.append(rejection(number, "nested too deeply", line))
    return rows, rejected


# -- one object --------------------------------------------------------------------------------------------------------


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise NotARecord("key appears twice")
    return record


def _no_constant(name: str) -> None:
    if name != "NaN":  # which Python writes for a missing number
        raise NotARecord(f"{name} is not JSON")


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


def check_record(value: Any, line: str) -> dict[str, Any]:
    """The value of a line, if it is an object whose texts can be written again. Raises `NotARecord`."""
    if not isinstance(value, dict):
        raise NotARecord("line is not an object")
    found = next(filter(None, map(NO_TEXT.search, _texts(value))), None) if "\\" in line else None
    if found:
        raise NotARecord("NUL character" if found[0] == "\0" else "lone surrogate")
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    parts = chain(value, value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        yield from _texts(part)


def flatten(record: dict[str, Any]) -> dict[str, str | list[str] | None]:
    """A record whose values are text, lists of texts, or None.

    >>> flatten({"id": "007", "new": True, "tags": ["a", None, "b"], "size": {"cm": Number("1.10")}, "brand": None})
    {'id': '007', 'new': 'true', 'tags': ['a', 'b'], 'size': '{"cm": 1.10}', 'brand': None}
    """
    return {key: _value(value) for key, value in record.items()}


def _value(value: Any) -> str | list[str] | None:
    if isinstance(value, list):
        return [_scalar(part) for part in value if part is not None]
    return None if value is None else _scalar(value)


def _scalar(value: Any) -> str:
    return str(value) if isinstance(value, str) else to_json(value)


def to_json(value: Any) -> str:
    """JSON text, numbers as they were written."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{to_json(key)}: {to_json(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_json, value)) + "]"
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False, default=str)


# -- a whole file ------------------------------------------------------------------------------------------------------


def _elements(text: Text) -> list[str]:
    """The elements of an array, each as text. Raises (RK-130) where the array is broken."""
    decoder = json.JSONDecoder(parse_float=str, parse_int=str)
    content, elements = text.read(), []
    at = _after_space(content, content.index("[") + 1)
    try:
        while content[at : at + 1] != "]":
            _, end = decoder.raw_decode(content, at)
            elements.append(content[at:end])
            at = _after_space(content, end)
            if content[at : at + 1] == ",":
                at = _after_space(content, at + 1)
            elif content[at : at + 1] != "]":
                raise json.JSONDecodeError("Expecting ',' or ']'", content, at)
        if rest := content[at + 1 :].strip():
            raise json.JSONDecodeError(f"Text behind the array, {rest[:20]!r}", content, at + 1)
    except (ValueError, RecursionError, MemoryError) as error:
        raise DataError(
            "RK-130",
            f"{text.name} begins as a JSON array and is none ({error or 'nested too deeply'}, "
            f"after {len(elements):,} elements); expected an array of objects, or one object per line.",
            f"Mend or export it again; `jq -c '.[]' {text.name}` makes lines of an array.",
        ) from error
    return elements


def _map_records(text: Text) -> list[str]:
    """The rows of one JSON map of alike objects, or lists of objects, each as text; none of anything else.

    Its keys become the column `id`, unless it holds columns by the number of the row, as `DataFrame.to_json` writes it.
    """
    try:
        found = parse_json(text.read())
        parts = {key: part if isinstance(part, list) else [part] for key, part in found.items()}
        shared = set.intersection(*({*record} for part in parts.values() for record in part))
        rows = [str(number) for number in range(max(map(len, found.values())))]
        if all([*column] == rows for column in found.values()):
            return [to_json({name: column[row] for name, column in found.items()}) for row in rows]
        return (
            [to_json({"id": key} | one) for key, part in parts.items() for one in part]
            if shared and len(parts) > 1
            else []
        )
    except (ValueError, TypeError, AttributeError, RecursionError, MemoryError):
        return []


def _after_space(content: str, at: int) -> int:
    return _SPACE.match(content, at).end()


def to_column(values: list[Any], index: pd.Index) -> pd.Series:
    """Text as `str`; with None or a list among it, the values as they are."""
    is_text = all(isinstance(value, str) for value in values)
    return pd.Series(values, index, dtype="str" if is_text else "object")
