"""The solution under each exercise is what its check calls right; each wrong answer it knows gets its hint."""

import re
from dataclasses import replace

import nbformat
import pytest

from recsys_kit.workbook.runner.execute import execute
from recsys_kit.workbook.runner.parameters import list_chapters
from tests.conftest import CELL_TIMEOUT_S

pytestmark = pytest.mark.slow
# In front of the chapter: after the answer, every wrong answer that a check knows is put to the same check.
ASK_ALL = """
from recsys_kit.workbook import exercises

check_one = exercises.check

def check_all(exercise, answer, *given):
    check_one(exercise, answer, *given)
    right, slips = exercises.KEYS[exercise](*given)
    for hint, wrong in slips.items():
        if wrong == wrong and not exercises._is_same(wrong, right):
            print(exercises._compare(exercise, wrong, (right, {hint: wrong}), given))

exercises.check = check_all
"""


@pytest.mark.parametrize("chapter", list_chapters(), ids=lambda chapter: chapter.number)
def test_solutions_are_right(chapter, small_run, tmp_path):
    notebook = nbformat.read(chapter.path, as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    names = [name for name in cells if re.fullmatch(r"exercise-\d+", name) and cells[name].cell_type == "code"]
    for name in names:
        cells[name].source = re.search(r"```python\n(.*?)```", cells[f"{name}-solution"].source, re.S)[1]
    notebook.cells.insert(0, nbformat.v4.new_code_cell(ASK_ALL))
    path = tmp_path / chapter.path.name
    nbformat.write(notebook, path)
    copied, answered = small_run.copy(tmp_path / "run"), replace(chapter, path=path)
    (outcome,) = execute([answered], copied, parameters=small(chapter), timeout_s=CELL_TIMEOUT_S)
    assert outcome.failure is None
    seen = {cell.id: cell for cell in nbformat.read(outcome.page.with_suffix(".ipynb"), as_version=4).cells}
    for name in names:
        said = "".join(output.get("text", "") for output in seen[f"{name}-check"].outputs).splitlines()
        assert re.fullmatch(r"Right\. .+[.]", said[0]), (name, said)
        assert all(line.startswith("Nearly. ") for line in said[1:]), (name, said)


def small(chapter):
    return {chapter.name: {"n_users": 200}} if "n_users" in chapter.parameters else {}
