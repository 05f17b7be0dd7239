"""Which chapters would run, and why: a chapter runs again only when something that it depends on is another by now.

It depends on its cells, its parameters, the source of this package, the versions of the libraries that matter, and on
every artifact and file that it read. Its own outputs must be what it wrote.
"""

import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import nbformat

from recsys_kit.workbook.runner import lock
from recsys_kit.workbook.runner.parameters import Chapter
from recsys_kit.workbook.runner.runs import damage, library_versions, maker_of, recorded
from recsys_kit.workbook.runner.storage import ABSENT, digest_of, hashes_of, sha256_of

PACKAGE = Path(__file__).resolve().parents[2]
SOURCES = (".py", ".j2")
PAGES = (".ipynb", ".html")
NOT_COMPARED = ("run_dir",)  # where a run lies does not change what it makes


def made_with(chapter: Chapter, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a chapter is about to be made with, except for what it will read: plain values for the manifest."""
    return {
        "cells": _hash_cells(chapter.path),
        "package": hash_package(PACKAGE),
        "parameters": {name: value for name, value in sorted(settings.items()) if name not in NOT_COMPARED},
        "versions": library_versions(),
    }


def _hash_cells(path: Path) -> str:
    """Code and prose of every cell: the executed page shows both."""
    cells = [(cell.cell_type, cell.source) for cell in nbformat.read(path, as_version=4).cells]
    return hashlib.sha256(repr(cells).encode()).hexdigest()


@cache
def hash_package(folder: Path) -> str:
    """One digest of every source file of a package; bytecode does not count."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in SOURCES)
    return digest_of({str(path.relative_to(folder)): sha256_of(path) for path in files})


def reasons_to_run(
    folder: Path, manifest: Mapping[str, Any], chapter: Chapter, now: Mapping[str, Any]
) -> Iterator[str]:
    """Why a chapter has to run, in words; nothing where what lies in the folder can be reused.

    Args:
        folder: of the run.
        manifest: its `run.json`.
        chapter: which one.
        now: what it would be made with today.
    """
    state = last_end(manifest["chapters"].get(chapter.name, {}))
    if "made_with" not in state:
        yield _why_unfinished(folder, state)
        return
    yield from _changes(state["made_with"], now)
    for name, digest in state.get("inputs", {}).items():
        if (found := digest_of(hashes_of(folder / name, folder))) != digest:
            yield f"{name} {_how(digest, found)}"
    for file, digest in state.get("files", {}).items():
        path = Path(file)
        if (found := sha256_of(path) if path.is_file() else ABSENT) != digest:
            yield f"{path.name} {_how(digest, found)}"
    for name in state.get("outputs", []):
        if problem := damage(folder, recorded(manifest, name), name):
            yield problem
    for ending in PAGES:
        if not (page := folder / "notebooks" / f"{chapter.name}{ending}").exists():
            yield f"notebooks/{page.name} is gone"


def last_end(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The chapter as it last ended: while a command is on its way to it, what it was before is kept aside."""
    return state.get("earlier", state)


def _why_unfinished(folder: Path, state: Mapping[str, Any]) -> str:
    status = state.get("status", "not_requested")
    why = {
        "running": "it is running now" if lock.is_held(folder) else "it was killed with its command",
        "opened_by_hand": "it was opened by hand",
        "failed": f"it failed ({state.get('cause', 'error')})",
        "interrupted": "it was interrupted",
    }
    return why.get(status, "it has not run yet")


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for kind in ("parameters", "versions"):
        was, is_now = before[kind], now[kind]
        for name in sorted({*was, *is_now}):
            if was.get(name) != is_now.get(name) or (name in was) != (name in is_now):
                yield f"{name} was {was.get(name, 'not there')!r}, is {is_now.get(name, 'not there')!r}"
    if before["cells"] != now["cells"]:
        yield "its cells have changed"
    if before["package"] != now["package"]:
        yield "the source of recsys_kit has changed"


def _how(before: str, now: str) -> str:
    return "is new" if before == ABSENT else "is gone" if now == ABSENT else "has changed"


def forecast(
    folder: Path, manifest: Mapping[str, Any], chapters: list[Chapter], settings: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[str]]:
    """For each chapter why it would run, in order; what reads artifacts that will be made anew has to look again."""
    reasons: dict[str, list[str]] = {}
    for chapter in chapters:
        reasons[chapter.name] = list(
            reasons_to_run(folder, manifest, chapter, made_with(chapter, settings[chapter.name]))
        )
        inputs = last_end(manifest["chapters"].get(chapter.name, {})).get("inputs", {})
        makers = sorted({maker_of(name) for name in inputs})
        reasons[chapter.name] += [
            f"it reads what {maker} will make" for maker in makers if reasons.get(maker) and maker != chapter.name
        ]
    return reasons
