"""SIGKILL at random moments, of the command, its kernel, a notebook run by hand: nothing is lost or half made.

RECSYS_KIT_KILLS=50 does it with the whole workbook on a small shop, which takes a while.
"""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
import pytest

from recsys_kit.workbook.runner import lock
from recsys_kit.workbook.runner.places import project_root
from recsys_kit.workbook.runner.storage import hashes_of
from tests.workbook.chain import write_chain

VICTIMS = ("command", "kernel", "papermill by hand")
CHAIN = """
import sys
from pathlib import Path
from recsys_kit.workbook.runner.execute import execute
from recsys_kit.workbook.runner.parameters import list_chapters, plan_parameters
chapters = list_chapters(Path(sys.argv[1]))
outcomes = execute(chapters, Path(sys.argv[2]), parameters=plan_parameters(chapters, sys.argv[3:]))
sys.exit(outcomes[-1].failure.exit_code if outcomes[-1].failure else 0)
"""
WRITTEN = ("data", "features", "models", "results")


@dataclass
class Workbook:
    """How to run a workbook into a folder, whole or one notebook by hand."""

    notebooks: Path
    settings: list[str]
    seconds: float  # of an undisturbed run

    def command(self, folder: Path) -> list[str]:
        if self.notebooks == project_root() / "notebooks":
            settings = [part for setting in self.settings for part in ("--set", setting)]
            return [sys.executable, "-m", "recsys_kit.cli", "run", "--out", str(folder), *settings]
        return [sys.executable, "-c", CHAIN, str(self.notebooks), str(folder), *self.settings]

    def by_hand(self, folder: Path, name: str) -> list[str]:
        notebook = self.notebooks / f"{name}.ipynb"
        known = {cell.id: cell.source for cell in nbformat.read(notebook, as_version=4).cells}["parameters"]
        given = [setting.split("=", 1) for setting in self.settings if f"{setting.split('=')[0]}:" in known]
        options = [part for pair in [["run_dir", str(folder)], *given] for part in ("-p", *pair)]
        out = folder.parent / "by_hand.ipynb"
        return [sys.executable, "-m", "papermill", str(notebook), str(out), "--cwd", str(self.notebooks), *options]

    def start(self, command: list[str], log: Path) -> subprocess.Popen:
        with log.open("w") as file:
            return subprocess.Popen(command, cwd=project_root(), stdout=file, stderr=file)

    def finish(self, folder: Path) -> None:
        log = folder.parent / "log"
        assert self.start(self.command(folder), log).wait(timeout=600) == 0, log.read_text()


def made(folder: Path) -> dict[str, str]:
    return {k: v for part in WRITTEN for k, v in hashes_of(folder / part, folder).items()}


def kernels_of(pid: int) -> list[psutil.Process]:
    try:
        return [child for child in psutil.Process(pid).children() if "ipykernel_launcher" in child.cmdline()]
    except psutil.Error:
        return []


def kill(victim: str, process: subprocess.Popen) -> None:
    kernels = kernels_of(process.pid)
    target = kernels[0].pid if victim == "kernel" and kernels else process.pid
    os.kill(target, signal.SIGKILL)
    if target == process.pid:
        process.wait()
    else:
        process.wait(timeout=120)  # the command sees it, and ends by itself
    deadline = time.monotonic() + 5
    while any(is_alive(kernel) for kernel in kernels) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(is_alive(kernel) for kernel in kernels), "an orphan kernel"


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def disturb(workbook: Workbook, folder: Path, victim: str, rng: random.Random) -> None:
    names = sorted(path.stem for path in (folder / "notebooks").glob("*.ipynb"))
    if victim == "papermill by hand" and names:
        command = workbook.by_hand(folder, rng.choice(names))
    else:
        command = workbook.command(folder)
    process = workbook.start(command, folder.parent / "log")
    try:
        process.wait(timeout=rng.uniform(0.2, workbook.seconds))
        return  # it was done before its end came
    except subprocess.TimeoutExpired:
        kill(victim, process)
    started = time.monotonic()
    if folder.exists():
        with lock.hold(folder):
            assert time.monotonic() - started < 5
    for path in folder.glob("notebooks/*.ipynb"):
        nbformat.validate(nbformat.read(path, as_version=4))


def kill_and_resume(workbook: Workbook, root: Path, n_kills: int, resume_every: int) -> None:
    workbook.finish(root / "undisturbed")
    expected = made(root / "undisturbed")
    assert len(expected) > 3
    rng = random.Random(7)
    for number in range(n_kills):
        folder = root / f"killed{number // resume_every}"
        disturb(workbook, folder, VICTIMS[number % len(VICTIMS)], rng)
        if number % resume_every == resume_every - 1 or number == n_kills - 1:
            workbook.finish(folder)
            assert made(folder) == expected, f"kill {number}"
            assert not list(folder.rglob(".writing-*"))


def test_a_tiny_workbook_survives_kills(tmp_path):
    notebooks = write_chain(tmp_path / "notebooks")
    workbook = Workbook(notebooks, ["rows=6", f"source={notebooks / 'source.txt'}"], seconds=8)
    kill_and_resume(workbook, tmp_path, n_kills=3, resume_every=3)


@pytest.mark.skipif(not os.environ.get("RECSYS_KIT_KILLS"), reason="RECSYS_KIT_KILLS, the number of kills, is not set")
@pytest.mark.timeout(0)
def test_the_whole_workbook_survives_kills(tmp_path):
    small = ["n_users=200", "max_train_reviews=160", "max_judged_reviews=80", "max_reviews=200"]
    workbook = Workbook(project_root() / "notebooks", small, seconds=float(os.environ.get("RECSYS_KIT_SECONDS", 30)))
    kill_and_resume(workbook, tmp_path, n_kills=int(os.environ["RECSYS_KIT_KILLS"]), resume_every=2)
