"""A random split beside the split of the run, to show how leaks flatter a model, without the test set."""

import pandas as pd

from recsys_kit.data.cleaning import sample_users
from recsys_kit.data.splitting import Split, split_at_random, split_interactions
from recsys_kit.data.tables import Dataset
from recsys_kit.errors import DataError

AT_RANDOM = "at random"


def two_cuts(split: Split, *, n_users: int = 0, seed: int = 7) -> dict[str, Split]:
    """Split the events before the test set in two ways: at random, and by the method of `split`.

    The test set of `split` is not used, so models can be compared on either split without looking at it.

    Args:
        split: its training and validation events are split; `how["method"]` names the second method.
        n_users: number of users drawn; 0 keeps all.
        seed: random seed for the users and the random split.

    Returns:
        The two splits by name, "at random" first; empty if one of them has no user with both a history and ground
        truth.
    """
    earlier = pd.concat([split.train, split.set_aside, split.valid], ignore_index=True)
    known = Dataset("", earlier, None, None, None, quarantine=pd.DataFrame(), report=pd.DataFrame())
    events, method = sample_users(known, n_users, seed=seed).interactions, split.how["method"]
    name = "drawn by product" if method == "stratified" else f"by {method}".replace("_", " ")
    if method == "random":
        return {}
    try:
        cuts = {AT_RANDOM: split_at_random(events, seed=seed), name: split_interactions(events, method=method)}
    except DataError:  # nothing is left to train on
        return {}
    return cuts if all(_can_be_evaluated(cut) for cut in cuts.values()) else {}


def _can_be_evaluated(split: Split) -> bool:
    users = split.ground_truth("test")["user_id"]
    return bool(len(split.train)) and bool(users.isin(split.histories("test").index).any())
