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

FOREIGN = {
    "a PDF document": b"%PDF", "a PNG picture": b"\x89PNG", "a JPEG picture": b"\xff\xd8\xff",
    "an Excel 97 workbook": b"\xd0\xcf\x11\xe0", "a SQLite database": b"SQLite format 3",
    "a bzip2 archive": b"BZh", "an xz archive": b"\xfd7zXZ", "a zstd archive": b"(\xb5/\xfd",
    "a 7z archive": b"7z\xbc\xaf", "a RAR archive": b"Rar!", "an Arrow file": b"ARROW1", "an HDF5 file": b"\x89HDF",
    "an encrypted Parquet file": b"PARE", "a NumPy array": b"\x93NUMPY",
    **{f"a pickle of protocol {n}, which is never read": bytes([0x80, n]) for n in (2, 3, 4, 5)},
}  # fmt: skip
SAVE = "Unpack it, or open it in the program that made it and save the table as 'CSV UTF-8'."
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
        raise _foreign(name, "an Office document")
    if KINDS.get(suffix, kind) != kind:
        found = "text, or damaged from the first byte" if kind == "text" else kind
        right = {"gzip": f"{suffix}.gz", "zip": f"{suffix}.zip", "text": ".csv, if it is whole"}.get(kind, f".{kind}")
        raise DataError(
            "RK-114",
            f"{name} is called {suffix} and is {found}; expected what its name says.",
            f"Rename it, so that it ends in {right}.",
        )
    return kind


def _check_foreign(name: str, data: bytes) -> None:
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(PAGES):
        raise _foreign(name, "a web page", "It is often a log-in page saved in place of the file: download it again.")
    if data[257:262] == b"ustar":
        raise _foreign(name, "a tar archive")
    if found := next((what for what, magic in FOREIGN.items() if data.startswith(magic)), ""):
        raise _foreign(name, found)


def _foreign(name: str, what: str, fix: str = SAVE) -> DataError:
    return DataError("RK-115", f"{name} is {what}, not a table; {EXPECTED}.", fix)


def _members(path: Path) -> set[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist())
    except BROKEN_ZIP:
        return set()
