"""Chapter 01 on data that lack what the built-in shop has: it ends, says what is missing, writes only what exists."""

import json
from pathlib import Path

import pandas as pd
import pytest

from recsys_kit.workbook.runner.execute import execute
from recsys_kit.workbook.runner.parameters import list_chapters
from tests.conftest import CELL_TIMEOUT_S

pytestmark = pytest.mark.slow
TRAP = "<script>alert(1)</script><img src=x onerror=alert(1)>"
PARTS = ["interactions", "items", "quarantine", "set_aside", "test", "train", "valid"]


def written(folder: Path) -> list[str]:
    return sorted(path.stem for path in (folder / "data").glob("*.parquet"))


@pytest.fixture
def run_first(tmp_path):
    """Runs chapter 01 with these parameters; gives the folder, the report, and the page."""

    def run(**parameters: str):
        chapter = list_chapters()[0]
        folder = tmp_path / "run"
        (outcome,) = execute([chapter], folder, parameters={chapter.name: parameters}, timeout_s=CELL_TIMEOUT_S)
        assert outcome.failure is None
        report = json.loads((folder / "results/data_report.json").read_text(encoding="utf-8"))
        return folder, report, outcome.page.read_text(encoding="utf-8")

    return run


def days(n: int) -> list[str]:
    return pd.date_range("2024-01-01", periods=n).strftime("%Y-%m-%d").tolist()


def test_texts_without_shoppers(run_first, tmp_path):
    texts = pd.DataFrame({"Review Text": [f"text {n}" for n in range(60)], "Rating": ["1", "2", "3"] * 20})
    texts.to_csv(tmp_path / "texts.csv", index=False)
    folder, report, page = run_first(reviews=str(tmp_path / "texts.csv"), columns="text=Review Text,label=Rating")
    assert written(folder) == ["quarantine", "reviews"]
    assert not (folder / "data/split.json").exists()
    reviews = pd.read_parquet(folder / "data/reviews.parquet")
    assert reviews["part"].value_counts().to_dict() == {"train": 48, "valid": 6, "test": 6}
    assert report["counts"]["n_reviews"] == 60 and report["shopper"] == ""
    assert "these texts come without shoppers" in page


def test_sequences_without_time(run_first, tmp_path):
    lines = [f"u{user} " + " ".join(f"i{(user + n) % 12}" for n in range(6)) for user in range(30)]
    (tmp_path / "seq.txt").write_text("\n".join(lines))
    folder, report, page = run_first(dataset="sequences", source=str(tmp_path / "seq.txt"), split="leave_last_out")
    assert written(folder) == PARTS
    assert pd.read_parquet(folder / "data/test.parquet")["position"].tolist() == [6] * 30
    assert report["cold"] == {"n_test_users": 30, "n_cold_test_users": 0}
    assert set(report["leaks"].values()) == {0} and len(report["leaks"]) == 5
    assert "these events have an order, but no time" in page


def test_typed_files_drawn_whatever_the_time_say_that_they_leak(run_first, tmp_path):
    rows = [f"u{n % 20}\ti{n % 13}\t{1 + n % 5}\t{881250949 + 1000 * n}" for n in range(200)]
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    (tmp_path / "films.inter").write_text("\n".join([header, *rows]))
    folder, report, page = run_first(dataset="movielens", source=str(tmp_path / "films.inter"), split="stratified")
    assert written(folder) == PARTS
    leaks = report["leaks"]
    assert leaks.pop("n_events_after_cut_in_train") > 50 and set(leaks.values()) == {0}
    assert "This cut leaks by its protocol: of each item" in page


@pytest.mark.parametrize("lonely", ["user_id", "item_id"])
def test_one_shopper_or_one_product_without_ratings(run_first, tmp_path, lonely):
    columns = {"user_id": [f"u{n % 7}" for n in range(40)], "item_id": [f"i{n % 9}" for n in range(40)]}
    events = pd.DataFrame(columns | {"timestamp": days(40)}).assign(**{lonely: "only"})
    events.to_csv(tmp_path / "events.csv", index=False)
    folder, report, page = run_first(interactions=str(tmp_path / "events.csv"))
    assert written(folder) == PARTS
    assert report["counts"]["n_events"] == 40
    assert "this data set has no ratings" in page


def test_markup_in_ids_titles_texts_and_column_names_is_shown_as_text(run_first, tmp_path):
    n = 40
    events = pd.DataFrame({
        "user_id": [f"u{k % 7}{TRAP}" for k in range(n)],
        "item_id": [f"i{k % 9}{TRAP}" for k in range(n)],
        "timestamp": [*days(n - 1), TRAP],
        "title": [f"A {k % 9} <3 {TRAP}" for k in range(n)],
        "text": [f"Fine {k} {TRAP}" for k in range(n)],
        TRAP: "unused",
        f"ctx_{TRAP}": f"value {TRAP}",
    })  # fmt: skip
    events.to_csv(tmp_path / "events.csv", index=False)
    folder, _, page = run_first(interactions=str(tmp_path / "events.csv"))
    for dangerous in ("<script>alert", "<img src=x"):
        assert dangerous not in page
    assert "&lt;script&gt;alert" in page
    assert pd.read_parquet(folder / "data/interactions.parquet")["item_id"].str.contains(TRAP, regex=False).all()
