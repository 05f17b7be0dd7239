"""Chapters 02 to 05 on shops that lack something: sequences without words, reviews without shoppers, a plain till."""

import json
from dataclasses import dataclass
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

import recsys_kit
from recsys_kit import data
from recsys_kit.shop import Bundle
from recsys_kit.workbook.runner.execute import execute
from recsys_kit.workbook.runner.parameters import list_chapters, plan_parameters
from recsys_kit.workbook.runner.runs import open_run
from recsys_kit.workbook.story import choose_product, choose_shopper
from tests.conftest import CELL_TIMEOUT_S

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Made:
    folder: Path
    status: dict[str, str]
    reason: dict[str, str]

    def text(self, chapter: str) -> str:
        """All that a reader of the executed notebook sees."""
        notebook = nbformat.read(next((self.folder / "notebooks").glob(f"{chapter}_*.ipynb")), as_version=4)
        return json.dumps([cell.source for cell in notebook.cells if cell.cell_type == "markdown"]) + json.dumps(
            [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
        )

    def has(self, name: str) -> bool:
        return (self.folder / name).exists()


def as_chapter_01_leaves_it(
    folder: Path,
    *,
    events: pd.DataFrame | None = None,
    items: pd.DataFrame | None = None,
    reviews: pd.DataFrame | None = None,
    method: str = "time",
) -> None:
    run = open_run(folder, chapter="01_preprocessing", seed=7)
    report = {"dataset": "files"}
    if events is not None:
        split = data.split_interactions(events, method=method)
        shopper = choose_shopper(split)
        report |= {"shopper": shopper, "product": choose_product(split, items, shopper)}
        run.write("data/interactions.parquet", events)
        for name, frame in split.parts.items():
            run.write(f"data/{name}.parquet", frame)
        run.write("data/split.json", split.how)
    for name, frame in {"items": items, "reviews": reviews}.items():
        if frame is not None:
            run.write(f"data/{name}.parquet", frame)
    run.write("results/data_report.json", report)


def rest_of_the_workbook(folder: Path, *settings: str) -> Made:
    chapters = [chapter for chapter in list_chapters() if chapter.number != "01"]
    outcomes = execute(chapters, folder, parameters=plan_parameters(chapters, settings), timeout_s=CELL_TIMEOUT_S)
    assert [outcome.failure for outcome in outcomes if outcome.failure] == []
    number = {outcome.chapter: outcome.chapter[:2] for outcome in outcomes}
    return Made(
        folder,
        {number[outcome.chapter]: outcome.status for outcome in outcomes},
        {number[outcome.chapter]: outcome.reason for outcome in outcomes},
    )


def circles_of_taste(n_users: int, n_items: int = 24, n_events: int = 8) -> pd.DataFrame:
    """Shoppers who take eight products of their own third of the shop, one after the other."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(n_users):
        taken = 3 * rng.permutation(n_items // 3)[:n_events] + user % 3
        rows += [(f"u{user}", f"{item:03d}", place) for place, item in enumerate(taken, start=1)]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "position"])


def item_table(events: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"item_id": np.sort(events["item_id"].unique())})


# -- sequences: no time, no text, no review ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sequences(tmp_path_factory) -> Made:
    folder = tmp_path_factory.mktemp("runs") / "sequences"
    events = circles_of_taste(45)
    items = item_table(events)
    items["attributes"] = [[str(int(item) % 3), "all"] for item in items["item_id"]]
    as_chapter_01_leaves_it(folder, events=events, items=items, method="leave_last_out")
    return rest_of_the_workbook(folder)


def test_sequences_skip_the_chapters_of_words_with_the_reason(sequences):
    assert sequences.status == {"02": "skipped", "03": "skipped", "04": "done", "05": "done"}
    assert sequences.reason["02"] == "no product and no review of this data set has a text"
    assert sequences.reason["03"] == "this data set has no reviews"


def test_sequences_have_a_leaderboard_of_those_who_need_no_words(sequences):
    board = pd.read_csv(sequences.folder / "results/leaderboard.csv").set_index("model")
    assert set(board.index) >= {
        "popularity",
        "item_knn",
        "ease",
        "attributes",
        "shallow",
        "transformer",
        "hybrid",
        "stack",
    }
    assert not [name for name in board.index if name.startswith(("content", "context"))]
    assert board.loc["ease", "ndcg@10"] > 2 * board.loc["popularity", "ndcg@10"]
    assert (board["n_users"] == 45).all()


def test_sequences_show_ids_where_there_are_no_titles_and_answer_a_history(sequences):
    page = json.loads((sequences.folder / "results/shoppers.json").read_text())
    first = page["shoppers"][0]["lists"]["hybrid"][0]
    assert first["title"] == first["item_id"]
    listed = recsys_kit.recommend(sequences.folder, history=["000", "003"], k=5)
    assert (listed["item_id"].astype(int) % 3 == 0).all()


@pytest.fixture(scope="module")
def hidden(tmp_path_factory) -> Made:
    """A shop whose events tell what nobody knows beforehand; chosen models, tuned and fitted again at the end."""
    folder = tmp_path_factory.mktemp("runs") / "hidden"
    events = circles_of_taste(45).assign(ctx_promotion="yes", ctx_device="phone")
    events["timestamp"] = pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(events.pop("position"), "D")
    as_chapter_01_leaves_it(folder, events=events, items=item_table(events))
    return rest_of_the_workbook(folder, "tuned=true", "refit=true", 'models=["context_aware", "ease"]')


def test_a_model_fitted_again_has_validation_but_not_the_hidden_context(hidden):
    assert hidden.status["04"] == "done"
    model = Bundle.load(hidden.folder / "bundle").models["context_aware"]
    both = pd.concat([pd.read_parquet(hidden.folder / f"data/{part}.parquet") for part in ("train", "valid")])
    assert model.item_counts.sum() == len(both[["user_id", "item_id"]].drop_duplicates())
    assert "ctx_device" in model.context_values
    assert "ctx_promotion" not in model.context_values
    protocol = json.loads((hidden.folder / "results/protocol.json").read_text())
    assert (protocol["tuned"], protocol["refit"], protocol["benchmark"]) == (True, True, "")


# -- reviews without shoppers ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reviews_only(tmp_path_factory) -> Made:
    folder = tmp_path_factory.mktemp("runs") / "reviews"
    words = {"praise": "lovely perfect wonderful happy", "complaint": "broken terrible refund awful"}
    things = ["mug", "lamp", "dress", "book", "kettle"]
    rows = [
        (f"r{number}", f"{words[label].split()[number % 4]} {things[number % 5]} number {number}", label.title(), label)
        for number, label in enumerate(["praise", "complaint", "praise"] * 40)
    ]
    reviews = pd.DataFrame(rows, columns=["review_id", "text", "title", "label"])
    reviews["part"] = (["train"] * 8 + ["valid", "test"]) * 12
    as_chapter_01_leaves_it(folder, reviews=reviews)
    return rest_of_the_workbook(folder, "max_reviews=60", "03.max_length=16")


def test_reviews_alone_make_two_chapters_and_skip_two(reviews_only):
    assert reviews_only.status == {"02": "done", "03": "done", "04": "skipped", "05": "skipped"}
    assert reviews_only.reason["04"] == "this data set has no interactions"
    assert not reviews_only.has("results/leaderboard.csv")


def test_reviews_alone_have_vectors_and_the_count_of_what_was_read(reviews_only):
    assert reviews_only.has("features/reviews_tfidf")
    assert reviews_only.has("features/reviews_minilm")
    assert not reviews_only.has("features/items_tfidf")
    counted = json.loads((reviews_only.folder / "results/text_features.json").read_text())
    expected = {"texts": "review", "n_texts": 60, "n_empty": 0, "n_truncated": 0}
    assert counted == counted | expected | {"max_length": 128, "language_model": "minilm"}
    assert "60 of 120 reviews are read" in reviews_only.text("02")


def test_labels_that_are_words_are_learned_and_nobody_speaks_of_stars(reviews_only):
    found = json.loads((reviews_only.folder / "results/review_classification.json").read_text())
    assert found["classes"] == ["complaint", "praise"]
    assert found["titles_left_out"] == 120
    assert found["classifiers"]["tfidf"]["macro_f1"]["value"] > 0.9
    assert "star" not in reviews_only.text("03").replace("start", "")
    assert "the label 'praise'" in reviews_only.text("03") or "the label 'complaint'" in reviews_only.text("03")


# -- a till: events and titles, no review ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def till(tmp_path_factory) -> Made:
    folder = tmp_path_factory.mktemp("runs") / "till"
    events = circles_of_taste(45)
    days = pd.to_timedelta(events.pop("position") + np.arange(len(events)) % 45, unit="D")
    events["timestamp"] = pd.Timestamp("2011-01-01", tz="UTC") + days
    items = item_table(events)
    things = ["TEA MUG", "BRASS LAMP", "JAZZ RECORD"]
    items["title"] = [f"{things[int(item) % 3]} {item}" if item != "005" else None for item in items["item_id"]]
    as_chapter_01_leaves_it(folder, events=events, items=items)
    return rest_of_the_workbook(folder, "max_products=20")


def test_a_till_skips_the_chapter_of_reviews_only(till):
    assert till.status == {"02": "done", "03": "skipped", "04": "done", "05": "done"}


def test_a_till_recommends_by_titles_and_answers_a_sentence(till):
    board = pd.read_csv(till.folder / "results/leaderboard.csv")
    assert {"content_tfidf", "content_minilm"} <= set(board["model"])
    listed = recsys_kit.recommend(till.folder, text="a brass lamp", model="content_tfidf", k=5)
    assert listed["title"].str.startswith("BRASS LAMP").all()


def test_the_cap_of_products_is_printed_and_holds_for_the_language_model_alone(till):
    from recsys_kit.core.vectors import Vectors

    assert "20 of 24 products are read" in till.text("02")
    sizes = {name: len(Vectors.load(till.folder / f"features/items_{name}").ids) for name in ("tfidf", "minilm")}
    assert sizes == {"tfidf": 24, "minilm": 20}
    assert json.loads((till.folder / "results/text_features.json").read_text())["texts"] == "product"
