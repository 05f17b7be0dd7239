"""One command at a time in a run folder.

The lock is the operating system's own on the open file `.lock`: it is freed when its last holder ends, however that
happened. A command hands the open file down to its notebooks' kernels, so it stays held while any of them still writes.

Where an open file cannot be handed down (Windows), a kernel knows its command by the pid in its environment. The lock
is then freed with the command, up to 5 s before a kernel whose command was killed has ended. Where the system has no
such locks at all, a second file, `.lock.soft`, stands for the lock while its maker lives.
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
PID_STARTS_AT = 1  # Windows locks the first byte, and nobody else can read it then
PATIENCE_S = 5.0  # a kernel whose command was killed ends within this time
DYING_S = 0.3  # a process that was killed this instant still looks alive for a moment


@contextmanager
def hold(folder: Path) -> Iterator[int]:
    """Hold the lock of a run folder and give its descriptor.

    Raises:
        BusyError: RK-501 at once where another command holds it; one that has died is waited for, up to 5 s.
        ArtifactError: RK-505 where the folder cannot be written.
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


def for_kernel(descriptor: int) -> str:
    """The value of `INHERITED` for a kernel of the command that holds this descriptor."""
    return str(descriptor) if CAN_INHERIT else f"pid {os.getpid()}"


def _take(descriptor: int, soft: SoftFileLock, folder: Path) -> None:
    started = time.monotonic()
    while not _try(descriptor, soft):
        holder = _holder(folder)
        if time.monotonic() - started > (DYING_S if _alive(holder) else PATIENCE_S):
            raise BusyError(
                "RK-501",
                f"{folder} is in use by process {holder or 'unknown'}; expected one command at a time.",
                "Wait until it ends, or pass another folder with --out.",
            )
        time.sleep(0.05)


def _try(descriptor: int, soft: SoftFileLock) -> bool:
    """Whether the lock is taken now."""
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
    """The pid that the last holder has written; "" where there is none."""
    try:
        with (folder / NAME).open("rb") as file:
            file.seek(PID_STARTS_AT)
            return file.read(20).decode(errors="replace").strip()
    except OSError:
        return ""


def _alive(pid: str) -> bool:
    """Whether the process runs; one that has ended and not been waited for (a zombie) does not."""
    import psutil

    try:
        return psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE
    except (ValueError, psutil.Error):
        return False


def _try_shared(descriptor: int) -> bool:
    """As `lock_descriptor`, where the system can beside others who only look: two of them do not take turns."""
    if fcntl is None:
        return lock_descriptor(descriptor, blocking=False)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(folder: Path) -> bool:
    """Whether a command, or a kernel of it, works in the folder at this moment."""
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
