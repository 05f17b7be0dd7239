"""Parameters are read from the notebooks and refused before a kernel starts."""

import math
import re
from pathlib import Path

import nbformat
import papermill
import pytest
from papermill.exceptions import PapermillExecutionError

from recsys_kit.errors import ParameterError
from recsys_kit.workbook.runner.parameters import (
    Chapter,
    Parameter,
    check_parameters,
    convert,
    list_chapters,
    markdown_table,
    plan_parameters,
    read_parameters,
    select_chapters,
)
from recsys_kit.workbook.runner.places import project_root


def chapter(name: str, **parameters: tuple) -> Chapter:
    made = {key: Parameter(key, kind, default, f"what {key} does") for key, (kind, default) in parameters.items()}
    return Chapter(name, Path(f"{name}.ipynb"), made)


KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
CHAPTERS = [
    chapter("01_first", seed=("int", 7), shares=("list[float]", [0.8, 0.2]), title=("str", "")),
    chapter("03_third", seed=("int", 7), epochs=("int", 1), rate=("float", 0.1), text=("bool", True)),
]


def notebook_with(tmp_path: Path, source: str) -> Path:
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL})
    cell = nbformat.v4.new_code_cell(source)
    cell.metadata["tags"] = ["parameters"]
    notebook.cells = [cell]
    path = tmp_path / "01_made.ipynb"
    nbformat.write(notebook, path)
    return path


def test_name_type_default_and_help_come_from_the_tagged_cell(tmp_path):
    path = notebook_with(tmp_path, 'k: int = 10  # length of a list\nkinds: list[str] = ["view"]  # what counts')
    assert read_parameters(path) == {
        "k": Parameter("k", "int", 10, "length of a list"),
        "kinds": Parameter("kinds", "list[str]", ["view"], "what counts"),
    }


@pytest.mark.parametrize(
    ("line", "default"),
    [
        ('query: str = "a=b # c"  # has an equals sign and a hash', "a=b # c"),
        ('kinds: list[str] = ["a=1", "b|2"]  # lists of them', ["a=1", "b|2"]),
        ('columns: str = ("user=id, "\n                "item=sku")  # over two lines', "user=id, item=sku"),
    ],
)
def test_a_default_may_hold_whatever_python_reads(tmp_path, line, default):
    """papermill's own reader cuts these lines at the second sign and then breaks --set."""
    path = notebook_with(tmp_path, f"{line}\nk: int = 10  # length of a list")
    first, second = read_parameters(path).values()
    assert (first.default, second) == (default, Parameter("k", "int", 10, "length of a list"))
    assert first.help in line
    (made,) = list_chapters(tmp_path)
    assert plan_parameters([made], ["k=3"]) == {"01_made": {"k": 3}}


@pytest.mark.parametrize(
    "line",
    ["k: int = 2 * 5  # ten", "k: int | None = None  # or not", "k: set[int] = []", "k: int =", "k: float = 1e400",
     "k: list[float] = [1.0, -1e400]", 'k: int = "two"', "k = {}", "k = [1]"],
)  # fmt: skip
def test_a_line_that_is_no_plain_value_names_the_notebook_and_the_line(tmp_path, line):
    with pytest.raises(ParameterError, match=r"RK-305 parameter (k|line 1) in 01_made\.ipynb cannot be read"):
        read_parameters(notebook_with(tmp_path, line))


@pytest.mark.parametrize(
    ("chapter", "name", "value", "words"),
    [
        (
            "04_evaluation",
            "models",
            "item_knn",
            r"RK-303 .*'item_knn'; expected list\[str\].*-y 'models: \[item_knn\]'",
        ),
        ("04_evaluation", "models", ["ease", 5], "RK-303"),
        ("04_evaluation", "tuned", 1, "RK-303 .*expected bool"),
        ("04_evaluation", "min_rating", math.inf, "RK-303 .*expected float"),
        ("03_finetuning", "epochs", math.nan, "RK-303 .*is nan; expected int, such as 2"),
        ("03_finetuning", "epochs", True, "RK-303"),
        ("03_finetuning", "epochs", -1, "RK-307 .*expected from 1 to 1000"),
        ("03_finetuning", "weight_decay", math.inf, "RK-303"),
        ("03_finetuning", "weight_decay", 2, "RK-307"),
        ("05_case_study", "wish", 7, "RK-303 .*-r wish 7"),
        ("01_preprocessing", "split", "by chance", "RK-307"),
    ],
)
def test_a_value_that_came_past_the_command_is_refused_too(chapter, name, value, words):
    """What papermill -p and a cell edited by hand put into the kernel."""
    with pytest.raises(ParameterError, match=words):
        check_parameters(chapter, {name: value})


def test_values_of_the_declared_type_pass_and_other_variables_are_not_looked_at():
    check_parameters("03_finetuning", {"epochs": 5, "weight_decay": 0, "labels": math.nan})
    check_parameters("a_notebook_of_mine", {"epochs": math.nan})


def test_chapters_are_listed_in_order_also_from_a_folder_with_braces_in_its_name(tmp_path):
    folder = tmp_path / "odd {name}"
    folder.mkdir()
    for name in ("02_b", "01_a"):
        notebook_with(tmp_path, "seed: int = 7  # s").rename(folder / f"{name}.ipynb")
    (folder / "notes.ipynb").write_text("not a chapter")
    assert [(c.name, c.number) for c in list_chapters(folder)] == [("01_a", "01"), ("02_b", "02")]


def test_a_setting_reaches_every_chapter_that_declares_the_name():
    assert plan_parameters(CHAPTERS, ["seed=3"]) == {"01_first": {"seed": 3}, "03_third": {"seed": 3}}


@pytest.mark.parametrize("settings", [["seed=3", "03.seed=5"], ["03.seed=5", "seed=3"], ["seed=3", "03_third.seed=5"]])
def test_the_setting_for_one_chapter_wins_whatever_the_order(settings):
    assert plan_parameters(CHAPTERS, settings) == {"01_first": {"seed": 3}, "03_third": {"seed": 5}}


def test_a_value_may_hold_an_equals_sign_and_a_dot():
    assert plan_parameters(CHAPTERS, ["title=a=b.c"])["01_first"] == {"title": "a=b.c"}


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("epoch=2", "RK-302 parameter 'epoch' is unknown.*Did you mean epochs"),
        ("01.epochs=2", "RK-302 parameter 'epochs' is unknown to 01_first"),
        ("02.seed=2", "RK-326 chapter '02' of 02.seed is not selected"),
        ("seed", "RK-310 setting 'seed' has no value"),
        ("seed=2.0", "RK-303 parameter seed of 01_first is '2.0'; expected int, such as 7.*what seed does"),
        ("seed=", "RK-303"),
        ("rate=nan", "RK-303"),
        ("rate=fast", "RK-303"),
        ("text=maybe", "RK-303"),
        ("shares=a,b", "RK-303"),
    ],
)
def test_a_wrong_setting_is_refused_with_the_value_and_the_remedy(setting, words):
    with pytest.raises(ParameterError, match=words):
        plan_parameters(CHAPTERS, [setting])


@pytest.mark.parametrize(
    ("name", "kind", "text", "meaning", "words"),
    [
        ("profile", "str", "fast", "", "expected one of quick, full"),
        ("dataset", "str", "toy", "", "Did you mean toyshop"),
        ("split", "str", "by chance", "", "expected one of time, leave_last_out"),
        ("n_users", "int", "-5", "shoppers [0..]", r"expected at least 0\. It means: shoppers"),
        ("share", "float", "1.01", "of all steps [0..1]", "expected from 0 to 1"),
        ("rate", "float", "0", "step size [1e-9..1]", "expected from 1e-09 to 1"),
    ],
)
def test_a_value_out_of_range_is_refused_before_a_kernel_starts(name, kind, text, meaning, words):
    with pytest.raises(ParameterError, match=f"RK-307 parameter {name} of 01_first .*{words}"):
        convert(text, Parameter(name, kind, None, meaning), "01_first")


def test_the_ends_of_a_range_belong_to_it():
    share = Parameter("share", "float", 0.1, "of all steps [0..1]")
    assert [convert(text, share, "01_first") for text in ("0", "1")] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("007", "str", "007"),
        ("-3", "int", -3),
        ("1e-4", "float", 1e-4),
        ("Yes", "bool", True),
        ("a, b", "list[str]", ["a", "b"]),
        ('["a, b", "c"]', "list[str]", ["a, b", "c"]),
        ("[1, 2]", "list[int]", [1, 2]),
        ("", "list[str]", []),
    ],
)
def test_values_are_converted_to_the_declared_type(text, kind, value):
    assert convert(text, Parameter("p", kind, None, ""), "01_first") == value


def test_chapters_are_selected_by_number_or_name_in_the_order_of_the_workbook():
    assert [c.number for c in select_chapters(CHAPTERS, ["03", "01_first"])] == ["01", "03"]
    assert select_chapters(CHAPTERS, []) == CHAPTERS


def test_an_unknown_chapter_is_refused_with_those_there_are():
    with pytest.raises(ParameterError, match="RK-304 chapter '07' is unknown; expected one of 01, 03"):
        select_chapters(CHAPTERS, ["07"])


def test_the_readme_shows_the_parameters_of_the_notebooks():
    """Made by: recsys-kit parameters --markdown."""
    text = (project_root() / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- parameters: .*? -->\n(.*?)\n<!-- /parameters -->", text, re.DOTALL)[1]
    assert shown == markdown_table(list_chapters())


@pytest.mark.parametrize("chapter", list_chapters(), ids=lambda chapter: chapter.number)
def test_every_number_among_the_parameters_has_a_range(chapter):
    for parameter in chapter.parameters.values():
        if parameter.kind in ("int", "float"):
            low, high = parameter.bounds
            assert low <= parameter.default <= high
            assert (low, high) != (-math.inf, math.inf), parameter.name


@pytest.mark.parametrize(
    ("chapter", "line", "setting", "words"),
    [
        ("04_evaluation", "models: list[str] = []", {"models": "item_knn"}, "RK-303 .*'item_knn'; expected list"),
        ("03_finetuning", "epochs: int = 2", {"epochs": math.nan}, "RK-303 .*is nan; expected int"),
        ("03_finetuning", "epochs: int = 2000", {}, "RK-307 .*from 1 to 1000"),
        ("04_evaluation", "models: list[str] = []\nmodels = ('ease',)", {}, "RK-303 .*'ease'.*; expected list"),
    ],
)
def test_a_notebook_that_runs_without_our_command_checks_its_own_parameters(tmp_path, chapter, line, setting, words):
    open_it = (
        "from recsys_kit.workbook.runner.runs import open_run\n"
        f"run = open_run({str(tmp_path / 'run')!r}, chapter={chapter!r}, seed=7)"
    )
    path = notebook_with(tmp_path, line)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(open_it))
    nbformat.write(notebook, path)
    with pytest.raises(PapermillExecutionError, match=words):
        papermill.execute_notebook(path, tmp_path / "made.ipynb", parameters=setting, progress_bar=False)


def test_a_readers_own_notebook_may_call_other_things_by_the_names_of_parameters(tmp_path):
    """Each kernel costs seconds: one has all of them."""
    path = tmp_path / "mine.ipynb"
    mine = (
        "from recsys_kit import EASE\nfrom recsys_kit.workbook.runner.runs import open_run\n"
        "models = {'mine': EASE()}\nshares = (1, 2)\nk = range(3)\nepochs = print\n"
        f"run = open_run({str(tmp_path / 'run')!r}, chapter='04_evaluation', seed=7)"
    )
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(mine)]), path)
    papermill.execute_notebook(path, tmp_path / "made.ipynb", progress_bar=False, kernel_name="python3")
    assert (tmp_path / "run" / "run.json").exists()
