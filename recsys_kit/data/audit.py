"""The leak audit: checks that would fail if one part of a split had seen the other."""

import pandas as pd
from pandas.api.types import is_numeric_dtype

from recsys_kit.data.cleaning import repeated_ratings
from recsys_kit.data.splitting import Split, parts_by_review, split_interactions

KEYS = ("user_id", "item_id", "timestamp", "position", "event", "rating")


def audit_split(split: Split, interactions: pd.DataFrame, *, reviews: pd.DataFrame | None = None) -> pd.DataFrame:
    """Proofs that no part has seen the other: one row a check, with `check`, `passed`, `detail`, `leak`, `n`.

    `leak` is the short name of what the check counts, `n` how many there are: 0 where it passes.

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
    audit = pd.DataFrame(checks, columns=["check", "leak", "n", "detail"])
    return audit.assign(passed=audit["n"] == 0)[["check", "passed", "detail", "leak", "n"]]


def _row_hashes(events: pd.DataFrame, interactions: pd.DataFrame) -> pd.Series:
    """What tells one event of the interactions from another."""
    return pd.util.hash_pandas_object(events[[column for column in interactions if column in KEYS]], index=False)


def _audit_rows(split: Split, interactions: pd.DataFrame) -> tuple[str, str, int, str]:
    parts = pd.concat(split.parts.values())
    before, after = (_row_hashes(frame, interactions).value_counts() for frame in (interactions, parts))
    n = int(before.sub(after, fill_value=0).abs().sum())
    detail = f"{len(interactions)} events in, {len(parts)} out"
    return "every event is in exactly one part", "n_events_lost_or_doubled", n, detail


def _audit_order(split: Split) -> tuple[str, str, int, str]:
    learned = pd.concat([split.train, split.set_aside])
    when = "timestamp" if "timestamp" in learned else "position"
    if split.how.get("method") == "leave_last_out":
        first = learned["user_id"].map(split.valid.groupby("user_id")[when].min())
        n = int((learned[when] > first).sum())
        return (
            "no shopper's training event follows their validation event",
            "n_events_after_valid_in_train",
            n,
            f"{n} do",
        )
    valid, test = split.valid[when], split.test[when]
    cut = valid.min() if len(valid) else test.min()
    n = int((learned[when] >= cut).sum() + (valid >= test.min()).sum())
    times = (learned[when].max(), valid.min(), test.min())
    detail = " | ".join(str(time)[:16] for time in times)
    return "train ends before valid begins, valid before test", "n_events_after_cut_in_train", n, detail


def _audit_ratings(split: Split) -> tuple[str, str, int, str]:
    n = int(repeated_ratings(split.train).sum())
    return "no item is rated twice by one shopper in train", "n_ratings_given_anew_in_train", n, f"{n} rated again"


def _audit_truth(split: Split) -> tuple[str, str, int, str]:
    had = split.histories("test").rename("history")
    wanted = split.ground_truth("test")
    truth = wanted.join(had, on="user_id").dropna(subset="history")
    n = sum(item in history for item, history in zip(truth["item_id"], truth["history"], strict=True))
    detail = f"{n} of {len(wanted)} pairs are"
    return "nothing to be predicted is already in a history", "n_known_pairs_to_predict", n, detail


def _audit_poison(split: Split, interactions: pd.DataFrame) -> tuple[str, str, int, str]:
    """Garbage in every valid and test row: training must not notice.

    The times and the order of rows stay, since they make the cut; where every shopper or item is cut for itself,
    shoppers and items too.
    """
    later = pd.concat([split.valid, split.test])
    is_later = _row_hashes(interactions, interactions).isin(_row_hashes(later, interactions))
    keys = [] if split.how["method"] == "time" else ["user_id", "item_id"]
    content = interactions.columns.difference(["timestamp", "position", *keys])
    garbage = {column: -1.0 if is_numeric_dtype(interactions[column]) else "garbage" for column in content}
    poisoned = interactions.assign(**{
        column: interactions[column].mask(is_later, value) for column, value in garbage.items()
    })  # fmt: skip
    shares = {"shares": tuple(split.how["shares"])} if "shares" in split.how else {}
    again = split_interactions(poisoned, method=split.how["method"], k_core=split.how["k_core"], **shares)
    n = sum(not getattr(again, name).equals(getattr(split, name)) for name in ("train", "set_aside"))
    detail = f"{len(later)} rows poisoned in {sorted(garbage)}"
    return "garbage in valid and test does not change train", "n_frames_changed_by_later_rows", n, detail


def _audit_reviews(split: Split, reviews: pd.DataFrame) -> tuple[str, str, int, str]:
    known = parts_by_review(split)
    matched = reviews[reviews["review_id"].isin(known.index)]
    n = int((matched["part"] != matched["review_id"].map(known)).sum())
    detail = f"{len(matched)} of {len(reviews)} have an event, {n} differ"
    return "every review is in the part of its event", "n_reviews_in_another_part", n, detail
