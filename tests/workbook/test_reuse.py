"""An unchanged chapter is reused; one change runs exactly what depends on it; a status says the same beforehand."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from recsys_kit.workbook.runner import reuse
from recsys_kit.workbook.runner.execute import Outcome, execute
from recsys_kit.workbook.runner.imports import find_files
from recsys_kit.workbook.runner.manifest import edit_manifest, read_manifest
from recsys_kit.workbook.runner.parameters import list_chapters, plan_parameters, select_chapters
from recsys_kit.workbook.runner.reuse import forecast, hash_code, reasons_to_run
from recsys_kit.workbook.runner.storage import digest_of, hashes_of
from tests.conftest import ROOT
from tests.workbook.chain import edit_cell, write_chain

WRITTEN = ("data", "features", "models", "results")


@dataclass
class Chain:
    """The tiny workbook and one run of it."""

    notebooks: Path
    folder: Path

    def run(self, *settings: str, only: tuple[str, ...] = (), **options) -> list[Outcome]:
        everything = list_chapters(self.notebooks)
        chapters = select_chapters(everything, only)
        given = [f"source={self.notebooks / 'source.txt'}", *settings] if not only or "01" in only else list(settings)
        others = [chapter for chapter in everything if chapter not in chapters]
        return execute(chapters, self.folder, parameters=plan_parameters(chapters, given), others=others, **options)

    def ran(self, *settings: str, **options) -> list[str]:
        """The numbers of the chapters that did not come out of an earlier run."""
        return [outcome.chapter[:2] for outcome in self.run(*settings, **options) if not outcome.reused]

    def would_run(self) -> list[str]:
        chapters, manifest = list_chapters(self.notebooks), read_manifest(self.folder)
        settings = {name: values | {"run_dir": "x"} for name, values in manifest["parameters"].items()}
        return [name[:2] for name, why in forecast(self.folder, manifest, chapters, settings).items() if why]

    def status(self, number: str) -> str:
        chapters = read_manifest(self.folder)["chapters"]
        return next(state["status"] for name, state in chapters.items() if name.startswith(number))

    def hashes(self) -> dict[str, str]:
        return {k: v for part in WRITTEN for k, v in hashes_of(self.folder / part, self.folder).items()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Chain:
    """One finished run that nobody changes."""
    root = tmp_path_factory.mktemp("chain")
    chain = Chain(write_chain(root / "notebooks"), root / "run")
    assert [(o.chapter[:2], o.status) for o in chain.run()] == [
        ("01", "done"), ("02", "done"), ("03", "skipped"), ("04", "done")
    ]  # fmt: skip
    return chain


@pytest.fixture
def chain(finished, tmp_path) -> Chain:
    """A copy of it, to be changed."""
    shutil.copytree(finished.notebooks, tmp_path / "notebooks")
    shutil.copytree(finished.folder, tmp_path / "run")
    with edit_manifest(tmp_path / "run") as manifest:  # the copy's source lies elsewhere
        state = manifest["chapters"]["01_preprocessing"]
        old, new = (str(folder / "source.txt") for folder in (finished.notebooks, tmp_path / "notebooks"))
        state["files"] = {new: state["files"][old]}
        state["made_with"]["parameters"]["source"] = manifest["parameters"]["01_preprocessing"]["source"] = new
    return Chain(tmp_path / "notebooks", tmp_path / "run")


def test_nothing_changed_nothing_runs(chain):
    before = chain.hashes(), (chain.folder / "notebooks/01_preprocessing.html").stat().st_mtime_ns
    outcomes = chain.run()
    assert [outcome.reused for outcome in outcomes] == [True] * 4
    assert [outcome.status for outcome in outcomes] == ["done", "done", "skipped", "done"]
    assert outcomes[2].reason == "this data set has no reviews"
    assert (chain.hashes(), (chain.folder / "notebooks/01_preprocessing.html").stat().st_mtime_ns) == before
    assert chain.would_run() == []


def change_file(name: str, content: bytes | None):
    def change(chain: Chain) -> None:
        path = chain.folder / name
        path.unlink() if content is None else path.write_bytes(content)

    return change


def change_version(chain: Chain) -> None:
    with edit_manifest(chain.folder) as manifest:
        manifest["chapters"]["04_evaluation"]["made_with"]["versions"]["numpy"] = "1.26.0"


def change_source(chain: Chain) -> None:
    (chain.notebooks / "source.txt").write_text("j")


def change_source_without_effect(chain: Chain) -> None:
    (chain.notebooks / "source.txt").write_text("i and more")


def edit(name: str, before: str, after: str, cell: str = "work"):
    return lambda chain: edit_cell(chain.notebooks / f"{name}.ipynb", cell, before, after)


@pytest.mark.parametrize(
    ("change", "settings", "expected"),
    [
        (None, ["rows=4"], ["01", "02", "04"]),  # 03 looks for reviews, and there are none still
        (None, ["rows=6"], ["01", "02", "03", "04"]),
        (None, ["seed=8"], ["01", "02", "03", "04"]),
        (None, ["02.seed=8"], ["02"]),  # its output is the same, so nothing after it runs
        (None, ["02.factor=3"], ["02", "04"]),
        (None, ["epochs=2"], ["03"]),
        (None, ["k=2"], ["04"]),
        (None, ["k=10"], []),  # the default, said aloud
        (change_source, [], ["01", "02", "04"]),
        (change_source_without_effect, [], ["01"]),
        (edit("02_feature_extraction", "factor}", "factor + 1}"), [], ["02", "04"]),
        (edit("02_feature_extraction", "items = run", "items  =  run"), [], ["02"]),
        (edit("04_evaluation", "head(k)", "head(k + 1)"), [], ["04"]),
        (change_version, [], ["04"]),
        (change_file("notebooks/02_feature_extraction.html", None), [], ["02"]),
        (change_file("notebooks/03_finetuning.ipynb", None), [], ["03"]),
    ],
)
def test_one_change_runs_exactly_what_depends_on_it(chain, change, settings, expected):
    if change:
        change(chain)
        assert chain.would_run()[:1] == expected[:1]
    assert chain.ran(*settings) == expected
    assert chain.ran(*settings) == []


@pytest.mark.parametrize("name", ["data/items.parquet", "features/notes.json", "results/leaderboard.csv"])
@pytest.mark.parametrize("content", [None, b"PAR1"])
def test_a_damaged_or_missing_output_is_made_again_by_its_chapter_and_said(chain, finished, capsys, name, content):
    change_file(name, content)(chain)
    assert len(chain.ran()) == 1
    assert f"{name} is {'damaged or from elsewhere' if content else 'gone'}" in capsys.readouterr().out
    assert chain.hashes() == finished.hashes()


def test_a_read_after_the_last_write_is_a_dependency_too(tmp_path):
    chain = Chain(write_chain(tmp_path / "notebooks"), tmp_path / "run")
    work = 'notes = run.read("features/notes.json", required=False)'
    edit_cell(chain.notebooks / "03_finetuning.ipynb", "work", "reviews = run", f"{work}\nreviews = run")
    path = chain.notebooks / "01_preprocessing.ipynb"
    edit_cell(path, "work", "if rows > 5:", 'late = run.read("features/notes.json", required=False)\nif rows > 5:')
    chain.run("rows=3")
    inputs = {name: state.get("inputs") for name, state in read_manifest(chain.folder)["chapters"].items()}
    assert inputs["01_preprocessing"] == {"features/notes.json": "absent"}
    assert set(inputs["03_finetuning"]) == {"features/notes.json", "data/reviews.parquet"}
    assert chain.would_run() == ["01", "02", "03", "04"]  # 01 has read the notes before 02 made them


# -- the code that a chapter imports -----------------------------------------------------------------------------------


def edited(package: Path, name: str) -> list[str]:
    """The chapters of the workbook that are out of date after one line is added to a file of a package."""
    notebooks = sorted((ROOT / "notebooks").glob("0*.ipynb"))
    sources = {path.stem[:2]: code_of(path) for path in notebooks}
    before = {number: hash_code(source, package) for number, source in sources.items()}
    path = package / name
    content = path.read_bytes()
    path.write_bytes(content + b"\n")
    after = {number: hash_code(source, package) for number, source in sources.items()}
    path.write_bytes(content)
    return [number for number in sources if before[number] != after[number]]


def code_of(path: Path) -> str:
    return "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """A copy of this package."""
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(ROOT / "recsys_kit", tmp_path_factory.mktemp("copy") / "recsys_kit", ignore=ignored))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cli/__init__.py", []),
        ("workbook/report/report.html.j2", []),
        ("workbook/report/page.py", []),
        ("workbook/runner/execute.py", []),
        ("recommenders/linear.py", ["04", "05"]),  # 05 asks the models that 04 has saved
        ("recommenders/neighbours.py", ["01", "04", "05"]),
        ("shop/explanations.py", ["04", "05"]),
        ("finetuning/occlusion.py", ["03"]),
        ("widgets/neighbours.py", ["02"]),
        ("evaluation/published.csv", ["04"]),
        ("workbook/exercises.toml", ["01", "02", "03", "04", "05"]),
        ("recommenders/__init__.py", ["04", "05"]),
        ("workbook/lineup.py", ["04"]),
        ("workbook/report/sentences.py", ["01"]),
        ("workbook/report/sentences.toml", ["01"]),
        ("workbook/report/cautions.toml", []),
        ("errors/__init__.py", ["01", "02", "03", "04", "05"]),
        ("core/threads.py", ["01", "02", "03", "04", "05"]),
    ],
)
def test_an_edit_makes_exactly_the_chapters_out_of_date_that_import_the_file(package, name, expected):
    assert edited(package, name) == expected


def test_an_edit_of_an_imported_module_runs_its_chapter(chain, monkeypatch, package):
    edit_cell(
        chain.notebooks / "04_evaluation.ipynb", "work", "items = run", "from recsys_kit import EASE\nitems = run"
    )
    assert chain.ran() == ["04"]
    monkeypatch.setattr(reuse, "PACKAGE", package)
    assert chain.would_run() == []
    (package / "recommenders/linear.py").open("a").write("\n")
    assert chain.would_run() == ["04"]


def write_package(folder: Path, **files: str) -> Path:
    """A package `kit` of the given files; `__` stands for a slash."""
    for name, content in files.items():
        path = folder / "kit" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    for inner in [folder / "kit", *(path for path in (folder / "kit").rglob("*") if path.is_dir())]:
        (inner / "__init__.py").touch()
    return folder / "kit"


MANY = ["many/__init__.py", "many/first.py", "many/inside.py", "many/second.py"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import numpy", []),
        ("from kit.a import f", ["a.py", "b.py", "lazy.py"]),
        ("import kit.b", ["b.py"]),
        ("from kit import b as other\nother.x", ["b.py"]),
        ("from kit.many import one", ["many/first.py"]),
        ("from kit import many\nmany.one()", ["many/first.py"]),
        ("from kit import many\nprint(many)", MANY),
        ("from kit.many import unknown", MANY),
        ("from kit.many.inside import x", ["many/inside.py", "many/second.py"]),
        ("from kit.many.second import MODELS", MANY),
        ("from kit.busy import own", ["b.py", "busy/__init__.py"]),
        ("from kit.busy.part import x", ["b.py", "busy/__init__.py", "busy/part.py"]),
        ("from kit.table import x", ["table.csv", "table.py"]),
        ("%matplotlib inline", None),
    ],
)
def test_imports_are_followed_by_name(tmp_path, source, expected):
    many = "from kit.many.first import one\nfrom kit.many.second import two\n__all__ = ['one', 'two']\n"
    package = write_package(
        tmp_path,
        a="from typing import TYPE_CHECKING\nfrom kit.b import x\nif TYPE_CHECKING:\n    from kit.typed import T\n"
        "def f():\n    from kit.lazy import y\n",
        b="x = 1", lazy="y = 1", typed="T = 1", many__first="one = 1", many__second="two = MODELS = 1",
        many__inside="from kit.many.second import MODELS",
        busy__part="x = 1", table="x = 1",
    )  # fmt: skip
    (package / "table.csv").touch()
    (package / "many/__init__.py").write_text(many)
    (package / "busy/__init__.py").write_text("from kit.b import x\nx += 1\ndef own(): ...\n")
    everything = [path.relative_to(package).as_posix() for path in sorted(package.rglob("*.*"))]
    found = [path.relative_to(package).as_posix() for path in find_files([source], package)]
    assert found == (everything if expected is None else expected)


def test_force_runs_what_has_not_changed_and_makes_the_same_bytes(chain):
    before = chain.hashes()
    assert chain.ran(force=True) == ["01", "02", "03", "04"]
    assert chain.hashes() == before


def test_only_runs_what_is_asked_and_leaves_the_rest_as_it_is(chain):
    assert chain.ran("k=3", only=("04",)) == ["04"]
    assert chain.status("02") == "done"
    assert chain.ran("k=3") == []


def test_an_optional_input_that_appears_later_runs_its_reader_again(tmp_path):
    chain = Chain(write_chain(tmp_path / "notebooks"), tmp_path / "run")
    assert chain.ran(only=("01", "04")) == ["01", "04"]
    assert chain.status("02") == "not_requested"
    assert chain.ran() == ["02", "03", "04"]


def test_a_new_file_of_a_pattern_is_a_reason_to_run_again(tmp_path):
    (tmp_path / "may.csv").write_text("user_id,item_id,timestamp\nu,i,2024-05-01\n")
    now = {"parameters": {"dataset": "files", "interactions": str(tmp_path / "*.csv")}}
    now |= {"versions": {}, "cells": "", "code": ""}
    state = {"made_with": now, "files": hashes_of(tmp_path / "may.csv", tmp_path)}
    state["files"] = {str(tmp_path / name): digest_of({name: digest}) for name, digest in state["files"].items()}
    chapter = list_chapters()[0]
    before = list(reasons_to_run(tmp_path, {"chapters": {chapter.name: state}}, chapter, now))
    shutil.copy(tmp_path / "may.csv", tmp_path / "june.csv")
    after = list(reasons_to_run(tmp_path, {"chapters": {chapter.name: state}}, chapter, now))
    assert set(after) - set(before) == {"june.csv is new"}


def test_after_a_failure_the_same_command_goes_on_at_the_chapter_that_failed(chain):
    edit_cell(chain.notebooks / "02_feature_extraction.ipynb", "work", "items = run", "1 / 0\nitems = run")
    assert [(o.chapter[:2], o.status, o.reused) for o in chain.run()] == [("01", "done", True), ("02", "failed", False)]
    assert chain.status("04") == "not_reached"
    assert chain.would_run() == ["02", "04"]
    edit_cell(chain.notebooks / "02_feature_extraction.ipynb", "work", "1 / 0\n", "")
    assert chain.ran() == ["02"]
    assert chain.status("04") == "done"


def test_a_chapter_opened_by_hand_runs_again(chain, monkeypatch):
    from recsys_kit.workbook.runner.runs import open_run

    monkeypatch.delenv("RECSYS_KIT_LOCK", raising=False)
    open_run(chain.folder, chapter="04_evaluation", seed=7)
    assert chain.status("04") == "opened_by_hand"
    assert chain.ran() == ["04"]


def test_a_reviewless_chapter_is_skipped_with_its_reason_and_its_page_shows_no_error(finished):
    page = (finished.folder / "notebooks/03_finetuning.html").read_text()
    assert "nothing to do: this data set has no reviews" in page
    assert "An Exception was encountered" not in page
    assert read_manifest(finished.folder)["chapters"]["03_finetuning"]["status"] == "skipped"


def test_what_a_skipped_chapter_made_of_other_data_goes(chain):
    chain.run("rows=6")
    assert (chain.folder / "results/review_classification.json").exists()
    chain.run("rows=3")
    assert not (chain.folder / "results/review_classification.json").exists()
