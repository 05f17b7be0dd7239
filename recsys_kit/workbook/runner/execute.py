"""Execute chapters in order: unchanged ones are reused, and an interrupted run is resumed.

After a kill, a timeout or an interrupt papermill marks every cell as completed; `run.json` has the real status.
"""

import re
import shutil
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
from recsys_kit.workbook.report.saved_page import write_page
from recsys_kit.workbook.runner import engine, lock, runs, storage
from recsys_kit.workbook.runner.manifest import edit_manifest, read_manifest, start_over
from recsys_kit.workbook.runner.parameters import Chapter
from recsys_kit.workbook.runner.places import FILE_OPTIONS, shared_name
from recsys_kit.workbook.runner.progress import Progress, expected_seconds, read_timings
from recsys_kit.workbook.runner.reuse import last_end, made_with, reasons_to_run
from recsys_kit.workbook.runner.signals import Interrupted, Signals

FAILED = errors.RecsysKitError.exit_code  # exit code of a run that can be resumed; input errors have their own
CODED = re.compile(r"RK-\d{3} ")
NO_MEMORY = re.compile(r"MemoryError|OutOfMemory|can't allocate memory|out of memory", re.IGNORECASE)
AGAIN = "the same command resumes at {chapter}"
NEXT = {  # cause -> remedy
    "error": f"Fix what the message names; then {AGAIN}.",
    "killed": f"Nothing is lost: {AGAIN}.",
    "interrupted": f"Nothing is lost: {AGAIN}.",
    "timeout": f"Pass a longer --timeout, or find out what the cell waits for; then {AGAIN}.",
    "memory": "Make the work smaller (--profile quick, --set n_users=..., --set batch_size=...) or add memory; "
    f"then {AGAIN}.",
}


@dataclass(frozen=True)
class Failure:
    """Why a chapter ended early; `cause` is error, memory, killed, timeout, interrupted, or "nothing to do"."""

    cause: str
    message: str
    cell: str
    exit_code: int = FAILED


@dataclass(frozen=True)
class Outcome:
    """One chapter of this command: `status` and `reason` as in run.json."""

    chapter: str
    status: str
    page: Path
    seconds: float = 0.0
    failure: Failure | None = None
    reused: bool = False
    reason: str = ""


def execute(
    chapters: Sequence[Chapter],
    folder: Path,
    *,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    others: Sequence[Chapter] = (),
    timeout_s: int | None = None,
    force: bool = False,
    command: Sequence[str] = (),
) -> list[Outcome]:
    """Run the chapters into `folder` until one fails; chapters that have not changed are reused.

    Args:
        chapters: the chapters, in order.
        folder: folder of the run; its lock is held meanwhile.
        parameters: chapter -> values that differ from the defaults of the notebook.
        others: chapters of the workbook that are not requested.
        timeout_s: limit for one cell, in seconds; None for no limit.
        force: rerun unchanged chapters too; a damaged `run.json` is replaced.
        command: command-line options of this run, for messages that say how to repeat it.

    Returns:
        The outcomes of the chapters that were reached. Executed notebooks and pages are kept for failed ones too.

    Raises:
        BusyError: RK-501 another command works in the folder.
        ParameterError: RK-306 the folder cannot be used.
    """
    _make_folder(chapters, folder)
    outcomes: list[Outcome] = []
    with lock.hold(folder) as held, Signals() as signals:
        _prepare(chapters, folder, others, force=force, command=command)
        with Progress(expected_seconds(chapters, folder)) as progress:
            session = _Session(folder, held, timeout_s, signals, progress)
            for chapter in chapters:
                outcomes.append(session.reuse_or_run(chapter, dict((parameters or {}).get(chapter.name, {})), force))
                if outcomes[-1].failure:
                    break
    if outcomes and (failure := outcomes[-1].failure):
        print(f"{chapter.name}: {failure.cause} in cell {failure.cell}: {failure.message}", file=sys.stderr)
        print(f"  {NEXT[failure.cause].format(chapter=chapter.name)}", file=sys.stderr)
        print(f"  What was executed: {outcomes[-1].page}", file=sys.stderr, flush=True)
    return outcomes


def _make_folder(chapters: Sequence[Chapter], folder: Path) -> None:
    if any(chapter.path.parent.resolve() == (folder / "notebooks").resolve() for chapter in chapters):
        problem = f"out {folder} holds the notebooks themselves."
        raise errors.ParameterError("RK-306", problem, "Pass another folder, such as --out runs/toyshop.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / lock.NAME).touch()
    except OSError as refusal:
        problem = f"out {folder} cannot be written: {refusal.strerror}."
        raise errors.ParameterError("RK-306", problem, "Pass another folder with --out.") from None


def _prepare(
    chapters: Sequence[Chapter], folder: Path, others: Sequence[Chapter], *, force: bool, command: Sequence[str]
) -> None:
    """Delete incomplete files of a killed command, and mark the selected chapters as not reached.

    The earlier state of a chapter is kept as `earlier`, so that it can be reused.
    """
    for path in folder.rglob(f"{storage.TEMPORARY}*"):
        shutil.rmtree(path, ignore_errors=True)
    if force:
        try:
            read_manifest(folder)
        except errors.IntegrityError as problem:
            print(f"{problem} Started over.", file=sys.stderr)
            start_over(folder)
    with edit_manifest(folder) as manifest:
        if command:
            manifest["command"] = list(command)
        manifest["selected"] = [chapter.name for chapter in chapters]
        for chapter in others:
            manifest["chapters"].setdefault(chapter.name, {}).setdefault("status", "not_requested")
        for chapter in chapters:
            earlier = last_end(manifest["chapters"].get(chapter.name, {}))
            manifest["chapters"][chapter.name] = {"status": "not_reached"} | ({"earlier": earlier} if earlier else {})


@dataclass(frozen=True)
class _Session:
    """What all chapters of one command share."""

    folder: Path
    lock: int
    timeout_s: int | None
    signals: Signals
    progress: Progress

    def reuse_or_run(self, chapter: Chapter, values: dict[str, Any], force: bool) -> Outcome:
        """Run the chapter if one of its dependencies has changed; otherwise reuse it."""
        settings = {name: parameter.default for name, parameter in chapter.parameters.items()} | values
        now = made_with(chapter, settings)
        manifest = read_manifest(self.folder)
        reasons = ["--force"] if force else list(reasons_to_run(self.folder, manifest, chapter, now))
        return self.run(chapter, values, now, reasons) if reasons else self.reuse(chapter)

    def reuse(self, chapter: Chapter) -> Outcome:
        """Record that the chapter is reused."""
        name = chapter.name
        with edit_manifest(self.folder) as manifest:
            state = manifest["chapters"][name] = {**last_end(manifest["chapters"][name]), "reused": True}
        self.progress.end(name, "reused", 0.0, "nothing has changed")
        return Outcome(name, state["status"], self._page(name), reused=True, reason=state.get("reason", ""))

    def _page(self, name: str) -> Path:
        return self.folder / "notebooks" / f"{name}.html"

    def run(self, chapter: Chapter, values: dict[str, Any], now: dict[str, Any], reasons: list[str]) -> Outcome:
        """Execute the notebook and record how it ended."""
        name, page = chapter.name, self._page(chapter.name)
        if "run_dir" in chapter.parameters:
            values["run_dir"] = shared_name(self.folder)
        with edit_manifest(self.folder) as manifest:
            manifest["chapters"][name] = {"status": "running"}
            manifest.setdefault("parameters", {})[name] = now["parameters"]
        notebook = nbformat.read(chapter.path, as_version=4)
        watch = engine.Watch(
            on_start=lambda watch: self.progress.cell(name, watch.cell.get("id", ""), watch.index),
            on_cell=lambda watch: _save(watch.notebook, page),
            notebook=notebook,
        )
        started, clock, failure = datetime.now(UTC), time.monotonic(), None
        self.progress.start(name, len(notebook.cells), "; ".join(reasons[:3]))
        try:
            with self.signals.listening():
                engine.run_notebook(
                    notebook, values, watch, folder=chapter.path.parent, timeout_s=self.timeout_s, lock=self.lock
                )
        except (Exception, Interrupted) as problem:  # any error: keep the executed part, record the cause
            failure = diagnose(problem, watch, self.timeout_s)
        status = "done"
        if failure:
            status = {"nothing to do": "skipped", "interrupted": "interrupted"}.get(failure.cause, "failed")
        if status == "skipped":
            failure = None
            _show_as_skipped(watch.notebook)
        elif failure:
            _mark_stop(watch.cell, failure)
        _save(watch.notebook, page)
        write_page(watch.notebook, page, title=name)
        seconds, peak_mb = round(time.monotonic() - clock, 2), round(watch.peak_bytes / 1e6, 1)
        timings = {
            "seconds": seconds,
            "peak_memory_mb": peak_mb,
            "code_cells": watch.code_cells,
            "started": started.isoformat(timespec="seconds"),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        storage.write_json(self.folder / "timings.json", read_timings(self.folder) | {name: timings})
        reason = _record_end(self.folder, name, status, failure, now)
        note = reason or f"{watch.code_cells} code cells in {seconds:.1f} s, {peak_mb:.0f} MB at most"
        self.progress.end(name, status, seconds, f"{failure.cause} in {failure.cell}" if failure else note)
        return Outcome(name, status, page, seconds, failure, reason=reason)


def diagnose(problem: BaseException, watch: engine.Watch, timeout_s: int | None) -> Failure:
    """Return why a chapter ended early, in one sentence, and the exit code of the command.

    >>> diagnose(DeadKernelError("Kernel died"), engine.Watch(), None).cause
    'killed'
    """
    cell = watch.cell.get("id", "none: the kernel did not start")
    if isinstance(problem, Interrupted):
        return Failure("interrupted", f"{problem} reached the command.", cell, problem.exit_code)
    if isinstance(problem, PapermillExecutionError):
        if problem.ename == "NothingToDo":
            return Failure("nothing to do", problem.evalue, cell)
        if CODED.match(problem.evalue):
            known = getattr(errors, problem.ename, errors.DataError)  # a question is one, too
            return Failure("error", problem.evalue, cell, known.exit_code)
        message = f"{problem.ename}: {problem.evalue}"
        return Failure("memory" if NO_MEMORY.search(message) else "error", message, cell)
    if isinstance(problem, CellTimeoutError):
        return Failure("timeout", f"The cell took longer than {timeout_s} s (--timeout).", cell)
    if isinstance(problem, DeadKernelError):
        if watch.ran_out_of_memory():
            message = f"The system killed the kernel because memory ran out; it held {watch.peak_bytes / 1e9:.1f} GB."
            return Failure("memory", message, cell)
        return Failure("killed", f"The kernel {watch.how_it_ended()}. {watch.last_words}".strip(), cell)
    return Failure("error", f"{type(problem).__name__}: {problem} {watch.last_words}".strip(), cell)


def _mark_stop(cell: nbformat.NotebookNode, failure: Failure) -> None:
    """Say in the executed notebook why it stops at this cell, if there is no traceback."""
    if cell.get("cell_type") == "code" and failure.cause in ("killed", "timeout", "interrupted", "memory"):
        text = f"Stopped here ({failure.cause}): {failure.message}\n"
        cell.outputs.append(nbformat.v4.new_output("stream", name="stderr", text=text))


def _show_as_skipped(notebook: nbformat.NotebookNode) -> None:
    """Replace papermill's error marks by the reason: a skipped chapter has not failed."""
    notebook.cells = [c for c in notebook.cells if "papermill-error-cell-tag" not in c.metadata.get("tags", [])]
    for cell in notebook.cells:
        for place, output in enumerate(cell.get("outputs", [])):
            if output.output_type == "error":
                reason = {"text/markdown": f"**{output.evalue}**", "text/plain": output.evalue}
                cell.outputs[place] = nbformat.v4.new_output("display_data", data=reason)


def _save(notebook: nbformat.NotebookNode, page: Path) -> None:
    """Write an executed notebook beside its page."""
    storage.write_atomically(page.with_suffix(".ipynb"), lambda temporary: nbformat.write(notebook, temporary))


def _record_end(folder: Path, name: str, status: str, failure: Failure | None, now: dict[str, Any]) -> str:
    """Record how a chapter ended, and return why it was skipped, if it was."""
    with edit_manifest(folder) as manifest:
        chapter = manifest["chapters"].setdefault(name, {})
        chapter["status"] = status
        if failure:
            remedy = NEXT[failure.cause].format(chapter=name)
            chapter.update(cause=failure.cause, message=failure.message, cell=failure.cell, next=remedy)
        else:
            chapter["made_with"] = now
            runs.remove_stale(folder, manifest, name)
            if "dataset" in (settings := now["parameters"]):
                files = {key: settings[key] for key in FILE_OPTIONS if settings.get(key)}
                manifest["source"] = {"dataset": settings["dataset"], **files}
        return chapter.get("reason", "")
