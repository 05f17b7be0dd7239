"""How much each word contributes to a prediction: the probability without it (occlusion)."""

from typing import Any

import pandas as pd

from recsys_kit.finetuning.labels import class_indices


def word_shares(classifier: Any, text: str, label: str) -> pd.Series:
    """Return the share of each word in `label`: its probability minus that of the text without the word.

    Positive words speak for the label, negative ones against it.

    Args:
        classifier: has `classes` and `predict_proba(texts)`.
        text: is split at spaces.
        label: one of the classes.

    Raises:
        DataError: RK-192 a label without a class.

    Source: Zeiler and Fergus, 2014, for words.

    >>> from recsys_kit.finetuning.baselines import TfidfClassifier
    >>> model = TfidfClassifier().fit(["good mug", "good cup", "bad mug", "bad cup"], ["5", "5", "1", "1"])
    >>> bool(word_shares(model, "bad mug", "1")["bad"] > 0)
    True
    """
    (place,) = class_indices([label], classifier.classes)
    words = text.split()
    without = [" ".join(words[:index] + words[index + 1 :]) for index in range(len(words))]
    column = classifier.predict_proba([text, *without])[:, place]
    return pd.Series(column[0] - column[1:], index=words, dtype=float)
