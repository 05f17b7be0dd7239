"""Histories that a bundle may hold, under a salted hash of the user id."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pandas as pd

from recsys_kit.core.events import order_events
from recsys_kit.core.vocabulary import Vocabulary
from recsys_kit.shop.events import STRENGTH, VERBS, kinds_of

KINDS = tuple(VERBS)


@dataclass(frozen=True, eq=False)
class StoredHistories:
    """The events of U users: which item, of which kind, and whether it is left out of the lists.

    A user is found by hashing the id that is asked for. The hash keeps ids from being read off the file, and two
    bundles with different salts cannot be joined by it. It does not make the histories anonymous: the salt lies in the
    bundle, so anyone who has the bundle can try ids, and a history may identify a person by itself. Treat such a bundle
    as personal data.

    >>> events = pd.DataFrame({"user_id": ["a", "a"], "item_id": ["x", "y"], "position": [0, 1]})
    >>> stored = StoredHistories.of(events, Vocabulary.of_items(["x", "y"]), salt="00ff")
    >>> stored.find(["a", "unknown"])
    [['x', 'y'], []]
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
        order = np.argsort(hashes[codes], kind="stable")
        masked = np.ones(len(events), bool)
        if seen_events:
            masked = events["event"].isin(seen_events).to_numpy()
        lengths = np.bincount(codes, minlength=len(ids))[np.argsort(hashes)]
        return cls(
            catalogue=catalogue,
            salt=salt,
            users=np.sort(hashes),
            starts=np.r_[0, lengths.cumsum()],
            items=columns[order].astype(np.int32),
            kinds=kinds_of(events).map(STRENGTH).to_numpy(np.uint8)[order],
            masked=masked[order],
        )

    def find(self, users: Sequence[str], *, masked: bool = False) -> list[list[str]]:
        """Return the item ids of each user, oldest first; with `masked` those that are left out of the lists."""
        return [
            self.catalogue.ids[self.items[place][self.masked[place]] if masked else self.items[place]].tolist()
            for place in self._places(users)
        ]

    def find_kinds(self, users: Sequence[str]) -> list[Mapping[str, str]]:
        """Return item_id -> strongest kind of event, for each user."""
        found: list[Mapping[str, str]] = []
        for place in self._places(users):
            strongest = pd.Series(self.kinds[place]).groupby(self.catalogue.ids[self.items[place]]).max()
            found.append({str(item): KINDS[kind] for item, kind in strongest.items()})
        return found

    def _places(self, users: Sequence[str]) -> Iterable[slice]:
        hashes = hash_ids(users, self.salt)
        rows = np.searchsorted(self.users, hashes)
        for row, one in zip(rows, hashes, strict=True):
            known = row < len(self.users) and self.users[row] == one
            yield slice(self.starts[row], self.starts[row + 1]) if known else slice(0)

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
