"""The page of a run: true to the numbers, whole without its parts, and nothing in it can run."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_kit.workbook.report import against_baseline, headline, render, short, summary, write_report

EVIL = "<script>alert(1)</script>"
COLUMNS = ["model", "slice", "metric", "k", "value", "low", "high", "n_users"]


def table(rows: dict[tuple[str, str], tuple[float, float, float]], n_users: int = 40) -> pd.DataFrame:
    return pd.DataFrame(
        [(model, slice_name, "ndcg", 10, *values, n_users) for (model, slice_name), values in rows.items()],
        columns=COLUMNS,
    )


METRICS = table({
    ("popularity", "all"): (0.02, 0.01, 0.03),
    ("hybrid", "all"): (0.08, 0.07, 0.09),
    ("popularity", "warm"): (0.05, 0.04, 0.06),
    ("hybrid", "warm"): (0.03, 0.02, 0.04),
})  # fmt: skip
DIFFERENCES = table({("hybrid", "all"): (0.06, 0.05, 0.07), ("hybrid", "warm"): (-0.02, -0.03, -0.01)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shop <i>"
    (folder / "results").mkdir(parents=True)
    state = {
        "chapters": {
            "01_preprocessing": {
                "status": "done",
                "skipped_sections": [{"section": "prices", "reason": f"none {EVIL}"}],
            },
            "04_evaluation": {"status": "failed", "cause": "error", "cell": "fit", "message": f"KeyError: {EVIL}"},
        },
        "parameters": {"01_preprocessing": {"seed": 7, "source": EVIL}},
        "source": {"dataset": "toyshop", "source": EVIL},
        "versions": {"numpy": "2"},
    }
    (folder / "run.json").write_text(json.dumps(state))
    (folder / "timings.json").write_text(json.dumps({"01_preprocessing": {"seconds": 12.34, "peak_memory_mb": 410.0}}))
    METRICS.assign(model=METRICS["model"].replace("hybrid", f"hybrid{EVIL}")).to_parquet(
        folder / "results/metrics.parquet"
    )
    DIFFERENCES.to_parquet(folder / "results/differences.parquet")
    report = {
        "counts": {"n_items": 1234, "first_day": EVIL, "last_day": EVIL},
        "report": [{"action": "quarantined", "rows": 77}, {"action": "kept", "rows": 5000}],
    }
    (folder / "results/data_report.json").write_text(json.dumps(report))
    scores = {
        "majority": {"accuracy": {"value": 0.6, "low": 0.5, "high": 0.7}, "macro_f1": 0.25},
        EVIL: {"accuracy": None},
    }
    (folder / "results/review_classification.json").write_text(json.dumps({"classifiers": scores}))
    item = {"item_id": "i1", "title": EVIL, "reason": EVIL}
    shopper = {"user_id": EVIL, "who": EVIL, "history": [item], "lists": {"hybrid": [item]}}
    shoppers = {"model": "hybrid", "sentences": [EVIL], "shoppers": [shopper]}
    (folder / "results/shoppers.json").write_text(json.dumps(shoppers))
    return folder


def test_nothing_that_comes_from_data_can_run(folder):
    page = render(folder)
    assert "<script" not in page
    assert "shop &lt;i&gt;" in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 8


def test_the_page_fetches_nothing(folder):
    page = render(folder)
    for word in ("src=", "@import", "url(", "<link"):
        assert word not in page.replace("xlink:href", "").replace("clip-path: url(#", "").replace(
            'clip-path="url(#', ""
        )


def test_numbers_status_time_and_skipped_sections_are_on_it(folder):
    page = render(folder)
    for words in (
        "1,234",
        "0.0800",
        "12.3",
        "<td>410</td>",
        "error in cell fit",
        "skipped: prices",
        "0.600",
        "04_evaluation failed",
    ):
        assert words in page, words


@pytest.mark.parametrize(
    "missing",
    ["run.json", "timings.json", "results/metrics.parquet", "results/differences.parquet", "results/data_report.json",
     "results/review_classification.json", "results/shoppers.json"],
)  # fmt: skip
@pytest.mark.parametrize("how", ["absent", "damaged"])
def test_a_missing_or_damaged_part_leaves_the_rest(folder, missing, how):
    if how == "absent":
        (folder / missing).unlink()
    else:
        (folder / missing).write_bytes((folder / missing).read_bytes()[:20])
    assert "The chapters" in render(folder)


def test_an_empty_folder_has_a_page_that_says_what_is_missing(tmp_path):
    path = write_report(tmp_path)
    assert "no leaderboard yet" in path.read_text()


def test_links_are_only_to_what_there_is(folder):
    (folder / "notebooks").mkdir()
    (folder / "notebooks/04_evaluation.html").write_text("")
    page = render(folder)
    assert 'href="notebooks/04_evaluation.html"' in page
    assert "04_evaluation.ipynb" not in page
    assert "01_preprocessing.html" not in page


def test_the_headline_says_who_wins_and_who_loses():
    first, second = headline(METRICS, DIFFERENCES, 10)
    assert first.startswith("For all 40 judged shoppers hybrid has the highest NDCG@10: 0.0800 [0.0700, 0.0900].")
    assert first.endswith("its difference to popularity is 0.0600 [0.0500, 0.0700]: more than chance.")
    assert "warm" in second
    assert "popularity has the highest" in second
    assert "No model beats" in second


def test_the_headline_names_the_models_whose_intervals_overlap():
    metrics = table({("ease", "all"): (0.2, 0.15, 0.25), ("item_knn", "all"): (0.19, 0.14, 0.24),
                     ("popularity", "all"): (0.05, 0.04, 0.06)})  # fmt: skip
    assert next(headline(metrics, None, 10)).endswith("The intervals of item_knn overlap with it.")


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.01, 0.1, "more than chance"), (-0.1, 0.1, "chance alone could"), (-0.1, -0.01, ": less")],
)
def test_better_is_said_only_where_the_interval_of_the_difference_holds_it(low, high, verdict):
    assert verdict in against_baseline("ease", table({("ease", "all"): (0.0, low, high)}), "all", 10)


def test_a_language_model_that_loses_is_called_so():
    metrics = table({
        ("ease", "all"): (0.2, 0.19, 0.21),
        ("content_tfidf", "all"): (0.1, 0.09, 0.11),
        ("content_minilm", "all"): (0.05, 0.04, 0.06),
    })  # fmt: skip
    sentence = list(headline(metrics, None, 10))[-1]
    assert "it loses clearly" in sentence
    assert "Neither text model alone matches ease" in sentence


def test_a_run_of_mostly_new_shoppers_says_so(folder):
    METRICS.assign(n_users=np.where(METRICS["slice"] == "warm", 10, 100)).to_parquet(folder / "results/metrics.parquet")
    assert "only 10 of 100 were seen in training" in render(folder)


def test_the_summary_for_the_terminal_has_the_table_and_what_was_skipped(folder):
    found = summary(folder)
    assert [row["model"] for row in found["table"]["rows"]][1] == "popularity"
    assert found["skipped"] == [("01_preprocessing", "prices", f"none {EVIL}")]


def test_numbers_have_three_significant_digits():
    assert [short(v) for v in (0.5, 0.0, 12.345, 100.0, float("nan"))] == ["0.500", "0.00", "12.3", "100", "–"]
