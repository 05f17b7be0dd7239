"""Two runs side by side: the parameters that differ and nothing else, and their leaderboards."""

import hashlib
import json

import pytest
from typer.testing import CliRunner

from recsys_kit import cli
from recsys_kit.errors import IntegrityError
from recsys_kit.workbook.report.compare import compare_leaderboards, compare_parameters, compare_runs
from recsys_kit.workbook.report.page import render
from recsys_kit.workbook.runner.manifest import SCHEMA_VERSION
from tests.workbook.test_report import EVIL, METRICS, check_safe, table

HASHES = {"data/test.parquet": "c" * 64}


def write_run(folder, parameters=None, artifacts=HASHES, metrics=METRICS):
    (folder / "results").mkdir(parents=True, exist_ok=True)
    settings = {"01_preprocessing": {"seed": 7, "k_core": 1} | (parameters or {})}
    manifest = {"schema_version": SCHEMA_VERSION, "chapters": {}, "parameters": settings, "artifacts": artifacts}
    text = json.dumps(manifest)
    (folder / "run.json").write_text(text)
    (folder / "run.json.sha256").write_text(hashlib.sha256(text.encode()).hexdigest())
    if metrics is not None:
        metrics.to_parquet(folder / "results/metrics.parquet")


@pytest.fixture
def runs(tmp_path):
    """Two runs that are the same."""
    for name in ("a", "b"):
        write_run(tmp_path / name)
    return tmp_path / "a", tmp_path / "b"


def test_runs_that_are_alike_have_no_differences(runs):
    assert list(compare_runs(*runs)) == ["All parameters are the same.", "Leaderboards on the same test set"]
    board = compare_leaderboards(*runs).set_index("model")
    assert board.loc["hybrid", ["NDCG a", "NDCG b"]].tolist() == ["0.0800", "0.0800"]


def test_parameters_that_differ_are_shown_and_no_others(runs):
    write_run(runs[0], {"k_core": 3, "source": "/home/ada/shop.csv", "models": ["ease"]})
    found = compare_parameters(*runs)
    assert list(found) == ["chapter", "parameter", "a", "b"]
    assert found.iloc[:, 1:].sort_values("parameter").to_numpy().tolist() == [
        ["k_core", "3", "1"], ["models", "['ease']", "–"], ["source", "'…/shop.csv'", "–"]
    ]  # fmt: skip


def test_a_chapter_that_one_run_lacks_is_not_compared(runs):
    manifest = json.loads((runs[1] / "run.json").read_text())
    manifest["parameters"] = {"02_feature_extraction": {"seed": 7}}
    text = json.dumps(manifest)
    (runs[1] / "run.json").write_text(text)
    (runs[1] / "run.json.sha256").write_text(hashlib.sha256(text.encode()).hexdigest())
    assert compare_parameters(*runs).empty


@pytest.mark.parametrize("artifacts", [{"data/test.parquet": "e" * 64}, {}])
def test_different_test_sets_are_said(runs, artifacts):
    write_run(runs[1], artifacts=artifacts)
    assert list(compare_runs(*runs))[1].startswith("Leaderboards on different test sets")


def test_leaderboards_stand_side_by_side_the_best_first(runs):
    metrics = table({("hybrid", "all"): (0.05, 0.04, 0.06), ("ease", "all"): (0.1, 0.0, 0.2)})
    write_run(runs[0], metrics=metrics)
    board = compare_leaderboards(*runs)
    assert board["model"].tolist()[:2] == ["ease", "hybrid"]
    assert board.set_index("model").loc["ease"].tolist()[:2] == ["0.100", "–"]
    assert board.set_index("model").loc["hybrid"].tolist()[:2] == ["0.0500", "0.0800"]


def test_without_a_leaderboard_the_parameters_are_compared(runs):
    (runs[1] / "results/metrics.parquet").unlink()
    write_run(runs[1], {"seed": 8}, metrics=None)
    found = compare_runs(*runs)
    assert [len(frame) for frame in found.values()] == [1, 0]
    assert "There are not two leaderboards" in list(found)[1]


def test_runs_of_the_same_name_are_told_apart(runs, tmp_path):
    write_run(tmp_path / "other/a", {"seed": 8})
    assert list(compare_parameters(runs[0], tmp_path / "other/a"))[2:] == [f"{tmp_path.name}/a", "other/a"]


def test_the_page_shows_both_tables_and_nothing_that_comes_from_data_can_run(runs):
    metrics = METRICS.assign(model=METRICS["model"] + EVIL)
    for run, value in zip(runs, "xy", strict=True):
        write_run(run, {EVIL: EVIL + value}, metrics=metrics)
    page = check_safe(render(*runs))
    assert "#comparison" in page.links
    assert page.text.count("<script>alert(1)</script>") > 4
    assert "#comparison" not in check_safe(render(runs[0])).links


def test_the_command_prints_both_tables_and_the_path_of_the_page(runs):
    write_run(runs[0], {"seed": 8})
    done = CliRunner().invoke(cli.app, ["report", str(runs[0]), "--compare", str(runs[1])])
    assert done.exit_code == 0, done.output
    assert all(text in done.stdout for text in ("seed", "NDCG a", "0.0800"))
    assert done.stdout.strip().splitlines()[-1] == str(runs[0] / "index.html")


def test_without_compare_each_run_gets_its_page(runs):
    done = CliRunner().invoke(cli.app, ["report", *map(str, runs)])
    assert done.stdout.split() == [str(run / "index.html") for run in runs]


@pytest.mark.parametrize("arguments", [["a", "--compare", "nothing"], ["a", "nothing"]])
def test_a_folder_that_is_no_run_is_refused_before_a_page_is_written(runs, arguments):
    folder = runs[0].parent
    paths = [word if word.startswith("--") else str(folder / word) for word in arguments]
    done = CliRunner().invoke(cli.app, ["report", *paths])
    assert str(done.exception).startswith("RK-402")
    assert done.exception.exit_code == 2
    assert not list(folder.rglob("*.html"))


def test_a_run_without_a_record_is_not_compared(runs):
    (runs[1] / "run.json").write_text("{")
    with pytest.raises(IntegrityError, match="RK-410"):
        compare_runs(*runs)
