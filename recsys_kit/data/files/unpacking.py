"""Path -> bytes: which kind of file it really is, and what lies inside gzip and zip. Nothing is unpacked to disk."""

import difflib
import gzip
import io
import lzma
import os
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

from recsys_kit.data.files.rows import first_five, note
from recsys_kit.errors import DataError

GIB = 1024**3
MAX_BYTES = 4 * GIB  # of one file, unpacked: it is held in memory
MAX_RATIO = 200  # unpacked : packed; text rarely passes 30, a bomb reaches 1,000
SMALL = 64 * 1024**2  # up to here any ratio is harmless
CHUNK = 1024**2
MAX_LAYERS = 3  # a gzip in a zip is common, more than that is none of ours

TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".inter", ".item", ".user", ".json", ".jsonl", ".ndjson")
KINDS = dict.fromkeys(TEXT_SUFFIXES, "text") | {
    ".gz": "gzip", ".gzip": "gzip", ".zip": "zip", ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
NO_TABLES = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".pdf", ".html", ".ipynb", ".md", ".py", ".r", ".log")
EXPECTED = "expected CSV, TSV, JSON lines or Parquet, as it is or in gzip or zip"

_UNPACK = "Unpack it, or pack it with gzip."
_SHEET = "Open it in the program that made it and save the sheet as 'CSV UTF-8'."
_PAGE = "It is often a log-in or error page saved in place of the file: download it again, logged in."
_NONE = "Pass the table itself."
FOREIGN = {
    b"%PDF": ("a PDF document", _NONE), b"\x89PNG": ("a PNG picture", _NONE), b"\xff\xd8\xff": ("a JPEG picture", _NONE),
    b"GIF8": ("a GIF picture", _NONE), b"\xd0\xcf\x11\xe0": ("an Excel 97 workbook", _SHEET),
    b"BZh": ("a bzip2 archive", _UNPACK), b"\xfd7zXZ": ("an xz archive", _UNPACK), b"(\xb5/\xfd": ("a zstd archive", _UNPACK),
    b"7z\xbc\xaf": ("a 7z archive", _UNPACK), b"Rar!": ("a RAR archive", _UNPACK),
    b"SQLite format 3": ("a SQLite database", "Export the table as CSV."), b"ARROW1": ("a Feather file", "Save it as Parquet."),
    b"PARE": ("an encrypted Parquet file", "Save it without encryption."), b"\x89HDF": ("an HDF5 file", "Save it as Parquet."),
    b"\x93NUMPY": ("a NumPy array", "Save it as Parquet."), b"\x7fELF": ("a program", _NONE),
    **{bytes([0x80, n]): ("a pickle, which is never read", "Save it as Parquet.") for n in (2, 3, 4, 5)},
}  # fmt: skip
PAGES = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<!--")


@dataclass(frozen=True)
class Content:
    """The bytes of one table, out of whatever they were packed in."""

    name: str
    data: bytes
    kind: str
    """text or parquet."""
    cut_off: bool = False
    """True where the packed file ends in the middle."""
    notes: list[dict[str, Any]] = field(default_factory=list)


def read_content(path: str | Path) -> Content:
    """The bytes that `path` names, `file.zip::member.csv` for one member of a zip."""
    file, member = split_member(path)
    return _unpack(file.name, _read_bytes(file), member)


def split_member(path: str | Path) -> tuple[Path, str]:
    """The file, and the member of it that is meant ("" for none).

    >>> split_member("shop.zip::ml/ratings.csv")
    (PosixPath('shop.zip'), 'ml/ratings.csv')
    """
    file, separator, member = str(path).rpartition("::")
    if separator and not os.path.lexists(path):
        return Path(file).expanduser(), member
    return Path(path).expanduser(), ""


# -- the file ----------------------------------------------------------------------------------------------------------


def _read_bytes(file: Path) -> bytes:
    try:
        before = os.stat(file)
        _check_regular(file, before)
        with file.open("rb") as opened:
            data = opened.read(before.st_size + 1)
        after = os.stat(file)
    except (OSError, ValueError) as error:
        raise DataError("RK-111", _why_not(file, error), _near(file)) from error
    if _version(before) != _version(after) or len(data) != before.st_size:
        raise DataError(
            "RK-113",
            f"{file.name} changed while it was read ({before.st_size:,} bytes before, {after.st_size:,} after); "
            "expected a file that nobody writes to.",
            "Wait until its writer is done, or read a copy.",
        )
    return data


def _version(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _check_regular(file: Path, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        inside = sorted(os.listdir(file))
        raise DataError(
            "RK-112",
            f"{file.name} is a folder, with {first_five(inside, len(inside)) or 'nothing'}; expected a file.",
            "Name the file in it.",
        )
    if not stat.S_ISREG(status.st_mode):
        raise DataError(
            "RK-112",
            f"{file.name} is a pipe, socket or device; expected a file that can be read twice.",
            "Write its content to a file first.",
        )
    if status.st_size > MAX_BYTES:
        raise _too_large(file.name, f"{status.st_size / GIB:.1f} GiB")


def _why_not(file: Path, error: OSError | ValueError) -> str:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return f"{file.name!r} cannot be opened: {reason}; expected a file that exists and may be read."


def _near(file: Path) -> str:
    try:
        near = difflib.get_close_matches(file.name, os.listdir(file.parent), n=3)
    except (OSError, ValueError):
        near = []
    if near:
        return f"Did you mean {' or '.join(map(repr, near))}?"
    return "Check the path (a relative one counts from the current folder) and the rights."


# -- what it really is -------------------------------------------------------------------------------------------------


def _kind(name: str, data: bytes) -> str:
    """gzip, zip, parquet or text, by the bytes. Raises (RK-115) for what is no table, (RK-114) for a name that lies."""
    if data.startswith(b"\x1f\x8b"):
        kind = "gzip"
    elif data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        kind = "zip"
    elif data.startswith(b"PAR1"):
        kind = "parquet"
    else:
        kind = "text"
        _check_foreign(name, data)
    suffix = PurePosixPath(name).suffix.lower()
    if kind == "zip" and _is_spreadsheet(data):
        raise DataError("RK-115", f"{name} is an Excel or Office document; {EXPECTED}.", _SHEET)
    if KINDS.get(suffix, kind) != kind:
        fix = {"gzip": f"Rename it to {name}.gz.", "zip": f"Rename it to {name}.zip.",
               "parquet": f"Rename it to {PurePosixPath(name).stem}.parquet.",
               "text": f"Download it again, or, if it is text, rename it to {PurePosixPath(name).stem}."}  # fmt: skip
        found = "text, or damaged from the first byte" if kind == "text" else kind
        raise DataError("RK-114", f"{name} is called {suffix} and is {found}; expected what its name says.", fix[kind])
    return kind


def _check_foreign(name: str, data: bytes) -> None:
    found = next((known for magic, known in FOREIGN.items() if data.startswith(magic)), None)
    if data[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(PAGES):
        found = ("a web page", _PAGE)
    elif data[257:262] == b"ustar":
        found = ("a tar archive", "Unpack it and pass the table in it.")
    if found:
        raise DataError("RK-115", f"{name} is {found[0]}, not a table; {EXPECTED}.", found[1])


def _is_spreadsheet(data: bytes) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return bool({"[Content_Types].xml", "content.xml"} & set(archive.namelist()))
    except BROKEN_ZIP:
        return False


# -- gzip and zip ------------------------------------------------------------------------------------------------------

BROKEN_ZIP = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, struct.error,
    NotImplementedError, RuntimeError, LookupError, OverflowError,
)  # fmt: skip


def _unpack(name: str, data: bytes, member: str = "", layers: int = 0) -> Content:
    kind = _kind(name, data)
    if member and kind != "zip":
        raise DataError("RK-118", f"{name} is {kind}, not a zip; only a zip has members.", f"Leave out '::{member}'.")
    if kind in ("text", "parquet"):
        return Content(name, data, kind)
    if layers == MAX_LAYERS:
        raise DataError("RK-116", f"{name} is packed more than {MAX_LAYERS} times; {EXPECTED}.", _UNPACK)
    if kind == "gzip":
        data, cut_off = _gunzip(name, data)
        inner = name if name.lower().endswith(".tgz") else name.removesuffix(PurePosixPath(name).suffix)
        content = _unpack(inner or name, data, layers=layers + 1)
        return replace(content, cut_off=cut_off or content.cut_off)
    chosen, data, notes = _unzip(name, data, member)
    content = _unpack(chosen, data, layers=layers + 1)
    return replace(content, notes=notes + content.notes)


def _gunzip(name: str, data: bytes) -> tuple[bytes, bool]:
    """The unpacked bytes, and whether they end in the middle."""
    chunks: list[bytes] = []
    try:
        with gzip.open(io.BytesIO(data)) as opened:
            _read_bounded(name, opened, len(data), chunks)
    except EOFError:
        return b"".join(chunks), True
    except (OSError, zlib.error) as error:
        raise DataError(
            "RK-117",
            f"{name} is damaged ({error}) and cannot be unpacked; expected a whole gzip.",
            "Download it again.",
        ) from error
    return b"".join(chunks), False


def _read_bounded(name: str, opened: IO[bytes], packed: int, chunks: list[bytes]) -> None:
    """Fills `chunks`, so that what was read is there when the end is missing. Raises (RK-116) for a bomb."""
    size = 0
    while chunk := opened.read(CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BYTES:
            raise _too_large(name, f"more than {MAX_BYTES / GIB:g} GiB when unpacked")
        if size > max(SMALL, MAX_RATIO * packed):
            raise DataError(
                "RK-116",
                f"{name} grows from {packed:,} to more than {size:,} bytes when unpacked; expected at most "
                f"{MAX_RATIO} times its size: this is how a decompression bomb looks.",
                "If the file is honest, unpack it yourself or raise recsys_kit.data.files.unpacking.MAX_RATIO.",
            )


def _too_large(name: str, size: str) -> DataError:
    return DataError(
        "RK-116",
        f"{name} is {size}; expected at most {MAX_BYTES / GIB:g} GiB, since a file is read into memory.",
        "Split it, or raise recsys_kit.data.files.unpacking.MAX_BYTES.",
    )


def _unzip(name: str, data: bytes, member: str) -> tuple[str, bytes, list[dict[str, Any]]]:
    """Name and bytes of the one table in a zip."""
    chunks: list[bytes] = []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            chosen = _choose_member(name, [info for info in members if not info.is_dir()], member)
            if chosen.flag_bits & 1:
                raise DataError(
                    "RK-119",
                    f"{name}::{chosen.filename} is encrypted.",
                    "Unpack it with its password and pass the table.",
                )
            with archive.open(chosen) as opened:
                _read_bounded(f"{name}::{chosen.filename}", opened, chosen.compress_size, chunks)
    except BROKEN_ZIP as error:
        raise DataError(
            "RK-117", f"{name} is damaged ({error}) and cannot be unpacked; expected a whole zip.", "Download it again."
        ) from error
    notes = [note("one table of the zip is read", 1, chosen.filename)] if len(members) > 1 else []
    return PurePosixPath(chosen.filename).name, b"".join(chunks), notes


def _choose_member(name: str, members: list[zipfile.ZipInfo], wanted: str) -> zipfile.ZipInfo:
    if wanted:
        found = [info for info in members if info.filename == wanted]
        candidates = [info.filename for info in members]
    else:
        found = _tables(members)
        candidates = [info.filename for info in found or members]
    if len(found) == 1:
        return found[0]
    listed = first_five(map(repr, candidates), len(candidates)) or "nothing"
    if wanted or not found:
        problem = f"has no member {wanted!r}" if wanted else "holds no table"
        raise DataError(
            "RK-118", f"{name} {problem}; it holds {listed}.", "Pass a zip with a table, or file.zip::member."
        )
    raise DataError(
        "RK-118", f"{name} holds {len(found)} tables: {listed}; expected one.", f"Name one: '{name}::{candidates[0]}'."
    )


def _tables(members: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """The members that are tables by name; where there are none, whatever is neither picture nor notebook nor prose."""
    visible = [info for info in members if not _is_hidden(PurePosixPath(info.filename))]
    known = [info for info in visible if KINDS.get(_suffix(info)) and _suffix(info) != ".txt"]
    return known or [info for info in visible if _suffix(info) not in NO_TABLES]


def _suffix(info: zipfile.ZipInfo) -> str:
    return PurePosixPath(info.filename).suffix.lower()


def _is_hidden(path: PurePosixPath) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)
