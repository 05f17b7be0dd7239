"""What a shop is asked, read and encoded once: from here to the lists, items are indices of the catalogue."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np

from recsys_kit.core.encoded import encode_histories, lists_of_ids
from recsys_kit.core.histories import Histories
from recsys_kit.core.ids import as_ids, listed
from recsys_kit.core.vocabulary import Vocabulary
from recsys_kit.errors import ParameterError
from recsys_kit.shop.histories import StoredHistories


@dataclass(frozen=True)
class Question:
    """B queries of one kind."""

    histories: Histories
    """Oldest first, with the items that the lists leave out; empty histories for texts."""
    kinds: np.ndarray | None = None
    """(E,) of each event of the histories, the place of its kind in `VERBS`, for the words of the reasons."""
    users: list[str] | None = None
    texts: list[str] | None = None
    candidates: np.ndarray | None = None
    """(N,) bool: the only items that may be listed; all unless given."""
    has_seen: bool = True
    """Whether the items to leave out are known; otherwise the whole history is left out."""
    unknown: Mapping[str, list[str]] = field(default_factory=dict)
    """Of the "history" and the "candidates": the ids that the catalogue does not have."""

    @classmethod
    def of(
        cls,
        items: Vocabulary,
        *,
        users: Any = None,
        histories: Any = None,
        texts: Any = None,
        seen: Any = None,
        candidates: Any = None,
        stored: StoredHistories | None = None,
    ) -> "Question":
        """Read ids, lists of ids and texts as callers have them: numbers, arrays, columns, generators.

        Args:
            items: the catalogue.
            users: user ids.
            histories: item ids, oldest first, one list per query.
            texts: instead of histories.
            seen: items to leave out, one list per query.
            candidates: the only items that may be listed.
            stored: the histories of `users`, unless `histories` are given.

        Raises:
            ParameterError: RK-330 neither or both of histories (or users) and texts, RK-313 no list of ids per query,
                RK-331 a text that is empty or no text, RK-422 users without histories.
            DataError: RK-153 and RK-154 ids that are missing or cannot be ids.
        """
        queries = {"users": users, "histories": histories, "texts": texts}
        given = [name for name, value in queries.items() if value is not None]
        if not given or ("texts" in given and len(given) > 1):
            raise ParameterError(
                "RK-330",
                f"the query is {' and '.join(given) or 'empty'}; expected users, histories or texts.",
                "Pass histories=[['7', '12']].",
            )
        kinds, unknown = None, {}
        users = None if users is None else read_ids("users", users)
        texts = None if texts is None else check_texts("texts", listed(texts))
        if histories is None and texts is None:
            if stored is None:
                raise ParameterError(
                    "RK-422",
                    "this bundle has no histories; expected the histories of these users.",
                    "Pass histories=[[...]], or make the bundle with --with-histories.",
                )
            encoded, kinds = stored.find(users)
        else:
            lists = lists_of_ids(histories if texts is None else [()] * len(texts), "histories")
            lists = [listed(ids) for ids in lists]
            encoded, unknown["history"] = (
                encode_histories(lists, items),
                find_unknown(items, chain.from_iterable(lists)),
            )
        if seen is not None:
            hidden = encode_histories(seen, items, "seen")
            if len(hidden) != len(encoded):
                raise ParameterError(
                    "RK-313", f"seen has {len(hidden)} lists for {len(encoded)} queries.", "Pass one list per query."
                )
            encoded = replace(encoded, seen=hidden)
        if candidates is not None:
            ids = as_ids(candidates, "candidates")
            candidates, unknown["candidates"] = np.isin(items.ids, ids.to_numpy(str)), find_unknown(items, ids)
        return cls(encoded, kinds, users, texts, candidates, encoded.seen is not None, unknown)

    def __len__(self) -> int:
        return len(self.histories)

    @property
    def kind(self) -> str:
        """ "text", "user" or "history"."""
        return "text" if self.texts is not None else "history" if self.users is None else "user"

    def one(self, place: int) -> "Question":
        """Return one of the texts as a question of its own."""
        return replace(
            self, texts=(self.texts or [])[place : place + 1], histories=self.histories.block(place, place + 1)
        )


def check_texts(name: str, values: Any) -> list[str]:
    """Return the texts; RK-331 for one that is empty, no text, or cannot be encoded."""
    for value in values:
        if not isinstance(value, str) or not value.strip() or value != value.encode(errors="replace").decode():
            raise ParameterError(
                "RK-331", f"{name} holds {value!r}; expected texts that are not empty.", "Pass text='a gift'."
            )
    return list(values)


def read_ids(name: str, ids: Any) -> list[str]:
    """Return ids as text, whatever they come as; raises as `check_texts` and `as_ids`."""
    ids = listed(ids)
    check_texts(name, [one for one in ids if isinstance(one, str)])
    return as_ids(ids, name).tolist()


def find_unknown(items: Vocabulary, ids: Iterable[Any]) -> list[str]:
    """Return the ids that the catalogue does not have, each once."""
    return [one for one in dict.fromkeys(as_ids(ids, "item ids")) if one not in items]
