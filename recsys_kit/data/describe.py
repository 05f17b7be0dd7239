"""Summary statistics of a data set, of each step of cleaning and of a split."""

from itertools import accumulate

import pandas as pd

from recsys_kit.data.splitting import Split
from recsys_kit.data.tables import Dataset
from recsys_kit.schema import PARTS


def density(interactions: pd.DataFrame) -> float:
    """Return the share of all pairs of a user and an item that have an interaction.

    >>> density(pd.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["x", "x", "y"]}))
    0.5
    """
    n_pairs = interactions["user_id"].nunique() * interactions["item_id"].nunique()
    return len(interactions[["user_id", "item_id"]].drop_duplicates()) / max(n_pairs, 1)


def facts(dataset: Dataset) -> dict[str, int | float | str]:
    """Summarize a data set.

    Returns:
        n_users, n_items (in the catalogue), n_items_met (with an interaction), n_events, n_reviews; density, the share
        of pairs of a user and an item with interactions that interacted; first_day and last_day, if there are times. A
        missing table counts 0.
    """
    events = pd.DataFrame(columns=["user_id", "item_id"]) if dataset.interactions is None else dataset.interactions
    found: dict[str, int | float | str] = {
        "n_users": events["user_id"].nunique(),
        "n_items": 0 if dataset.items is None else len(dataset.items),
        "n_items_met": events["item_id"].nunique(),
        "n_events": len(events),
        "n_reviews": 0 if dataset.reviews is None else len(dataset.reviews),
        "density": density(events),
    }
    if "timestamp" in events:
        found |= {
            f"{end}_day": f"{events['timestamp'].agg(how):%Y-%m-%d}" for end, how in (("first", "min"), ("last", "max"))
        }
    return found


def waterfall(dataset: Dataset, split: Split, *, n_read: int, n_not_sampled: int = 0) -> pd.DataFrame:
    """Count the interactions from the rows read to the training set.

    Args:
        dataset: cleaned, with its report.
        split: of its interactions.
        n_read: rows of interactions in the source.
        n_not_sampled: rows of users that `sample_users` did not draw.

    Returns:
        One row per step: `step`, `change` (rows removed, negative), `rows` (rows left).
    """
    mine = dataset.report[dataset.report["table"] == "interactions"].groupby("action")["rows"].sum()
    rated_again = int(split.how.get("rated_again", 0))
    steps = {
        "read": n_read,
        "quarantined": -int(mine.get("quarantined", 0)),
        "exact duplicates": -int(mine.get("deduplicated", 0)),
        "flagged and dropped": -int(mine.get("dropped", 0)),
        "shoppers not sampled": -n_not_sampled,
        "test: kept for later": -len(split.test),
        "valid: kept for later": -len(split.valid),
        "rated again later": -rated_again,
        f"{split.how.get('k_core', 1)}-core": -(len(split.set_aside) - rated_again),
    }
    rows = [*accumulate(steps.values()), len(split.train)]
    return pd.DataFrame({"step": [*steps, "train"], "change": [*steps.values(), 0], "rows": rows})


def cold_counts(split: Split) -> pd.DataFrame:
    """Count users, items, new users and new items of each part of a split.

    Returns:
        One row per part: `part`, events, shoppers, `new shoppers` (without an event in the training set), products,
        `new products`, and the percentage of events by new shoppers.
    """
    users, items = (split.train[column].drop_duplicates() for column in ("user_id", "item_id"))
    rows = []
    for part in PARTS:
        events = getattr(split, part)
        of_new = ~events["user_id"].isin(users)
        rows.append({
            "part": part,
            "events": len(events),
            "shoppers": events["user_id"].nunique(),
            "new shoppers": events.loc[of_new, "user_id"].nunique(),
            "products": events["item_id"].nunique(),
            "new products": events.loc[~events["item_id"].isin(items), "item_id"].nunique(),
            "events of new shoppers %": 100 * of_new.mean() if len(events) else 0.0,
        })  # fmt: skip
    return pd.DataFrame(rows)


def leak_counts(split: Split) -> dict[str, float]:
    """Return, by question, the percentage of test events for which the training set has later events."""
    train, test = split.train, split.test
    when = "timestamp" if "timestamp" in train else "position"
    seen = train.groupby("user_id")[when].agg(["min", "max"]).reindex(test["user_id"]).reset_index(drop=True)
    time = test[when].reset_index(drop=True)
    return {
        "training has later events of the shopper": 100 * (seen["max"] > time).mean(),
        "training has only later events of the shopper": 100 * (seen["min"] > time).mean(),
        "training ends after the event": 100 * (train[when].max() > time).mean(),
        "training has no event of the shopper": 100 * seen["max"].isna().mean(),
    }
