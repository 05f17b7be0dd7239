"""The leak audit: checks that would fail if one part of a split had seen the other."""

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from recsys_kit.data.cleaning import repeated_ratings
from recsys_kit.data.splitting import Split, parts_by_review, split_interactions


def audit_split(split: Split, interactions: pd.DataFrame, *, reviews: pd.DataFrame | None = None) -> pd.DataFrame:
    """Proofs that no part has seen the other: one row a check, with `check`, `passed` and `detail`.

    Args:
        split: what `split_interactions` made.
        interactions: what it was made from.
        reviews: with their `part`, where there are any.
    """
    checks = [_audit_rows(split, interactions), _audit_order(split), _audit_ratings(split), _audit_truth(split)]
    if split.how.get("method"):
        checks.append(_audit_poison(split, interactions))
    if reviews is not None:
        checks.append(_audit_reviews(split, reviews))
    return pd.DataFrame(checks, columns=["check", "passed", "detail"])


def _audit_rows(split: Split, interactions: pd.DataFrame) -> tuple[str, bool, str]:
    parts = pd.concat(split.parts.values())
    columns = [
        column
        for column in interactions
        if column in ("user_id", "item_id", "timestamp", "position", "event", "rating")
    ]
    before, after = (
        pd.util.hash_pandas_object(frame[columns], index=False).sort_values().to_numpy()
        for frame in (interactions, parts)
    )
    return (
        "every event is in exactly one part",
        np.array_equal(before, after),
        f"{len(interactions)} events in, {len(parts)} out",
    )


def _audit_order(split: Split) -> tuple[str, bool, str]:
    learned = pd.concat([split.train, split.set_aside])
    if split.how.get("method") == "leave_last_out":
        when = "timestamp" if "timestamp" in learned else "position"
        last, first = learned.groupby("user_id")[when].max(), split.valid.groupby("user_id")[when].min()
        early = int((last.reindex(first.index) > first).sum())
        return "no shopper's training event follows their validation event", early == 0, f"{early} shoppers do"
    last = [frame["timestamp"].max() for frame in (learned, split.valid)]
    first = [frame["timestamp"].min() for frame in (split.valid, split.test)]
    passed = all(a < b or pd.isna(a) or pd.isna(b) for a, b in zip(last, first, strict=True)) and not (
        last[0] >= first[1]
    )
    return (
        "train ends before valid begins, valid before test",
        passed,
        " | ".join(str(time)[:16] for time in (last[0], *first)),
    )


def _audit_ratings(split: Split) -> tuple[str, bool, str]:
    again = int(repeated_ratings(split.train).sum())
    return "no item is rated twice by one shopper in train", again == 0, f"{again} rated again"


def _audit_truth(split: Split) -> tuple[str, bool, str]:
    had = split.histories("test").rename("history")
    truth = split.ground_truth("test").join(had, on="user_id").dropna(subset="history")
    known = sum(item in history for item, history in zip(truth["item_id"], truth["history"], strict=True))
    return (
        "nothing to be predicted is already in a history",
        known == 0,
        f"{known} of {len(split.ground_truth('test'))} pairs are",
    )


def _audit_poison(split: Split, interactions: pd.DataFrame) -> tuple[str, bool, str]:
    """Garbage in every valid and test row: training must not notice.

    The times stay, since they make the cut; where every shopper's own last items are cut off, shoppers and items too.
    """
    later = pd.concat([split.valid, split.test], ignore_index=True)
    keys = [] if split.how["method"] == "time" else ["user_id", "item_id"]
    content = later.columns.difference(["timestamp", "position", *keys])
    garbage = {column: -1.0 if is_numeric_dtype(later[column]) else "garbage" for column in content}
    poisoned = pd.concat([split.train, split.set_aside, later.assign(**garbage)], ignore_index=True)
    shares = {"shares": tuple(split.how["shares"])} if "shares" in split.how else {}
    again = split_interactions(poisoned, method=split.how["method"], k_core=split.how["k_core"], **shares)
    same = again.train.equals(split.train) and again.set_aside.equals(split.set_aside)
    return "garbage in valid and test does not change train", same, f"{len(later)} rows poisoned in {sorted(garbage)}"


def _audit_reviews(split: Split, reviews: pd.DataFrame) -> tuple[str, bool, str]:
    known = parts_by_review(split)
    matched = reviews[reviews["review_id"].isin(known.index)]
    wrong = int((matched["part"] != matched["review_id"].map(known)).sum())
    return (
        "every review is in the part of its event",
        wrong == 0,
        f"{len(matched)} of {len(reviews)} have an event, {wrong} differ",
    )
