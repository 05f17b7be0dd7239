"""The files that install the workbook agree with each other, and importing it is light."""

import os
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import pytest
import yaml

import recsys_kit

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, TOOLS = PYPROJECT["project"], PYPROJECT["tool"]
CONSTRAINTS = (ROOT / "constraints.txt").read_text().splitlines()


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=!~ \[]", name)[0]).lower()


def pins() -> dict[str, str]:
    lines = [line for line in CONSTRAINTS if line and not line.startswith("#")]
    assert all(
        re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+", line) for line in lines
    )  # no local suffix, hash or link
    return {plain(line): line.split("==")[1] for line in lines}


def test_every_direct_dependency_is_pinned():
    extras = PROJECT["optional-dependencies"]["test"]
    assert {plain(name) for name in PROJECT["dependencies"] + extras} <= set(pins())
    assert "setuptools" in pins()  # the build backend, so that a set-up is the same every time


def test_torch_is_the_same_everywhere():
    assert pins()["torch"] == "2.13.0"
    assert "torch==2.13.0" in PROJECT["dependencies"]


def test_torchvision_is_absent():
    assert "torchvision" not in pins()
    assert find_spec("torchvision") is None


def test_the_conda_environment_agrees_and_gives_a_reason_for_each_package():
    text = (ROOT / "environment.yml").read_text()
    lines = yaml.safe_load(text)["dependencies"]
    (from_pip,) = [line["pip"] for line in lines if isinstance(line, dict)]
    assert [line for line in from_pip if not line.startswith("-")] == PROJECT["dependencies"]
    assert from_pip[0] == "-c constraints.txt"
    assert from_pip[-1] == "-e ."
    packages = [line for line in text.splitlines() if re.match(r"\s+- [a-z]", line) and not line.endswith(":")]
    without = [line for line in packages if " # " not in line.replace("  # ", " # ") and "conda-forge" not in line]
    assert without == []


@pytest.mark.parametrize(
    ("library", "module"),
    [
        ("papermill", "papermill.clientwrap"),
        ("nbconvert", "nbconvert.filters.markdown_mistune"),
    ],
)
def test_a_library_whose_undocumented_modules_are_used_has_an_upper_bound(library, module):
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "recsys_kit").rglob("*.py"))
    assert f"from {module} import" in sources
    (requirement,) = [line for line in PROJECT["dependencies"] if plain(line) == library]
    assert re.search(r",<\d+$", requirement)


OTHER_PYTHONS = ("3.12", "3.13")  # the others that `requires-python` allows


@pytest.mark.parametrize("number", OTHER_PYTHONS)
def test_another_python_reads_every_file_and_imports_what_needs_no_library(number, tmp_path):
    found = which(f"python{number}")
    environment = os.environ | {"PYENV_VERSION": number, "PYTHONPYCACHEPREFIX": str(tmp_path), "PYTHONPATH": str(ROOT)}
    if not found or subprocess.run([found, "-c", ""], env=environment, capture_output=True).returncode:
        pytest.skip(f"there is no Python {number} here")
    code = """
import compileall, warnings
from importlib import import_module
warnings.simplefilter("error")
for name in ("recsys_kit", "recsys_kit.errors", "recsys_kit.core.threads", "recsys_kit.workbook.runner.signals"):
    import_module(name)
ok = all(compileall.compile_dir(folder, quiet=1, force=True) for folder in ("recsys_kit", "tests", "benchmarks"))
raise SystemExit(not ok)
"""
    result = subprocess.run([found, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_nothing_ties_the_project_to_one_machine():
    for name in ("pyproject.toml", "constraints.txt", "environment.yml", "Makefile", ".ci/run"):
        text = (ROOT / name).read_text()
        assert not re.search(r"https?://(?!docs)|find-links=|index-url=|/home/|/root/", text), name


def test_importing_the_package_is_light():
    code = "import sys, recsys_kit; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    ).stdout.split()
    assert "recsys_kit" in loaded
    assert not {"torch", "transformers", "pandas", "numpy", "matplotlib", "sklearn", "papermill", "typer"} & set(loaded)


@pytest.mark.parametrize("name", recsys_kit.__all__)
def test_a_public_name_is_where_the_stub_says(name):
    assert getattr(recsys_kit, name).__name__ == name if name != "MODELS" else recsys_kit.MODELS


def test_the_stub_has_every_public_name_and_a_type_checker_sees_it():
    stub = (ROOT / "recsys_kit/__init__.pyi").read_text(encoding="utf-8")
    names = set(re.findall(r"^from recsys_kit\.\S+ import (\w+) as \1$", stub, re.M))
    assert names == set(recsys_kit.__all__) == set(recsys_kit.PUBLIC) <= set(dir(recsys_kit))
    assert stub.count("import") == len(names)  # an import without `as` would be private to a checker


def test_a_classic_recommender_is_imported_without_scikit_learn_and_pytorch():
    code = "import sys; from recsys_kit import EASE; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout.split()
    assert "pandas" in loaded
    assert not {
        "torch",
        "transformers",
        "sklearn",
        "scipy.stats",
        "matplotlib",
        "lightgbm",
        "papermill",
        "typer",
    } & set(loaded)


def test_the_type_checker_excuses_no_more_modules_than_it_did():
    overrides = TOOLS["mypy"]["overrides"]
    excused = [name for one in overrides if "disable_error_code" in one for name in one["module"]]
    assert len(excused) <= 24  # may only fall
    assert all(find_spec(name.removesuffix(".*")) for name in excused)
    assert not any("ignore_errors" in one for one in (TOOLS["mypy"], *overrides))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = recsys_kit.nothing


def test_the_citation_and_the_changelog_agree_with_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # what the format requires
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", changelog, re.M)
    assert headings[0] == ("Unreleased", "")
    assert headings[1] == (PROJECT["version"], citation["date-released"])


def test_the_policy_for_saved_files_names_the_numbers_of_the_code():
    from recsys_kit.recommenders.store import VERSION
    from recsys_kit.shop.bundle import FORMAT
    from recsys_kit.workbook.runner.manifest import SCHEMA_VERSION

    policy = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    expected = [f"`schema_version` {SCHEMA_VERSION} in", f"`version` {VERSION} in", f"`format` {FORMAT} in"]
    assert [line for line in expected if line not in policy] == []
