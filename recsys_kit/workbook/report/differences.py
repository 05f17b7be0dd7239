"""What differs between two runs: parameters, data, code, libraries and metrics, from what their folders record."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_kit.errors import ArtifactError, ParameterError
from recsys_kit.workbook.report.cautions import chapter_title
from recsys_kit.workbook.report.pages import COLUMNS, listed, read, read_dict, report_k, short

PARTS = ("train", "valid", "test")
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
        ParameterError: RK-371 where both are the same folder.
        ArtifactError: RK-404 where a run.json records nothing or cannot be read.
    """
    if before == after:
        raise ParameterError(
            "RK-371",
            f"{before} is compared with itself; expected two runs.",
            "Name another folder: report A B --compare.",
        )
    runs = read_dict(before, "run.json"), read_dict(after, "run.json")
    for folder, run in zip((before, after), runs, strict=True):
        if not run:
            raise ArtifactError(
                "RK-404", f"{folder / 'run.json'} cannot be read; expected the record of a run.", "Run it again."
            )
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
    cells, packages = [], []
    for run in (before, after):
        made = {name: state.get("earlier", state).get("made_with") for name, state in run.get("chapters", {}).items()}
        known = {chapter_title(name): how for name, how in made.items() if how}
        cells.append({name: str(how.get("cells"))[:DIGITS] for name, how in known.items()})
        packages.append({"recsys_kit": listed(sorted({str(how.get("package"))[:DIGITS] for how in known.values()}))})
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


def signed(number: float) -> str:
    """A difference with its sign.

    >>> signed(0.0123456), signed(-1200), signed(0)
    ('+0.0123', '-1,200', '0')
    """
    return ("+" if number > 0 else "") + ("0" if number == 0 else short(number))
