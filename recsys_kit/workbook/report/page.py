"""The report of a run: `index.html`, one file made from `run.json`, `timings.json` and `results/`.

Sections without data are left out, so a failed run has a report too. Its HTML is in `report.html.j2`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

import recsys_kit.workbook.lineup  # noqa: F401 (registers the colours of the models)
from recsys_kit.intervals import Interval
from recsys_kit.workbook.report import cautions, compare, data_figures, headlines, pages, wording
from recsys_kit.workbook.report.pages import COLUMNS, read, read_dict

HIGHER_IS_BETTER = ("ndcg", "recall", "map", "hit_rate")
RESULTS = ("data_report", "protocol", "review_classification", "shoppers")
TITLES = wording.read_texts(__file__)["titles"]


def write_report(folder: Path, other: Path | None = None) -> Path:
    """Write `index.html` of the run in `folder`, compared with the `other` run if there is one; return its path."""
    return pages.write_page(folder / "index.html", render(folder, other))


def render(folder: Path, other: Path | None = None) -> str:
    """Return the page's HTML."""
    found = {name: read_dict(folder, f"{name}.json") for name in ("run", "timings")}
    found |= {name: read_dict(folder, f"results/{name}.json") for name in RESULTS}
    tables = {name: read(folder, f"results/{name}.parquet") for name in ("metrics", "differences", "comparisons")}
    k, scores = pages.report_k(tables["metrics"]), list_classifiers(found["review_classification"])
    chosen = str(found["protocol"].get("best_on_validation", ""))
    sections: dict[str, Any] = {
        "findings": [*headlines.headline(**tables, k=k, chosen=chosen), *headlines.review_headline(scores)],
        "warnings": cautions.find_cautions(folder, found["run"]),
        "data": data_figures.make_data_figures(found["data_report"], found["review_classification"]),
        "leaderboard": build_leaderboards(tables["metrics"], k),
        "reviews": scores,
        "shoppers": found["shoppers"] if found["shoppers"].get("shoppers") else {},
        "chapters": found["run"].get("chapters"),
        "making": found["run"].get("parameters"),
        "comparison": compare.compare_runs(folder, other) if other else {},
    }
    words = {"n_figures": len(sections["data"]), "other": other and other.name}
    titles = {name: wording.say(title, **words) for name, title in TITLES.items() if sections[name]}
    return wording.fill("report.html.j2", **(found | sections), sections=titles, folder=folder, k=k, glossary=COLUMNS)


def build_leaderboards(metrics: pd.DataFrame | None, k: int) -> list[dict[str, Any]]:
    """Return the table of each slice, with its plot as inline SVG; all plots have the same axis."""
    boards = pages.slices_of(metrics, k).values()
    if not boards:
        return []
    ends = pd.concat(boards)[["low", "value", "high"]]
    limits = min(0, ends.min().min()), ends.max().max() * 1.04 or 1
    return [build_leaderboard(metrics, rows) | {"svg": pages.draw(rows, limits)} for rows in boards]


def build_leaderboard(metrics: pd.DataFrame, order: pd.DataFrame) -> dict[str, Any]:
    """Return the table of one slice: its columns with the clear best model of each, and the cells of each model.

    Args:
        metrics: of all slices, metrics and list lengths.
        order: the rows of one metric of the slice, a row for each model, best first.
    """
    slice_name, k, n_users = order.iloc[0][["slice", "k", "n_users"]]
    chosen = metrics[(metrics["slice"] == slice_name) & (metrics["k"] == k)]
    cells = {(row.model, row.metric): row for row in chosen.itertuples()}
    columns = [name for name in COLUMNS if name in set(chosen["metric"])]
    return {
        "title": pages.shoppers_in(slice_name, int(n_users)).capitalize(),
        "slice": slice_name,
        "n_users": int(n_users),
        "columns": [COLUMNS[name][0] for name in columns],
        "leaders": [find_clear_best(chosen[chosen["metric"] == column]) for column in columns],
        "rows": [{"model": model, "cells": [cells.get((model, name)) for name in columns]} for model in order["model"]],
    }


def find_clear_best(rows: pd.DataFrame) -> str | None:
    """Return the model whose interval lies above all others; None if there is none."""
    if len(rows) < 2 or rows["metric"].iloc[0] not in HIGHER_IS_BETTER:
        return None
    best, others = rows.loc[rows["value"].idxmax()], rows.drop(index=rows["value"].idxmax())
    return best["model"] if (best["low"] > others["high"]).all() else None


def list_classifiers(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the review classifiers, best first: name, macro-F1 and accuracy as intervals, None if unknown."""
    rows = [
        {"name": name} | {metric: as_interval(scores.get(metric)) for metric in ("macro_f1", "accuracy")}
        for name, scores in report.get("classifiers", {}).items()
    ]
    return sorted(rows, key=lambda row: -row["macro_f1"].value if row["macro_f1"] else 0.0)


def as_interval(score: Mapping[str, float] | None) -> Interval | None:
    """Return the interval of `{"value", "low", "high"}`; NaN where an end is unknown."""
    return Interval(*pd.Series(score, Interval._fields, dtype=float)) if score else None


def summary(folder: Path) -> dict[str, Any]:
    """Return what the command prints: lines on the data, the leaderboard of all users, and the skipped sections."""
    metrics, run = read(folder, "results/metrics.parquet"), read_dict(folder, "run.json")
    skipped = [
        (name, section["section"], section["reason"])
        for name, state in sorted(run.get("chapters", {}).items())
        for section in state.get("skipped_sections", [])
    ]
    k = pages.report_k(metrics)
    boards = pages.slices_of(metrics, k)
    table = build_leaderboard(metrics, boards["all"]) if "all" in boards else None
    said = cautions.said_of(read_dict(folder, "results/data_report.json"))
    return {"said": said, "k": k, "table": table, "skipped": skipped}
