"""Two ways to cut the same events, compared before the test set is opened."""

import pandas as pd

from recsys_kit.data.cleaning import sample_users
from recsys_kit.data.splitting import Split, split_at_random, split_interactions
from recsys_kit.data.tables import Dataset
from recsys_kit.errors import DataError

AT_RANDOM = "at random"


def two_cuts(split: Split, *, n_users: int = 0, seed: int = 7) -> dict[str, Split]:
    """The events before the test set, cut once more: at random, and in the way of `split`.

    The test set of `split` stays out of both, so that models can be compared on either cut without looking at it.

    Args:
        split: its training and validation events are cut; `how["method"]` names the second way.
        n_users: how many users are drawn; 0 keeps all.
        seed: draws the users and the random cut.

    Returns:
        "at random" and, by its name, the way of `split`. Empty where either cut leaves no user with both a history
        and something new to predict.
    """
    earlier = pd.concat([split.train, split.set_aside, split.valid], ignore_index=True)
    known = Dataset("", earlier, None, None, None, quarantine=pd.DataFrame(), report=pd.DataFrame())
    events, method = sample_users(known, n_users, seed=seed).interactions, split.how["method"]
    name = "drawn by product" if method == "stratified" else f"by {method}".replace("_", " ")
    try:
        cuts = {AT_RANDOM: split_at_random(events, seed=seed), name: split_interactions(events, method=method)}
    except DataError:  # nothing is left to train on
        return {}
    return cuts if all(_can_be_evaluated(cut) for cut in cuts.values()) else {}


def _can_be_evaluated(split: Split) -> bool:
    asked = split.ground_truth("test")["user_id"]
    return bool(len(split.train)) and bool(asked.isin(split.histories("test").index).any())
