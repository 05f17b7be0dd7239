"""Two runs side by side: the parameters that differ, and their leaderboards."""

from pathlib import Path

import pandas as pd

from recsys_kit.workbook.report.pages import COLUMNS, METRIC, read, report_k
from recsys_kit.workbook.report.wording import pathless, short
from recsys_kit.workbook.runner.manifest import read_manifest

SHOWN = list(COLUMNS)[:3]  # as many metrics as a terminal of 80 columns has room for


def compare_runs(run: Path, other: Path) -> dict[str, pd.DataFrame]:
    """Return both tables by their titles; a title says so if its table is empty.

    Values of single users are not kept in a run, so the difference of two runs is not tested for significance.
    """
    tests = [read_manifest(folder)["artifacts"].get("data/test.parquet") for folder in (run, other)]
    same = None not in tests and tests[0] == tests[1]
    parameters, boards = compare_parameters(run, other), compare_leaderboards(run, other)
    data = "the same test set" if same else "different test sets: a difference may be due to the data alone"
    return {
        "Parameters that differ" if len(parameters) else "All parameters are the same.": parameters,
        f"Leaderboards on {data}" if len(boards) else "There are not two leaderboards: chapter 04 makes them.": boards,
    }


def compare_parameters(run: Path, other: Path) -> pd.DataFrame:
    """Return the parameters that differ: columns chapter, parameter, and one for each run, as text.

    Only chapters that both runs have count.

    Args:
        run: folder of a run.
        other: folder of the run that it is compared with.

    Raises:
        IntegrityError: RK-410 or RK-411 a run.json cannot be read.
    """
    found = [read_manifest(folder).get("parameters", {}) for folder in (run, other)]
    rows = [
        (chapter, name, *(repr(pathless(one[chapter][name])) if name in one[chapter] else "–" for one in found))
        for chapter in sorted(found[0].keys() & found[1].keys())
        for name in sorted(found[0][chapter].keys() | found[1][chapter].keys())
    ]
    table = pd.DataFrame(rows, columns=["chapter", "parameter", *name_runs(run, other)])
    return table[table.iloc[:, 2] != table.iloc[:, 3]]


def compare_leaderboards(run: Path, other: Path) -> pd.DataFrame:
    """Return the metrics of both runs for all evaluated users: a row for each model, two columns for each metric.

    The values are text, the best model of `run` comes first. The frame is empty if a run has no leaderboard.
    """
    boards = [read(folder, "results/metrics.parquet") for folder in (run, other)]
    if any(board is None for board in boards):
        return pd.DataFrame()
    names, wanted = name_runs(run, other), f"slice == 'all' and k == {report_k(*boards)}"
    rows = pd.concat(boards, keys=names, names=["run", None]).reset_index("run")
    table = rows.query(wanted).pivot(index="model", columns=["metric", "run"], values="value")
    table = table.sort_values([(METRIC, name) for name in names], ascending=False, kind="stable")
    table = table[[(metric, name) for metric in SHOWN for name in names if (metric, name) in table]]
    table.columns = [f"{COLUMNS[metric][0]} {name}" for metric, name in table]
    return table.map(short).reset_index()


def name_runs(run: Path, other: Path) -> list[str]:
    """Return the names of two folders, with those of their parents if they are equal."""
    names = [run.name, other.name]
    return names if run.name != other.name else [f"{folder.parent.name}/{folder.name}" for folder in (run, other)]
