"""Path -> one table on disk: a file that may be read, and what lies inside gzip and zip."""

import gzip
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from recsys_kit.data.files.kinds import BROKEN_ZIP, EXPECTED, KINDS, NO_TABLES, SAVE, find_kind
from recsys_kit.data.files.rows import damaged, first_five, note
from recsys_kit.data.files.workbook import write_sheet
from recsys_kit.errors import DataError

GIB = 1024**3
MAX_BYTES = 4 * GIB  # of one file, unpacked: its values are held in memory
MAX_RATIO = 200  # unpacked : packed; text rarely passes 30, a bomb reaches 1,000
SMALL = 64 * 1024**2  # up to here any ratio is harmless
CHUNK = 1024**2
MAX_LAYERS = 3  # a gzip in a zip is common, more than that is unusual


@dataclass(frozen=True)
class Content:
    """The file of one table, out of whatever it was packed in."""

    name: str
    """The file as the reader knows it, with the member of a zip: for messages."""
    suffix: str
    """Of the table inside: .csv for a.csv.gz."""
    path: Path
    """The user's file, or what was unpacked from it into `folder`."""
    folder: Path
    """A temporary folder that lives as long as the content is open."""
    kind: str
    """text or parquet."""
    cut_off: bool = False
    """True where the packed file ends in the middle."""
    notes: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def open_content(path: str | Path) -> Iterator[Content]:
    """Open the table that `path` names, `file.zip::member.csv` for one member of a zip.

    Raises:
        DataError: RK-111 to RK-118; RK-113 where the file changed while it was open.
    """
    file, member = split_member(path)
    before = _look(file)
    _check_regular(file, before)
    with TemporaryDirectory(prefix="recsys_kit-", ignore_cleanup_errors=True) as folder:
        yield _unpack(Content(file.name, "", file, Path(folder), ""), PurePosixPath(file.name), member)
    after = _look(file)
    if any(getattr(before, field) != getattr(after, field) for field in ("st_dev", "st_ino", "st_size", "st_mtime_ns")):
        raise DataError(
            "RK-113",
            f"{file.name} changed while it was read; expected a file that nobody writes to.",
            "Wait until its writer is done, or read a copy.",
        )


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


def _check_regular(file: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        is_folder = stat.S_ISDIR(status.st_mode)
        found = (
            f"a folder, with {first_five(inside := sorted(os.listdir(file)), len(inside))}"
            if is_folder
            else "a pipe, socket or device"
        )
        raise DataError(
            "RK-112",
            f"{file.name} is {found}; expected a file that can be read twice.",
            "Name the file in it." if is_folder else "Write its content to a file first.",
        )
    _check_growth(file.name, status.st_size, status.st_size)


def _look(file: Path) -> os.stat_result:
    try:
        status = os.stat(file)
        if stat.S_ISREG(status.st_mode):
            file.open("rb").close()
        return status
    except (OSError, ValueError) as error:
        raise DataError(
            "RK-111",
            f"{file.name!r} cannot be opened: {getattr(error, 'strerror', error)}; expected a file that may be read.",
            "Check the path (a relative one counts from the current folder) and the rights.",
        ) from error


# -- gzip and zip ------------------------------------------------------------------------------------------------------


def _unpack(packed: Content, inner: PurePosixPath, member: str = "", layers: int = 0) -> Content:
    """What lies in `packed`; `inner` is the name that it should answer to."""
    name, suffix = packed.name, inner.suffix.lower()
    kind = find_kind(name, suffix, packed.path)
    if member and kind not in ("zip", "xlsx"):
        raise DataError("RK-118", f"{name} is {kind}, not a zip; only a zip has members.", f"Leave out '::{member}'.")
    if kind in ("text", "parquet"):
        return replace(packed, suffix=suffix, kind=kind)
    if layers == MAX_LAYERS:
        raise DataError("RK-116", f"{name} is packed more than {MAX_LAYERS} times; {EXPECTED}.", SAVE)
    unpacked = replace(packed, path=packed.folder / f"layer {layers}")
    if kind == "gzip":
        cut_off = _gunzip(name, packed.path, unpacked.path) or packed.cut_off
        name_inside = inner.with_suffix("") if inner.suffix else inner
        return _unpack(replace(unpacked, cut_off=cut_off), name_inside, layers=layers + 1)
    if kind == "xlsx":
        with zipfile.ZipFile(packed.path) as archive:
            size = sum(info.file_size for info in archive.infolist())
        _check_growth(name, packed.path.stat().st_size, size)
        notes = write_sheet(name, packed.path, unpacked.path, member)
        return replace(unpacked, suffix=".csv", kind="text", notes=packed.notes + notes)
    chosen, notes = _unzip(name, packed.path, unpacked.path, member)
    unpacked = replace(unpacked, name=f"{name}::{chosen}", notes=packed.notes + notes)
    return _unpack(unpacked, PurePosixPath(chosen), layers=layers + 1)


def _gunzip(name: str, packed: Path, target: Path) -> bool:
    """Unpack to `target`; return whether the file ends in the middle."""
    try:
        with gzip.open(packed) as opened:
            _write_bounded(name, opened, packed.stat().st_size, target)
    except EOFError:
        return True
    except (OSError, zlib.error) as error:
        raise damaged(name, "gzip", error) from error
    return False


def _write_bounded(name: str, opened: Any, packed: int, target: Path) -> None:
    """Write chunk by chunk: what was read is there when the end is missing. Raises (RK-116) for a bomb."""
    with target.open("wb") as out:
        while chunk := opened.read1(CHUNK):
            out.write(chunk)
            _check_growth(name, packed, out.tell())


def _check_growth(name: str, packed: int, size: int) -> None:
    """Raises (RK-116) for more than memory holds, and for a bomb."""
    if size > min(MAX_BYTES, max(SMALL, MAX_RATIO * packed)):
        raise DataError(
            "RK-116",
            f"{name} has {packed:,} bytes and at least {size:,} when unpacked; expected at most {MAX_RATIO} times its "
            f"size and {MAX_BYTES / GIB:g} GiB: a decompression bomb grows more, and the values are held in memory.",
            "If the file is honest, unpack it yourself, split it, or raise MAX_RATIO and MAX_BYTES in "
            "recsys_kit.data.files.unpacking.",
        )


def _unzip(name: str, packed: Path, target: Path, member: str) -> tuple[str, list[dict[str, Any]]]:
    """Unpack the one table in a zip to `target`; return its name and notes."""
    try:
        with zipfile.ZipFile(packed) as archive:
            members = archive.infolist()
            chosen = _choose_member(name, [info for info in members if not info.is_dir()], member)
            with archive.open(chosen) as opened:
                _write_bounded(f"{name}::{chosen.filename}", opened, chosen.compress_size, target)
    except BROKEN_ZIP as error:
        raise damaged(name, "zip", error) from error
    return chosen.filename, [note("one table of the zip is read", 1, chosen.filename)] if len(members) > 1 else []


def _choose_member(name: str, members: list[zipfile.ZipInfo], wanted: str) -> zipfile.ZipInfo:
    found = [info for info in members if info.filename == wanted][-1:] if wanted else _tables(members)
    if len(found) == 1:
        return found[0]
    names = [info.filename for info in found or members]
    listed = first_five(map(repr, names), len(names)) or "nothing"
    problem = f"has no member {wanted!r}; it" if wanted else f"has {len(found) or 'no'} tables; it"
    fix = f"Name one: '{name}::{names[0]}'." if names else "Pass a zip with a table."
    raise DataError("RK-118", f"{name} {problem} holds {listed}; expected one table.", fix)


def _tables(members: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """The members that are tables by name; where there are none, whatever is neither picture nor notebook nor prose."""
    paths = [(info, PurePosixPath(info.filename)) for info in members]
    visible = [
        (info, path.suffix.lower())
        for info, path in paths
        if not any(part.startswith((".", "__MACOSX")) and part != ".." for part in path.parts)
    ]
    known = [info for info, suffix in visible if suffix in KINDS and suffix != ".txt"]
    return known or [info for info, suffix in visible if suffix not in NO_TABLES]
