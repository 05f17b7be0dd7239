"""Every registered recommender passes the conformance suite, and what only the library itself can check."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from recsys_kit.errors import ArtifactError
from recsys_kit.recommenders import MODELS, load
from recsys_kit.recommenders.base import understands_text
from recsys_kit.recommenders.ensembles.hybrid import Ensemble
from recsys_kit.testing import CHECKS, Subject
from recsys_kit.testing.planted import unfitted

NAMES = [pytest.param(name, marks=pytest.mark.xdist_group(f"conformance:{name}")) for name in sorted(MODELS)]
pytestmark = pytest.mark.parametrize("name", NAMES)


@cache
def subject(name):
    return Subject(unfitted(name))


SHOP = subject("ease").shop


@pytest.fixture
def model(name):
    return subject(name).model


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_it_passes_the_conformance_suite(name, check):
    check(subject(name))


def test_what_is_no_number_is_never_listed(model):
    scores = model.score(subject("ease").histories(["u000"])).copy()
    last = np.flatnonzero(model.can_score)[-1]
    scores[0, last] = np.nan
    assert model.visible(scores, np.array([False]))[0, last] == -np.inf


def test_a_refit_learns_from_validation_keeps_what_it_chose_and_leaves_the_model_alone(name, model):
    users = list(SHOP.withheld)
    before = model.recommend(users, k=10)
    both = pd.concat([SHOP.train, SHOP.valid])
    again = model.refit(both, items=SHOP.items, item_vectors=SHOP.vectors)
    pd.testing.assert_frame_equal(model.recommend(users, k=10), before)
    assert type(again) is type(model) and again.known_histories(["u000"])[0][-1] == SHOP.withheld["u000"]
    taken = again.recommend(users, k=50).merge(
        SHOP.valid, left_on=["query", "item_id"], right_on=["user_id", "item_id"]
    )
    assert taken.empty  # what was taken in validation is known now
    for learned in model.learned if isinstance(model, Ensemble) else ():
        assert getattr(again, learned) == getattr(model, learned)


def test_a_saved_model_gives_the_same_lists(model, tmp_path):
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    users = [*SHOP.withheld, "nobody"]
    pd.testing.assert_frame_equal(model.recommend(users), again.recommend(users))
    assert type(again) is type(model)
    assert understands_text(tmp_path / "model") == again.understands_text == model.understands_text
    assert {p.suffix for p in (tmp_path / "model").rglob("*") if p.is_file()} <= {".json", ".safetensors"}
    told = {"train": pd.concat([SHOP.train, SHOP.valid]), "items": SHOP.items, "item_vectors": SHOP.vectors}
    pd.testing.assert_frame_equal(model.refit(**told).recommend(users), again.refit(**told).recommend(users))


def test_a_folder_without_a_model_is_named(name, tmp_path):
    with pytest.raises(ArtifactError, match="RK-408"):
        load(tmp_path)
