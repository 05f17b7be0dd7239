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
    database = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "threads": str(usable_cores()),
        }
    )
    folders = ", ".join(map(quoted, {folder, os.path.realpath(folder)}))
    for setting in (
        f"allowed_directories = [{folders}]",
        f"temp_directory = {quoted(folder)}",
        "enable_external_access = false",
        "enable_progress_bar = false",
        "lock_configuration = true",
    ):
        database.execute(f"SET {setting}")
    return database


def quoted(text: str) -> str:
    """Return a text as a literal of SQL.

    >>> quoted("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"
