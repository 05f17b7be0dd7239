"""Atomic files: NAME.inter, NAME.item and NAME.user, tab-separated, with name:type in the header.

MovieLens and many other research data sets are shared in this format. Source: Zhao et al., RecBole: towards a unified,
comprehensive and efficient framework for recommendation algorithms, CIKM 2021.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from recsys_kit.data.files import FileRows, read_tables
from recsys_kit.errors import DataError

TYPES = ("token", "token_seq", "float", "float_seq")
CATEGORIES = ("class", "genre", "genres", "category")


def read_atomic(paths: Sequence[Path], table: str, encoding: str = "") -> FileRows:
    """Read the files of one table; the names of its columns lose their types.

    Of items, the sequence of classes or genres becomes `attributes`, and its first word the category.

    Raises:
        DataError: RK-177 an invalid header; as `files.read_tables`.
    """
    rows = read_tables(paths, encoding=encoding)
    named = [str(column).strip().rpartition(":") for column in rows.frame]
    wrong = [f"{name}:{kind}".strip(":") for name, _, kind in named if not name or kind not in TYPES]
    names = [name for name, _, _ in named]
    if wrong or len(set(names)) < len(names):
        problem = (
            f"columns {wrong[:5]} have no type" if wrong else f"columns {names} have a name twice"
        )  # with two types
        raise DataError(
            "RK-177",
            f"the header of {paths[0].name}: {problem}; expected name:type once each, such as user_id:token, the type "
            f"one of {', '.join(TYPES)}.",
            "Correct the first line; for tables with plain names use --interactions, --items, --users.",
        )
    frame = rows.frame.set_axis(names, axis=1)
    for name, _, kind in named if table == "items" and "attributes" not in names else []:
        if name in CATEGORIES and kind.endswith("_seq"):
            words = frame[name].str.split()
            frame = frame.assign(**{name: words.str[0], "attributes": words})
    return replace(rows, frame=frame)
