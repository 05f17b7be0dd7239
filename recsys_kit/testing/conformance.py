"""The conformance suite: what every recommender has to do, checked on a planted shop.

One call checks a model; it needs no pytest:

    from recsys_kit.testing import check_recommender

    check_recommender(MyModel())

As tests of their own, one per check:

    import pytest
    from recsys_kit.testing import CHECKS, Subject

    subject = Subject(MyModel())

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_model(check):
        check(subject)
"""

from collections.abc import Container
from inspect import isfunction

from recsys_kit.recommenders import Recommender
from recsys_kit.testing import checks
from recsys_kit.testing.checks import Subject

CHECKS = [
    check
    for name, check in vars(checks).items()
    if isfunction(check) and check.__module__ == checks.__name__ and not name.startswith("_")
]
"""The checks in the order in which `check_recommender` runs them. Each raises `AssertionError` with what is wrong."""


def check_recommender(model: Recommender, *, leave_out: Container[str] = ()) -> None:
    """Run every check of the conformance suite on copies of an unfitted model.

    Args:
        model: an instance of a registered `Recommender`. Choose hyper-parameters for a shop of 32 items and 540
            interactions, such as few epochs.
        leave_out: names of checks that are not run.

    Raises:
        AssertionError: with a line for each check that failed: its name, what was expected and what was found.

    >>> from recsys_kit import EASE
    >>> check_recommender(EASE())
    """
    subject, failures = Subject(model), []
    name = type(subject.model).__name__  # stops here where no check could say anything
    chosen = [check for check in CHECKS if check.__name__ not in leave_out]
    for check in chosen:
        try:
            check(subject)
        except Exception as problem:
            what = problem if isinstance(problem, AssertionError) else f"{type(problem).__name__}: {problem}"
            failures.append(f"{check.__name__}: {what}")
    if failures:
        raise AssertionError("\n".join([f"{name} fails {len(failures)} of {len(chosen)} checks:", *failures]))
