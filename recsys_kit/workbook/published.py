"""Numbers that others published, beside ours under the same protocol: two tables that anybody can check."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from recsys_kit.data.splitting import STRATIFIED_PROTOCOL, Split
from recsys_kit.errors import ParameterError
from recsys_kit.intervals import Interval
from recsys_kit.workbook.runner.runs import Run

K = 10  # the length of list that both tables report


@dataclass(frozen=True)
class Benchmark:
    """Data, cut and measure on which several publications agree."""

    title: str
    method: str
    """The split that it was made with, a name of `data.splitting.METHODS`."""
    size: tuple[int, int, int]
    """Shoppers, products and events of the whole data: how a run is recognised."""
    protocol: str
    """What the published rows have in common with ours."""
    metrics: tuple[str, ...]
    """In the order of the columns, the first decides the order of the rows."""
    rows: Mapping[str, tuple[tuple[float, ...], str]]
    """By model: its published values, in the order of `metrics`, and where they stand."""


BENCHMARKS = {
    "amazon-beauty": Benchmark(
        title="Amazon Beauty",
        method="leave_last_out",
        size=(22_363, 12_101, 198_502),
        protocol="of every shopper the last product is test, the one before it validation, the rest train; the whole "
        "catalogue is ranked without what the shopper had",
        metrics=("ndcg", "hit_rate"),
        rows={
            "PopRec": ((0.0068, 0.0152), "S3-Rec repository"),
            "BPR-MF": ((0.0227, 0.0447), "RecBoard, mean of 5 seeds"),
            "LightGCN": ((0.0242, 0.0480), "RecBoard"),
            "S3-Rec (attributes)": ((0.0327, 0.0647), "S3-Rec repository"),
            "SASRec (BCE)": ((0.0354, 0.0668), "RecBoard"),
            "TIGER (text)": ((0.0384, 0.0648), "TIGER paper"),
            "BERT4Rec (CE)": ((0.0406, 0.0730), "RecBoard"),
            "HSTU": ((0.0543, 0.0945), "RecBoard"),
            "BSARec (CE)": ((0.0610, 0.1002), "RecBoard"),
            "WEARec": ((0.0614, 0.1041), "its repository's best log, one seed"),
            "KERec": ((0.0623, 0.1050), "its README, one run, not verified"),
        },
    ),
    "movielens-100k": Benchmark(
        title="MovieLens 100K",
        method="stratified",
        size=(943, 1_682, 100_000),
        protocol=f"{STRATIFIED_PROTOCOL}; every rating counts, the whole catalogue is ranked without what was rated",
        metrics=("ndcg", "precision", "recall"),
        rows={
            "NCF": ((0.3686, 0.3269, 0.1632), "recommenders repository"),
            "SAR": ((0.3938, 0.3406, 0.1854), "recommenders repository"),
            "LightGCN": ((0.4164, 0.3592, 0.1960), "recommenders repository"),
            "BPR": ((0.4450, 0.3887, 0.2166), "recommenders repository"),
            "BiVAE": ((0.4687, 0.4082, 0.2209), "recommenders repository; NDCG .4751 in an earlier run"),
        },
    ),
}


def benchmark_of(split: Split) -> str:
    """The name of the benchmark that this split is, "" for none; a k-core is another split.

    >>> events = pd.DataFrame({"user_id": ["a"], "item_id": ["x"]})
    >>> benchmark_of(Split(events, events[:0], events[:0], events[:0], {"method": "time"}))
    ''
    """
    events = pd.concat(split.parts.values())
    size = (events["user_id"].nunique(), events["item_id"].nunique(), len(events))
    cut = (split.how["method"], size) if split.how.get("k_core", 1) == 1 else ()
    return next((name for name, one in BENCHMARKS.items() if (one.method, one.size) == cut), "")


def beside_published(name: str, metrics: pd.DataFrame, chosen: str = "") -> pd.DataFrame:
    """Our models and the published ones, the best first.

    Args:
        name: of a benchmark.
        metrics: `Evaluation.metrics`; of it, lists of `K` for all shoppers.
        chosen: our model that was best on validation, marked so: the one number that was not picked by looking.

    Returns:
        Columns model, one per metric (text, ours with 95 % interval), source.
    """
    benchmark = BENCHMARKS[name]
    ours = metrics.query("slice == 'all' and k == @K")
    rows: list[dict[str, Any]] = []
    for model, lines in ours.groupby("model", sort=False):
        found = {line.metric: Interval(line.value, line.low, line.high) for line in lines.itertuples()}
        mark = ", best on validation" if model == chosen else ""
        cells = {f"{metric}@{K}": f"{found[metric]:.4f}" for metric in benchmark.metrics}
        rows.append({"model": model, **cells, "source": f"this workbook{mark}", "_": found[benchmark.metrics[0]].value})
    for model, (values, source) in benchmark.rows.items():
        cells = {f"{metric}@{K}": f"{value:.4f}" for metric, value in zip(benchmark.metrics, values, strict=True)}
        rows.append({"model": model, **cells, "source": source, "_": values[0]})
    table = pd.DataFrame(rows).sort_values("_", ascending=False, kind="stable", ignore_index=True)
    return table.drop(columns="_")


def of_run(run: Run) -> str:
    """Title, protocol and the table of `beside_published` of a run, as Markdown.

    Raises:
        ParameterError: RK-367 the run is on other data or has another split.
        ArtifactError: RK-401 the run has no leaderboard.
    """
    protocol = run.read("results/protocol.json")
    name = protocol.get("benchmark", "")
    if name not in BENCHMARKS:
        known = " or ".join(f"{one.title} (split={one.method})" for one in BENCHMARKS.values())
        raise ParameterError("RK-367", f"run {run.folder.name} is on none of the published sets.", f"Run {known}.")
    table = beside_published(name, run.read("results/metrics.parquet"), protocol["best_on_validation"])
    lines = [list(table), ["---"] * table.shape[1], *table.to_numpy().tolist()]
    told = "with" if protocol["item_attributes"] else "without"
    ours = [f"{told} item attributes"]
    ours += ["parameters chosen on validation"] if protocol.get("tuned") else []
    ours += ["refitted on train and validation"] if protocol.get("refit") else []
    head = f"**{BENCHMARKS[name].title}**: {BENCHMARKS[name].protocol}. Ours: {', '.join(ours)}."
    return "\n".join([head, "", *(f"| {' | '.join(line)} |" for line in lines)])
