"""Train, valid, test: what a model may learn from, what chooses it, what judges it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any, Protocol

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from recsys_kit.core.contexts import check_context, is_context
from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.events import order_events
from recsys_kit.core.ids import item_hash, listed, with_text_ids
from recsys_kit.core.vectors import Vectors
from recsys_kit.data.cleaning import k_core as keep_k_core
from recsys_kit.data.cleaning import repeated_ratings
from recsys_kit.errors import DataError, ParameterError

METHODS = ("time", "leave_last_out", "stratified")
PARTS = ("train", "valid", "test")
FRAMES = (*PARTS, "set_aside")
SHARES = (0.8, 0.1, 0.1)
STRATIFIED_CUTS = (
    0.675,
    0.75,
)  # of each item's events: up to the first train, up to the second valid (a tenth of both)
STRATIFIED_SEED = 42
STRATIFIED_PROTOCOL = (
    f"of each item's events a quarter is test, a tenth of the others valid, drawn with seed {STRATIFIED_SEED} whatever "
    "their time: the future leaks into train; only to compare with tables published so"
)


@dataclass(frozen=True)
class Split:
    """Interactions in four parts; every event is in exactly one. Ids are text, whatever they came as."""

    train: pd.DataFrame
    """What models learn from."""
    valid: pd.DataFrame
    """What chooses between models."""
    test: pd.DataFrame
    """What judges them, once."""
    set_aside: pd.DataFrame
    """Of the training period, but not learned from: ratings given anew later, k-core losses. In histories they stay."""
    how: dict[str, Any] = field(default_factory=dict)
    """method, k_core, rated_again (rows); by time also shares and cuts (valid from the first, test from the second);
    stratified also protocol, in a sentence."""

    def __post_init__(self) -> None:
        for name in FRAMES:
            object.__setattr__(self, name, with_text_ids(getattr(self, name), name))

    @property
    def parts(self) -> dict[str, pd.DataFrame]:
        """The four frames by name: train, valid, test, set_aside."""
        return {name: getattr(self, name) for name in FRAMES}

    def with_validation(self) -> "Split":
        """Return the split with validation added to train, to fit again what validation has chosen; test stays."""
        return replace(self, train=pd.concat([self.train, self.valid], ignore_index=True), valid=self.valid.iloc[:0])

    def encode(
        self,
        *,
        items: pd.DataFrame | None = None,
        item_features: Mapping[str, Vectors] | None = None,
        min_rating: float | None = None,
        target_events: Sequence[str] = (),
        seen_events: Sequence[str] = (),
        hidden_context: Sequence[str] = (),
        grades: str = "",
    ) -> EncodedSplit:
        """Encode the split once, for all models and their evaluation.

        The targets of validation are users with a training event and their training histories; those of the test set
        all users with a relevant item and their histories up to the cut.

        Args:
            items: the items table; its items and those of train are the catalogue.
            item_features: vectors of items by name; they may have other items, or miss some.
            min_rating: as for `ground_truth`.
            target_events: likewise.
            seen_events: likewise; the histories that models read stay whole.
            hidden_context: columns that are unknown before the event (`ctx_promotion`); no model reads them.
            grades: the numeric column of the test interactions that says how relevant an item is ("rating"); of an
                item with several the highest, 0 for none. Empty: all relevant items alike.

        Raises:
            DataError: as `EncodedSplit.of` and `ground_truth`; RK-362 there are no numbers in the column `grades`.
            ParameterError: as `EncodedSplit.of` and `ground_truth`.

        >>> events = pd.DataFrame({"user_id": ["a"] * 10, "item_id": list("qwertyuiop"), "position": range(10)})
        >>> encoded = split_interactions(events, method="leave_last_out").encode()
        >>> encoded.targets["test"].outside.tolist(), len(encoded.targets["test"].histories.items)
        (['p'], 8)
        """
        seen_events, hidden = kinds_of(seen_events), list(listed(hidden_context))
        asked = {"min_rating": min_rating, "target_events": kinds_of(target_events), "seen_events": seen_events}
        encoded = EncodedSplit.of(
            self.train.drop(columns=hidden, errors="ignore"), items=items, item_features=item_features
        )
        seen = self.seen_items("valid", seen_events) if seen_events else None
        encoded = encoded.with_targets("valid", self.ground_truth("valid", **asked), seen=seen)
        relevant, before = self.ground_truth("test", **asked), self._before("test")
        encoded = encoded.with_test(
            relevant.assign(grade=_grades(relevant, self.test, grades)) if grades else relevant,
            before,
            seen=self._of_kinds(before, "seen_events", seen_events) if seen_events else None,
            n_without=self.test["user_id"].nunique() - relevant["user_id"].nunique(),
        )
        contexts = {
            part: check_context(self.circumstances(part).drop(columns=hidden, errors="ignore")).reindex(targets.users)
            for part, targets in encoded.targets.items()
        }
        return replace(encoded, contexts=contexts)

    def histories(self, part: str) -> pd.Series:
        """What each shopper had before `part`: user_id -> list of item_id, oldest first.

        Before "valid" these are the events of the training period, before "test" those of validation too.
        """
        events = order_events(self._before(part))
        return events.groupby("user_id", sort=True)["item_id"].agg(list)

    def seen_items(self, part: str, seen_events: Sequence[str] = ()) -> pd.Series:
        """The items that each user had seen before `part`: user_id -> list of item_id. What is masked in lists.

        Args:
            part: "valid" or "test".
            seen_events: kinds of event that make an item seen; empty for all, then these are the `histories`.
        """
        events = self._of_kinds(self._before(part), "seen_events", seen_events)
        return order_events(events).groupby("user_id", sort=True)["item_id"].agg(list)

    def ground_truth(
        self,
        part: str,
        *,
        min_rating: float | None = None,
        target_events: Sequence[str] = (),
        seen_events: Sequence[str] = (),
    ) -> pd.DataFrame:
        """The relevant items of `part`: those that each user had not seen before; user_id, item_id, each pair once.

        With `target_events=["purchase"], seen_events=["purchase"]` an item that was viewed before the cut and bought
        after it is relevant; without `seen_events` it is not.

        Args:
            part: "valid" or "test".
            min_rating: events rated below are not relevant; unrated events are.
            target_events: kinds of event that are relevant; empty for all.
            seen_events: kinds of event that make an item seen; empty for all.

        Raises:
            DataError: RK-110 kinds are named, but the interactions have no column `event`.
            ParameterError: RK-158 a min_rating that is no number, RK-323 an unknown part, RK-368 a kind of event that
                no part has.
        """
        events = getattr(self, _judged(part))
        if min_rating is not None and (isinstance(min_rating, bool) or not isinstance(min_rating, Real)):
            raise ParameterError("RK-158", f"min_rating is {min_rating!r}; expected a number or None.", "Pass 4.0.")
        if min_rating is not None and "rating" in events:
            events = events[~(events["rating"] < min_rating)]
        events = self._of_kinds(events, "target_events", target_events)
        pairs = order_events(events)[["user_id", "item_id"]].drop_duplicates()
        earlier = self._of_kinds(self._before(part), "seen_events", seen_events)
        seen = pd.MultiIndex.from_frame(earlier[["user_id", "item_id"]])
        return pairs[~pd.MultiIndex.from_frame(pairs).isin(seen)].reset_index(drop=True)

    def _before(self, part: str) -> pd.DataFrame:
        """The events before `part`: of the training period, before "test" those of validation too."""
        frames = [self.train, self.set_aside] + ([self.valid] if _judged(part) == "test" else [])
        return pd.concat(frames, ignore_index=True)

    def _of_kinds(self, events: pd.DataFrame, option: str, kinds: Sequence[str]) -> pd.DataFrame:
        """The events of these kinds, all where none is named; RK-110 or RK-368 where there are no such kinds."""
        kinds = kinds_of(kinds)
        if not kinds:
            return events
        if "event" not in events:
            raise DataError(
                "RK-110", "interactions have no column 'event' to tell the kinds apart.", f"Pass {option}=[]."
            )
        frames = [frame for frame in self.parts.values() if "event" in frame]
        found = sorted(set().union(*(frame["event"].dropna().unique() for frame in frames)), key=str)
        if unknown := [kind for kind in kinds if kind not in found]:
            raise ParameterError(
                "RK-368",
                f"{option} names {unknown[0]!r}; expected some of {found[:20]}.",
                f"Pass {option}={found[:1]}.",
            )
        return events[events["event"].isin(kinds)]

    def circumstances(self, part: str) -> pd.DataFrame:
        """When and where each shopper came in `part`: one row per user_id, the columns of `is_context`.

        These are of the shopper's first event there. Drop what only the event itself tells, such as whether the product
        was on promotion: a model that is asked with it would be told the answer.
        """
        events = order_events(getattr(self, _judged(part))).drop_duplicates("user_id").set_index("user_id")
        return events[[column for column in events if is_context(column)]]


def kinds_of(events: Any) -> list[Any]:
    """The kinds of event that an option names: one, several, or None for no choice.

    >>> kinds_of("purchase"), kinds_of(None)
    (['purchase'], [])
    """
    return [] if events is None else list(listed(events))


def _grades(relevant: pd.DataFrame, events: pd.DataFrame, column: str) -> np.ndarray:
    """The highest grade of each pair of user and item, 0 for none."""
    if column not in events:
        raise DataError("RK-362", f"interactions have no column {column!r} to grade by.", "Pass grades=''.")
    if not is_numeric_dtype(events[column]):
        raise DataError("RK-362", f"interactions have no numbers in {column!r} to grade by.", "Pass grades=''.")
    highest = events.groupby(["user_id", "item_id"])[column].max()
    return highest.reindex(pd.MultiIndex.from_frame(relevant)).fillna(0).to_numpy(float)


def _judged(part: str) -> str:
    if part not in ("valid", "test"):
        raise ParameterError("RK-323", f"part is {part!r}; expected 'valid' or 'test'.", "Pass part='test'.")
    return part


def split_interactions(
    interactions: pd.DataFrame,
    *,
    method: str = "time",
    shares: tuple[float, float, float] | None = None,
    k_core: int = 1,
) -> Split:
    """Cut first, then tidy the training part: of one shopper's ratings of one item the latest stays, then the k-core.

    "time": train < first cut <= valid < second cut <= test; the cuts are quantiles of the event times, so equal times
    stay together. "leave_last_out": of every shopper the newest item and all that follows is test, the one before it
    valid; shoppers with fewer than three items are train. "stratified": of each item's events a quarter is test and a
    tenth of the others valid, drawn whatever their time, so **the future leaks into train**: only to compare with
    tables published so. The draw goes by the order of the rows given, and of MovieLens-100K in the order of its file it
    is that of the recommenders repository (`python_stratified_split`, ratio .75, by item, seed 42).

    Args:
        interactions: user_id and item_id (whole numbers, categories and the like become text), timestamp or position.
        method: one of `METHODS`.
        shares: of train, valid and test; 80, 10 and 10 percent unless given. Only "time" has any.
        k_core: in train each user keeps as many different items, each item as many different users.

    Raises:
        DataError: RK-104 a column is missing, RK-108 nothing is left to train on, RK-109 "time" without times, RK-153
            and RK-154 ids that are missing or cannot be ids, RK-156 times that are missing or cannot be times.
        ParameterError: RK-322 a wrong k_core, RK-324 an unknown method, RK-325 wrong shares.

    >>> events = pd.DataFrame({"user_id": ["a"] * 10, "item_id": list("qwertyuiop"),
    ...                        "timestamp": pd.date_range("2025-01-01", periods=10, tz="UTC")})
    >>> split = split_interactions(events)
    >>> len(split.train), split.valid["item_id"].tolist(), split.ground_truth("test")["item_id"].tolist()
    (8, ['o'], ['p'])
    """
    if method not in METHODS:
        raise ParameterError("RK-324", f"split is {method!r}; expected one of {METHODS}.", "Pass split='time'.")
    if shares is not None and method != "time":
        raise ParameterError(
            "RK-325", f"shares are {shares}, but method {method!r} has none; only 'time' has.", "Leave shares out."
        )
    interactions = with_text_ids(interactions, "interactions")
    events, how = order_events(interactions), {}
    if events.empty:
        raise DataError("RK-108", "interactions has no event; expected at least one.", "Pass the events of a shop.")
    if method == "time":
        part, how = _by_time(events, SHARES if shares is None else shares)
    elif method == "leave_last_out":
        part = _leave_last_out(events)
    else:
        events, part = _stratified(interactions)
        how = {"protocol": STRATIFIED_PROTOCOL}
    period = events[part == 0]
    again = repeated_ratings(period)
    kept = keep_k_core(period[~again], k_core)
    split = Split(
        train=kept.reset_index(drop=True),
        valid=events[part == 1].reset_index(drop=True),
        test=events[part == 2].reset_index(drop=True),
        set_aside=period.drop(index=kept.index).reset_index(drop=True),
        how={"method": method, "k_core": k_core, "rated_again": int(again.sum())} | how,
    )
    if split.train.empty:
        raise DataError(
            "RK-108",
            "no event is left to train on; expected at least one.",
            f"Lower k_core={k_core} or change the split.",
        )
    return split


def split_at_random(interactions: pd.DataFrame, *, seed: int, shares: tuple[float, float, float] = SHARES) -> Split:
    """Events drawn into the parts whatever their time: what many tutorials do. It leaks the future; here to show it."""
    shares = _checked_shares(shares)
    events = order_events(interactions)
    draws = np.random.default_rng(seed).random(len(events))
    part = np.searchsorted(np.cumsum(shares)[:2], draws, side="right")
    parts = [events[part == number].reset_index(drop=True) for number in range(3)]
    return Split(*parts, set_aside=events.iloc[:0])


def _by_time(events: pd.DataFrame, shares: tuple[float, float, float]) -> tuple[np.ndarray, dict[str, Any]]:
    """The part (0, 1, 2) of each event, and the cuts."""
    if "timestamp" not in events:
        raise DataError(
            "RK-109",
            "these interactions have positions but no timestamp; a split by time needs one.",
            "Pass split='leave_last_out'.",
        )
    shares = _checked_shares(shares)
    when = events["timestamp"].dt.as_unit("ns").astype("int64").to_numpy()
    times = np.sort(when)
    places = np.round(np.cumsum(shares)[:2] * len(times)).astype(int).clip(0, len(times) - 1)
    part = np.searchsorted(times[places], when, side="right")
    cuts = [pd.Timestamp(cut, tz="UTC").isoformat() for cut in times[places]]
    return part, {"shares": shares, "cuts": cuts}


def _checked_shares(shares: Any) -> list[float]:
    given = list(listed(shares))
    numbers = len(given) == 3 and all(isinstance(share, Real) and share > 0 for share in given)
    if not numbers or abs(sum(given) - 1) > 1e-9:
        raise ParameterError(
            "RK-325",
            f"shares are {shares!r}; expected three positive numbers that add up to 1.",
            "Pass shares=(0.8, 0.1, 0.1).",
        )
    return given


def _leave_last_out(events: pd.DataFrame) -> np.ndarray:
    """The part of each event; `events` in canonical order."""
    new = ~events.duplicated(["user_id", "item_id"])
    nth = new.groupby(events["user_id"]).cumsum()  # how many different items up to this event
    n_items = nth.groupby(events["user_id"]).transform("max")
    part = (nth - n_items + 2).clip(lower=0)
    return part.where(n_items >= 3, 0).to_numpy()


def _stratified(interactions: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """The events in canonical order and the part of each, drawn in the order of the rows given."""
    draws = np.random.RandomState(STRATIFIED_SEED).rand(len(interactions))
    by_item = pd.Series(draws).groupby(interactions["item_id"].to_numpy())
    nth, n_events = by_item.rank(method="first"), by_item.transform("size")
    part = sum((nth > (cut * n_events).round()).astype(int) for cut in STRATIFIED_CUTS)  # halves to the even number
    events = order_events(interactions.assign(part=part.to_numpy()))
    return events.drop(columns="part"), events["part"].to_numpy()


# -- reviews follow their interactions ---------------------------------------------------------------------------------


def assign_parts(reviews: pd.DataFrame, split: Split | None, *, seed: int = 7) -> pd.DataFrame:
    """The reviews with a column `part`: that of the interaction; else by their own time and the cuts; else drawn.

    The draw is 80 / 10 / 10, stratified by label or rating where there is one. Without a split all are drawn.
    """
    if split is None:
        return reviews.assign(part=_drawn_parts(reviews, seed))
    part = pd.Series(pd.NA, index=reviews.index, dtype="str")
    if "timestamp" in reviews and split.how.get("cuts"):
        place = np.searchsorted(
            pd.DatetimeIndex(split.how["cuts"]), pd.DatetimeIndex(reviews["timestamp"]), side="right"
        )
        part = pd.Series(np.array(PARTS)[place], index=reviews.index, dtype="str").where(reviews["timestamp"].notna())
    known = parts_by_review(split)
    part = reviews["review_id"].map(known).astype("str").fillna(part)
    return reviews.assign(part=part.fillna(_drawn_parts(reviews, seed)))


def parts_by_review(split: Split) -> pd.Series:
    """The part of each review that has an interaction, by review_id."""
    frames = [
        frame[["review_id"]].dropna().assign(part="train" if name == "set_aside" else name)
        for name, frame in split.parts.items()
        if "review_id" in frame
    ]
    if not frames:
        return pd.Series(dtype="str")
    return pd.concat(frames).drop_duplicates("review_id").set_index("review_id")["part"]


def _drawn_parts(reviews: pd.DataFrame, seed: int) -> pd.Series:
    """Within each label (or rating) every tenth review of a hashed order is valid, the next one test."""
    draw = item_hash([f"{seed}:{review}" for review in reviews["review_id"]])
    column = next((name for name in ("label", "rating") if name in reviews), None)
    stratum = reviews[column].astype("str").fillna("") if column else pd.Series("", index=reviews.index)
    order = pd.Series(draw, index=reviews.index).groupby(stratum).rank(method="first").astype(int) % 10
    return order.map({0: "valid", 1: "test"}).fillna("train").astype("str")


# -- reading what chapter 01 wrote -------------------------------------------------------------------------------------


class Reader(Protocol):
    """What can read an artifact by name: a run."""

    def read(self, name: str, *, required: bool = True) -> Any:
        """The artifact, or None where it is missing and not required."""


def read_split(run: Reader) -> Split:
    """The split that chapter 01 left in the run."""
    return Split(**{name: run.read(f"data/{name}.parquet") for name in FRAMES}, how=run.read("data/split.json"))
