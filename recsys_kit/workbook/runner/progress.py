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
from rich.table import Table
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
    known = read_timings(folder)
    found = {}
    for chapter in chapters:
        stated = RUN_TIME.search(nbformat.read(chapter.path, as_version=4).cells[0].source)
        seconds = known.get(chapter.name, {}).get("seconds") or (float(stated[1]) if stated else 0.0)
        found[chapter.name] = seconds
    return found


@dataclass
class Line:
    """A line of the table: one chapter."""

    name: str
    expected_s: float
    status: str = "waiting"
    cell: str = ""
    done: int = 0
    cells: int = 0
    started: float = 0.0
    seconds: float = 0.0
    note: str = ""

    @property
    def elapsed_s(self) -> float:
        """Return the seconds so far."""
        return time.monotonic() - self.started if self.status == "running" else self.seconds


@dataclass
class Progress:
    """The progress of a command's chapters; in a terminal it is redrawn four times a second."""

    expected_s: Mapping[str, float]
    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))

    def __post_init__(self) -> None:
        self.lines = {name: Line(name, seconds) for name, seconds in self.expected_s.items()}
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
        self.lines[name].cell, self.lines[name].done = cell_id, done

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
        table = Table(box=None, pad_edge=False, show_edge=False)
        for title, justify in (("chapter", "left"), ("", "left"), ("elapsed", "right"), ("expected", "right")):
            table.add_column(title, justify=justify, no_wrap=True)
        table.add_column("", overflow="ellipsis", no_wrap=True, ratio=1)
        for line in self.lines.values():
            running = line.status == "running"
            bar = ProgressBar(total=line.cells or 1, completed=line.done, width=14) if running else Text(line.status)
            where = f"{line.done}/{line.cells} {line.cell}" if running else line.note
            table.add_row(
                line.name,
                bar if running else Text(line.status, style=STYLES.get(line.status, "dim")),
                clock(line.elapsed_s) if line.elapsed_s else "",
                clock(line.expected_s) if line.expected_s and line.status in ("running", "waiting") else "",
                escape(where),
            )
        left = sum(
            max(0.0, line.expected_s - line.elapsed_s)
            for line in self.lines.values()
            if line.status in ("running", "waiting")
        )
        return Group(table, Text(f"about {clock(left)} left", style="dim") if left else Text(""))


def clock(seconds: float) -> str:
    """Format seconds as minutes and seconds.

    >>> clock(75.2), clock(4000)
    ('1:15', '1:06:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
