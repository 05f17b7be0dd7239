"""Path -> bytes: a file that may be read, and what lies inside gzip and zip. Nothing is unpacked to disk."""

import difflib
import gzip
import io
import os
import re
import stat
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from recsys_kit.data.files.kinds import BROKEN_ZIP, EXPECTED, KINDS, NO_TABLES, UNPACK, find_kind
from recsys_kit.data.files.rows import first_five, note
from recsys_kit.errors import DataError

GIB = 1024**3
MAX_BYTES = 4 * GIB  # of one file, unpacked: it is held in memory
MAX_RATIO = 200  # unpacked : packed; text rarely passes 30, a bomb reaches 1,000
SMALL = 64 * 1024**2  # up to here any ratio is harmless
CHUNK = 1024**2
MAX_LAYERS = 3  # a gzip in a zip is common, more than that is none of ours


@dataclass(frozen=True)
class Content:
    """The bytes of one table, out of whatever they were packed in."""

    name: str
    """The file as the reader knows it, with the member of a zip: for messages."""
    suffix: str
    """Of the table inside: .csv for a.csv.gz."""
    data: bytes
    kind: str
    """text or parquet."""
    cut_off: bool = False
    """True where the packed file ends in the middle."""
    notes: list[dict[str, Any]] = field(default_factory=list)


def read_content(path: str | Path) -> Content:
    """The bytes that `path` names, `file.zip::member.csv` for one member of a zip."""
    file, member = split_member(path)
    return _unpack(file.name, PurePosixPath(file.name), _read_bytes(file), member)


def split_member(path: str | Path) -> tuple[Path, str]:
    """The file, and the member of it that is meant ("" for none).

    >>> split_member("shop.zip::ml/ratings.csv")
    (PosixPath('shop.zip'), 'ml/ratings.csv')
    """
    text = str(path)
    cuts = [found.start() for found in re.finditer("::", text)]
    if not cuts or os.path.lexists(text):
        return Path(text).expanduser(), ""
    cut = next((cut for cut in cuts if Path(text[:cut]).expanduser().is_file()), cuts[0])
    return Path(text[:cut]).expanduser(), text[cut + 2 :]


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


# -- gzip and zip ------------------------------------------------------------------------------------------------------


def _unpack(name: str, inner: PurePosixPath, data: bytes, member: str = "", layers: int = 0) -> Content:
    """What lies in `data`; `inner` is the name that it should answer to."""
    kind = find_kind(name, inner.suffix.lower(), data)
    if member and kind != "zip":
        raise DataError("RK-118", f"{name} is {kind}, not a zip; only a zip has members.", f"Leave out '::{member}'.")
    if kind in ("text", "parquet"):
        return Content(name, inner.suffix.lower(), data, kind)
    if layers == MAX_LAYERS:
        raise DataError("RK-116", f"{name} is packed more than {MAX_LAYERS} times; {EXPECTED}.", UNPACK)
    if kind == "gzip":
        data, cut_off = _gunzip(name, data)
        content = _unpack(name, inner.with_suffix("") if inner.suffix else inner, data, layers=layers + 1)
        return replace(content, cut_off=cut_off or content.cut_off)
    chosen, data, notes = _unzip(name, data, member)
    content = _unpack(f"{name}::{chosen}", PurePosixPath(chosen), data, layers=layers + 1)
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


def _read_bounded(name: str, opened: gzip.GzipFile | zipfile.ZipExtFile, packed: int, chunks: list[bytes]) -> None:
    """Fills `chunks`, so that what was read is there when the end is missing. Raises (RK-116) for a bomb."""
    size = 0
    while chunk := opened.read1(CHUNK):
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
    return chosen.filename, b"".join(chunks), notes


def _choose_member(name: str, members: list[zipfile.ZipInfo], wanted: str) -> zipfile.ZipInfo:
    if wanted:
        found = [info for info in members if info.filename == wanted][-1:]
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
    return any(part.startswith((".", "__MACOSX")) and part != ".." for part in path.parts)
