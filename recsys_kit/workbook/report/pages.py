"""Parts of a page: a file of the run, rows of its leaderboard, a plot as SVG, the page on disk."""

import io
import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd

from recsys_kit import plots
from recsys_kit.errors import ArtifactError
from recsys_kit.workbook.report.wording import read_texts, short
from recsys_kit.workbook.runner.storage import READERS, read_json, sha256_of, write_whole

METRIC = "ndcg"
LONGEST_NAME = 24  # characters of a model's name beside a plot
TEXTS = read_texts(__file__)
COLUMNS, SLICES = TEXTS["columns"], TEXTS["slices"]


def write_page(path: Path, page: str) -> Path:
    """Write one page, whole or not at all, and return its path; RK-505 where it cannot be written."""
    try:
        write_whole(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))
    except OSError as problem:
        raise ArtifactError(
            "RK-505", f"{path} cannot be written: {problem.strerror}.", "Make its folder writable, or copy the run."
        ) from None
    return path


def read(folder: Path, name: str) -> Any:
    """Return the content of a file of the run; None if it is missing, unreadable, or was changed.

    So a failed or damaged run still has a report, without wrong numbers.
    """
    path = folder / name
    try:
        wanted = read_json(folder / "run.json")["artifacts"].get(name)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):  # no manifest to compare with
        wanted = None
    try:
        whole = path.exists() and wanted in (None, sha256_of(path))
        return READERS[path.suffix](path) if whole else None
    except (ValueError, OSError):  # JSON and Parquet errors are kinds of these
        return None


def read_dict(folder: Path, name: str) -> dict[str, Any]:
    """Return the dict in a JSON file of the run; empty if `read` returns something else."""
    found = read(folder, name)
    return found if isinstance(found, dict) else {}


def report_k(*tables: pd.DataFrame | None) -> int:
    """Return the list length of the report: 10, or the longest that all tables have."""
    lengths = set.intersection(*(set() if table is None else set(table["k"]) for table in tables))
    return 10 if not lengths or 10 in lengths else int(max(lengths))


def rows_of(table: pd.DataFrame, slice_name: str, metric: str, k: int) -> pd.DataFrame:
    """Return one metric of one slice, a row for each model, best first."""
    chosen = table[(table["slice"] == slice_name) & (table["metric"] == metric) & (table["k"] == k)]
    return chosen.sort_values("value", ascending=False, kind="stable")


def shoppers_in(slice_name: str, n: int) -> str:
    """Describe a slice in words.

    >>> shoppers_in("all", 1200), shoppers_in("warm", 1)
    ('all 1,200 evaluated shoppers', 'the one warm shopper, seen in training')
    """
    return SLICES[slice_name][n == 1].format(n=short(n))


def slices_of(metrics: pd.DataFrame | None, k: int) -> dict[str, pd.DataFrame]:
    """Return the rows of each slice, best first; a slice with the same users as an earlier one is left out."""
    shown: dict[str, pd.DataFrame] = {}
    for name in SLICES if metrics is not None else ():
        rows = rows_of(metrics, name, METRIC, k)
        if len(rows) and all(rows["n_users"].iloc[0] != other["n_users"].iloc[0] for other in shown.values()):
            shown[name] = rows
    return shown


def draw(rows: pd.DataFrame, limits: tuple[float, float]) -> str:
    """Return inline SVG, half a page wide: dots with intervals, a line for each row, the first on top."""
    upwards, salt = rows.set_index("model").iloc[::-1], rows["slice"].iloc[0]  # so ids are unique on the page
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt, "font.family": "sans-serif", "font.size": 10}):
        figure = mpl.figure.Figure(figsize=(4.8, 0.5 + 0.29 * len(rows)), layout="constrained")
        ax = figure.subplots()
        plots.plot_intervals(ax, upwards, [plots.shorten(name, LONGEST_NAME) for name in upwards.index])
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x", alpha=0.25)
        ax.locator_params(axis="x", nbins=6)
        ax.set(xlim=limits, ylim=(-0.6, len(rows) - 0.4))
        buffer = io.StringIO()
        nameless = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=nameless, transparent=True)
    svg = buffer.getvalue()[buffer.getvalue().index("<svg") :]
    return re.sub(r' id="[\w.]+_\d+"', "", svg)  # ids that nothing refers to; they would be the same in every plot
