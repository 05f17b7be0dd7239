"""What the context-aware re-ranker owes: one missing value spoils nobody's list, and nothing passed in is changed."""

import warnings

import numpy as np
import pandas as pd
import pytest

from recsys_kit.recommenders import ContextAware, ItemKNN, load
from recsys_kit.recommenders.rerankers.context import describe_contexts
from recsys_kit.testing.planted import planted_shop

SHOP = planted_shop()
USERS = list(SHOP.withheld)[:6]
WHEN = pd.to_datetime(["2024-06-03T18:00", "2024-01-06T09:00"] * 3, utc=True)


@pytest.fixture(scope="module")
def model():
    place = np.arange(len(SHOP.train))
    train = SHOP.train.assign(ctx_visits=place % 3, ctx_device=np.where(place % 2, "phone", "laptop"))
    return ContextAware().fit(train)


def context(**columns):
    return pd.DataFrame(
        {"timestamp": WHEN, "ctx_device": ["phone", "laptop"] * 3, "ctx_visits": [0, 1, 2] * 2} | columns
    )


@pytest.mark.parametrize(
    "missing",
    [{"timestamp": WHEN.where(np.arange(6) != 2)}, {"ctx_visits": [0, 1, None, 0, 1, 2]}, {"ctx_device": [None] * 6}],
    ids=lambda columns: next(iter(columns)),
)
def test_a_value_that_is_missing_changes_nothing_for_the_others(model, missing):
    whole, holes = context(), context(**missing)
    untouched = [row for row in range(6) if not holes.loc[row].isna().any()]
    expected, found = (model.recommend(USERS, context=frame, k=10) for frame in (whole, holes))
    for row in untouched:
        mine = [lists[lists["query"] == USERS[row]] for lists in (expected, found)]
        pd.testing.assert_frame_equal(*mine)
    assert found["query"].nunique() == 6 and np.isfinite(found["score"]).all()
    texts = describe_contexts(holes)
    assert not texts.isin(["nan", "NaT", "None", "<NA>", "3.0", "1.0"]).any(axis=None)


def test_a_missing_time_says_nothing(model):
    untimed = context(timestamp=pd.Series([pd.NaT] * 6, dtype="datetime64[ns, UTC]"))
    found, expected = (
        model.recommend(USERS, context=frame, k=10) for frame in (untimed, untimed.drop(columns="timestamp"))
    )
    pd.testing.assert_frame_equal(found, expected)


def test_who_has_seen_everything_gets_an_empty_list_without_a_warning(model):
    histories = [model.item_ids.tolist(), ["i00", "i01"]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        listed = model.recommend(histories=histories, context=context().head(2), k=5)
    assert listed["query"].unique().tolist() == [1]
    alone = model.recommend(histories=histories[1:], context=context().iloc[[1]], k=5)
    pd.testing.assert_series_equal(listed["item_id"], alone["item_id"])


def test_no_query_in_a_context_is_an_empty_list(model):
    listed = model.recommend([], context=context().head(0), k=5)
    assert listed.empty and list(listed) == ["query", "item_id", "score", "rank", "fallback"]


def test_the_base_that_was_passed_in_stays_unfitted(tmp_path):
    base = ItemKNN()
    model = ContextAware(base=base).fit(SHOP.train)
    assert not hasattr(base, "item_ids")
    assert model.base is not base
    users = USERS[:2]
    expected = ItemKNN().fit(SHOP.train).recommend(users)
    pd.testing.assert_frame_equal(model.recommend(users), expected)
    fitted = ItemKNN().fit(SHOP.train)
    before, n_users = fitted.similarity.copy(), len(fitted.users)
    ContextAware(base=fitted).fit(SHOP.train.head(50))
    assert (fitted.similarity != before).nnz == 0 and len(fitted.users) == n_users


def test_a_model_that_was_saved_answers_in_context_as_it_did_before(model, tmp_path):
    model.save(tmp_path / "model")
    histories = [SHOP.train.loc[SHOP.train["user_id"] == user, "item_id"].tolist() for user in USERS]
    models = load(tmp_path / "model"), model
    found, expected = (one.recommend(histories=histories, context=context(), k=10) for one in models)
    pd.testing.assert_frame_equal(found, expected)


def test_it_says_whichdescribe_contexts_it_knows(model, tmp_path):
    known = {"timestamp": [], "ctx_device": ["laptop", "phone"], "ctx_visits": ["0", "1", "2"]}
    assert model.known_context() == known
    model.save(tmp_path / "model")
    assert load(tmp_path / "model").known_context() == known
    assert ContextAware().known_context() == {}
    assert ContextAware().fit(SHOP.train.head(3)).known_context() == {}, "too few shoppers: there is no ranker"
