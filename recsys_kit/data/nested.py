"""Lists and objects in a file: `items[].sku`, `user.id` and `Date+Time` as columns; a list is one row an element."""

import ast
import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.errors import ParameterError

N_ROWS = 1000  # in which objects and lists are looked for
N_LOOKED_AT = 50  # of them in which fields are looked for
MAX_DEPTH = 5
MAX_LENGTH = 100_000  # of a text that may be a list
Path = tuple[str, ...]


def add_columns(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return the frame with columns that are joined (`Date+Time`) or lie in lists and objects.

    A path with `[]` makes a row of each element; rows are then counted from 1.

    Raises:
        ParameterError: RK-142 paths through different lists.

    >>> frame = pd.DataFrame({"user": ['{"id": 7}'], "bought": [["a", "b"]]})
    >>> add_columns(frame, ["user.id", "bought[]"])[["user.id", "bought[]"]].to_numpy().tolist()
    [['7', 'a'], ['7', 'b']]
    """
    missing = [column for column in columns if column not in frame]
    for column in [column for column in missing if "+" in column]:
        if all(part in frame for part in column.split("+")):
            parts = [frame[part].astype("str").str.strip() for part in column.split("+")]
            frame = frame.assign(**{column: parts[0].str.cat(parts[1:], sep=" ")})
    paths = {column: _steps(column) for column in missing if _steps(column)[0] in frame and len(_steps(column)) > 1}
    if not paths:
        return frame
    found = [list(_rows(row, list(paths.values()))) for row in _objects(frame, {path[0] for path in paths.values()})]
    counts = [len(rows) for rows in found]
    spread = frame.iloc[np.repeat(np.arange(len(frame)), counts)]
    values = {name: [row.get(path) for rows in found for row in rows] for name, path in paths.items()}
    index = spread.index if set(counts) == {1} else pd.RangeIndex(1, len(spread) + 1)
    return spread.set_axis(index, axis=0).assign(
        **{name: pd.Series(v, index, dtype="str") for name, v in values.items()}
    )


def find_paths(frame: pd.DataFrame) -> list[str]:
    """Return the fields of the objects and lists of objects in a frame.

    >>> find_paths(pd.DataFrame({"a": ['{"b": {"c": 1}}'], "d": [['{"e": 1}', '{"f": 2}']]}))
    ['a.b.c', 'd[].e', 'd[].f']
    >>> find_paths(pd.DataFrame({"a": ['["x", "y"]']}))
    ['a[]']
    """
    found: dict[str, None] = {}
    for column in frame:
        values = frame[column].head(N_ROWS)
        for value in islice(
            (value for value in values if isinstance(value, list) or str(value).startswith(("{", "["))), N_LOOKED_AT
        ):
            found |= dict.fromkeys(path for path in _leaves(load(value), str(column)) if path != column)
    return list(found)


def holds_objects(values: pd.Series) -> bool:
    """Return whether the values are objects or lists of them."""
    return any(_is_json(v) or (isinstance(v, list) and any(map(_is_json, v))) for v in values.head(N_LOOKED_AT))


def holds_lists(values: pd.Series) -> bool:
    """Return whether the values are lists, as such or as text: `["a", "b"]`, or `['a', 'b']` as Python writes it."""
    return any(isinstance(load(value), list) for value in values.head(N_LOOKED_AT))


def _steps(column: str) -> Path:
    return tuple(re.findall(r"\[\]|[^.\[\]]+", column)) or ("",)


def _is_json(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("{", "[{"))


def load(value: Any) -> Any:
    """Return the list or object that a text is; other values as they are."""
    if isinstance(value, list):
        return [load(part) for part in value]
    if not isinstance(value, str) or not value.startswith(("{", "[")):
        return value
    try:
        return json.loads(value, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        try:
            found = ast.literal_eval(value) if len(value) < MAX_LENGTH else value
            return found if isinstance(found, (dict, list)) else value
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return value


def _leaves(value: Any, path: str, depth: int = 0) -> Iterator[str]:
    if isinstance(value, dict) and depth < MAX_DEPTH:
        for key, part in value.items():
            yield from _leaves(part, f"{path}.{key}", depth + 1)
    elif isinstance(value, list) and depth < MAX_DEPTH:
        for part in value[:3]:
            yield from _leaves(part, f"{path}[]", depth + 1)
    else:
        yield path


def _objects(frame: pd.DataFrame, columns: set[str]) -> Iterator[dict[str, Any]]:
    names = sorted(columns)
    for values in zip(*(frame[name] for name in names), strict=True):
        yield {name: load(value) for name, value in zip(names, values, strict=True)}


def _rows(value: Any, paths: Sequence[Path]) -> Iterator[dict[Path, str | None]]:
    """One row of an object, or one for each element of the list that paths go through."""
    lists = {path[: path.index("[]")] for path in paths if "[]" in path}
    if len(lists) > 1:
        raise ParameterError(
            "RK-142",
            f"columns go through two lists, {' and '.join('.'.join(path) for path in sorted(lists))}.",
            "Name columns of one of them.",
        )
    plain = {path: _text(_get(value, path)) for path in paths if "[]" not in path}
    if not lists:
        yield plain
        return
    (prefix,) = lists
    n = len(prefix) + 1
    inner = [path[n:] for path in paths if "[]" in path]
    elements = _get(value, prefix)
    for element in elements if isinstance(elements, list) else []:
        for row in _rows(element, inner):
            yield plain | {(*prefix, "[]", *path): part for path, part in row.items()}


def _get(value: Any, path: Path) -> Any:
    for step in path:
        value = load(value.get(step)) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
