"""Error codes: each has one meaning, and the index of them is complete."""

import ast
import re

import pytest

from recsys_kit import errors
from recsys_kit.errors.__main__ import CODE, MEANINGS, PACKAGE, find_sites, write_index
from tests.conftest import ROOT

SITES = find_sites()


def test_every_code_of_the_source_has_a_meaning_and_no_meaning_is_left_over():
    mentioned = {code for path in PACKAGE.rglob("*.py") for code in CODE.findall(path.read_text(encoding="utf-8"))}
    assert sorted(mentioned) == list(MEANINGS), "one line in recsys_kit/errors/meanings.toml for each code, in order"
    assert {site.code for site in SITES} == set(MEANINGS), "a code that is only mentioned is never raised"


def test_two_codes_do_not_mean_the_same():
    assert len(set(MEANINGS.values())) == len(MEANINGS)
    for meaning in MEANINGS.values():
        assert meaning.endswith(".") and len(meaning.split()) < 25


@pytest.mark.parametrize("code", MEANINGS)
def test_a_code_is_raised_as_one_class_of_error(code):
    assert len({site.kind for site in SITES if site.code == code}) == 1


def test_every_class_of_error_is_found_by_its_calls():
    classes = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    assert {site.kind for site in SITES} == classes
    for path in PACKAGE.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] in classes - {"NothingToDo"}:
                code = call.args[0].value if isinstance(call.args[0], ast.Constant) else None
                assert CODE.fullmatch(str(code)), f"{path.name}:{call.lineno}: a code is written out where it is raised"


def test_the_page_of_error_codes_is_what_the_command_prints():
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (RK-\d{3}) ", page, re.M) == list(MEANINGS)
    assert page == write_index(), "run: python -m recsys_kit.errors > docs/errors.md"
