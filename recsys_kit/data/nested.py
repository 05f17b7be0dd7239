"""Lists and objects in a file: `items[].sku`, `user.id` and `Date+Time` as columns; a list is one row an element."""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.errors import ParameterError

N_ROWS = 1000  # in which objects and lists are looked for
N_LOOKED_AT = 50  # of them in which fields are looked for
MAX_DEPTH = 5
SHARE_OF_LISTS = 0.2  # of the cells, at least, where ids are divided by a sign
NUMPY = re.compile(r"\['[^']*'(\s+'[^']*')+\]")  # a list of texts as NumPy writes it
BOXED = r"[\[{(].*[\])}]"  # a list as a database writes it
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
    for column in missing:
        if "+" in column and all(part in frame for part in column.split("+")):
            first, *others = (frame[part].astype("str").str.strip() for part in column.split("+"))
            frame = frame.assign(**{column: first.str.cat(others, sep=" ")})
    steps = {column: tuple(re.findall(r"\[\]|[^.\[\]]+", column)) for column in missing}
    paths = {column: path for column, path in steps.items() if len(path) > 1 and path[0] in frame}
    if not paths:
        return frame
    lists = {path[:n] for path in paths.values() for n, step in enumerate(path) if step == "[]"}
    if apart := [path for path in lists if path != max(lists, key=len)[: len(path)]]:
        names = " and ".join(sorted(".".join(path) for path in (apart[0], max(lists, key=len))))
        raise ParameterError("RK-142", f"columns go through two lists, {names}.", "Name columns of one of them.")
    roots = list(dict.fromkeys(path[0] for path in paths.values()))
    found = [_rows(dict(zip(roots, row, strict=True)), paths) for row in zip(*(frame[r] for r in roots), strict=True)]
    counts = [len(rows) for rows in found]
    spread = frame.iloc[np.repeat(np.arange(len(frame)), counts)]
    index = spread.index if set(counts) == {1} else pd.RangeIndex(1, len(spread) + 1)
    added = {name: pd.Series([row[name] for rows in found for row in rows], index, dtype="str") for name in paths}
    return spread.set_axis(index, axis=0).assign(**added)


def find_paths(frame: pd.DataFrame) -> list[str]:
    """Return the fields of the objects and lists of objects in a frame.

    >>> find_paths(pd.DataFrame({"a": ['{"b": {"c": 1}}'], "d": [['{"e": 1}', '{"f": 2}']]}))
    ['a.b.c', 'd[].e', 'd[].f']
    >>> find_paths(pd.DataFrame({"a": ['["x", "y"]']}))
    ['a[]']
    """
    found: dict[str, None] = {}
    for column in frame:
        loaded = (value for value in map(load, frame[column].head(N_ROWS)) if isinstance(value, (dict, list)))
        for value in islice(loaded, N_LOOKED_AT):
            found |= dict.fromkeys(path for path in _leaves(value, str(column)) if path != column)
    return list(found)


def holds_objects(values: pd.Series) -> bool:
    """Return whether the values are objects or lists of them."""
    loaded = map(load, values.head(N_LOOKED_AT))
    return any(isinstance(part, dict) for value in loaded for part in (value if isinstance(value, list) else [value]))


def holds_lists(values: pd.Series) -> bool:
    """Return whether the values are lists, as such or as text: `["a", "b"]`, or `['a', 'b']` as Python writes it."""
    return any(isinstance(load(value), list) for value in values.head(N_LOOKED_AT))


def split_lists(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Make lists of ids that stand in one cell: `tea|cup`, where many cells hold several and the ids repeat.

    Where what stands first is written unlike the rest, as in `p1|XL`, the sign is part of an id. At a comma only ids
    without blanks are divided, where some stand alone as well: it may be part of a name.

    >>> split_lists(pd.DataFrame({"bought": ["tea|cup", "cup", "cup|pot", "tea|pot"]}), "bought")["bought"].tolist()
    [['tea', 'cup'], ['cup'], ['cup', 'pot'], ['tea', 'pot']]
    """
    looked_at = frame[column].head(N_ROWS).dropna()
    if looked_at.dtype != "str":
        return frame
    if looked_at.str.fullmatch(BOXED).mean() > 1 - SHARE_OF_LISTS and not any(
        isinstance(load(one), (list, dict)) for one in looked_at
    ):
        return frame.assign(**{column: frame[column].str.findall(r"[^\s,{}\[\]()'\"]+")})
    for sign in "|;,":
        parts = looked_at.str.split(sign, regex=False)
        several = parts[parts.str.len() > 1]
        ids = several.explode().str.strip()
        are_ids = sign != "," or (
            ids.str.fullmatch(r"\S+").all() and ids.isin(parts[parts.str.len() == 1].str[0]).any()
        )
        repeat = len(several) > SHARE_OF_LISTS * len(looked_at) and ids.nunique() <= len(ids) / 2
        forms = ids.str.replace(r"[^\W\d_]+", "a", regex=True).str.replace(r"\d+", "0", regex=True)
        if repeat and are_ids and forms[~ids.index.duplicated()].isin(forms[ids.index.duplicated()]).any():
            return frame.assign(**{column: frame[column].str.split(rf"\s*{re.escape(sign)}\s*", regex=True)})
    return frame


def load(value: Any) -> Any:
    """Return the list or object that a text is; other values as they are."""
    if isinstance(value, list):
        return [load(part) for part in value]
    if not isinstance(value, str) or not value.startswith(("{", "[")):
        return value
    if NUMPY.fullmatch(value):
        return re.findall("'([^']*)'", value)
    try:
        return json.loads(value, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(value[:MAX_LENGTH])
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


def _rows(value: Any, paths: Mapping[str, Path]) -> list[dict[str, str | None]]:
    """One row of what the paths lead to, or one for each element of a list that they go through."""
    value = load(value)
    rows = [{name: _text(value) for name, path in paths.items() if not path}]
    for step in dict.fromkeys(path[0] for path in paths.values() if path):
        inner = {name: path[1:] for name, path in paths.items() if path[:1] == (step,)}
        parts = [value.get(step) if isinstance(value, dict) else None]
        if step == "[]":
            is_missing = value is None or value != value
            parts = value if isinstance(value, list) else [value] * (not is_missing)  # one that stands alone
        rows = [row | more for part in parts for more in _rows(part, inner) for row in rows]
    return rows


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
