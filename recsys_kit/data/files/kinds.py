"""What a file really is: by its bytes, not by its name. A name that says something else is an error, not a hint."""

import lzma
import struct
import zipfile
import zlib
from pathlib import Path

from recsys_kit.errors import DataError

TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".inter", ".item", ".user", ".json", ".jsonl", ".ndjson")
KINDS = dict.fromkeys(TEXT_SUFFIXES, "text") | {
    ".gz": "gzip", ".gzip": "gzip", ".zip": "zip", ".parquet": "parquet", ".pq": "parquet",
    ".xlsx": "xlsx", ".xlsm": "xlsx",
}  # fmt: skip
MAGIC = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"PK\x05\x06": "zip", b"PAR1": "parquet"}
NO_TABLES = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".pdf", ".html", ".ipynb", ".md", ".py", ".r", ".log")
EXPECTED = "expected CSV, TSV, JSON lines, Parquet or .xlsx, as it is or in gzip or zip"

UNPACK = "Unpack it, or pack it with gzip."
SHEET = "Open it in the program that made it and save the sheet as 'CSV UTF-8'."
_PAGE = "It is often a log-in or error page saved in place of the file: download it again, logged in."
_TABLE = "Pass the table itself."
_PARQUET = "Save it as Parquet."
FOREIGN = {
    b"%PDF": ("a PDF document", _TABLE),
    b"\x89PNG": ("a PNG picture", _TABLE),
    b"\xff\xd8\xff": ("a JPEG picture", _TABLE),
    b"GIF8": ("a GIF picture", _TABLE),
    b"\x7fELF": ("a program", _TABLE),
    b"\xd0\xcf\x11\xe0": ("an Excel 97 workbook", SHEET),
    b"BZh": ("a bzip2 archive", UNPACK),
    b"\xfd7zXZ": ("an xz archive", UNPACK),
    b"(\xb5/\xfd": ("a zstd archive", UNPACK),
    b"7z\xbc\xaf": ("a 7z archive", UNPACK),
    b"Rar!": ("a RAR archive", UNPACK),
    b"SQLite format 3": ("a SQLite database", "Export the table as CSV."),
    b"ARROW1": ("a Feather file", _PARQUET),
    b"PARE": ("an encrypted Parquet file", "Save it without encryption."),
    b"\x89HDF": ("an HDF5 file", _PARQUET),
    b"\x93NUMPY": ("a NumPy array", _PARQUET),
    **{bytes([0x80, protocol]): ("a pickle, which is never read", _PARQUET) for protocol in (2, 3, 4, 5)},
}
PAGES = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<!--")
BROKEN_ZIP = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, struct.error,
    NotImplementedError, RuntimeError, LookupError, OverflowError,
)  # fmt: skip


def find_kind(name: str, suffix: str, path: Path) -> str:
    """The kind of a file by its bytes, as in `KINDS`. Raises (RK-115) for no table, (RK-114) for a name that lies."""
    with path.open("rb") as file:
        data = file.read(4096)
    kind = next((kind for magic, kind in MAGIC.items() if data.startswith(magic)), "text")
    if kind == "text":
        _check_foreign(name, data)
    members = _members(path) if kind == "zip" else set()
    if "xl/workbook.xml" in members:
        kind = "xlsx"
    elif members & {"[Content_Types].xml", "content.xml"}:
        raise DataError("RK-115", f"{name} is an Office document; {EXPECTED}.", SHEET)
    if KINDS.get(suffix, kind) != kind:
        found = "text, or damaged from the first byte" if kind == "text" else kind
        right = {
            "gzip": f"{suffix}.gz",
            "zip": f"{suffix}.zip",
            "parquet": ".parquet",
            "xlsx": ".xlsx",
            "text": ".csv, if it is whole",
        }
        raise DataError(
            "RK-114",
            f"{name} is called {suffix} and is {found}; expected what its name says.",
            f"Rename it, so that it ends in {right.get(kind, f'.{kind}')}.",
        )
    return kind


def _check_foreign(name: str, data: bytes) -> None:
    found = next((known for magic, known in FOREIGN.items() if data.startswith(magic)), None)
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(PAGES):
        found = ("a web page", _PAGE)
    elif data[257:262] == b"ustar":
        found = ("a tar archive", "Unpack it and pass the table in it.")
    if found:
        raise DataError("RK-115", f"{name} is {found[0]}, not a table; {EXPECTED}.", found[1])


def _members(path: Path) -> set[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist())
    except BROKEN_ZIP:
        return set()
