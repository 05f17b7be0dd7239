"""Atomic files: NAME.inter, NAME.item, NAME.user, tab-separated, every name in the header with its type behind it.

Source of the form: Zhao et al., RecBole: towards a unified, comprehensive and efficient framework for recommendation
algorithms, CIKM 2021. MovieLens and many other research sets are passed on so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from recsys_kit.data.columns import Table, suggest_columns
from recsys_kit.data.files import FileRows, read_table
from recsys_kit.errors import DataError

ENDINGS = {"interactions": ".inter", "items": ".item", "users": ".user"}
TYPES = ("token", "token_seq", "float", "float_seq")
ALSO_MEANS = {"class": "category", "genre": "category", "genres": "category", "release_year": "created_at"}  # of items


@dataclass(frozen=True)
class AtomicFiles:
    """The tables of one set, under the bare names of their columns."""

    tables: list[Table]
    read: dict[str, FileRows]
    columns: dict[str, str]
    """What the names mean: ours -> theirs, as `load_dataset` takes it."""


def find_files(path: Path) -> dict[str, Path]:
    """By table the files of one set, of a folder or beside NAME.inter; items and users may be missing.

    Raises `DataError`: (RK-175) no .inter file, (RK-176) several.
    """
    if path.is_dir():
        found = sorted(path.glob(f"*{ENDINGS['interactions']}"))
        if len(found) > 1:
            raise DataError(
                "RK-176",
                f"{path.name}/ holds {len(found)} files of interactions, {[file.name for file in found[:5]]}; "
                "expected one.",
                f"Name the one you mean: source='{path.name}/{found[0].name}'.",
            )
        path = found[0] if found else path
    if path.suffix != ENDINGS["interactions"]:
        raise DataError(
            "RK-175",
            f"{path.name} {'holds' if path.is_dir() else 'is'} no .inter file; expected NAME.inter, and NAME.item and "
            "NAME.user where there are any.",
            "Pass their folder as source; for tables of another form use --interactions.",
        )
    files = {table: path.with_suffix(ending) for table, ending in ENDINGS.items()}
    return {table: file for table, file in files.items() if table == "interactions" or file.exists()}


def read_atomic(path: Path, columns: str | Mapping[str, str] | None = None, *, encoding: str = "") -> AtomicFiles:
    """Rows and meaning of every file of the set; `columns` go before what the names seem to mean.

    Of items a sequence of classes or genres becomes the attributes, its first word the category; of a release year
    the first day is when the item came.
    """
    files = find_files(path)
    read, sequences = {}, {}
    for table, file in files.items():
        read[table], sequences[table] = _without_types(file, read_table(file, encoding=encoding))
    tables = [Table(table, files[table].name, rows.frame) for table, rows in read.items()]
    meant = suggest_columns(tables, columns)
    if "items" in read:
        items = read["items"].frame
        also = {ours: theirs for theirs, ours in ALSO_MEANS.items() if theirs in items}
        meant |= {f"items.{ours}": theirs for ours, theirs in also.items() if not {ours, f"items.{ours}"} & set(meant)}
        meanings = {ours: meant.get(f"items.{ours}", meant.get(ours, ours)) for ours in ALSO_MEANS.values()}
        items = _with_attributes(_dated(items, meanings["created_at"]), meanings["category"], sequences["items"])
        read["items"] = replace(read["items"], frame=items)
        tables = [replace(table, frame=read[table.table].frame) for table in tables]
    return AtomicFiles(tables, read, meant)


def _without_types(file: Path, rows: FileRows) -> tuple[FileRows, set[str]]:
    """The rows under bare names, and which columns hold sequences. Raises `DataError` (RK-177) for a broken header."""
    named = [str(column).strip().rpartition(":") for column in rows.frame]
    wrong = [f"{name}:{kind}".strip(":") for name, _, kind in named if not name or kind not in TYPES]
    names = [name for name, _, _ in named]
    if wrong or len(set(names)) < len(names):
        problem = (
            f"columns {wrong[:5]} have no type" if wrong else f"columns {names} bear a name twice"
        )  # two types of one name pass as two names until the types are gone
        raise DataError(
            "RK-177",
            f"the header of {file.name}: {problem}; expected name:type once each, such as user_id:token, the type one "
            f"of {', '.join(TYPES)}.",
            "Mend the first line; for a table with plain names use --interactions, --items, --users.",
        )
    sequences = {name for name, _, kind in named if kind.endswith("_seq")}
    return replace(rows, frame=rows.frame.set_axis(names, axis=1)), sequences


def _dated(items: pd.DataFrame, column: str) -> pd.DataFrame:
    """A bare year as its first day: as a number it would count seconds."""
    if column not in items:
        return items
    is_year = items[column].str.fullmatch(r"\d{4}").fillna(False).astype(bool)
    return items.assign(**{column: items[column].mask(is_year, items[column] + "-01-01")})


def _with_attributes(items: pd.DataFrame, column: str, sequences: set[str]) -> pd.DataFrame:
    """A sequence of categories as attributes, the first of them as the category."""
    if column not in sequences or "attributes" in items:
        return items
    words = items[column].str.split()
    return items.assign(**{column: words.str[0], "attributes": words})
