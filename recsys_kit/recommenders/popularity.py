"""Popularity baselines: of all time, recent, and by category."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.interactions import HistoryDecay, weigh_latest


@dataclass
class Popularity(Recommender):
    """Ranks items by the number of users with a training interaction; every user gets the same list.

    >>> train = pd.DataFrame({"user_id": ["a", "b", "b"], "item_id": ["x", "x", "y"], "position": [0, 0, 1]})
    >>> Popularity().fit(train).recommend(histories=[[]])["item_id"].tolist()
    ['x', 'y']
    """

    name = "popularity"
    personal = False

    def _fit(self, split: EncodedSplit) -> None:
        """Learn nothing more: the counts are the scores."""

    def _score(self, histories: Histories) -> np.ndarray:
        return np.repeat(self.item_counts[None], len(histories), axis=0)


@dataclass
class PopularLately(Recommender):
    """Ranks items by recent popularity: the sum over their events of 0.5^(age / half_life), the same for every user.

    Of a user's events with one item only the latest counts.
    Source: exponential forgetting, as in Ding and Li, Time weight collaborative filtering, CIKM 2005, section 3.
    """

    half_life: float = 0.1
    """An event of this age, in training periods, counts half."""

    name = "popular_lately"
    uses: ClassVar[Mapping[str, bool]] = {"timestamp": True}
    state = ("trend",)  # (N,) float32
    personal = False

    def _fit(self, split: EncodedSplit) -> None:
        latest, weights = weigh_latest(split.train, self.half_life)
        counts = np.bincount(split.train.item[latest], weights=weights, minlength=len(self.items))
        self.trend = counts.astype(np.float32)

    def _score(self, histories: Histories) -> np.ndarray:
        return np.repeat(self.trend[None], len(histories), axis=0)


@dataclass
class PopularInCategory(HistoryDecay):
    """P(item | history) = P(category | history) P(item | category): the popular items of the user's categories.

    P(category | history) mixes the shares of the categories in the history with those of all interactions, which weigh
    as `prior` events; P(item | category) is the item's share of the users of the category. Items without a category
    form one of their own. Source: own, the multinomial with a Dirichlet prior.
    """

    prior: float = 1.0
    """Weight of the shares of all interactions, in events of a history."""

    name = "popular_in_category"
    uses: ClassVar[Mapping[str, bool]] = {"category": True}
    state = ("category",)  # (N,) int64: the number of each item's category, from 0

    def _fit(self, split: EncodedSplit) -> None:
        assert split.item_table is not None  # `uses` says so
        known = split.item_table.drop_duplicates("item_id").set_index("item_id")["category"]
        labels = known.astype("str").reindex(self.item_ids).fillna("")
        self.category = pd.factorize(labels, sort=True)[0].astype(np.int64)

    def _score(self, histories: Histories) -> np.ndarray:
        counts = np.bincount(self.category, weights=self.item_counts)  # (C,)
        one_hot = sparse.csr_array((np.ones(len(self.category)), (np.arange(len(self.category)), self.category)))
        shares = (self.weigh(histories) @ one_hot).toarray()  # (B, C)
        shares += self.prior * counts / max(counts.sum(), 1)
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
        of_category = self.item_counts / np.maximum(counts, 1)[self.category]  # (N,)
        return (shares[:, self.category] * of_category).astype(np.float32)
