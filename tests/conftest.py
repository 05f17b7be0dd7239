"""What several tests share: the workbook's notebooks, and one small run of the whole chain."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from recsys_kit.workbook.execute import Outcome, execute
from recsys_kit.workbook.parameters import Chapter, list_chapters, plan_parameters
from recsys_kit.workbook.report import write_report

ROOT = Path(__file__).parents[1]
SMALL = ["n_users=200"]
CELL_TIMEOUT_S = 300  # a cell that hangs is named, instead of a test that times out


@dataclass(frozen=True)
class SmallRun:
    folder: Path
    chapters: list[Chapter]
    outcomes: list[Outcome]

    def copy(self, folder: Path) -> Path:
        """The run's files in another folder, to be changed there."""
        return Path(shutil.copytree(self.folder, folder))


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    """All notebooks on a small shop, made once per session; as a reader leaves them, exercises unanswered."""
    chapters = list_chapters()
    if not chapters:
        pytest.skip("there are no notebooks yet")
    known = {name for chapter in chapters for name in chapter.parameters}
    settings = [setting for setting in SMALL if setting.split("=")[0] in known]
    folder = tmp_path_factory.mktemp("runs") / "small"
    outcomes = execute(chapters, folder, parameters=plan_parameters(chapters, settings), timeout_s=CELL_TIMEOUT_S)
    write_report(folder)
    return SmallRun(folder, chapters, outcomes)
