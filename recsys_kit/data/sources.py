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
from glob import glob
from pathlib import Path
from typing import Any

from recsys_kit.data import declared
from recsys_kit.data.building import Columns, build_tables, try_answers
from recsys_kit.data.cleaning import clean
from recsys_kit.data.columns import Table, parse_columns
from recsys_kit.data.declared import DECLARED, SOURCES
from recsys_kit.data.files import split_member
from recsys_kit.data.questions import Question
from recsys_kit.data.sequences import looks_like_sequences
from recsys_kit.data.tables import Dataset, RawTables
from recsys_kit.data.toyshop import make_toyshop
from recsys_kit.data.validation import validate
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.schema import TABLES

DATASETS = {name: source["title"] for name, source in SOURCES.items()}
TAKES = {name: source.get("takes", ["source"]) for name, source in SOURCES.items()}
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
        what = f"dataset is {name!r}; expected one of {sorted(DATASETS)}."
        raise ParameterError("RK-320", what, "Pass dataset='toyshop'.")
    given = [option for option, paths in files.items() if list_files(paths)]
    if name == "toyshop" and given and "source" not in given:
        name = "files"
    if foreign := [option for option in given if option not in TAKES[name]]:
        takes = ", ".join(TAKES[name]) or "no file"
        others = [repr(other) for other, options in TAKES.items() if set(given) <= set(options)]
        fix = f"Pass dataset={' or '.join(others[:5])}." if others else "Leave one of them out."
        raise ParameterError("RK-143", f"dataset {name!r} does not read {foreign[0]}; expected {takes}.", fix)
    return name


def split_paths(paths: Files, root: Path = Path()) -> list[Path]:
    """Return the paths that an option names: a list, or one text in which commas divide them; patterns as they are.

    A path that is there, or a pattern that fits files, is one path, whatever signs are in it. A relative one counts
    from `root`.
    """
    if not isinstance(paths, str | Path):
        return [path for part in paths for path in split_paths(part, root)]
    parts, found = str(paths).split(",") if str(paths) else [], []
    while parts:
        heads = [(n, root / Path(",".join(parts[:n]).strip()).expanduser()) for n in range(len(parts), 0, -1)]
        n, head = next(((n, head) for n, head in heads if _expand(head)), heads[0])
        found.append(head)
        parts = parts[n:]
    return found


def list_files(paths: Files, root: Path = Path()) -> list[Path]:
    """Return the files that an option names, as `split_paths`; those of a pattern in the order of their names.

    >>> list_files(["may.csv", "shop.zip::june.csv"], Path("data")), list_files("")
    ([PosixPath('data/may.csv'), PosixPath('data/shop.zip::june.csv')], [])
    """
    return [file for path in split_paths(paths, root) for file in _expand(path) or [path]]


def _expand(path: Path) -> list[Path]:
    """Return the file that is there, or else those that fit a pattern."""
    return [path] if os.path.exists(split_member(path)[0]) else sorted(map(Path, glob(str(path))))


def absolute(paths: Files, root: Path = Path()) -> str:
    """Return the paths and patterns of an option from the root of all folders, for a program in another folder."""
    return ",".join(str(path.resolve()) for path in split_paths(paths, root))


def describe(name: str = "") -> str:
    """Return what a data set is, where it comes from, its licence, how to cite it, and the command to read it.

    Args:
        name: one of `DATASETS`; "" for all of them.

    Raises:
        ParameterError: RK-320 an unknown name.
    """
    if not name:
        return "\n\n".join(map(describe, DATASETS))
    source = SOURCES[name_of(name)]
    said = {"from": source.get("home"), "licence": source.get("licence"), "cite": source.get("citation")}
    forms = [
        " ".join(pattern for names in form["files"].values() for pattern in names) for form in source.get("forms", [])
    ]
    said["files"] = "\n  or      ".join(forms).replace("{}", "NAME")
    lines = [f"{word:<7} {text}" for word, text in said.items() if text]
    command = f"recsys-kit run --dataset {name}{source.get('options', ' --source FOLDER')}"
    return "\n  ".join([name, source["title"], *lines, command])


def known_dataset(path: str | Path) -> str:
    """Return the published data set that a folder or file is: the one under whose name it can be read; "" for none."""
    for name in DECLARED:
        try:
            load_dataset(name, source=path)
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
    return [split_member(file)[0] for several in _find_files(name, files)[2].values() for file in several]


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
    return _build(*_read_files(name, files or {}, columns, encoding, header), seed)


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
    name, tables, named = _read_files(name, files, columns, encoding, header)
    try:
        return clean(validate(_build(name, tables, named, seed)))
    except Question as question:
        given = {entry.ours: entry.theirs for entry in parse_columns(named)}
        raise try_answers(tables, given, [question]).complete(question) from None


def _build(name: str, tables: list[Table], columns: Columns, seed: int) -> RawTables:
    if name == "toyshop":
        shop = make_toyshop(seed)
        return RawTables(name, shop.frames, truth=shop)
    return build_tables(name, tables, columns)


def _find_files(name: str, files: Mapping[str, Files]) -> tuple[str, declared.Form, declared.Files]:
    """Return the name of a data set, how its files are read, and the files by table."""
    found = {option: listed for option, paths in files.items() if (listed := list_files(paths))}
    name = name_of(name, **found)
    if "source" not in TAKES[name]:
        return name, {}, found
    if "source" not in found:
        what = f"dataset {name!r} has no source; expected a folder or a file."
        raise DataError("RK-101", what, "Pass source='path/to/folder'.")
    (path, *_) = found.pop("source")
    if not os.path.exists(split_member(path)[0]):
        raise DataError("RK-111", f"source '{path}' does not exist.", "A relative path counts from the current folder.")
    if name == "sequences":
        return name, {"reader": name}, {"interactions": [path], **found}
    return name, *declared.find_files(name, path)


def _read_files(
    name: str, files: Mapping[str, Files], columns: Columns, encoding: str, header: str
) -> tuple[str, list[Table], Columns]:
    name, form, found = _find_files(name, files)
    if name == "files" and not {"interactions", "reviews"} & set(found):
        has = f"only {' and '.join(found)}" if found else "no file"
        what = f"dataset 'files' has {has}; expected interactions or reviews as well."
        raise DataError("RK-101", what, "Pass --interactions FILE or --reviews FILE.")
    tables = declared.read_files(form or {"header": dict.fromkeys(TABLES, header)}, found, encoding)
    if name in DECLARED:
        columns = declared.name_declared(form, tables, columns)
    events = next((table for table in tables if table.table == "interactions"), None)
    is_column = name == "files" and events is not None and events.frame.shape[1] == 1
    if is_column and looks_like_sequences(found["interactions"][0], encoding=encoding):
        what = "interactions has no columns: its lines look like `user item item ...`; expected a table."
        raise DataError("RK-120", what, "Pass --dataset sequences --source FILE.")
    return name, tables, columns
