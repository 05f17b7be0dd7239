"""Published results of others beside ours, under the same protocol. The numbers are in `published.csv`."""

import tomllib
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace

import pandas as pd

from recsys_kit.data.splitting import STRATIFIED_PROTOCOL, Split
from recsys_kit.intervals import Interval

K = 10  # length of the lists that every published row reports
CSV = Path(__file__).with_suffix(".csv")
_DESCRIBED = CSV.with_suffix(".toml").read_text(encoding="utf-8").replace("{stratified}", STRATIFIED_PROTOCOL)
BENCHMARKS = {name: SimpleNamespace(**fields) for name, fields in tomllib.loads(_DESCRIBED).items()}
"""By name, the data sets on which several publications agree; `published.toml` explains their fields."""


def benchmark_of(split: Split) -> str:
    """Return the name of the benchmark that a split belongs to, "" for none. A k-core makes another split.

    >>> events = pd.DataFrame({"user_id": ["a"], "item_id": ["x"]})
    >>> benchmark_of(Split(events, events[:0], events[:0], events[:0], {"method": "time"}))
    ''
    """
    events = pd.concat(split.parts.values())
    size = [events["user_id"].nunique(), events["item_id"].nunique(), len(events)]
    cut = (split.how["method"], size) if split.how.get("k_core", 1) == 1 else ()
    return next((name for name, one in BENCHMARKS.items() if (one.method, one.size) == cut), "")


def read_published(name: str) -> pd.DataFrame:
    """Return the published rows of a benchmark, all values as text.

    Columns: dataset, protocol, model, metric, k, reported (by the authors of the model), rerun (by others),
    source, uses_attributes ("yes", "no" or "unknown": attributes or texts of items).

    >>> read_published("movielens-100k").query("model == 'SAR'")[["metric", "rerun"]].to_numpy().tolist()
    [['ndcg', '0.3938'], ['precision', '0.3406'], ['recall', '0.1854']]
    """
    rows = pd.read_csv(CSV, dtype=str, keep_default_na=False)
    return rows[(rows["dataset"] == name) & (rows["protocol"] == BENCHMARKS[name].method)]


def beside_published(
    name: str, metrics: pd.DataFrame, chosen: str = "", *, with_attributes: Collection[str] | None = None
) -> pd.DataFrame:
    """Return our models and the published ones in one table, best first.

    A published row is placed by its rerun value if there is one.

    Args:
        name: a benchmark.
        metrics: `Evaluation.metrics`; lists of `K` for all users are shown.
        chosen: our model that was best on the validation set; it is marked, since the test set did not choose it.
        with_attributes: our models that use attributes or texts of items; None if unknown.

    Returns:
        Columns model, attributes; reported, rerun and ours of the first metric; one column for each other metric (ours,
        or rerun, or reported); source. Our values have 95 % intervals.
    """
    benchmark = BENCHMARKS[name]
    main, *others = (f"{metric}@{K}" for metric in benchmark.metrics)
    ours, published = metrics.query("slice == 'all' and k == @K"), read_published(name)
    rows = []
    for model, lines in ours[ours["metric"].isin(benchmark.metrics)].groupby("model", sort=False):
        found = {f"{line.metric}@{K}": Interval(line.value, line.low, line.high) for line in lines.itertuples()}
        uses = "" if with_attributes is None else "yes" if model in with_attributes else "no"
        cells = {f"{main} ours": f"{found[main]:.4f}"} | {metric: f"{found[metric]:.4f}" for metric in others}
        source = "this workbook" + (", best on validation" if model == chosen else "")
        rows.append({"model": model, "attributes": uses, **cells, "source": source, "place": found[main].value})
    for model, lines in published.groupby("model", sort=False):
        cells = {f"{main} {kind}": _join(lines, main, kind) for kind in ("reported", "rerun")}
        place = float((cells[f"{main} rerun"] or cells[f"{main} reported"]).split(" / ")[0])
        cells |= {metric: _join(lines, metric, "rerun") or _join(lines, metric, "reported") for metric in others}
        source = "; ".join(lines["source"].unique())
        uses = lines["uses_attributes"].iloc[0]
        rows.append({"model": model, "attributes": uses, **cells, "source": source, "place": place})
    columns = ["model", "attributes", *(f"{main} {kind}" for kind in ("reported", "rerun", "ours")), *others, "source"]
    table = pd.DataFrame(rows).sort_values("place", ascending=False, kind="stable", ignore_index=True)
    return table.reindex(columns=columns).fillna("")


def _join(lines: pd.DataFrame, metric: str, kind: str) -> str:
    """The values of one metric; several sources are separated by a slash."""
    values = lines.loc[(lines["metric"] + "@" + lines["k"]) == metric, kind]
    return " / ".join(values[values != ""])
