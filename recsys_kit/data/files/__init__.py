"""The door for bytes: a file becomes rows whose values are what is written in it, or an error says what is wrong."""

from collections.abc import Sequence
from pathlib import Path

from recsys_kit.data.files.decoding import decode
from recsys_kit.data.files.delimited import read_delimited
from recsys_kit.data.files.jsonlines import NotARecord, check_record, is_json, parse_json, read_json
from recsys_kit.data.files.parquet import read_parquet
from recsys_kit.data.files.rows import FileRows, join_rows
from recsys_kit.data.files.unpacking import open_content, split_member

__all__ = [
    "FileRows", "NotARecord", "check_record", "decode", "open_content", "parse_header", "parse_json", "read_json",
    "read_table", "read_tables", "split_member",
]  # fmt: skip


def read_table(path: str | Path, *, encoding: str = "", header: Sequence[str] = ()) -> FileRows:
    """Read the rows of a CSV, TSV, JSON lines or Parquet file, as it is or in gzip or zip.

    What the file is, its bytes say; a name that says something else is an error.

    Args:
        path: the file, or `file.zip::member.csv` for one table of a zip.
        encoding: of a text; a byte-order mark goes before it, without both it is UTF-8.
        header: names of the columns of a delimited file without a header.

    Raises:
        DataError: RK-111 to RK-132, RK-165, where the file as a whole cannot be used. A bad row among good ones is
            `rejected` instead.
        ParameterError: RK-135 for an encoding that does not exist.
    """
    with open_content(path) as content:
        if content.kind == "parquet":
            return read_parquet(content)
        text = decode(content, encoding)
        return read_json(text) if is_json(text) else read_delimited(text, header)


def read_tables(paths: Sequence[str | Path], *, encoding: str = "", header: Sequence[str] = ()) -> FileRows:
    """Read several files of one table, as if each stood below the one before it.

    The columns may stand in any order. A column that a file lacks has missing values there, and a note says so.

    Args:
        paths: the files, as for `read_table`.
        encoding, header: as for `read_table`, the same for all files.

    Returns:
        The rows of all files. Their numbers go on from file to file; a note says from which number each file counts.

    Raises:
        DataError: RK-133 no common column; as `read_table`.
        ParameterError: as `read_table`.
    """
    read = {str(path): read_table(path, encoding=encoding, header=header) for path in paths}
    return join_rows(read) if len(read) > 1 else next(iter(read.values()))


def parse_header(header: str) -> list[str]:
    """Return the names of columns given for a file without a header.

    >>> parse_header("user_id, item_id")
    ['user_id', 'item_id']
    """
    return [name.strip() for name in header.split(",")] if header.strip() else []
