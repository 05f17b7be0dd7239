"""Chapter 02 on shops whose words are few, strange, or in another script."""

import json

import pandas as pd
import pytest

from recsys_kit.workbook.runner.execute import execute
from recsys_kit.workbook.runner.parameters import list_chapters, plan_parameters
from recsys_kit.workbook.runner.runs import open_run
from tests.conftest import CELL_TIMEOUT_S
from tests.notebooks.test_any_data import Made

pytestmark = pytest.mark.slow


def chapter_two(folder, report, **tables) -> Made:
    run = open_run(folder, chapter="01_preprocessing", seed=7)
    for name, frame in tables.items():
        run.write(f"data/{name}.parquet", frame)
    run.write("data/split.json", {"cuts": ["2020-01-01T00:00:00+00:00"]})
    run.write("results/data_report.json", {"dataset": "files", **report})
    chapters = [chapter for chapter in list_chapters() if chapter.number == "02"]
    (outcome,) = execute(chapters, folder, parameters=plan_parameters(chapters, ()), timeout_s=CELL_TIMEOUT_S)
    assert outcome.failure is None
    return Made(folder, {"02": outcome.status}, {"02": outcome.reason})


@pytest.fixture(scope="module")
def chinese(tmp_path_factory) -> Made:
    """Chinese titles; the followed product is a code that no other shares; all are newer than the cut; one review."""
    colours, things = ["绿色", "红色", "黑色"], ["雨伞", "钢笔", "台灯"]
    titles = ["ZX81", *(f"家用{colour}{thing}" for colour in colours for thing in things)]
    items = pd.DataFrame({
        "item_id": [f"p{number}" for number in range(len(titles))],
        "title": titles,
        "category": ["code", *things * 3],
        "created_at": pd.Timestamp("2021-01-01", tz="UTC"),
    })  # fmt: skip
    reviews = pd.DataFrame({"review_id": ["r1"], "text": ["质量很好"], "rating": [5.0], "part": ["train"]})
    return chapter_two(tmp_path_factory.mktemp("runs") / "shop", {"product": "p0"}, items=items, reviews=reviews)


def test_a_product_that_shares_no_word_has_dashes_for_neighbours(chinese):
    assert chinese.status == {"02": "done"}
    notebook = json.loads((chinese.folder / "notebooks/02_feature_extraction.ipynb").read_text("utf-8"))
    (table,) = [cell["outputs"] for cell in notebook["cells"] if cell["id"] == "neighbours-table"]
    assert "".join(table[0]["data"]["text/html"]).count("<td>-</td>") == 10


def test_texts_that_the_model_cannot_read_are_named_in_the_chapter_and_in_its_results(chinese):
    unread = json.loads((chinese.folder / "results/text_features.json").read_text())["unreadable"]
    assert sorted(unread) == ["product", "review"]
    assert min(unread.values()) > 0.2
    assert "MiniLM reads English" in chinese.text("02")


def test_titles_of_single_signs_are_no_texts(tmp_path):
    items = pd.DataFrame({"item_id": list("abc"), "title": ["7", "?", "x"]})
    made = chapter_two(tmp_path / "shop", {}, items=items)
    assert made.status == {"02": "skipped"}
