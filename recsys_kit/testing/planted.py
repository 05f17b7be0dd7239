"""A planted shop: small tables whose right recommendations are known."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.vectors import Vectors

N_GROUPS, ITEMS_PER_GROUP, USERS_PER_GROUP, EVENTS_PER_USER = 3, 10, 30, 6


@dataclass(frozen=True)
class PlantedShop:
    """Three groups of users and items; users interact with items of their own group only."""

    train: pd.DataFrame
    """540 interactions, six per user on six days: `user_id` ("u000" to "u229", the first digit is the group),
    `item_id`, `timestamp` (UTC, from 2024-01-01). A user never interacts with an item twice."""
    valid: pd.DataFrame
    """90 interactions, the withheld one of each user: `user_id, item_id, timestamp` (2024-02-01)."""
    items: pd.DataFrame
    """32 items: `item_id` ("i00" to "i29", "new", "blank"), `category` (the group) and `attributes` (a list with the
    group). "new" belongs to group 0 and has no interaction; "blank" has neither an interaction nor anything else."""
    vectors: Vectors
    """(31, 4) float32, unit rows: the direction of the group with noise of 0.05; "blank" has none."""
    withheld: dict[str, str]
    """By user, the next item of the own group, which is not in `train`."""

    def encode(self, **tables: Any) -> EncodedSplit:
        """Return the encoded split, with the vectors as item features "content"; `tables` as for `EncodedSplit.of`."""
        given = {"items": self.items, "valid": self.valid, "item_features": {"content": self.vectors}} | tables
        return EncodedSplit.of(given.pop("train", self.train), **given)


def planted_shop(seed: int = 0) -> PlantedShop:
    """Draw a planted shop of 90 users and 32 items.

    Each user draws seven of the ten items of the own group, all equally likely. The first six are in `train`, in this
    order; the seventh is withheld and is the only row of the user in `valid`. So a recommender that has found the
    groups ranks the withheld item among its five best unseen ones: four items of the group are left, and "new".

    Args:
        seed: random seed; the same seed gives the same rows.

    Source: own.

    >>> shop = planted_shop()
    >>> len(shop.train), shop.train["user_id"].nunique(), shop.items["item_id"].nunique()
    (540, 90, 32)
    >>> {user[1] == item[1] for user, item in shop.withheld.items()}
    {True}
    """
    rng = np.random.default_rng(seed)
    drawn = {  # by user
        f"u{group}{number:02d}": [f"i{group}{item}" for item in rng.permutation(ITEMS_PER_GROUP)[: EVENTS_PER_USER + 1]]
        for group in range(N_GROUPS)
        for number in range(USERS_PER_GROUP)
    }
    events = [(user, item, day) for user, items in drawn.items() for day, item in enumerate(items[:-1])]
    train = pd.DataFrame(events, columns=["user_id", "item_id", "day"])
    train["timestamp"] = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(train.pop("day"), unit="D")
    withheld = {user: items[-1] for user, items in drawn.items()}
    valid = pd.DataFrame(withheld.items(), columns=["user_id", "item_id"])
    valid["timestamp"] = pd.Timestamp("2024-02-01", tz="UTC")
    ids = [f"i{group}{item}" for group in range(N_GROUPS) for item in range(ITEMS_PER_GROUP)]
    directions = np.eye(N_GROUPS + 1)[np.repeat(np.arange(N_GROUPS), ITEMS_PER_GROUP)]
    values = np.vstack([directions + rng.normal(0, 0.05, directions.shape), directions[[0]]])
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    items = pd.DataFrame({"item_id": [*ids, "new", "blank"], "category": [*(item[1] for item in ids), "0", None]})
    items["attributes"] = [[f"circle {item[1]}"] for item in ids] + [["circle 0"], None]
    vectors = Vectors([*ids, "new"], values.astype(np.float32), {"kind": "planted"})
    return PlantedShop(train, valid, items, vectors, withheld)
