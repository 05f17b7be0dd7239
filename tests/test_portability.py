"""What a system does not have is taken away in a process of its own; the workbook works without it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BARE = """
import os, signal, sys
import psutil  # it has a module of its own for each system, and on Linux this one needs what is taken away
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None  # an import of it raises ModuleNotFoundError, as on Windows
for module, names in {
    os: ["sched_getaffinity", "process_cpu_count", "pread", "pwrite", "fork", "register_at_fork", "setsid", "getuid"],
    signal: ["SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1"],
}.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
"""
OPENS = """
from pathlib import Path
from recsys_kit import open_run, recommend
from recsys_kit.workbook.runner.signals import Signals
run = open_run(sys.argv[1], chapter="04_evaluation", seed=7)
run.write("results/protocol.json", {"k": 10})
assert run.read("results/protocol.json") == {"k": 10}
with Signals():
    pass
"""
HOLDS = """
import time
from pathlib import Path
from recsys_kit.workbook.runner import lock
with lock.hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
print(lock.is_held(Path(sys.argv[1])))
"""
TRIES = """
from pathlib import Path
from recsys_kit.errors import BusyError
from recsys_kit.workbook.runner import lock
print(lock.is_held(Path(sys.argv[1])))
try:
    with lock.hold(Path(sys.argv[1])):
        print("taken")
except BusyError as problem:
    print(problem)
"""
RUNS = """
import sys
from pathlib import Path
from recsys_kit.workbook.runner import lock
lock.CAN_INHERIT = False  # before the engine takes it: Windows hands no descriptor down
from recsys_kit.workbook.runner.execute import execute
from recsys_kit.workbook.runner.parameters import list_chapters
(outcome,) = execute(list_chapters(Path(sys.argv[2]))[:1], Path(sys.argv[1]), parameters={"01_preprocessing": {
    "source": sys.argv[2] + "/source.txt"}})
print(outcome.status, outcome.failure)
"""


def start(code: str, *arguments: object, **options) -> subprocess.Popen:
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def say(code: str, *arguments: object, **options) -> str:
    process = start(code, *arguments, **options)
    said, problem = process.communicate(timeout=120)
    assert process.returncode == 0, problem
    return said


def test_a_run_is_opened_written_and_read_without_the_names_of_posix(tmp_path):
    assert f"{os.cpu_count()} cores" in say(BARE + OPENS, tmp_path / "run")
    assert (tmp_path / "run/results/protocol.json").exists()


def test_every_module_is_imported_without_the_names_of_posix():
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / "recsys_kit").rglob("*.py")]
    modules = sorted(name.removesuffix(".__init__") for name in names)
    assert len(modules) > 60
    libraries = "import torch, papermill, sentence_transformers\n"  # they go by the system's name, not by what it has
    say(libraries + BARE + f"from importlib import import_module\nfor name in {modules!r}: import_module(name)")


@pytest.mark.parametrize("bare", [BARE, "import sys\n"], ids=["without", "with"])
def test_the_lock_holds_and_is_freed_when_its_holder_is_killed(tmp_path, bare):
    holder = start(bare + HOLDS, tmp_path, 60)
    try:
        assert holder.stdout.readline() == "held\n"
        held, refused = say(bare + TRIES, tmp_path).splitlines()
        assert held == "True"
        assert refused.startswith(f"RK-501 {tmp_path} is in use by process {holder.pid};")
    finally:
        holder.kill()
        holder.communicate()
    assert say(bare + TRIES, tmp_path).splitlines() == ["False", "taken"]
    assert say(bare + HOLDS, tmp_path, 0).splitlines() == ["held", "False"]


def test_a_kernel_that_cannot_inherit_the_lock_knows_its_command_by_the_pid(tmp_path):
    from tests.workbook.chain import write_chain

    notebooks = write_chain(tmp_path / "notebooks")
    assert say(RUNS, tmp_path / "run", notebooks).splitlines()[-1] == "done None"


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_the_signals_that_stop_a_run_are_those_of_the_system():
    from recsys_kit.workbook.runner.signals import STOPS

    assert {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} == set(STOPS)
