"""Is it real? Paired tests between models, corrected for their number; and does the winner hang on our weights?"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from recsys_kit.core.ids import listed
from recsys_kit.errors import ParameterError
from recsys_kit.evaluation.judging import max_novelty
from recsys_kit.evaluation.leaderboard import BASELINE, Evaluation, check_judged, shopper_slices
from recsys_kit.intervals import LEVEL, bootstrap_means, holm, permutation_test
from recsys_kit.metrics import EXPERIENCE_WEIGHTS, experience_index

COMPARISON_COLUMNS = ["model", "verdict", "against", "difference", "low", "high", "p", "p_holm", "n_users"]
VERDICTS = {1: "better than", 0: "not told apart from", -1: "worse than"}


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
    """Which models differ by more than chance explains, judged shopper by shopper.

    Args:
        evaluation: what `evaluate` found.
        metric: any column of `evaluation.per_user`, `ndcg@10` and so on.
        against: the model that all others are held against, or None for every pair. Whether a model wins should be
            asked of one that was named before the test was seen: the baseline, or the best on validation.
        models: the models to hold against it, or to pair; None for all. Fewer questions find more.
        slice_name: all, warm, or one of `WARMTH`.
        level: of the intervals; 1 - level is the chance of any false verdict in the whole table.
        seed: draws the bootstrap and the flips.

    Returns:
        One row per comparison: model, verdict, against, difference (mean of model - against), low, high, p (paired
        permutation test), p_holm (p corrected for the number of rows), n_users. The verdict is "better than" or "worse
        than" only where p_holm is below 1 - level and the interval excludes 0; else "not told apart from". The largest
        difference comes first.

    Raises:
        ParameterError: RK-363 for a model that was not evaluated, RK-364 for such a metric, RK-365 for an unknown
            slice.
    """
    chosen = evaluation.per_user["model"].unique().tolist() if models is None else list(listed(models))
    check_judged(evaluation, ([] if against is None else [against]) + chosen, metric)
    values = _values(evaluation, metric, slice_name)
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


def _values(evaluation: Evaluation, metric: str, slice_name: str) -> pd.DataFrame:
    """One row per shopper of the slice, one column per model in the order of the leaderboard's making."""
    per_user = evaluation.per_user
    slices = shopper_slices(per_user["train_events"].to_numpy())
    if slice_name not in slices:
        raise ParameterError("RK-365", f"{slice_name!r} is no slice of shoppers.", f"Pass one of {list(slices)}.")
    wide = per_user[slices[slice_name]].pivot(index="user_id", columns="model", values=metric)
    return wide[[model for model in per_user["model"].unique() if model in wide]]


def experience_by_weights(evaluation: Evaluation, k: int = 10, *, n_steps: int = 21) -> pd.DataFrame:
    """How the user-experience index of each model moves with its weights: model, component, weight, value.

    Each component in turn gets the weights 0 to 1 in `n_steps` steps; the other two share the rest in the ratio of
    `EXPERIENCE_WEIGHTS`. Where two models' lines cross, the choice of weights decides which one wins.
    """
    columns = [f"ndcg@{k}", f"recall@{k}", f"novelty@{k}"]
    means = evaluation.per_user.groupby("model", sort=False)[columns].mean()
    means[columns[2]] /= max_novelty(evaluation.protocol["n_train_users"])
    frames = []
    for component, default in EXPERIENCE_WEIGHTS.items():
        for weight in np.linspace(0, 1, n_steps):
            rest = (1 - weight) / (1 - default)
            weights = {name: rest * other for name, other in EXPERIENCE_WEIGHTS.items()} | {component: weight}
            value = experience_index(*means.to_numpy().T, weights=weights)
            frames.append(
                pd.DataFrame({"model": means.index, "component": component, "weight": weight, "value": value})
            )
    return pd.concat(frames, ignore_index=True)
