"""DuckDB, as this package uses it: in memory, without the network and without extensions that are not built in."""

import os
import tempfile
from functools import cache

import duckdb

from recsys_kit.core.hardware import usable_cores


def connect() -> duckdb.DuckDBPyConnection:
    """Open a connection that reads files of the folder for temporary files alone."""
    return _database(tempfile.gettempdir()).cursor()


@cache
def _database(folder: str) -> duckdb.DuckDBPyConnection:
    database = duckdb.connect(config={"threads": str(usable_cores())})
    folders = ", ".join(map(quoted, {folder, os.path.realpath(folder)}))
    database.execute(
        "SET autoinstall_known_extensions = false; SET autoload_known_extensions = false; "
        f"SET allowed_directories = [{folders}]; SET temp_directory = {quoted(folder)}; "
        "SET enable_external_access = false; SET enable_progress_bar = false; SET lock_configuration = true"
    )
    return database


def quoted(text: str) -> str:
    """Return a text as a literal of SQL.

    >>> quoted("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"
