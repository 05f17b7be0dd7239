"""The solution printed under each exercise, put in its place, is what the check calls right."""

import re
from dataclasses import replace

import nbformat
import pytest

from recsys_kit.workbook.execute import execute
from recsys_kit.workbook.parameters import list_chapters
from tests.conftest import CELL_TIMEOUT_S

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("chapter", list_chapters(), ids=lambda chapter: chapter.number)
def test_solutions_are_right(chapter, small_run, tmp_path):
    notebook = nbformat.read(chapter.path, as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    names = [name for name in cells if re.fullmatch(r"exercise-\d+", name) and cells[name].cell_type == "code"]
    for name in names:
        cells[name].source = re.search(r"```python\n(.*?)```", cells[f"{name}-solution"].source, re.S)[1]
    path = tmp_path / chapter.path.name
    nbformat.write(notebook, path)
    copied, answered = small_run.copy(tmp_path / "run"), replace(chapter, path=path)
    (outcome,) = execute([answered], copied, parameters=small(chapter), timeout_s=CELL_TIMEOUT_S)
    assert outcome.failure is None
    seen = {cell.id: cell for cell in nbformat.read(outcome.page.with_suffix(".ipynb"), as_version=4).cells}
    said = {name: "".join(o.get("text", "") for o in seen[f"{name}-check"].outputs).strip() for name in names}
    assert said == dict.fromkeys(names, "Right.")


def small(chapter):
    return {chapter.name: {"n_users": 200}} if "n_users" in chapter.parameters else {}
