"""Check the answers to the exercises of the notebooks, with a hint for each likely mistake.

A check cell is one line, `check("01.1", answer, parts)`, which does not reveal the answer. The variables after the
answer are those that the question is about, so that a check works on any data set.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

ROUNDED = 1e-3  # relative tolerance of fractions; whole numbers are compared exactly
PERCENT = "That is a percentage; the question asks for a share between 0 and 1."
DIGITS = "Three digits, please."
QUOTED = "That is a text; write the number without quotation marks."
COUNTED = "Count them: the question asks for how many."
NUMBER = "The question asks for one number."
LIST_OF_ONE = "The question asks for one value, not for a list of one."
ZEROS = "An id is a text, exactly as written: with its zeros, in quotation marks."


class AnyOf(tuple):
    """Several right answers."""


@dataclass(frozen=True)
class Key:
    """The right answer of an exercise, and its likely mistakes."""

    right: Any
    """The answer; `AnyOf` where there are several, a frozenset where the order does not matter."""
    why: str
    """What the answer shows, in one sentence."""
    nearly: Mapping[str, Any] = field(default_factory=dict)
    """Hint -> the wrong answer that it is for."""
    is_share: bool = False


# -- chapter 1 -------------------------------------------------------------------------------------------------------


def _pairs_of_new_shoppers(parts: Any) -> Key:
    truth, known = parts.ground_truth("test")["user_id"], parts.train["user_id"]
    return _make_share_key(
        ~truth.isin(known),
        of_what="pairs",
        why="For these pairs a model has little or nothing to go by: no tuning makes up for a missing history.",
        nearly={
            "That is the share of shoppers; the question asks for pairs.": (
                ~pd.Series(truth.unique(), dtype=object).isin(known)
            ).mean(),
            "That is the share of events; a pair counts once, and only if the product is new to the shopper.": (
                ~parts.test["user_id"].isin(known)
            ).mean(),
        },
    )


def _events_after_the_first_of_test(cuts: Mapping[str, Any]) -> Key:
    cut = cuts["at random"]
    when = "timestamp" if "timestamp" in cut.train else "position"
    train, test = cut.train[when], cut.test[when]
    return Key(
        int((train > test.min()).sum()),
        why="Nearly all of train can lie after the first event of a random test: the model has seen the future.",
        nearly={
            "Those follow the last event of test; take the first.": int((train > test.max()).sum()),
            "That is a share; the question asks for how many.": float((train > test.min()).mean()),
            "That is a percentage; the question asks for how many.": 100 * float((train > test.min()).mean()),
            "An event at the same moment is not after it.": int((train >= test.min()).sum()),
        },
    )


# -- chapter 2 -------------------------------------------------------------------------------------------------------


def _weight_of_a_word(encoder: Any, word: str, n_texts: int, n_with_word: int) -> Key:
    right = float(encoder.how["idf"][encoder.vocabulary.index(word)])
    ratio = (1 + n_texts) / (1 + n_with_word)
    return Key(
        right,
        why="The rarer a word, the more it says about the text that has it.",
        nearly={
            "The logarithm is right; add the 1 behind it.": right - 1,
            "Take the natural logarithm, np.log.": float(np.log10(ratio)) + 1,
            "Take the natural logarithm, np.log, not that of base 2.": float(np.log2(ratio)) + 1,
            "Add 1 to both counts first.": float(np.log(n_texts / max(n_with_word, 1))) + 1,
            "Add 1 to both counts, and 1 to the logarithm.": float(np.log(n_texts / max(n_with_word, 1))),
        },
    )


def _texts_cut_short(lengths: Any, limit: int) -> Key:
    lengths = np.asarray(lengths)
    return _make_share_key(
        lengths > limit,
        of_what="texts",
        why="What a model never reads it cannot use: look at this share before you lower a limit to save time.",
        nearly={f"A text of exactly {limit} tokens loses nothing.": (lengths >= limit).mean() if len(lengths) else 0.0},
    )


def _nearest_text(wish: str, model: Any, dense: Any, encoder: Any, features: Mapping[str, Any]) -> Key:
    row = int((dense.values @ model.encode([wish])[0]).argmax())
    by_words = (encoder.encode([wish]) @ features["tfidf"].values.T).toarray()
    return Key(
        dense.ids[row],
        why="A sentence and a product become vectors of the same space: that is all that search by meaning needs.",
        nearly={
            "That is the nearest under TF-IDF.": dense.ids[int(by_words.argmax())],
            "That is its row; dense.ids has the id of each row.": row,
        },
    )


# -- chapter 3 -------------------------------------------------------------------------------------------------------


def _macro_f1_of_the_majority(p: float, n: int) -> Key:
    f1 = 2 * p / (1 + p)
    return Key(
        f1 / n if n else np.nan,
        why="Accuracy rewards a lazy guess, macro-F1 does not.",
        nearly={
            "That is the F1 of one label; macro-F1 is the mean over all.": f1,
            "That is accuracy.": p,
            "That is the mean of the precision; F1 also has the recall, which is 1.": p / n if n else np.nan,
        },
        is_share=True,
    )


def _optimizer_steps(words: list[str], batch_size: int, n_epochs: int) -> Key:
    of_an_epoch = -(-len(words) // batch_size)
    return Key(
        n_epochs * of_an_epoch,
        why="The schedule of the learning rate counts in these steps: warmup is a share of them.",
        nearly={
            "Those are the steps of one epoch.": of_an_epoch,
            "The last, smaller batch of each epoch is a step too.": n_epochs * (len(words) // batch_size),
            "There are no parts of a step: round up in each epoch.": n_epochs * len(words) / batch_size,
            "Round up in each epoch, then multiply.": -(-n_epochs * len(words) // batch_size),
            "Those are the reviews that are read; a step reads a batch of them.": n_epochs * len(words),
        },
    )  # fmt: skip


def _label_of_my_review(my_review: str, chosen: Any) -> Key:
    return Key(
        str(chosen.predict([my_review])[0]),
        why="Where you fooled the model, you know more about what it reads than any score tells.",
    )


# -- chapter 4 -------------------------------------------------------------------------------------------------------


def _f1_by_hand() -> Key:
    precision, recall = 3 / 10, 3 / 12
    return Key(
        2 * precision * recall / (precision + recall),
        why="The harmonic mean is near the smaller of the two: neither can make up for the other.",
        nearly={
            "That is the precision.": precision,
            "That is the recall.": recall,
            "That is the plain mean of the two; F1 is the harmonic mean.": (precision + recall) / 2,
            "Twice that: F1 = 2·p·r/(p+r).": precision * recall / (precision + recall),
        },
        is_share=True,
    )


def _shoppers_with_a_hit(evaluation: Any) -> Key:
    per_user = evaluation.per_user
    of_hybrid = per_user[per_user["model"] == "hybrid"]
    slips = {
        "That is among the first ten.": of_hybrid["hit_rate@10"],
        "That is the mean over all models.": per_user["hit_rate@5"],
        "That is the stack; the question asks for the hybrid.": per_user[per_user["model"] == "stack"]["hit_rate@5"],
        "That is recall: the share of products found, not of shoppers.": of_hybrid["recall@5"],
        "That is precision: the share of the five places, not of shoppers.": of_hybrid["precision@5"],
    }  # fmt: skip
    return _make_share_key(
        of_hybrid["hit_rate@5"].dropna() > 0,
        of_what="shoppers",
        why="It is the measure that a shopkeeper can picture: how many shoppers find something.",
        nearly={hint: values.mean() for hint, values in slips.items()},
    )


# -- chapter 5 -------------------------------------------------------------------------------------------------------


def _who_agrees_most(lists: Mapping[str, list[str]]) -> Key:
    shared = {frozenset(pair): len(set(lists[pair[0]]) & set(lists[pair[1]])) for pair in combinations(lists, 2)}
    if not shared:
        return Key(np.nan, why="")
    most, least = max(shared.values()), min(shared.values())
    return Key(
        AnyOf(pair for pair, number in shared.items() if number == most),
        why="Models that agree this much add little to each other; a blend gains from members that differ.",
        nearly={
            "That is how many products they share; the question asks for the names.": most,
            "These two agree least.": AnyOf(pair for pair, number in shared.items() if number == least),
            "A model agrees with itself; name two.": AnyOf([*lists, *(frozenset([name]) for name in lists)]),
        },
    )


def _second_for_one_click(showcase: Any, serving: str, product: str) -> Key:
    listed = showcase.recommend(serving, history=[product], k=2)
    found = listed["item_id"].astype(str).tolist()
    if len(found) < 2:
        return Key(np.nan, why="")
    return Key(
        found[1],
        why="One click is a history: the visitor is served without an account and without training.",
        nearly={
            "That is the first, which the visitor clicked next; the question asks for the second.": found[0],
            "That is the product itself: what was clicked is not recommended.": product,
            "That is its title; the question asks for the id.": listed["title"].iloc[1],
            "Those are both; the question asks for the second.": found,
        },
    )


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
        print("Nothing to answer here: this data set lacks what the question is about.")
    elif answer is ...:
        print("Not answered yet: complete the line above, then run both cells.")
    else:
        print(_compare(answer, KEYS[exercise](*given)))


def _compare(answer: Any, key: Key) -> str:
    answer = answer.item() if isinstance(answer, np.ndarray) and not answer.ndim else answer
    if isinstance(key.right, float) and np.isnan(key.right):
        return "Nothing to answer here: this data set lacks what the question is about."
    if _is_same(answer, key.right):
        return f"Right. {key.why}"
    slips = (hint for hint, wrong in [*key.nearly.items(), *_find_slips(answer, key)] if _is_same(answer, wrong))
    hint = next(slips, "")
    return f"Nearly. {hint}" if hint else f"Not yet: you have {_format(answer)}."


def _find_slips(answer: Any, key: Key) -> Iterable[tuple[str, Any]]:
    """Yield hints for mistakes in any exercise, each with the wrong answer that it is for."""
    right, is_number = key.right, isinstance(key.right, int | float)
    if isinstance(answer, list | tuple | set | frozenset | np.ndarray | pd.Index | pd.Series | pd.DataFrame):
        if len(answer) == 1 and _is_same(next(iter(answer)), right):
            yield LIST_OF_ONE, answer
        if is_number:
            yield COUNTED if not key.is_share and len(answer) == right else NUMBER, answer
    elif is_number and isinstance(answer, str):
        if re.fullmatch(r"[-+]?\d*[.,]?\d+", answer.strip()):
            yield QUOTED, answer
    elif key.is_share and right:
        yield PERCENT, 100 * right
        yield PERCENT, round(100 * right)
        yield PERCENT, round(100 * right, 1)
    elif isinstance(right, str) and _strip_zeros(answer) == _strip_zeros(right):
        yield ZEROS, answer
    if isinstance(right, float):
        yield from ((DIGITS, round(right, digits)) for digits in (2, 1) if round(right, digits))


def _make_share_key(of: Any, *, of_what: str, why: str, nearly: Mapping[str, Any]) -> Key:
    """Return the key of a share of true values, with the usual mistakes; NaN if there are none."""
    of = np.asarray(of, bool)
    share = float(of.mean()) if len(of) else np.nan
    slips = {
        f"That is the share of the other {of_what}.": 1 - share,
        "That is a count; divide it by the number of all.": int(of.sum()),
    }
    return Key(share, why=why, nearly=dict(nearly) | slips, is_share=True)


def _is_same(answer: Any, expected: Any) -> bool:
    if answer is expected:
        return True
    if isinstance(expected, AnyOf):
        return any(_is_same(answer, one) for one in expected)
    if isinstance(expected, frozenset):
        return isinstance(answer, set | frozenset | list | tuple) and set(map(str, answer)) == expected
    if isinstance(answer, bool | np.bool_) != isinstance(expected, bool | np.bool_):
        return False  # True is not 1
    if isinstance(answer, str) != isinstance(expected, str):
        return False
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
