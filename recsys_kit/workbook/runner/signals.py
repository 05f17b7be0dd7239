"""SIGINT, SIGTERM, SIGHUP while chapters run: they stop a cell at once, and wait while something is being kept."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

STOPS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows: two


class Interrupted(KeyboardInterrupt):
    """A signal reached the command; `exit_code` is 128 and its number: 130 for SIGINT, 143 for SIGTERM.

    >>> Interrupted(signal.SIGTERM).exit_code
    143
    """

    def __init__(self, number: int) -> None:
        self.exit_code = 128 + number
        super().__init__(signal.Signals(number).name)


class Signals:
    """Handlers for the time of a `with`: a signal inside `listening()` raises `Interrupted`, one outside waits."""

    def __init__(self) -> None:
        self.received = 0
        self._listening = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # only there can handlers be set
            heard = [n for n in STOPS if signal.getsignal(n) is not signal.SIG_IGN]  # nohup: nobody is to be disturbed
            self._before = {n: signal.signal(n, self._handle) for n in heard}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.received = self.received or number
        if self._listening:
            self._listening = False  # a second one does not disturb the clean-up after the first
            raise Interrupted(number)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Signals raise here; one that came earlier raises at once."""
        if self.received:
            raise Interrupted(self.received)
        self._listening = True
        try:
            yield
        finally:
            self._listening = False
