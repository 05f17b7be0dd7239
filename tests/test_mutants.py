"""Every known bug of evaluation code, planted, is caught by the test that is named for it."""

import pytest

from tests.mutants import MUTANTS, ROOT, Copy


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.bug)
def test_the_bug_can_be_planted(mutant):
    source = (ROOT / "recsys_kit" / mutant.file).read_text(encoding="utf-8")
    assert source.count(mutant.old) == 1, f"{mutant.old!r} stands {source.count(mutant.old)} times in {mutant.file}"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    made = Copy(tmp_path_factory.mktemp("mutants"))
    clean = made.run(*sorted({mutant.killer for mutant in MUTANTS}))
    assert clean.returncode == 0, clean.stdout[-2000:]
    return made


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.bug)
def test_the_bug_is_caught(copy, mutant):
    result = copy.plant(mutant, mutant.killer)
    assert result.returncode == 1, f"{mutant.killer} does not see it:\n{result.stdout[-2000:]}{result.stderr[-500:]}"
