"""Data sets by name, and your own files: `read_source` returns raw tables, `load_dataset` clean ones.

| name | reads |
|---|---|
| `toyshop` | nothing: it is generated |
| `files` | `interactions`, `items`, `users`, `reviews`: your own tables, whose columns `columns` names |
| `sequences` | `source`: lines `user item item ...`; `items`: a JSON map item -> attributes, or a table |
| a name of `sources.toml` | `source`: the folder with the files of that published data set, or its first file |
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from glob import glob
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_kit.data.answers import complete
from recsys_kit.data.cleaning import clean
from recsys_kit.data.columns import Table, name_columns, parse_columns
from recsys_kit.data.declared import DECLARED, find_files, read_declared
from recsys_kit.data.files import FileRows, parse_header, read_table, read_tables, split_member
from recsys_kit.data.meeting import check_ids
from recsys_kit.data.questions import Question
from recsys_kit.data.sequences import looks_like_sequences, read_attributes, read_sequences
from recsys_kit.data.tables import Dataset, RawTables, find_repeated, hash_rows, is_present, report_entry
from recsys_kit.data.toyshop import make_toyshop
from recsys_kit.data.validation import validate
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.schema import COLUMNS, ITEM_COLUMNS, TABLES

DATASETS = {
    "toyshop": "the built-in shop: invented, seeded, nothing to download",
    "files": "your own files (CSV, JSON lines, Parquet; gzip, zip): --interactions --items --users --reviews",
    "sequences": "lines `user item item ...` in time order: --source; --items may add attributes",
    **{name: declared["title"] for name, declared in DECLARED.items()},
}
TAKES = {"toyshop": (), "files": TABLES, "sequences": ("source", "items"), **dict.fromkeys(DECLARED, ("source",))}
Columns = str | Mapping[str, str] | None
Files = str | Path | Sequence[str | Path]


def name_of(name: str, **files: Files) -> str:
    """Return the name of the data set: with own files the default becomes `files`.

    Args:
        name: one of `DATASETS`.
        files: the paths given, by option (`source` or a table); "" for none.

    Raises:
        ParameterError: RK-320 an unknown name, RK-143 a file that the data set does not read.

    >>> name_of("toyshop", interactions="events.csv")
    'files'
    """
    if name not in DATASETS:
        raise ParameterError(
            "RK-320", f"dataset is {name!r}; expected one of {sorted(DATASETS)}.", "Pass dataset='toyshop'."
        )
    given = [option for option, paths in files.items() if list_files(paths)]
    if name == "toyshop" and given and "source" not in given:
        name = "files"
    if foreign := [option for option in given if option not in TAKES[name]]:
        takes = ", ".join(TAKES[name]) or "no file"
        others = [other for other, options in TAKES.items() if set(given) <= set(options)]
        raise ParameterError(
            "RK-143",
            f"dataset {name!r} does not read {foreign[0]}; expected {takes}.",
            f"Pass dataset={' or '.join(map(repr, others[:5]))}." if others else "Leave one of them out.",
        )
    return name


def list_files(paths: Files, root: Path = Path()) -> list[Path]:
    """Return the files that an option names: a list, or one text in which commas divide them; patterns with `*`.

    A path that is there, or a pattern that fits files, is one path, whatever signs are in it. A relative one counts
    from `root`. The files of a pattern come in the order of their names.

    >>> list_files(["may.csv", "shop.zip::june.csv"], Path("data")), list_files("")
    ([PosixPath('data/may.csv'), PosixPath('data/shop.zip::june.csv')], [])
    """
    if not isinstance(paths, str | Path):
        return [file for path in paths for file in list_files(path, root)]
    parts, found = str(paths).split(",") if str(paths) else [], []
    while parts:
        heads = {n: root / Path(",".join(parts[:n]).strip()).expanduser() for n in range(len(parts), 0, -1)}
        n, files = next(((n, files) for n, head in heads.items() if (files := _expand(head))), (len(parts), []))
        found += files or [heads[n]]
        parts = parts[n:]
    return found


def _expand(path: Path) -> list[Path]:
    """Return the file that is there, or else those that fit a pattern."""
    return [path] if os.path.exists(split_member(path)[0]) else sorted(map(Path, glob(str(path))))


def absolute(paths: Files, root: Path = Path()) -> str:
    """Return the files of an option with their whole paths, for a program that runs in another folder."""
    return ",".join(str(file.resolve()) for file in list_files(paths, root))


def describe(name: str = "") -> str:
    """Return what a data set is, where it comes from, its licence, how to cite it, and the command to read it.

    Args:
        name: one of `DATASETS`; "" for all of them.

    Raises:
        ParameterError: RK-320 an unknown name.
    """
    if not name:
        return "\n\n".join(map(describe, DATASETS))
    lines = [DATASETS[name_of(name)]]
    option = " --source FILE" if name == "sequences" else " --interactions FILE" * (name == "files")
    if name in DECLARED:
        declared = DECLARED[name]
        found = [form["files"].values() for form in declared["forms"]]
        forms = [" ".join(pattern for names in files for pattern in names) for files in found]
        files = "\n  or      ".join(form.replace("{}", "NAME") for form in forms)
        lines += [
            f"from    {declared['home']}",
            f"licence {declared['licence']}",
            f"cite    {declared['citation']}",
            f"files   {files}",
        ]
        option = " --source FOLDER" + declared.get("options", "")
    return "\n  ".join([name, *lines, f"recsys-kit run --dataset {name}{option}"])


def known_dataset(path: str | Path) -> str:
    """Return the published data set that a folder or file is: the one under whose name it can be read; "" for none."""
    for name in DECLARED:
        try:
            clean(validate(read_source(name, {"source": path})))
        except (DataError, OSError):  # no such folder
            continue
        return name
    return ""


def stem_of(files: Mapping[str, Files]) -> str:
    """Return a name for a run on own files: that of the first file, without its extensions.

    >>> stem_of({"interactions": "", "reviews": "data/online_retail.csv.gz"})
    'online_retail'
    """
    first = next(filter(None, map(list_files, files.values())))[0]
    return split_member(first)[0].name.split(".")[0] or "files"


def source_files(name: str = "toyshop", **options: Any) -> list[Path]:
    """Return every file that `load_dataset` reads with the same arguments, whether it exists or not.

    >>> source_files(interactions="shop.zip::events.csv", items="items.csv")
    [PosixPath('shop.zip'), PosixPath('items.csv')]
    """
    files = {option: options.get(option, "") for option in ("source", *TABLES)}
    name = name_of(name, **files)
    if name in DECLARED:
        found = find_files(name, _source(name, files["source"]))[1]
        return [file for several in found.values() for file in several]
    return [split_member(file)[0] for paths in files.values() for file in list_files(paths)]


def read_source(
    name: str = "toyshop",
    files: Mapping[str, Files] | None = None,
    *,
    columns: Columns = None,
    encoding: str = "",
    header: str = "",
    seed: int = 7,
) -> RawTables:
    """Read the tables of a data set, before validation.

    Args:
        name: one of `DATASETS`.
        files: the paths by option: `source` or a table.
        columns, encoding, header, seed: as for `load_dataset`.

    Returns:
        The raw tables: values as in the files, with the rows that could not be parsed and notes.

    Raises:
        DataError: RK-101 no file, RK-111 a file that does not exist, RK-120 lines of sequences instead of a table; and
            as the readers of the files.
        ParameterError: as `name_of`.
    """
    given = {option: paths for option, paths in (files or {}).items() if list_files(paths)}
    name = name_of(name, **given)
    if name == "toyshop":
        shop = make_toyshop(seed)
        return RawTables(name, shop.frames, truth=shop)
    if name in DECLARED:
        read, tables, named = read_declared(name, _source(name, given.get("source", "")), columns, encoding)
        return build_tables(name, tables, read, named)
    if name == "sequences":
        path = _source(name, given.get("source", ""))
        read = {"interactions": read_sequences(path, encoding=encoding)}
        for file in list_files(given.get("items", ""))[:1]:
            read["items"] = read_attributes(file) or read_table(file, encoding=encoding)
        tables = [Table(table, path.name, rows.frame) for table, rows in read.items()]
        return build_tables(name, tables, read, columns)
    if not given:
        raise DataError(
            "RK-101", "dataset 'files' has no file; expected one of interactions, items, users, reviews.",
            "Pass --interactions FILE (in Python interactions='path/to/file').",
        )  # fmt: skip
    raw = _read_own(name, given, columns, encoding, header)
    if not {"interactions", "reviews"} & set(raw.frames):
        raise DataError(
            "RK-101", f"dataset 'files' has only {' and '.join(raw.frames)}; expected interactions or reviews as well.",
            "Pass --interactions FILE or --reviews FILE.",
        )  # fmt: skip
    return raw


def load_dataset(
    name: str = "toyshop",
    *,
    source: str | Path = "",
    interactions: Files = "",
    items: Files = "",
    users: Files = "",
    reviews: Files = "",
    columns: Columns = None,
    encoding: str = "",
    header: str = "",
    seed: int = 7,
) -> Dataset:
    """Read, validate and clean a data set.

    Args:
        name: one of `DATASETS`; with own files the default becomes `files`.
        source: the folder of a published data set, or its first file.
        interactions: own file of interactions, or several: a list, "may.csv,june.csv" or "2024-*.csv". If there is no
            items file, the items are derived from its item columns; if there is no reviews file, the reviews from its
            text column.
        items: own files of items.
        users: own files of users.
        reviews: own files of reviews. If there is no interactions file, reviews with user, item and time are the
            interactions.
        columns: the names of the files' columns by ours, `{"user_id": "CustomerID"}` or "user_id=CustomerID,...".
        encoding: of the text files; "" to detect it.
        header: the names of the columns of files without a header, "user_id,item_id,timestamp".
        seed: random seed of the built-in shop.

    Returns:
        The typed tables, a report of repairs and notes, and the quarantined rows.

    Raises:
        DataError: as `read_source` and `validate`.
        ParameterError: as `name_of`; RK-142 invalid columns.

    >>> load_dataset("toyshop", seed=7).row_counts().loc["items"].tolist()  # read, kept, deduplicated, quarantined
    [805, 800, 5, 0]
    """
    files = {"source": source, "interactions": interactions, "items": items, "users": users, "reviews": reviews}
    return clean(validate(read_source(name, files, columns=columns, encoding=encoding, header=header, seed=seed)))


def _source(name: str, source: Files) -> Path:
    if not (paths := list_files(source)):
        raise DataError(
            "RK-101", f"dataset {name!r} has no source; expected a folder or a file.", "Pass source='path/to/folder'."
        )
    if not os.path.exists(split_member(paths[0])[0]):
        raise DataError(
            "RK-111",
            f"source {str(source)!r} does not exist.",
            "Check the path; a relative one counts from the current folder.",
        )
    return paths[0]


# -- own files ---------------------------------------------------------------------------------------------------------


def _read_own(name: str, own: Mapping[str, Files], columns: Columns, encoding: str, header: str) -> RawTables:
    files = {table: list_files(paths) for table, paths in own.items()}
    read = {table: read_tables(paths, encoding=encoding, header=parse_header(header)) for table, paths in files.items()}
    if "interactions" in read and read["interactions"].frame.shape[1] == 1:
        _refuse_sequences(files["interactions"][0], encoding)
    tables = [Table(table, files[table][0].name, rows.frame) for table, rows in read.items()]
    try:
        return build_tables(name, tables, read, columns)
    except Question as question:
        raise complete(question, tables, read, build_tables) from None


def _refuse_sequences(path: Path, encoding: str) -> None:
    if looks_like_sequences(path, encoding=encoding):
        raise DataError(
            "RK-120",
            f"interactions has no columns: the lines of {path.name} look like `user item item ...`; expected a table.",
            "Pass --dataset sequences --source FILE (in Python name='sequences', source='path/to/file').",
        )


def build_tables(name: str, tables: list[Table], read: dict[str, FileRows], columns: Columns) -> RawTables:
    """Name the columns of files already read, and derive the tables that have no file of their own."""
    n_rows = {table: len(rows.frame) for table, rows in read.items()}
    named = name_columns(tables, columns)
    read = {table.table: replace(read[table.table], frame=table.frame) for table in named.tables}
    frames, notes = (
        dict(named.frames),
        [{**entry, "table": table, "action": "noted"} for table, rows in read.items() for entry in rows.notes],
    )
    notes += named.notes + check_ids(named.tables, named, parse_columns(columns))
    same = {table: _repeated(rows.frame, n_rows[table]) for table, rows in read.items()}
    rejected = [{"table": table, **entry} for table, rows in read.items() for entry in rows.rejected]
    origin = {table: table for table in frames}
    _derive_events(frames, read, origin)
    notes += _derive_items(frames, origin)
    derived = [("items", file) for file in same if file != "items"]
    rejected += [
        {**entry, "table": table} for table, file in origin.items() if table != file and table != "items"
        for entry in rejected if entry["table"] == file
    ]  # fmt: skip
    frames = {table: _drop_other_columns(table, frames[table], frames) for table in TABLES if table in frames}
    readings = {table: named.readings.get(origin.get(table, table), {}) for table in frames}
    naming = {table: named.naming[origin.get(table, table)] for table in frames}
    repeated = {table: same[file] for table, file in origin.items() if table in frames and (table, file) not in derived}
    whole = {file for file, rows in read.items() if len(rows.frame) == n_rows[file]}  # where lists became no rows
    starts = {table: read[origin[table]].starts for table in repeated if origin[table] in whole}
    return RawTables(name, frames, rejected, notes, readings, naming, repeated, starts)


def _repeated(frame: pd.DataFrame, n_rows: int) -> pd.Index:
    """Return the rows of a file that are equal to an earlier one in all its columns; none where lists became rows."""
    return frame.index[find_repeated(hash_rows(frame))] if len(frame) == n_rows else frame.index[:0]


def _derive_events(frames: dict[str, pd.DataFrame], read: dict[str, FileRows], origin: dict[str, str]) -> None:
    """Derive reviews from interactions with a text, or interactions from reviews with a user, an item and a time."""
    if "reviews" in frames and "review_id" not in frames["reviews"]:
        frames["reviews"] = frames["reviews"].assign(review_id=_row_ids(read["reviews"].frame))
    if "interactions" not in frames and {"user_id", "item_id", "timestamp"} <= set(frames.get("reviews", ())):
        reviews = frames["reviews"]
        event = "rating" if "rating" in reviews else "review"
        columns = ["user_id", "item_id", "timestamp", *(c for c in ("rating", "review_id") if c in reviews)]
        frames["interactions"] = reviews[columns].assign(event=event)
        origin["interactions"] = "reviews"
    elif "reviews" not in frames and "text" in frames.get("interactions", ()):
        events = frames["interactions"]
        if "review_id" not in events:
            events = frames["interactions"] = events.assign(review_id=_row_ids(read["interactions"].frame))
        columns = [column for column in COLUMNS["reviews"] if column in events and column not in ITEM_COLUMNS]
        frames["reviews"] = events.loc[is_present(events["text"]), columns]
        origin["reviews"] = "interactions"


def _row_ids(frame: pd.DataFrame) -> pd.Series:
    """Return an id per row, from the number of the first equal row: exact duplicates share an id."""
    first = pd.Series(frame.index, index=frame.index).groupby(hash_rows(frame)).transform("first")
    return "r" + first.astype("str")


def _derive_items(frames: dict[str, pd.DataFrame], origin: dict[str, str]) -> list[dict[str, Any]]:
    """Derive the items from the item columns of the interactions (or reviews), if there is no items file."""
    if "items" in frames:
        return []
    table = "interactions" if origin.get("interactions") == "interactions" else "reviews"
    events = frames.get(table, pd.DataFrame())
    described = [column for column in ITEM_COLUMNS if column in events and (table, column) != ("reviews", "title")]
    if "item_id" not in events or not described:
        return []
    events = events[is_present(events["item_id"])]
    items = pd.DataFrame({"item_id": events["item_id"].unique()})
    notes = []
    for column in described:
        values, several = usual_values(events["item_id"], events[column])
        items[column] = items["item_id"].map(values)
        if len(several):
            rule = f"products with more than one {column}: the most frequent counts"
            notes.append(report_entry("items", rule, "noted", len(several), several[0]))
    frames["items"] = items.set_axis(range(1, len(items) + 1))
    origin["items"] = table
    return notes


def usual_values(keys: pd.Series, values: pd.Series) -> tuple[pd.Series, list[str]]:
    """Return the most frequent value of each key (ties: the first in the alphabet), and the keys with several values.

    >>> usual_values(pd.Series(["a", "a", "a"]), pd.Series(["Cup", "Cup ", "?"]))
    (a    Cup
    dtype: str, ['a'])
    """
    pairs = pd.DataFrame({"key": keys, "value": values.astype("str").str.strip()})
    pairs = pairs[pairs["value"].fillna("") != ""]
    counts = pairs.value_counts().reset_index().sort_values(["key", "count", "value"], ascending=[True, False, True])
    usual = counts.drop_duplicates("key").set_index("key")["value"].rename_axis(None).rename(None)
    return usual, counts["key"][counts["key"].duplicated()].unique().tolist()


def _drop_other_columns(table: str, frame: pd.DataFrame, frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Drop the columns that belong to another table."""
    gone = {"interactions": [*ITEM_COLUMNS, *(("text", "label") if "reviews" in frames else ())]}
    return frame.drop(columns=gone.get(table, ["category", "brand"] if table == "reviews" else []), errors="ignore")
