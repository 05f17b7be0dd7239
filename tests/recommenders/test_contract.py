"""Every registered recommender passes the conformance suite, and what only the library itself can check."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from recsys_kit.errors import ArtifactError, NotFittedError, ParameterError
from recsys_kit.recommenders import MODELS, load, load_models
from recsys_kit.recommenders.ensembles.base import Ensemble
from recsys_kit.testing import CHECKS, Subject
from tests.models import unfitted

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
    again = model.refit(SHOP.encode(train=pd.concat([SHOP.train, SHOP.valid]), valid=None))
    pd.testing.assert_frame_equal(model.recommend(users, k=10), before)
    last = again.item_ids[again.histories_of(["u000"]).items[-1]]
    assert type(again) is type(model) and last == SHOP.withheld["u000"]
    taken = again.recommend(users, k=50).merge(
        SHOP.valid, left_on=["query", "item_id"], right_on=["user_id", "item_id"]
    )
    assert taken.empty  # what was taken in validation is known now
    for learned in model.learned if isinstance(model, Ensemble) else ():
        assert getattr(again, learned) == getattr(model, learned)


def test_a_saved_model_gives_the_same_lists(model, tmp_path):
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    users, histories = [*SHOP.withheld, "nobody"], [*subject("ease").histories(SHOP.withheld), []]
    pd.testing.assert_frame_equal(model.recommend(histories=histories), again.recommend(histories=histories))
    assert type(again) is type(model)
    described = load_models(tmp_path / "model").describe(model.name)
    assert described["understands_text"] == again.understands_text == model.understands_text
    assert described["uses"] == dict(model.uses) == dict(again.uses)
    assert {p.suffix for p in (tmp_path / "model").rglob("*") if p.is_file()} <= {".json", ".safetensors"}
    both = SHOP.encode(train=pd.concat([SHOP.train, SHOP.valid]), valid=None)
    pd.testing.assert_frame_equal(model.refit(both).recommend(users), again.refit(both).recommend(users))


def test_a_saved_model_holds_no_user_and_no_history(model, tmp_path):
    model.save(tmp_path / "model")
    written = b"".join(path.read_bytes() for path in (tmp_path / "model").rglob("*") if path.is_file())
    assert not any(user.encode() in written for user in SHOP.withheld)
    histories = model.train_histories
    assert histories.items.tobytes() not in written and histories.starts.tobytes() not in written
    with pytest.raises(NotFittedError, match=r"RK-373 .* Pass histories="):
        load(tmp_path / "model").recommend(["u000"])


def test_tables_beside_a_split_are_refused(name):
    with pytest.raises(ParameterError, match=r"RK-371 fit\(\) got a split and items"):
        unfitted(name).fit(SHOP.encode(), items=SHOP.items)


def test_a_folder_without_a_model_is_named(name, tmp_path):
    with pytest.raises(ArtifactError, match="RK-408"):
        load(tmp_path)
