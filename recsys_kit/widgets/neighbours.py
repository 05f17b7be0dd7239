"""Chapter 2: the nearest items of an item by each feature."""

from functools import partial

import ipywidgets
import pandas as pd

from recsys_kit.core.vectors import Vectors
from recsys_kit.features.similarity import nearest_items
from recsys_kit.plots import shorten
from recsys_kit.widgets.controls import explore


def view_neighbours(features: dict[str, Vectors], titles: pd.Series, item_id: str, k: int = 5) -> pd.DataFrame:
    """Return the nearest items of one item by each feature, side by side.

    Args:
        features: name -> vectors over the same ids.
        titles: titles indexed by item id.
        item_id: the item.
        k: number of neighbours.
    """
    columns = {"rank": pd.Series(range(1, k + 1))}
    for name, vectors in features.items():
        nearest = nearest_items(vectors, item_id, k=k)
        names = nearest["item_id"].map(titles).fillna(nearest["item_id"])
        shown = [f"{shorten(str(text), 40)} ({score:.2f})" for text, score in zip(names, nearest["score"], strict=True)]
        columns[name] = pd.Series(shown, dtype=object)  # no neighbour: a column of dashes
    return pd.DataFrame(columns).fillna("-")


def explore_neighbours(features: dict[str, Vectors], titles: pd.Series, item_id: str) -> ipywidgets.Widget:
    """Explore `view_neighbours` by item and k."""
    known = next(iter(features.values())).ids
    chosen = [item_id, *[other for other in known if other != item_id][:300]]
    options = [(f"{place} · {shorten(str(titles.get(other, '')), 60)}", other) for place, other in enumerate(chosen)]
    return explore(
        partial(view_neighbours, features, titles),
        item_id=ipywidgets.Dropdown(options=options, description="item", layout={"width": "30em"}),
        k=ipywidgets.IntSlider(value=5, min=1, max=20, description="neighbours"),
    )
