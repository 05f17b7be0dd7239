"""Parameters chosen on validation, so that nothing is set by hand for one data set."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.errors import ParameterError
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.factorization import ALS
from recsys_kit.recommenders.holdout import MAX_USERS, Validation
from recsys_kit.recommenders.linear import EASE
from recsys_kit.recommenders.neighbours import ItemKNN, ItemKNNBM25, UserKNN

DECAYS = {"history_decay": (0.0, 0.1, 0.3), "half_life": (None, 1.0)}
OPTIONS: dict[type[Recommender], Mapping[str, Sequence[Any]]] = {  # what is worth trying, by model
    EASE: {"history_decay": (0.0, 0.1, 0.3), "l2": (50.0, 100.0, 200.0, 400.0, 800.0, 1600.0)},
    ALS: {
        "history_decay": (0.0, 0.1, 0.3), "factors": (32, 64, 96, 128), "regularization": (5.0, 10.0, 20.0, 40.0, 80.0),
        "confidence": (2.0, 3.0, 5.0, 10.0, 30.0),
    },
    ItemKNN: DECAYS | {"neighbours": (50, 200, 500), "shrink": (0.0, 10.0, 50.0)},
    ItemKNNBM25: DECAYS | {"neighbours": (50, 200, 500), "b": (0.25, 0.5, 0.75)},
    UserKNN: DECAYS | {"neighbours": (50, 100, 200), "shrink": (0.0, 4.0, 20.0)},
}  # fmt: skip


def tune(
    model: Recommender,
    options: Mapping[str, Sequence[Any]] | None,
    train: pd.DataFrame,
    *,
    valid: pd.DataFrame,
    items: pd.DataFrame | None = None,
    item_vectors: Any = None,
    k: int = 10,
    max_validation_users: int = MAX_USERS,
    seed: int = 0,
    seen: Mapping[str, Sequence[str]] | pd.Series | None = None,
) -> Recommender:
    """The model fitted on `train` with the options that rank validation best, by mean NDCG@k.

    Coordinate ascent from the model's own parameters: one option after the other, until a whole round changes nothing;
    no combination is fitted twice, and of the models the best so far is all that is kept. That takes some 15 to 40
    fits. Where no shopper of train took anything new in validation the parameters stay.

    Args:
        model: what to start from; it stays as it is.
        options: by parameter the values to try; None for those of `OPTIONS`, which for many a model are none.
        train: as for `fit`.
        valid: interactions after `train`.
        items: as for `fit`.
        item_vectors: as for `fit`.
        k: places of the lists that are compared.
        max_validation_users: at most this many shoppers, drawn by `seed`, judge.
        seed: draws them.
        seen: as for `fit`.

    Raises:
        ParameterError: RK-319 for an option that is no parameter of the model.

    >>> train = pd.DataFrame({"user_id": list("aabb"), "item_id": list("xyxz"), "position": [1, 2, 1, 2]})
    >>> tune(EASE(), {"l2": (0.5, 50.0)}, train, valid=train.head(0)).l2
    200.0
    """
    options = OPTIONS.get(type(model), {}) if options is None else options
    _check(model, options)

    def fitted(chosen: Mapping[str, Any]) -> Recommender:
        one = replace(model.unfitted(), **chosen)
        return one.fit(train, items=items, valid=valid, item_vectors=item_vectors, seen=seen)

    best, before = {name: getattr(model, name) for name in options}, None
    winner = fitted(best)
    validation = Validation.of(winner, valid, max_users=max_validation_users, seed=seed, seen=seen)
    if validation is None or not options:
        return winner

    def judged(one: Recommender) -> float:
        return float(np.nanmean(validation.of_model(one, k)))

    highest = judged(winner)
    reached = {tuple(best.values()): highest}

    def value(chosen: Mapping[str, Any]) -> float:
        nonlocal winner, highest
        key = tuple(chosen.values())
        if key not in reached:
            one = fitted(chosen)
            reached[key] = judged(one)
            if reached[key] > highest:  # of equal ones the first, as below
                winner, highest = one, reached[key]
        return reached[key]

    while best != before:
        before = best
        for name, values in options.items():
            trials = [best, *(best | {name: tried} for tried in values)]
            best = max(trials, key=value)  # of equal ones the first: what it was
    return winner


def _check(model: Recommender, options: Mapping[str, Sequence[Any]]) -> None:
    parameters = list(getattr(model, "__dataclass_fields__", ()))
    if unknown := [name for name in options if name not in parameters]:
        raise ParameterError(
            "RK-319",
            f"{model.name} has no parameter {unknown[0]!r}; expected one of {', '.join(parameters)}.",
            "Leave it out of the options.",
        )
