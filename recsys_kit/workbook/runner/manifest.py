"""`run.json`, the memory of a run: what each chapter was made with, read and wrote, and the hash of every artifact.

Beside it lies `run.json.sha256`. It is written first and names the old and the new hash until the manifest itself is in
place, so that a kill at any moment leaves a pair that agrees.
"""

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from recsys_kit.errors import IntegrityError
from recsys_kit.workbook.runner.storage import json_text, sha256_of, write_atomically, write_json, writing

SCHEMA_VERSION = 2
TRIES = 20
NAME, CHECKSUM = "run.json", "run.json.sha256"
START_OVER = "Start it over with --force: every chapter runs anew."


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run; a new one where there is none.

    Raises:
        IntegrityError: RK-410 where it does not match its checksum or cannot be read, RK-411 where another version of
            the workbook wrote it.
    """
    path = folder / NAME
    for _ in range(TRIES):  # a command that works in the folder may write between our two reads
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return {"schema_version": SCHEMA_VERSION, "chapters": {}, "artifacts": {}}
        found, expected = hashlib.sha256(content).hexdigest(), _checksums(folder)
        if found in expected:
            break
        time.sleep(0.01)
    else:
        if not expected and _version_of(content) not in (None, SCHEMA_VERSION):
            raise _other_version(path, _version_of(content))
        known = " or ".join(expected) or "none, there is no run.json.sha256"
        raise IntegrityError(
            "RK-410", f"{path} is damaged or was edited: sha256 {found}; expected {known}.", START_OVER
        )
    version = _version_of(content)
    if version is None:
        raise IntegrityError("RK-410", f"{path} is not the manifest of a run.", START_OVER)
    if version != SCHEMA_VERSION:
        raise _other_version(path, version)
    return json.loads(content)


def _version_of(content: bytes) -> int | None:
    try:
        return json.loads(content)["schema_version"]
    except (ValueError, KeyError, TypeError):
        return None


def _other_version(path: Path, version: int | None) -> IntegrityError:
    problem = f"{path} was written by another version: schema {version}; expected {SCHEMA_VERSION}."
    return IntegrityError("RK-411", problem, START_OVER)


def _checksums(folder: Path) -> list[str]:
    path = folder / CHECKSUM
    return path.read_text(encoding="utf-8", errors="replace").split() if path.exists() else []


@contextmanager
def edit_manifest(folder: Path) -> Iterator[dict[str, Any]]:
    """Read the manifest, let the caller change it, write it back; one writer at a time."""
    with writing(folder / ".edit"):
        turn = FileLock(folder / ".edit").acquire(poll_interval=0.01)
    with turn:
        manifest = read_manifest(folder)
        before = json_text(manifest)
        yield manifest
        if json_text(manifest) != before or not (folder / NAME).exists():
            _write(folder, manifest)


def _write(folder: Path, manifest: dict[str, Any]) -> None:
    new = hashlib.sha256(json_text(manifest).encode()).hexdigest()
    old = [sha256_of(folder / NAME)] if (folder / NAME).exists() else []
    _write_checksums(folder, [*old, new])
    write_json(folder / NAME, manifest)
    _write_checksums(folder, [new])


def _write_checksums(folder: Path, hashes: list[str]) -> None:
    text = "\n".join(hashes) + "\n"
    write_atomically(folder / CHECKSUM, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def start_over(folder: Path) -> None:
    """Forget what is recorded (not what is written): every chapter will run anew."""
    for name in (NAME, CHECKSUM):
        (folder / name).unlink(missing_ok=True)
