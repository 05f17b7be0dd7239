"""Show progress while chapters run: a live table in a terminal, plain lines elsewhere."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import nbformat
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from recsys_kit.workbook.runner.parameters import Chapter
from recsys_kit.workbook.runner.storage import read_json

RUN_TIME = re.compile(r"\*\*Run time\*\* about (\d+) seconds")
STYLES = {"done": "green", "reused": "green", "failed": "bold red", "interrupted": "bold red", "running": "bold"}


def read_timings(folder: Path) -> dict[str, dict[str, Any]]:
    """Return seconds and memory of each chapter as last measured; empty if the file is missing or unreadable."""
    try:
        return read_json(folder / "timings.json")
    except (OSError, ValueError):
        return {}


def expected_seconds(chapters: Sequence[Chapter], folder: Path) -> dict[str, float]:
    """Return how long each chapter took last time in this folder, or the time in its first cell."""
    known, found = read_timings(folder), {}
    for chapter in chapters:
        stated = RUN_TIME.search(nbformat.read(chapter.path, as_version=4).cells[0].source)
        found[chapter.name] = known.get(chapter.name, {}).get("seconds") or float(stated[1] if stated else 0)
    return found


@dataclass
class Line:
    """A line of the table: one chapter."""

    expected_s: float
    status: str = "waiting"
    done: int = 0
    cells: int = 0
    started: float = 0.0
    seconds: float = 0.0
    note: str = ""

    @property
    def elapsed_s(self) -> float:
        """Return the seconds so far."""
        return time.monotonic() - self.started if self.status == "running" else self.seconds

    @property
    def left_s(self) -> float:
        """Return the seconds that it will probably still take."""
        return max(0.0, self.expected_s - self.elapsed_s) if self.status in ("waiting", "running") else 0.0


@dataclass
class Progress:
    """The progress of a command's chapters; in a terminal it is redrawn four times a second."""

    expected_s: Mapping[str, float]
    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))

    def __post_init__(self) -> None:
        self.lines = {name: Line(seconds) for name, seconds in self.expected_s.items()}
        self._live = Live(console=self.console, get_renderable=self.render, refresh_per_second=4, redirect_stdout=False)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self._live.stop()

    def start(self, name: str, n_cells: int, why: str) -> None:
        """Show that a chapter begins."""
        line = self.lines[name]
        line.status, line.cells, line.started, line.note = "running", n_cells, time.monotonic(), why
        self._say(f"{name}: started, {n_cells} cells: {why}")

    def cell(self, name: str, cell_id: str, done: int) -> None:
        """Show that a chapter is at a cell."""
        line = self.lines[name]
        line.done, line.note = done, f"{done}/{line.cells} {cell_id}"

    def end(self, name: str, status: str, seconds: float, note: str) -> None:
        """Show that a chapter has ended or is reused."""
        line = self.lines[name]
        line.status, line.seconds, line.note = status, seconds, note
        self._say(f"{name}: {status}{f', {note}' if note else ''}")

    def _say(self, text: str) -> None:
        if not self.console.is_terminal:
            print(text, flush=True)

    def render(self) -> Group:
        """Return the table and the expected remaining time."""
        right = {"justify": "right", "no_wrap": True}
        table = Table("chapter", "", Column("elapsed", **right), Column("expected", **right), box=None, pad_edge=False)
        table.add_column("", overflow="ellipsis", no_wrap=True, ratio=1)
        for name, line in self.lines.items():
            bar = ProgressBar(total=line.cells or 1, completed=line.done, width=14)
            state = bar if line.status == "running" else Text(line.status, style=STYLES.get(line.status, "dim"))
            expected = line.expected_s if line.status in ("waiting", "running") else 0
            table.add_row(name, state, clock(line.elapsed_s), clock(expected), escape(line.note))
        left = sum(line.left_s for line in self.lines.values())
        return Group(table, Text(f"about {clock(left)} left" if left else "", style="dim"))


def clock(seconds: float) -> str:
    """Format seconds as minutes and seconds; "" for none.

    >>> clock(75.2), clock(4000)
    ('1:15', '1:06:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}" if seconds else ""
