"""Split interactions into training, validation and test set, without leaks from the future."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from recsys_kit.core.contexts import check_context, is_context
from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.events import check_times, order_events
from recsys_kit.core.ids import item_hash, listed, with_text_ids
from recsys_kit.core.vectors import Vectors
from recsys_kit.data.cleaning import k_core as keep_k_core
from recsys_kit.data.cleaning import repeated_ratings
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.schema import PARTS, UNDOING_EVENTS

FRAMES = (*PARTS, "set_aside")
SHARES = (0.8, 0.1, 0.1)
FEW_EVENTS = 20  # of so few a part may be empty
STRATIFIED_CUTS = (0.675, 0.75)  # shares of each item's events: train up to the first, valid up to the second
STRATIFIED_SEED = 42
STRATIFIED_PROTOCOL = (
    f"of each item's events a quarter is test, a tenth of the others valid, drawn with seed {STRATIFIED_SEED} whatever "
    "their time: the future leaks into train; only to compare with tables published so"
)
RANDOM_PROTOCOL = (
    "each pair of user and item is drawn by a fixed hash, whatever its time: the future leaks into train; only for "
    "data without times"
)
Drawn = tuple[np.ndarray, dict[str, Any]]  # the part (0, 1, 2) of each event, and what is said of it


@dataclass(frozen=True)
class Split:
    """Interactions in four parts; every event is in exactly one. Ids are converted to text."""

    train: pd.DataFrame
    """The training set."""
    valid: pd.DataFrame
    """The validation set: it chooses parameters and models."""
    test: pd.DataFrame
    """The test set: it evaluates the chosen models, once."""
    set_aside: pd.DataFrame
    """Events of the training period that models do not learn from: ratings that the user changed later, and what the
    k-core removes. They stay in histories."""
    how: dict[str, Any] = field(default_factory=dict)
    """method, k_core, rated_again (number of changed ratings); for "time" also shares and cuts (the first time of
    valid, the first time of test) and the cut that was named; for "stratified" and "random" protocol, a sentence."""

    def __post_init__(self) -> None:
        for name in FRAMES:
            object.__setattr__(self, name, with_text_ids(getattr(self, name), name))

    @property
    def parts(self) -> dict[str, pd.DataFrame]:
        """The four frames by name: train, valid, test, set_aside."""
        return {name: getattr(self, name) for name in FRAMES}

    def with_validation(self) -> "Split":
        """Return a split whose training set includes validation, to fit the chosen models again; test is unchanged."""
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
        target_events, seen_events, hidden = (kinds_of(names) for names in (target_events, seen_events, hidden_context))
        named: Any = {"min_rating": min_rating, "target_events": target_events, "seen_events": seen_events}
        train, before = self.train.drop(columns=hidden, errors="ignore"), self._before("test")
        encoded = EncodedSplit.of(train, items=items, item_features=item_features)
        seen = self._before("valid", seen_events) if seen_events else None
        encoded = encoded.with_targets("valid", self.ground_truth("valid", **named), seen=seen)
        seen = self._before("test", seen_events) if seen_events else None
        relevant = self.ground_truth("test", **named)
        n_without = self.test["user_id"].nunique() - relevant["user_id"].nunique()
        relevant = relevant.assign(grade=_grades(relevant, self.test, grades)) if grades else relevant
        encoded = encoded.with_test(relevant, before, seen=seen, n_without=n_without)
        contexts = {
            part: check_context(self.request_context(part).drop(columns=hidden, errors="ignore")).reindex(targets.users)
            for part, targets in encoded.targets.items()
        }
        return replace(encoded, contexts=contexts)

    def histories(self, part: str) -> pd.Series:
        """Return each user's items before `part`, oldest first.

        Before "valid" these are the events of the training period, before "test" also those of the validation set.

        Args:
            part: "valid" or "test".

        Returns:
            A list of item_id per user_id, for the users with at least one event before `part`.

        Raises:
            ParameterError: RK-323 another part.
        """
        return self.seen_items(part)

    def seen_items(self, part: str, seen_events: Sequence[str] = ()) -> pd.Series:
        """Return each user's seen items before `part`: they are masked from recommendations.

        Args:
            part: "valid" or "test".
            seen_events: kinds of event that make an item seen; empty for all, which gives the `histories`.

        Returns:
            A list of item_id per user_id.

        Raises:
            DataError, ParameterError: as `ground_truth`.
        """
        events = order_events(self._before(part, seen_events))
        starts = np.flatnonzero(~events["user_id"].duplicated())
        bounds, items = [*starts, len(events)], events["item_id"].to_numpy(object).tolist()
        lists = pd.Series([items[a:b] for a, b in pairwise(bounds)], dtype=object, name="item_id")
        return lists.set_axis(pd.Index(events["user_id"].iloc[starts], name="user_id"))

    def ground_truth(
        self,
        part: str,
        *,
        min_rating: float | None = None,
        target_events: Sequence[str] = (),
        seen_events: Sequence[str] = (),
    ) -> pd.DataFrame:
        """Return the relevant items of `part`: the items of its events that the user has not seen before.

        With `target_events=["purchase"], seen_events=["purchase"]` an item that was viewed before the cut and bought
        after it is relevant; without `seen_events` it is not.

        Args:
            part: "valid" or "test".
            min_rating: events with a lower rating are not relevant; events without a rating are.
            target_events: kinds of event that are relevant; empty for all but `schema.UNDOING_EVENTS`.
            seen_events: kinds of event that make an item seen; empty for all.

        Returns:
            One row per pair, with user_id and item_id, by user and time.

        Raises:
            DataError: RK-110 kinds of event without a column `event` in the interactions.
            ParameterError: RK-158 min_rating is not a number, RK-323 another part, RK-368 a kind of event that no part
                has.
        """
        events = getattr(self, _held_out(part))
        if min_rating is not None and (isinstance(min_rating, bool) or not isinstance(min_rating, Real)):
            raise ParameterError("RK-158", f"min_rating is {min_rating!r}; expected a number or None.", "Pass 4.0.")
        if min_rating is not None and "rating" in events:
            events = events[~(events["rating"] < min_rating)]
        if not kinds_of(target_events) and "event" in events:
            events = events[~events["event"].astype("str").str.contains(UNDOING_EVENTS, case=False, na=False)]
        events = self._select_kinds(events, "target_events", target_events)
        pairs = order_events(events)[["user_id", "item_id"]].drop_duplicates()
        earlier = self._before(part, seen_events)
        seen = pd.MultiIndex.from_frame(earlier[["user_id", "item_id"]])
        return pairs[~pd.MultiIndex.from_frame(pairs).isin(seen)].reset_index(drop=True)

    def _before(self, part: str, seen_events: Sequence[str] = ()) -> pd.DataFrame:
        """Return the events of these kinds before `part`: of the training period, before "test" also of validation."""
        frames = [self.train, self.set_aside] + ([self.valid] if _held_out(part) == "test" else [])
        return self._select_kinds(pd.concat(frames, ignore_index=True), "seen_events", seen_events)

    def _select_kinds(self, events: pd.DataFrame, option: str, kinds: Sequence[str]) -> pd.DataFrame:
        """Return the events of these kinds, or all events if `kinds` is empty."""
        kinds = kinds_of(kinds)
        if not kinds:
            return events
        if "event" not in events:
            problem = "interactions have no column 'event' to tell the kinds apart."
            raise DataError("RK-110", problem, f"Pass {option}=[].")
        kinds_found = pd.concat([frame["event"] for frame in self.parts.values() if "event" in frame]).dropna().unique()
        if unknown := [kind for kind in kinds if kind not in kinds_found]:
            found = sorted(kinds_found, key=str)
            problem = f"{option} names {unknown[0]!r}; expected some of {found[:20]}."
            raise ParameterError("RK-368", problem, f"Pass {option}={found[:1]}.")
        return events[events["event"].isin(kinds)]

    def request_context(self, part: str) -> pd.DataFrame:
        """Return the context columns of each user's first event in `part`.

        Drop columns that are known only with the event, such as whether the item was on promotion: they would give a
        model the answer.

        Args:
            part: "valid" or "test".

        Returns:
            One row per user_id, with `timestamp` and `ctx_*` columns as far as the interactions have them.

        Raises:
            ParameterError: RK-323 another part.
        """
        events = order_events(getattr(self, _held_out(part))).drop_duplicates("user_id").set_index("user_id")
        return events[[column for column in events if is_context(column)]]


def kinds_of(events: Any) -> list[Any]:
    """Return the kinds of event that an option names, as a list; it may name one, several or None.

    >>> kinds_of("purchase"), kinds_of(None)
    (['purchase'], [])
    """
    return [] if events is None else list(listed(events))


def _grades(relevant: pd.DataFrame, events: pd.DataFrame, column: str) -> np.ndarray:
    """Return the highest grade of each pair of user and item, 0 for none."""
    if column not in events or not is_numeric_dtype(events[column]):
        raise DataError("RK-362", f"interactions have no numbers in {column!r} to grade by.", "Pass grades=''.")
    highest = events.groupby(["user_id", "item_id"])[column].max()
    return highest.reindex(pd.MultiIndex.from_frame(relevant)).fillna(0).to_numpy(float)


def _held_out(part: str) -> str:
    if part not in ("valid", "test"):
        raise ParameterError("RK-323", f"part is {part!r}; expected 'valid' or 'test'.", "Pass part='test'.")
    return part


def split_interactions(
    interactions: pd.DataFrame,
    *,
    method: str = "time",
    shares: tuple[float, float, float] | None = None,
    k_core: int = 1,
    cut: str = "",
) -> Split:
    """Cut the interactions into training, validation and test set, then clean the training set.

    Cleaning comes after the cut, so that no later event decides what is learned: of a user's repeated ratings of an
    item the latest in the training period stays, then the k-core is taken. What is removed goes to `set_aside`.

    - "time": train ends at the first cut, valid at the second, and test begins there. The cuts are quantiles of the
      event times, so equal times stay together.
    - "leave_last_out": of each user, test is the newest item with all later events, valid the item before it; users
      with fewer than three items are in train. Events of equal time stay together.
    - "stratified": of each item's events a quarter is test and a tenth of the others valid, drawn whatever their time.

    - "random": of all pairs of user and item a tenth is test and a tenth valid, drawn by a fixed hash.

    With "stratified" and "random" **the future leaks into the training set**: use "stratified" only to compare with
    tables published that way, "random" only without times. The stratified draw depends on the order of the rows. For
    MovieLens-100K in the order of its file it is the draw of the recommenders repository (`python_stratified_split`,
    ratio 0.75, by item, seed 42).

    Args:
        interactions: one row per event, with user_id and item_id (converted to text) and timestamp (UTC) or position.
        method: one of `METHODS`.
        shares: of the events in train, valid and test, for "time" only; 0.8, 0.1 and 0.1 by default.
        k_core: in the training set each user has at least this many different items, and each item as many users.
        cut: for "time" only, the first day of valid in place of the shares ("2024-05-20"); what follows is halved.

    Returns:
        The four parts, each in canonical order (by user, then time), and `how` they were made.

    Raises:
        DataError: RK-104 a missing column, RK-108 no event for the training set, RK-109 "time" without times, RK-164
            times that cannot be cut so, RK-153 and RK-154 missing or invalid ids, RK-156 missing or invalid times.
        ParameterError: RK-322 an invalid k_core, RK-324 an unknown method, RK-325 invalid shares.

    >>> events = pd.DataFrame({"user_id": ["a"] * 10, "item_id": list("qwertyuiop"),
    ...                        "timestamp": pd.date_range("2025-01-01", periods=10, tz="UTC")})
    >>> split = split_interactions(events)
    >>> len(split.train), split.valid["item_id"].tolist(), split.ground_truth("test")["item_id"].tolist()
    (8, ['o'], ['p'])
    """
    if method not in METHODS:
        raise ParameterError("RK-324", f"split is {method!r}; expected one of {METHODS}.", "Pass split='time'.")
    if shares is not None and method != "time":
        problem = f"shares are {shares}, but method {method!r} has none; only 'time' has."
        raise ParameterError("RK-325", problem, "Leave shares out.")
    if method == "stratified":
        interactions = _draw_stratified(interactions)
    events = order_events(interactions)
    if events.empty:
        raise DataError("RK-108", "interactions has no event; expected at least one.", "Pass the events of a shop.")
    part, how = _METHODS[method](events, SHARES if shares is None else shares, cut)
    period, valid, test = _separate(events, part)
    del events  # with millions of them, one copy less
    again = repeated_ratings(period).to_numpy()
    kept = keep_k_core(period[~again] if again.any() else period, k_core)
    if kept.empty:
        problem = "no event is left to train on; expected at least one."
        raise DataError("RK-108", problem, f"Lower k_core={k_core} or change the split.")
    is_kept = np.zeros(len(period), bool)
    is_kept[kept.index] = True
    set_aside = period[~is_kept].reset_index(drop=True)
    how = {"method": method, "k_core": k_core, "rated_again": int(again.sum())} | how
    return Split(kept.reset_index(drop=True), valid, test, set_aside, how)


def _separate(events: pd.DataFrame, part: np.ndarray) -> Iterator[pd.DataFrame]:
    """Return the events of the parts 0, 1 and 2."""
    return (events[part == number].reset_index(drop=True) for number in range(3))


def split_at_random(interactions: pd.DataFrame, *, seed: int) -> Split:
    """Assign events to the parts at random, whatever their time, as many tutorials do.

    The future leaks into the training set: this shows by how much the results look better.

    Args:
        interactions: as for `split_interactions`.
        seed: random seed.
    """
    events = order_events(interactions)
    draws = np.random.default_rng(seed).random(len(events))
    train, valid, test = _separate(events, _share_out(draws))
    return Split(train, valid, test, events.iloc[:0])


def _share_out(draws: np.ndarray) -> np.ndarray:
    """Return the part (0, 1, 2) of each draw from 0 to 1."""
    return np.searchsorted(np.cumsum(SHARES)[:2], draws, side="right")


def _cut_by_time(events: pd.DataFrame, shares: Any, cut: str) -> Drawn:
    if "timestamp" not in events:
        problem = "interactions have a position but no timestamp; split='time' needs one."
        raise DataError("RK-109", problem, "Pass split='leave_last_out'.")
    shares = list(listed(shares))
    numbers = [float(share) for share in shares if isinstance(share, Real) and float(share) > 0]
    if not len(shares) == len(numbers) == 3 or abs(sum(numbers) - 1) > 1e-9:
        problem = f"shares are {shares!r}; expected three positive numbers that add up to 1."
        raise ParameterError("RK-325", problem, "Pass shares=(0.8, 0.1, 0.1).")
    when = pd.DatetimeIndex(events["timestamp"]).as_unit("ns").asi8
    places = np.round(np.cumsum(shares)[:2] * len(when)).astype(int).clip(0, len(when) - 1)
    times = np.sort(when) if cut else np.partition(when, [0, *places])  # in order at these places
    if cut:
        try:
            places = _places_from(times, pd.Timestamp(cut).tz_localize("UTC"))
        except (ValueError, TypeError) as error:
            raise ParameterError("RK-325", f"cut is {cut!r}; expected a day.", "Pass cut='2024-05-20'.") from error
    if len(times) >= FEW_EVENTS and not all(_fills_parts(times, places)):
        raise _no_cut(np.sort(times), places)
    cuts = [pd.Timestamp(time, tz="UTC").isoformat() for time in times[places]]
    part = np.searchsorted(times[places], when, side="right")
    return part, {"shares": shares, "cuts": cuts} | ({"cut": cut} if cut else {})


def _places_from(times: np.ndarray, day: pd.Timestamp) -> np.ndarray:
    """Return the places in the sorted times where valid and test begin, if valid begins with this day."""
    first = np.searchsorted(times, day.value)
    return np.array([first, (first + len(times)) // 2]).clip(0, len(times) - 1)


def _fills_parts(times: np.ndarray, places: np.ndarray) -> tuple[bool, bool]:
    """Return whether cuts at these places of the sorted times leave an event in train, and in valid."""
    return times[0] < times[places[0]], times[places[0]] < times[places[1]]


def _no_cut(times: np.ndarray, places: np.ndarray) -> DataError:
    """Return the error (RK-164) that a part is empty, with the day that cuts best, if there is one."""
    empty = " and ".join(name for name, full in zip(PARTS, _fills_parts(times, places), strict=False) if not full)
    days = pd.DatetimeIndex(times).tz_localize("UTC").normalize().unique()
    days = [day for day in days if all(_fills_parts(times, _places_from(times, day)))]
    best = min(days, key=lambda day: abs(np.searchsorted(times, day.value) - SHARES[0] * len(times)), default=None)
    different, counts = np.unique(times, return_counts=True)
    first, last, fullest = (
        f"{pd.Timestamp(time):%Y-%m-%d %H:%M}" for time in (times[0], times[-1], different[counts.argmax()])
    )
    problem = (
        f"the split by time has no event in {empty}: of {len(times):,} events from {first} to {last}, {counts.max():,} "
        f"have the time {fullest}, and equal times stay together."
    )
    way = "split=random, which leaks the future, or name another column of times"
    return DataError(
        "RK-164", problem, f"Pass {way if best is None else f'cut={best:%Y-%m-%d}, the first day of validation'}."
    )


def _cut_last_items(events: pd.DataFrame, *_: Any) -> Drawn:
    new = ~events.duplicated(["user_id", "item_id"])
    if "timestamp" in events:  # of a basket, one new item counts
        baskets = [events["user_id"], events["timestamp"]]
        new = new.groupby(baskets).transform("any") & ~events.duplicated(["user_id", "timestamp"])
    nth = new.groupby(events["user_id"]).cumsum()  # number of different items, or baskets with one, up to this event
    n_items = nth.groupby(events["user_id"]).transform("max")
    part = (nth - n_items + 2).clip(lower=0)
    if len(events) > FEW_EVENTS and not n_items.ge(3).any():
        what = "different items at different times" if "timestamp" in events else "different items"
        raise DataError(
            "RK-164",
            f"no user has three {what}; expected some: one each to train, for valid and for test.",
            "Pass split=time, or split=random, which leaks the future.",
        )
    return part.where(n_items >= 3, 0).to_numpy(), {}


def _draw_pairs(events: pd.DataFrame, *_: Any) -> Drawn:
    draws = item_hash(events["user_id"] + "\x1f" + events["item_id"]).astype(float) / 2.0**64
    return _share_out(draws), {"protocol": RANDOM_PROTOCOL}


def _draw_stratified(interactions: pd.DataFrame) -> pd.DataFrame:
    """Add the column part (0, 1, 2); the draw follows the order of the rows."""
    interactions = with_text_ids(interactions, "interactions")
    check_times(interactions, "interactions")
    draws = np.random.RandomState(STRATIFIED_SEED).rand(len(interactions))
    by_item = pd.Series(draws).groupby(interactions["item_id"].to_numpy())
    nth, n_events = by_item.rank(method="first"), by_item.transform("size")
    part = sum((nth > (cut * n_events).round()).astype(int) for cut in STRATIFIED_CUTS)  # halves are rounded to even
    return interactions.assign(part=part.to_numpy())


_METHODS: dict[str, Callable[[pd.DataFrame, Any, str], Drawn]] = {
    "time": _cut_by_time,
    "leave_last_out": _cut_last_items,
    "stratified": lambda events, *_: (events.pop("part").to_numpy(), {"protocol": STRATIFIED_PROTOCOL}),
    "random": _draw_pairs,
}
METHODS = tuple(_METHODS)


# -- reviews follow their interactions ---------------------------------------------------------------------------------


def assign_parts(reviews: pd.DataFrame, split: Split | None, *, seed: int = 7) -> pd.DataFrame:
    """Add a column `part` to the reviews: train, valid or test.

    A review is in the part of its interaction; without one, its own time and the cuts decide; without a time, it is
    drawn: 80, 10 and 10 percent, stratified by label or rating.

    Args:
        reviews: one row per review, with review_id; optional timestamp, label, rating.
        split: of the interactions; None draws all reviews.
        seed: random seed of the draw.
    """
    part = _draw_parts(reviews, seed)
    if split is not None:
        if "timestamp" in reviews and split.how.get("cuts"):
            cuts, times = pd.DatetimeIndex(split.how["cuts"]), pd.DatetimeIndex(reviews["timestamp"])
            part = part.where(times.isna(), np.array(PARTS)[np.searchsorted(cuts, times, side="right").clip(max=2)])
        part = reviews["review_id"].map(parts_by_review(split)).astype("str").fillna(part)
    return reviews.assign(part=part)


def parts_by_review(split: Split) -> pd.Series:
    """Return the part of each review with an interaction, by review_id."""
    frames = [
        frame[["review_id"]].dropna().assign(part="train" if name == "set_aside" else name)
        for name, frame in split.parts.items()
        if "review_id" in frame
    ]
    known = pd.concat(frames or [pd.DataFrame(columns=["review_id", "part"], dtype="str")])
    return known.drop_duplicates("review_id").set_index("review_id")["part"]


def _draw_parts(reviews: pd.DataFrame, seed: int) -> pd.Series:
    """Within each label (or rating), in the order of a hash, every tenth review is valid and the next one test."""
    draw = item_hash([f"{seed}:{review}" for review in reviews["review_id"]])
    column = next((name for name in ("label", "rating") if name in reviews), None)
    stratum = reviews[column].astype("str").fillna("") if column else pd.Series("", index=reviews.index)
    order = pd.Series(draw, index=reviews.index).groupby(stratum).rank(method="first").astype(int) % 10
    return order.map({0: "valid", 1: "test"}).fillna("train").astype("str")
