"""Helpers of the report: read a file of the run, format a number, fill a template, draw a plot."""

import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes

from recsys_kit.errors import ArtifactError
from recsys_kit.intervals import Interval
from recsys_kit.workbook.runner.places import project_root
from recsys_kit.workbook.runner.storage import READERS, read_json, sha256_of, write_whole

METRIC = "ndcg"
LONGEST_NAME = 24  # characters of a model's name beside a plot
COLUMNS = {  # metric -> its name in tables, its meaning
    "ndcg": ("NDCG", "how near the top of the list the right products stand"),
    "recall": ("recall", "share of a shopper's next products that are in the list"),
    "map": ("MAP", "precision averaged over the places of the right products"),
    "hit_rate": ("hit rate", "share of shoppers with at least one right product"),
    "coverage": ("coverage", "share of the catalogue that is shown to at least one shopper"),
    "diversity": ("diversity", "how little the products of one list resemble each other"),
    "novelty": ("novelty (bits)", "how little known the products of a list are"),
}
SLICES = {  # slice -> its description for several users, for one
    "all": ("all {n} evaluated shoppers", "the one evaluated shopper"),
    "warm": ("the {n} warm shoppers, those seen in training", "the one warm shopper, seen in training"),
}


def write_page(path: Path, page: str) -> Path:
    """Write one page, whole or not at all, and return its path; RK-505 where it cannot be written."""
    try:
        write_whole(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))
    except OSError as problem:
        raise ArtifactError(
            "RK-505", f"{path} cannot be written: {problem.strerror}.", "Make its folder writable, or copy the run."
        ) from None
    return path


def fill(template: str, **values: Any) -> str:
    """Return the HTML of a template; all values are escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("recsys_kit.workbook.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(short=short, pathless=pathless, zip=zip)
    return environment.get_template(template).render(**values)


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


def short(value: Any) -> str:
    """Format a number with three significant digits and separated thousands; anything else stays.

    >>> short(0.08291), short(1234567), short(None), short("tea")
    ('0.0829', '1,234,567', '–', 'tea')
    """
    if value is None or (isinstance(value, float) and value != value):
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")


def counted(n: int, noun: str) -> str:
    """Format a number with its noun.

    >>> counted(1, "row"), counted(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def share(part: float, whole: float) -> str:
    """Format a share in percent; a small share is not rounded to zero.

    >>> share(1, 3), share(1, 100_000), share(0, 5)
    ('33 %', '< 0.1 %', '0 %')
    """
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 0.1:
        return "< 0.1 %"
    return f"{percent:.0f} %" if percent >= 10 or percent == 0 else f"{percent:.1f} %"


def listed(words: Sequence[str]) -> str:
    """Join words for a sentence.

    >>> listed(["ease"]), listed(["a", "b", "c"])
    ('ease', 'a, b and c')
    """
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def sentence(text: str) -> str:
    """Make a sentence: a capital first, a full stop if nothing else ends it.

    >>> sentence("no such file"), sentence("Why?"), sentence("")
    ('No such file.', 'Why?', '')
    """
    text = text.strip()
    return text[:1].upper() + text[1:] + ("." if text and text[-1] not in ".!?" else "")


def pathless(value: Any) -> Any:
    """Return a parameter's value without the folders of this machine, for a page that is passed on.

    >>> pathless("/home/ada/shop/events.csv"), pathless(["a", 2]), pathless("either/or")
    ('…/events.csv', ['a', 2], 'either/or')
    """
    if isinstance(value, list):
        return [pathless(one) for one in value]
    return f"…/{Path(value).name}" if isinstance(value, str) and Path(value).is_absolute() else value


def without_folders(text: Any, folder: Path) -> str:
    """Return a text, such as an error message, without the folders of this machine; `folder` is that of the run."""
    text = str(text or "")
    for here, instead in ((f"{folder}", folder.name), (f"{project_root()}/", ""), (f"{Path.home()}/", "~/")):
        text = text.replace(here, instead)
    return text


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


def interval(row: Any) -> Interval:
    """Return the interval of a row with value, low and high."""
    return Interval(float(row.value), float(row.low), float(row.high))


def draw(plot: Callable[[Axes], None], *, lines: int, salt: str) -> str:
    """Return inline SVG, half a page wide, of what `plot` draws.

    Args:
        plot: draws into Axes.
        lines: number of lines of text on the vertical axis.
        salt: makes the ids of this plot unique on the page.
    """
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt, "font.family": "sans-serif", "font.size": 10}):
        figure = mpl.figure.Figure(figsize=(4.8, 0.5 + 0.29 * lines), layout="constrained")
        ax = figure.subplots()
        plot(ax)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x", alpha=0.25)
        ax.locator_params(axis="x", nbins=6)
        ax.set_ylim(-0.6, lines - 0.4)
        buffer = io.StringIO()
        nameless = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=nameless, transparent=True)
    svg = buffer.getvalue()[buffer.getvalue().index("<svg") :]
    return re.sub(r' id="[\w.]+_\d+"', "", svg)  # ids that nothing refers to; they would be the same in every plot
