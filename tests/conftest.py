"""What several tests share: the workbook's notebooks, and one small run of the whole chain."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock

if "PYTEST_XDIST_WORKER" in os.environ:  # a core for each worker; read by the libraries when they are loaded
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
os.environ.setdefault("PYTHONWARNINGS", "error::RuntimeWarning")  # for kernels; in pyproject.toml for the tests

from recsys_kit.workbook.report.page import write_report
from recsys_kit.workbook.runner.execute import execute
from recsys_kit.workbook.runner.parameters import Chapter, list_chapters, plan_parameters

hypothesis.settings.register_profile("shared machine", deadline=None)  # a slow example is no failure
hypothesis.settings.load_profile("shared machine")

ROOT = Path(__file__).parents[1]
SMALL = ["n_users=200"]
CELL_TIMEOUT_S = 300  # a cell that hangs is named, instead of a test that times out


@dataclass(frozen=True)
class SmallRun:
    folder: Path
    chapters: list[Chapter]
    failures: list[str]
    """What went wrong in each chapter that failed."""

    def copy(self, folder: Path) -> Path:
        """The run's files in another folder, to be changed there."""
        return Path(shutil.copytree(self.folder, folder))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several workers share the tests, those that share something costly go to one of them."""
    for item in items:
        found = getattr(item, "_fixtureinfo", None)
        definitions = {name: found.name2fixturedefs[name][-1] for name in found.name2fixturedefs} if found else {}
        shared = [
            name for name in getattr(item, "fixturenames", [])
            if name in definitions and definitions[name].scope != "function" and name != "small_run"
            and definitions[name].baseid.startswith("tests/")
        ]  # fmt: skip
        if shared and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(f"{item.path.name}:{shared[-1]}"))  # the last depends on no other


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> SmallRun:
    """All notebooks on a small shop, made once for all workers; as a reader leaves them, exercises unanswered."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if hasattr(request.config, "workerinput") else root
    folder, made = root / "runs" / "small", root / "small_run.json"
    with FileLock(root / "small_run.lock"):
        if not made.exists():
            made.write_text(json.dumps(_make_small_run(folder)), encoding="utf-8")
        failures = json.loads(made.read_text(encoding="utf-8"))
    return SmallRun(folder, list_chapters(), failures)


def _make_small_run(folder: Path) -> list[str]:
    chapters = list_chapters()
    if not chapters:
        pytest.skip("there are no notebooks yet")
    known = {name for chapter in chapters for name in chapter.parameters}
    settings = [setting for setting in SMALL if setting.split("=")[0] in known]
    outcomes = execute(chapters, folder, parameters=plan_parameters(chapters, settings), timeout_s=CELL_TIMEOUT_S)
    write_report(folder)
    return [f"{outcome.chapter}: {outcome.failure}" for outcome in outcomes if outcome.failure]
