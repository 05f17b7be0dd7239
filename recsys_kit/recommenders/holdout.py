"""NDCG on the validation set, for early stopping, tuning and the weights of ensembles; never reported as a result."""

from collections.abc import Mapping

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


def uses_context(model: Recommender) -> bool:
    """Return whether the context of a query can change the lists of this fitted model."""
    return "context" in model.uses


def measure_ndcg(model: Recommender, targets: Targets, k: int, context: pd.DataFrame | None = None) -> np.ndarray:
    """Return the NDCG@k of each user's list, (B,) float64; NaN for a user without a relevant item.

    Args:
        model: a fitted model of the same catalogue.
        targets: B users; their relevant items are in the catalogue.
        k: length of the lists.
        context: by user_id, the context of each request.
    """
    asked, ranks = None if context is None else context_of(context, targets.users), []
    for place, block in blocks(targets.histories, len(model.items)):
        scores = model.score_queries(block, None if asked is None else asked.iloc[place])
        ranks.append(targets.rank_relevant(place, model.visible(scores, ~model._knows(block))))
    return targets.ndcg(np.concatenate(ranks), k)


def validation_ndcg(
    models: Mapping[str, Recommender],
    split: EncodedSplit,
    *,
    k: int,
    max_users: int = MAX_USERS,
    seed: int = 0,
    known: Mapping[str, float] | None = None,
    context: pd.DataFrame | None = None,
) -> dict[str, float]:
    """Return the mean NDCG@k of fitted models on the validation set, by which one may be chosen.

    Args:
        models: by name, fitted on this split.
        split: with validation targets.
        k: length of the lists.
        max_users: at most this many users, drawn by `seed`.
        seed: random seed.
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
    targets = split.validation(max_users, seed)
    if targets is None:
        return {}
    known = known or {}
    if context is not None:  # ensembles measure without one
        context = context_of(context, targets.users)
        known = {name: value for name, value in known.items() if name in models and not uses_context(models[name])}
    return {
        name: known.get(name) or float(np.nanmean(measure_ndcg(model, targets, k, context)))
        for name, model in models.items()
    }
