"""What every notebook of the workbook keeps to, read from the files without running them."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
from nbconvert import ScriptExporter

from recsys_kit.workbook.exercises import KEYS
from recsys_kit.workbook.runner.parameters import list_chapters
from recsys_kit.workbook.runner.places import maker_of, project_root

CHAPTERS = list_chapters()
FIRST_PARAMETERS = ["run_dir", "seed", "profile"]
KINDS = r"int|float|str|bool|list\[(int|float|str|bool)\]"
CELLS = range(20, 65)  # more than the 20-40 of the style: exercises come in threes, and chapter 04 meets every family
FOLDED = ("setup", "load-inputs", "save-outputs")
LONG, TOO_LONG, LONG_CELLS = 15, 20, 4  # lines of a code cell; how many may be over the first bound

pytestmark = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.number)
if not CHAPTERS:
    pytest.skip("there are no notebooks yet", allow_module_level=True)


@pytest.fixture
def notebook(chapter):
    notebook = nbformat.read(chapter.path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def ids_of(notebook):
    return [cell.id for cell in notebook.cells]


def test_it_is_stripped(notebook):
    assert [cell.id for cell in code_of(notebook) if cell.outputs or cell.execution_count is not None] == []
    assert set(notebook.metadata) <= {"kernelspec", "language_info", "recsys_kit"}


def test_it_says_what_language_it_is_in(notebook):
    language = notebook.metadata.language_info
    assert (language.name, language.file_extension, language.mimetype) == ("python", ".py", "text/x-python")
    assert "version" not in language  # of the Python that happened to save it
    assert ScriptExporter().from_notebook_node(notebook)[1]["output_extension"] == ".py"


def test_cells_have_human_ids(notebook):
    ids = ids_of(notebook)
    assert len(set(ids)) == len(ids)
    assert [name for name in ids if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name)] == []
    assert [name for name in ids if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]+)*", name)] == []


def test_it_has_the_parts_of_a_chapter_in_order(notebook):
    ids = ids_of(notebook)
    assert ids[:3] == ["title", "parameters", "setup"]
    order = [ids.index(name) for name in ("setup", "load-inputs", "save-outputs", "summary") if name in ids]
    assert order == sorted(order)
    assert {"save-outputs", "summary"} <= set(ids)
    assert any(name.startswith("check-") for name in ids)
    assert any(name.startswith("explore-") for name in ids)


def test_the_parameters_cell_is_tagged_and_each_line_seen_by_papermill(chapter, notebook):
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert [cell.id for cell in tagged] == ["parameters"]
    assigned = [node.target.id for node in ast.parse(tagged[0].source).body if isinstance(node, ast.AnnAssign)]
    assert assigned == list(chapter.parameters)
    assert len(ast.parse(tagged[0].source).body) == len(assigned)
    assert assigned[:3] == FIRST_PARAMETERS


def test_each_parameter_has_a_plain_type_a_fitting_default_and_help(chapter):
    for parameter in chapter.parameters.values():
        assert re.fullmatch(KINDS, parameter.kind), parameter
        assert type(parameter.default).__name__ == parameter.kind.split("[")[0], parameter
        assert len(parameter.help) > 5, parameter


def test_it_is_of_readable_length(notebook):
    assert len(notebook.cells) in CELLS
    lengths = {cell.id: len(cell.source.splitlines()) for cell in code_of(notebook) if cell.id != "parameters"}
    assert {name: length for name, length in lengths.items() if length > TOO_LONG} == {}
    over = {name: length for name, length in lengths.items() if length > LONG}
    assert len(over) <= LONG_CELLS, over


def test_it_defines_no_classes_and_silences_nothing(notebook):
    for cell in code_of(notebook):
        tree = ast.parse(re.sub(r"^%.*$", "", cell.source, flags=re.M))
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)], cell.id
        assert "filterwarnings" not in cell.source, cell.id
        assert "sys.path" not in cell.source, cell.id


def test_it_opens_the_run_under_its_own_name(chapter, notebook):
    opened = [match for cell in code_of(notebook) for match in re.findall(r"open_run\(([^)]*)\)", cell.source)]
    assert len(opened) == 1
    assert f'chapter="{chapter.name}"' in opened[0]
    assert "seed=seed" in opened[0]
    assert "profile=profile" in opened[0]


def test_its_inputs_are_made_by_earlier_chapters(chapter, notebook):
    inputs = notebook.metadata["recsys_kit"]
    assert set(inputs) == {"required", "optional"}
    for name in inputs["required"] + inputs["optional"]:
        assert maker_of(name) < chapter.name, name
    text = "\n".join(cell.source for cell in code_of(notebook))
    read = set(re.findall(r"run\.read\(\s*f?\"([^\"{]+)\"", text))
    assert {name for name in read if maker_of(name) != chapter.name} <= {*inputs["required"], *inputs["optional"]}


def test_its_links_lead_somewhere(notebook, chapter):
    for cell in notebook.cells:
        for target in re.findall(r"\]\(([^)#\s]+)", cell.source) if cell.cell_type == "markdown" else []:
            if not re.match(r"[a-z]+:", target):
                assert (chapter.path.parent / target).exists(), target
    neighbours = {other.path.name for other in CHAPTERS} - {chapter.path.name}
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert any(name in text for name in neighbours)


def assert_shows_no_answer(cell, exercise):
    """One call of `check` with the exercise, the answer and names: nothing is computed in sight of the reader."""
    (statement,) = ast.parse(cell.source).body
    assert statement.value.func.id == "check" and not statement.value.keywords
    first, *names = statement.value.args
    assert first.value == exercise and exercise in KEYS
    assert [type(name) for name in names] == [ast.Name] * len(names) and names[0].id == "answer"


def test_exercises_come_with_a_check_and_a_folded_solution(chapter, notebook):
    sources = {cell.id: cell for cell in notebook.cells}
    exercises = [cell.id for cell in code_of(notebook) if re.fullmatch(r"exercise-\d+", cell.id)]  # open ones are prose
    assert exercises
    for name in exercises:
        assert ids_of(notebook).index(f"{name}-check") == ids_of(notebook).index(name) + 1
        assert sum("answer = ..." in line for line in sources[name].source.splitlines()) == 1
        assert_shows_no_answer(sources[f"{name}-check"], f"{chapter.number}.{name.removeprefix('exercise-')}")
        assert re.search(r"<details>.*```python\n.+```.*</details>", sources[f"{name}-solution"].source, re.S)


def test_checks_and_what_only_prepares_or_saves_are_folded(notebook):
    """JupyterLab shows a bar to open them; what they print stays in sight."""
    for cell in code_of(notebook):
        if cell.id in FOLDED or cell.id.startswith("check-") or cell.id.endswith("-check"):
            assert cell.metadata["jupyter"]["source_hidden"] is True and "hide-input" in cell.metadata["tags"], cell.id


def test_its_times_are_near_the_truth_and_the_readmes_are_the_same(chapter, notebook):
    """Reading: 200 words a minute and two seconds a line of code. Running: what the README measured."""
    title = notebook.cells[0].source
    stated = int(re.search(r"\*\*reading time\*\* (\d+) minutes", title)[1])
    words = sum(len(cell.source.split()) for cell in notebook.cells if cell.cell_type == "markdown")
    lines = sum(len(cell.source.splitlines()) for cell in code_of(notebook))
    assert abs(stated - (words / 200 + lines * 2 / 60)) < 1.5
    row = re.search(rf"{chapter.path.name}\).*\| (\d+) min \| (\d+) s \|", (project_root() / "README.md").read_text())
    assert int(row[1]) == stated
    about = int(re.search(r"\*\*Run time\*\* about (\d+) seconds", title)[1])
    assert 0.6 < about / int(row[2]) < 1.7


def test_no_path_of_a_machine_is_in_it(chapter):
    text = Path(chapter.path).read_text(encoding="utf-8")
    assert str(project_root()) not in text
    assert not re.search(r"/(home|root|Users)/\w+", text)
