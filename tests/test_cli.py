"""The command as its user meets it: quick help, one-line refusals, exit codes."""

import json
import os
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from recsys_kit import cli
from recsys_kit.workbook import execute, parameters, runs
from tests.workbook.test_execute import BROKEN


def command(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "recsys_kit.cli", *arguments], capture_output=True, text=True, timeout=120, **options
    )


@pytest.fixture
def on_broken(monkeypatch, tmp_path):
    """Runs the command in this process with the broken notebooks as the workbook; gives exit code and output."""
    chapters = parameters.list_chapters(BROKEN)
    monkeypatch.setattr(parameters, "list_chapters", lambda folder=None: chapters)
    monkeypatch.setattr(runs, "project_root", lambda: tmp_path)
    monkeypatch.setattr(execute, "shared_name", str)  # the kernels count from the real project
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(cli.app, list(arguments))


def test_help_answers_at_once():
    started = time.monotonic()
    done = command("--help")
    assert time.monotonic() - started < 5  # 0.2 s on an idle machine
    assert done.returncode == 0
    for word in ("run", "datasets", "lab", "report"):
        assert word in done.stdout


def test_a_run_ends_by_the_path_of_its_page_in_a_folder_named_after_the_data(on_broken, tmp_path):
    done = on_broken("run", "--only", "01", "--set", "share=0.75", "--profile", "full")
    assert done.exit_code == 0, done.output
    page = tmp_path / "runs/toyshop/index.html"
    assert done.stdout.strip().splitlines()[-1] == str(page)
    assert page.exists()
    state = json.loads((page.parent / "run.json").read_text())
    assert state["parameters"]["01_fine"] | {"share": 0.75, "profile": "full"} == state["parameters"]["01_fine"]


def test_a_relative_source_counts_from_where_the_command_is_called(on_broken, tmp_path):
    done = on_broken("run", "--only", "01", "--dataset", "amazon", "--source", "my data", "--out", "runs/mine")
    assert done.exit_code == 0, done.output
    state = json.loads((tmp_path / "runs/mine/run.json").read_text())
    assert state["source"] == {"dataset": "amazon", "source": str(tmp_path / "my data")}


@pytest.mark.parametrize(("only", "code"), [("02", 3), ("05", 2), ("06", 2), ("01,05", 2)])
def test_the_exit_code_tells_whose_fault_it_was_and_the_page_is_there(on_broken, tmp_path, only, code):
    done = on_broken("run", "--only", only, "--out", "runs/x")
    assert done.exit_code == code
    assert "failed" in (tmp_path / "runs/x/index.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "sede=3"], "RK-302 parameter 'sede'"),
        (["--set", "seed=x"], "RK-303 parameter seed"),
        (["--only", "77"], "RK-304 chapter '77'"),
    ],
)
def test_a_wrong_call_is_refused_before_anything_is_made(on_broken, tmp_path, arguments, words):
    done = on_broken("run", *arguments)
    assert words in str(done.exception)
    assert done.exception.exit_code == 2
    assert not (tmp_path / "runs").exists()


def test_a_run_from_a_chapter_on_leaves_the_earlier_ones_alone(on_broken, tmp_path):
    assert on_broken("run", "--from", "05", "--out", "runs/x").exit_code == 2
    state = json.loads((tmp_path / "runs/x/run.json").read_text())
    statuses = {name[:2]: chapter["status"] for name, chapter in state["chapters"].items()}
    assert statuses == dict.fromkeys(("01", "02", "03", "04"), "not_requested") | {
        "05": "failed", "06": "not_reached", "07": "not_reached"
    }  # fmt: skip


def test_the_same_command_again_runs_nothing_and_status_says_so(on_broken):
    arguments = ("run", "--only", "01", "--set", "share=0.75", "--out", "runs/x")
    on_broken(*arguments)
    assert "01_fine: reused" in on_broken(*arguments).output
    assert "01_fine: started, 6 cells: --force" in on_broken(*arguments, "--force").output
    said = on_broken("status", "runs/x").output
    assert "reused" in next(line for line in said.splitlines() if "01_fine" in line)
    assert "it has not run yet" in next(line for line in said.splitlines() if "02_raises" in line)
    assert said.splitlines()[-1] == "recsys-kit run --out runs/x --set share=0.75"


def test_a_run_of_other_data_is_not_replaced_by_a_forgotten_option(on_broken, tmp_path):
    on_broken("run", "--only", "01", "--dataset", "amazon", "--out", "runs/music")
    refused = on_broken("run", "--only", "01", "--out", "runs/music")
    assert "RK-308 runs/music holds a run of 'amazon'" in str(refused.exception).replace(str(tmp_path) + "/", "")
    assert on_broken("run", "--only", "01", "--dataset", "toyshop", "--out", "runs/music").exit_code == 0


def test_a_damaged_manifest_is_refused_and_force_starts_over(on_broken, tmp_path):
    on_broken("run", "--only", "01", "--out", "runs/x")
    path = tmp_path / "runs/x/run.json"
    path.write_text(path.read_text().replace("toyshop", "toyshoq"))
    refused = on_broken("run", "--only", "01", "--out", "runs/x")
    assert "RK-410" in str(refused.exception)
    assert refused.exception.exit_code == 4
    assert on_broken("run", "--only", "01", "--out", "runs/x", "--force").exit_code == 0


def test_help_of_run_ends_with_the_parameters_of_the_notebooks():
    said = command("run", "--help", env={**os.environ, "COLUMNS": "200"}).stdout
    for word in ("--from", "--force", "n_users", "learning_rate", "passes over the training reviews"):
        assert word in said


def test_the_parameters_are_a_table_for_a_readme():
    lines = command("parameters", "--markdown").stdout.splitlines()
    assert lines[0].startswith("| chapter | parameter |")
    assert any(line.startswith("| all | `seed` | int | `7` |") for line in lines)
    assert any(line.startswith("| 03 | `epochs` | int | `2` |") for line in lines)


def test_a_refusal_is_one_line_without_a_traceback(tmp_path):
    done = command("report", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("RK-402 ")
    assert len(done.stderr.splitlines()) == 1


def test_a_page_is_made_anew(tmp_path):
    (tmp_path / "run.json").write_text('{"chapters": {}}')
    done = command("report", str(tmp_path))
    assert done.returncode == 0
    assert (tmp_path / "index.html").exists()


def test_it_speaks_in_a_terminal_that_knows_only_ascii(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    folder = tmp_path / "größe"
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"}
    assert command("report", str(folder), env=environment).returncode == 0
