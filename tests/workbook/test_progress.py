"""What a command says while it runs: a live table in a terminal, plain lines elsewhere."""

import io

import pytest
from rich.console import Console

from recsys_kit.workbook.runner.parameters import list_chapters
from recsys_kit.workbook.runner.progress import Progress, expected_seconds
from recsys_kit.workbook.runner.storage import write_json


def shown(progress: Progress) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(progress.render())
    return console.file.getvalue()


@pytest.fixture
def progress():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    return Progress({"01_preprocessing": 10.0, "02_feature_extraction": 24.0}, console)


def test_the_table_names_the_cell_the_time_it_took_and_what_is_left(progress):
    assert "about 0:34 left" in shown(progress)
    progress.start("01_preprocessing", 55, "seed was 7, is 8")
    progress.cell("01_preprocessing", "three-[bold]items", 12)
    line = next(line for line in shown(progress).splitlines() if line.startswith("01"))
    assert "12/55 three-[bold]items" in line
    assert "0:10" in line
    progress.end("01_preprocessing", "done", 8.4, "35 code cells in 8.4 s")
    assert "35 code cells in 8.4 s" in shown(progress)
    assert "about 0:24 left" in shown(progress)


def test_a_terminal_is_redrawn_and_left_with_the_last_state(progress):
    with progress:
        progress.start("01_preprocessing", 55, "no earlier result")
        progress.end("01_preprocessing", "failed", 1.0, "RK-104 no")
    assert "failed" in progress.console.file.getvalue()
    assert "01_preprocessing: started" not in progress.console.file.getvalue()


def test_without_a_terminal_there_is_a_line_for_each_start_and_end(capsys):
    with Progress({"01_preprocessing": 10.0}, Console(file=io.StringIO())) as progress:
        progress.start("01_preprocessing", 55, "seed was 7, is 8")
        progress.cell("01_preprocessing", "facts", 3)
        progress.end("01_preprocessing", "reused", 0.0, "nothing has changed")
    assert capsys.readouterr().out.splitlines() == [
        "01_preprocessing: started, 55 cells: seed was 7, is 8",
        "01_preprocessing: reused, nothing has changed",
    ]


def test_what_is_expected_is_the_last_time_and_otherwise_what_the_notebook_says(tmp_path):
    chapters = list_chapters()
    promised = expected_seconds(chapters, tmp_path)
    assert all(seconds > 0 for seconds in promised.values())
    write_json(tmp_path / "timings.json", {chapters[0].name: {"seconds": 123.0}})
    assert expected_seconds(chapters, tmp_path) == promised | {chapters[0].name: 123.0}
