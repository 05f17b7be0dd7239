"""Allow one command at a time in a run folder.

The lock is a lock of the operating system on the open file `.lock`; it is released when its last holder ends, in any
way. Kernels inherit the open file from their command, so the lock is held while one of them still writes.

On Windows, where open files are not inherited, a kernel knows the pid of its command from its environment. The lock is
then released with the command, up to 5 s before a kernel whose command was killed ends. On file systems without locks,
a second file, `.lock.soft`, is the lock while its maker runs.
"""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import SoftFileLock, Timeout, lock_descriptor

from recsys_kit.errors import BusyError
from recsys_kit.workbook.runner.storage import writing

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

NAME = ".lock"
INHERITED = "RECSYS_KIT_LOCK"  # in a kernel's environment: the descriptor that its command holds, or "pid" and its pid
CAN_INHERIT = os.name == "posix"
PID_STARTS_AT = 1  # Windows locks the first byte, and other processes cannot read it then
PATIENCE_S = 5.0  # a kernel whose command was killed ends within this time
DYING_S = 0.3  # a process that was just killed looks alive for a moment


@contextmanager
def hold(folder: Path) -> Iterator[int]:
    """Hold the lock of a run folder, and yield its descriptor.

    Raises:
        BusyError: RK-501 another command holds it; if that has died, only after 5 s.
        ArtifactError: RK-505 the folder cannot be written.
    """
    with writing(folder / NAME):
        descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o644)
    soft = SoftFileLock(folder / f"{NAME}.soft")
    try:
        _take(descriptor, soft, folder)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f" {os.getpid()}".encode())
        yield descriptor
    finally:
        os.close(descriptor)
        soft.release()


def _take(descriptor: int, soft: SoftFileLock, folder: Path) -> None:
    started = time.monotonic()
    while not _try(descriptor, soft):
        holder = _holder(folder)
        if time.monotonic() - started > (DYING_S if _alive(holder) else PATIENCE_S):
            problem = f"{folder} is in use by process {holder or 'unknown'}; expected one command at a time."
            raise BusyError("RK-501", problem, "Wait until it ends, or pass another folder with --out.")
        time.sleep(0.05)


def _try(descriptor: int, soft: SoftFileLock) -> bool:
    """Try to take the lock; return whether it is taken."""
    try:
        return lock_descriptor(descriptor, blocking=False)
    except OSError as problem:
        if problem.errno != errno.ENOSYS:
            raise
    try:
        return bool(soft.acquire(blocking=False))
    except Timeout:
        return False


def _holder(folder: Path) -> str:
    """Return the pid that the last holder has written; "" if there is none."""
    try:
        with (folder / NAME).open("rb") as file:
            file.seek(PID_STARTS_AT)
            return file.read(20).decode(errors="replace").strip()
    except OSError:
        return ""


def _alive(pid: str) -> bool:
    """Whether a process runs; a zombie does not."""
    import psutil

    try:
        return psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE
    except (ValueError, psutil.Error):
        return False


def _try_shared(descriptor: int) -> bool:
    """As `lock_descriptor`, but shared if the system can: processes that only look do not block each other."""
    if fcntl is None:
        return lock_descriptor(descriptor, blocking=False)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(folder: Path) -> bool:
    """Whether a command or one of its kernels works in the folder now."""
    try:
        with (folder / NAME).open("rb") as file:
            return not _try_shared(file.fileno())
    except OSError as problem:
        return problem.errno == errno.ENOSYS and (folder / f"{NAME}.soft").exists() and _alive(_holder(folder))


def is_inherited(folder: Path) -> bool:
    """Whether this process is a kernel of the command that holds the folder's lock."""
    given = os.environ.get(INHERITED, "")
    try:
        if given.startswith("pid "):
            return given.removeprefix("pid ") == _holder(folder) and is_held(folder)
        return os.path.samestat(os.fstat(int(given)), os.stat(folder / NAME))
    except (ValueError, OSError):
        return False
