"""The baseline of everything: what most shoppers had."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.recommenders.base import Histories, Recommender


@dataclass
class Popularity(Recommender):
    """Ranks by the number of shoppers who had the item in train; everyone gets the same list, less what they had."""

    name = "popularity"

    def _fit(self, train: pd.DataFrame, **inputs: Any) -> None:
        self.can_score = self.item_counts > 0

    def _score(self, histories: Histories) -> np.ndarray:
        return np.repeat(self.item_counts[None], len(histories), axis=0)
