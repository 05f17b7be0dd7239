"""Which words made the label? Each word is left out in turn, and the change of the probability is its share."""

from typing import Any

import pandas as pd

from recsys_kit.finetuning.reviews import class_indices


def word_shares(classifier: Any, text: str, label: str) -> pd.Series:
    """How much each word spoke for `label`: its probability minus that of the text without the word (occlusion).

    Positive words spoke for the label, negative ones against it. Source: Zeiler and Fergus, 2014, for words.

    >>> from recsys_kit.finetuning.reviews import TfidfClassifier
    >>> model = TfidfClassifier().fit(["good mug", "good cup", "bad mug", "bad cup"], ["5", "5", "1", "1"])
    >>> bool(word_shares(model, "bad mug", "1")["bad"] > 0)
    True
    """
    (place,) = class_indices([label], classifier.classes)
    words = text.split()
    without = [" ".join(words[:index] + words[index + 1 :]) for index in range(len(words))]
    column = classifier.predict_proba([text, *without])[:, place]
    return pd.Series(column[0] - column[1:], index=words, dtype=float)
