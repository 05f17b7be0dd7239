"""The leak audit of a split: checks that fail if the training set depends on later events."""

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from recsys_kit.data.cleaning import repeated_ratings
from recsys_kit.data.splitting import Split, parts_by_review, split_interactions
from recsys_kit.data.tables import hash_rows

EVENT_COLUMNS = ("user_id", "item_id", "timestamp", "position", "event", "rating")  # identify an event
GARBAGE: tuple[str, float] = ("garbage", -1.0)  # in place of texts, and of numbers


def audit_split(split: Split, interactions: pd.DataFrame, *, reviews: pd.DataFrame | None = None) -> pd.DataFrame:
    """Check that no part of a split depends on a later one.

    Args:
        split: as `split_interactions` returns it.
        interactions: the events that were split.
        reviews: with their `part` (`assign_parts`), if there are any.

    Returns:
        One row per check: `check` (a sentence), `passed`, `detail`, `leak` (the name of what the check counts) and `n`
        (the count; 0 if it passes).
    """
    checks = [_audit_rows(split, interactions), _audit_order(split), _audit_ratings(split), _audit_truth(split)]
    if split.how.get("method"):
        checks.append(_audit_poison(split, interactions))
    if reviews is not None:
        checks.append(_audit_reviews(split, reviews))
    audit = pd.DataFrame(checks, columns=["check", "leak", "n", "detail"])
    return audit.assign(passed=audit["n"] == 0)[["check", "passed", "detail", "leak", "n"]]


def _row_hashes(events: pd.DataFrame, interactions: pd.DataFrame) -> np.ndarray:
    """Hash the columns that identify an event."""
    return hash_rows(events[[column for column in interactions if column in EVENT_COLUMNS]])


def _audit_rows(split: Split, interactions: pd.DataFrame) -> tuple[str, str, int, str]:
    parts = pd.concat(split.parts.values())
    hashes = np.concatenate([_row_hashes(frame, interactions) for frame in (interactions, parts)])
    change = np.repeat([1, -1], [len(interactions), len(parts)])
    n = int(np.abs(np.bincount(np.unique(hashes, return_inverse=True)[1], change)).sum())
    detail = f"{len(interactions)} events in, {len(parts)} out"
    return "every event is in exactly one part", "n_events_lost_or_doubled", n, detail


def _audit_order(split: Split) -> tuple[str, str, int, str]:
    learned = pd.concat([split.train, split.set_aside])
    when = "timestamp" if "timestamp" in learned else "position"
    if split.how.get("method") == "leave_last_out":
        first = learned["user_id"].map(split.valid.groupby("user_id")[when].min())
        check, leak = "no shopper's training event follows their validation event", "n_events_after_valid_in_train"
        return check, leak, (n := int((learned[when] > first).sum())), f"{n} do"
    valid, test = split.valid[when], split.test[when]
    cut = valid.min() if len(valid) else test.min()
    n = int((learned[when] >= cut).sum() + (valid >= test.min()).sum())
    times = (learned[when].max(), valid.min(), test.min())
    detail = " | ".join(str(time)[:16] for time in times)
    return "train ends before valid begins, valid before test", "n_events_after_cut_in_train", n, detail


def _audit_ratings(split: Split) -> tuple[str, str, int, str]:
    n = int(repeated_ratings(split.train).sum())
    return "no item is rated twice by one shopper in train", "n_repeated_ratings_in_train", n, f"{n} rated again"


def _audit_truth(split: Split) -> tuple[str, str, int, str]:
    ground_truth = split.ground_truth("test")
    earlier = pd.concat([split.train, split.set_aside, split.valid])[["user_id", "item_id"]]
    n = len(ground_truth.merge(earlier.drop_duplicates()))
    detail = f"{n} of {len(ground_truth)} pairs are"
    return "nothing to be predicted is already in a history", "n_known_pairs_to_predict", n, detail


def _audit_poison(split: Split, interactions: pd.DataFrame) -> tuple[str, str, int, str]:
    """Overwrite all validation and test rows with garbage and split again: the training set must not change.

    Times and the order of the rows decide the cut, so they are kept; if each user or item has its own cut, the ids are
    kept as well.
    """
    later = pd.concat([split.valid, split.test])
    is_later = pd.Series(_row_hashes(interactions, interactions)).isin(_row_hashes(later, interactions)).to_numpy()
    keys = [] if split.how["method"] == "time" else ["user_id", "item_id"]
    content = interactions.columns.difference(["timestamp", "position", *keys])
    garbage = {
        name: interactions[name].mask(is_later, GARBAGE[is_numeric_dtype(interactions[name])]) for name in content
    }
    how = {name: split.how[name] for name in ("method", "k_core", "shares", "cut") if name in split.how}
    again = split_interactions(interactions.assign(**garbage), **how)
    n = sum(not getattr(again, name).equals(getattr(split, name)) for name in ("train", "set_aside"))
    detail = f"{len(later)} rows poisoned in {[*content]}"
    return "garbage in valid and test does not change train", "n_frames_changed_by_later_rows", n, detail


def _audit_reviews(split: Split, reviews: pd.DataFrame) -> tuple[str, str, int, str]:
    known = parts_by_review(split)
    matched = reviews[reviews["review_id"].isin(known.index)]
    n = int((matched["part"] != matched["review_id"].map(known)).sum())
    detail = f"{len(matched)} of {len(reviews)} have an event, {n} differ"
    return "every review is in the part of its event", "n_reviews_in_another_part", n, detail
