"""The allowed values of hyper-parameters, by name: one name means the same in every model."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from numbers import Integral, Real
from types import UnionType
from typing import Any, get_args

import numpy as np
from pandas import Interval as Range

from recsys_kit.errors import ParameterError

COUNT, AMOUNT, POSITIVE = Range(1, np.inf, "left"), Range(0, np.inf, "left"), Range(0, np.inf, "neither")
SHARE, DROPOUT, FINITE = Range(0, 1, "both"), Range(0, 1, "left"), Range(-np.inf, np.inf, "neither")
RANGES: Mapping[str, Range] = {
    **dict.fromkeys(("embedding_dim", "max_length", "n_layers", "n_heads", "window"), COUNT),
    **dict.fromkeys(("epochs", "n_trees", "n_rankers", "batch_size", "patience", "max_validation_users"), COUNT),
    **dict.fromkeys(("n_neighbors", "n_negatives", "n_candidates", "depth", "min_count", "k"), COUNT),
    **dict.fromkeys(("seed", "stop_after", "dense_up_to", "full_softmax_up_to", "min_users"), AMOUNT),
    **dict.fromkeys(("history_decay", "decay", "backward", "row_power", "column_power"), AMOUNT),
    **dict.fromkeys(("regularization", "shrink", "k1", "prior", "min_lift", "constant", "weight_decay"), AMOUNT),
    **dict.fromkeys(("learning_rate", "max_grad_norm", "confidence", "half_life"), POSITIVE),
    **dict.fromkeys(("dropout", "attention_dropout"), DROPOUT),
    **dict.fromkeys(("b", "fixed_power", "warmup_share"), SHARE),
    "n_leaves": Range(2, np.inf, "left"),
}
"""The range by name, with the ends that it says; a number without one must be finite and of its type."""


def check_parameters(model: Any) -> None:
    """Check the fields of a model against their types and `RANGES`; NumPy numbers become Python's.

    Raises:
        ParameterError: RK-351 a field is of another type or out of range. A class may have narrower `ranges`.
    """
    allowed = {**RANGES, **getattr(type(model), "ranges", {})}
    for one in fields(model):
        value = getattr(model, one.name)
        if isinstance(value, np.generic):
            value = value.item()
            object.__setattr__(model, one.name, value)  # a plan is frozen
        kinds = get_args(one.type) if isinstance(one.type, UnionType) else (one.type,)
        if not {int, float} & set(kinds) or (value is None and type(None) in kinds):
            continue
        number = Real if float in kinds else Integral
        expected = allowed.get(one.name, FINITE)
        is_number = isinstance(value, number) and not isinstance(value, bool)
        if not is_number or value not in expected:
            rule = in_words(expected)
            if not is_number:
                kind = "a number" if number is Real else "a whole number"
                rule = f"{kind}, {rule}" if one.name in allowed else kind
            fix = f"Pass {one.name}={one.default}." if one.default is not MISSING else f"Change {one.name}."
            raise ParameterError("RK-351", f"{one.name} of {model.name} is {value!r}; expected {rule}.", fix)


def in_words(allowed: Range) -> str:
    """Return a range as an error says it.

    >>> in_words(COUNT), in_words(POSITIVE), in_words(DROPOUT), in_words(FINITE)
    ('at least 1', 'above 0', 'at least 0 and below 1', 'a finite number')
    """
    low = f"{'above' if allowed.open_left else 'at least'} {allowed.left:g}" if allowed.left > -np.inf else ""
    high = f"{'below' if allowed.open_right else 'at most'} {allowed.right:g}" if allowed.right < np.inf else ""
    return " and ".join(filter(None, (low, high))) or "a finite number"
