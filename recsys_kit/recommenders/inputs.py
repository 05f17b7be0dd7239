"""The inputs that a model declares in `uses`, and those that a split has."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from recsys_kit.core.contexts import is_context
from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.vectors import Vectors, check_vectors
from recsys_kit.errors import ParameterError
from recsys_kit.features.attributes import has_attributes

if TYPE_CHECKING:
    from recsys_kit.recommenders.base import Recommender

WITHOUT = "none"
"""The value of a field `features` for a model that takes no item features where there are some."""
HOW_TO_PASS = {
    "item_features": "Pass item_vectors=, or a split with item features.",
    "attributes": "Pass items= with lists of texts in a column 'attributes'.",
    "category": "Pass items= with a column 'category'.",
    "timestamp": "Pass interactions with a column 'timestamp'.",
    "context": "Pass interactions with columns 'timestamp' or 'ctx_*'.",
}


def available_inputs(split: EncodedSplit) -> set[str]:
    """Return the inputs that the split has, by the names of `Recommender.uses`.

    >>> sorted(available_inputs(EncodedSplit.of(pd.DataFrame({"user_id": ["a"], "item_id": ["x"], "position": [0]}))))
    ['histories']
    """
    events, items = split.train.columns, split.item_table
    found = {
        "histories": True,
        "item_features": split.item_features,
        "timestamp": "timestamp" in events,
        "context": any(map(is_context, events)),
        "category": items is not None and "category" in items and items["category"].notna().any(),
        "attributes": has_attributes(items),
    }
    return {name for name, there in found.items() if there}


def encode_tables(
    model: "Recommender", train: EncodedSplit | pd.DataFrame, *, item_vectors: Vectors | None, **tables: Any
) -> EncodedSplit:
    """Return the split that `fit` got, or encode the tables; item vectors get the name that the model asks for.

    Raises:
        DataError, ParameterError: as `EncodedSplit.of`; RK-371 tables beside a split.
    """
    if isinstance(train, EncodedSplit):
        if given := [name for name, value in {**tables, "item_vectors": item_vectors}.items() if value is not None]:
            raise ParameterError(
                "RK-371", f"fit() got a split and {', '.join(given)}; expected the split alone.", "Encode them with it."
            )
        return train
    name = getattr(model, "features", "")
    vectors = (
        {} if item_vectors is None else {"content" if name in ("", WITHOUT) else name: check_vectors(item_vectors)}
    )
    return EncodedSplit.of(train, item_features=vectors, **tables)


def check_inputs(model: "Recommender", split: EncodedSplit) -> None:
    """Raise `ParameterError` (RK-345) where the split lacks an input that the model cannot do without."""
    available = available_inputs(split)
    if missing := [name for name in model.required_inputs() if name not in available]:
        raise ParameterError(
            "RK-345", f"{model.name} needs {missing[0]}; the split has none.", HOW_TO_PASS.get(missing[0], "")
        )
