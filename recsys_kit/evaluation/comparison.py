"""Compare evaluated models: paired tests corrected for their number, where each fails, how the weights decide."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from recsys_kit.core.ids import as_ids, listed
from recsys_kit.errors import ParameterError
from recsys_kit.evaluation.leaderboard import Evaluation
from recsys_kit.evaluation.measures import max_novelty, slice_users
from recsys_kit.evaluation.summaries import BASELINE
from recsys_kit.intervals import LEVEL, bootstrap_means, holm, permutation_test
from recsys_kit.metrics import EXPERIENCE_WEIGHTS, experience_index

COMPARISON_COLUMNS = ["model", "verdict", "against", "difference", "low", "high", "p", "p_holm", "n_users"]
VERDICTS = {1: "better than", 0: "not significantly different from", -1: "worse than"}


def compare(
    evaluation: Evaluation,
    metric: str = "ndcg@10",
    *,
    against: str | None = BASELINE,
    models: Sequence[str] | None = None,
    slice_name: str = "all",
    level: float = LEVEL,
    seed: int = 0,
) -> pd.DataFrame:
    """Test which models differ significantly, by paired values of the same users.

    Args:
        evaluation: the result of `evaluate`.
        metric: one of `evaluation.columns`, `ndcg@10` and so on.
        against: the model that all others are compared with, or None for every pair. Choose it before the test set is
            seen: the baseline, or the best on validation.
        models: the models to compare with it, or to pair; None for all. Fewer comparisons find more.
        slice_name: all, warm, or one of `WARMTH`.
        level: of the intervals; 1 - level is the chance of any false verdict in the whole table.
        seed: seed of the bootstrap and of the permutations.

    Returns:
        One row per comparison: model, verdict, against, difference (mean of model - against), low, high, p (paired
        permutation test), p_holm (p corrected for the number of rows), n_users. The verdict is "better than" or "worse
        than" only where p_holm is below 1 - level and the interval excludes 0; else "not significantly different from".
        The largest difference comes first.

    Raises:
        ParameterError: RK-363 for a model that was not evaluated, RK-364 for such a metric, RK-365 for an unknown
            slice.
    """
    chosen = evaluation.models if models is None else list(listed(models))
    _check_models(evaluation, ([] if against is None else [against]) + chosen)
    slices = slice_users(evaluation.train_events)
    if slice_name not in slices:
        raise ParameterError("RK-365", f"{slice_name!r} is no slice of users.", f"Pass one of {list(slices)}.")
    values = evaluation.values_of(metric)[slices[slice_name]]
    if against is None:
        best_first = values.mean().sort_values(ascending=False, kind="stable").index
        pairs = list(combinations([model for model in best_first if model in chosen], 2))
    else:
        pairs = [(model, against) for model in values if model != against and model in chosen]
    if not pairs:
        return pd.DataFrame(columns=COMPARISON_COLUMNS)
    differences = np.column_stack([values[model] - values[other] for model, other in pairs])
    rows = pd.DataFrame(pairs, columns=["model", "against"])
    rows[["difference", "low", "high"]] = bootstrap_means(differences, level=level, seed=seed)
    rows["p"] = permutation_test(differences, seed=seed)
    rows["p_holm"] = holm(rows["p"])
    rows["n_users"] = (~np.isnan(differences)).sum(axis=0)
    sign = (rows["low"] > 0).astype(int) - (rows["high"] < 0)
    rows["verdict"] = sign.where(rows["p_holm"] < 1 - level, 0).map(VERDICTS)
    return rows.sort_values("difference", ascending=False, kind="stable", ignore_index=True)[COMPARISON_COLUMNS]


def _check_models(evaluation: Evaluation, names: Sequence[str]) -> None:
    """Raise `ParameterError` (RK-363) for a model that was not evaluated."""
    if unknown := [name for name in names if name not in evaluation.lists]:
        problem = f"there is no model {unknown[0]!r}; evaluated are {evaluation.models}."
        raise ParameterError("RK-363", problem, "Pass one of these.")


def by_product(evaluation: Evaluation, groups: pd.Series, k: int = 10, *, seed: int = 0) -> pd.DataFrame:
    """Return recall@k by groups of items.

    Args:
        evaluation: the result of `evaluate`.
        groups: item_id -> label; items without a label are left out.
        k: length of the lists.
        seed: seed of the bootstrap.

    Returns:
        model, group, value, low, high, n_users (with a relevant item of the group).
    """
    groups = groups.set_axis(as_ids(groups.index, "item ids of groups"))
    rows, items = evaluation.targets.rows, evaluation.targets.items
    found = {
        name: (lists.items[rows, :k] == items[:, None]).any(axis=1).astype(float)
        for name, lists in evaluation.lists.items()
    }
    labels = evaluation.ground_truth["item_id"].map(groups)
    recall = pd.DataFrame(found).groupby([labels, rows], observed=True).mean()
    summary = [
        (model, label, *bootstrap_means(values.to_numpy(float)[:, None], seed=seed)[0], len(values))
        for model in found
        for label, values in recall[model].groupby(level=0, observed=True)
    ]
    return pd.DataFrame(summary, columns=["model", "group", "value", "low", "high", "n_users"])


def disagreements(evaluation: Evaluation, first: str, second: str, metric: str = "ndcg@10", n: int = 5) -> pd.DataFrame:
    """Return the n users on whom two models differ most: user_id, both values, the difference, the largest first.

    Raises:
        ParameterError: RK-363 for a model that was not evaluated, RK-364 for such a metric.
    """
    _check_models(evaluation, [first, second])
    values = evaluation.values_of(metric)
    wide = values[list(dict.fromkeys([first, second]))].assign(difference=values[first] - values[second])
    largest = wide.sort_values("difference", key=abs, ascending=False, kind="stable").head(n)
    return largest.reset_index()


def experience_by_weights(evaluation: Evaluation, k: int = 10, *, n_steps: int = 21) -> pd.DataFrame:
    """Return the user-experience index of each model by its weights: model, component, weight, value.

    Each component in turn gets the weights 0 to 1 in `n_steps` steps; the other two share the rest in the ratio of
    `EXPERIENCE_WEIGHTS`. Where two models' lines cross, the choice of weights decides which one wins.
    """
    columns = [f"ndcg@{k}", f"recall@{k}", f"novelty@{k}"]
    means = pd.DataFrame({column: evaluation.values_of(column).mean() for column in columns})
    means[columns[2]] /= max_novelty(evaluation.protocol["n_train_users"])
    relevance, completeness, novelty = means.to_numpy().T
    rows = []
    for component, default in EXPERIENCE_WEIGHTS.items():
        for weight in np.linspace(0, 1, n_steps):
            rest = (1 - weight) / (1 - default)
            weights = {name: rest * other for name, other in EXPERIENCE_WEIGHTS.items()} | {component: weight}
            values = experience_index(relevance, completeness, novelty, weights=weights)
            rows += [(model, component, weight, value) for model, value in zip(means.index, values, strict=True)]
    return pd.DataFrame(rows, columns=["model", "component", "weight", "value"])
