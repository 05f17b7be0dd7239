"""Figures: a frame goes in, matplotlib Axes come out. One colour per model or split, the same in every chapter.

The colours are Okabe and Ito's, told apart by colour-blind readers; markers tell them apart in grey print.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
GREY = "#8A8A8A"
COLOURS = {
    "train": BLUE, "valid": ORANGE, "test": VERMILION, "set_aside": GREY, "quarantined": GREY,
    "majority": GREY, "popularity": GREY, "tfidf": ORANGE, "minilm": SKY, "fine-tuned": GREEN,
    "item_knn": GREEN, "ease": BLUE, "content_tfidf": ORANGE, "content_minilm": SKY, "hybrid": VERMILION,
}  # fmt: skip
MARKERS = {"popularity": "s", "item_knn": "^", "ease": "D", "content_tfidf": "v", "content_minilm": "P", "hybrid": "o"}


def colour_of(name: str) -> str:
    """The colour of a model, feature or split; unknown names share one.

    >>> colour_of("train") == BLUE
    True
    """
    return COLOURS.get(name, PURPLE)


def new_axes(*, rows: int = 1, columns: int = 1, height: float = 3.2) -> Axes | Sequence[Axes]:
    """Axes sized for a laptop's notebook: 8 inches wide, `height` inches a row, grid behind, no box.

    One Axes for one panel, else a flat array of `rows * columns`.
    """
    figure, axes = plt.subplots(rows, columns, figsize=(8, height * rows), layout="constrained", squeeze=False)
    for ax in axes.flat:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25)
        ax.set_axisbelow(True)
    return axes[0, 0] if axes.size == 1 else axes.ravel()


def shorten(text: str, width: int = 40) -> str:
    """A title cut to `width` characters for a table or an axis, never in data.

    >>> shorten("A very long title of a product", 12)
    'A very long…'
    """
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"
