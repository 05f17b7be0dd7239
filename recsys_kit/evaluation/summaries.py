"""Summarize the values of all users: means by model, metric and slice, with an interval beside every mean."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from recsys_kit.evaluation.measures import POPULARITY, Measures, stack
from recsys_kit.intervals import Interval, bootstrap_means
from recsys_kit.recommenders.base import Ranked

BASELINE = "popularity"
LONG_COLUMNS = ["model", "slice", "metric", "k", "value", "low", "high", "n_users"]


def summarize(
    measures: Measures,
    lists: Mapping[str, Ranked],
    columns: Sequence[str],
    values: np.ndarray,
    slices: Mapping[str, np.ndarray],
    seed: int,
) -> pd.DataFrame:
    """Return the means of all models, metrics and slices, `LONG_COLUMNS`.

    Args:
        measures: what measures lists by slice of `POPULARITY` and all together.
        lists: M models by name.
        columns: the Q metrics of `values`.
        values: (U, M, Q).
        slices: by name, the members among the users, (U,) bool.
        seed: seed of the bootstrap.
    """
    models = list(lists)
    frames = [
        _long(models, columns, values if name == "all" else values[members], name, seed)
        for name, members in slices.items()
        if members.any()
    ]
    for name in POPULARITY:
        measured = stack(measures.measure_popularity(one.items, name) for one in lists.values())
        frames.append(_long(models, *measured, name, seed).query("n_users > 0"))
    of_all_lists = [
        (model, "all", *name.split("@"), value, np.nan, np.nan, len(one.items))
        for model, one in lists.items()
        for name, value in measures.measure_all(one.items).items()
    ]
    frames.append(pd.DataFrame(of_all_lists, columns=LONG_COLUMNS).astype({"k": int}))
    return pd.concat(frames, ignore_index=True)


def compare_to_baseline(
    models: list[str], columns: Sequence[str], values: np.ndarray, slices: Mapping[str, np.ndarray], seed: int
) -> pd.DataFrame:
    """Return the mean paired difference of each model to the baseline, for all and for the warm; as `summarize`."""
    others = [at for at, model in enumerate(models) if model != BASELINE]
    if BASELINE not in models or not others:
        return pd.DataFrame(columns=LONG_COLUMNS)
    differences = values[:, others] - values[:, [models.index(BASELINE)]]
    names = [models[at] for at in others]
    frames = [
        _long(names, columns, differences[slices[name]], name, seed) for name in ("all", "warm") if slices[name].any()
    ]
    return pd.concat(frames, ignore_index=True)


def _long(models: list[str], columns: Sequence[str], values: np.ndarray, slice_name: str, seed: int) -> pd.DataFrame:
    """Return the long table of one slice from values (n, M, Q): means and intervals, the same draws for all."""
    keys = [(model, *name.split("@")) for model in models for name in columns]
    flat = values.reshape(len(values), len(keys))
    rows = pd.DataFrame(keys, columns=["model", "metric", "k"]).astype({"k": int}).assign(slice=slice_name)
    rows[["value", "low", "high"]] = bootstrap_means(flat, seed=seed)
    return rows.assign(n_users=(~np.isnan(flat)).sum(axis=0))[LONG_COLUMNS]


def table_of(rows: pd.DataFrame, metrics_shown: Sequence[str], k: int = 10, slice_name: str = "all") -> pd.DataFrame:
    """Return a table to look at: one row per model, one column per metric, `value [low, high]` in each cell.

    `rows` are `Evaluation.metrics` or `.differences`; metrics that were not measured are left out.

    >>> row = {"model": "ease", "slice": "all", "metric": "ndcg", "k": 10, "value": 0.1234, "low": 0.11, "high": 0.14}
    >>> table_of(pd.DataFrame([row]), ["ndcg", "mrr"]).loc["ease"].to_dict()
    {'ndcg@10': '0.123 [0.110, 0.140]'}
    """
    chosen = rows[(rows["slice"] == slice_name) & (rows["k"] == k) & rows["metric"].isin(metrics_shown)]
    cells = [f"{Interval(line.value, line.low, line.high):.3f}" for line in chosen.itertuples()]
    wide = chosen.assign(cell=cells).pivot(index="model", columns="metric", values="cell")
    order = [name for name in metrics_shown if name in wide]
    return (
        wide.reindex(chosen["model"].unique())[order]
        .rename(columns=lambda name: f"{name}@{k}")
        .rename_axis(columns=None)
    )
