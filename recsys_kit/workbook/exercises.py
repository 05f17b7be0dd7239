"""Check the answers to the exercises of the notebooks, with a hint for each likely mistake.

A check cell is one line, `check("01.1", answer, parts)`, which does not reveal the answer. The variables after the
answer are those that the question is about, so that a check works on any data set. The texts are in `exercises.toml`.
"""

import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROUNDED = 1e-3  # relative tolerance of fractions; whole numbers are compared exactly
TEXTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
NOTHING = "Nothing to answer here: this data set lacks what the question is about."


class AnyOf(tuple):
    """Several right answers."""


@dataclass(frozen=True)
class Key:
    """The right answer of an exercise, and its likely mistakes."""

    right: Any
    """The answer; `AnyOf` where there are several, a frozenset where the order does not matter, NaN for none."""
    nearly: Mapping[str, Any]
    """Hint -> the wrong answer that it is for."""
    why: str
    """What the answer shows, in one sentence."""
    is_share: bool


Answers = tuple[Any, dict[str, Any]]
"""The right answer, and the wrong ones by the names of their hints."""


# -- chapter 1 -------------------------------------------------------------------------------------------------------


def _pairs_of_new_shoppers(parts: Any) -> Answers:
    truth, known = parts.ground_truth("test")["user_id"], parts.train["user_id"]
    shoppers, events = truth.drop_duplicates(), parts.test["user_id"]
    return _share(~truth.isin(known), shoppers=(~shoppers.isin(known)).mean(), events=(~events.isin(known)).mean())


def _events_after_the_first_of_test(cuts: Mapping[str, Any]) -> Answers:
    cut = cuts["at random"]
    when = "timestamp" if "timestamp" in cut.train else "position"
    train, test = cut.train[when], cut.test[when]
    later = train > test.min()
    return int(later.sum()), {
        "last": int((train > test.max()).sum()),
        "share": float(later.mean()),
        "percentage": 100 * float(later.mean()),
        "at_once": int((train >= test.min()).sum()),
    }


# -- chapter 2 -------------------------------------------------------------------------------------------------------


def _weight_of_a_word(encoder: Any, word: str, n_texts: int, n_with_word: int) -> Answers:
    right = float(encoder.how["idf"][encoder.vocabulary.index(word)])
    ratio, of_counts = (1 + n_texts) / (1 + n_with_word), math.log(n_texts / max(n_with_word, 1))
    return right, {
        "no_one_behind": right - 1,
        "log10": math.log10(ratio) + 1,
        "log2": math.log2(ratio) + 1,
        "counts": of_counts + 1,
        "no_ones": of_counts,
    }


def _texts_cut_short(lengths: Any, limit: int) -> Answers:
    lengths = np.asarray(lengths)
    return _share(lengths > limit, whole=(lengths >= limit).mean() if len(lengths) else 0.0)


def _nearest_text(wish: str, model: Any, dense: Any, encoder: Any, features: Mapping[str, Any]) -> Answers:
    row = int((dense.values @ model.encode([wish])[0]).argmax())
    by_words = (encoder.encode([wish]) @ features["tfidf"].values.T).toarray()
    return dense.ids[row], {"by_words": dense.ids[int(by_words.argmax())], "row": row}


# -- chapter 3 -------------------------------------------------------------------------------------------------------


def _macro_f1_of_the_majority(p: float, n: int) -> Answers:
    f1 = 2 * p / (1 + p)
    return (f1 / n, {"f1": f1, "accuracy": p, "precision": p / n}) if n else (np.nan, {})


def _optimizer_steps(words: list[str], batch_size: int, n_epochs: int) -> Answers:
    of_an_epoch = math.ceil(len(words) / batch_size)
    return n_epochs * of_an_epoch, {
        "one_epoch": of_an_epoch,
        "whole_batches": n_epochs * (len(words) // batch_size),
        "parts": n_epochs * len(words) / batch_size,
        "rounded_late": math.ceil(n_epochs * len(words) / batch_size),
        "reviews": n_epochs * len(words),
    }


def _label_of_my_review(my_review: str, chosen: Any) -> Answers:
    return str(chosen.predict([my_review])[0]), {}


# -- chapter 4 -------------------------------------------------------------------------------------------------------


def _f1_by_hand() -> Answers:
    precision, recall = 3 / 10, 3 / 12
    half = precision * recall / (precision + recall)
    return 2 * half, {"precision": precision, "recall": recall, "mean": (precision + recall) / 2, "half": half}


def _shoppers_with_a_hit(evaluation: Any) -> Answers:
    per_user = evaluation.per_user
    hybrid, stack = (per_user[per_user["model"] == name] for name in ("hybrid", "stack"))
    slips = {
        "ten": hybrid["hit_rate@10"],
        "all_models": per_user["hit_rate@5"],
        "stack": stack["hit_rate@5"],
        "recall": hybrid["recall@5"],
        "precision": hybrid["precision@5"],
    }
    return _share(hybrid["hit_rate@5"].dropna() > 0, **{name: values.mean() for name, values in slips.items()})


# -- chapter 5 -------------------------------------------------------------------------------------------------------


def _who_agrees_most(lists: Mapping[str, list[str]]) -> Answers:
    shared = {frozenset(pair): len(set(lists[pair[0]]) & set(lists[pair[1]])) for pair in combinations(lists, 2)}
    if not shared:
        return np.nan, {}
    most, least = max(shared.values()), min(shared.values())
    pairs = {number: AnyOf(pair for pair in shared if shared[pair] == number) for number in (most, least)}
    one = AnyOf([*lists, *(frozenset([name]) for name in lists)])
    return pairs[most], {"number_shared": most, "least": pairs[least], "one": one}


def _second_for_one_click(showcase: Any, serving: str, product: str) -> Answers:
    listed = showcase.recommend(serving, history=[product], k=2)
    if len(listed) < 2:
        return np.nan, {}
    found = listed["item_id"].astype(str).tolist()
    return found[1], {"first": found[0], "itself": product, "title": listed["title"].iloc[1], "both": found}


KEYS: dict[str, Callable[..., Answers]] = {
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
        print(_compare(answer, make_key(exercise, *given)))


def make_key(exercise: str, *given: Any) -> Key:
    """Return the key of an exercise for these variables of the notebook, with its texts."""
    right, nearly = KEYS[exercise](*given)
    texts = TEXTS[exercise]
    hints = TEXTS["any"]["hints"] | texts.get("hints", {})
    nearly = {hints[name].format(*given): wrong for name, wrong in nearly.items()}
    return Key(right, nearly, texts["why"], texts.get("is_share", False))


def _compare(answer: Any, key: Key) -> str:
    answer = answer.item() if isinstance(answer, np.ndarray) and not answer.ndim else answer
    if isinstance(key.right, float) and np.isnan(key.right):
        return NOTHING
    if _is_same(answer, key.right):
        return f"Right. {key.why}"
    usual = ((TEXTS["any"]["hints"][name], wrong) for name, wrong in _find_slips(answer, key))
    hint = next((hint for hint, wrong in [*key.nearly.items(), *usual] if _is_same(answer, wrong)), "")
    return f"Nearly. {hint}" if hint else f"Not yet: you have {_format(answer)}."


def _find_slips(answer: Any, key: Key) -> Iterable[tuple[str, Any]]:
    """Yield the names of hints for mistakes in any exercise, each with the wrong answer that it is for."""
    right, is_number = key.right, isinstance(key.right, int | float)
    if isinstance(answer, list | tuple | set | frozenset | np.ndarray | pd.Index | pd.Series | pd.DataFrame):
        if len(answer) == 1 and _is_same(next(iter(answer)), right):
            yield "list_of_one", answer
        if is_number:
            yield "counted" if not key.is_share and len(answer) == right else "number", answer
    elif is_number and isinstance(answer, str):
        if re.fullmatch(r"[-+]?\d*[.,]?\d+", answer.strip()):
            yield "quoted", answer
    elif key.is_share and right:
        yield from (("percent", percent) for percent in (100 * right, round(100 * right), round(100 * right, 1)))
    elif isinstance(right, str) and _strip_zeros(answer) == _strip_zeros(right):
        yield "zeros", answer
    if isinstance(right, float):
        yield from (("digits", round(right, digits)) for digits in (2, 1) if round(right, digits))


def _share(of: Any, **nearly: Any) -> Answers:
    """Return the share of true values, with the usual mistakes; NaN if there are none."""
    of = np.asarray(of, bool)
    share = float(of.mean()) if len(of) else np.nan
    return share, nearly | {"others": 1 - share, "count": int(of.sum())}


def _is_same(answer: Any, expected: Any) -> bool:
    if answer is expected:
        return True
    if isinstance(expected, AnyOf):
        return any(_is_same(answer, one) for one in expected)
    if isinstance(expected, frozenset):
        return isinstance(answer, set | frozenset | list | tuple) and set(map(str, answer)) == expected
    if any(isinstance(answer, kind) != isinstance(expected, kind) for kind in (bool | np.bool_, str)):
        return False  # True is not 1
    try:
        same_shape = np.shape(answer) == np.shape(expected)
        rounded = 0 if np.all(np.asarray(expected, float) % 1 == 0) else ROUNDED
        return bool(same_shape and np.allclose(answer, expected, rtol=rounded, atol=1e-9))
    except (TypeError, ValueError):  # not numbers: texts, lists of ids
        return np.array_equal(np.asarray(answer, dtype=object), np.asarray(expected, dtype=object))


def _strip_zeros(item_id: Any) -> str:
    """Return an id as a number, without leading zeros."""
    return str(item_id).strip().removesuffix(".0").lstrip("0")


def _format(answer: Any) -> str:
    """Format an answer in one short line."""
    text = " ".join(repr(answer).split())
    return text if len(text) <= 80 else f"{text[:79]}…"
