"""The allowed values of hyper-parameters, by name: one name means the same in every model."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from numbers import Integral, Real
from types import UnionType
from typing import Any, get_args

import numpy as np

from recsys_kit.errors import ParameterError


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, with the ends unless the range is open there."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        return above and (value < self.high if self.open_high else value <= self.high)

    def __str__(self) -> str:
        low = f"{'above' if self.open_low else 'at least'} {self.low:g}" if self.low > -math.inf else ""
        high = f"{'below' if self.open_high else 'at most'} {self.high:g}" if self.high < math.inf else ""
        return " and ".join(filter(None, (low, high))) or "a finite number"


COUNT, AMOUNT, POSITIVE = Range(1), Range(0), Range(0, open_low=True)
SHARE, DROPOUT = Range(0, 1), Range(0, 1, open_high=True)
RANGES: Mapping[str, Range] = {
    **dict.fromkeys(("embedding_dim", "max_length", "n_layers", "n_heads", "window"), COUNT),
    **dict.fromkeys(("epochs", "n_trees", "n_rankers", "batch_size", "patience", "max_validation_users"), COUNT),
    **dict.fromkeys(("n_neighbors", "n_negatives", "n_candidates", "depth", "min_count", "k"), COUNT),
    **dict.fromkeys(("seed", "stop_after", "fold_steps", "dense_up_to", "full_softmax_up_to", "min_users"), AMOUNT),
    **dict.fromkeys(("history_decay", "decay", "backward", "row_power", "column_power"), AMOUNT),
    **dict.fromkeys(("regularization", "shrink", "k1", "prior", "min_lift", "constant", "weight_decay"), AMOUNT),
    **dict.fromkeys(("learning_rate", "max_grad_norm", "confidence", "half_life"), POSITIVE),
    **dict.fromkeys(("dropout", "attention_dropout"), DROPOUT),
    **dict.fromkeys(("b", "fixed_power", "warmup_share"), SHARE),
    "n_leaves": Range(2),
}
"""The range by name; a number without one must be finite and of its type."""


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
        expected = allowed.get(one.name, Range())
        if isinstance(value, bool) or not isinstance(value, number):
            kind = "a number" if number is Real else "a whole number"
            raise _refusal(model, one, value, f"{kind}, {expected}" if one.name in allowed else kind)
        if not math.isfinite(value) or value not in expected:
            raise _refusal(model, one, value, str(expected))


def _refusal(model: Any, field: Any, value: Any, expected: str) -> ParameterError:
    default = f"Pass {field.name}={field.default}." if field.default is not MISSING else f"Change {field.name}."
    return ParameterError("RK-351", f"{field.name} of {model.name} is {value!r}; expected {expected}.", default)
