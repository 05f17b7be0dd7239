"""What comes in at the doors of a model: the inputs of `fit` that it declares in `uses`, and queries."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recsys_kit.core.contexts import check_context, is_context
from recsys_kit.core.encoded import EncodedSplit, lists_of_ids
from recsys_kit.core.histories import Histories
from recsys_kit.core.ids import as_ids, listed
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


def read_inputs(
    model: "Recommender", train: EncodedSplit | pd.DataFrame, *, item_vectors: Vectors | None, **tables: Any
) -> EncodedSplit:
    """Return the split that `fit` got, or encode the tables; item vectors get the name that the model asks for.

    Raises:
        DataError, ParameterError: as `EncodedSplit.of`; RK-345 the model cannot do without an input that is missing,
            RK-371 tables beside a split.
    """
    split = train
    if not isinstance(train, EncodedSplit):
        name = getattr(model, "features", "")
        name = name if isinstance(name, str) and name not in ("", WITHOUT) else "content"
        features = {} if item_vectors is None else {name: check_vectors(item_vectors)}
        split = EncodedSplit.of(train, item_features=features, **tables)
    elif given := [name for name, value in {**tables, "item_vectors": item_vectors}.items() if value is not None]:
        problem = f"fit() got a split and {', '.join(given)}; expected the split alone."
        raise ParameterError("RK-371", problem, "Encode them with it.")
    if missing := [name for name in model.required_inputs() if name not in available_inputs(split)]:
        problem = f"{model.name} needs {missing[0]}; the split has none."
        raise ParameterError("RK-345", problem, HOW_TO_PASS.get(missing[0], ""))
    return split


@dataclass(frozen=True)
class Query:
    """B queries as `Recommender.rank` takes them."""

    names: Any
    """(B,) the user ids, or the positions from 0."""
    histories: Histories
    texts: Sequence[str] | None
    candidates: np.ndarray | None
    """(N,) bool."""
    context: pd.DataFrame | None


def encode_query(
    model: "Recommender", users: Any, *, histories: Any, texts: Any, seen: Any, candidates: Any, context: Any
) -> Query:
    """Check the arguments of `Recommender.recommend` and encode them, unless the histories are `Histories`.

    Raises as `Recommender.recommend` says.
    """
    given = [one for one in (users, histories, texts) if one is not None]
    if not given or (texts is not None and len(given) > 1):
        raise ParameterError("RK-330", "recommend() needs users, histories or texts.", "Pass users=['u1'].")
    users = None if users is None else as_ids(users, "users")
    texts = None if texts is None else listed(texts)
    if wrong := [text for text in texts or () if not isinstance(text, str)]:
        raise ParameterError("RK-331", f"texts holds {wrong[0]!r:.40}; expected text.", "Pass texts=['a gift'].")
    if histories is not None and not isinstance(histories, Histories):
        histories = model.encode(histories)
    seen = None if seen is None else lists_of_ids(seen, "seen")
    names = np.arange(len(histories if texts is None else texts)) if users is None else users.array
    for name, lists in (("histories", histories), ("seen", seen)):
        if lists is not None and len(lists) != len(names):
            problem = f"{name} has {len(lists)} lists for {len(names)} queries."
            raise ParameterError("RK-313", problem, "Pass one list per query.")
    context = None if context is None else check_context(context)
    if context is not None and len(context) != len(names):
        problem = f"context has {len(context)} rows for {len(names)} queries."
        raise ParameterError("RK-340", problem, "Pass one row per query.")
    if histories is None:
        histories = model.histories_of(users) if texts is None else model.encode([[] for _ in texts])
    if seen is not None:
        histories = replace(histories, seen=model.encode(seen))
    if candidates is not None:
        candidates = np.isin(model.item_ids, as_ids(candidates, "candidates").to_numpy(str))
    texts = texts if texts or not model.understands_text else None  # no text is no query
    return Query(names, histories, texts, candidates, context)
