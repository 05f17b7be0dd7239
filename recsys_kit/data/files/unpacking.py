"""Path -> one table on disk: a file that may be read, and what lies inside gzip, zip and workbooks.

What a file is, its bytes say, as `formats.toml` declares. A name that says something else is an error, not a hint.
"""

import gzip
import lzma
import os
import re
import stat
import struct
import tomllib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from recsys_kit.data.files.rows import damaged, first_five, note, unclear_member
from recsys_kit.data.files.workbook import write_sheet
from recsys_kit.errors import DataError

FORMATS: dict[str, Any] = tomllib.loads(Path(__file__).with_name("formats.toml").read_text(encoding="utf-8"))
SUFFIXES = {suffix: kind for kind, suffixes in FORMATS["suffixes"].items() for suffix in suffixes}
GIB = 1024**3
MAX_BYTES = 4 * GIB  # of one file, unpacked: its values are held in memory
MAX_RATIO = 200  # unpacked : packed; text rarely passes 30, a bomb reaches 1,000
SMALL = 64 * 1024**2  # up to here any ratio is harmless
CHUNK = 1024**2
MAX_LAYERS = 3  # a gzip in a zip is common, more than that is unusual
BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError, ValueError, RuntimeError,
    LookupError, ArithmeticError, AttributeError, TypeError, SyntaxError,
)  # fmt: skip
JSON = re.compile(r'\s*(\{\s*["}]|\[\s*[{\]])')
_HIDDEN = re.compile(r"(^|/)(\.(?!\.?/)|__MACOSX)")


@dataclass(frozen=True)
class Content:
    """The file of one table, out of whatever it was packed in."""

    name: str
    """The file as the reader knows it, with the member of a zip: for messages."""
    path: Path
    """The user's file, or what was unpacked from it into `folder`."""
    folder: Path
    """A temporary folder that lives as long as the content is open."""
    suffix: str = ""
    """Of the table inside: .csv for a.csv.gz."""
    kind: str = ""
    """text or parquet."""
    cut_off: bool = False
    """True where the packed file ends in the middle."""
    notes: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def open_content(path: str | Path) -> Iterator[Content]:
    """Open the table that `path` names, `file.zip::member.csv` for one member of a zip.

    Raises:
        DataError: RK-111 to RK-118, RK-134; RK-113 where the file changed while it was open.
    """
    file, member = split_member(path)
    before = _look(file)
    with TemporaryDirectory(prefix="recsys_kit-", ignore_cleanup_errors=True) as folder:
        yield _unpack(Content(file.name, file, Path(folder)), PurePosixPath(file.name), member)
    after = _look(file)
    if any(getattr(before, field) != getattr(after, field) for field in ("st_dev", "st_ino", "st_size", "st_mtime_ns")):
        problem = f"{file.name} changed while it was read; expected a file that nobody writes to."
        raise DataError("RK-113", problem, "Wait until its writer is done, or read a copy.")


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


def _look(file: Path) -> os.stat_result:
    """Raises (RK-111) for a file that cannot be opened, (RK-112) for what is no file, (RK-116)."""
    try:
        status = os.stat(file)
        inside = sorted(os.listdir(file)) if stat.S_ISDIR(status.st_mode) else []
        if is_file := stat.S_ISREG(status.st_mode):
            file.open("rb").close()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", error)
        fix = "Check the path (a relative one counts from the current folder) and the rights."
        raise DataError("RK-111", f"{file.name!r} cannot be opened: {why}; expected a readable file.", fix) from error
    if not is_file:
        found = f"a folder, with {first_five(inside, len(inside))}" if inside else "a pipe, a device or an empty folder"
        problem = f"{file.name} is {found}; expected a file that can be read twice."
        raise DataError("RK-112", problem, "Name the file in it, or write its content to a file first.")
    _check_growth(file.name, status.st_size, status.st_size)
    return status


# -- what it is --------------------------------------------------------------------------------------------------------


def _find_kind(packed: Content, suffix: str) -> str:
    """The kind of a file by its bytes. Raises (RK-115) for no table, (RK-114) for a name that lies."""
    with packed.path.open("rb") as file:
        start = file.read(4096).decode("latin-1")
    starts = (start, start.lstrip("ï»¿ \t\r\n").lower())
    kind = next((kind for kind, magic in FORMATS["magic"].items() if start.startswith(tuple(magic))), "text")
    known = (what for what, magic in FORMATS["foreign"].items() if any(one.startswith(tuple(magic)) for one in starts))
    foreign = "a tar archive" if start[257:262] == "ustar" else next(known, "")
    if kind == "zip":
        members = set()
        with suppress(*BROKEN), zipfile.ZipFile(packed.path) as archive:
            members = set(archive.namelist())
        if "xl/workbook.xml" in members:
            kind = "xlsx"
        elif members & {"[Content_Types].xml", "content.xml"}:
            foreign = "an Office document"
    if foreign:
        raise DataError("RK-115", f"{packed.name} is {foreign}, not a table; {FORMATS['expected']}.", FORMATS["save"])
    if suffix in (".csv", ".tsv") and JSON.match(starts[1]):
        kind = "jsonl"
    if SUFFIXES.get(suffix, kind) != kind:
        right = {"gzip": f"{suffix}.gz", "zip": f"{suffix}.zip", "text": ".csv, if it is whole"}.get(kind, f".{kind}")
        problem = f"{packed.name} is called {suffix} and is {kind}; expected what its name says."
        raise DataError("RK-114", problem, f"Rename it, so that it ends in {right}.")
    return kind


def _unpack(packed: Content, inner: PurePosixPath, member: str = "", layers: int = 0) -> Content:
    """What lies in `packed`; `inner` is the name that it should answer to."""
    name, suffix, size = packed.name, inner.suffix.lower(), packed.path.stat().st_size
    kind = _find_kind(packed, suffix)
    if member and kind not in ("zip", "xlsx"):
        raise DataError("RK-118", f"{name} is {kind}, not a zip; only a zip has members.", f"Leave out '::{member}'.")
    if kind in ("text", "parquet"):
        return replace(packed, suffix=suffix, kind=kind)
    if layers == MAX_LAYERS:
        problem = f"{name} is packed more than {MAX_LAYERS} times; {FORMATS['expected']}."
        raise DataError("RK-116", problem, "Unpack it, or save the table as 'CSV UTF-8'.")
    unpacked = replace(packed, path=packed.folder / f"layer {layers}")
    try:
        if kind == "gzip":
            with gzip.open(packed.path) as opened:
                cut_off = not _write_bounded(name, opened, size, unpacked.path)
            inner, unpacked = inner.with_suffix(""), replace(unpacked, cut_off=cut_off or packed.cut_off)
        else:
            with zipfile.ZipFile(packed.path) as archive:
                infos = {info.filename: info for info in archive.infolist() if not info.is_dir()}
                if kind == "xlsx":
                    _check_growth(name, size, sum(info.file_size for info in infos.values()))
                    notes = write_sheet(name, packed.path, unpacked.path, member)
                    return replace(unpacked, suffix=".csv", kind="text", notes=packed.notes + notes)
                chosen = _choose_member(name, list(infos), member)
                notes = [note("one table of the zip is read", 1, chosen)] if len(infos) > 1 else []
                unpacked = replace(unpacked, name=f"{name}::{chosen}", notes=packed.notes + notes)
                with archive.open(chosen) as opened:
                    if not _write_bounded(unpacked.name, opened, infos[chosen].compress_size, unpacked.path):
                        raise EOFError("it ends in the middle")
            inner = PurePosixPath(chosen)
    except BROKEN as error:
        raise damaged(name, kind, error) from error
    return _unpack(unpacked, inner, layers=layers + 1)


def _write_bounded(name: str, opened: Any, packed: int, target: Path) -> bool:
    """Write chunk by chunk; return whether the end is there. Raises (RK-116) for a bomb."""
    with target.open("wb") as out, suppress(EOFError):
        while chunk := opened.read1(CHUNK):
            out.write(chunk)
            _check_growth(name, packed, out.tell())
        return True
    return False


def _check_growth(name: str, packed: int, size: int) -> None:
    """Raises (RK-116) for more than memory holds, and for a bomb."""
    if size > min(MAX_BYTES, max(SMALL, MAX_RATIO * packed)):
        limit = f"at most {MAX_RATIO} times that and {MAX_BYTES / GIB:g} GiB, as a bomb has more"
        problem = f"{name} has {packed:,} bytes and at least {size:,} when unpacked; expected {limit}."
        fix = "Unpack it yourself, split it, or raise MAX_RATIO and MAX_BYTES in recsys_kit.data.files.unpacking."
        raise DataError("RK-116", problem, fix)


def _choose_member(name: str, names: list[str], wanted: str) -> str:
    """The wanted member, or the one table by name; without any, what is neither picture nor notebook nor prose."""
    visible = {one: PurePosixPath(one).suffix.lower() for one in names if not _HIDDEN.search(one)}
    tables = [one for one, suffix in visible.items() if suffix in SUFFIXES and suffix != ".txt"]
    tables = tables or [one for one, suffix in visible.items() if suffix not in FORMATS["no_tables"]]
    found = [one for one in names if one == wanted] if wanted else tables
    if len(found) != 1:
        problem = f"has no member {wanted!r}" if wanted else f"has {len(found) or 'no'} tables"
        raise unclear_member(name, problem, found or names)
    return found[0]
