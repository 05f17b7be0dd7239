"""One command at a time: the second is refused at once, a dead one frees the folder, its kernel included."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from recsys_kit.errors import BusyError
from recsys_kit.workbook.runner import lock
from recsys_kit.workbook.runner.execute import execute
from recsys_kit.workbook.runner.parameters import list_chapters
from recsys_kit.workbook.runner.runs import Run, open_run
from tests.workbook.test_execute import BROKEN

HOLDS = "import sys, time; from pathlib import Path; from recsys_kit.workbook.runner import lock\n"
HOLDS += "with lock.hold(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_the_second_command_is_refused_at_once_with_the_pid_of_the_first(tmp_path, holder):
    started = time.monotonic()
    with pytest.raises(BusyError, match=rf"RK-501 .* in use by process {holder.pid};"):
        execute(list_chapters(BROKEN)[:1], tmp_path)
    assert time.monotonic() - started < 2
    assert BusyError.exit_code == 2
    assert not (tmp_path / "run.json").exists()


def test_a_notebook_opened_by_hand_does_not_write_meanwhile(tmp_path, holder):
    with pytest.raises(BusyError, match="RK-501"):
        open_run(tmp_path, chapter="04_evaluation", seed=7)
    with pytest.raises(BusyError, match="RK-501"):
        Run(tmp_path, "04_evaluation", 7, "quick").write("results/protocol.json", {})
    assert not (tmp_path / "results").exists()


def test_who_only_looks_disturbs_nobody_else_who_does(tmp_path):
    with lock.hold(tmp_path):
        assert lock.is_held(tmp_path)
    with (tmp_path / lock.NAME).open("rb") as other:
        assert lock._try_shared(other.fileno())  # another `status` at this moment
        assert not lock.is_held(tmp_path)


def test_a_killed_holder_frees_the_lock(tmp_path, holder):
    holder.kill()  # not waited for: it stays a zombie
    with lock.hold(tmp_path):
        pass


def test_a_kernel_inherits_the_lock_and_frees_it_within_five_seconds_of_its_commands_death(tmp_path):
    script = (
        f"from pathlib import Path; from tests.workbook.test_execute import run; run(Path({str(tmp_path)!r}), ['04'])"
    )
    command = subprocess.Popen([sys.executable, "-c", script], cwd=BROKEN.parents[2], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while not (tmp_path / "notebooks/04_hangs.ipynb").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    (kernel,) = psutil.Process(command.pid).children()
    os.kill(command.pid, signal.SIGKILL)
    died = time.monotonic()
    command.wait()
    assert kernel.is_running()  # it has not noticed yet, and the lock is still its
    with lock.hold(tmp_path):
        assert time.monotonic() - died < lock.PATIENCE_S
        assert not kernel.is_running() or kernel.status() == psutil.STATUS_ZOMBIE


def test_only_the_kernel_of_the_command_in_this_folder_has_inherited_its_lock(tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    with lock.hold(tmp_path) as held, lock.hold(tmp_path / "other"):
        monkeypatch.setenv(lock.INHERITED, str(held))
        assert lock.is_inherited(tmp_path)
        assert not lock.is_inherited(tmp_path / "other")
    assert not lock.is_inherited(tmp_path)
