"""Histories that a bundle may hold, under a salted hash of the user id."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pandas as pd

from recsys_kit.core.events import order_events
from recsys_kit.core.histories import Histories
from recsys_kit.core.vocabulary import Vocabulary
from recsys_kit.shop.events import STRENGTH, kinds_of


@dataclass(frozen=True, eq=False)
class StoredHistories:
    """The events of U users: which item, of which kind, and whether it is left out of the lists.

    A user is found by hashing the id that is asked for. The hash keeps ids from being read off the file, and two
    bundles with different salts cannot be joined by it. It does not make the histories anonymous: the salt lies in the
    bundle, so anyone who has the bundle can try ids, and a history may identify a person by itself. Treat such a bundle
    as personal data.

    >>> events = pd.DataFrame({"user_id": ["a", "a"], "item_id": ["x", "y"], "position": [0, 1]})
    >>> stored = StoredHistories.of(events, Vocabulary.of_items(["x", "y"]), salt="00ff")
    >>> histories, kinds = stored.find(["a", "unknown"])
    >>> stored.catalogue.ids[histories.items].tolist(), histories.starts.tolist()
    (['x', 'y'], [0, 2, 2])
    """

    catalogue: Vocabulary
    salt: str
    """Hexadecimal, up to 64 bytes."""
    users: np.ndarray
    """(U,) uint64, ascending: the hashes."""
    starts: np.ndarray
    """(U + 1,) int64: the events of user u are `starts[u]` to `starts[u + 1]`, oldest first."""
    items: np.ndarray
    """(E,) int32 indices of the catalogue."""
    kinds: np.ndarray
    """(E,) uint8: place of the kind of event in `VERBS`."""
    masked: np.ndarray
    """(E,) bool: the item of this event is left out of the lists."""

    @classmethod
    def of(
        cls, events: pd.DataFrame, catalogue: Vocabulary, *, salt: str, seen_events: Sequence[str] = ()
    ) -> "StoredHistories":
        """Encode interactions; those with an item that is not in the catalogue are left out.

        Args:
            events: `user_id, item_id`, `timestamp` or `position`, and `event` and `rating` as far as known.
            catalogue: the items.
            salt: hexadecimal.
            seen_events: kinds of event after which an item is left out of the lists; empty: all.
        """
        events = order_events(events)
        columns = catalogue.encode(events["item_id"])
        events, columns = events[columns >= 0], columns[columns >= 0]
        codes, ids = pd.factorize(events["user_id"])
        hashes = hash_ids(ids, salt)
        order, by_hash = np.argsort(hashes[codes], kind="stable"), np.argsort(hashes)
        masked = events["event"].isin(seen_events).to_numpy() if seen_events else np.ones(len(events), bool)
        return cls(
            catalogue=catalogue,
            salt=salt,
            users=hashes[by_hash],
            starts=np.r_[0, np.bincount(codes, minlength=len(ids))[by_hash].cumsum()],
            items=columns[order].astype(np.int32),
            kinds=kinds_of(events).map(STRENGTH).to_numpy(np.uint8)[order],
            masked=masked[order],
        )

    def find(self, users: Sequence[str]) -> tuple[Histories, np.ndarray]:
        """Return the histories of users, and the kind of each event, a place in `VERBS`.

        The history of an unknown user is empty. The seen items are those that the lists leave out.
        """
        rows = pd.Index(self.users).get_indexer(hash_ids(users, self.salt))
        places = Histories(np.arange(len(self.items)), self.starts).take(rows)
        items, masked = self.items[places.items].astype(np.int64), self.masked[places.items]
        ends = np.bincount(places.cells[0][masked], minlength=len(users)).cumsum()
        return Histories(items, places.starts, Histories(items[masked], np.r_[0, ends])), self.kinds[places.items]

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Return the arrays by name; neither the catalogue nor the salt."""
        return {name: getattr(self, name) for name in ("users", "starts", "items", "kinds", "masked")}


def hash_ids(ids: Iterable[str], salt: str) -> np.ndarray:
    """Return a keyed hash of each id, (n,) uint64.

    >>> hash_ids(["a"], "00") == hash_ids(["a"], "01")
    array([False])
    """
    key = bytes.fromhex(salt)
    digests = [blake2b(str(name).encode(), digest_size=8, key=key).digest() for name in ids]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)
