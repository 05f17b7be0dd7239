"""Many models, one table: the same shoppers, catalogue and denominator, an interval beside every mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys_kit import metrics
from recsys_kit.data.splitting import Split
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.features.vectors import Vectors
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
    """model, user_id, warm, then one column per metric (`ndcg@10` ...): one row per model and shopper."""
    metrics: pd.DataFrame
    """model, slice (all, warm), metric, k, value, low, high, n_users."""
    differences: pd.DataFrame
    """The same columns for the paired difference to the baseline, shopper by shopper."""
    protocol: dict[str, int | str]
    """How it was measured, in counts."""

    def leaderboard(self, k: int = 10, slice_name: str = "all") -> pd.DataFrame:
        """One row per model, best NDCG first: each metric with its `_low` and `_high`, `coverage@k`, `n_users`."""
        chosen = self.metrics.query("slice == @slice_name and k == @k")
        rows = []
        for model, of_model in chosen.groupby("model", sort=False):
            row: dict[str, object] = {"model": model}
            for line in of_model.itertuples():
                row[f"{line.metric}@{k}"] = line.value
                if line.metric != "coverage":
                    row |= {f"{line.metric}@{k}_low": line.low, f"{line.metric}@{k}_high": line.high}
            rows.append(row | {"n_users": int(of_model["n_users"].iloc[0])})
        if not rows:  # nobody of this kind was judged
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
    item_vectors: Vectors | None = None,
    cutoffs: Sequence[int] = CUTOFFS,
    min_rating: float | None = None,
    target_events: Sequence[str] = (),
    seed: int = 0,
) -> Evaluation:
    """Judge fitted models on what the shoppers of `part` did next.

    Every model ranks the whole catalogue, from the shopper's history up to the cut, without what the shopper has had. A
    shopper counts when at least one relevant item is new to them; the others are counted in `protocol`.

    Args:
        models: fitted models by the name they get on the leaderboard.
        split: the interactions; `part` ("valid" or "test") is what is predicted.
        part: which part to predict.
        item_vectors: how alike items are, for intra-list diversity; without them there is no such metric.
        cutoffs: the list lengths k to report.
        min_rating: events rated below are not relevant.
        target_events: the kinds of event that are relevant; empty for all.
        seed: draws the bootstrap.
    """
    truth = split.ground_truth(part, min_rating=min_rating, target_events=target_events)
    users = np.sort(truth["user_id"].unique().astype(str))
    if not len(users):
        raise DataError(
            "RK-152",
            f"no shopper of {part} took anything new; expected at least one.",
            "Cut elsewhere or use more data.",
        )
    histories = split.histories(part)
    own = [list(histories.get(user, [])) for user in users]
    warm = pd.Index(users).isin(split.train["user_id"].unique())
    catalogue = next(iter(models.values())).item_ids
    if any(not np.array_equal(model.item_ids, catalogue) for model in models.values()):
        raise ParameterError("RK-316", "the models rank different catalogues.", "Fit all with the same items=.")
    index = pd.Index(catalogue)
    place, unknown = index.get_indexer(truth["item_id"]), pd.factorize(truth["item_id"])[0]
    place = np.where(place < 0, len(index) + unknown, place)  # outside the catalogue: a miss for every model
    relevant = np.searchsorted(users, truth["user_id"].to_numpy(str)), place
    judge = _ListJudge(index, relevant, item_vectors, split.train, cutoffs)
    lists, per_user, coverages = [], [], []
    for name, model in models.items():
        ranked = model.recommend(users.tolist(), histories=own, k=max(cutoffs), progress=True)
        ranked = ranked.rename(columns={"query": "user_id"})
        values, coverage = judge.judge(ranked, users)
        lists.append(ranked.assign(model=name))
        per_user.append(pd.DataFrame({"model": name, "user_id": users, "warm": warm} | values))
        coverages.append(pd.DataFrame({"model": name, "k": list(cutoffs), "value": coverage}))
    per_user, coverages = pd.concat(per_user, ignore_index=True), pd.concat(coverages, ignore_index=True)
    columns = ["model", "user_id", "item_id", "score", "rank", "fallback"]
    return Evaluation(
        recommendations=pd.concat(lists, ignore_index=True)[columns],
        ground_truth=truth,
        per_user=per_user,
        metrics=_means(per_user, coverages, seed),
        differences=_differences(per_user, seed),
        protocol=_protocol(split, part, users, warm, catalogue),
    )


def _protocol(split: Split, part: str, users: np.ndarray, warm: np.ndarray, catalogue: np.ndarray) -> dict[str, int]:
    n_in_part = getattr(split, part)["user_id"].nunique()
    return {
        "n_users": len(users),
        "n_warm": int(warm.sum()),
        "n_cold": int((~warm).sum()),
        "n_without_new_item": int(n_in_part - len(users)),
        "n_items_ranked": len(catalogue),
    }


class _ListJudge:
    """Turns ranked lists into one value per shopper and metric."""

    def __init__(
        self,
        index: pd.Index,
        relevant: tuple[np.ndarray, np.ndarray],
        item_vectors: Vectors | None,
        train: pd.DataFrame,
        cutoffs: Sequence[int],
    ) -> None:
        self.index, self.relevant, self.cutoffs = index, relevant, cutoffs
        pairs = train[["user_id", "item_id"]].drop_duplicates()
        self.item_counts = pairs["item_id"].value_counts().reindex(index, fill_value=0).to_numpy()
        self.n_train_users = pairs["user_id"].nunique()
        self.vectors = None if item_vectors is None else item_vectors.align(index.tolist()).values

    def judge(self, ranked: pd.DataFrame, users: np.ndarray) -> tuple[dict[str, np.ndarray], list[float]]:
        """Per-user values by metric name, and the coverage at each cutoff."""
        lists = np.full((len(users), max(self.cutoffs)), -1, np.int64)
        rows = np.searchsorted(users, ranked["user_id"].to_numpy(str))
        lists[rows, ranked["rank"].to_numpy() - 1] = self.index.get_indexer(ranked["item_id"])
        hits, n_relevant = metrics.match(lists, *self.relevant)
        values: dict[str, np.ndarray] = {}
        for k in self.cutoffs:
            values |= metrics.ranking_metrics(hits, n_relevant, k)
            if self.vectors is not None:
                values[f"diversity@{k}"] = metrics.intra_list_diversity(lists, self.vectors, k)
            values[f"novelty@{k}"] = metrics.novelty(lists, self.item_counts, self.n_train_users, k)
        return values, [metrics.coverage(lists, len(self.index), k) for k in self.cutoffs]


def _long(names: Sequence[str], intervals: np.ndarray, **columns: object) -> pd.DataFrame:
    """Rows metric, k, value, low, high from names such as `ndcg@10`."""
    split_names = [name.split("@") for name in names]
    return pd.DataFrame({
        **columns,
        "metric": [metric for metric, _ in split_names],
        "k": [int(k) for _, k in split_names],
        "value": intervals[:, 0],
        "low": intervals[:, 1],
        "high": intervals[:, 2],
    })  # fmt: skip


def _metric_columns(per_user: pd.DataFrame) -> list[str]:
    return [column for column in per_user if "@" in column]


def _slices(per_user: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {"all": per_user, "warm": per_user[per_user["warm"]]}


def _means(per_user: pd.DataFrame, coverages: pd.DataFrame, seed: int) -> pd.DataFrame:
    names = _metric_columns(per_user)
    frames = []
    for slice_name, rows in _slices(per_user).items():
        for model, of_model in rows.groupby("model", sort=False):
            intervals = bootstrap_means(of_model[names].to_numpy(float), seed=seed)
            frames.append(_long(names, intervals, model=model, slice=slice_name, n_users=len(of_model)))
    n_users = per_user["user_id"].nunique()
    frames.append(coverages.assign(slice="all", metric="coverage", low=np.nan, high=np.nan, n_users=n_users))
    return pd.concat(frames, ignore_index=True)[LONG_COLUMNS]


def _differences(per_user: pd.DataFrame, seed: int, baseline: str = BASELINE) -> pd.DataFrame:
    """Model minus baseline, shopper by shopper: the interval of the mean difference."""
    names, frames = _metric_columns(per_user), []
    with_baseline = per_user if baseline in set(per_user["model"]) else per_user.iloc[:0]
    for slice_name, rows in _slices(with_baseline).items():
        of_baseline = rows[rows["model"] == baseline][names].to_numpy(float)
        for model, of_model in rows.groupby("model", sort=False):
            if model != baseline:
                intervals = bootstrap_means(of_model[names].to_numpy(float) - of_baseline, seed=seed)
                frames.append(_long(names, intervals, model=model, slice=slice_name, n_users=len(of_model)))
    return pd.concat(frames, ignore_index=True)[LONG_COLUMNS] if frames else pd.DataFrame(columns=LONG_COLUMNS)


# -- where each model fails ------------------------------------------------------------------------------------------


def by_shopper(evaluation: Evaluation, groups: pd.Series, metric: str = "ndcg@10", *, seed: int = 0) -> pd.DataFrame:
    """The mean of `metric` by groups of shoppers (user_id -> label): model, group, value, low, high, n_users."""
    labelled = evaluation.per_user.assign(group=evaluation.per_user["user_id"].map(groups))
    return _grouped(labelled, metric, seed)


def by_product(evaluation: Evaluation, groups: pd.Series, k: int = 10, *, seed: int = 0) -> pd.DataFrame:
    """Recall@k of the relevant items of one group of products (`groups`: item_id -> label), same columns as above."""
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
        rows.append({"model": model, "group": group, "value": value, "low": low, "high": high, "n_users": len(part)})
    return pd.DataFrame(rows)


def disagreements(evaluation: Evaluation, first: str, second: str, metric: str = "ndcg@10", n: int = 5) -> pd.DataFrame:
    """The n shoppers on whom two models differ most: user_id, both values, the difference, the largest first."""
    values = evaluation.per_user.pivot(index="user_id", columns="model", values=metric)
    wide = pd.DataFrame({first: values[first], second: values[second]})
    wide["difference"] = values[first] - values[second]
    largest = wide.sort_values("difference", key=abs, ascending=False, kind="stable").head(n)
    return largest.reset_index().rename_axis(columns=None)
