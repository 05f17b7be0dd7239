"""Text -> records of a JSON lines file, or of a JSON array. Numbers stay the text that they are written as."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Records:
    """The records of one file by line (in an array by number), from 1, and the lines that are none."""

    rows: dict[int, dict[str, Any]]
    rejected: list[dict[str, Any]]
    notes: list[dict[str, Any]]


def looks_like_json(text: str) -> bool:
    """True for what begins as an object or as an array of objects."""
    return bool(_LOOKS_LIKE_JSON.match(text))


def read_json(text: Text, parse: Callable[[str], dict[str, Any]] | None = None) -> FileRows:
    """The rows of a JSON lines file or array: one column for each key, None where a row lacks it.

    `parse` makes an object of a line; by default `parse_json`.

    Raises `DataError`: (RK-127, RK-129) most lines are no objects, (RK-130) a broken array, (RK-132) too many keys.
    """
    records = read_records(text, lambda line: flatten((parse or parse_json)(line)))
    if len(records.rejected) > len(records.rows):
        _check_lines(text)
    fix = "Write one JSON object per line, as json.dumps makes it, not the text of a Python dict."
    check_rows(text.name, len(records.rows), records.rejected, fix)
    columns = dict.fromkeys(key for row in records.rows.values() for key in row)
    check_size(text.name, len(records.rows), len(columns))
    index = pd.Index(records.rows)
    values = {column: to_column([row.get(column) for row in records.rows.values()], index) for column in columns}
    return FileRows(pd.DataFrame(values, index), records.rejected, records.notes)


def read_records(text: Text, parse: Callable[[str], dict[str, Any]]) -> Records:
    """Each line as the record that `parse` makes of it; what it refuses (`NotARecord`) is rejected."""
    is_array = text.head.lstrip().startswith("[") and looks_like_json(text.head)
    lines = _elements(text) if is_array else list(text.lines())
    rows, rejected, notes = {}, [], list(text.notes)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows[number] = _parse(text, line, parse)
        except NotARecord as error:
            rejected.append(rejection(number, str(error), line))
    if rows and rejected and rejected[-1]["row"] == len(lines) and text.is_open and not is_array:
        rejected.pop()
        notes.append(note(CUT_OFF, 1, text.name))
    if n_blank := sum(not line.strip() for line in lines):
        notes.append(note("blank lines left out", n_blank))
    return Records(rows, rejected, notes)


def _parse(text: Text, line: str, parse: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    if rule := text.flaw(line):
        raise NotARecord(rule)
    try:
        return parse(line)
    except (RecursionError, MemoryError) as error:
        raise NotARecord("nested too deeply") from error


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
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _texts(key)
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
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


def _check_lines(text: Text) -> None:
    """Raises (RK-129) for one JSON value written over several lines, such as a map."""
    try:
        kind = type(json.loads(text.read(), parse_int=str)).__name__
    except (ValueError, RecursionError, MemoryError):
        return
    raise DataError(
        "RK-129",
        f"{text.name} is one JSON {kind} over several lines; expected one object per line, or an array of objects.",
        f"Of a map from id to object, `jq -c 'to_entries[] | {{id: .key}} + .value' {text.name}` makes lines.",
    )


def _after_space(content: str, at: int) -> int:
    return _SPACE.match(content, at).end()


def to_column(values: list[Any], index: pd.Index) -> pd.Series:
    """Text as `str`; with None or a list among it, the values as they are."""
    is_text = all(isinstance(value, str) for value in values)
    return pd.Series(values, index, dtype="str" if is_text else "object")
