"""Atomic files: NAME.inter, NAME.item and NAME.user, tab-separated, with name:type in the header.

MovieLens and many other research data sets are shared in this format. Source: Zhao et al., RecBole: towards a unified,
comprehensive and efficient framework for recommendation algorithms, CIKM 2021.
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
ITEM_MEANINGS = {"class": "category", "genre": "category", "genres": "category", "release_year": "created_at"}


@dataclass(frozen=True)
class AtomicFiles:
    """The tables of one data set; column names have no type."""

    tables: list[Table]
    read: dict[str, FileRows]
    columns: dict[str, str]
    """Their names of our columns, as `load_dataset(columns=...)` takes them."""


def find_files(path: Path) -> dict[str, Path]:
    """Return the files of one data set by table; items and users may be missing.

    Args:
        path: NAME.inter, or a folder with one.

    Raises:
        DataError: RK-175 no .inter file, RK-176 several.
    """
    if path.is_dir():
        found = sorted(path.glob(f"*{ENDINGS['interactions']}"))
        if len(found) > 1:
            raise DataError(
                "RK-176",
                f"{path.name}/ has {len(found)} files of interactions, {[file.name for file in found[:5]]}; "
                "expected one.",
                f"Name one of them: source='{path.name}/{found[0].name}'.",
            )
        path = found[0] if found else path
    if path.suffix != ENDINGS["interactions"]:
        raise DataError(
            "RK-175",
            f"{path.name} {'has' if path.is_dir() else 'is'} no .inter file; expected NAME.inter, and optionally "
            "NAME.item and NAME.user.",
            "Pass their folder as source; for other tables use --interactions.",
        )
    files = {table: path.with_suffix(ending) for table, ending in ENDINGS.items()}
    return {table: file for table, file in files.items() if table == "interactions" or file.exists()}


def read_atomic(path: Path, columns: str | Mapping[str, str] | None = None, *, encoding: str = "") -> AtomicFiles:
    """Read the files of one data set.

    Of items, the sequence of classes or genres becomes `attributes` and its first word `category`; a release year
    becomes `created_at`, the first day of that year.

    Args:
        path: NAME.inter, or a folder with one.
        columns: our names of columns, as for `load_dataset`; they override what the names seem to mean.
        encoding: of the files; "" to detect it.

    Raises:
        DataError: RK-175 and RK-176 as `find_files`, RK-177 an invalid header.
    """
    files = find_files(path)
    read, sequences = {}, {}
    for table, file in files.items():
        read[table], sequences[table] = _split_header(file, read_table(file, encoding=encoding))
    tables = [Table(table, files[table].name, rows.frame) for table, rows in read.items()]
    meant = suggest_columns(tables, columns)
    if "items" in read:
        items = read["items"].frame
        also = {ours: theirs for theirs, ours in ITEM_MEANINGS.items() if theirs in items}
        meant |= {f"items.{ours}": theirs for ours, theirs in also.items() if not {ours, f"items.{ours}"} & set(meant)}
        meanings = {ours: meant.get(f"items.{ours}", meant.get(ours, ours)) for ours in ITEM_MEANINGS.values()}
        items = _split_categories(_date_years(items, meanings["created_at"]), meanings["category"], sequences["items"])
        read["items"] = replace(read["items"], frame=items)
        tables = [replace(table, frame=read[table.table].frame) for table in tables]
    return AtomicFiles(tables, read, meant)


def _split_header(file: Path, rows: FileRows) -> tuple[FileRows, set[str]]:
    """Remove the types from the column names; return the rows and the names of the columns of sequences."""
    named = [str(column).strip().rpartition(":") for column in rows.frame]
    wrong = [f"{name}:{kind}".strip(":") for name, _, kind in named if not name or kind not in TYPES]
    names = [name for name, _, _ in named]
    if wrong or len(set(names)) < len(names):
        problem = (
            f"columns {wrong[:5]} have no type" if wrong else f"columns {names} have a name twice"
        )  # the same name with two types
        raise DataError(
            "RK-177",
            f"the header of {file.name}: {problem}; expected name:type once each, such as user_id:token, the type one "
            f"of {', '.join(TYPES)}.",
            "Correct the first line; for tables with plain names use --interactions, --items, --users.",
        )
    sequences = {name for name, _, kind in named if kind.endswith("_seq")}
    return replace(rows, frame=rows.frame.set_axis(names, axis=1)), sequences


def _date_years(items: pd.DataFrame, column: str) -> pd.DataFrame:
    """Turn a year into its first day; as a number it would be read as seconds."""
    if column not in items:
        return items
    is_year = items[column].str.fullmatch(r"\d{4}").fillna(False).astype(bool)
    return items.assign(**{column: items[column].mask(is_year, items[column] + "-01-01")})


def _split_categories(items: pd.DataFrame, column: str, sequences: set[str]) -> pd.DataFrame:
    """Turn a sequence of categories into attributes; the first is the category."""
    if column not in sequences or "attributes" in items:
        return items
    words = items[column].str.split()
    return items.assign(**{column: words.str[0], "attributes": words})
