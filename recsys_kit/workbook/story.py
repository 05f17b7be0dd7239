"""Choose the shopper and the product that the story of the notebooks follows through all chapters."""

import pandas as pd

from recsys_kit.core.ids import item_hash
from recsys_kit.data.splitting import Split
from recsys_kit.features.texts import item_texts


def choose_shopper(split: Split) -> str:
    """Return a user with ground truth in the test set and a training history near the upper quartile of length.

    If no warm user has ground truth, the user with the longest history. Ties are broken by a hash of the id.
    """
    lengths = split.train.drop_duplicates(["user_id", "item_id"])["user_id"].value_counts()
    tested = lengths[lengths.index.isin(split.ground_truth("test")["user_id"])]
    distance = -lengths if tested.empty else (tested - tested.quantile(0.75)).abs()
    candidates = pd.DataFrame({"distance": distance, "hash": item_hash(distance.index)}, index=distance.index)
    return str(candidates.sort_values(["distance", "hash"]).index[0])


def choose_product(split: Split, items: pd.DataFrame, shopper: str) -> str:
    """Return the most popular item of a user's training history, among the half with the longest texts."""
    history = split.train.loc[split.train["user_id"] == shopper, "item_id"].unique()
    n_users = split.train.drop_duplicates(["user_id", "item_id"])["item_id"].value_counts()
    lengths = item_texts(items).str.len().reindex(history).fillna(0)
    long = lengths >= lengths.median()
    candidates = pd.DataFrame({"n_users": -n_users.reindex(history), "hash": item_hash(history)}, index=history)[long]
    return str(candidates.sort_values(["n_users", "hash"]).index[0])
