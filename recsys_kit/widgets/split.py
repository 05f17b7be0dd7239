"""Chapter 1: move the cut and the k-core of a split."""

from contextlib import suppress

import ipywidgets
import pandas as pd

from recsys_kit.data.cleaning import k_core
from recsys_kit.data.describe import cold_counts, density
from recsys_kit.data.splitting import split_interactions
from recsys_kit.errors import DataError
from recsys_kit.plots import plot_split
from recsys_kit.widgets.controls import explore


def _shares(train_percent: int, method: str) -> tuple[float, float, float] | None:
    rest = (100 - train_percent) / 200
    return (1 - 2 * rest, rest, rest) if method == "time" else None


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
    split = split_interactions(interactions, method=method, k_core=k_core, shares=_shares(train_percent, method))
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


def _largest_core(interactions: pd.DataFrame, method: str) -> int:
    """Return the largest k up to 10 whose core is not empty with the lowest percent that can be cut."""
    for percent in range(40, 100, 5):
        with suppress(DataError):
            core = split_interactions(interactions, method=method, shares=_shares(percent, method)).train
            for k in range(2, 11):
                core = k_core(core, k)  # within the core of k - 1: cores are nested
                if core.empty:
                    return k - 1
            return 10
    return 1


def explore_split(interactions: pd.DataFrame, *, method: str = "time") -> ipywidgets.Widget:
    """Explore `view_split` by its percent and its k-core, as far as a core is left."""

    def view(train_percent: int, k_core: int) -> pd.DataFrame:
        try:
            return view_split(interactions, train_percent=train_percent, k_core=k_core, method=method)
        except DataError as refusal:
            why = "equal times stay together" if refusal.code == "RK-164" else "no event is left to train on"
            return pd.DataFrame([{"train %": train_percent, "no such cut": why}])

    return explore(
        view,
        train_percent=ipywidgets.IntSlider(value=80, min=40, max=95, step=5, description="train %"),
        k_core=ipywidgets.IntSlider(value=1, min=1, max=_largest_core(interactions, method), description="k-core"),
    )
