"""Execute one notebook by papermill in a kernel of the current Python, and watch it cell by cell."""

import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import papermill
import psutil
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from traitlets.config import Config

from recsys_kit.workbook.runner.lock import CAN_INHERIT, INHERITED
from recsys_kit.workbook.runner.places import INLINE

HEADLESS = {  # environment of a kernel, unless the user has set it
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
QUIET = logging.getLogger("recsys_kit.engine")  # replaces the log of papermill
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False


@dataclass
class Watch:
    """The state of a running notebook: current cell, number of executed cells, peak memory of its kernel.

    `last_words` is what the kernel's process printed outside of cells: why it could not start, a crash of a library.
    """

    on_start: Callable[["Watch"], None] = lambda watch: None
    on_cell: Callable[["Watch"], None] = lambda watch: None
    notebook: NotebookNode | None = None
    cell: NotebookNode = field(default_factory=NotebookNode)
    index: int = 0
    code_cells: int = 0
    peak_bytes: int = 0
    process: subprocess.Popen | None = None
    last_words: str = ""
    memory_kills: int = field(default_factory=lambda: count_memory_kills())

    def started(self, cell: NotebookNode, cell_index: int) -> None:
        """Note the cell; nbclient calls this before each cell."""
        self.cell, self.index = cell, cell_index
        self.on_start(self)

    def executed(self, cell: NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        """Note the memory; nbclient calls this after each code cell, also after failed ones."""
        self.code_cells += 1
        if self.process:
            self.peak_bytes = max(self.peak_bytes, peak_memory(self.process.pid))
        self.on_cell(self)

    def how_it_ended(self) -> str:
        """Describe how the kernel's process ended."""
        code = self.process.poll() if self.process else None
        if code is None:
            return "was killed"
        return f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended by itself with exit code {code}"

    def ran_out_of_memory(self) -> bool:
        """Whether the system has killed a process because memory ran out since the notebook began."""
        return count_memory_kills() > self.memory_kills


def count_memory_kills() -> int:
    """Count the processes of this container (or machine) that were killed because memory ran out; 0 if unknown."""
    for path in (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat")):
        try:
            counts = dict(line.split() for line in path.read_text().splitlines())
            return int(counts["oom_kill"])
        except (OSError, ValueError, KeyError):
            continue
    return 0


def peak_memory(pid: int) -> int:
    """Return the peak (Linux) or current (elsewhere) resident bytes of a process; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        try:
            return psutil.Process(pid).memory_info().rss
        except psutil.Error:
            return 0


class ThisPython(AsyncKernelManager):
    """Start the interpreter that runs the command, not a kernel named python3 of the user's folders."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """Return the spec of ipykernel in `sys.executable`."""
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


class Client(PapermillNotebookClient):
    """papermill's client, which marks where a notebook stopped early and ends its kernel at once."""

    watch: Watch

    def papermill_execute_cells(self) -> None:
        """Execute all cells; the cell that was running when it stopped is marked as failed, not as completed."""
        self.watch.process = self.km.provisioner.process
        try:
            super().papermill_execute_cells()
        except BaseException as problem:
            self.shutdown_kernel = "immediate"
            if not isinstance(problem, Exception):  # a signal orphans the task of the cell; asyncio would log that
                logging.getLogger("asyncio").setLevel(logging.CRITICAL)
            self.nb_man.cell_exception(self.watch.cell)
            raise


class WatchedEngine(NBClientEngine):
    """papermill's engine with our kernel and watch."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man, kernel_name, *, watch: Watch, client_options, kernel_options, **_
    ) -> None:
        """Run all cells, with options of the client and of the process of its kernel."""
        watch.notebook = nb_man.nb
        client = Client(
            nb_man,
            kernel_manager_class=ThisPython,
            kernel_name=kernel_name,
            startup_timeout=120,
            log=QUIET,
            on_cell_start=watch.started,
            on_cell_executed=watch.executed,
            **client_options,
        )
        client.watch = watch
        client.execute(**kernel_options)


papermill_engines.register("recsys_kit", WatchedEngine)


def kernel_environment() -> dict[str, str]:
    """Return the environment of a kernel: headless defaults, inline figures, and this copy of the package first."""
    package = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join(dict.fromkeys([package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]))
    return {**HEADLESS, **os.environ, "MPLBACKEND": INLINE, "PYTHONPATH": path}


def run_notebook(
    notebook: NotebookNode, parameters: dict[str, Any], watch: Watch, *, folder: Path, timeout_s: int | None, lock: int
) -> None:
    """Execute a notebook with its kernel in `folder`; `watch.notebook` has the executed part even after an error.

    The sockets are in a private folder, and the kernel inherits the descriptor of the run's `lock`. On Windows, which
    has neither, the kernel listens on local ports, protected by the key in its connection file, and knows the pid of
    its command.
    """
    with tempfile.TemporaryDirectory(prefix="rk-") as private, Path(private, "log").open("w+") as log:
        transport = "ipc" if CAN_INHERIT else "tcp"
        sockets = Config({"KernelManager": {"transport": transport, "connection_file": f"{private}/kernel.json"}})
        inherited = {"pass_fds": (lock,)} if CAN_INHERIT else {}
        environment = kernel_environment() | {INHERITED: str(lock) if CAN_INHERIT else f"pid {os.getpid()}"}
        try:
            papermill.execute_notebook(
                notebook,
                None,
                parameters=parameters,
                engine_name="recsys_kit",
                kernel_name="python3",
                language="python",
                progress_bar=False,
                watch=watch,
                client_options={"config": sockets, "timeout": timeout_s},
                kernel_options={"env": environment, "cwd": str(folder), "stdout": log, "stderr": log} | inherited,
            )
        finally:
            log.seek(0)
            watch.last_words = log.read()[-2000:].strip()
