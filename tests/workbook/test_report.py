"""The page of a run: true to the numbers, whole without its parts, and nothing in it can run."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_kit.errors import ArtifactError
from recsys_kit.workbook.report.headlines import compare_with_popularity, headline, review_headline
from recsys_kit.workbook.report.page import (
    find_clear_best,
    render,
    summary,
    write_report,
)
from recsys_kit.workbook.report.pages import slices_of
from recsys_kit.workbook.report.wording import short
from recsys_kit.workbook.runner.storage import sha256_of

EVIL = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"'>"
    "<a href='javascript:alert(1)'>$x^2$</a>]]><svg onload=alert(1)>"
)
COLUMNS = ["model", "slice", "metric", "k", "value", "low", "high", "n_users"]
MAX_BYTES = 600_000
ACTIVE = {"script", "img", "iframe", "object", "embed", "link", "base", "form", "foreignobject", "audio", "video"}


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
METRICS["n_users"] = [40, 40, 36, 36]
DIFFERENCES = table({("hybrid", "all"): (0.06, 0.05, 0.07), ("hybrid", "warm"): (-0.02, -0.03, -0.01)})


class Page(HTMLParser):
    """What a browser would make of a page: elements, attributes, headings, ids, links, text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.ids = [values["id"] for _, values in self.elements if "id" in values]
        self.links = [values["href"] for name, values in self.elements if name == "a"]
        self.headings = [int(name[1]) for name, _ in self.elements if re.fullmatch("h[1-6]", name)]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def write(folder: Path, name: str, value: object) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(value), encoding="utf-8")


def check_safe(page: str) -> Page:
    """Nothing of a page runs, nothing is fetched, every link within it arrives, headings descend by one."""
    read = Page(page)
    for name, values in read.elements:
        assert name not in ACTIVE, name
        assert not [key for key in values if key.startswith("on")], values
        for key in ("href", "src", "xlink:href"):
            link = values.get(key) or ""
            assert re.fullmatch(r"#[\w-]+|notebooks/[\w.-]+|(\.\./)?[\w./%-]*index\.html|", link), link
            if link.startswith("#"):
                assert link[1:] in read.ids, link
    assert len(set(read.ids)) == len(read.ids), "two elements with one id"
    assert read.headings[0] == 1
    assert all(b - a <= 1 for a, b in zip(read.headings, read.headings[1:], strict=False))
    addresses = set(re.findall(r"(?:https?:)?//[\w.]+", page)) - {"http://www.w3.org"}
    assert not addresses
    assert "@import" not in page
    assert len(page.encode()) < MAX_BYTES
    return read


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shop <i>"
    state = {
        "chapters": {
            "01_preprocessing": {
                "status": "done",
                "skipped_sections": [{"section": "prices", "reason": f"none {EVIL}"}],
            },
            "02_feature_extraction": {"status": "done", "reused": True},
            "03_finetuning": {"status": "skipped", "reason": f"there are no reviews {EVIL}"},
            "04_evaluation": {
                "status": "failed", "cause": "error", "cell": f"fit{EVIL}",
                "message": f"KeyError: {EVIL} in {folder}/data", "next": f"Run it again {EVIL}",
            },
            "05_case_study": {"status": "not_requested"},
        },
        "parameters": {"01_preprocessing": {"seed": 7, "source": "/home/ada/shop", "columns": EVIL}},
        "source": {"dataset": f"toyshop{EVIL}", "source": f"/home/ada/{EVIL}"},
        "versions": {"numpy": "2", "torch": EVIL},
    }  # fmt: skip
    write(folder, "run.json", state)
    write(folder, "timings.json", {"01_preprocessing": {"seconds": 12.34, "peak_memory_mb": 410.0},
                                   "04_evaluation": {"seconds": 100.0, "peak_memory_mb": 90.0}})  # fmt: skip
    evil = METRICS.assign(model=METRICS["model"].replace("hybrid", f"hybrid{EVIL}"))
    evil.to_parquet(ready(folder / "results/metrics.parquet"))
    DIFFERENCES.to_parquet(folder / "results/differences.parquet")
    report = {
        "counts": {"n_users": 50, "n_items": 1234, "n_items_met": 1000, "n_train": 40, "n_test": 10, "density": 0.0005,
                   "first_day": EVIL, "last_day": EVIL},
        "report": [{"table": EVIL, "action": "quarantined", "rows": 77, "rule": EVIL, "example": EVIL},
                   {"table": EVIL, "action": "kept", "rows": 5000}],
        "cold": {"n_test_users": 10, "n_cold_test_users": 9},
        "audit": [{"check": EVIL, "passed": False, "detail": EVIL}],
        "leaks": {EVIL: 3},
    }  # fmt: skip
    write(folder, "results/data_report.json", report)
    write(folder, "results/text_features.json", {"texts": EVIL, "n_texts": 9, "n_truncated": 2, "max_length": EVIL,
                                                 "language_model": EVIL})  # fmt: skip
    scores = {
        "majority": {"accuracy": {"value": 0.6, "low": 0.5, "high": 0.7}, "macro_f1": {"value": 0.25},
                     "per_class": [{"label": EVIL, "support": 9}]},
        EVIL: {"accuracy": None},
    }  # fmt: skip
    write(folder, "results/review_classification.json", {"classifiers": scores, "caps": {EVIL: EVIL}})
    item = {"item_id": "i1", "title": EVIL, "reason": EVIL}
    shopper = {"user_id": EVIL, "who": EVIL, "history": [item, {"item_id": EVIL}], "lists": {EVIL: [item]}}
    write(folder, "results/shoppers.json", {"model": EVIL, "sentences": [EVIL], "shoppers": [shopper]})
    return folder


def ready(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


# -- nothing in it can run ---------------------------------------------------------------------------------------------


def test_nothing_that_comes_from_data_can_run_and_all_of_it_is_shown(folder):
    page = check_safe(render(folder))
    assert page.text.count("<script>alert(1)</script>") > 20
    assert "shop <i>" in page.text
    assert "hybrid<script>alert(1)" in page.text
    assert "$x^2$" in page.text  # not set as a formula, neither in words nor in the plot


@pytest.mark.parametrize("name", ["<i>$x^2$</i>", "a$b", "<script>alert(1)"])
def test_a_plot_shows_a_name_as_it_is_written(folder, name):
    METRICS.assign(model=METRICS["model"].replace("hybrid", name)).to_parquet(folder / "results/metrics.parquet")
    drawn = re.findall(r"<svg.*?</svg>", render(folder).split('role="img" aria-label="Dots')[1], re.DOTALL)[0]
    assert name in Page(drawn).text


def test_the_page_names_no_folder_of_this_machine(folder):
    page = render(folder)
    assert "…/shop" in page
    assert "/home/ada" not in page
    assert str(folder.parent) not in page


def test_a_real_run_has_a_page_with_every_part(small_run):
    page = check_safe((small_run.folder / "index.html").read_text(encoding="utf-8"))
    assert [link for link in page.links if link.startswith("#")] == [
        "#findings", "#warnings", "#data", "#leaderboard", "#reviews", "#shoppers", "#chapters", "#making",
    ]  # fmt: skip
    assert "The data in five figures" in page.text
    for link in page.links:
        assert link.startswith("#") or (small_run.folder / link).exists()


# -- whole without its parts -------------------------------------------------------------------------------------------


def test_a_result_that_is_not_what_was_written_is_left_out_and_said(folder):
    state = json.loads((folder / "run.json").read_text())
    name = "results/metrics.parquet"
    state["artifacts"] = {name: sha256_of(folder / name)}
    write(folder, "run.json", state)
    assert "hybrid" in Page(render(folder)).text
    METRICS.assign(value=0.987, low=0.98, high=0.99).to_parquet(folder / name)
    shown = Page(render(folder)).text
    assert "0.987" not in shown
    assert "Results are damaged" in shown


@pytest.mark.parametrize(
    "missing",
    ["run.json", "timings.json", "results/metrics.parquet", "results/differences.parquet", "results/data_report.json",
     "results/review_classification.json", "results/shoppers.json", "results/text_features.json"],
)  # fmt: skip
@pytest.mark.parametrize("how", ["absent", "damaged", "of another kind"])
def test_a_missing_or_damaged_part_leaves_the_rest(folder, missing, how):
    path = folder / missing
    if how == "absent":
        path.unlink()
    elif how == "damaged":
        path.write_bytes(path.read_bytes()[:20])
    elif missing.endswith(".json"):
        path.write_text("[1, 2]")
    page = check_safe(render(folder)).text
    assert ("The chapters" in page) == (missing != "run.json")
    assert ("The leaderboard" in page) == (missing != "results/metrics.parquet" or how == "of another kind")
    assert f"{missing} is unreadable" in page or missing in ("run.json", "timings.json") or how != "damaged"


def test_an_empty_folder_has_a_page_that_says_what_to_do(tmp_path):
    page = check_safe(write_report(tmp_path).read_text())
    assert "Nothing has been run into this folder yet" in page.text
    assert page.links == []


def test_a_run_of_reviews_alone_speaks_of_reviews(tmp_path):
    state = {"chapters": {"04_evaluation": {"status": "skipped", "reason": "there are no shoppers."}}}
    write(tmp_path, "run.json", state)
    write(tmp_path, "results/data_report.json", {"counts": {"n_reviews": 9}, "report": [
        {"table": "reviews", "action": "kept", "rows": 9}]})  # fmt: skip
    scores = {"macro_f1": {"value": 0.5, "low": 0.4, "high": 0.6}, "per_class": [{"label": "1", "support": 9}]}
    write(tmp_path, "results/review_classification.json", {"classifiers": {"tfidf": scores}})
    page = check_safe(render(tmp_path))
    assert page.links == ["#findings", "#data", "#reviews", "#chapters"]
    assert "The data in two figures" in page.text
    assert "There is no leaderboard in this run. There are no shoppers." in page.text


def test_a_run_of_sequences_needs_neither_dates_nor_reviews(tmp_path):
    counts = {"n_users": 3, "n_items": 4, "n_train": 8, "n_valid": 3, "n_test": 3, "density": 0.5, "n_reviews": 0}
    write(tmp_path, "results/data_report.json", {"counts": counts, "split": {"method": "leave_last_out", "cuts": []}})
    METRICS.to_parquet(tmp_path / "results/metrics.parquet")
    page = check_safe(render(tmp_path))
    assert "The data in two figures" in page.text
    assert "Reading reviews" not in page.text


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"status": "not_requested"}, "was not asked for"),
        ({"status": "failed"}, "has not been executed to its end"),
        ({"status": "skipped", "reason": "no shoppers"}, "There is no leaderboard in this run. No shoppers."),
    ],
)
def test_why_there_is_no_leaderboard_is_said(tmp_path, state, words):
    write(tmp_path, "run.json", {"chapters": {"04_evaluation": state}})
    assert words in render(tmp_path)


def test_links_are_only_to_what_there_is(folder):
    (folder / "notebooks").mkdir()
    (folder / "notebooks/04_evaluation.html").write_text("")
    links = check_safe(render(folder)).links
    assert "notebooks/04_evaluation.html" in links
    assert "notebooks/04_evaluation.ipynb" not in links
    assert "notebooks/01_preprocessing.html" not in links


def test_every_chapter_has_its_status_time_memory_reason_and_what_to_do(folder):
    page = Page(render(folder)).text
    for words in ("done, reused", "skipped", "There are no reviews", "not requested", "error in cell fit",
                  "Run it again", "skipped: prices", "12.3", "410", "in all", "112", "410 at most"):  # fmt: skip
        assert words in page, words


def test_bars_of_time_are_as_long_as_the_time(folder):
    widths = re.findall(r'<svg class="thin".*?<rect x="0[.0]*" width="([\d.]+)"', render(folder))
    assert [float(width) for width in widths] == pytest.approx([12.34, 100, 100, 21.95], abs=0.01)


# -- sentences and tables made from the numbers ------------------------------------------------------------------------


def test_the_headline_says_who_wins_and_who_loses():
    first, second = headline(METRICS, DIFFERENCES, 10)
    assert first.startswith(
        "For all 40 evaluated shoppers, hybrid has the highest NDCG@10 of 2 models: 0.0800 [0.0700, "
    )
    assert first.endswith("its difference to popularity is +0.0600 [+0.0500, +0.0700]: significant.")
    assert second.startswith("For the 36 warm shoppers, those seen in training, popularity leads: 0.0500")
    assert "No model beats" in second


def test_the_paired_comparison_with_the_best_single_model_comes_second():
    rows = [
        ("stack", "better than", 0.024, 0.01, 0.04, 0.0121),
        ("hybrid", "not significantly different from", 0.01, -0.01, 0.03, 1.0),
    ]
    comparisons = pd.DataFrame(rows, columns=["model", "verdict", "difference", "low", "high", "p_holm"])
    comparisons = comparisons.assign(against="als", metric="ndcg@10")
    _, second, third = headline(METRICS, DIFFERENCES, 10, comparisons=comparisons, chosen="stack")
    assert second == (
        "Validation chose stack before the test set was opened. Compared with als, the best single model on "
        "validation, shopper by shopper and by NDCG@10: stack +0.0240 [+0.0100, +0.0400], p = 0.012, better; "
        "hybrid +0.0100 [-0.0100, +0.0300], p = 1, not significantly different."
    )
    assert third.startswith("For the 36 warm shoppers")


def test_the_warm_shoppers_are_not_told_twice_where_all_are_warm():
    assert len(list(headline(METRICS.assign(n_users=40), DIFFERENCES, 10))) == 1


def test_the_headline_names_the_models_whose_intervals_overlap():
    metrics = table({("ease", "all"): (0.2, 0.15, 0.25), ("item_knn", "all"): (0.19, 0.14, 0.24),
                     ("popularity", "all"): (0.05, 0.04, 0.06)})  # fmt: skip
    assert next(headline(metrics, None, 10)).endswith(
        "Its single interval overlaps with that of item_knn; only the paired comparison decides."
    )


def test_popularity_is_not_said_to_overlap_where_the_paired_difference_speaks():
    metrics = table({("ease", "all"): (0.2, 0.1, 0.3), ("popularity", "all"): (0.1, 0.05, 0.15)})
    assert "overlaps" in next(headline(metrics, None, 10))
    assert "overlaps" not in next(headline(metrics, table({("ease", "all"): (0.1, 0.05, 0.2)}), 10))


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.01, 0.1, ": significant"), (-0.1, 0.1, "not significant"), (-0.1, -0.01, ": less")],
)
def test_better_is_said_only_where_the_interval_of_the_difference_holds_it(low, high, verdict):
    (sentence,) = compare_with_popularity("ease", table({("ease", "all"): (0.0, low, high)}), "all", 10)
    assert verdict in sentence


def test_a_language_model_that_loses_is_called_so():
    metrics = table({
        ("ease", "all"): (0.2, 0.19, 0.21),
        ("content_tfidf", "all"): (0.1, 0.09, 0.11),
        ("content_minilm", "all"): (0.05, 0.04, 0.06),
    })  # fmt: skip
    sentence = list(headline(metrics, None, 10))[-1]
    assert "it loses clearly" in sentence
    assert "Both intervals lie below that of ease" in sentence


@pytest.mark.parametrize(("low", "best"), [(0.14, "ease"), (0.12, None), (float("nan"), None)])
def test_a_value_is_marked_best_only_where_its_interval_lies_above_all_others(low, best):
    rows = table({("ease", "all"): (0.2, low, 0.25), ("item_knn", "all"): (0.11, 0.1, 0.13)})
    assert find_clear_best(rows) == best
    assert find_clear_best(rows.assign(metric="novelty")) is None  # more is not better


def test_the_best_review_classifier_is_named_with_those_that_come_near(folder):
    write(folder, "results/review_classification.json", {"classifiers": {
        "tfidf": {"macro_f1": {"value": 0.6, "low": 0.5, "high": 0.7}},
        "fine-tuned": {"macro_f1": {"value": 0.5, "low": 0.4, "high": 0.55}},
        "majority": {"macro_f1": {"value": 0.1, "low": 0.1, "high": 0.1}},
    }})  # fmt: skip
    words = (
        "Of 3 ways to read a review, tfidf has the highest macro-F1: 0.600 [0.500, 0.700]. Its single interval overlaps"
    )
    assert words in Page(render(folder)).text
    assert list(review_headline([])) == []


@pytest.mark.parametrize(("low", "verdict"), [(-0.07, "not significant"), (0.01, "significant")])
def test_the_paired_difference_of_the_review_classifiers_is_shown(folder, low, verdict):
    paired = {"value": 0.02, "low": low, "high": 0.04}
    scores = {"tfidf": {"macro_f1": {"value": 0.6, "low": 0.5, "high": 0.7}}}
    write(folder, "results/review_classification.json", {"classifiers": scores, "fine_tuned_minus_tfidf": paired})
    assert f"macro-F1: +0.020 [{low:+.3f}, +0.040]: {verdict}." in render(folder)


def test_drawn_shoppers_are_said_to_be_drawn(small_run):
    assert "200 shoppers at most, drawn at random" in (small_run.folder / "index.html").read_text(encoding="utf-8")


def test_the_summary_for_the_terminal_has_the_table_and_what_was_skipped(folder):
    found = summary(folder)
    assert [row["model"] for row in found["table"]["rows"]][1] == "popularity"
    assert found["skipped"] == [("01_preprocessing", "prices", f"none {EVIL}")]


def test_numbers_have_three_significant_digits():
    assert [short(v) for v in (0.5, 0.0, 12.345, 100.0, float("nan"))] == ["0.500", "0.00", "12.3", "100", "–"]


def test_many_models_and_long_names_stay_within_bounds(tmp_path):
    rows = {(f"model {place} " + "x" * 80, s): (place / 99, 0.0, 1.0) for place in range(60) for s in ("all", "warm")}
    (tmp_path / "results").mkdir()
    table(rows).assign(n_users=np.tile([40, 30], 60)).to_parquet(tmp_path / "results/metrics.parquet")
    check_safe(render(tmp_path))


def test_a_slice_with_the_same_shoppers_is_not_shown_twice():
    rows = [
        {"model": model, "slice": name, "metric": "ndcg", "k": 10, "value": value, "low": 0, "high": 1, "n_users": n}
        for model, value in (("ease", 0.2), ("hybrid", 0.3))
        for name, n in (("all", 50), ("warm", 50))
    ]
    assert list(slices_of(pd.DataFrame(rows), 10)) == ["all"]
    fewer = [row | {"n_users": 40} if row["slice"] == "warm" else row for row in rows]
    assert list(slices_of(pd.DataFrame(fewer), 10)) == ["all", "warm"]
    assert slices_of(None, 10) == {}


def test_the_cards_say_what_the_shoppers_did_and_when_the_lists_were_asked_for(folder):
    person = {"who": "somebody", "history": [{"item_id": "i1"}], "history_in_words": "History (1 product): 1 bought"}
    people = {"model": "ease", "asked_at": "2025-12-31 23:17 UTC", "sentences": [], "shoppers": [person]}
    write(folder, "results/shoppers.json", people)
    page = check_safe(render(folder)).text
    assert "History (1 product): 1 bought. Latest: i1" in " ".join(page.split())
    assert "ease shows, asked at 2025-12-31 23:17 UTC" in page


@pytest.mark.parametrize(("dataset", "said"), [("toyshop", True), ("amazon", False)])
def test_only_the_page_of_the_built_in_shop_says_that_it_is_simulated(folder, dataset, said):
    state = json.loads((folder / "run.json").read_text()) | {"source": {"dataset": dataset}}
    write(folder, "run.json", state)
    assert ("The built-in shop is simulated" in render(folder)) == said


def test_one_evaluated_shopper_has_a_page(folder):
    metrics = METRICS.assign(low=np.nan, high=np.nan, n_users=1)
    metrics.to_parquet(folder / "results/metrics.parquet")
    DIFFERENCES.assign(low=np.nan, high=np.nan, n_users=1).to_parquet(folder / "results/differences.parquet")
    write(folder, "results/protocol.json", {"n_users": 1, "n_warm": 1, "n_cold": 0})
    page = check_safe(render(folder)).text
    assert "1 shopper is evaluated" in page
    assert "For the one evaluated shopper, hybrid has the highest" in page
    assert "NDCG@10 of 1 evaluated shopper, with" in page
    assert "nan" not in page


def test_the_page_says_what_the_lists_leave_out(folder):
    own, named = (
        "products of a shopper's own history are left out.",
        "with one of these events are left out: purchase, ",
    )
    for given, words in {(): own, ("purchase", EVIL): named}.items():
        write(folder, "results/protocol.json", {"seen_events": list(given)})
        assert words in check_safe(render(folder)).text


def test_a_page_that_cannot_be_written_is_named(folder):
    (folder / "index.html").mkdir()
    (folder / "index.html/a").touch()
    with pytest.raises(ArtifactError, match=r"RK-505 .*index.html cannot be written"):
        write_report(folder)
