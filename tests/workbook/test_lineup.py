"""The models of the leaderboard of chapter 04."""

import numpy as np
import pandas as pd
import pytest

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.vectors import Vectors
from recsys_kit.errors import ParameterError
from recsys_kit.recommenders import MODELS, Stack
from recsys_kit.recommenders.ensembles.base import Ensemble
from recsys_kit.workbook.lineup import LINEUP, QUICK_ITEMS, Entry, choose

TRAIN = pd.DataFrame({"user_id": ["a"], "item_id": ["x"], "position": [0]})
ITEMS = pd.DataFrame({"item_id": ["x"]})


def test_every_model_has_its_place():
    here = {type(entry.make()) for entry in LINEUP.values()}
    known = {model for model in MODELS.values() if model.__module__.startswith("recsys_kit.")}
    assert known - here == {model for model in known if issubclass(model, Ensemble | Stack)}


def test_names_are_those_of_the_models_but_for_the_vectors_of_content_models():
    other = {name for name, entry in LINEUP.items() if entry.make().name != name}
    assert other == {"content_tfidf", "content_minilm", "shallow_no_text"}


def test_the_seed_reaches_every_model_that_draws():
    drawing = [entry.model(41) for entry in LINEUP.values() if hasattr(entry.make(), "seed")]
    assert len(drawing) > 5
    assert {model.seed for model in drawing} == {41}


def test_what_the_shop_does_not_have_is_said():
    chosen, left_out = choose(EncodedSplit.of(TRAIN, items=ITEMS), profile="full")
    assert left_out == {
        "popular_lately": "no timestamp here",
        "popular_in_category": "no category here",
        "content_tfidf": "no tfidf here",
        "content_minilm": "no minilm here",
        "attributes": "no attributes here",
        "context_aware": "no context here",
        "shallow_no_text": "no item features here",
    }
    assert set(chosen) | set(left_out) == set(LINEUP)


def test_a_shop_with_everything_runs_everything_in_full():
    train = TRAIN.assign(timestamp=pd.Timestamp("2025-01-01", tz="UTC"))
    items = ITEMS.assign(category="mugs", attributes=[["oak"]])
    features = dict.fromkeys(["tfidf", "minilm"], Vectors(["x"], np.ones((1, 2), np.float32), {}))
    chosen, left_out = choose(EncodedSplit.of(train, items=items, item_features=features), profile="full")
    assert (list(chosen), left_out) == (list(LINEUP), {})


def test_quick_leaves_out_what_is_slow_and_names_bring_it_back():
    many = pd.DataFrame({"item_id": [f"i{number}" for number in range(QUICK_ITEMS + 1)]})
    assert "ease" in choose(EncodedSplit.of(TRAIN, items=many[:-2]))[0]
    split = EncodedSplit.of(TRAIN, items=many)
    chosen, left_out = choose(split)
    assert "ease" not in chosen
    assert "user_knn" not in chosen
    assert left_out["ease"] == f"in quick only up to {QUICK_ITEMS:,} products"
    assert "ease" in choose(split, profile="full")[0]
    assert list(choose(split, names=["ease", "user_knn"])[0]) == ["popularity", "user_knn", "ease"]


def test_an_unknown_name_is_refused():
    with pytest.raises(ParameterError, match="RK-318 model is 'eas'; expected one of popularity, "):
        choose(EncodedSplit.of(TRAIN, items=ITEMS), names=["eas"])


def test_an_unknown_family_is_refused():
    with pytest.raises(ParameterError, match=r"RK-327 family is 'factor'; expected one of .*factors"):
        Entry("factor", Stack)
