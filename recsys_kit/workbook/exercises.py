"""Check the answers to the exercises of the notebooks, with a hint for each likely mistake.

A check cell is one line, `check("01.1", answer, parts)`, which does not reveal the answer. The variables after the
answer are those that the question is about, so that a check works on any data set. What a check says is in
`exercises.toml`.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.plots import shorten

ROUNDED = 1e-3, 5e-4  # relative and absolute tolerance of fractions: three digits do; whole numbers are exact
SEVERAL = list | tuple | set | frozenset | np.ndarray | pd.Index | pd.Series
NOTHING = "Nothing to answer here: this data set lacks what the question is about."
TEXTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
Key = tuple[Any, dict[str, Any]]  # right answer (NaN if there is none); hint -> the wrong answer that it is for


class AnyOf(tuple):
    """Several right answers."""


# -- chapter 1 -------------------------------------------------------------------------------------------------------


def _pairs_of_new_shoppers(parts: Any) -> Key:
    truth, known = parts.ground_truth("test")["user_id"], parts.train["user_id"]
    shoppers, events = truth.drop_duplicates(), parts.test["user_id"]
    return _share(~truth.isin(known), shoppers=~shoppers.isin(known), events=~events.isin(known))


def _events_after_the_first_of_test(cuts: Mapping[str, Any]) -> Key:
    cut = cuts["at random"]
    when = "timestamp" if "timestamp" in cut.train else "position"
    train, test = cut.train[when], cut.test[when]
    after = train > test.min()
    return int(after.sum()), {
        "last": int((train > test.max()).sum()),
        "share": float(after.mean()),
        "percent": 100 * float(after.mean()),
        "same_moment": int((train >= test.min()).sum()),
    }


# -- chapter 2 -------------------------------------------------------------------------------------------------------


def _weight_of_a_word(encoder: Any, word: str, n_texts: int, n_with_word: int) -> Key:
    right = float(encoder.how["idf"][encoder.vocabulary.index(word)])
    ratio, plain_ratio = (1 + n_texts) / (1 + n_with_word), n_texts / max(n_with_word, 1)
    return right, {
        "logarithm_alone": right - 1,
        "base_10": float(np.log10(ratio)) + 1,
        "base_2": float(np.log2(ratio)) + 1,
        "counts_as_they_are": float(np.log(plain_ratio)) + 1,
        "no_1_at_all": float(np.log(plain_ratio)),
    }


def _texts_cut_short(lengths: Any, limit: int) -> Key:
    lengths = np.asarray(lengths)
    return _share(lengths > limit, as_long_as_the_limit=lengths >= limit)


def _nearest_text(wish: str, model: Any, dense: Any, encoder: Any, features: Mapping[str, Any]) -> Key:
    row = int((dense.values @ model.encode([wish])[0]).argmax())
    by_words = (encoder.encode([wish]) @ features["tfidf"].values.T).toarray()
    return dense.ids[row], {"by_words": dense.ids[int(by_words.argmax())], "row": row}


# -- chapter 3 -------------------------------------------------------------------------------------------------------


def _macro_f1_of_the_majority(p: float, n: int) -> Key:
    f1 = 2 * p / (1 + p)
    if not n:
        return np.nan, {}
    return f1 / n, {"one_label": f1, "accuracy": p, "precision": p / n}


def _optimizer_steps(words: list[str], batch_size: int, n_epochs: int) -> Key:
    of_an_epoch = -(-len(words) // batch_size)
    return n_epochs * of_an_epoch, {
        "one_epoch": of_an_epoch,
        "whole_batches": n_epochs * (len(words) // batch_size),
        "parts_of_a_step": n_epochs * len(words) / batch_size,
        "rounded_last": -(-n_epochs * len(words) // batch_size),
        "reviews": n_epochs * len(words),
    }


def _label_of_my_review(my_review: str, chosen: Any) -> Key:
    return str(chosen.predict([my_review])[0]), {}


# -- chapter 4 -------------------------------------------------------------------------------------------------------


def _f1_by_hand() -> Key:
    precision, recall = 3 / 10, 3 / 12
    half = precision * recall / (precision + recall)
    return 2 * half, {"precision": precision, "recall": recall, "plain_mean": (precision + recall) / 2, "half": half}


def _shoppers_with_a_hit(evaluation: Any) -> Key:
    per_user = evaluation.per_user
    of_hybrid, of_stack = (per_user[per_user["model"] == model] for model in ("hybrid", "stack"))
    return _share(
        of_hybrid["hit_rate@5"].dropna() > 0,
        first_ten=of_hybrid["hit_rate@10"],
        all_models=per_user["hit_rate@5"],
        stack=of_stack["hit_rate@5"],
        recall=of_hybrid["recall@5"],
        precision=of_hybrid["precision@5"],
    )


# -- chapter 5 -------------------------------------------------------------------------------------------------------


def _who_agrees_most(lists: Mapping[str, list[str]]) -> Key:
    shared = {frozenset(pair): len(set(lists[pair[0]]) & set(lists[pair[1]])) for pair in combinations(lists, 2)}
    if not shared:
        return np.nan, {}
    most, least = (AnyOf(pair for pair, n in shared.items() if n == end(shared.values())) for end in (max, min))
    itself = AnyOf([*lists, *(frozenset([name]) for name in lists)])
    return most, {"shared": max(shared.values()), "least": least, "one_model": itself}


def _second_for_one_click(showcase: Any, serving: str, product: str) -> Key:
    listed = showcase.recommend(serving, history=[product], k=2)
    found = listed["item_id"].astype(str).tolist()
    if len(found) < 2:
        return np.nan, {}
    return found[1], {"first": found[0], "product": product, "title": listed["title"].iloc[1], "both": found}


KEYS: dict[str, Callable[..., Key]] = {
    "01.1": _pairs_of_new_shoppers,
    "01.2": _events_after_the_first_of_test,
    "02.1": _weight_of_a_word,
    "02.2": _texts_cut_short,
    "02.3": _nearest_text,
    "03.1": _macro_f1_of_the_majority,
    "03.2": _optimizer_steps,
    "03.3": _label_of_my_review,
    "04.1": _f1_by_hand,
    "04.2": _shoppers_with_a_hit,
    "05.1": _who_agrees_most,
    "05.2": _second_for_one_click,
}  # every exercise with a definite answer


def check(exercise: str, answer: Any, *given: Any) -> None:
    """Print whether the answer is right, with a hint for a likely mistake.

    An unanswered exercise (`...`) passes, so that a batch run succeeds. A wrong answer never raises.

    Args:
        exercise: chapter and number, as in `KEYS`.
        answer: the answer of the reader.
        given: variables of the notebook that the question is about; None or empty if the data set lacks them.

    >>> check("04.1", ...)
    Not answered yet: complete the line above, then run both cells.
    >>> check("04.1", 0.27)
    Nearly. Three digits, please.
    >>> check("04.1", 0.25)
    Nearly. That is the recall.
    >>> check("04.1", 2.0)
    Not yet: you have 2.0.
    """
    if any(thing is None or (isinstance(thing, Mapping) and not thing) for thing in given):
        print(NOTHING)
    elif answer is ...:
        print("Not answered yet: complete the line above, then run both cells.")
    else:
        print(_compare(exercise, answer, KEYS[exercise](*given), given))


def _compare(exercise: str, answer: Any, key: Key, given: Sequence[Any] = ()) -> str:
    (right, slips), texts = key, TEXTS["any"] | TEXTS[exercise]
    answer = answer.item() if isinstance(answer, np.ndarray | np.generic) and not answer.ndim else answer
    if isinstance(right, float) and np.isnan(right):
        return NOTHING
    if _is_same(answer, right):
        return f"Right. {texts['why']}"
    for hint, wrong in [*slips.items(), *_find_slips(answer, right, texts.get("is_share", False))]:
        if _is_same(answer, wrong):
            return f"Nearly. {texts[hint].format(*given)}"
    return f"Not yet: you have {shorten(repr(answer), 80)}."


def _find_slips(answer: Any, right: Any, is_share: bool) -> Iterable[tuple[str, Any]]:
    """Yield the hints for mistakes in any exercise, each with the wrong answer that it is for."""
    is_number = isinstance(right, int | float)
    if isinstance(answer, SEVERAL | pd.DataFrame):
        if len(answer) == 1 and _is_same(next(iter(answer)), right):
            yield "list_of_one", answer
        if is_number:
            yield "listed" if not is_share and len(answer) == right else "no_number", answer
    elif is_number and isinstance(answer, str):
        if re.fullmatch(r"[-+]?\d*[.,]?\d+", answer.strip()):
            yield "quoted", answer
    elif is_share and right:
        yield from (("percentage", wrong) for wrong in (100 * right, round(100 * right), round(100 * right, 1)))
    elif isinstance(right, str) and _strip_zeros(answer) == _strip_zeros(right):
        yield "zeros", answer
    if isinstance(right, float):
        yield from (("digits", round(right, digits)) for digits in (2, 1) if round(right, digits))


def _share(of: Any, **others: Any) -> Key:
    """Return the key of a share of true values; the usual mistakes, and the means of `others`, are its slips."""
    share, *means = (float(pd.Series(values).mean()) for values in (of, *others.values()))
    return share, dict(zip(others, means, strict=True)) | {"others": 1 - share, "count": int(np.sum(of))}


def _is_same(answer: Any, expected: Any) -> bool:
    if answer is expected:
        return True
    if isinstance(expected, AnyOf):
        return any(_is_same(answer, one) for one in expected)
    if isinstance(expected, frozenset):
        return isinstance(answer, SEVERAL) and set(map(str, answer)) == expected
    if any(isinstance(answer, kind) != isinstance(expected, kind) for kind in (bool | np.bool_, str)):
        return False  # True is not 1, and "1" is not 1
    with suppress(TypeError, ValueError, OverflowError):  # not numbers: texts, lists of ids
        same_shape = np.shape(answer) == np.shape(expected)
        rtol, atol = (0, 1e-9) if np.all(np.asarray(expected, float) % 1 == 0) else ROUNDED
        return bool(same_shape and np.allclose(answer, expected, rtol=rtol, atol=atol))
    with suppress(TypeError):  # pd.NA is neither equal to a thing nor different
        return np.array_equal(np.asarray(answer, dtype=object), np.asarray(expected, dtype=object))
    return False


def _strip_zeros(item_id: Any) -> str:
    """Return an id as a number, without leading zeros."""
    return str(item_id).strip().removesuffix(".0").lstrip("0")
