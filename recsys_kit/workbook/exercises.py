"""The check cell of an exercise: silent about what is unanswered, exact about what is nearly right."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

ROUNDED = 1e-3  # three digits of a fraction are enough; a whole number is exact


def _same(answer: Any, expected: Any) -> bool:
    if isinstance(expected, pd.DataFrame | pd.Series):
        return type(answer) is type(expected) and answer.equals(expected)
    if isinstance(answer, bool | np.bool_) != isinstance(expected, bool | np.bool_):
        return False  # True is no 1
    try:
        same_shape = np.shape(answer) == np.shape(expected)
        rounded = 0 if np.all(np.asarray(expected, float) % 1 == 0) else ROUNDED
        return bool(same_shape and np.allclose(answer, expected, rtol=rounded, atol=1e-9, equal_nan=True))
    except (TypeError, ValueError):  # not numbers: texts, lists of ids
        return np.array_equal(np.asarray(answer, dtype=object), np.asarray(expected, dtype=object))


def check_answer(answer: Any, right: Any, *, nearly: Mapping[str, Any] | None = None) -> None:
    """Print whether `answer` is right; `nearly` maps a hint to the wrong answer that deserves it.

    An unanswered exercise (`...`) passes, so that a batch run stays green; a wrong answer prints, and never raises.

    >>> check_answer(..., 0.4)
    Not answered yet: complete the line above, then run both cells.
    >>> check_answer(0.333, 1 / 3)
    Right.
    >>> check_answer(0.8, 0.4, nearly={"Divide by k, not by the number of hits.": 0.8})
    Nearly. Divide by k, not by the number of hits.
    >>> check_answer(100_001, 100_000)
    Not yet: you have 100001.
    >>> check_answer(True, 1)
    Not yet: you have True.
    """
    if answer is ...:
        print("Not answered yet: complete the line above, then run both cells.")
    elif _same(answer, right):
        print("Right.")
    elif hint := next((hint for hint, wrong in (nearly or {}).items() if _same(answer, wrong)), None):
        print(f"Nearly. {hint}")
    else:
        print(f"Not yet: you have {answer!r}.")
