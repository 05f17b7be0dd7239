"""Chapter 3: the label of a review, and the words that speak for it."""

from functools import partial
from typing import Any

import ipywidgets
import pandas as pd
from matplotlib.axes import Axes

from recsys_kit.finetuning.occlusion import word_shares
from recsys_kit.plots import plot_review
from recsys_kit.widgets.controls import explore_text


def view_review(classifier: Any, text: str, *, label: str = "") -> list[Axes]:
    """Plot the label probabilities of a review, and the words for and against the most probable label (or `label`)."""
    probabilities = pd.Series(classifier.predict_proba([text])[0], index=classifier.classes)
    return plot_review(probabilities, word_shares(classifier, text, label or probabilities.idxmax()))


def explore_review(classifier: Any, text: str) -> ipywidgets.Widget:
    """Explore `view_review` by a text."""
    view = partial(view_review, classifier)
    return explore_text(view, text, description="review", placeholder="type a review", width="50em")
