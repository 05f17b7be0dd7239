"""Real papermill, real kernels, notebooks that break in every way: our own status tells the truth."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from recsys_kit.errors import ParameterError
from recsys_kit.workbook.runner import engine
from recsys_kit.workbook.runner.execute import execute
from recsys_kit.workbook.runner.parameters import list_chapters, select_chapters
from recsys_kit.workbook.runner.signals import Signals

BROKEN = Path(__file__).parents[1] / "notebooks" / "broken"


def run(folder: Path, only: list[str], **options):
    chapters = list_chapters(BROKEN)
    chosen = select_chapters(chapters, only)
    return execute(chosen, folder, others=[c for c in chapters if c not in chosen], **options)


def state_of(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


def statuses(folder: Path) -> dict[str, str]:
    return {name[:2]: chapter["status"] for name, chapter in state_of(folder)["chapters"].items()}


def kernels_of(command: subprocess.Popen) -> list[psutil.Process]:
    """The kernels that the command has started; other tests may run theirs at the same time."""
    found = psutil.Process(command.pid).children(recursive=True)
    kernels = [process for process in found if "ipykernel_launcher" in process.cmdline()]
    assert kernels
    return kernels


def disposed_as_by_default() -> None:
    """In the child: signals end it, also where the caller of the tests ignores them, as `nohup` and `&` do."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "odd {name} <b>"
    outcomes = run(folder, ["01"], parameters={"01_fine": {"share": 0.25, "source": "{x} 'quoted' \\ \n"}})
    return folder, outcomes


def test_a_chapter_that_ends_is_done_with_its_parameters_and_source(done):
    folder, outcomes = done
    assert [(o.chapter, o.status, o.failure) for o in outcomes] == [("01_fine", "done", None)]
    assert statuses(folder) == {"01": "done"} | dict.fromkeys(("02", "03", "04", "05", "06", "07"), "not_requested")
    state = state_of(folder)
    assert state["parameters"]["01_fine"]["share"] == 0.25
    assert state["parameters"]["01_fine"]["seed"] == 7
    assert "run_dir" not in state["parameters"]["01_fine"]  # it would tie the manifest to one machine
    assert state["source"] == {"dataset": "toyshop", "source": "{x} 'quoted' \\ \n"}
    assert json.loads((folder / "results/data_report.json").read_text())["share"] == 0.25


def test_times_and_memory_are_kept_apart_from_the_manifest(done):
    folder, outcomes = done
    times = json.loads((folder / "timings.json").read_text())["01_fine"]
    assert times["seconds"] == outcomes[0].seconds > 0
    assert 30 < times["peak_memory_mb"] < 2000
    assert times["started"] <= times["finished"]
    assert "seconds" not in json.dumps(state_of(folder))


def test_the_kernel_is_the_python_of_the_command(done):
    notebook = nbformat.read(done[0] / "notebooks/01_fine.ipynb", as_version=4)
    printed = next(cell for cell in notebook.cells if cell.id == "python").outputs[0].text
    assert printed.strip() == sys.executable


def test_figures_are_in_the_notebook_and_the_page(done):
    notebook = nbformat.read(done[0] / "notebooks/01_fine.ipynb", as_version=4)
    figure = next(cell for cell in notebook.cells if cell.id == "figure")
    assert any("image/png" in output.get("data", {}) for output in figure.outputs)
    assert "data:image/png;base64" in (done[0] / "notebooks/01_fine.html").read_text()


def test_nothing_unfinished_is_left_in_the_folder(done):
    assert [path.name for path in done[0].rglob(".writing-*")] == []


@pytest.mark.parametrize(
    ("number", "cause", "cell", "words", "code"),
    [
        ("02", "error", "divide", "ZeroDivisionError: division by zero", 3),
        ("03", "killed", "kill-itself", "The kernel was killed (SIGKILL)", 3),
        ("04", "timeout", "wait", "longer than 2 s", 3),
        ("05", "error", "read", "RK-104 interactions is missing column 'timestamp'", 2),
        ("06", "error", "read", "RK-401 data/train.parquet is missing", 2),
        ("07", "memory", "allocate", "Unable to allocate 7.11 PiB", 3),
    ],
)
def test_a_chapter_that_breaks_has_its_cause_and_what_it_executed(tmp_path, capsys, number, cause, cell, words, code):
    (outcome,) = run(tmp_path, [number], timeout_s=2 if cause == "timeout" else 60)  # imports take a while
    assert (outcome.status, outcome.failure.cause, outcome.failure.cell) == ("failed", cause, cell)
    assert words in outcome.failure.message
    assert outcome.failure.exit_code == code
    (state,) = [c for name, c in state_of(tmp_path)["chapters"].items() if name.startswith(number)]
    assert (state["status"], state["cause"], state["cell"]) == ("failed", cause, cell)
    said = capsys.readouterr().err
    assert words in said
    assert f"{outcome.page}" in said
    assert f"resumes at {outcome.chapter}" in said
    assert state["next"] in said
    assert "Traceback" not in said
    notebook = nbformat.read(outcome.page.with_suffix(".ipynb"), as_version=4)
    assert next(c for c in notebook.cells if c.id == cell).metadata.papermill.status == "failed"
    later = [c.metadata.papermill.status for c in notebook.cells if c.id == "never"]
    assert later in ([], ["pending"])
    if cause in ("killed", "timeout"):
        assert f"Stopped here ({cause})" in outcome.page.read_text()


def test_a_kernel_that_the_system_kills_for_want_of_memory_is_told_apart(tmp_path, monkeypatch, capsys):
    counts = iter([0, 1])
    monkeypatch.setattr(engine, "count_memory_kills", lambda: next(counts))
    (outcome,) = run(tmp_path, ["03"])
    assert outcome.failure.cause == "memory"
    assert "because memory ran out" in outcome.failure.message
    assert "--set n_users" in capsys.readouterr().err


def test_what_follows_a_failure_is_not_reached_and_earlier_records_stay(tmp_path):
    run(tmp_path, ["01"])
    outcomes = run(tmp_path, ["02", "05"])
    assert [o.chapter for o in outcomes] == ["02_raises"]
    others = dict.fromkeys(("03", "04", "06", "07"), "not_requested")
    assert statuses(tmp_path) == {"01": "done", "02": "failed", "05": "not_reached"} | others


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_run_keeps_what_was_executed_and_leaves_no_kernel(tmp_path, number, code):
    script = (
        "import sys; from pathlib import Path; from tests.workbook.test_execute import run; "
        f"sys.exit(run(Path({str(tmp_path)!r}), ['01', '04', '05'])[-1].failure.exit_code)"
    )
    command = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=BROKEN.parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=disposed_as_by_default,
    )
    saved = tmp_path / "notebooks/04_hangs.ipynb"
    deadline = time.monotonic() + 90
    while not saved.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(0.5)  # into the cell that waits
    kernels = kernels_of(command)
    os.kill(command.pid, number)
    try:
        _, said = command.communicate(timeout=60)
    finally:
        command.kill()
    assert command.returncode == code, said
    assert "Traceback" not in said
    assert {k: statuses(tmp_path)[k] for k in ("01", "04", "05")} == {
        "01": "done",
        "04": "interrupted",
        "05": "not_reached",
    }
    assert "waiting" in saved.read_text()
    assert saved.with_suffix(".html").exists()
    assert [kernel for kernel in kernels if kernel.is_running()] == []


def test_a_signal_that_the_caller_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_kernel_ends_when_its_command_is_killed(tmp_path):
    script = (
        f"from pathlib import Path; from tests.workbook.test_execute import run; run(Path({str(tmp_path)!r}), ['04'])"
    )
    command = subprocess.Popen([sys.executable, "-c", script], cwd=BROKEN.parents[2], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while not (tmp_path / "notebooks/04_hangs.ipynb").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    kernels = kernels_of(command)
    command.kill()
    command.wait()
    assert psutil.wait_procs(kernels, timeout=5)[1] == []


def test_a_folder_that_cannot_be_a_run_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ParameterError, match="RK-306"):
        run(tmp_path / "file", ["01"])
    (tmp_path / "notebooks").symlink_to(BROKEN)
    with pytest.raises(ParameterError, match=r"RK-306 .* holds the notebooks themselves"):
        run(tmp_path, ["01"])
