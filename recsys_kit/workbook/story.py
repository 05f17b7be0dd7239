"""The user and the item that the notebooks follow from chapter to chapter."""

import pandas as pd

from recsys_kit.core.ids import item_hash
from recsys_kit.data.splitting import Split
from recsys_kit.features.texts import item_texts


def choose_shopper(split: Split) -> str:
    """Choose a user with new items in the test set and a training history at the upper quartile of lengths.

    If no user of the test set has a training history, the user with the longest history is chosen. Ties are broken by
    a fixed hash of the id.
    """
    lengths = split.train.drop_duplicates(["user_id", "item_id"])["user_id"].value_counts()
    tested = lengths[lengths.index.isin(split.ground_truth("test")["user_id"])]
    distance = -lengths if tested.empty else (tested - tested.quantile(0.75)).abs()
    candidates = pd.DataFrame({"distance": distance, "hash": item_hash(distance.index)}, index=distance.index)
    return str(candidates.sort_values(["distance", "hash"]).index[0])


def choose_product(split: Split, items: pd.DataFrame, shopper: str) -> str:
    """Choose the most popular item of the user's history among the half with the longest texts."""
    history = split.train.loc[split.train["user_id"] == shopper, "item_id"].unique()
    n_users = split.train.drop_duplicates(["user_id", "item_id"])["item_id"].value_counts()
    lengths = item_texts(items).str.len().reindex(history).fillna(0)
    candidates = pd.DataFrame({"popularity": -n_users.reindex(history), "hash": item_hash(history)}, index=history)
    return str(candidates[lengths >= lengths.median()].sort_values(["popularity", "hash"]).index[0])
