"""The baselines of everything: what most shoppers had, of late, or in the categories that this one shops in."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_kit.core.histories import Histories
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.interactions import event_ages


@dataclass
class Popularity(Recommender):
    """Ranks by the number of shoppers who had the item in train; everyone gets the same list, less what they had."""

    name = "popularity"
    personal = False

    def _fit(self, train: pd.DataFrame, **inputs: Any) -> None:
        self.can_score = self.item_counts > 0

    def _score(self, histories: Histories) -> np.ndarray:
        return np.repeat(self.item_counts[None], len(histories), axis=0)


@dataclass
class PopularLately(Recommender):
    """Popular now: an item's score is the sum over its events of 0.5^(age / half_life), the same for everyone.

    Of a shopper's events with one item only the latest counts. Without times (sequence files) it is `Popularity`.
    Source: exponential forgetting, as in Ding and Li, Time weight collaborative filtering, CIKM 2005, section 3.
    """

    half_life: float = 0.1
    """An event this many training periods old counts half."""

    name = "popular_lately"
    state = ("trend",)  # (N,) float32
    personal = False

    def _fit(self, train: pd.DataFrame, **inputs: Any) -> None:
        latest = ~train.duplicated(["user_index", "item_index"], keep="last").to_numpy()
        weights = np.power(0.5, event_ages(train)[latest] / self.half_life)
        indices = train["item_index"].to_numpy()[latest]
        self.trend = np.bincount(indices, weights=weights, minlength=len(self.item_ids)).astype(np.float32)
        self.can_score = self.item_counts > 0

    def _score(self, histories: Histories) -> np.ndarray:
        return np.repeat(self.trend[None], len(histories), axis=0)


@dataclass
class PopularInCategory(Recommender):
    """P(item | history) = P(category | history) P(item | category): the best sellers of the shelves one shops at.

    P(category | history) mixes the shares of the categories in the history with those of the whole shop, which weigh as
    `prior` events; P(item | category) is the item's share of the category's shoppers. Items without a category form one
    of their own; without a catalogue it is `Popularity`. Source: own, the multinomial with a Dirichlet prior.
    """

    prior: float = 1.0
    """The shares of the whole shop weigh as so many events of the history."""
    history_decay: float = 0.3
    """An item `back` events from the end of a history weighs (1 + back)^-history_decay."""

    name = "popular_in_category"
    state = ("category",)  # (N,) int64: the number of each item's category, from 0

    def _fit(self, train: pd.DataFrame, *, items: pd.DataFrame | None = None, **inputs: Any) -> None:
        labels = pd.Series("", index=self.item_ids)
        if items is not None and "category" in items:
            of_item = items.drop_duplicates("item_id").set_index("item_id")["category"]
            labels = of_item.astype("str").reindex(self.item_ids).fillna("")
        self.category = pd.factorize(labels, sort=True)[0].astype(np.int64)
        self.can_score = self.item_counts > 0

    def _score(self, histories: Histories) -> np.ndarray:
        sold = np.bincount(self.category, weights=self.item_counts)  # (C,)
        one_hot = sparse.csr_array((np.ones(len(self.category)), (np.arange(len(self.category)), self.category)))
        shares = (histories.matrix(len(self.item_ids), self.history_decay) @ one_hot).toarray()  # (B, C)
        shares += self.prior * sold / max(sold.sum(), 1)
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
        of_category = self.item_counts / np.maximum(sold, 1)[self.category]  # (N,)
        return (shares[:, self.category] * of_category).astype(np.float32)
