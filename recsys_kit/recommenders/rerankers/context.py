"""The same shopper wants different things in the evening, in December, or on a phone."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from recsys_kit.core.contexts import is_context
from recsys_kit.core.histories import Histories
from recsys_kit.core.ranking import top_k
from recsys_kit.recommenders.base import Recommender, load
from recsys_kit.recommenders.holdout import blocks
from recsys_kit.recommenders.neighbours import ItemKNN

CLOCK = ("daypart", "weekday", "month")  # what a time says
PRIOR = 5.0  # events under every circumstance alike that each item is given, so that one event proves little
BINS = 50  # parts of the training period for which there is a trend
LATELY = 0.7  # what a part counts in the trend of the next, beside that part itself
FEWEST = 20  # shoppers to learn the order from; below, the lists are the base's


@dataclass
class ContextAware(Recommender):
    """A gradient-boosted re-ranker over the candidates of a base model; it knows when and where a shopper asks.

    Its features of a shopper and a candidate: the base's score (from 0 to 1 over the candidates) and rank; log
    popularity; for each circumstance (every `ctx_*` column; from `timestamp` the quarter of the day, the weekday and
    the month) how much more often than usual the item is chosen under it, ln((n_ic + PRIOR s_c) / ((n_i + PRIOR) s_c)),
    with n_ic of the n_i events of the item under c, and s_c the share of c in all events; the item's trend just before
    the time of asking, ln((n_i,lately + 1) / (expected + 1)). The ranker learns from each shopper's last item, by a
    base and counts that have not seen it. Without a context the lists are the base's. A value that training never saw,
    a missing one too, says nothing.

    Only what is known when a shopper asks belongs in the context; that the chosen item was on promotion does not.
    Source: contextual post-filtering, Adomavicius and Tuzhilin, Context-aware recommender systems, 2011, section 3.2;
    the ranker is LightGBM's LambdaMART (Burges, From RankNet to LambdaRank to LambdaMART, 2010).
    """

    base: Recommender = field(default_factory=ItemKNN)
    """What finds the candidates; a copy of it is fitted, the object that was passed in stays as it is."""
    candidates: int = 50
    """Products of the base that are put in a new order."""
    rounds: int = 150
    """Trees of 4 leaves: larger ones learn the noise of a thousand shoppers."""
    learning_rate: float = 0.05
    seed: int = 0

    name = "context_aware"
    state = ("lift", "trend")
    # (V, N) float32: a row per value of a circumstance, the last for values never seen; (BINS + 1, N), a row per time

    def _fit(self, train: pd.DataFrame, *, items: pd.DataFrame | None = None, **inputs: Any) -> None:
        catalogue = pd.DataFrame({"item_id": self.item_ids})
        if items is not None:
            catalogue = catalogue.merge(items, on="item_id", how="left")
        circumstances = _circumstances(train)
        self._values = {name: sorted(circumstances[name].unique()) for name in circumstances}
        newest = train.groupby("user_id")["item_index"].transform("last")
        several = train.groupby("user_id")["item_index"].transform("nunique") > 1
        held = ((train["item_index"] == newest) & several).to_numpy()
        asked = (~train.duplicated("user_id", keep="last") & several).to_numpy()
        self._ranker, self._period = None, _period(train)
        self.base = self.base.unfitted()
        if self._values and asked.sum() >= FEWEST:
            earlier = self.base.unfitted().fit(train[~held], items=catalogue, **inputs)
            self._count(train[~held], circumstances[~held])
            self._learn(earlier, train[asked])
        self.base.fit(train, items=catalogue, **inputs)
        self._count(train, circumstances)
        self.can_score = self.base.can_score

    def unfitted(self) -> Self:
        """The same with a base that has learned nothing."""
        fresh = super().unfitted()
        fresh.base = self.base.unfitted()
        return fresh

    def _chosen(self) -> dict[str, Any]:
        return {"base": replace(self.base.unfitted(), **self.base._chosen())}

    def _count(self, events: pd.DataFrame, circumstances: pd.DataFrame) -> None:
        self.lift, n_items = self._lifts(events, circumstances), len(self.item_ids)
        item, part = events["item_index"].to_numpy(), self._part(events)
        counts = np.bincount(part * n_items + item, minlength=BINS * n_items)[: BINS * n_items].reshape(BINS, n_items)
        lately = np.zeros((BINS + 1, n_items))
        for number in range(BINS):  # the trend of a part knows the parts before it alone
            lately[number + 1] = LATELY * lately[number] + counts[number]
        expected = lately.sum(axis=1, keepdims=True) * counts.sum(axis=0) / max(counts.sum(), 1)
        self.trend = np.log((lately + 1) / (expected + 1)).astype(np.float32)

    def known_context(self) -> dict[str, list[str]]:
        """The columns of a context that change its lists, with the values that it knows (of `timestamp`: none listed).

        >>> ContextAware().known_context()
        {}
        """
        if getattr(self, "_ranker", None) is None:
            return {}
        known = {name: values for name, values in self._values.items() if is_context(name)}
        return known | ({"timestamp": []} if set(CLOCK) <= set(self._values) else {})

    def _part(self, events: pd.DataFrame) -> np.ndarray:
        """`(E,)` in which part of the training period each event lies; BINS for all that comes after it.

        An event without a time counts as one of the last part.
        """
        if self._period is None or "timestamp" not in events:
            return np.full(len(events), BINS - 1)
        first, last = map(pd.Timestamp, self._period)
        share = ((events["timestamp"] - first) / max(last - first, pd.Timedelta(1, "s"))).to_numpy(float)
        part = np.where(share > 1, BINS, np.clip(share * BINS, 0, BINS - 1))
        return np.where(np.isnan(part), BINS - 1, part).astype(int)

    def _lifts(self, events: pd.DataFrame, circumstances: pd.DataFrame) -> np.ndarray:
        """`(V, N)`: the logarithm of how much more often than usual each item is taken under each value."""
        item, n_items = events["item_index"].to_numpy(), len(self.item_ids)
        of_item, rows = np.bincount(item, minlength=n_items), []
        for name, values in self._values.items():
            code = pd.Index(values).get_indexer(circumstances[name])
            counts = np.bincount(code * n_items + item, minlength=len(values) * n_items).reshape(len(values), n_items)
            share = np.maximum(counts.sum(axis=1, keepdims=True), 1) / max(len(item), 1)
            rows.append(np.log((counts + PRIOR * share) / ((of_item + PRIOR) * share)))
        return np.vstack([*rows, np.zeros((1, n_items))]).astype(np.float32)

    def _learn(self, earlier: Recommender, asked: pd.DataFrame) -> None:
        import lightgbm

        histories = earlier.encode(earlier.known_histories(asked["user_id"]))
        features, labels, groups = [], [], []
        for some, block in blocks(histories, len(self.item_ids)):
            chosen, scores = self._candidates(earlier, block)
            hit = chosen == asked["item_index"].to_numpy()[some, None]
            found = np.flatnonzero(hit.any(axis=1))  # where the base has missed there is no order to learn
            there = chosen[found] >= 0
            features.append(self._features(chosen, scores, asked.iloc[some])[found][there])
            labels.append(hit[found][there])
            groups.append(there.sum(axis=1))
        if sum(map(len, groups)) < FEWEST:
            return
        data = lightgbm.Dataset(np.vstack(features), np.concatenate(labels), group=np.concatenate(groups))
        settings = {"objective": "lambdarank", "learning_rate": self.learning_rate, "seed": self.seed, "verbosity": -1}
        settings |= {"num_leaves": 4, "min_data_in_leaf": 100, "lambda_l2": 10.0}
        settings |= {"deterministic": True, "force_row_wise": True, "num_threads": 1}
        self._ranker = lightgbm.train(settings, data, num_boost_round=self.rounds)

    def _candidates(self, base: Recommender, histories: Histories) -> tuple[np.ndarray, np.ndarray]:
        """The base's best items that were not had, `(B, K)` with -1 where there are fewer, and all of its scores."""
        scores = np.where(base.can_score, base._score(histories), -np.inf).astype(np.float32)
        scores[histories.masked.cells] = -np.inf
        return top_k(scores, self.candidates), scores

    def _features(self, chosen: np.ndarray, scores: np.ndarray, context: pd.DataFrame) -> np.ndarray:
        """`(B, K, F)`."""
        circumstances = _circumstances(context)
        value = np.take_along_axis(scores, np.maximum(chosen, 0), axis=1)
        value = np.where(chosen >= 0, value, np.nan)
        highest, lowest = (end.reduce(value, axis=1, keepdims=True) for end in (np.fmax, np.fmin))
        value = (value - lowest) / np.where(highest > lowest, highest - lowest, 1)  # NaN where there is no candidate
        rank = np.broadcast_to(np.arange(chosen.shape[1]), chosen.shape)
        trend = self.trend[self._part(context)[:, None], chosen]
        features, start = [value, rank, np.log1p(self.item_counts)[chosen], trend], 0
        for name, values in self._values.items():
            row = np.full(len(chosen), -1)
            if name in circumstances:
                row = pd.Index(values).get_indexer(circumstances[name])
            features.append(self.lift[np.where(row >= 0, start + row, -1)[:, None], chosen])
            start += len(values)
        return np.stack(features, axis=2).astype(np.float32)

    def _score(self, histories: Histories) -> np.ndarray:
        return self.base._score(histories)

    def _score_in_context(self, histories: Histories, context: pd.DataFrame) -> np.ndarray:
        """The candidates stand above all other items, in the order of the ranker."""
        scores = self._score(histories)
        if self._ranker is None or not set(_circumstances(context)) & set(self._values):
            return scores
        chosen, masked = self._candidates(self.base, histories)
        features = self._features(chosen, masked, context)
        worth = self._ranker.predict(features.reshape(-1, features.shape[2]), num_threads=1).reshape(chosen.shape)
        row, place = np.nonzero(chosen >= 0)
        above = np.where(self.can_score, scores, -np.inf).max(axis=1) + 1 - np.where(chosen >= 0, worth, 0).min(axis=1)
        scores[row, chosen[row, place]] = (worth + above[:, None])[row, place]
        return scores

    def _knows(self, histories: Histories) -> np.ndarray:
        return self.base._knows(histories)

    # -- on disk ---------------------------------------------------------------------------------------------------

    def _parameters(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "base"}

    def _save_extra(self, folder: Path) -> None:
        self.base.save(folder / "base")
        ranker = self._ranker and self._ranker.model_to_string()
        circumstances = list(self._values.items())  # pairs: their order is that of the rows of `lift` and the features
        saved = {"circumstances": circumstances, "period": self._period, "ranker": ranker}
        (folder / "ranker.json").write_text(json.dumps(saved, sort_keys=True), encoding="utf-8")

    @classmethod
    def _restore(cls, folder: Path, meta: Mapping[str, Any]) -> Self:
        model = cls(base=load(folder / "base"), **meta["parameters"])
        model._load_state(folder, meta)
        saved = json.loads((folder / "ranker.json").read_text(encoding="utf-8"))
        model._values, model._period, model._ranker = dict(saved["circumstances"]), saved["period"], None
        if saved["ranker"]:
            import lightgbm

            model._ranker = lightgbm.Booster(model_str=saved["ranker"])
        return model


def _period(train: pd.DataFrame) -> list[str] | None:
    """The times of the first and the last event."""
    return [str(train["timestamp"].min()), str(train["timestamp"].max())] if "timestamp" in train else None


def _circumstances(events: pd.DataFrame) -> pd.DataFrame:
    """The circumstances of each event as text: every `ctx_*` column, and what its time says; "" where it is missing.

    >>> events = pd.DataFrame({"ctx_device": ["phone"], "timestamp": pd.to_datetime(["2025-11-30T20:15Z"])})
    >>> _circumstances(events).iloc[0].to_dict()
    {'ctx_device': 'phone', 'daypart': '3', 'weekday': '6', 'month': '11'}
    """
    found = {name: _texts(events[name]) for name in events if is_context(name) and name != "timestamp"}
    if "timestamp" in events:
        when = events["timestamp"].dt
        found |= dict(zip(CLOCK, map(_texts, (when.hour // 6, when.day_of_week, when.month)), strict=True))
    return pd.DataFrame(found, index=events.index, dtype="str")


def _texts(values: pd.Series) -> pd.Series:
    """Each value as text, whatever else is in the column: the number 3 is "3" even where a missing value made it 3.0.

    >>> _texts(pd.Series([3, None])).tolist()
    ['3', '']
    """
    if pd.api.types.is_float_dtype(values):
        return values.map(lambda value: "" if pd.isna(value) else f"{value:.0f}" if value % 1 == 0 else str(value))
    return values.astype("str").fillna("")
