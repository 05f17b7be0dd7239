"""The number of threads of the numerical libraries, and how long threads wait for one another.

PyTorch, LightGBM and scikit-learn compute on OpenMP threads. At the end of a parallel region a thread of GNU's OpenMP
spins 300,000 times while it waits for the slowest one. Beside a busy process training then takes ten times as long.
With 1,000 spins it does not, and alone it takes 5 % more.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SPIN_COUNT = "1000"


def limit_spinning() -> None:
    """Set `GOMP_SPINCOUNT` unless the user has set it or `OMP_WAIT_POLICY`; processes started from here inherit it.

    OpenMP reads it when a library that uses it is loaded: call this first.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)


_torch, _blas = threading.Lock(), threading.RLock()
_before: dict[int, int] = {}  # by thread that is inside `one_torch_thread`: the number of PyTorch's threads before


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let PyTorch compute on the calling thread alone, and restore its number of threads afterwards.

    Small networks are as fast this way. The same seed gives the same bytes on any number of cores, and a forked
    process does not wait for a thread pool. It may be nested, and several threads may enter it at the same time.
    """
    import torch

    caller = threading.get_ident()
    if caller in _before:
        yield
        return
    with _torch:  # a new thread starts with the number that the last one set, which may be 1
        before = _before[caller] = max([torch.get_num_threads(), *_before.values()])
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _torch:
            _before.pop(caller, None)
            torch.set_num_threads(before)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold the linear algebra of NumPy and SciPy to one thread; other threads that ask for the same wait their turn.

    For many small systems, and where another library brings its own threads. Otherwise the second thread to enter would
    restore the limit of the first instead of the usual number.
    """
    from threadpoolctl import threadpool_limits

    with _blas, threadpool_limits(limits=1, user_api="blas"):
        yield


def _after_fork() -> None:
    """In a forked process only the thread that forked exists: no other thread is inside, and no pool would answer."""
    global _torch, _blas
    _torch, _blas = threading.Lock(), threading.RLock()
    _before.clear()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(after_in_child=_after_fork)
