"""What a check says: to the right answer, to wrong ones, to the likely slips, and where there is nothing to answer."""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from recsys_kit.data import split_at_random, split_interactions
from recsys_kit.features.text import fit_tfidf
from recsys_kit.workbook.exercises import KEYS, _compare, check

TEXTS = pd.Series(
    {"001": "a red mug", "002": "a blue mug", "003": "a green lamp", "004": "a green mug", "005": "a wooden spoon"}
)


class Meaning:
    """A language model for which everything means the last text."""

    def encode(self, texts):
        return np.array([[0.0, 1.0]] * len(texts))


class Irony:
    def predict(self, texts):
        return ["1"] * len(texts)


class First:
    """A showcase of two products."""

    def recommend(self, model, history, k):
        return pd.DataFrame({"item_id": ["0533", "0042"], "title": ["Mug", "Lamp"]}).head(k)


def events():
    rows = [(f"u{n % 6}", f"i{n % 7}") for n in range(54)] + [("new", f"i{n}") for n in range(6)]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id"])
    return frame.assign(timestamp=pd.date_range("2025-01-01", periods=len(frame), tz="UTC"))


def given_to(exercise):
    parts, cuts = split_interactions(events()), {"at random": split_at_random(events(), seed=0)}
    encoder = fit_tfidf(TEXTS)
    dense = SimpleNamespace(ids=list(TEXTS.index), values=np.eye(5, 2)[[0, 0, 0, 0, 1]])
    per_user = pd.DataFrame({
        "model": ["hybrid"] * 4 + ["stack"] * 4,
        "hit_rate@5": [1.0, 0, 0, 0, 1, 1, 1, 0],
        "hit_rate@10": [1.0, 1, 0, 0, 1, 1, 1, 1],
        "recall@5": [0.3, 0, 0, 0, 1, 1, 1, 0],
        "precision@5": [0.2, 0, 0, 0, 1, 1, 1, 0],
    })  # fmt: skip
    lists = {"als": list("abc"), "ease": list("abd"), "popularity": list("xyz")}
    return {
        "01.1": [parts],
        "01.2": [cuts],
        "02.1": [encoder, "mug", 5, 3],
        "02.2": [np.array([3, 5, 5, 9]), 5],
        "02.3": ["a gift", Meaning(), dense, encoder, {"tfidf": encoder.vectors(TEXTS)}],
        "03.1": [0.4, 5],
        "03.2": [["text"] * 33, 16, 2],
        "03.3": ["What a clever idea", Irony()],
        "04.1": [],
        "04.2": [SimpleNamespace(per_user=per_user)],
        "05.1": [lists],
        "05.2": [First(), "stack", "0007"],
    }[exercise]


RIGHT = {
    "01.1": 1.0,
    "02.1": np.log(6 / 4) + 1,
    "02.2": 0.25,
    "02.3": "005",
    "03.1": 0.8 / 1.4 / 5,
    "03.2": 6,
    "03.3": "1",
    "04.1": 0.273,
    "04.2": 0.25,
    "05.1": {"ease", "als"},
    "05.2": "0042",
}
SLIPS = [
    ("02.1", np.log(6 / 4), "add the 1"),
    ("02.1", np.log10(6 / 4) + 1, "natural"),
    ("02.1", np.log(5 / 3) + 1, "both counts"),
    ("02.1", np.log(5 / 3), "1 to the logarithm"),
    ("02.2", 0.75, "exactly 5 tokens"),
    ("02.2", 25, "percentage"),
    ("02.2", 1, "count"),
    ("02.2", np.array([False, False, False, True]), "one number"),
    ("02.2", "0.25", "quotation marks"),
    ("02.3", 4, "row"),
    ("02.3", ["005"], "list of one"),
    ("02.3", 5, "zeros"),
    ("03.1", 0.4, "accuracy"),
    ("03.1", 0.11, "Three digits"),
    ("03.2", 4, "last, smaller batch"),
    ("03.2", 3, "one epoch"),
    ("03.2", 5, "each epoch"),
    ("03.3", ["1"], "list of one"),
    ("03.3", 1, "a label is a text"),
    ("03.3", "1 ", "without spaces"),
    ("04.1", 0.3, "precision"),
    ("04.1", 0.3 * 0.25 / 0.55, "Twice that"),
    ("04.1", 0.27, "Three digits"),
    ("04.1", 27.3, "percentage"),
    ("04.1", 27, "percentage"),
    ("04.2", 1, "count"),
    ("04.2", 0.5, "first ten"),
    ("04.2", 0.075, "recall"),
    ("04.2", 25.0, "percentage"),
    ("05.1", 2, "names"),
    ("05.1", "als", "name two"),
    ("05.1", {"als", "popularity"}, "least"),
    ("05.2", "0533", "first"),
    ("05.2", "Lamp", "title"),
    ("05.2", 42, "zeros"),
    ("05.2", ["0533", "0042"], "both"),
    ("05.2", ["0042"], "list of one"),
]
ODD = [None, True, -1, 1e9, float("nan"), "", "nothing", [], {}, set(), [1, [2, 3]], pd.DataFrame(), np.array(7)]
ODD += [pd.NA, [pd.NA], 10**400]  # neither equal to a number nor different; too large for a float


def said(capsys, exercise, answer):
    check(exercise, answer, *given_to(exercise))
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize(("exercise", "answer"), RIGHT.items())
def test_the_right_answer_is_right_and_says_what_it_is_good_for(capsys, exercise, answer):
    assert said(capsys, exercise, answer).startswith("Right. ")
    assert len(said(capsys, exercise, answer)) > 40


@pytest.mark.parametrize("exact", [0.1166667, 0.2150943, 0.1297])
def test_an_answer_of_three_digits_is_right(exact):
    assert _compare("03.1", round(exact, 3), (exact, {})).startswith("Right. ")
    assert _compare("03.1", round(exact, 3) + 0.001, (exact, {})).startswith("Not yet")


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Index, pd.Series])
def test_two_names_are_right_in_any_kind_of_list(capsys, kind):
    assert said(capsys, "05.1", kind(["ease", "als"])).startswith("Right. ")


def test_a_wrong_number_is_repeated_as_it_was_typed(capsys):
    assert said(capsys, "04.1", np.float64(0.45)) == "Not yet: you have 0.45."


def test_the_answers_about_a_split_by_hand(capsys):
    parts = given_to("01.1")[0]
    pairs = parts.ground_truth("test")
    assert set(pairs["user_id"]) == {"new"} and len(pairs) == 6
    cut = given_to("01.2")[0]["at random"]
    later = sum(moment > cut.test["timestamp"].min() for moment in cut.train["timestamp"])
    assert said(capsys, "01.2", later).startswith("Right. ")
    assert "a share" in said(capsys, "01.2", later / len(cut.train))
    assert "percentage" in said(capsys, "01.2", 100 * later / len(cut.train))
    assert "Count them" in said(capsys, "01.2", list(range(later)))


def test_every_exercise_has_a_right_answer_here():
    assert {*RIGHT, "01.2"} == set(KEYS)


@pytest.mark.parametrize(("exercise", "answer", "hint"), SLIPS)
def test_a_likely_slip_gets_its_hint(capsys, exercise, answer, hint):
    found = said(capsys, exercise, answer)
    assert found.startswith("Nearly. ") and hint.lower() in found.lower()


@pytest.mark.parametrize(("exercise", "answer"), list(itertools.product(KEYS, ODD)), ids=str)
def test_an_odd_answer_never_raises_and_is_never_right(capsys, exercise, answer):
    assert said(capsys, exercise, answer).startswith(("Not yet: you have ", "Nearly. "))


@pytest.mark.parametrize("exercise", KEYS)
def test_no_answer_is_no_mistake(capsys, exercise):
    assert said(capsys, exercise, ...).startswith("Not answered yet")


@pytest.mark.parametrize(
    ("exercise", "given"),
    [
        ("01.1", [None]),
        ("01.2", [{}]),
        ("02.2", [np.array([]), 0]),
        ("03.1", [np.nan, 0]),
        ("04.2", [SimpleNamespace(per_user=given_to("04.2")[0].per_user.iloc[:0])]),
        ("05.1", [{"popularity": ["a"]}]),
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_data_set_without_an_answer_says_so(capsys, exercise, given):
    check(exercise, 0, *given)
    assert capsys.readouterr().out.startswith("Nothing to answer here: ")
