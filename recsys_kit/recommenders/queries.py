"""What `recommend` is asked, checked and encoded once."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys_kit.core.encoded import lists_of_ids
from recsys_kit.core.histories import Histories
from recsys_kit.core.ids import as_ids, listed
from recsys_kit.errors import ParameterError

if TYPE_CHECKING:
    from recsys_kit.recommenders.base import Recommender


def encode_query(
    model: "Recommender", users: Any, histories: Any, texts: Any, seen: Any
) -> tuple[Any, Histories, Sequence[str] | None]:
    """Check who is asked for in `Recommender.recommend`, and encode it. Raises as that says.

    Returns:
        (B,) the user ids, or the positions from 0; B histories; B texts that are answered instead, or None.
    """
    given = [one for one in (users, histories, texts) if one is not None]
    if not given or (texts is not None and len(given) > 1):
        raise ParameterError("RK-330", "recommend() needs users, histories or texts.", "Pass users=['u1'].")
    if texts is not None:
        texts = listed(texts)
        if not model.understands_text:
            raise ParameterError(
                "RK-311", f"{model.name} does not understand text.", "Use a content model or a hybrid with one."
            )
        if wrong := [text for text in texts if not isinstance(text, str)]:
            raise ParameterError("RK-331", f"texts holds {wrong[0]!r:.40}; expected text.", "Pass texts=['a gift'].")
    lists = {
        name: lists_of_ids(ids, name) for name, ids in (("histories", histories), ("seen", seen)) if ids is not None
    }
    users = None if users is None else as_ids(users, "users")
    names = np.arange(len(texts or lists.get("histories", []))) if users is None else users.array
    for name, ids in lists.items():
        if len(ids) != len(names):
            raise ParameterError(
                "RK-313", f"{name} has {len(ids)} lists for {len(names)} queries.", "Pass one list per query."
            )
    if users is not None and histories is None:
        encoded = model.histories_of(users)
    else:
        encoded = model.encode(lists.get("histories", [[]] * len(names)))
    if seen is not None:
        encoded = replace(encoded, seen=model.encode(lists["seen"]))
    return names, encoded, texts or None
