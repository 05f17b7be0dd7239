"""The true preferences of the built-in shop, for pairs of ids."""

from collections.abc import Iterable

import numpy as np

from recsys_kit.data.toyshop import ToyShop


def true_affinity(shop: ToyShop, user_ids: Iterable[str], item_ids: Iterable[str]) -> np.ndarray:
    """Return how well item i suits user i, before popularity, season and chance; NaN for an unknown id."""
    rows, columns = shop.user_ids.get_indexer(list(user_ids)), shop.item_ids.get_indexer(list(item_ids))
    return np.where((rows < 0) | (columns < 0), np.nan, shop.affinity[rows, columns])
