"""`run.json`, the manifest of a run: how each chapter was made, what it read and wrote, the hash of every artifact.

Its checksum is in `run.json.sha256`. That file is written first and holds the old and the new hash until the manifest
is replaced, so the two agree even if the process is killed between the writes.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from recsys_kit.errors import IntegrityError
from recsys_kit.workbook.runner.storage import hashes_of, json_text, sha256_of, write_atomically, write_json, writing

SCHEMA_VERSION = 2
TRIES = 20
NAME, CHECKSUM = "run.json", "run.json.sha256"
START_OVER = "Start over with --force: every chapter is rerun."


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a run; an empty one if the run is new.

    Raises:
        IntegrityError: RK-410 it does not match its checksum or cannot be read, RK-411 another version of the workbook
            wrote it.
    """
    path = folder / NAME
    for _ in range(TRIES):  # a command may write between our two reads
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return {"schema_version": SCHEMA_VERSION, "chapters": {}, "artifacts": {}}
        found, expected = hashlib.sha256(content).hexdigest(), _checksums(folder)
        if found in expected:
            break
        time.sleep(0.01)
    version = _version_of(content)
    if version not in (None, SCHEMA_VERSION) and (found in expected or not expected):
        problem = f"{path} was written by another version: schema {version}; expected {SCHEMA_VERSION}."
        raise IntegrityError("RK-411", problem, START_OVER)
    if found not in expected:
        known = " or ".join(expected) or "none, there is no run.json.sha256"
        problem = f"{path} is damaged or was edited: sha256 {found}; expected {known}."
        raise IntegrityError("RK-410", problem, START_OVER)
    if version is None:
        raise IntegrityError("RK-410", f"{path} is not the manifest of a run.", START_OVER)
    return json.loads(content)


def _version_of(content: bytes) -> int | None:
    try:
        return json.loads(content)["schema_version"]
    except (ValueError, KeyError, TypeError):
        return None


def _checksums(folder: Path) -> list[str]:
    path = folder / CHECKSUM
    return path.read_text(encoding="utf-8", errors="replace").split() if path.exists() else []


@contextmanager
def edit_manifest(folder: Path) -> Iterator[dict[str, Any]]:
    """Read the manifest, yield it to be changed, and write it back if it was; one writer at a time."""
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
    """Delete the manifest, not the artifacts: every chapter will be rerun."""
    for name in (NAME, CHECKSUM):
        (folder / name).unlink(missing_ok=True)


def recorded(manifest: Mapping[str, Any], name: str) -> dict[str, str]:
    """Return the recorded hash of each file of an artifact; empty if it was never written."""
    return {key: value for key, value in manifest["artifacts"].items() if key == name or key.startswith(f"{name}/")}


def find_damage(folder: Path, expected: Mapping[str, str], name: str) -> str:
    """Describe how the artifact `name` differs from its `expected` hashes; "" if it does not."""
    found = hashes_of(folder / name, folder)
    for file in sorted({*expected, *found}):
        want, have = expected.get(file), found.get(file)
        if have is None:
            return f"{file} is gone; expected sha256 {want}"
        if want is None:
            return f"{file} is not recorded: sha256 {have}; expected no such file"
        if want != have:
            return f"{file} is damaged or from elsewhere: sha256 {have}; expected {want}"
    return ""
