"""The command as its user meets it: quick help, one-line refusals, exit codes."""

import json
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
    import os

    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"}
    assert command("report", str(folder), env=environment).returncode == 0
