"""Each caution appears exactly when there is something to warn of, and says what to do."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recsys_kit.workbook.report.cautions import WHERE, Caution, find_cautions, said_of
from recsys_kit.workbook.report.page import render, summary
from recsys_kit.workbook.runner.storage import sha256_of
from tests.workbook.test_report import write

REPORT = "results/data_report.json"


def found(folder: Path, run: dict[str, Any] | None = None) -> list[Caution]:
    return find_cautions(folder, run or {})


def titles(folder: Path, run: dict[str, Any] | None = None) -> list[str]:
    return [caution.title for caution in found(folder, run)]


def test_a_clean_run_has_nothing_to_warn_of(tmp_path):
    write(tmp_path, REPORT, {
        "report": [{"table": "items", "action": "kept", "rows": 5}, {"table": "items", "action": "noted", "rows": 5}],
        "audit": [{"check": "order", "passed": True, "detail": ""}],
        "leaks": {"n_events_after_cut_in_train": 0},
        "cold": {"n_test_users": 100, "n_cold_test_users": 19},
    })  # fmt: skip
    write(tmp_path, "results/protocol.json", {"n_users": 100, "n_warm": 81, "n_cold": 19})
    write(tmp_path, "results/text_features.json", {"texts": "product", "n_texts": 9, "n_truncated": 0, "n_empty": 0})
    chapters = {"01": {"status": "done"}, "02": {"status": "not_requested"}, "03": {"status": "skipped"}}
    run = {"chapters": chapters, "artifacts": {REPORT: sha256_of(tmp_path / REPORT)}}
    assert found(tmp_path, run) == []


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"status": "failed", "message": "KeyError"}, "Chapter 02 features failed"),
        ({"status": "interrupted"}, "Chapter 02 features was interrupted"),
        ({"status": "running"}, "Chapter 02 features is running, or was killed with its command"),
        ({"status": "damaged"}, "Chapter 02 features is damaged"),
    ],
)
def test_a_chapter_that_did_not_end_well_is_named(tmp_path, state, words):
    (caution,) = found(tmp_path, {"chapters": {"02_features": state}})
    assert caution.title == words
    assert caution.remedy


def test_what_the_run_says_to_do_is_repeated_without_folders_of_the_machine(tmp_path):
    state = {"status": "failed", "message": f"No {tmp_path}/data.", "next": f"Look at {tmp_path}/notebooks."}
    (caution,) = found(tmp_path, {"chapters": {"01": state}})
    assert caution.remedy == f"Look at {tmp_path.name}/notebooks."
    assert caution.meaning.startswith(f"No {tmp_path.name}/data. What it")


@pytest.mark.parametrize("how", ["gone", "not what was written", "unreadable"])
def test_results_that_are_not_as_they_were_written_are_named(tmp_path, how):
    name = "results/review_classification.json"
    write(tmp_path, name, {"a": 1})
    hashes = {name: sha256_of(tmp_path / name), "data/train.parquet": "not of the page"}
    if how == "gone":
        (tmp_path / name).unlink()
    elif how == "not what was written":
        write(tmp_path, name, {"a": 2})
    else:
        (tmp_path / name).write_text("{")
        hashes = {}
    (caution,) = found(tmp_path, {"artifacts": hashes})
    assert caution.meaning.startswith(f"{name} is {how}.")
    assert caution.remedy == "Run chapter 03 finetuning again."


def test_a_manifest_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "run.json").write_text("{")
    assert titles(tmp_path) == ["run.json is damaged"]


def test_a_leak_is_told_with_its_count(tmp_path):
    write(tmp_path, REPORT, {"leaks": {"n_events_after_cut_in_train": 3, "n_others": 0}})
    (caution,) = found(tmp_path)
    assert caution.title == "The split leaks"
    assert caution.meaning.startswith("Events after cut in train: 3. Models")
    assert "others" not in caution.meaning


def test_a_check_of_the_audit_that_fails_is_a_leak(tmp_path):
    write(tmp_path, REPORT, {"audit": [{"check": "train ends first", "passed": False, "detail": "1 does not"}]})
    (caution,) = found(tmp_path)
    assert "Not true: train ends first (1 does not)" in caution.meaning


def test_a_split_that_draws_whatever_the_time_is_called_so_once_and_in_its_own_words(tmp_path):
    audit = [{"check": "train ends first", "passed": False, "detail": "1 does not"}]
    split = {"method": "stratified", "protocol": "drawn whatever their time: the future leaks into train"}
    write(tmp_path, REPORT, {"audit": audit, "leaks": {"n_events_after_cut_in_train": 3}, "split": split})
    (caution,) = found(tmp_path)
    assert caution.title == "The split draws events whatever their time"
    assert caution.meaning.startswith("Drawn whatever their time: the future leaks into train. A shop")
    assert "published tables of the same protocol" in caution.remedy


@pytest.mark.parametrize(("n_cold", "warned"), [(0, False), (19, False), (20, True), (100, True)])
def test_many_new_shoppers_are_told_from_the_protocol_first(tmp_path, n_cold, warned):
    write(tmp_path, "results/protocol.json", {"n_users": 100, "n_cold": n_cold})
    write(tmp_path, REPORT, {"cold": {"n_test_users": 100, "n_cold_test_users": 50}})
    assert titles(tmp_path) == ["Many shoppers are new"] * warned
    if warned:
        assert f"{n_cold} of the 100 shoppers to be evaluated" in found(tmp_path)[0].meaning


def test_without_a_leaderboard_the_test_part_tells_of_new_shoppers(tmp_path):
    write(tmp_path, REPORT, {"cold": {"n_test_users": 349, "n_cold_test_users": 285}})
    assert "285 of the 349 shoppers to be evaluated (82 %)" in found(tmp_path)[0].meaning


def test_cut_and_empty_texts_are_two_things(tmp_path):
    texts = {"texts": "review", "n_texts": 200, "n_truncated": 50, "n_empty": 0, "max_length": 128}
    write(tmp_path, "results/text_features.json", texts | {"language_model": "minilm"})
    (caution,) = found(tmp_path)
    assert caution.meaning.startswith(
        "Of 200 review texts 50 (25 %) are longer than 128 tokens: the language model minilm"
    )
    write(tmp_path, "results/text_features.json", texts | {"n_truncated": 0, "n_empty": 3})
    assert titles(tmp_path) == ["Texts are empty"]


def test_texts_that_the_language_model_cannot_read_are_named_with_the_share_and_the_way_out(tmp_path):
    found_by_02 = {"texts": "product", "n_texts": 9, "language_model": "minilm", "unreadable": {}}
    write(tmp_path, "results/text_features.json", found_by_02)
    assert found(tmp_path) == []
    unread = {"product": 0.631, "review": 0.7}
    write(tmp_path, "results/text_features.json", found_by_02 | {"unreadable": unread})
    (caution,) = found(tmp_path)
    assert caution.title == "The language model minilm cannot read the texts"
    assert caution.meaning.startswith(
        "MiniLM reads English; 63% of the tokens of the product texts and 70% of the tokens of the review texts are "
    )
    assert "fine-tuned" in caution.meaning
    assert "--set language_model=FOLDER" in caution.remedy
    write(
        tmp_path, "results/text_features.json", found_by_02 | {"unreadable": {"product": 0.4}, "language_model": "/a/b"}
    )
    (caution,) = found(tmp_path)
    assert caution.title == "The language model b cannot read the texts"
    assert "English" not in caution.meaning
    assert "fine-tuned" not in caution.meaning


def test_a_readable_result_raises_no_alarm(tmp_path):
    (tmp_path / "results").mkdir()
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "results/metrics.parquet")
    assert found(tmp_path) == []


def test_what_the_checks_of_the_data_cautioned_about_is_said_and_quarantined_rows_are_found(tmp_path):
    doubt = {"table": "interactions", "action": "cautioned", "rule": "80 of 100 different item_ids", "rows": 20}
    lost = {"table": "interactions", "action": "quarantined", "rule": "missing user_id", "rows": 1}
    report = {"report": [{"table": "interactions", "action": "kept", "rows": 999}, lost, doubt]}
    write(tmp_path, REPORT, report)
    assert titles(tmp_path) == ["The checks of the data found something"]
    assert said_of(report) == [
        "interactions: 1 of 1,000 rows (0.1 %) quarantined: missing user_id",
        "caution: interactions: 80 of 100 different item_ids",
        WHERE,
    ]
    assert found(tmp_path)[0].lines == said_of(report)
    assert [render(tmp_path).count(line) for line in said_of(report)] == [1, 1, 1]  # once each
    assert summary(tmp_path)["said"] == said_of(report)
