"""A planted shop whose right answers are known: three circles of taste that share nothing."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.features.text import Vectors
from recsys_kit.recommenders import EASE, MODELS, Content, Hybrid, ItemKNN, Stack
from recsys_kit.recommenders.ensembles.base import Ensemble
from recsys_kit.recommenders.sequential import SequenceModel

N_CIRCLES, ITEMS_EACH, USERS_EACH, EVENTS_EACH = 3, 10, 30, 6


@dataclass(frozen=True)
class PlantedShop:
    """`withheld` holds the item of the own circle that each shopper takes next; one item (`new`) nobody ever had."""

    train: pd.DataFrame
    valid: pd.DataFrame
    items: pd.DataFrame
    vectors: Vectors
    withheld: dict[str, str]

    def encode(self, **tables: Any) -> EncodedSplit:
        """Return the encoded split, with the vectors as item features "content"; `tables` as for `EncodedSplit.of`."""
        given = {"items": self.items, "valid": self.valid, "item_features": {"content": self.vectors}} | tables
        return EncodedSplit.of(given.pop("train", self.train), **given)


def planted_shop(seed: int = 0) -> PlantedShop:
    """Draw the planted shop; the same seed gives the same rows."""
    rng = np.random.default_rng(seed)
    events, withheld = [], {}
    for circle in range(N_CIRCLES):
        for number in range(USERS_EACH):
            user = f"u{circle}{number:02d}"
            order = rng.permutation(ITEMS_EACH)[: EVENTS_EACH + 1]
            taken = [f"i{circle}{item}" for item in order]
            withheld[user] = taken[-1]
            events += [(user, item, day) for day, item in enumerate(taken[:-1])]
    train = pd.DataFrame(events, columns=["user_id", "item_id", "day"])
    train["timestamp"] = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(train.pop("day"), unit="D")
    valid = pd.DataFrame({"user_id": list(withheld), "item_id": list(withheld.values())})
    valid["timestamp"] = pd.Timestamp("2024-02-01", tz="UTC")
    ids = [f"i{circle}{item}" for circle in range(N_CIRCLES) for item in range(ITEMS_EACH)]
    directions = np.eye(N_CIRCLES + 1)[np.repeat(np.arange(N_CIRCLES), ITEMS_EACH)]
    values = np.vstack([directions + rng.normal(0, 0.05, directions.shape), directions[[0]]])
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    items = pd.DataFrame({"item_id": [*ids, "new", "blank"], "category": [*(item[1] for item in ids), "0", None]})
    items["attributes"] = [[f"circle {item[1]}"] for item in ids] + [["circle 0"], None]
    return PlantedShop(
        train, valid, items, Vectors([*ids, "new"], values.astype(np.float32), {"kind": "planted"}), withheld
    )


def unfitted(name: str):
    """A model by its registered name; an ensemble has members of three families, a network few and quick steps."""
    model = MODELS[name]
    members = {"ease": EASE(l2=5), "item_knn": ItemKNN(), "content": Content()}
    if issubclass(model, Ensemble):
        return model(members)
    if issubclass(model, Stack):
        return model(Hybrid(members), n_trees=10, n_rankers=1)
    if issubclass(model, SequenceModel):
        return model(embedding_dim=16, learning_rate=0.01)
    return model()


def fitted(name: str, shop: PlantedShop):
    """The model of this name, fitted on the planted shop."""
    valid = shop.valid[["user_id", "item_id"]]  # what chapter 04 gives: `Split.ground_truth`
    return unfitted(name).fit(shop.train, items=shop.items, valid=valid, item_vectors=shop.vectors)


@cache
def fitted_once(name: str):
    """A model of the planted shop that several tests ask; nobody changes it."""
    return fitted(name, planted_shop())
