"""A bundle answers alone, in a new process and another place, as the run does; it holds no user unless asked to."""

import hashlib
import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

from recsys_kit import cli
from recsys_kit.core.vocabulary import Vocabulary
from recsys_kit.data import load_dataset, split_interactions
from recsys_kit.errors import ArtifactError, IntegrityError, ParameterError
from recsys_kit.features.text import fit_tfidf
from recsys_kit.recommenders import Content, Hybrid, ItemKNN, Popularity, UserKNN
from recsys_kit.recommenders.base import MODELS, Recommender
from recsys_kit.shop import Bundle, statistics
from recsys_kit.shop.histories import hash_ids
from recsys_kit.shop.statistics import ItemStatistics
from recsys_kit.workbook.runner import manifest
from recsys_kit.workbook.runner.runs import open_run
from recsys_kit.workbook.serving import _load_bundle, open_shop, related, take_bundle
from tests.shop.test_serving import write_bundle

SHOP = load_dataset("toyshop")
SPLIT = split_interactions(SHOP.interactions)
TRAIN = SPLIT.train
CONTEXT = {"timestamp": "2025-12-24T18:00"}
USERS = SPLIT.test["user_id"].unique()[:3].tolist()


@pytest.fixture(scope="module")
def models():
    items = SHOP.items.set_index("item_id")
    texts = items["title"].fillna("") + ". " + items["description"].fillna("")
    tfidf = fit_tfidf(texts).vectors(texts)
    made = {"item_knn": ItemKNN(), "user_knn": UserKNN(), "content_tfidf": Content(), "popularity": Popularity()}
    inputs = {"items": SHOP.items, "valid": SPLIT.ground_truth("valid"), "item_vectors": tfidf}
    for model in made.values():
        model.fit(TRAIN, **inputs)
    members = {name: made[name] for name in ("item_knn", "user_knn")}
    made["hybrid"] = Hybrid(members, fixed=dict.fromkeys(members, 1.0)).fit(TRAIN, **inputs)
    return {"hybrid": made.pop("hybrid"), **made}


@pytest.fixture(scope="module")
def run(tmp_path_factory, models):
    run = open_run(tmp_path_factory.mktemp("runs") / "shop", chapter="04_evaluation", seed=0)
    for name, table in {"interactions": SHOP.interactions, "train": TRAIN, "items": SHOP.items}.items():
        run.write(f"data/{name}.parquet", table)
    write_bundle(run, models, {"seen_events": ["purchase"]})
    return run


def ask(bundle: Bundle, histories: list[list[str]]) -> dict[str, pd.DataFrame]:
    """Ask a bundle all that it answers without users."""
    item = histories[0][0]
    found = {name: bundle.recommend(histories=histories, model=name, context=CONTEXT) for name in bundle.models}
    found["text"] = bundle.recommend(texts=["a gift for a gardener"])
    found |= {"related": bundle.related(item, k=30), "together": bundle.together(histories[0], k=30, by="lift")}
    found |= {"popular": bundle.popular(k=30), "lately": bundle.popular(days=30, category="Garden")}
    return {name: answer.lists for name, answer in found.items()}


IN_A_NEW_PROCESS = """
import pickle, sys
from recsys_kit.shop import Bundle
from tests.shop.test_bundle import ask
histories = pickle.loads(sys.stdin.buffer.read())
found = ask(Bundle.load(sys.argv[1]), histories)
sys.stdout.buffer.write(pickle.dumps(found))
"""


def in_a_new_process(program: str, folder: Path, asked: object) -> object:
    call = [sys.executable, "-c", program, str(folder)]
    done = subprocess.run(call, input=pickle.dumps(asked), capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    return pickle.loads(done.stdout)


def test_a_bundle_alone_answers_as_the_run_in_a_new_process_and_another_place(run, tmp_path):
    taken = take_bundle(run, tmp_path / "taken")
    moved = (tmp_path / "taken").rename(tmp_path / "moved")
    histories = SPLIT.histories("test")[USERS].tolist()
    found, expected = in_a_new_process(IN_A_NEW_PROCESS, moved, histories), ask(taken, histories)
    assert list(found) == list(expected) and "item_knn" in found
    for name, listed in expected.items():
        assert len(listed), name
        pd.testing.assert_frame_equal(found[name], listed, obj=name)
    for name in ("item_knn", "popularity"):
        of_run = open_shop(run).recommend(history=histories, model=name, context=CONTEXT)
        pd.testing.assert_frame_equal(of_run.lists, expected[name])


def test_the_bundle_of_a_run_holds_no_histories(run):
    folder = run.path("bundle/models/tensors")
    assert "matrix.data" not in load_file(folder / "user_knn.safetensors")
    names = {name for file in folder.iterdir() for name in load_file(file)}
    assert "similarity.data" in names and not [name for name in names if "histor" in name or "user" in name]


def test_the_command_writes_a_bundle_and_names_what_is_left_out(run, tmp_path):
    for options, kept in (([], "3 models"), (["--with-histories"], "5 models")):
        out = tmp_path / kept[:1]
        done = CliRunner().invoke(cli.app, ["bundle", str(run.folder), str(out), *options])
        assert done.exit_code == 0, done.output
        assert done.output.startswith(kept)
        assert ("left out: user_knn: it needs the histories of users" in done.output) == (not options)
        assert len(Bundle.load(out).models) == int(kept[0])


def test_what_needs_histories_is_left_out_and_named(run, tmp_path):
    taken = take_bundle(run, tmp_path / "taken")
    assert set(taken.left_out) == {"hybrid", "user_knn"}
    for bundle in (taken, Bundle.load(tmp_path / "taken"), Bundle.load(run.path("bundle"))):
        assert list(bundle.models) == ["item_knn", "content_tfidf", "popularity"]
        found = bundle.recommend(histories=[["0001"]])
        assert found.model == "item_knn"
        assert found.notes[0] == (
            "hybrid, the best model, is left out of this bundle (it needs the histories of users, which this bundle "
            "does not hold): item_knn answers."
        )
        named = bundle.recommend(histories=[["0001"]], model="item_knn").notes
        assert not [note for note in [*named, *bundle.recommend(texts=["a gift"]).notes] if "left out of this" in note]
        assert set(bundle.left_out) == {"hybrid", "user_knn"}
        with pytest.raises(ParameterError, match="RK-422 this bundle has no histories"):
            bundle.recommend(["s0001"])
        with pytest.raises(ParameterError, match="RK-318 model is 'user_knn'"):
            bundle.recommend(histories=[["0001"]], model="user_knn")


def test_a_model_left_out_that_is_not_the_best_needs_no_note(models):
    bundle = Bundle.of({name: models[name] for name in ("item_knn", "user_knn")}, items=SHOP.items, train=TRAIN)
    assert bundle.recommend(histories=[["0001"]]).notes == []
    assert bundle.without_histories().recommend(histories=[["0001"]]).notes == []
    assert set(bundle.without_histories().left_out) == {"user_knn"}


def test_a_bundle_of_which_nothing_would_be_left_is_refused(models, tmp_path):
    run = open_run(tmp_path / "shop", chapter="04_evaluation", seed=0)
    for name, table in {"interactions": SHOP.interactions, "train": TRAIN, "items": SHOP.items}.items():
        run.write(f"data/{name}.parquet", table)
    write_bundle(run, {"user_knn": models["user_knn"]})
    with pytest.raises(ArtifactError, match=r"RK-423 all models .*: user_knn; .* --with-histories"):
        take_bundle(run, tmp_path / "taken")
    assert not (tmp_path / "taken").exists()
    assert list(take_bundle(run, tmp_path / "taken", with_histories=True).models) == ["user_knn"]


@pytest.mark.parametrize("name", ["user_knn", "hybrid"])
def test_the_run_serves_what_needs_histories_from_its_training_set(run, models, name):
    _load_bundle.cache_clear()
    histories = SPLIT.histories("test")[USERS].tolist()
    served = open_shop(run).recommend(history=histories, seen=histories, model=name).lists
    expected = models[name].recommend(histories=histories)
    pd.testing.assert_frame_equal(served[["item_id", "rank", "score"]], expected[["item_id", "rank", "score"]])


def forbid_fits(monkeypatch):
    """Let a fit of any model fail, and load the bundle again."""
    _load_bundle.cache_clear()
    for kind in (Recommender, *MODELS.values()):
        for fit in {"fit", "_fit"} & set(vars(kind)):
            monkeypatch.setattr(kind, fit, lambda *_, **__: pytest.fail("a model was fitted"))


def test_nothing_is_fitted_to_answer(run, monkeypatch):
    """Not even `user_knn`, whose histories a bundle does not hold: they are loaded from the run."""
    forbid_fits(monkeypatch)
    shop = open_shop(run)
    assert {"user_knn", "hybrid"} < set(shop.bundle.models)
    ask(shop.bundle, [["0001", "0002"]])
    for name in shop.bundle.models:
        assert len(shop.recommend(user="s0001", model=name).lists)
    shop.shoppers_for(text="a teapot")


def test_a_history_is_encoded_once_between_the_request_and_the_list(run, monkeypatch):
    """Once for a history, by its stored indices for a user of a bundle, and not again for the reasons."""
    shop, stored = open_shop(run), open_shop(run).bundle.with_histories(SHOP.interactions)
    encoded, encode = [], Vocabulary.encode
    monkeypatch.setattr(Vocabulary, "encode", lambda self, ids, *a: (encoded.append(ids), encode(self, ids, *a))[1])
    for name in shop.bundle.models:
        for ask_for, times in (
            (lambda: shop.bundle.recommend(histories=[["0001", "0002"]], model=name), 1),  # noqa: B023
            (lambda: shop.recommend(user=USERS[0], model=name), 1),  # noqa: B023
            (lambda: stored.recommend(USERS, model=name), 0),  # noqa: B023
        ):
            ask_for()  # loads the model
            encoded.clear()
            assert ask_for().lists["reason"].str.len().all()
            assert len(encoded) == times, name


def test_one_question_reads_the_manifest_once_and_hashes_no_file_twice(run, monkeypatch):
    _load_bundle.cache_clear()
    opened, read = [], Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (opened.append(path), read(path))[1])
    related(run.folder, "0001")
    files = [path for path in opened if path.is_relative_to(run.folder)]
    assert len(files) == len(set(files))
    assert [path.name for path in files].count(manifest.NAME) == 1


# -- users -------------------------------------------------------------------------------------------------------------


def test_no_user_id_is_in_the_bundle_of_a_run_or_in_one_with_histories(run, tmp_path):
    take_bundle(run, tmp_path / "taken", with_histories=True)
    ids = {user.encode() for user in SHOP.interactions["user_id"].unique()}
    for folder in (run.path("bundle"), tmp_path / "taken"):
        for file in (path for path in folder.rglob("*") if path.is_file()):
            content = file.read_bytes()
            assert not [user for user in ids if user in content], file


@pytest.mark.parametrize("name", ["item_knn", "user_knn", "hybrid"])
def test_a_bundle_with_histories_answers_users_as_the_run_does(run, tmp_path, name):
    take_bundle(run, tmp_path / "taken", with_histories=True)
    bundle = Bundle.load(tmp_path / "taken")
    assert not bundle.left_out and next(iter(bundle.models)) == "hybrid"
    users = [*USERS, "nobody"]
    found = bundle.recommend(users, model=name, context="last event")
    expected = open_shop(run).recommend(user=users, model=name, context="last event")
    pd.testing.assert_frame_equal(found.lists, expected.lists)
    assert found.notes == expected.notes
    assert found.lists["reason"].str.startswith("because you bought").any()
    assert found.lists.loc[found.lists["query"] == "nobody", "fallback"].all()


def test_two_bundles_have_two_salts(run, tmp_path):
    salts = set()
    for place in ("one", "other"):
        take_bundle(run, tmp_path / place, with_histories=True)
        salts.add(json.loads((tmp_path / place / "bundle.json").read_text())["salt"])
    assert len(salts) == 2
    one, other = (set(hash_ids(USERS, salt)) for salt in salts)
    assert not one & other


# -- files -------------------------------------------------------------------------------------------------------------


def test_another_format_and_no_bundle_are_refused(run, tmp_path):
    folder = shutil.copytree(run.path("bundle"), tmp_path / "bundle")
    settings = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps(settings | {"format": 99}))
    with pytest.raises(ArtifactError, match=r"RK-421 .* format 99; expected 1"):
        Bundle.load(folder)
    with pytest.raises(ArtifactError, match="RK-420"):
        Bundle.load(tmp_path)
    with pytest.raises(ArtifactError, match="RK-407"):
        take_bundle(run, folder)


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda text: text[: len(text) // 2], "RK-374"),
        (lambda text: text.replace("{", "\x00", 1), "RK-374"),
        (lambda text: "", "RK-374"), (lambda text: "[]", "RK-374"), (lambda text: "{}", "RK-374"),
        (lambda text: '{"format": 1}', "RK-374"), (lambda text: text.replace('"kind"', '"sort"', 1), "RK-374"),
        (lambda text: json.dumps(json.loads(text) | {"sha256": []}), "RK-374"),
        (lambda text: json.dumps(json.loads(text) | {"models": []}), "RK-374"),
        (lambda text: json.dumps(json.loads(text) | {"last_event": {"timestamp": "x"}}), "RK-374"),
        (lambda text: json.dumps(json.loads(text) | {"statistics": {}}), "RK-374"),
        (lambda text: '{"format": 2}', "RK-421"),
    ],
)  # fmt: skip
def test_damaged_settings_and_another_format_are_told_apart(run, tmp_path, damage, code):
    folder = shutil.copytree(run.path("bundle"), tmp_path / "bundle")
    text = (folder / "bundle.json").read_text(encoding="utf-8")
    (folder / "bundle.json").write_text(damage(text), encoding="utf-8")
    with pytest.raises(
        ArtifactError, match=f"{code} .*{'Write it again.*install' if code == 'RK-421' else 'Do this'}"
    ) as found:
        Bundle.load(folder, remedy=lambda: "Do this.")
    assert code == "RK-421" or "bundle.json" in str(found.value)


WRONG = [
    ("context", None),
    ("context", 3),
    ("left_out", []),
    ("seen_events", "purchase"),
    ("unread_share", "x"),
    ("salt", None),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_setting_of_another_type_is_refused(run, tmp_path, name, value):
    folder = shutil.copytree(run.path("bundle"), tmp_path / "bundle")
    settings = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    (folder / "bundle.json").write_text(json.dumps(settings | {name: value}), encoding="utf-8")
    with pytest.raises(IntegrityError, match=f"RK-374 .*bundle.json.*{name} is"):
        Bundle.load(folder)


def test_a_shopper_whose_products_are_unknown_is_not_called_unknown(models):
    bundle = Bundle.of(models, items=SHOP.items, train=TRAIN)
    notes = bundle.recommend(["bob"], histories=[["zzz"]], context=CONTEXT).notes
    assert not any("shopper" in note for note in notes) and "finds nothing to start from in the history" in notes[1]


@pytest.mark.parametrize(
    ("asked", "problem"),
    [({}, "the query is empty"), ({"users": ["bob"], "texts": ["tea"]}, "the query is users and texts")],
)
def test_a_query_that_is_not_of_one_kind_is_refused_by_what_it_is(models, asked, problem):
    with pytest.raises(ParameterError, match=f"RK-330 {problem}"):
        Bundle.of(models, items=SHOP.items, train=TRAIN).recommend(**asked)


@pytest.mark.parametrize("name", ["bundle.json", "items.parquet", "statistics.safetensors", "models/models.json"])
def test_a_file_that_cannot_be_read_is_an_error_with_a_remedy(run, monkeypatch, name):
    read, refused = Path.open, run.path("bundle") / name

    def refuse(path, *args, **options):
        if path == refused:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "read_bytes", lambda path: refuse(path, "rb").read())
    monkeypatch.setattr(Path, "read_text", lambda path, **options: refuse(path, **options).read())
    with pytest.raises(IntegrityError, match=rf"RK-374 .*{name}.*Do this"):
        Bundle.load(run.path("bundle"), remedy=lambda: "Do this.")


def test_a_model_of_an_unknown_kind_is_refused_by_its_code(run, tmp_path):
    folder = shutil.copytree(run.path("bundle"), tmp_path / "bundle")
    index = json.loads((folder / "models/models.json").read_text())
    index["models"]["item_knn"]["model"] = "of_a_plugin"
    (folder / "models/models.json").write_text(json.dumps(index))
    settings = json.loads((folder / "bundle.json").read_text())
    settings["sha256"]["models/models.json"] = hashlib.sha256((folder / "models/models.json").read_bytes()).hexdigest()
    next(card for card in settings["models"] if card["name"] == "item_knn")["kind"] = "of_a_plugin"
    (folder / "bundle.json").write_text(json.dumps(settings))
    with pytest.raises(ArtifactError, match=r"RK-403 .*'of_a_plugin'"):
        Bundle.load(folder).models.find_content()


def test_the_same_models_give_the_same_bytes(run, models, tmp_path):
    write = {"items": SHOP.items, "train": TRAIN, "seen_events": ["purchase"]}
    Bundle.of(models, **write).save(tmp_path / "one")
    Bundle.of(models, **write).save(tmp_path / "other")
    for file in sorted(path for path in (tmp_path / "one").rglob("*") if path.is_file()):
        assert file.read_bytes() == (tmp_path / "other" / file.relative_to(tmp_path / "one")).read_bytes(), file


def test_every_file_of_a_bundle_may_be_read_by_those_who_may_read_the_others(models, tmp_path):
    bundle = Bundle.of(models, items=SHOP.items, train=TRAIN)
    bundle.with_histories(SHOP.interactions).save(tmp_path / "bundle")
    bundle.words.save(tmp_path / "bundle/tfidf")
    modes = {file.name: file.stat().st_mode for file in (tmp_path / "bundle").rglob("*") if file.is_file()}
    assert {"statistics.safetensors", "histories.safetensors", "vectors.safetensors"} < set(modes)
    assert set(modes.values()) == {modes["bundle.json"]}, modes


# -- statistics --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def counted(models):
    return ItemStatistics.of(TRAIN, models["item_knn"].items, models["item_knn"])


@pytest.mark.parametrize("days", [1, 2, 7, 30, 400])
def test_the_users_of_the_last_days_are_counted_once_each(counted, days):
    age = TRAIN["timestamp"].max() - TRAIN["timestamp"]
    expected = TRAIN[age / pd.Timedelta(days=1) < days].groupby("item_id")["user_id"].nunique()
    counts = pd.Series(counted.count_users(days), counted.items.ids)
    assert counts[counts > 0].to_dict() == expected.to_dict()


def test_common_users_are_counted_as_sets_say(counted):
    owners = TRAIN.groupby("item_id")["user_id"].agg(set)
    for item in owners.index[::40]:
        for row in counted.find_related(item).itertuples():
            assert row.common_users == len(owners[item] & owners[row.item_id]) >= statistics.MIN_COMMON_USERS


def test_blocks_do_not_change_the_counts(counted, models, monkeypatch):
    monkeypatch.setattr(statistics, "BLOCK_CELLS", 7 * len(counted.items))
    again = ItemStatistics.of(TRAIN, counted.items, models["item_knn"])
    for name in ("similarity", "common_users", "together"):
        assert (getattr(counted, name) != getattr(again, name)).nnz == 0


def test_an_item_keeps_its_best_rules_by_count_and_by_lift(monkeypatch):
    monkeypatch.setattr(statistics, "N_RULES", 1)
    baskets = ["ab", "ab", "ab", "ac", "ac", "b", "d", "d"]
    rows = [(str(user), item) for user, items in enumerate(baskets) for item in items]
    train = pd.DataFrame(rows, columns=["user_id", "item_id"]).assign(position=0)
    counted = ItemStatistics.of(train, Vocabulary.of_items(list("abcd")), ItemKNN().fit(train))
    found = counted.find_together("a").set_index("item_id")
    assert set(found.index) == {"b", "c"}, "b is the most frequent, c has the highest lift"
    assert found["count"].to_dict() == {"b": 3, "c": 2}
    np.testing.assert_allclose(found.loc["c", ["confidence", "lift"]].astype(float), [2 / 5, 8 / 5])
