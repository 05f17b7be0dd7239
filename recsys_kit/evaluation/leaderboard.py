"""Many models, one table: the same shoppers, catalogue and denominator, an interval beside every mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from recsys_kit.core.contexts import context_of
from recsys_kit.core.ids import as_ids, listed, with_text_ids
from recsys_kit.core.ranking import check_k
from recsys_kit.core.vectors import Vectors, check_vectors
from recsys_kit.data.splitting import Split
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.evaluation.judging import (
    OF_ALL_LISTS,
    POPULARITY,
    WARMTH,
    Judgement,
    ListJudge,
    Task,
    bins_of,
    set_task,
)
from recsys_kit.intervals import Interval, bootstrap_means
from recsys_kit.recommenders.base import Recommender

BASELINE = "popularity"
CUTOFFS = (5, 10, 20)
LONG_COLUMNS = ["model", "slice", "metric", "k", "value", "low", "high", "n_users"]


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found."""

    recommendations: pd.DataFrame
    """model, user_id, item_id, score, rank, fallback: the lists that were judged."""
    ground_truth: pd.DataFrame
    """user_id, item_id: what the shoppers took, of what they had not had before."""
    per_user: pd.DataFrame
    """model, user_id, warm, train_events, then one column per metric (`ndcg@10` ...): a row per model and shopper."""
    metrics: pd.DataFrame
    """model, slice, metric, k, value, low, high, n_users: how many have an answer. Slices are all, warm, `WARMTH` (by
    events in train) and, for the ranking metrics, `POPULARITY` (only these products count as relevant)."""
    differences: pd.DataFrame
    """The same columns for the paired difference to the baseline, shopper by shopper, for all and for the warm."""
    protocol: dict[str, int | str]
    """How it was measured, in counts."""

    def leaderboard(self, k: int = 10, slice_name: str = "all") -> pd.DataFrame:
        """One row per model, best NDCG first: each metric with its `_low` and `_high`, if it has any, `n_users`."""
        chosen = self.metrics.query("slice == @slice_name and k == @k")
        rows = []
        for model, of_model in chosen.groupby("model", sort=False):
            row: dict[str, object] = {"model": model}
            for line in of_model.itertuples():
                row[f"{line.metric}@{k}"] = line.value
                if line.metric not in OF_ALL_LISTS:
                    row |= {f"{line.metric}@{k}_low": line.low, f"{line.metric}@{k}_high": line.high}
            rows.append(row | {"n_users": int(of_model["n_users"].iloc[0])})
        if not rows:  # no shopper of this kind was evaluated
            return pd.DataFrame(columns=["model", f"ndcg@{k}", "n_users"])
        return pd.DataFrame(rows).sort_values(f"ndcg@{k}", ascending=False, kind="stable", ignore_index=True)


def table_of(rows: pd.DataFrame, metrics_shown: Sequence[str], k: int = 10, slice_name: str = "all") -> pd.DataFrame:
    """A table for the eye: one row per model, one column per metric, `value [low, high]` in each cell.

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


def evaluate(
    models: Mapping[str, Recommender],
    split: Split,
    *,
    part: str = "test",
    items: pd.DataFrame | None = None,
    item_vectors: Vectors | None = None,
    cutoffs: Sequence[int] = CUTOFFS,
    min_rating: float | None = None,
    target_events: Sequence[str] = (),
    seen_events: Sequence[str] = (),
    grades: str = "",
    context: pd.DataFrame | None = None,
    seed: int = 0,
) -> Evaluation:
    """Judge fitted models on what the shoppers of `part` did next.

    Ids may be numbers, categories and the like: they are compared as text.
    Every model ranks the whole catalogue, from the shopper's history up to the cut, without the items the shopper has
    seen. A shopper counts when at least one relevant item is new to them; the others are counted in `protocol`.

    Args:
        models: fitted models by the name they get on the leaderboard.
        split: the interactions; `part` ("valid" or "test") is what is predicted.
        part: which part to predict.
        items: `item_id, category`, for the diversity and the calibration of categories; without them neither.
        item_vectors: how alike items are, for intra-list diversity; without them there is no such metric.
        cutoffs: the list lengths k to report.
        min_rating: events rated below are not relevant.
        target_events: the kinds of event that are relevant; empty for all.
        seen_events: the kinds of event that make an item seen: neither relevant nor on a list; empty for all. The
            histories that the models read stay whole.
        grades: the column of the interactions ("rating") that says how relevant an item is; with it there are
            `ndcg_linear` and `ndcg_exponential` beside the binary `ndcg`. An event without a grade gains nothing.
        context: by user_id, when and where each shopper asks (`Split.circumstances`), for models that care. Who has no
            row there is asked without; RK-340 where no shopper has one, RK-343 to RK-347 for what is no context.
        seed: draws the bootstrap.
    """
    cutoffs = checked_cutoffs(cutoffs)
    task = set_task(models, split, part, min_rating, target_events, seen_events)
    first = next(iter(models.values()))
    judge = ListJudge(
        task,
        first.encode(task.histories).matrix(len(task.catalogue)),
        split.train,
        cutoffs,
        vectors=None if item_vectors is None else check_vectors(item_vectors),
        categories=_categories(items),
        grades=_grades(task.ground_truth, getattr(split, part), grades) if grades else None,
    )
    asked = None if context is None else context_of(context, task.users)
    ranked = {name: _lists(model, task, max(cutoffs), asked) for name, model in models.items()}
    lists = {name: judge.to_lists(rows) for name, rows in ranked.items()}
    found = {name: judge.judge(lists[name], lists.get(BASELINE)) for name in models}
    slices = shopper_slices(task.train_events)
    protocol = _protocol(split, part, task) | {"n_train_users": judge.n_train_users}
    recommendations = pd.concat([rows.assign(model=name) for name, rows in ranked.items()], ignore_index=True)
    return Evaluation(
        recommendations=recommendations[["model", "user_id", "item_id", "score", "rank", "fallback"]],
        ground_truth=task.ground_truth,
        per_user=_per_user(found, task),
        metrics=_means(found, slices, seed),
        differences=_differences(found, slices, seed),
        protocol=protocol,
    )


def checked_cutoffs(cutoffs: Sequence[int] | int) -> list[int]:
    """The lengths of lists that are asked for, one or more; RK-312 where one is no length of a list."""
    cutoffs = list(listed(cutoffs))
    for k in cutoffs or [None]:
        check_k(k)
    return cutoffs


def check_judged(evaluation: Evaluation, models: Sequence[str], metric: str) -> None:
    """Raises `ParameterError`: RK-363 for a model that was not evaluated, RK-364 for such a metric."""
    evaluated = evaluation.per_user["model"].unique().tolist()
    if unknown := [name for name in models if name not in evaluated]:
        raise ParameterError(
            "RK-363", f"there is no model {unknown[0]!r}; evaluated are {evaluated}.", "Pass one of these."
        )
    measured = [column for column in evaluation.per_user if "@" in column]
    if metric not in measured:
        raise ParameterError("RK-364", f"{metric!r} was not measured by shopper.", f"Pass one of {measured}.")


def _categories(items: pd.DataFrame | None) -> pd.Series | None:
    """item_id -> category, of items that are listed again the first."""
    if items is None or "category" not in items:
        return None
    items = with_text_ids(items, "items", ["item_id"])
    return items.drop_duplicates("item_id").set_index("item_id")["category"]


def _lists(model: Recommender, task: Task, k: int, context: pd.DataFrame | None) -> pd.DataFrame:
    asked = {"histories": task.histories, "seen": task.seen, "context": context}
    ranked = model.recommend(task.users.tolist(), **asked, k=k, progress=True)
    return ranked.rename(columns={"query": "user_id"})


def _grades(truth: pd.DataFrame, events: pd.DataFrame, column: str) -> np.ndarray:
    """The highest grade that the shopper gave the item, 0 where there is none."""
    if column not in events:
        raise DataError("RK-362", f"interactions have no column {column!r} to grade by.", "Pass grades=''.")
    if not is_numeric_dtype(events[column]):
        raise DataError("RK-362", f"interactions have no numbers in {column!r} to grade by.", "Pass grades=''.")
    highest = events.groupby(["user_id", "item_id"])[column].max()
    return highest.reindex(pd.MultiIndex.from_frame(truth)).fillna(0).to_numpy(float)


def _protocol(split: Split, part: str, task: Task) -> dict[str, int]:
    n_in_part, n_warm = getattr(split, part)["user_id"].nunique(), int((task.train_events > 0).sum())
    return {
        "n_users": len(task.users),
        "n_warm": n_warm,
        "n_cold": len(task.users) - n_warm,
        "n_without_new_item": int(n_in_part - len(task.users)),
        "n_items_ranked": len(task.catalogue),
    }


def shopper_slices(train_events: np.ndarray) -> dict[str, np.ndarray]:
    """Who belongs to each slice of shoppers, by their number of events in train.

    >>> {name: members.tolist() for name, members in shopper_slices(np.array([0, 7])).items()}["warm"]
    [False, True]
    """
    bins = bins_of(train_events, WARMTH)
    everybody = {"all": np.ones(len(train_events), bool), "warm": train_events > 0}
    return everybody | {name: bins == name for name in WARMTH}


def _per_user(found: Mapping[str, Judgement], task: Task) -> pd.DataFrame:
    who = {"user_id": task.users, "warm": task.train_events > 0, "train_events": task.train_events}
    frames = [pd.DataFrame({"model": name} | who | judgement.per_user) for name, judgement in found.items()]
    return pd.concat(frames, ignore_index=True)


def _long(values: Mapping[str, Mapping[str, np.ndarray]], slice_name: str, seed: int) -> pd.DataFrame:
    """The long table of one slice: every model's mean of every metric, from one set of draws for all.

    `values`: model -> metric such as `ndcg@10` -> one value per shopper.
    """
    keys = [(model, *name.split("@")) for model, by_metric in values.items() for name in by_metric]
    columns = np.column_stack([value for by_metric in values.values() for value in by_metric.values()])
    means = bootstrap_means(columns, seed=seed)
    rows = pd.DataFrame(keys, columns=["model", "metric", "k"]).astype({"k": int}).assign(slice=slice_name)
    rows[["value", "low", "high"]] = means
    return rows.assign(n_users=(~np.isnan(columns)).sum(axis=0))[LONG_COLUMNS]


def _among(values: Mapping[str, np.ndarray], members: np.ndarray) -> dict[str, np.ndarray]:
    return {name: value[members] for name, value in values.items()}


def _means(found: Mapping[str, Judgement], slices: Mapping[str, np.ndarray], seed: int) -> pd.DataFrame:
    frames = [
        _long({model: _among(judgement.per_user, members) for model, judgement in found.items()}, name, seed)
        for name, members in slices.items()
        if members.any()
    ]
    for name in POPULARITY:
        of_slice = {model: judgement.per_product[name] for model, judgement in found.items()}
        frames.append(_long(of_slice, name, seed).query("n_users > 0"))
    n_users = len(slices["all"])
    for model, judgement in found.items():
        rows = [
            (model, "all", *name.split("@"), value, np.nan, np.nan, n_users)
            for name, value in judgement.of_all_lists.items()
        ]
        frames.append(pd.DataFrame(rows, columns=LONG_COLUMNS).astype({"k": int}))
    return pd.concat(frames, ignore_index=True)


def _differences(found: Mapping[str, Judgement], slices: Mapping[str, np.ndarray], seed: int) -> pd.DataFrame:
    """Model minus baseline, shopper by shopper: the interval of the mean difference, for all and for the warm."""
    others = [model for model in found if model != BASELINE]
    if BASELINE not in found or not others:
        return pd.DataFrame(columns=LONG_COLUMNS)
    base = found[BASELINE].per_user
    minus = {model: {name: value - base[name] for name, value in found[model].per_user.items()} for model in others}
    frames = [
        _long({model: _among(values, slices[name]) for model, values in minus.items()}, name, seed)
        for name in ("all", "warm")
        if slices[name].any()
    ]
    return pd.concat(frames, ignore_index=True)


# -- where each model fails ------------------------------------------------------------------------------------------


def by_product(evaluation: Evaluation, groups: pd.Series, k: int = 10, *, seed: int = 0) -> pd.DataFrame:
    """Recall@k by groups of products, item_id -> label: model, group, value, low, high, n_users."""
    groups = groups.set_axis(as_ids(groups.index, "item ids of groups"))
    truth = evaluation.ground_truth.assign(group=evaluation.ground_truth["item_id"].map(groups))
    found = evaluation.recommendations.query("rank <= @k")[["model", "user_id", "item_id"]].assign(found=1.0)
    frames = []
    for model in evaluation.per_user["model"].unique():
        of_model = truth.merge(found[found["model"] == model], on=["user_id", "item_id"], how="left").fillna(
            {"found": 0.0}
        )
        per_user = of_model.groupby(["group", "user_id"], observed=True)["found"].mean().reset_index()
        frames.append(per_user.assign(model=model))
    return _grouped(pd.concat(frames, ignore_index=True), "found", seed)


def _grouped(values: pd.DataFrame, column: str, seed: int) -> pd.DataFrame:
    rows = []
    for (model, group), part in values.groupby(["model", "group"], sort=False, observed=True):
        value, low, high = bootstrap_means(part[[column]].to_numpy(float), seed=seed)[0]
        rows.append(
            {
                "model": model,
                "group": group,
                "value": value,
                "low": low,
                "high": high,
                "n_users": int(part[column].count()),
            }
        )
    return pd.DataFrame(rows, columns=["model", "group", "value", "low", "high", "n_users"])


def disagreements(evaluation: Evaluation, first: str, second: str, metric: str = "ndcg@10", n: int = 5) -> pd.DataFrame:
    """The n shoppers on whom two models differ most: user_id, both values, the difference, the largest first.

    Raises `ParameterError`: RK-363 for a model that was not evaluated, RK-364 for such a metric.
    """
    check_judged(evaluation, [first, second], metric)
    values = evaluation.per_user.pivot(index="user_id", columns="model", values=metric)
    wide = pd.DataFrame({first: values[first], second: values[second]})
    wide["difference"] = values[first] - values[second]
    largest = wide.sort_values("difference", key=abs, ascending=False, kind="stable").head(n)
    return largest.reset_index().rename_axis(columns=None)
