"""What `recommend` is asked, checked and encoded once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recsys_kit.core.contexts import check_context
from recsys_kit.core.encoded import lists_of_ids
from recsys_kit.core.histories import Histories
from recsys_kit.core.ids import as_ids, listed
from recsys_kit.errors import ParameterError

if TYPE_CHECKING:
    from recsys_kit.recommenders.base import Recommender


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
    model: "Recommender",
    users: Any,
    *,
    histories: Any,
    texts: Any,
    seen: Any,
    candidates: Any,
    context: pd.DataFrame | None,
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
            raise ParameterError(
                "RK-313", f"{name} has {len(lists)} lists for {len(names)} queries.", "Pass one list per query."
            )
    context = None if context is None else check_context(context)
    if context is not None and len(context) != len(names):
        raise ParameterError(
            "RK-340", f"context has {len(context)} rows for {len(names)} queries.", "Pass one row per query."
        )
    if histories is not None:
        encoded = histories
    elif texts is None:
        encoded = model.histories_of(users)
    else:
        encoded = model.encode([[] for _ in texts])
    if seen is not None:
        encoded = replace(encoded, seen=model.encode(seen))
    if candidates is not None:
        candidates = np.isin(model.item_ids, as_ids(candidates, "candidates").to_numpy(str))
    return Query(names, encoded, texts, candidates, context)
