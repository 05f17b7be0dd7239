"""Saved models: everything once, by name, checked, and read when it is asked for."""

import json
import shutil

import lightgbm
import numpy as np
import pandas as pd
import pytest

from recsys_kit.errors import ArtifactError, IntegrityError, NotFittedError, ParameterError
from recsys_kit.recommenders import (
    EASE,
    Content,
    ContextAware,
    Hybrid,
    ItemKNN,
    Popularity,
    Stack,
    Switching,
    UserKNN,
    load,
    load_models,
    save_models,
)
from recsys_kit.testing.planted import planted_shop

SHOP = planted_shop()
ASKED = {"histories": [["i00", "i01"], ["i11"], []], "k": 5}


@pytest.fixture(scope="module")
def models():
    split = SHOP.encode()
    members = {"ease": EASE(regularization=5).fit(split), "content": Content().fit(split)}
    models = members | {"content_again": Content().fit(split), "popularity": Popularity().fit(split)}
    models["hybrid"] = Hybrid(members, fixed={"ease": 1.0, "content": 0.5}).fit(split)
    models["stack"] = Stack(models["hybrid"], n_trees=5, n_rankers=1).fit(split)
    models["switching"] = Switching(members | {"knn": ItemKNN()}, min_users=1).fit(split)
    models["context_aware"] = ContextAware().fit(split)
    return models


@pytest.fixture
def folder(models, tmp_path):
    save_models(tmp_path / "models", models)
    return tmp_path / "models"


def test_every_model_answers_as_before(models, folder):
    stored = load_models(folder)
    assert list(stored) == list(models) and len(stored) == len(models)
    for name, model in stored.items():
        pd.testing.assert_frame_equal(model.recommend(**ASKED), models[name].recommend(**ASKED))
        assert stored.kind_of(name) is type(models[name])


def test_models_by_name_cannot_be_changed_and_loaded_ones_know_no_users(models, folder):
    stored = load_models(folder)
    for by_name in (stored, stored["hybrid"].members):
        with pytest.raises(TypeError):
            by_name["x"] = 1
        assert "ease" in by_name and "x" not in by_name
    assert models["ease"].user_ids is models["ease"].users.ids
    with pytest.raises(NotFittedError, match=r"RK-373 .* has no user_ids"):
        _ = stored["ease"].user_ids


def test_trees_answer_no_query_and_are_read_once(folder, monkeypatch):
    stack, read = load_models(folder)["stack"], []
    assert stack.rankers and stack.rank(stack.encode([]), k=2).items.shape == (0, 2)
    assert stack.score([]).shape == (0, len(stack.items))
    stack.rankers = [stack.rankers[0] + "\n" * place for place in range(20)]
    monkeypatch.setattr(
        "lightgbm.Booster", lambda model_str, kind=lightgbm.Booster: read.append(1) or kind(model_str=model_str)
    )
    for _ in range(2):
        stack.recommend(**ASKED)
    assert len(read) == 20


def test_vocabulary_features_and_members_are_written_once(models, folder):
    index = json.loads((folder / "models.json").read_text())
    written = {path.name for path in (folder / "tensors").iterdir()}
    own = {"context_aware.base.safetensors"} | ({"switching.knn.safetensors"} & written)
    assert written == {f"{name}.safetensors" for name in models} | own
    assert index["models"]["hybrid"]["nested"] == {"members": {"ease": "ease", "content": "content"}}
    assert index["models"]["stack"]["nested"] == {"base": "hybrid"}
    assert [path.name for path in (folder / "features").iterdir()] == ["content.safetensors"]
    assert index["models"]["content_again"]["features"] == "content"
    texts = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert sum(b'"i00"' in text for text in texts) == 1
    stored = load_models(folder)
    assert stored["stack"].base is stored["hybrid"] and stored["hybrid"].members["ease"] is stored["ease"]
    assert stored["content"].vectors is stored["content_again"].vectors


def test_a_model_is_read_when_it_is_asked_for(folder):
    (folder / "tensors" / "ease.safetensors").unlink()
    stored = load_models(folder)
    assert "ease" in stored and stored.describe("ease")["parameters"]["regularization"] == 5
    assert len(stored["popularity"].recommend(**ASKED)) == 15
    with pytest.raises(IntegrityError, match=r"RK-374 .*ease\.safetensors cannot be read"):
        stored["ease"]


@pytest.mark.parametrize("name", ["tensors/ease.safetensors", "features/content.safetensors", "items.json"])
def test_a_swapped_file_is_noticed(models, folder, tmp_path, name):
    others = {name: model.refit(SHOP.encode(train=SHOP.train.iloc[::2], valid=None)) for name, model in models.items()}
    others["content"].vectors.values[:] *= -1
    save_models(tmp_path / "others", others)
    content = (tmp_path / "others" / name).read_bytes()
    (folder / name).write_bytes(content[::-1] if content == (folder / name).read_bytes() else content)
    with pytest.raises(IntegrityError, match=rf"RK-374 .*{name} does not match its checksum"):
        [model.recommend(**ASKED) for model in load_models(folder).values()]


def test_models_of_two_catalogues_are_not_saved_together(tmp_path):
    models = {"all": Popularity().fit(SHOP.encode()), "some": Popularity().fit(SHOP.train)}
    with pytest.raises(ParameterError, match="RK-316"):
        save_models(tmp_path / "models", models)
    assert not (tmp_path / "models").exists()


def test_a_folder_of_another_version_is_named(folder, tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "model.json").write_text('{"model": "ease"}')
    shutil.copytree(folder, tmp_path / "newer")
    index = json.loads((folder / "models.json").read_text()) | {"version": 99}
    (tmp_path / "newer" / "models.json").write_text(json.dumps(index))
    for name in ("old", "newer"):
        with pytest.raises(ArtifactError, match=r"RK-406 .* was written by another version"):
            load_models(tmp_path / name)
    with pytest.raises(ArtifactError, match="RK-408"):
        load_models(tmp_path)


def test_names_of_any_kind_can_be_saved(tmp_path):
    model = Popularity().fit(SHOP.train)
    save_models(tmp_path / "models", {"a/b": model, "电影": model})
    stored = load_models(tmp_path / "models")
    assert list(stored) == ["a/b", "电影"] and stored["a/b"].name == "popularity"
    pd.testing.assert_frame_equal(stored["电影"].recommend(**ASKED), model.recommend(**ASKED))


def test_an_ensemble_says_that_a_member_holds_histories(tmp_path):
    split = SHOP.encode()
    blend = Hybrid({"users": UserKNN(), "ease": EASE()}, fixed={"users": 1.0, "ease": 1.0}).fit(split)
    without = Hybrid({"users": UserKNN(), "ease": EASE()}, fixed={"users": 0.0, "ease": 1.0}).fit(split)
    blend.save(tmp_path / "blend")
    without.save(tmp_path / "without")
    assert "histories" in load_models(tmp_path / "blend").describe("hybrid")["uses"]
    assert "histories" not in load_models(tmp_path / "without").describe("hybrid")["uses"]
    assert list(load(tmp_path / "without").members) == ["ease"]


def test_what_a_loaded_model_cannot_know_is_an_error_that_says_what_to_pass(folder):
    model = load_models(folder)["ease"]
    for ask in (lambda: model.recommend(["u000"]), lambda: model.users, lambda: model.histories_of(["u000"])):
        with pytest.raises(AttributeError, match=r"RK-373 .* Pass histories=, or refit it"):
            ask()
    assert np.array_equal(model.item_ids, SHOP.encode().items.ids)
