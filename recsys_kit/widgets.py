"""What the reader can touch: `view_*` functions that draw one view, and the thin ipywidgets wrappers around them.

A notebook calls the view first, plainly, so that a batch run meets its errors and the saved page shows it; the next
cell wraps the same function. Sliders wait for the release (`continuous_update=False`); nothing trains behind one.
"""

from functools import partial

import ipywidgets
import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown, display

from recsys_kit import plots
from recsys_kit.data.describe import cold_counts, density
from recsys_kit.data.splitting import split_interactions
from recsys_kit.errors import DataError


# -- chapter 01 --------------------------------------------------------------------------------------------------------


def view_split(
    interactions: pd.DataFrame, *, train_percent: int = 80, k_core: int = 1, method: str = "time"
) -> pd.DataFrame:
    """Draw the parts of one split and return its price: one row, counted on train and test.

    Args:
        interactions: clean, not yet split.
        train_percent: percent of the events before the cut; the rest is halved into valid and test.
        k_core: of the training part.
        method: "time", or "leave_last_out", which knows no percent.
    """
    rest = (100 - train_percent) / 200
    shares = (1 - 2 * rest, rest, rest)
    split = split_interactions(interactions, method=method, k_core=k_core, shares=shares)
    named = {name: getattr(split, name) for name in ("train", "valid", "test", "set_aside")}
    plots.plot_split(named)
    cold = cold_counts(split).set_index("part")
    return pd.DataFrame([{
        "train events": len(split.train),
        "set aside": len(split.set_aside),
        "train shoppers": cold.at["train", "shoppers"],
        "train products": cold.at["train", "products"],
        "density %": round(100 * density(split.train), 3),
        "test shoppers": cold.at["test", "shoppers"],
        "new to train": cold.at["test", "new shoppers"],
        "new products": cold.at["test", "new products"],
    }])  # fmt: skip


def explore_split(interactions: pd.DataFrame, *, method: str = "time") -> ipywidgets.Widget:
    """Sliders for the cut and the core around `view_split`; a core that leaves nothing says so."""

    def draw(train_percent: int, k_core: int) -> None:
        try:
            table = view_split(interactions, train_percent=train_percent, k_core=k_core, method=method)
        except DataError as error:
            display(Markdown(f"*{error}*"))
            return
        plt.show()
        display(table)

    slider = partial(ipywidgets.IntSlider, continuous_update=False)
    return ipywidgets.interactive(
        draw,
        train_percent=slider(value=80, min=40, max=95, step=5, description="train %"),
        k_core=slider(value=1, min=1, max=10, description="k-core"),
    )
