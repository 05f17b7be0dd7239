"""Hyper-parameters chosen on the validation set."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.vectors import Vectors
from recsys_kit.errors import ParameterError
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.holdout import MAX_USERS, measure_ndcg
from recsys_kit.recommenders.inputs import encode_tables


def tune(
    model: Recommender,
    options: Mapping[str, Sequence[Any]] | None,
    train: EncodedSplit | pd.DataFrame,
    *,
    valid: pd.DataFrame | None = None,
    items: pd.DataFrame | None = None,
    item_vectors: Vectors | None = None,
    k: int = 10,
    max_validation_users: int = MAX_USERS,
    seed: int = 0,
    seen: Mapping[str, Sequence[str]] | pd.Series | None = None,
) -> Recommender:
    """Return the model fitted with the options that rank the validation set best, by mean NDCG@k.

    Coordinate ascent from the model's own hyper-parameters: one option after the other, until a whole round changes
    nothing. No combination is fitted twice, and only the best model so far is kept: 15 to 40 fits. Without a relevant
    item in validation the hyper-parameters stay.

    Args:
        model: the start; it stays as it is.
        options: by hyper-parameter, the values to try; None for the `options` of the model's class.
        train: as for `fit`, with a validation set; the tables below belong to a table.
        valid: as for `fit`.
        items: as for `fit`.
        item_vectors: as for `fit`.
        k: length of the lists that are compared.
        max_validation_users: validation users, at most, drawn by `seed`.
        seed: random seed.
        seen: as for `fit`.

    Raises:
        ParameterError: RK-319 an option that is not a hyper-parameter of the model.

    >>> train = pd.DataFrame({"user_id": list("aabb"), "item_id": list("xyxz"), "position": [1, 2, 1, 2]})
    >>> from recsys_kit.recommenders import EASE
    >>> tune(EASE(), {"regularization": (0.5, 50.0)}, train, valid=train.head(0)).regularization
    200.0
    """
    options = model.options if options is None else options
    parameters = list(model.__dataclass_fields__)
    if unknown := [name for name in options if name not in parameters]:
        raise ParameterError(
            "RK-319",
            f"{model.name} has no parameter {unknown[0]!r}; expected one of {', '.join(parameters)}.",
            "Leave it out of the options.",
        )
    split = encode_tables(model, train, items=items, valid=valid, item_vectors=item_vectors, seen=seen)
    targets = split.validation(max_validation_users, seed) if options else None

    def fit(parameters: Mapping[str, Any]) -> tuple[float, Recommender]:
        fitted = replace(model.unfitted(), **parameters).fit(split)
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
