"""One command at a time in a run folder.

The lock is an `flock` on `.lock`: the kernel of the operating system frees it when its last holder ends, however that
happened. A command hands it down to its notebooks' kernels, so it stays held while any of them still writes.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recsys_kit.errors import BusyError

NAME = ".lock"
INHERITED = "RECSYS_KIT_LOCK"  # in a kernel's environment: the descriptor of the lock that its command holds
PATIENCE_S = 5.0  # a kernel whose command was killed ends within this time
DYING_S = 0.3  # a process that was killed this instant still looks alive for a moment


@contextmanager
def hold(folder: Path) -> Iterator[int]:
    """Hold the lock of a run folder and give its descriptor.

    Raises:
        BusyError: RK-501 at once where another command holds it; one that has died is waited for, up to 5 s.
    """
    descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(descriptor, folder)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, folder: Path) -> None:
    started = time.monotonic()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
            if time.monotonic() - started > (DYING_S if _alive(holder) else PATIENCE_S):
                raise BusyError(
                    "RK-501",
                    f"{folder} is in use by process {holder or 'unknown'}; expected one command at a time.",
                    "Wait until it ends, or pass another folder with --out.",
                ) from None
            time.sleep(0.05)


def _alive(pid: str) -> bool:
    """Whether the process runs; one that has ended and not been waited for (a zombie) does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        if Path("/proc/self").exists():
            return False
    try:
        os.kill(int(pid), 0)
    except (ValueError, OSError):
        return False
    return True


def is_held(folder: Path) -> bool:
    """Whether a command, or a kernel of it, works in the folder at this moment."""
    try:
        with (folder / NAME).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def is_inherited(folder: Path) -> bool:
    """Whether this process is a kernel of the command that holds the folder's lock."""
    try:
        return os.path.samestat(os.fstat(int(os.environ[INHERITED])), os.stat(folder / NAME))
    except (KeyError, ValueError, OSError):
        return False
