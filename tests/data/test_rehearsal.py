"""The two cuts of chapter 01 never see the test set, hold the same events, and are empty where nothing can be asked."""

from dataclasses import replace

import pandas as pd
import pytest

from recsys_kit.data import split_interactions
from recsys_kit.data.rehearsal import two_cuts
from recsys_kit.evaluation import evaluate
from recsys_kit.recommenders import Popularity


def events(n=240, n_users=12, n_items=29):
    rows = [(f"u{k % n_users}", f"i{(k * 7 + 2 * (k // n_users)) % n_items}") for k in range(n)]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id"])
    return frame.assign(timestamp=pd.date_range("2025-01-01", periods=n, tz="UTC"))


def of(cut):
    frames = [frame.assign(timestamp=frame["timestamp"].astype("int64")) for frame in cut.parts.values()]
    return set(pd.concat(frames)[["user_id", "item_id", "timestamp"]].itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("method", "name"),
    [("time", "by time"), ("leave_last_out", "by leave last out"), ("stratified", "drawn by product")],
)
def test_both_cuts_hold_the_events_before_the_test_set_and_no_other(method, name):
    split = split_interactions(events(), method=method)
    cuts = two_cuts(split, seed=3)
    assert list(cuts) == ["at random", name]
    before = of(replace(split, test=split.test.iloc[:0]))
    assert of(cuts["at random"]) == of(cuts[name]) == before
    for cut in cuts.values():
        assert evaluate({"popularity": Popularity().fit(cut.train)}, cut).metrics["n_users"].max() > 0


def test_garbage_in_the_test_set_changes_neither_cut():
    split = split_interactions(events())
    poisoned = replace(split, test=split.test.assign(item_id="garbage"))
    assert [of(cut) for cut in two_cuts(split).values()] == [of(cut) for cut in two_cuts(poisoned).values()]


def test_a_draw_of_users_holds_for_both():
    cuts = two_cuts(split_interactions(events()), n_users=5)
    assert [len({user for user, _, _ in of(cut)}) for cut in cuts.values()] == [5, 5]


@pytest.mark.parametrize("n", [3, 5, 8])
def test_too_few_events_give_no_cuts(n):
    assert two_cuts(split_interactions(events(n, n_users=1, n_items=1))) == {}


def test_where_the_first_day_is_most_of_what_is_left_there_are_no_cuts():
    late = events(100)
    late.loc[:77, "timestamp"] = late["timestamp"].iloc[0]
    split = split_interactions(late)
    assert len(split.train) and two_cuts(split) == {}
