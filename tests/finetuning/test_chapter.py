"""Chapter 03 on odd data and with explicit settings: it runs to its end and reports what was trained."""

import json

import nbformat
import pandas as pd
import pytest

from recsys_kit.workbook.runner.execute import execute
from recsys_kit.workbook.runner.parameters import list_chapters, plan_parameters
from tests.conftest import CELL_TIMEOUT_S
from tests.notebooks.test_any_data import as_chapter_01_leaves_it

pytestmark = pytest.mark.slow


def made_reviews(n: int = 60, *, labels=("praise", "complaint"), words=("lovely", "broken")) -> pd.DataFrame:
    rows = [(f"r{row}", f"{words[row % 2]} thing number {row}", labels[row % len(labels)]) for row in range(n)]
    reviews = pd.DataFrame(rows, columns=["review_id", "text", "label"])
    return reviews.assign(part=(["train"] * 4 + ["valid", "test"]) * (n // 6))


def run_chapter(folder, reviews, *settings):
    """Its status and reason, results, and all that its reader sees."""
    as_chapter_01_leaves_it(folder, reviews=reviews)
    chapters = [chapter for chapter in list_chapters() if chapter.number == "03"]
    plan = plan_parameters(chapters, ["max_length=16", *settings])
    (outcome,) = execute(chapters, folder, parameters=plan, timeout_s=CELL_TIMEOUT_S)
    assert outcome.failure is None, outcome.failure
    path = folder / "results/review_classification.json"
    notebook = nbformat.read(folder / "notebooks/03_finetuning.ipynb", as_version=4)
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    return outcome, json.loads(path.read_text()) if path.exists() else {}, json.dumps(outputs, ensure_ascii=False)


@pytest.mark.parametrize("profile", ["quick", "full"])
def test_explicit_epochs_and_sizes_beat_the_profile_and_the_results_say_what_was_trained(tmp_path, profile):
    settings = [f"profile={profile}", "epochs=3", "max_train_reviews=20", "max_judged_reviews=8"]
    _, results, seen = run_chapter(tmp_path, made_reviews(), *settings)
    assert results["caps"] == {"train": 20, "valid": 8, "test": 8, "epochs": 3, "max_length": 16}
    assert [results[f"n_{part}"] for part in ("train", "valid", "test")] == [20, 8, 8]
    saved = json.loads((tmp_path / "models/review_classifier/review_classifier.json").read_text())
    assert [epoch["epoch"] for epoch in saved["history"]] == [1, 2, 3]
    assert "20 of 40 training reviews, and the language model read them 3 times" in seen
    recorded = json.loads((tmp_path / "run.json").read_text())["parameters"]["03_finetuning"]
    assert (recorded["epochs"], recorded["max_train_reviews"]) == (3, 20)


@pytest.mark.parametrize(
    ("reviews", "reason"),
    [
        (made_reviews(labels=("praise",)), "1 kinds of label in 40 training reviews"),
        (made_reviews().query("part == 'train'"), "2 kinds of label in 40 training reviews, 0 to validate, 0 to test"),
        (made_reviews().query("part != 'valid'"), "0 to validate, 10 to test"),
        (made_reviews(6).iloc[[0, 5]], "1 kinds of label in 1 training reviews, 0 to validate, 0 to test"),
    ],
    ids=["one-label", "training-only", "no-validation", "two-reviews"],
)
def test_too_little_to_train_on_is_said_and_the_chapter_ends(tmp_path, reviews, reason):
    outcome, results, seen = run_chapter(tmp_path, reviews)
    assert outcome.status == "done"
    assert reason in seen
    assert not results["trained"]
    assert "Warning" not in seen


def test_reviews_without_words_skip_the_chapter(tmp_path):
    outcome, results, _ = run_chapter(tmp_path, made_reviews().assign(text=" "))
    assert (outcome.status, results) == ("skipped", {})
    assert outcome.reason == "no training review has both a label and words"
