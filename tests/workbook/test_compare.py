"""Two runs compared: what differs and nothing else, and no more said than the intervals hold."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from recsys_kit import cli
from recsys_kit.errors import ArtifactError, ParameterError
from recsys_kit.workbook.report.compare import metric_row, render, sentences
from recsys_kit.workbook.report.differences import compare
from tests.workbook.test_report import EVIL, METRICS, check_safe, table, write

HASHES = {"data/train.parquet": "a" * 64, "data/valid.parquet": "b" * 64, "data/test.parquet": "c" * 64}


def state(parameters=None, **changed):
    chapter = {"status": "done", "made_with": {"cells": "1" * 64, "package": "2" * 64}}
    return {
        "chapters": {"04_evaluation": chapter},
        "parameters": {"01_preprocessing": {"seed": 7, "k_core": 1} | (parameters or {})},
        "versions": {"numpy": "2.4", "torch": "2.13"},
        "artifacts": HASHES,
    } | changed


@pytest.fixture
def runs(tmp_path):
    """Two runs that are the same."""
    for name in ("a", "b"):
        write(tmp_path, f"{name}/run.json", state())
        write(tmp_path, f"{name}/results/data_report.json", {"counts": {"n_users": 40, "n_train": 300}})
        METRICS.to_parquet(tmp_path / name / "results/metrics.parquet")
    return tmp_path / "a", tmp_path / "b"


def test_runs_that_are_alike_have_no_differences(runs):
    found = compare(*runs)
    assert (found.parameters, found.data, found.versions, found.split) == ([], [], [], set())
    assert (found.metrics["difference"] == 0).all()
    first, second, third, fourth = sentences(found)
    assert first == "b does not differ from a."
    assert second == "NDCG@10 of hybrid, the highest in b, stays at 0.0800."
    assert "overlap in it" in third
    assert "judged on the same events and learned from the same" in fourth


def test_each_kind_of_difference_is_found_and_nothing_else(runs):
    changed = state({"k_core": 3, "source": ""}, versions={"numpy": "2.5", "torch": "2.13"})
    changed["artifacts"] = HASHES | {"data/train.parquet": "d" * 64}
    changed["chapters"]["04_evaluation"]["made_with"]["package"] = "3" * 64
    write(runs[1], "run.json", changed)
    write(runs[1], "results/data_report.json", {"counts": {"n_users": 40, "n_train": 250}})
    found = compare(*runs)
    assert [(one.where, one.what, one.before, one.after) for one in found.parameters] == [
        ("01 preprocessing", "k_core", 1, 3), ("01 preprocessing", "source", None, ""),
    ]  # fmt: skip
    assert [(one.where, one.what, one.difference) for one in found.data] == [
        ("counts", "train", "-50"), ("sha256", "data/train.parquet", ""),
    ]  # fmt: skip
    assert [(one.where, one.what, one.after) for one in found.versions] == [
        ("library", "numpy", "2.5"), ("package", "recsys_kit", "33333333"),
    ]  # fmt: skip
    assert "judged on the same events, but learned from others" in list(sentences(found))[-1]
    page = check_safe(render(found))
    assert [link for link in page.links if link.startswith("#")] == [
        "#findings", "#parameters", "#data", "#versions", "#metrics",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("artifacts", "words"),
    [
        (HASHES | {"data/test.parquet": "e" * 64}, "Their test data are not the same bytes"),
        ({}, "is not recorded"),
    ],
)
def test_other_test_data_is_said(runs, artifacts, words):
    write(runs[1], "run.json", state(artifacts=artifacts))
    assert words in list(sentences(compare(*runs)))[-1]


@pytest.mark.parametrize(
    ("b", "verdict", "difference"),
    [
        ((0.10, 0.09, 0.11), "overlap", "+0.0200"),  # ends that touch
        ((0.10, 0.085, 0.12), "overlap", "+0.0200"),
        ((0.06, 0.05, 0.075), "overlap", "-0.0200"),
        ((0.11, 0.0901, 0.12), "do not overlap", "+0.0300"),
        ((0.05, 0.04, 0.0699), "do not overlap", "-0.0300"),
        ((0.05, np.nan, np.nan), "", "-0.0300"),
    ],
)
def test_intervals_overlap_or_not_and_nothing_is_called_better(runs, b, verdict, difference):
    table({("hybrid", "all"): b}).to_parquet(runs[1] / "results/metrics.parquet")
    found = compare(*runs)
    (row,) = map(metric_row, found.metrics.itertuples())
    assert (row["verdict"], row["difference"]) == (verdict, difference)
    page = check_safe(render(found)).text
    assert "better" not in page
    assert ("the intervals of hybrid do not overlap" in page) == (verdict == "do not overlap")


def test_models_that_only_one_run_has_are_named(runs):
    table({("hybrid", "all"): (0.1, 0.0, 0.2), ("ease", "all"): (0.1, 0.0, 0.2)}).to_parquet(
        runs[1] / "results/metrics.parquet"
    )
    found = compare(*runs)
    assert found.only == (["popularity"], ["ease"])
    assert found.metrics["model"].tolist() == ["hybrid"]
    assert "Only in A: popularity." in check_safe(render(found)).text


def test_the_list_length_is_one_that_both_have(runs):
    pd.concat([METRICS.assign(k=5), METRICS.assign(k=20)]).to_parquet(runs[1] / "results/metrics.parquet")
    pd.concat([METRICS.assign(k=5), METRICS]).to_parquet(runs[0] / "results/metrics.parquet")
    assert compare(*runs).k == 5


def test_without_metrics_the_rest_is_compared(runs):
    (runs[0] / "results/metrics.parquet").unlink()
    write(runs[1], "run.json", state({"seed": 8}))
    found = compare(*runs)
    page = check_safe(render(found)).text
    assert "There is no metric that both have" in page
    assert "seed" in page


def test_nothing_that_comes_from_data_can_run(runs):
    evil = state({EVIL: EVIL}, versions={EVIL: EVIL})
    evil["artifacts"] = {f"data/{EVIL}": EVIL}
    write(runs[1], "run.json", evil)
    write(runs[1], "results/data_report.json", {"counts": {EVIL: EVIL}})
    for run in runs:
        METRICS.assign(model=METRICS["model"] + EVIL, metric="ndcg").to_parquet(run / "results/metrics.parquet")
    assert check_safe(render(compare(*runs))).text.count("<script>alert(1)</script>") > 10


def test_real_runs_compare_to_a_page_that_links_both(small_run, tmp_path):
    folders = [small_run.copy(tmp_path / "a run"), small_run.copy(tmp_path / "b")]
    changed = json.loads((folders[1] / "run.json").read_text())
    changed["parameters"]["04_evaluation"]["seed"] = 8
    (folders[1] / "run.json").write_text(json.dumps(changed))
    found = compare(*folders)
    page = check_safe(render(found))
    assert {"index.html", "../a%20run/index.html"} <= set(page.links)
    assert [one.what for one in found.parameters] == ["seed"]
    assert {"ndcg", "coverage", "gini"} <= set(found.metrics["metric"])
    assert not found.metrics.duplicated(["slice", "metric", "model"]).any()


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [["--compare", "A", "B"], ["A", "--compare", "B"], ["A", "B", "--compare"]])
def test_the_command_compares_in_any_order_and_ends_by_the_path_of_the_page(runs, order):
    names = {"A": str(runs[0]), "B": str(runs[1])}
    done = CliRunner().invoke(cli.app, ["report", *(names.get(word, word) for word in order)])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0] == "b does not differ from a."
    assert "0.0800" in done.stdout
    assert done.stdout.strip().splitlines()[-1] == str(runs[1] / "compare.html")
    assert (runs[1] / "compare.html").exists()


def test_without_compare_each_run_gets_its_page(runs):
    done = CliRunner().invoke(cli.app, ["report", *map(str, runs)])
    assert done.stdout.split() == [str(run / "index.html") for run in runs]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--compare", "a"], "RK-371"), (["--compare", "a", "b", "a"], "RK-371"),
     (["--compare", "a", "nothing"], "RK-402"), (["a", "nothing"], "RK-402")],
)  # fmt: skip
def test_a_folder_that_is_no_run_is_refused_before_a_page_is_written(runs, arguments, code):
    folder = runs[0].parent
    paths = [word if word.startswith("--") else str(folder / word) for word in arguments]
    done = CliRunner().invoke(cli.app, ["report", *paths])
    assert str(done.exception).startswith(code)
    assert done.exception.exit_code == 2
    assert not list(folder.rglob("*.html"))


def test_a_run_is_not_compared_with_itself(runs):
    with pytest.raises(ParameterError, match="RK-371"):
        compare(runs[0], runs[0])


@pytest.mark.parametrize("content", ["{", "{}", "[]"])
def test_a_run_without_a_record_is_not_compared(runs, content):
    (runs[1] / "run.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"RK-404 .*b/run.json cannot be read"):
        compare(*runs)
