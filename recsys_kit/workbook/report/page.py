"""The report of a run: `index.html`, one file made from `run.json`, `timings.json` and `results/`.

Sections without data are left out, so a failed run has a report too.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

import recsys_kit.workbook.lineup  # noqa: F401 (registers the colours of the models)
from recsys_kit import plots
from recsys_kit.intervals import Interval
from recsys_kit.workbook.report.cautions import chapter_title, find_cautions
from recsys_kit.workbook.report.compare import compare_runs
from recsys_kit.workbook.report.data_figures import make_data_figures
from recsys_kit.workbook.report.headlines import headline, review_headline
from recsys_kit.workbook.report.pages import (
    COLUMNS,
    LONGEST_NAME,
    METRIC,
    counted,
    draw,
    fill,
    interval,
    read,
    read_dict,
    report_k,
    rows_of,
    sentence,
    shoppers_in,
    slices_of,
    without_folders,
    write_page,
)

HIGHER_IS_BETTER = ("ndcg", "recall", "map", "hit_rate")
ENDINGS = {".html": "page", ".ipynb": "notebook"}
FEWEST = ("no", "one", "two", "three", "four", "five")


def write_report(folder: Path, other: Path | None = None) -> Path:
    """Write `index.html` of the run in `folder`, compared with the `other` run if there is one; return its path."""
    return write_page(folder / "index.html", render(folder, other))


def render(folder: Path, other: Path | None = None) -> str:
    """Return the page's HTML."""
    run, timings = read_dict(folder, "run.json"), read_dict(folder, "timings.json")
    metrics = read(folder, "results/metrics.parquet")
    classification = read_dict(folder, "results/review_classification.json")
    k, protocol = report_k(metrics), read_dict(folder, "results/protocol.json")
    tests = {
        "comparisons": read(folder, "results/comparisons.parquet"),
        "chosen": str(protocol.get("best_on_validation", "")),
    }
    scores = list_classifiers(classification)
    values = {
        "findings": [
            *headline(metrics, read(folder, "results/differences.parquet"), k, **tests),
            *review_headline(scores),
        ],
        "warnings": find_cautions(folder, run),
        "data": make_data_figures(read_dict(folder, "results/data_report.json"), classification),
        "leaderboard": [build_leaderboard(metrics, name, k) for name in slices_of(metrics, k)],
        "reviews": scores,
        "shoppers": list_shoppers(read_dict(folder, "results/shoppers.json")),
        "chapters": list_chapter_states(run, timings, folder),
        "making": {chapter_title(name): values for name, values in run.get("parameters", {}).items()},
        "comparison": compare_runs(folder, other) if other else {},
    }
    titles = {
        "findings": "What was found",
        "warnings": "Before you believe it",
        "data": f"The data in {FEWEST[len(values['data'])]} figure{'' if len(values['data']) == 1 else 's'}",
        "leaderboard": "The leaderboard",
        "reviews": "Reading reviews",
        "shoppers": "Whom it serves",
        "chapters": "The chapters",
        "making": "How it was made",
        "comparison": f"Compared with {other.name}" if other else "",
    }
    return fill(
        "report.html.j2",
        name=folder.name,
        run=run,
        source=run.get("source", {}),
        simulated=run.get("source", {}).get("dataset") == "toyshop",
        finished=max((str(times.get("finished", "")) for times in timings.values()), default="")[:16].replace("T", " "),
        protocol=protocol,
        glossary=COLUMNS,
        plots=draw_leaderboards(metrics, k),
        k=k,
        caps=classification.get("caps"),
        totals=sum_timings(timings),
        nothing=explain_missing_leaderboard(run, folder),
        sections={name: title for name, title in titles.items() if values[name]},
        **values,
    )


def explain_missing_leaderboard(run: Mapping[str, Any], folder: Path) -> str:
    """Explain why there is no leaderboard, and how to get one."""
    state = run.get("chapters", {}).get("04_evaluation", {})
    if not run.get("chapters"):
        return "Nothing has been run into this folder yet: recsys-kit run makes what this page shows."
    if state.get("status") == "skipped" and state.get("reason") not in (None, "not reached"):
        return f"There is no leaderboard in this run. {sentence(without_folders(state['reason'], folder))}"
    if state.get("status") == "not_requested":
        return "There is no leaderboard in this run: chapter 04 was not asked for. Run it with --only 04."
    return "This run has no leaderboard yet: chapter 04 has not been executed to its end."


# -- the leaderboard ---------------------------------------------------------------------------------------------------


def build_leaderboard(metrics: pd.DataFrame | None, slice_name: str, k: int) -> dict[str, Any] | None:
    """Return the table of one slice: its columns, and for each model the cells and which of them are the clear best."""
    if metrics is None or not len(order := rows_of(metrics, slice_name, METRIC, k)):
        return None
    chosen = metrics[(metrics["slice"] == slice_name) & (metrics["k"] == k)]
    cells = {(row.model, row.metric): row for row in chosen.itertuples()}
    columns = [name for name in COLUMNS if any(metric == name for _, metric in cells)]
    leaders = {column: find_clear_best(chosen[chosen["metric"] == column]) for column in columns}
    rows = [
        {
            "model": model,
            "cells": [cells.get((model, column)) for column in columns],
            "best": [leaders[column] == model for column in columns],
        }
        for model in order["model"]
    ]
    title = shoppers_in(slice_name, int(order["n_users"].iloc[0])).capitalize()
    return {"title": title, "columns": [COLUMNS[name][0] for name in columns], "rows": rows}


def find_clear_best(rows: pd.DataFrame) -> str | None:
    """Return the model whose interval lies above all others; None if there is none."""
    if len(rows) < 2 or rows["metric"].iloc[0] not in HIGHER_IS_BETTER:
        return None
    best, others = rows.loc[rows["value"].idxmax()], rows.drop(index=rows["value"].idxmax())
    return best["model"] if (best["low"] > others["high"]).all() else None


def draw_leaderboards(metrics: pd.DataFrame | None, k: int) -> list[dict[str, str]]:
    """Return the plot of each slice: title, inline SVG, and the same in words."""
    boards = slices_of(metrics, k)
    ends = pd.concat(boards.values())[["low", "value", "high"]] if boards else None
    drawn = []
    for slice_name, rows in boards.items():

        def plot(ax: Axes, rows: pd.DataFrame = rows) -> None:
            upwards = rows.set_index("model").iloc[::-1]
            plots.plot_intervals(ax, upwards, [plots.shorten(name, LONGEST_NAME) for name in upwards.index])
            ax.set_xlim(min(0, ends.min().min()), ends.max().max() * 1.04 or 1)

        who = counted(int(rows["n_users"].iloc[0]), f"{'evaluated' if slice_name == 'all' else slice_name} shopper")
        words = "; ".join(f"{row.model} {interval(row)}" for row in rows.itertuples())
        drawn.append(
            {
                "title": f"NDCG@{k} of {who}, with 95 % intervals",
                "svg": draw(plot, lines=len(rows), salt=slice_name),
                "words": words,
            }
        )
    return drawn


# -- the other parts ---------------------------------------------------------------------------------------------------


def list_classifiers(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the review classifiers, best first: name, macro-F1 and accuracy as intervals, None if unknown."""
    named = report.get("classifiers")
    rows = [
        {"name": name} | {m: as_interval(scores.get(m)) for m in ("macro_f1", "accuracy")}
        for name, scores in (named.items() if isinstance(named, Mapping) else ())
        if isinstance(scores, Mapping)
    ]
    return sorted(rows, key=lambda row: -row["macro_f1"].value if row["macro_f1"] else 0.0)


def as_interval(score: Any) -> Interval | None:
    """Return the interval of `{"value", "low", "high"}`, or of a number, whose ends are then unknown."""
    values = score if isinstance(score, Mapping) else {"value": score}
    ends = [values.get(end) for end in Interval._fields]
    if not isinstance(ends[0], int | float):
        return None
    return Interval(*(float(end) if isinstance(end, int | float) else float("nan") for end in ends))


def list_shoppers(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shoppers of chapter 05, each with the list of the model that the chapter serves."""
    people = [person for person in found.get("shoppers") or [] if isinstance(person, Mapping)]
    if not people:
        return {}
    model = found.get("model", "")
    return {
        "model": model,
        "asked_at": found.get("asked_at", ""),
        "sentences": found.get("sentences") or [],
        "people": [
            {
                "who": person.get("who") or person.get("user_id"),
                "history": person.get("history") or [],
                "words": person.get("history_in_words", ""),
                "items": (person.get("lists") or {}).get(model) or [],
            }
            for person in people
        ],
    }


def list_chapter_states(run: Mapping[str, Any], timings: Mapping[str, Any], folder: Path) -> list[dict[str, Any]]:
    """Return status, time, memory and links of each chapter."""
    return [
        {
            "name": chapter_title(name),
            "status": state.get("status", "opened by hand"),
            "reused": bool(state.get("reused")),
            "why": sentence(without_folders(state.get("message") or state.get("reason"), folder)),
            "cause": state.get("cause", ""),
            "cell": state.get("cell", ""),
            "next": sentence(without_folders(state.get("next"), folder)),
            "sections": state.get("skipped_sections", []),
            "links": {
                f"notebooks/{name}{end}": words
                for end, words in ENDINGS.items()
                if (folder / f"notebooks/{name}{end}").exists()
            },
        }
        | {key: timings.get(name, {}).get(key) for key in ("seconds", "peak_memory_mb")}
        for name, state in sorted(run.get("chapters", {}).items())
    ]


def sum_timings(timings: Mapping[str, Any]) -> dict[str, float]:
    """Return the total seconds, those of the longest chapter, and the largest peak memory in MB."""
    seconds = [times.get("seconds") or 0 for times in timings.values()]
    memory = [times.get("peak_memory_mb") or 0 for times in timings.values()]
    return {"seconds": sum(seconds), "longest": max(seconds, default=0), "memory": max(memory, default=0)}


def summary(folder: Path) -> dict[str, Any]:
    """Return what the command prints at its end: the leaderboard of all users and the skipped sections."""
    metrics, run = read(folder, "results/metrics.parquet"), read_dict(folder, "run.json")
    skipped = [
        (name, section["section"], section["reason"])
        for name, state in sorted(run.get("chapters", {}).items())
        for section in state.get("skipped_sections", [])
    ]
    k = report_k(metrics)
    return {"k": k, "table": build_leaderboard(metrics, "all", k), "skipped": skipped}
