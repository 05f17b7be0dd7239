"""Labels of reviews: where they come from, which classes there are, which reviews are used."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.data.splitting import PARTS
from recsys_kit.errors import DataError

MAX_CLASSES = 100  # more different labels than this are no classes


def labels_of(reviews: pd.DataFrame) -> pd.Series:
    """Return the label of each review, a str or missing: the column `label` where the data has one, else the rating.

    The series is named "label" or "stars". Ratings become "5" or "2.5".

    >>> labels_of(pd.DataFrame({"rating": [5.0, 2.5, None]})).tolist()
    ['5', '2.5', nan]
    >>> labels_of(pd.DataFrame({"label": ["bug", " "], "rating": [5.0, 2.5]})).tolist()
    ['bug', nan]
    """
    for column, name in (("label", "label"), ("rating", "stars")):
        if column in reviews and reviews[column].notna().any():
            found = reviews[column].map(_label, na_action="ignore").astype(object).rename(name)
            return found.mask(found == "")
    return pd.Series(np.nan, reviews.index, dtype=object, name="label")


def _label(value: Any) -> str:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        return str(value).strip()
    return str(int(value)) if value // 1 == value else str(value)


def as_texts(texts: Iterable[str]) -> list[str]:
    """Return the texts as a list, from a list, an array, a Series, a generator ...

    Raises:
        DataError: RK-375 a single string, or a text that is not a string.

    >>> as_texts(text for text in ("a mug", ""))
    ['a mug', '']
    """
    if isinstance(texts, str | bytes):
        shown = repr(texts[:40])
        raise DataError("RK-375", f"texts is one string ({shown}); expected a list of texts.", f"Pass [{shown}].")
    found = list(texts)
    for place, text in enumerate(found):
        if not isinstance(text, str):
            problem = f"text {place} is {text!r}; expected a string."
            raise DataError("RK-375", problem, "Pass '' for a review without words.")
    return found


def as_labels(labels: Iterable[Any]) -> list[str]:
    """Return the labels as strings: 5, 5.0 and NumPy's 5 are "5".

    Raises:
        DataError: RK-376 a single string, or a missing label.

    >>> as_labels(np.array([5, 1]))
    ['5', '1']
    """
    if isinstance(labels, str | bytes):
        problem = f"labels is one string ({labels[:40]!r}); expected a list."
        raise DataError("RK-376", problem, "Pass one label per text.")
    found = list(labels)
    missing = [place for place, label in enumerate(found) if pd.isna(label)]
    if missing:
        problem = f"{len(missing)} labels are missing, such as label {missing[0]}; expected one label per text."
        raise DataError("RK-376", problem, "Leave these texts out.")
    return [_label(label) for label in found]


def as_pairs(texts: Iterable[str], labels: Iterable[Any], what: str = "training") -> tuple[list[str], list[str]]:
    """Return texts and their labels as lists of one length.

    Raises:
        DataError: RK-375 and RK-376 as above, RK-377 no text, or other numbers of texts and labels.
    """
    texts, labels = as_texts(texts), as_labels(labels)
    if len(texts) != len(labels) or not texts:
        problem = f"{what} has {len(texts)} texts and {len(labels)} labels; expected as many of both, at least one."
        raise DataError("RK-377", problem, "Pass one label per text.")
    return texts, labels


def names_its_label(titles: pd.Series, labels: pd.Series) -> pd.Series:
    """Return True where a review's title is only its label, or only stars ("Five Stars"): it gives the answer away.

    >>> titles = pd.Series(["Five Stars", "1 star!", "Five stars for the box", "Positive.", None])
    >>> names_its_label(titles, pd.Series(["5", "5", "5", "positive", "5"], name="stars")).tolist()
    [True, True, False, True, False]
    """
    titles = titles.fillna("")
    stars = titles.str.fullmatch(r"\s*(?:one|two|three|four|five|[1-5])\s+stars?\W*", case=False).astype(bool)
    named = titles.str.strip(" .!").str.casefold() == labels.astype("str").str.casefold()
    return (stars & (labels.name == "stars")) | named.fillna(False)


def classes_of(labels: Sequence[str]) -> list[str]:
    """Return the classes in `labels`, in order of number where all are numbers.

    >>> classes_of(["10", "5", "5", "1"])
    ['1', '5', '10']
    """
    found = sorted(set(as_labels(labels)))
    try:
        return sorted(found, key=float)
    except ValueError:
        return found


def class_indices(labels: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Return the place of each label in `classes`, (N,) int64.

    Raises:
        DataError: RK-192 labels without a class; they are listed.

    >>> class_indices(["5", "1"], ["1", "5"])
    array([1, 0])
    """
    labels = as_labels(labels)
    places = pd.Index(classes, dtype=object).get_indexer(labels).astype(np.int64)
    if (places < 0).any():
        unknown = [label for label, place in zip(labels, places, strict=True) if place < 0]
        shown = f"{len(unknown)} labels were not seen in training: {sorted(set(unknown))[:5]}"
        fix = "Leave these reviews out (labels.isin(classes)) or train on reviews that have them."
        raise DataError("RK-192", f"{shown}; expected one of {list(classes)}.", fix)
    return places


def most_probable(probabilities: np.ndarray, classes: Sequence[str]) -> list[str]:
    """Return the class with the highest probability in each row of (N, classes).

    >>> most_probable(np.array([[0.1, 0.9]]), ["1", "5"])
    ['5']
    """
    return [classes[index] for index in probabilities.argmax(axis=1)]


def draw_parts(
    reviews: pd.DataFrame, caps: Mapping[str, int], *, seed: int
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Return the training, validation and test reviews, and a table of what was left out.

    Args:
        reviews: with `part` and `label`.
        caps: the most reviews of a part, drawn at random; a part that is not named has no cap.
        seed: random seed.

    Returns:
        The frames by part, without reviews whose label no training review has; and per part the number of reviews,
        of those used, and of those whose label is not in the training set.
    """
    parts, rows = {}, []
    for part in PARTS:
        mine = reviews[reviews["part"] == part]
        known = mine[mine["label"].isin(parts["train"]["label"])] if parts else mine
        parts[part] = known.sample(min(caps.get(part, len(known)), len(known)), random_state=seed).sort_index()
        rows.append({"reviews": len(mine), "used": len(parts[part]), "label not in train": len(mine) - len(known)})
    return parts, pd.DataFrame(rows, index=list(parts))
