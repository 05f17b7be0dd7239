"""Handle SIGINT, SIGTERM and SIGHUP while chapters run: at once during a cell, delayed while results are saved."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

STOPS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows: two


class Interrupted(KeyboardInterrupt):
    """A signal reached the command; `exit_code` is 128 plus its number: 130 for SIGINT, 143 for SIGTERM.

    >>> Interrupted(signal.SIGTERM).exit_code
    143
    """

    def __init__(self, number: int) -> None:
        self.exit_code = 128 + number
        super().__init__(signal.Signals(number).name)


class Signals:
    """Signal handlers for a `with` block: a signal inside `listening()` raises `Interrupted`, others are delayed."""

    def __init__(self) -> None:
        self.received = 0
        self._listening = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # handlers can be set only there
            heard = [n for n in STOPS if signal.getsignal(n) is not signal.SIG_IGN]  # nohup ignores SIGHUP
            self._before = {n: signal.signal(n, self._handle) for n in heard}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.received = self.received or number
        if self._listening:
            self._listening = False  # a second signal does not interrupt the clean-up
            raise Interrupted(number)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Let signals raise inside the block; an earlier signal raises at once."""
        if self.received:
            raise Interrupted(self.received)
        self._listening = True
        try:
            yield
        finally:
            self._listening = False
