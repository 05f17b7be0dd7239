"""Two runs side by side: what changed in parameters, data, versions and metrics, from what their folders record."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from recsys_kit import plots
from recsys_kit.errors import ParameterError
from recsys_kit.workbook.cautions import chapter_title
from recsys_kit.workbook.pages import (
    COLUMNS,
    LONGEST_NAME,
    METRIC,
    SLICES,
    draw,
    fill,
    interval,
    listed,
    read,
    read_dict,
    report_k,
    short,
    told,
    write_page,
)

PARTS = ("train", "valid", "test")
SHORT_NAMES = {"f1": "F1", "mrr": "MRR"}
DIGITS = 8  # of a hash, enough to see that two differ


@dataclass(frozen=True)
class Change:
    """One thing that differs: where, what, its value in each run, and the difference of numbers."""

    where: str
    what: str
    before: Any
    after: Any

    @property
    def difference(self) -> str:
        """How much more the second has; empty where that means nothing."""
        numbers = [one for one in (self.before, self.after) if isinstance(one, int | float)]
        return f"{signed(numbers[1] - numbers[0])}" if len(numbers) == 2 else ""


@dataclass(frozen=True)
class Comparison:
    """Two runs, A and B, and all that differs."""

    folders: tuple[Path, Path]
    parameters: list[Change]
    data: list[Change]
    versions: list[Change]
    metrics: pd.DataFrame
    """`slice, metric, model, a, a_low, a_high, b, b_low, b_high, difference, overlap` of what both measured."""
    only: tuple[list[str], list[str]]
    """The models that only A, only B judged."""
    k: int
    split: set[str] | None
    """The parts of the split that differ; None where a run does not record them."""

    @property
    def names(self) -> tuple[str, str]:
        """The folders' names, told apart by their parents where they are equal."""
        a, b = self.folders
        return (a.name, b.name) if a.name != b.name else (f"{a.parent.name}/{a.name}", f"{b.parent.name}/{b.name}")


def compare(before: Path, after: Path) -> Comparison:
    """All that differs between two runs.

    Raises:
        ParameterError: RK-404 where both are the same folder.
    """
    if before == after:
        raise ParameterError(
            "RK-404",
            f"{before} is compared with itself; expected two runs.",
            "Name another folder: report A B --compare.",
        )
    runs = read_dict(before, "run.json"), read_dict(after, "run.json")
    tables = read(before, "results/metrics.parquet"), read(after, "results/metrics.parquet")
    k = report_k(*tables)
    models = [set() if table is None else set(table["model"]) for table in tables]
    parts = [{part: run.get("artifacts", {}).get(f"data/{part}.parquet") for part in PARTS} for run in runs]
    return Comparison(
        folders=(before, after),
        parameters=list(parameter_changes(*runs)),
        data=[*count_changes(before, after), *data_changes(*runs)],
        versions=[*changes("library", *(run.get("versions", {}) for run in runs)), *code_changes(*runs)],
        metrics=metric_changes(*tables, k) if all(table is not None for table in tables) else pd.DataFrame(),
        only=(sorted(models[0] - models[1]), sorted(models[1] - models[0])),
        k=k,
        split={part for part in PARTS if parts[0][part] != parts[1][part]}
        if all(all(p.values()) for p in parts)
        else None,
    )


def changes(where: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """What differs between two sets of named values; None stands for what one of them does not have."""
    for name in sorted(before | after):
        if before.get(name) != after.get(name):
            yield Change(where, name, before.get(name), after.get(name))


def parameter_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """The parameters that differ, by chapter."""
    first, second = before.get("parameters", {}), after.get("parameters", {})
    for chapter in sorted(first | second):
        yield from changes(chapter_title(chapter), first.get(chapter, {}), second.get(chapter, {}))


def count_changes(before: Path, after: Path) -> Iterator[Change]:
    """The counts of the data reports that differ."""
    counts = [read_dict(folder, "results/data_report.json").get("counts") for folder in (before, after)]
    first, second = (count if isinstance(count, Mapping) else {} for count in counts)
    for change in changes("counts", first, second):
        yield Change(change.where, change.what.removeprefix("n_").replace("_", " "), change.before, change.after)


def data_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """The tables of data whose bytes differ, by the first digits of their hash."""
    first, second = (
        {name: hash_[:DIGITS] for name, hash_ in run.get("artifacts", {}).items() if name.startswith("data/")}
        for run in (before, after)
    )
    yield from changes("sha256", first, second)


def code_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """The chapters whose cells differ, and the package where it does, by the first digits of their hashes."""
    cells, packages = [{}, {}], [{}, {}]
    for place, run in enumerate((before, after)):
        for name, state in sorted(run.get("chapters", {}).items()):
            made = state.get("earlier", state).get("made_with") or {}
            if made:
                cells[place][chapter_title(name)] = str(made.get("cells", ""))[:DIGITS]
                packages[place][f"recsys_kit in {chapter_title(name)}"] = str(made.get("package", ""))[:DIGITS]
    for where, (first, second) in (("cells", cells), ("package", packages)):
        yield from (change for change in changes(where, first, second) if change.before and change.after)


def metric_changes(before: pd.DataFrame, after: pd.DataFrame, k: int) -> pd.DataFrame:
    """What both measured, one row per slice, metric and model; B's best model first.

    Per-shopper values are not kept, so no paired test is possible: `overlap` says whether the two intervals do.
    """
    keys, ends = ["slice", "metric", "model"], ["value", "low", "high"]
    parts = [table.loc[table["k"] == k, keys + ends] for table in (before, after)]
    both = parts[0].merge(parts[1], on=keys)
    both.columns = [*keys, "a", "a_low", "a_high", "b", "b_low", "b_high"]
    both["difference"] = both["b"] - both["a"]
    both["overlap"] = ~((both["a_low"] > both["b_high"]) | (both["b_low"] > both["a_high"]))
    order = {name: place for place, name in enumerate(COLUMNS)}
    places = both["metric"].map(order).fillna(len(order))
    return both.assign(place=places).sort_values(["slice", "place", "metric", "b"], ascending=[True, True, True, False],
                                                 kind="stable", ignore_index=True).drop(columns="place")  # fmt: skip


def verdict(row: Any) -> str:
    """Whether the two intervals overlap; empty where a value has none."""
    if pd.isna(row.a_low) or pd.isna(row.b_low):
        return ""
    return "overlap" if row.overlap else "do not overlap"


def signed(number: float) -> str:
    """A difference with its sign.

    >>> signed(0.0123456), signed(-1200), signed(0)
    ('+0.0123', '-1,200', '0')
    """
    return ("+" if number > 0 else "") + ("0" if number == 0 else short(number))


# -- what it says ------------------------------------------------------------------------------------------------------


def sentences(found: Comparison) -> Iterator[str]:
    """The comparison in words, no more than the intervals hold."""
    a, b = found.names
    parts = {"parameters": found.parameters, "data": found.data, "code and libraries": found.versions}
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
        return "They were not judged on the same events: a difference may be due to the data alone."
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
        title = {"all": "All judged shoppers", "warm": "Warm shoppers, those seen in training"}[slice_name]
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
