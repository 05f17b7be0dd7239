"""Chapter 1: move the cut and the k-core of a split."""

import ipywidgets
import pandas as pd

from recsys_kit.data.describe import cold_counts, density
from recsys_kit.data.splitting import split_interactions
from recsys_kit.errors import DataError
from recsys_kit.plots import plot_split
from recsys_kit.widgets.controls import explore


def view_split(
    interactions: pd.DataFrame, *, train_percent: int = 80, k_core: int = 1, method: str = "time"
) -> pd.DataFrame:
    """Draw the parts of one split and return what it costs: one row of counts.

    Args:
        interactions: clean, not yet split.
        train_percent: percent of the events before the first cut; the rest is halved into validation and test set.
        k_core: minimum number of interactions per user and per item in the training set.
        method: one of `METHODS`; `train_percent` counts for "time" only.
    """
    rest = (100 - train_percent) / 200
    shares = (1 - 2 * rest, rest, rest) if method == "time" else None
    split = split_interactions(interactions, method=method, k_core=k_core, shares=shares)
    plot_split(split.parts)
    cold = cold_counts(split).set_index("part")
    return pd.DataFrame([{
        "train events": len(split.train),
        "replaced or set aside": len(split.set_aside),
        "train shoppers": cold.at["train", "shoppers"],
        "train products": cold.at["train", "products"],
        "density %": round(100 * density(split.train), 3),
        "test shoppers": cold.at["test", "shoppers"],
        "new to train": cold.at["test", "new shoppers"],
        "new products": cold.at["test", "new products"],
    }])  # fmt: skip


def explore_split(interactions: pd.DataFrame, *, method: str = "time") -> ipywidgets.Widget:
    """Explore `view_split` by its percent and its k-core; where there is no such split, the reason is shown."""

    def view(train_percent: int, k_core: int) -> pd.DataFrame:
        try:
            return view_split(interactions, train_percent=train_percent, k_core=k_core, method=method)
        except DataError as problem:
            return pd.DataFrame([{"no such split": str(problem)}])

    return explore(
        view,
        train_percent=ipywidgets.IntSlider(value=80, min=40, max=95, step=5, description="train %"),
        k_core=ipywidgets.IntSlider(value=1, min=1, max=10, description="k-core"),
    )
