"""One notebook through papermill: the kernel is this very Python, and what happens to it is seen cell by cell."""

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

from recsys_kit.workbook.runner.lock import CAN_INHERIT, INHERITED, for_kernel
from recsys_kit.workbook.runner.places import INLINE

HEADLESS = {  # what a kernel gets unless the user has set it
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
QUIET = logging.getLogger("recsys_kit.engine")  # what papermill logs is said in our own words
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False


@dataclass
class Watch:
    """What is known of a notebook while it runs: itself, the cell it is in, the most memory its kernel has held.

    `last_words` is what the kernel's process wrote outside of cells: why it could not start, a crash of a library.
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
        """Called by nbclient before every cell."""
        self.cell, self.index = cell, cell_index
        self.on_start(self)

    def executed(self, cell: NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        """Called by nbclient after every code cell, failed ones too."""
        self.code_cells += 1
        if self.process:
            self.peak_bytes = max(self.peak_bytes, peak_memory(self.process.pid))
        self.on_cell(self)

    def how_it_ended(self) -> str:
        """What became of the kernel's process."""
        code = self.process.poll() if self.process else None
        if code is None:
            return "was killed"
        return f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended by itself with exit code {code}"

    def ran_out_of_memory(self) -> bool:
        """Whether the system has killed something for want of memory since the notebook began."""
        return count_memory_kills() > self.memory_kills


def count_memory_kills() -> int:
    """How many processes of this container (or machine) the system has killed for want of memory; 0 if unknown."""
    for path in (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat")):
        try:
            counts = dict(line.split() for line in path.read_text().splitlines())
            return int(counts["oom_kill"])
        except (OSError, ValueError, KeyError):
            continue
    return 0


def peak_memory(pid: int) -> int:
    """The most resident bytes a process has held (Linux), or holds now (elsewhere); 0 for a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        try:
            return psutil.Process(pid).memory_info().rss
        except psutil.Error:
            return 0


class ThisPython(AsyncKernelManager):
    """Starts the interpreter that runs the command, whatever kernel named python3 the user's own folders hold."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """ipykernel of `sys.executable`."""
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


class Client(PapermillNotebookClient):
    """papermill's client; a notebook that stops early is marked where it stopped, and its kernel is ended at once."""

    watch: Watch

    def papermill_execute_cells(self) -> None:
        """As papermill does, with the truth about the cell that was running (papermill would call it completed)."""
        self.watch.process = self.km.provisioner.process
        try:
            super().papermill_execute_cells()
        except BaseException as problem:
            self.shutdown_kernel = "immediate"
            if not isinstance(problem, Exception):  # the cell's task is orphaned by a signal; asyncio need not tell
                logging.getLogger("asyncio").setLevel(logging.CRITICAL)
            self.nb_man.cell_exception(self.watch.cell)
            raise


class WatchedEngine(NBClientEngine):
    """papermill's engine with our kernel, environment and watch."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man, kernel_name, *, watch: Watch, timeout_s, folder, private, log, lock, **_
    ) -> None:
        """Run all cells; `timeout_s` is for one cell. Sockets lie in the `private` folder: no ports, nobody else.

        The kernel inherits the descriptor of the run's `lock`. Where there are no such sockets and descriptors
        (Windows), it listens on ports of this machine, guarded by the key of its file, and knows its command's pid.
        """
        watch.notebook = nb_man.nb
        transport = "ipc" if CAN_INHERIT else "tcp"
        sockets = Config({"KernelManager": {"transport": transport, "connection_file": f"{private}/kernel.json"}})
        client = Client(
            nb_man,
            config=sockets,
            kernel_manager_class=ThisPython,
            kernel_name=kernel_name,
            timeout=timeout_s,
            startup_timeout=120,
            log=QUIET,
            on_cell_start=watch.started,
            on_cell_executed=watch.executed,
        )
        client.watch = watch
        environment = {**kernel_environment(), INHERITED: for_kernel(lock)}
        inherited = {"pass_fds": (lock,)} if CAN_INHERIT else {}
        client.execute(env=environment, cwd=str(folder), stdout=log, stderr=log, **inherited)


papermill_engines.register("recsys_kit", WatchedEngine)


def kernel_environment() -> dict[str, str]:
    """The caller's environment with headless defaults; figures go into the notebook, the package is this very one."""
    package = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join(dict.fromkeys([package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]))
    return {**HEADLESS, **os.environ, "MPLBACKEND": INLINE, "PYTHONPATH": path}


def run_notebook(
    notebook: NotebookNode,
    parameters: dict[str, Any],
    watch: Watch,
    *,
    folder: Path,
    timeout_s: int | None,
    lock: int,
) -> None:
    """Execute the notebook, its kernel in `folder`; what was executed is in `watch.notebook`, whatever is raised."""
    with tempfile.TemporaryDirectory(prefix="rk-") as private, Path(private, "log").open("w+") as log:
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
                timeout_s=timeout_s,
                folder=folder,
                private=private,
                log=log,
                lock=lock,
            )
        finally:
            log.seek(0)
            watch.last_words = log.read()[-2000:].strip()
