"""Rank the whole catalogue for every evaluated user; lists stay integer arrays until somebody reads them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from recsys_kit.core.histories import Histories
from recsys_kit.core.ranking import top_k
from recsys_kit.core.vocabulary import Vocabulary
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.holdout import blocks, score


@dataclass(frozen=True, eq=False)
class RankedLists:
    """The recommendation lists of one model, best item first."""

    items: np.ndarray
    """(U, K) int32 item indices; -1 after the end of a list."""
    scores: np.ndarray
    """(U, K) float32; meaningless after the end of a list."""
    fallback: np.ndarray
    """(U,) bool: True where nothing is known of the user and the list holds the most popular items."""

    def to_frame(self, users: np.ndarray, items: Vocabulary) -> pd.DataFrame:
        """Return one row per place: user_id, item_id, score, rank (from 1) and fallback."""
        row, place = np.nonzero(self.items >= 0)
        return pd.DataFrame({
            "user_id": users[row],
            "item_id": items.ids[self.items[row, place]],
            "score": self.scores[row, place],
            "rank": place + 1,
            "fallback": self.fallback[row],
        })  # fmt: skip


def rank_lists(model: Recommender, histories: Histories, k: int, context: pd.DataFrame | None = None) -> RankedLists:
    """Return the k best items of each history (B) that are not masked, as `Recommender.recommend` ranks them.

    Args:
        model: a fitted model.
        histories: indices of the model's catalogue, with what is masked in the lists.
        k: length of the lists.
        context: one row per history; None asks without.
    """
    n_items = len(model.item_ids)
    found = RankedLists(
        np.full((len(histories), k), -1, np.int32),
        np.zeros((len(histories), k), np.float32),
        np.zeros(len(histories), bool),
    )
    parts = list(blocks(histories, n_items))
    for place, block in tqdm(parts, desc=model.name, disable=len(parts) < 2):
        fallback = ~model._knows(block)
        asked = None if context is None else context.iloc[place]
        scores = model.visible(score(model, block, asked), fallback)
        scores[block.masked.cells] = -np.inf
        best = top_k(scores, k)
        width = best.shape[1]
        found.items[place, :width] = best
        found.scores[place, :width] = np.take_along_axis(scores, best.clip(0), axis=1)
        found.fallback[place] = fallback
    return found
