"""The page of a run: `index.html`, one file made from `run.json`, `timings.json` and `results/` alone.

What is missing is left out: a run that failed has its page too.
"""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl
import pandas as pd

from recsys_kit import plots
from recsys_kit.intervals import Interval
from recsys_kit.workbook.runs import READERS, write_atomically

METRIC, BASELINE = "ndcg", "popularity"
COLUMNS = {  # what the table shows of the metrics, and how it is called
    "ndcg": "NDCG", "recall": "recall", "map": "MAP", "hit_rate": "hit rate",
    "coverage": "coverage", "diversity": "diversity", "novelty": "novelty (bits)",
}  # fmt: skip
SLICES = {"all": "all {n} judged shoppers", "warm": "the {n} warm shoppers (seen in training)"}
FACTS = {  # counts of the data report, and how the page calls them
    "n_users": "shoppers", "n_items": "products", "n_events": "events", "n_reviews": "reviews", "density": "density",
    "n_train": "events to train on", "n_valid": "to validate", "n_test": "to test",
}  # fmt: skip
ENDINGS = (".html", ".ipynb")
STOPPED = {
    "failed": "failed",
    "interrupted": "was interrupted",
    "running": "is running, or was killed with its command",
}


def write_report(folder: Path) -> Path:
    """Write `index.html` of the run in `folder` and return its path."""
    page = render(folder)
    path = folder / "index.html"
    write_atomically(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))
    return path


def render(folder: Path) -> str:
    """The page's HTML; everything that comes from data is escaped by the template."""
    run = read(folder, "run.json") or {}
    metrics = read(folder, "results/metrics.parquet")
    k = report_k(metrics)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("recsys_kit.workbook", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["short"] = short
    return environment.get_template("report.html.j2").render(
        name=folder.name,
        run=run,
        source=run.get("source", {}),
        chapters=chapters(run, read(folder, "timings.json") or {}, folder),
        sentences=list(headline(metrics, read(folder, "results/differences.parquet"), k)),
        protocol=read(folder, "results/protocol.json") or {},
        facts=facts(read(folder, "results/data_report.json") or {}),
        tables=[table for name in SLICES if (table := leaderboard(metrics, name, k))],
        plot=dot_plot(metrics, k),
        k=k,
        classifiers=classifiers(read(folder, "results/review_classification.json")),
        shoppers=read(folder, "results/shoppers.json") or {},
        warnings=list(warnings(run, metrics, k)),
    )


def read(folder: Path, name: str) -> Any:
    """One file of the run; None where it is absent or cannot be read (the page of a failed run still appears)."""
    path = folder / name
    try:
        return READERS[path.suffix](path) if path.exists() else None
    except (ValueError, OSError):  # JSON and Parquet errors are kinds of these
        return None


def short(value: Any) -> str:
    """A number in three significant digits, thousands set apart; anything else as it is.

    >>> short(0.08291), short(1234567), short(None), short("tea")
    ('0.0829', '1,234,567', '–', 'tea')
    """
    if value is None or (isinstance(value, float) and value != value):
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return (
        f"{value:,}"
        if isinstance(value, int)
        else f"{value:,.0f}"
        if abs(value) >= 1000
        else f"{value:#.3g}".rstrip(".")
    )


def report_k(metrics: pd.DataFrame | None) -> int:
    """The list length the page reports: 10, or the longest there is."""
    lengths = set() if metrics is None else set(metrics["k"])
    return 10 if not lengths or 10 in lengths else int(max(lengths))


def rows_of(table: pd.DataFrame, slice_name: str, metric: str, k: int) -> pd.DataFrame:
    """One row per model, best first."""
    chosen = table[(table["slice"] == slice_name) & (table["metric"] == metric) & (table["k"] == k)]
    return chosen.sort_values("value", ascending=False, kind="stable")


def headline(metrics: pd.DataFrame | None, differences: pd.DataFrame | None, k: int) -> Iterator[str]:
    """Sentences made from the numbers: who is best, whether that is more than chance, whether language models help."""
    if metrics is None:
        return
    for slice_name, words in SLICES.items():
        models = rows_of(metrics, slice_name, METRIC, k)
        if len(models):
            best = models.iloc[0]
            close = models["model"][(models["high"] >= best.low) & (models["model"] != best.model)]
            overlap = f" The intervals of {', '.join(close)} overlap with it." if len(close) else ""
            yield (
                f"For {words.format(n=short(int(best.n_users)))} {best.model} has the highest NDCG@{k}: "
                f"{interval(best)}. {against_baseline(best.model, differences, slice_name, k)}{overlap}"
            )
    models = rows_of(metrics, "all", METRIC, k).set_index("model")
    if {"content_minilm", "content_tfidf"} <= set(models.index):
        yield language_model(models.loc["content_minilm"], models.loc["content_tfidf"], models.iloc[0])


def interval(row: Any) -> Interval:
    """The interval of a row with value, low and high."""
    return Interval(float(row.value), float(row.low), float(row.high))


def against_baseline(model: str, differences: pd.DataFrame | None, slice_name: str, k: int) -> str:
    """Whether the model beats popularity, by the interval of the paired difference."""
    if model == BASELINE:
        return "No model beats the list that is the same for everybody."
    found = None if differences is None else rows_of(differences, slice_name, METRIC, k).query("model == @model")
    if found is None or not len(found):
        return ""
    row = found.iloc[0]
    verdict = {1: "more than chance", -1: "less", 0: "which chance alone could explain"}[interval(row).sign]
    return f"Shopper by shopper, its difference to popularity is {interval(row)}: {verdict}."


def language_model(minilm: pd.Series, tfidf: pd.Series, best: pd.Series) -> str:
    """Whether the pretrained language model earns its seconds on product texts."""
    verdict = "the intervals overlap"
    if minilm.low > tfidf.high or tfidf.low > minilm.high:
        verdict = "it wins clearly" if minilm.value > tfidf.value else "it loses clearly"
    rest = "" if best.name in (minilm.name, tfidf.name) else f" Neither text model alone matches {best.name}."
    return (
        f"On product texts alone the pretrained language model has {interval(minilm)}, plain TF-IDF {interval(tfidf)}: "
        f"{verdict}.{rest}"
    )


def leaderboard(metrics: pd.DataFrame | None, slice_name: str, k: int) -> dict[str, Any] | None:
    """The table of one slice: columns, and a row of cells (value, low, high, best) per model."""
    if metrics is None or not len(order := rows_of(metrics, slice_name, METRIC, k)):
        return None
    chosen = metrics[(metrics["slice"] == slice_name) & (metrics["k"] == k)]
    cells = {(row.model, row.metric): row for row in chosen.itertuples()}
    columns = [name for name in COLUMNS if any(metric == name for _, metric in cells)]
    rows = [{"model": model, "cells": [cells.get((model, column)) for column in columns]} for model in order["model"]]
    title = SLICES[slice_name].format(n=short(int(order["n_users"].iloc[0]))).capitalize()
    return {"title": title, "columns": [COLUMNS[name] for name in columns], "rows": rows}


def dot_plot(metrics: pd.DataFrame | None, k: int) -> str:
    """The leaderboard as dots with intervals: inline SVG, one panel per slice; empty without metrics."""
    panels = [] if metrics is None else [(s, rows) for s in SLICES if len(rows := rows_of(metrics, s, METRIC, k))]
    if not panels:
        return ""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "recsys_kit", "font.family": "sans-serif"}):
        height = 0.9 + 0.32 * max(len(rows) for _, rows in panels)
        figure = mpl.figure.Figure(figsize=(8, height * len(panels)), layout="constrained")
        for ax, (slice_name, rows) in zip(figure.subplots(len(panels), squeeze=False).flat, panels, strict=True):
            plots.plot_intervals(ax, rows.set_index("model").iloc[::-1])
            who = SLICES[slice_name].format(n=short(int(rows["n_users"].iloc[0])))
            ax.set_title(f"NDCG@{k}, {who}, with 95 % intervals", loc="left", fontsize=10)
            ax.spines[["top", "right", "left"]].set_visible(False)
            ax.grid(axis="x", alpha=0.25)
            ax.set_xlim(left=min(0, rows["low"].min()))
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]


def facts(report: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The data in a line: those of `FACTS` that the data report has, the days it spans, and the rows set apart.

    >>> facts({"counts": {"n_items": 800, "first_day": "2025-01-02", "last_day": "2025-12-31"}, "report": []})
    [('products', 800), ('first to last day', '2025-01-02 – 2025-12-31')]
    """
    counts = report.get("counts") if isinstance(report.get("counts"), Mapping) else {}
    found = [(words, counts[name]) for name, words in FACTS.items() if counts.get(name) is not None]
    if counts.get("first_day") and counts.get("last_day"):
        found.append(("first to last day", f"{counts['first_day']} – {counts['last_day']}"))
    for action in ("quarantined", "deduplicated"):
        lines = [
            line for line in report.get("report") or [] if isinstance(line, Mapping) and line.get("action") == action
        ]
        if rows := sum(line.get("rows") or 0 for line in lines):
            found.append((f"rows {action}", rows))
    return found


def classifiers(report: Any) -> list[dict[str, Any]]:
    """One row per review classifier: name, accuracy and macro-F1 as value, low, high (where they are known)."""
    named = report.get("classifiers", {}) if isinstance(report, Mapping) else {}
    rows = []
    for name, scores in named.items() if isinstance(named, Mapping) else ():
        values = {m: scores.get(m) if isinstance(scores, Mapping) else None for m in ("accuracy", "macro_f1")}
        rows.append({"name": name} | {m: v if isinstance(v, Mapping) else {"value": v} for m, v in values.items()})
    return rows


def chapters(run: Mapping[str, Any], timings: Mapping[str, Any], folder: Path) -> list[dict[str, Any]]:
    """Every chapter with its status, time, memory, and links to what was executed."""
    return [
        {
            "name": name,
            "status": state.get("status", "opened by hand"),
            "why": state.get("message") or state.get("reason") or "",
            "cause": state.get("cause", ""),
            "cell": state.get("cell", ""),
            "sections": state.get("skipped_sections", []),
            "links": [f"notebooks/{name}{end}" for end in ENDINGS if (folder / f"notebooks/{name}{end}").exists()],
        }
        | {key: timings.get(name, {}).get(key) for key in ("seconds", "peak_memory_mb")}
        for name, state in sorted(run.get("chapters", {}).items())
    ]


def warnings(run: Mapping[str, Any], metrics: pd.DataFrame | None, k: int) -> Iterator[str]:
    """What a reader should know before believing the numbers."""
    for name, state in sorted(run.get("chapters", {}).items()):
        if how := STOPPED.get(state.get("status")):
            yield f"{name} {how}: what comes after it is missing, or from an earlier run."
    if metrics is not None:
        judged = {s: int(rows_of(metrics, s, METRIC, k)["n_users"].max() or 0) for s in SLICES if _has(metrics, s)}
        n_all, n_warm = judged.get("all", 0), judged.get("warm", 0)
        if n_warm * 2 < n_all:
            few = f"only {short(n_warm)} of {short(n_all)} were seen in training"
            yield f"Most judged shoppers are new: {few}. Read the warm table as well."


def _has(metrics: pd.DataFrame, slice_name: str) -> bool:
    return bool((metrics["slice"] == slice_name).any())


def summary(folder: Path) -> dict[str, Any]:
    """What the command prints at its end: the leaderboard of all shoppers and the sections that were skipped."""
    metrics, run = read(folder, "results/metrics.parquet"), read(folder, "run.json") or {}
    skipped = [
        (name, section["section"], section["reason"])
        for name, state in sorted(run.get("chapters", {}).items())
        for section in state.get("skipped_sections", [])
    ]
    k = report_k(metrics)
    return {"k": k, "table": leaderboard(metrics, "all", k), "skipped": skipped}
