"""NDCG on the validation set, for early stopping, tuning and the weights of ensembles; never reported as a result."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.core.contexts import context_of
from recsys_kit.core.encoded import EncodedSplit, Targets
from recsys_kit.core.ranking import blocks
from recsys_kit.errors import ParameterError
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.store import check_models

MAX_USERS = 25_000
"""Validation users, at most, that are evaluated."""


def measure_ndcg(model: Recommender, targets: Targets, k: int, context: pd.DataFrame | None = None) -> np.ndarray:
    """Return the NDCG@k of each user's list, (B,) float64; NaN for a user without a relevant item.

    Args:
        model: a fitted model of the same catalogue.
        targets: B users; their relevant items are in the catalogue.
        k: length of the lists.
        context: B rows, as `context_of` returns them.
    """
    ranks = []
    for place, block in blocks(targets.histories, len(model.items)):
        scores = model._score_in_context(block, None if context is None else context.iloc[place])
        ranks.append(targets.rank_relevant(place, model.visible(scores, ~model._knows(block))))
    return targets.ndcg(np.concatenate(ranks), k)


def validation_ndcg(
    models: Mapping[str, Recommender],
    split: EncodedSplit,
    *,
    k: int,
    seed: int = 0,
    known: Mapping[str, float] | None = None,
    context: pd.DataFrame | None = None,
) -> dict[str, float]:
    """Return the mean NDCG@k of fitted models on the validation set, by which one may be chosen.

    Args:
        models: by name, fitted on this split.
        split: with validation targets.
        k: length of the lists.
        seed: draws the users, where there are more than `MAX_USERS`.
        known: values that an ensemble has measured already, by name; they are not measured again.
        context: by user_id, the context of each request, for models that use it.

    Returns:
        By name; empty where no validation user has a relevant item.

    Raises:
        ParameterError: RK-157 no models by name, RK-315 a split without validation targets.
    """
    check_models(models)
    if "valid" not in split.targets:
        raise ParameterError("RK-315", "the split has no validation set.", "Pass valid= to EncodedSplit.of.")
    targets = split.validation(MAX_USERS, seed)
    if targets is None:
        return {}
    known = known or {}
    if context is not None:  # ensembles measure without one
        context = context_of(context, targets.users)
        known = {name: value for name, value in known.items() if name in models and "context" not in models[name].uses}
    return {
        name: known.get(name) or float(np.nanmean(measure_ndcg(model, targets, k, context)))
        for name, model in models.items()
    }


def tune(
    model: Recommender, options: Mapping[str, Sequence[Any]] | None, split: EncodedSplit, *, k: int = 10, seed: int = 0
) -> Recommender:
    """Return the model fitted with the options that rank the validation set best, by mean NDCG@k.

    Coordinate ascent from the model's own hyper-parameters: one option after the other, until a whole round changes
    nothing. No combination is fitted twice, and only the best model so far is kept: 15 to 40 fits. Without a relevant
    item in validation the hyper-parameters stay.

    Args:
        model: the start; it stays as it is.
        options: by hyper-parameter, the values to try; None for the `options` of the model's class.
        split: with validation targets.
        k: length of the lists that are compared.
        seed: draws the users, where there are more than `MAX_USERS`.

    Raises:
        ParameterError: RK-319 an option that is not a hyper-parameter of the model.

    >>> train = pd.DataFrame({"user_id": list("aabb"), "item_id": list("xyxz"), "position": [1, 2, 1, 2]})
    >>> from recsys_kit.recommenders import EASE
    >>> tune(EASE(), {"regularization": (0.5, 50.0)}, EncodedSplit.of(train, valid=train.head(0))).regularization
    200.0
    """
    options = model.options if options is None else options
    parameters = list(model.__dataclass_fields__)
    if unknown := [name for name in options if name not in parameters]:
        problem = f"{model.name} has no parameter {unknown[0]!r}; expected one of {', '.join(parameters)}."
        raise ParameterError("RK-319", problem, "Leave it out of the options.")
    targets = split.validation(MAX_USERS, seed) if options else None

    def fit(chosen: Mapping[str, Any]) -> tuple[float, Recommender]:
        fitted = replace(model.unfitted(), **chosen).fit(split)
        return 0.0 if targets is None else float(np.nanmean(measure_ndcg(fitted, targets, k))), fitted

    best = {name: getattr(model, name) for name in options}
    highest, winner = fit(best)
    tried, improved = {tuple(best.values())}, targets is not None
    while improved:
        improved = False
        for name, value in ((name, value) for name, values in options.items() for value in values):
            trial = best | {name: value}
            if tuple(trial.values()) not in tried:
                tried.add(tuple(trial.values()))
                reached, fitted = fit(trial)
                if reached > highest:  # of equal ones the first
                    best, highest, winner, improved = trial, reached, fitted, True
                del fitted  # one that lost is not kept while the next one is fitted
    return winner
