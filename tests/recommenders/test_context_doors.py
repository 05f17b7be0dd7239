"""A context that callers bring: the same frame however its times are written, a coded error where it cannot be one."""

import numpy as np
import pandas as pd
import pytest

from recsys_kit import evaluate
from recsys_kit.data import Split
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.recommenders import ContextAware, Popularity, validation_ndcg
from recsys_kit.testing.planted import planted_shop

SHOP = planted_shop()
USERS = list(SHOP.withheld)[:4]
TRAIN = SHOP.train.assign(
    ctx_device=np.where(np.arange(len(SHOP.train)) % 2, "phone", "laptop"),
    timestamp=pd.to_datetime("2024-01-01", utc=True) + pd.to_timedelta(np.arange(len(SHOP.train)) * 7, unit="h"),
)
WHEN = pd.Series(
    pd.to_datetime(["2024-06-03T18:00", "2024-01-06T01:00", "2024-02-06T09:00", "2024-03-01T12:00"], utc=True)
)
TIMES = {
    "text": WHEN.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "text without a zone": WHEN.dt.strftime("%Y-%m-%d %H:%M"),
    "no zone": WHEN.dt.tz_localize(None),
    "another zone": WHEN.dt.tz_convert("US/Pacific"),
    "objects": WHEN.astype(object),
    "seconds": WHEN.astype("int64") // 10 ** (9 if WHEN.dt.unit == "ns" else 6),
}


@pytest.fixture(scope="module")
def model():
    return ContextAware().fit(TRAIN, items=SHOP.items)


def doors(model, context):
    """Every way to ask in a context that is given by user."""
    split = Split(TRAIN, SHOP.valid.head(0), SHOP.valid, TRAIN.head(0))
    return [
        lambda: evaluate({"model": model}, split, context=context).leaderboard(),
        lambda: validation_ndcg({"model": model}, SHOP.encode(train=TRAIN), k=5, context=context),
    ]


def by_user(**columns):
    users = SHOP.valid["user_id"].unique()
    return pd.DataFrame({"ctx_device": ["phone"] * len(users)} | columns, index=users)


@pytest.mark.parametrize("written", TIMES)
def test_a_time_is_the_same_however_it_is_written(model, written):
    right = model.recommend(USERS, context=pd.DataFrame({"timestamp": WHEN}), k=10)
    assert not right.equals(model.recommend(USERS, k=10)), "the time matters"
    pd.testing.assert_frame_equal(
        model.recommend(USERS, context=pd.DataFrame({"timestamp": TIMES[written]}), k=10), right
    )


@pytest.mark.parametrize("zone", [None, "US/Pacific"])
def test_times_of_training_are_read_as_those_of_a_context(model, zone):
    other = ContextAware().fit(TRAIN.assign(timestamp=TRAIN["timestamp"].dt.tz_convert(zone)), items=SHOP.items)
    context = pd.DataFrame({"timestamp": WHEN})
    lists = [one.recommend(USERS, context=context, k=10) for one in (model, other)]
    pd.testing.assert_frame_equal(*lists)


@pytest.mark.parametrize("missing", [[pd.NaT] * 4, [None] * 4, [np.nan] * 4], ids=str)
def test_times_that_are_all_missing_say_nothing(model, missing):
    context = pd.DataFrame({"timestamp": missing, "ctx_device": "phone"})
    expected = model.recommend(USERS, context=context[["ctx_device"]], k=10)
    pd.testing.assert_frame_equal(model.recommend(USERS, context=context, k=10), expected)


NO_CONTEXT = {
    "mapping": ({"ctx_device": "phone"}, "RK-344 context is"),
    "list": (["phone"] * 4, "RK-344 context is"),
    "text": ("phone", "RK-344 context is"),
    "series": (pd.Series(["phone"] * 4), "RK-344 context is"),
    "no prefix": (pd.DataFrame({"device": ["phone"] * 4}), "RK-343 .*'device'.* Rename it to 'ctx_device'"),
    "user as column": (pd.DataFrame({"user_id": USERS}), r"RK-343 .*'user_id'.* context\.set_index"),
    "twice": (pd.DataFrame([["a", "b"]] * 4, columns=["ctx_device"] * 2), "RK-346 .*'ctx_device' twice"),
    "no time": (pd.DataFrame({"timestamp": ["tomorrow"] * 4}), "RK-347 .*'tomorrow'"),
}


@pytest.mark.parametrize("given", NO_CONTEXT)
@pytest.mark.parametrize("kind", ["model", "popularity"])
def test_what_is_no_context_is_refused_at_every_door(model, kind, given):
    """Whether the model would use it or not."""
    model = model if kind == "model" else Popularity().fit(TRAIN, items=SHOP.items)
    context, message = NO_CONTEXT[given]
    ask = [lambda: model.recommend(USERS, context=context)]
    if isinstance(context, pd.DataFrame):
        context = context.set_axis(USERS)
    for door in ask + doors(model, context):
        with pytest.raises(ParameterError, match=message):
            door()


def test_a_context_by_user_must_meet_the_users_once(model):
    whole = by_user()
    wrong = {
        "none is of the users": whole.set_axis("x" + whole.index),
        "several rows of user": pd.concat([whole, whole.head(1)]),
        "has 0 rows": whole.head(0),
    }
    for message, context in wrong.items():
        for door in doors(model, context):
            with pytest.raises(ParameterError, match=f"RK-340 .*{message}"):
                door()
    for door in doors(model, whole.set_axis([None, *whole.index[1:]])):
        with pytest.raises(DataError, match="RK-153 user_id of context"):
            door()


def test_what_is_not_seen_may_be_a_candidate(model):
    """Products that were only viewed are ranked by merit, not behind all candidates."""
    context = pd.DataFrame({"ctx_device": ["phone"] * 4, "timestamp": WHEN})
    histories = [TRAIN.loc[TRAIN["user_id"] == user, "item_id"].tolist() for user in USERS]
    lists = model.recommend(USERS, seen=[history[:1] for history in histories], context=context, k=10)
    for history, (_, shown) in zip(histories, lists.groupby("query", sort=False)["item_id"], strict=True):
        assert set(history) & set(shown) and history[0] not in set(shown)


def test_users_without_a_row_and_columns_that_no_model_uses_are_fine(model):
    whole = by_user(ctx_weather="rain")
    for door in doors(model, whole.head(3)):
        door()
    for one, other in zip(doors(model, whole), doors(model, whole.drop(columns="ctx_weather")), strict=True):
        assert str(one()) == str(other())
    for door in doors(model, whole[[]]):
        door()
