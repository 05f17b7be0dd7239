"""The whole workbook on a small shop: every chapter ends, leaves what it promises, and the numbers can be believed."""

import json
import os
import re
import subprocess
import sys

import nbformat
import pandas as pd
import pytest

from tests.conftest import SMALL
from tests.workbook.test_kills import made as hashes

pytestmark = pytest.mark.slow

PROMISED = {
    "01": ["data/interactions.parquet", "data/items.parquet", "data/quarantine.parquet", "data/train.parquet",
           "data/valid.parquet", "data/test.parquet", "data/set_aside.parquet", "data/split.json",
           "results/data_report.json"],
    "02": ["features/items_tfidf", "features/items_minilm", "features/reviews_tfidf", "features/reviews_minilm"],
    "03": ["models/review_classifier", "results/review_classification.json"],
    "04": ["bundle/bundle.json", "bundle/models", "results/leaderboard.csv",
           "results/metrics.parquet", "results/differences.parquet", "results/recommendations.parquet"],
    "05": ["results/shoppers.json"],
}  # fmt: skip


@pytest.fixture
def made(small_run):
    """A function that reads an artifact; the test is skipped where the chapter that makes it is not there yet."""

    def read(name: str) -> pd.DataFrame | dict:
        path = small_run.folder / name
        number = next(number for number, names in PROMISED.items() if name in names)
        if number not in {chapter.number for chapter in small_run.chapters}:
            pytest.skip(f"chapter {number} is not there yet")
        return json.loads(path.read_text()) if path.suffix == ".json" else pd.read_parquet(path)

    return read


def test_every_chapter_is_done(small_run):
    assert small_run.failures == []
    state = json.loads((small_run.folder / "run.json").read_text())
    assert {name: chapter["status"] for name, chapter in state["chapters"].items()} == {
        chapter.name: "done" for chapter in small_run.chapters
    }


def test_every_promised_artifact_is_there_and_recorded(small_run):
    state = json.loads((small_run.folder / "run.json").read_text())
    for chapter in small_run.chapters:
        for name in PROMISED.get(chapter.number, []):
            assert (small_run.folder / name).exists(), name
            assert any(key == name or key.startswith(f"{name}/") for key in state["artifacts"]), name


def test_every_chapter_and_the_run_have_their_page(small_run):
    for chapter in small_run.chapters:
        page = (small_run.folder / "notebooks" / f"{chapter.name}.html").read_text(encoding="utf-8")
        assert "<script src=" not in page
    assert "<h1>" in (small_run.folder / "index.html").read_text(encoding="utf-8")


def test_every_cell_that_plots_shows_its_figure(small_run):
    for chapter in small_run.chapters:
        executed = nbformat.read(small_run.folder / "notebooks" / f"{chapter.name}.ipynb", as_version=4)
        plotting = [cell for cell in executed.cells if re.search(r"plots\.(plot_|new_axes)", cell.source)]
        without = {cell.id for cell in plotting if not any("image/png" in one.get("data", {}) for one in cell.outputs)}
        assert plotting and without == set(), chapter.name


def test_time_splits_train_from_test(made):
    train, valid, test = (made(f"data/{part}.parquet") for part in ("train", "valid", "test"))
    assert train["timestamp"].max() < valid["timestamp"].min()
    assert valid["timestamp"].max() < test["timestamp"].min()


def test_the_hybrid_is_never_below_its_best_part_on_validation(small_run, made):
    made("results/metrics.parquet")
    from recsys_kit.shop import Bundle

    validation = Bundle.load(small_run.folder / "bundle").models["hybrid"].validation
    assert len(validation) > 2
    assert validation["hybrid"] >= max(validation.values())


def test_personal_lists_beat_popularity_for_warm_shoppers(made):
    metrics = made("results/metrics.parquet").query("slice == 'warm' and metric == 'ndcg' and k == 10")
    values = metrics.set_index("model")["value"]
    assert values.drop("popularity").max() > values["popularity"]
    assert metrics["value"].between(0, 1).all()
    assert (metrics["low"] <= metrics["value"]).all()
    assert metrics["n_users"].nunique() == 1


def test_no_list_holds_what_the_shopper_already_had(made):
    lists = made("results/recommendations.parquet")
    had = pd.concat([made(f"data/{part}.parquet") for part in ("train", "set_aside", "valid")])[["user_id", "item_id"]]
    assert len(lists) > 0
    assert lists.merge(had.drop_duplicates(), on=["user_id", "item_id"]).empty
    assert not lists.duplicated(["model", "user_id", "item_id"]).any()


def test_learned_classifiers_beat_the_majority(made):
    scores = {
        name: score["macro_f1"]["value"]
        for name, score in made("results/review_classification.json")["classifiers"].items()
    }
    assert max(value for name, value in scores.items() if name != "majority") > scores["majority"] + 0.05


def test_another_folder_timezone_and_locale_give_the_same_bytes(small_run, tmp_path):
    elsewhere = {**os.environ, "TZ": "Pacific/Chatham", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "5"}
    settings = [part for setting in SMALL for part in ("--set", setting)]
    command = [sys.executable, "-m", "recsys_kit.cli", "run", "--out", str(tmp_path / "an other"), *settings]
    done = subprocess.run(command, env=elsewhere, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert hashes(tmp_path / "an other") == hashes(small_run.folder)
