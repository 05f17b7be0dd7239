"""Write files of a run atomically, and identify them by their hash."""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_kit.errors import ArtifactError

ABSENT = "absent"
TEMPORARY = ".writing-"
NOT_WRITABLE = {
    getattr(errno, name) for name in ("EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EFBIG", "ENOTDIR", "EIO")
    if hasattr(errno, name)
}  # fmt: skip


def sha256_of(path: Path) -> str:
    """Return the hex digest of one file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashes_of(path: Path, root: Path) -> dict[str, str]:
    """Return the digests of a file or of all files in a folder, by their names below `root`; empty if missing."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path] if path.exists() else []
    return {file.relative_to(root).as_posix(): sha256_of(file) for file in files if not file.is_dir()}


def digest_of(hashes: dict[str, str]) -> str:
    """Return one digest of an artifact: that of its file, or of all files of a folder; "absent" if missing.

    >>> digest_of({}), digest_of({"data/items.parquet": "ab12"})
    ('absent', 'ab12')
    """
    if len(hashes) < 2:
        return next(iter(hashes.values()), ABSENT)
    lines = "\n".join(f"{name} {value}" for name, value in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors of the disk (read-only, full, no permission) into `ArtifactError` RK-505."""
    try:
        yield
    except OSError as problem:
        if problem.errno not in NOT_WRITABLE:
            raise
        raise ArtifactError(
            "RK-505",
            f"{path} cannot be written: {problem.strerror}; expected a writable folder on a disk with free space.",
            "Free some space, or pass another folder.",
        ) from problem


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` make a temporary file or folder beside `path`, flush it to disk, then rename it.

    Readers of a file see the old content or the new. An old folder is moved away first: after a kill at that moment
    the folder is missing, and its chapter is rerun.

    Raises:
        ArtifactError: RK-505 the disk refuses.
    """
    with writing(path):
        write_whole(path, write)


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """As `write_atomically`, but raise the OSError of the disk, for callers with a remedy of their own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=TEMPORARY) as folder:
        new = Path(folder, path.name)
        write(new)
        for file in filter(Path.is_file, [new, *new.rglob("*")]):
            with file.open("r+b") as written:  # Windows flushes only what is open for writing
                os.fsync(written.fileno())
        if path.is_dir() and new.is_dir():  # a file does not replace a folder
            path.rename(Path(folder, f"{path.name}.old"))
        new.replace(path)
    if os.name == "posix":  # Windows cannot open a folder
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def json_text(value: Any) -> str:
    """Return JSON with sorted keys and without NaN: the same value gives the same bytes."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write plain values as JSON, atomically."""
    text = json_text(value)
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def read_json(path: Path) -> Any:
    """Return the values of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_parquet(frames: pd.DataFrame | Iterable[pd.DataFrame], path: Path) -> None:
    """Write a frame, or one after the other of the same columns, without index, with checksums of the pages."""
    frames = iter([frames] if isinstance(frames, pd.DataFrame) else frames)
    table = pa.Table.from_pandas(next(frames), preserve_index=False)
    with pq.ParquetWriter(path, table.schema, write_page_checksum=True) as writer:
        writer.write_table(table)
        for frame in frames:
            writer.write_table(pa.Table.from_pandas(frame, schema=table.schema, preserve_index=False))


def read_parquet(path: Path) -> pd.DataFrame:
    """Return a frame; raise OSError if a page does not match its checksum."""
    return pq.read_table(path, page_checksum_verification=True).to_pandas()


WRITERS: dict[str, Callable[[Any, Path], Any]] = {
    ".parquet": write_parquet,
    ".csv": lambda frame, path: frame.to_csv(path, index=False),
    ".json": lambda value, path: write_json(path, value),
}
READERS: dict[str, Callable[[Path], Any]] = {".parquet": read_parquet, ".csv": pd.read_csv, ".json": read_json}
