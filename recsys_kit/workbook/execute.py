"""Chapters one after another: progress, our own status of each, what went wrong in one message, and what is kept.

papermill calls every cell completed after a kill, a timeout or an interrupt; the truth is in `run.json`.
"""

import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError

from recsys_kit import errors
from recsys_kit.workbook.engine import Watch, run_notebook
from recsys_kit.workbook.parameters import Chapter
from recsys_kit.workbook.runs import (
    edit_manifest,
    read_json,
    remove_stale,
    shared_name,
    write_atomically,
    write_json,
)
from recsys_kit.workbook.saved_page import write_page
from recsys_kit.workbook.signals import Interrupted, Signals

FAILED = errors.RecsysKitError.exit_code  # of a run that can be resumed; input errors bring their own
CODED = re.compile(r"RK-\d{3} ")


@dataclass(frozen=True)
class Failure:
    """Why a chapter ended early; `cause` is error, memory, killed, timeout or interrupted."""

    cause: str
    message: str
    cell: str
    exit_code: int


@dataclass(frozen=True)
class Outcome:
    """One chapter of this command: `status` as in run.json, seconds, the kernel's peak memory in MB, code cells run."""

    chapter: str
    status: str
    seconds: float
    peak_mb: float
    cells: int
    failure: Failure | None
    page: Path


def execute(
    chapters: Sequence[Chapter],
    folder: Path,
    *,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    others: Sequence[Chapter] = (),
    timeout_s: int | None = None,
) -> list[Outcome]:
    """Run the chapters into `folder` until one fails; `others` are the workbook's chapters that nobody asked for.

    Returns the outcomes of those that were started. Executed notebooks and their pages are kept for failed ones too.
    `timeout_s` is the longest that one cell may take.
    """
    prepare(chapters, folder, others)
    outcomes: list[Outcome] = []
    with Signals() as signals:
        for chapter in chapters:
            values = dict((parameters or {}).get(chapter.name, {}))
            outcomes.append(_run_chapter(chapter, folder, values, timeout_s, signals))
            if outcomes[-1].failure:
                break
    return outcomes


def prepare(chapters: Sequence[Chapter], folder: Path, others: Sequence[Chapter]) -> None:
    """Make the folder and mark the chapters: nothing is `done` that this command has yet to do.

    Raises:
        ParameterError: RK-306 where the folder cannot be written, or holds the notebooks themselves.
    """
    if any(chapter.path.parent.resolve() == (folder / "notebooks").resolve() for chapter in chapters):
        raise errors.ParameterError(
            "RK-306",
            f"out {folder} holds the notebooks themselves.",
            "Pass another folder, such as --out runs/toyshop.",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with edit_manifest(folder) as manifest:
            for chapter in others:
                manifest["chapters"].setdefault(chapter.name, {}).setdefault("status", "not_requested")
            for chapter in chapters:
                manifest["chapters"][chapter.name] = {"status": "skipped", "reason": "not reached"}
    except OSError as problem:
        raise errors.ParameterError(
            "RK-306", f"out {folder} cannot be written: {problem.strerror}.", "Pass another folder with --out."
        ) from None


def _run_chapter(
    chapter: Chapter, folder: Path, values: dict[str, Any], timeout_s: int | None, signals: Signals
) -> Outcome:
    if "run_dir" in chapter.parameters:
        values["run_dir"] = shared_name(folder)
    settings = {name: parameter.default for name, parameter in chapter.parameters.items()} | values
    _record_start(folder, chapter.name, {name: value for name, value in settings.items() if name != "run_dir"})
    notebook = nbformat.read(chapter.path, as_version=4)
    saved = folder / "notebooks" / f"{chapter.name}.ipynb"
    watch = Watch(on_cell=lambda watch: _save(watch.notebook, saved), notebook=notebook)
    started, clock, failure = datetime.now(UTC), time.monotonic(), None
    bar = {"desc": chapter.name} if sys.stderr.isatty() else False
    print(f"{chapter.name}: started, {len(notebook.cells)} cells", flush=True)
    try:
        with signals.listening():
            run_notebook(notebook, values, watch, folder=chapter.path.parent, timeout_s=timeout_s, progress_bar=bar)
    except (Exception, Interrupted) as problem:  # whatever it was, the executed part is kept and the cause recorded
        failure = diagnose(problem, watch, timeout_s)
        _explain(watch.cell, failure)
    _save(watch.notebook, saved)
    write_page(watch.notebook, saved.with_suffix(".html"), title=chapter.name)
    outcome = Outcome(
        chapter.name,
        "done" if failure is None else "interrupted" if failure.cause == "interrupted" else "failed",
        round(time.monotonic() - clock, 2),
        round(watch.peak_bytes / 1e6, 1),
        watch.code_cells,
        failure,
        saved.with_suffix(".html"),
    )
    _record_end(folder, outcome, started)
    _say_end(outcome)
    return outcome


def diagnose(problem: BaseException, watch: Watch, timeout_s: int | None) -> Failure:
    """What ended a chapter early, in one sentence, and the command's exit code.

    >>> diagnose(DeadKernelError("Kernel died"), Watch(), None).cause
    'killed'
    """
    cell = watch.cell.get("id", "none: the kernel did not start")
    if isinstance(problem, Interrupted):
        return Failure("interrupted", f"{problem} reached the command.", cell, problem.exit_code)
    if isinstance(problem, PapermillExecutionError):
        cause = "memory" if problem.ename == "MemoryError" else "error"
        known = getattr(errors, problem.ename, None) if CODED.match(problem.evalue) else None
        message = problem.evalue if known else f"{problem.ename}: {problem.evalue}"
        return Failure(cause, message, cell, getattr(known, "exit_code", FAILED))
    if isinstance(problem, CellTimeoutError):
        return Failure("timeout", f"The cell took longer than {timeout_s} s (--timeout).", cell, FAILED)
    if isinstance(problem, DeadKernelError):
        message = f"The kernel was killed, or ran out of memory. {watch.last_words}".strip()
        return Failure("killed", message, cell, FAILED)
    return Failure("error", f"{type(problem).__name__}: {problem} {watch.last_words}".strip(), cell, FAILED)


def _explain(cell: nbformat.NotebookNode, failure: Failure) -> None:
    """Where there is no traceback, the reader of the executed notebook still sees why it stops here."""
    if cell.get("cell_type") == "code" and failure.cause in ("killed", "timeout", "interrupted"):
        text = f"Stopped here ({failure.cause}): {failure.message}\n"
        cell.outputs.append(nbformat.v4.new_output("stream", name="stderr", text=text))


def _save(notebook: nbformat.NotebookNode, path: Path) -> None:
    write_atomically(path, lambda temporary: nbformat.write(notebook, temporary))


def _record_start(folder: Path, name: str, settings: dict[str, Any]) -> None:
    with edit_manifest(folder) as manifest:
        manifest["chapters"][name] = {"status": "running"}
        manifest.setdefault("parameters", {})[name] = settings
        if "dataset" in settings:
            manifest["source"] = {key: settings.get(key, "") for key in ("dataset", "source")}


def _record_end(folder: Path, outcome: Outcome, started: datetime) -> None:
    times = folder / "timings.json"
    timings = read_json(times) if times.exists() else {}
    timings[outcome.chapter] = {
        "seconds": outcome.seconds,
        "peak_memory_mb": outcome.peak_mb,
        "code_cells": outcome.cells,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_json(times, timings)
    with edit_manifest(folder) as manifest:
        chapter = manifest["chapters"].setdefault(outcome.chapter, {})
        chapter["status"] = outcome.status
        if outcome.status == "done":
            remove_stale(folder, manifest, outcome.chapter)
        if failure := outcome.failure:
            chapter.update(cause=failure.cause, message=failure.message, cell=failure.cell)


def _say_end(outcome: Outcome) -> None:
    print(
        f"{outcome.chapter}: {outcome.status}, {outcome.cells} code cells in {outcome.seconds:.1f} s, "
        f"{outcome.peak_mb:.0f} MB at most",
        flush=True,
    )
    if failure := outcome.failure:
        print(f"{outcome.chapter}: {failure.cause} in cell {failure.cell}: {failure.message}", file=sys.stderr)
        print(f"  What was executed: {outcome.page}", file=sys.stderr, flush=True)
