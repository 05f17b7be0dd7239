"""Two runs compared, in sentences, in the terminal and as a page: no more is said than the intervals hold."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from recsys_kit import plots
from recsys_kit.workbook.report.differences import Comparison, signed
from recsys_kit.workbook.report.pages import (
    COLUMNS,
    LONGEST_NAME,
    METRIC,
    SLICES,
    draw,
    fill,
    interval,
    listed,
    short,
    told,
    write_page,
)

SHORT_NAMES = {"f1": "F1", "mrr": "MRR"}


def verdict(row: Any) -> str:
    """Whether the two intervals overlap; empty where a value has none."""
    if pd.isna(row.a_low) or pd.isna(row.b_low):
        return ""
    return "overlap" if row.overlap else "do not overlap"


# -- what it says ------------------------------------------------------------------------------------------------------


def sentences(found: Comparison) -> Iterator[str]:
    """The comparison in words, no more than the intervals hold."""
    a, b = found.names
    parts = {"parameters": found.parameters, "data": found.data, "versions": found.versions}
    changed = [name for name, list_ in parts.items() if list_]
    same = [name for name, list_ in parts.items() if not list_]
    yield (f"{b} differs from {a} in {listed(changed)}" if changed else f"{b} does not differ from {a}") + (
        f"; {listed(same)} are the same." if changed and same else "."
    )
    rows = found.metrics
    rows = rows[(rows["slice"] == "all") & (rows["metric"] == METRIC)] if len(rows) else rows
    if not len(rows):
        yield "There is no metric that both have: chapter 04 makes them."
        return
    best = rows.iloc[0]
    moved = rows.loc[rows["difference"].abs().idxmax()]
    apart = rows.loc[~rows["overlap"], "model"].tolist()
    most = f"; {moved.model} moves most ({signed(moved.difference)})" if moved.model != best.model else ""
    yield (f"NDCG@{found.k} of {best.model}, the highest in {b}, {moves(best)}{most}.")
    yield (
        f"Between the runs the intervals of {listed(apart)} do not overlap."
        if apart
        else "For every model the intervals of the two runs overlap in it."
    )
    yield caveat(found)


def moves(row: Any) -> str:
    """From where to where a value goes."""
    if row.difference == 0:
        return f"stays at {short(row.b)}"
    return f"goes from {short(row.a)} to {short(row.b)} ({signed(row.difference)})"


def caveat(found: Comparison) -> str:
    """What the differences may be due to."""
    if found.split is None:
        return "Whether both were judged on the same events is not recorded: a difference may be due to the data alone."
    if "test" in found.split:
        return "Their test data are not the same bytes: a difference may be due to the data alone."
    alike = "were judged on the same events"
    alike += ", but learned from others" if found.split else " and learned from the same"
    return (
        f"Both {alike}. Values per shopper are not kept, so this is no paired test: "
        "intervals that overlap do not prove that two runs are alike."
    )


def terminal_tables(found: Comparison) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """What a terminal shows: title, header and rows of text of what was changed, and of NDCG for all shoppers."""
    if changed := [*found.parameters, *found.versions]:
        rows = [[change.where, change.what, told(change.before), told(change.after)] for change in changed]
        yield "What was changed", ["where", "what", "A", "B"], rows
    for table in metric_tables(found)[:1]:
        rows = [
            [
                row["model"],
                *(f"{end}".replace(" ", "\n", 1) for end in (row["a"], row["b"])),
                row["difference"],
                row["verdict"],
            ]
            for row in table["groups"].get(COLUMNS[METRIC][0], [])
        ]
        yield f"NDCG@{found.k}. {table['title']}", ["model", "A", "B", "B - A", "intervals"], rows


# -- the page ----------------------------------------------------------------------------------------------------------


def write_comparison(found: Comparison) -> Path:
    """Write `compare.html` into the folder of the second run and return its path."""
    return write_page(found.folders[1] / "compare.html", render(found))


def render(found: Comparison) -> str:
    """The page's HTML."""
    values = {
        "findings": list(sentences(found)),
        "parameters": found.parameters,
        "data": found.data,
        "versions": found.versions,
        "metrics": metric_tables(found),
    }
    titles = {
        "findings": "What changed",
        "parameters": "Parameters",
        "data": "Data",
        "versions": "Code and libraries",
        "metrics": "Metrics",
    }
    return fill(
        "compare.html.j2",
        names=found.names,
        links=[link(folder, found.folders[1]) for folder in found.folders],
        plots=dot_plots(found),
        only=[listed(models) for models in found.only],
        k=found.k,
        sections={name: title for name, title in titles.items() if values[name]},
        **values,
    )


def link(folder: Path, here: Path) -> str:
    """The way from one run's folder to the page of another beside it; empty where there is no page or it is far."""
    near = folder.parent == here.parent and (folder / "index.html").exists()
    return os.path.relpath(folder / "index.html", here) if near else ""


def metric_tables(found: Comparison) -> list[dict[str, Any]]:
    """Per slice its title and, metric by metric, the rows: model, both intervals, difference, whether they overlap."""
    tables = []
    for slice_name in [name for name in SLICES if len(found.metrics) and (found.metrics["slice"] == name).any()]:
        rows = found.metrics[found.metrics["slice"] == slice_name]
        groups = {
            COLUMNS.get(metric, (SHORT_NAMES.get(metric, metric),))[0]: list(map(metric_row, group.itertuples()))
            for metric, group in rows.groupby("metric", sort=False)
        }
        title = {"all": "All evaluated shoppers", "warm": "Warm shoppers, those seen in training"}[slice_name]
        tables.append({"title": title, "groups": groups})
    return tables


def metric_row(row: Any) -> dict[str, Any]:
    """One line of the table as text."""
    a, b = ends(row)
    return {"model": row.model, "a": a, "b": b, "difference": signed(row.difference), "verdict": verdict(row)}


def ends(row: Any) -> tuple[Any, Any]:
    """The intervals of A and of B."""
    a, b = (pd.Series({e: getattr(row, n) for e, n in zip(("value", "low", "high"), names, strict=True)})
            for names in (("a", "a_low", "a_high"), ("b", "b_low", "b_high")))  # fmt: skip
    return interval(a), interval(b)


def dot_plots(found: Comparison) -> list[dict[str, str]]:
    """NDCG of both runs, model by model: per slice a title, inline SVG, and the same in words."""
    drawn = []
    for slice_name in [name for name in SLICES if len(found.metrics)]:
        rows = found.metrics.query("slice == @slice_name and metric == @METRIC").iloc[::-1]
        if not len(rows):
            continue
        marks = pd.DataFrame(
            [end._asdict() for row in rows.itertuples() for end in reversed(ends(row))],
            index=[model for model in rows["model"] for _ in "AB"],
        )
        labels = [label for model in rows["model"] for label in ("B", f"{plots.shorten(model, LONGEST_NAME)}  A")]

        def plot(ax: Axes, marks: pd.DataFrame = marks, labels: Sequence[str] = labels) -> None:
            plots.plot_intervals(ax, marks, labels)
            ax.set_xlim(left=min(0, marks["low"].min()))

        words = "; ".join(f"{row.model} A {ends(row)[0]}, B {ends(row)[1]}" for row in rows.iloc[::-1].itertuples())
        drawn.append(
            {
                "title": f"NDCG@{found.k} of {slice_name} shoppers, with 95 % intervals",
                "svg": draw(plot, lines=len(marks), salt=f"compare {slice_name}"),
                "words": words,
            }
        )
    return drawn
