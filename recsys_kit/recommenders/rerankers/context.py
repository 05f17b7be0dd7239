"""Context-aware re-ranking: time of day, weekday, month and the `ctx_*` columns."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd

from recsys_kit.core.contexts import is_context
from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.events import Events
from recsys_kit.core.histories import Histories
from recsys_kit.recommenders.base import Recommender, RefitMember
from recsys_kit.recommenders.rerankers.base import Reranker, make_examples

CLOCK = ("daypart", "weekday", "month")  # the context variables that a time gives
PSEUDO_COUNT = 5.0  # additive smoothing of item counts per context value
N_BINS = 50  # time bins of the training period for which there is a trend
TREND_DECAY = 0.7  # exponential decay of the popularity trend, per time bin
MIN_USERS = 20  # users to train the ranker on; with fewer the lists are those of the base


@dataclass
class ContextAware(Reranker):
    """A gradient-boosted re-ranker over the candidates of a base model that knows the context of the request.

    Its features of a user and a candidate: the base's score (from 0 to 1 over the candidates) and rank; log popularity;
    for each context variable (every `ctx_*` column; from `timestamp` the quarter of the day, the weekday and the month)
    how much more often than usual users interact with the item under it,
    ln((n_ic + PSEUDO_COUNT s_c) / ((n_i + PSEUDO_COUNT) s_c)), with n_ic of the n_i events of the item under c, and s_c
    the share of c in all events; the trend of the item just before the request, ln((n_i,recent + 1) / (expected + 1)).
    The ranker is trained on each user's last item, with a base and counts that have not seen it. Without a context the
    lists are those of the base. A value that is missing, or that was not in training, changes nothing.

    The context holds only what is known at the time of the request; whether the chosen item was on promotion is not.
    Source: contextual post-filtering, Adomavicius and Tuzhilin, Context-aware recommender systems, 2011, section 3.2;
    the ranker is LightGBM's LambdaMART (Burges, From RankNet to LambdaRank to LambdaMART, 2010).
    """

    name = "context_aware"
    state = ("lift", "trend")
    # (V, N) float32: a row per context value, the last for unknown values; (N_BINS + 1, N), a row per time bin
    learned = ("context_values", "period", "ranker")

    @property
    def uses(self) -> Mapping[str, bool]:  # type: ignore[override]
        """The context, and what the base uses."""
        return {"context": True, **getattr(self.base, "uses", {})}

    def _fit(self, split: EncodedSplit) -> None:
        self.base = self.base.unfitted().fit(split)
        self.ranker, self.can_score, times = "", self.base.can_score, split.train.columns.get("timestamp")
        self.period = None if times is None else [str(times.min()), str(times.max())]
        train, contexts = split.train, describe_contexts(split.train.columns)
        self.context_values = {name: sorted(contexts[name].unique()) for name in contexts}
        last, newest = np.r_[np.diff(train.user) != 0, True], np.full(len(self.users), -1)
        newest[train.user[last]] = train.item[last]
        alike = train.item == newest[train.user]
        several = np.bincount(train.user, weights=~alike)[train.user] > 0
        if self.context_values and np.count_nonzero(last & several) >= MIN_USERS:
            held = alike & several
            earlier = split.keep(~held)
            self._count(earlier.train, contexts[~held])
            self._train_ranker(self.base.refit(earlier), train.keep(last & several))
        self._count(train, contexts)

    def _refit(self, split: EncodedSplit, refit_member: RefitMember) -> Self:
        """Fit again; the base keeps what validation chose."""
        return replace(self, base=replace(self.base.unfitted(), **self.base._chosen())).fit(split)

    def answering_members(self) -> dict[str, Recommender]:
        """Return the base."""
        return {"base": self.base}

    def _count(self, events: Events, contexts: pd.DataFrame) -> None:
        """Compute the lift of each item under each context value, and its trend in each time bin."""
        item, n_items = events.item, len(self.items)
        of_item, lifts = np.bincount(item, minlength=n_items), []
        for name, values in self.context_values.items():
            counts = _count_pairs(pd.Index(values).get_indexer(contexts[name]), item, (len(values), n_items))
            share = np.maximum(counts.sum(axis=1, keepdims=True), 1) / max(len(item), 1)
            lifts.append(np.log((counts + PSEUDO_COUNT * share) / ((of_item + PSEUDO_COUNT) * share)))
        self.lift = np.vstack([*lifts, np.zeros((1, n_items))]).astype(np.float32)
        counts, recent = _count_pairs(self._bins(events.columns), item, (N_BINS, n_items)), [np.zeros(n_items)]
        for row in counts:  # the trend of a bin knows only the bins before it
            recent.append(TREND_DECAY * recent[-1] + row)
        expected = np.sum(recent, axis=1, keepdims=True) * counts.sum(axis=0) / max(counts.sum(), 1)
        self.trend = np.log((np.array(recent) + 1) / (expected + 1)).astype(np.float32)

    def known_context(self) -> dict[str, list[str]]:
        """Return the context columns that change the lists, with the known values (none for `timestamp`).

        >>> ContextAware().known_context()
        {}
        """
        if not self.is_fitted or not self.ranker:
            return {}
        known = {str(name): values for name, values in self.context_values.items() if is_context(name)}
        return known | ({"timestamp": []} if set(CLOCK) <= set(self.context_values) else {})

    def _bins(self, events: pd.DataFrame) -> np.ndarray:
        """Return `(E,)` the time bin of each event; N_BINS after the training period, the last bin without a time."""
        if self.period is None or "timestamp" not in events:
            return np.full(len(events), N_BINS - 1)
        first, last = map(pd.Timestamp, self.period)
        share = ((events["timestamp"] - first) / max(last - first, pd.Timedelta(1, "s"))).to_numpy(float)
        bins = np.where(share > 1, N_BINS, np.clip(share * N_BINS, 0, N_BINS - 1))
        return np.where(np.isnan(bins), N_BINS - 1, bins).astype(int)

    def _train_ranker(self, earlier: Recommender, asked: Events) -> None:
        def describe(place: slice, histories: Histories) -> tuple[np.ndarray, np.ndarray]:
            chosen, shown = self._candidates(earlier, earlier._score(histories), histories)
            return chosen, self._features(chosen, shown, asked.columns.iloc[place])

        examples = make_examples(describe, earlier.train_histories.take(asked.user), asked.item, len(self.items))
        if len(examples[-1]) >= MIN_USERS:
            settings = {"num_leaves": 4, "min_data_in_leaf": 100, "lambda_l2": 10.0, "num_threads": 1}
            (self.ranker,) = self._train(examples, 1, **settings)  # larger trees learn the noise of a thousand users

    def _features(self, chosen: np.ndarray, scores: np.ndarray, context: pd.DataFrame) -> np.ndarray:
        """Return the features of the candidates, `(B, K, F)`."""
        contexts = describe_contexts(context).reindex(columns=list(self.context_values))
        value = np.where(chosen >= 0, np.take_along_axis(scores, chosen.clip(0), axis=1), np.nan)
        highest, lowest = (end.reduce(value, axis=1, keepdims=True) for end in (np.fmax, np.fmin))
        value = (value - lowest) / np.where(highest > lowest, highest - lowest, 1)  # NaN where there is no candidate
        rank = np.broadcast_to(np.arange(chosen.shape[1]), chosen.shape)
        trend = self.trend[self._bins(context)[:, None], chosen]
        features, start = [value, rank, np.log1p(self.item_counts)[chosen], trend], 0
        for name, values in self.context_values.items():
            row = pd.Index(values).get_indexer(contexts[name])
            features.append(self.lift[np.where(row >= 0, start + row, -1)[:, None], chosen])
            start += len(values)
        return np.stack(features, axis=2).astype(np.float32)

    def _score(self, histories: Histories) -> np.ndarray:
        return self.base._score(histories)

    def _score_in_context(self, histories: Histories, context: pd.DataFrame | None) -> np.ndarray:
        """Return scores in which the candidates come before all other items, in the order of the ranker."""
        scores = self._score(histories)
        if context is None or not self.ranker or not set(describe_contexts(context)) & set(self.context_values):
            return scores
        chosen, shown = self._candidates(self.base, scores, histories)
        features = self._features(chosen, shown, context)
        features = features.reshape(-1, features.shape[2])
        order = self._trees_of(self.ranker).predict(features, num_threads=1).reshape(chosen.shape)
        row, place = np.nonzero(chosen >= 0)
        above = np.where(self.can_score, scores, -np.inf).max(axis=1) + 1 - np.where(chosen >= 0, order, 0).min(axis=1)
        scores[row, chosen[row, place]] = (order + above[:, None])[row, place]
        return scores


def _count_pairs(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1]).reshape(shape)


def describe_contexts(events: pd.DataFrame) -> pd.DataFrame:
    """Return the context variables of each event as text: `ctx_*` columns and parts of the time; "" for a missing one.

    >>> events = pd.DataFrame({"ctx_device": ["phone"], "timestamp": pd.to_datetime(["2025-11-30T20:15Z"])})
    >>> describe_contexts(events).iloc[0].to_dict()
    {'ctx_device': 'phone', 'daypart': '3', 'weekday': '6', 'month': '11'}
    """
    found = {name: _texts(events[name]) for name in events if is_context(name) and name != "timestamp"}
    if "timestamp" in events:
        when = events["timestamp"].dt
        found |= dict(zip(CLOCK, map(_texts, (when.hour // 6, when.day_of_week, when.month)), strict=True))
    return pd.DataFrame(found, index=events.index, dtype="str")


def _texts(values: pd.Series) -> pd.Series:
    """Return each value as text; the number 3 is "3" even where a missing value has made it 3.0.

    >>> _texts(pd.Series([3, None])).tolist()
    ['3', '']
    """
    if pd.api.types.is_float_dtype(values):
        return values.map(lambda value: "" if pd.isna(value) else f"{value:.0f}" if value % 1 == 0 else str(value))
    return values.astype("str").fillna("")
