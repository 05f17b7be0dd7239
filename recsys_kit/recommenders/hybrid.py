"""Several models, one list: standardised scores, weighted as validation says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from recsys_kit.errors import ParameterError
from recsys_kit.metrics import discounts
from recsys_kit.recommenders.base import Histories, Recommender, load

WEIGHT_STEPS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
VALIDATION_CELLS = 2**27  # standardised scores held while the weights are chosen: 512 MB of float32


@dataclass
class Hybrid(Recommender):
    """A weighted mean of the parts' scores, each standardised over the items it can score for this shopper.

    An item is judged by the parts that can score it, so that a product nobody has bought competes by its text. The
    weights are found on validation by coordinate ascent from the best single part upwards, so there the blend is never
    below its best part. After `fit`, `weights` holds them and `validation` the NDCG@k of each part and of the blend.
    Source: the weighted hybrid of Burke, Hybrid recommender systems, 2002; the search for the weights is our own.
    """

    parts: Mapping[str, Recommender] = field(default_factory=dict)
    """The models to blend, by name. A fitted part is used as it is; the others are fitted first."""
    k: int = 10
    """The weights maximise NDCG at this k."""
    max_validation_users: int = 1000
    """At most this many shoppers, drawn by `seed`, judge the weights."""
    seed: int = 0

    name = "hybrid"

    @property
    def understands_text(self) -> bool:  # type: ignore[override]
        """Whether a part that does has any weight."""
        return any(self.parts[name].understands_text for name in self._active())

    def _fit(self, train: pd.DataFrame, *, valid: pd.DataFrame | None = None, **inputs: Any) -> None:
        if not self.parts or valid is None:
            raise ParameterError(
                "RK-315", "hybrid needs parts and valid.", "Use Hybrid({'ease': EASE(), ...}).fit(train, valid=valid)."
            )
        for name, part in self.parts.items():
            if not hasattr(part, "item_ids"):
                part.fit(train, **inputs)
            elif not part.fitted_like(self):
                raise ParameterError("RK-316", f"{name} was fitted on other data.", "Fit all parts on the same train.")
        self._choose_weights(valid)
        self._mark_scorable()

    def _active(self) -> list[str]:
        return [name for name, weight in self.weights.items() if weight > 0]

    def _mark_scorable(self) -> None:
        self.can_score = np.any([self.parts[name].can_score for name in self._active()], axis=0)

    # -- the weights -----------------------------------------------------------------------------------------------

    def _choose_weights(self, valid: pd.DataFrame) -> None:
        validation = self._validation(valid)
        if validation is None:  # nobody bought before and after the cut: nothing to choose by
            self.weights, self.validation = dict.fromkeys(self.parts, 1.0), {}
            return
        nothing = dict.fromkeys(self.parts, 0.0)
        self.validation = {name: validation.ndcg(nothing | {name: 1.0}) for name in self.parts}
        best = max(self.validation, key=self.validation.__getitem__)
        self.weights, reached = _ascend(validation, nothing | {best: 1.0}, self.validation[best])
        self.validation[self.name] = reached

    def _validation(self, valid: pd.DataFrame) -> "_Validation | None":
        """The shoppers of validation with a history, and the items new to them that each had there."""
        users = np.intersect1d(valid["user_id"].unique().astype(str), self.user_ids)
        limit = min(self.max_validation_users, VALIDATION_CELLS // (len(self.parts) * len(self.item_ids)))
        if len(users) > limit:
            users = np.sort(np.random.default_rng(self.seed).choice(users, limit, replace=False))
        histories = self.encode(self.known_histories(users))
        had = histories.matrix(len(self.item_ids)).tocoo()
        events = valid[valid["user_id"].isin(users)]
        rows = np.searchsorted(users, events["user_id"].to_numpy(str))
        wanted = pd.MultiIndex.from_arrays([rows, self._item_index.get_indexer(events["item_id"])]).unique()
        wanted = wanted.difference(pd.MultiIndex.from_arrays([had.row, had.col]))
        rows, items = (wanted.get_level_values(level).to_numpy(np.int64) for level in (0, 1))
        rows, items = rows[items >= 0], items[items >= 0]
        return _Validation(self, histories, rows, items) if len(rows) else None

    # -- scores ----------------------------------------------------------------------------------------------------

    def _score(self, histories: Histories) -> np.ndarray:
        parts = {name: self.parts[name] for name in self._active()}
        return blended(
            {name: standardised(part._score(histories), part.can_score) for name, part in parts.items()},
            {name: part.can_score for name, part in parts.items()},
            self.weights,
        )

    def _score_texts(self, texts: Sequence[str]) -> np.ndarray:
        parts = {name: self.parts[name] for name in self._active() if self.parts[name].understands_text}
        if not parts:
            return super()._score_texts(texts)
        scorable = {name: part.can_score for name, part in parts.items()}
        scores = {name: standardised(part._score_texts(texts), part.can_score) for name, part in parts.items()}
        blend = blended(scores, scorable, self.weights)
        blend[:, ~np.any(list(scorable.values()), axis=0)] = -np.inf  # a product without text answers no sentence
        return blend

    def _knows(self, histories: Histories) -> np.ndarray:
        return np.any([self.parts[name]._knows(histories) for name in self._active()], axis=0)

    # -- on disk ---------------------------------------------------------------------------------------------------

    def _parameters(self) -> dict[str, Any]:
        plain = {"k": self.k, "max_validation_users": self.max_validation_users, "seed": self.seed}
        return plain | {"weights": self.weights, "validation": self.validation}

    def _save_extra(self, folder: Path) -> None:
        for name in self._active():
            self.parts[name].save(folder / "parts" / name)

    @classmethod
    def _restore(cls, folder: Path, meta: Mapping[str, Any]) -> Self:
        parameters = dict(meta["parameters"])
        weights, validation = parameters.pop("weights"), parameters.pop("validation")
        parts = {name: load(folder / "parts" / name) for name, weight in weights.items() if weight > 0}
        model = cls(parts, **parameters)
        model.weights, model.validation = weights, validation
        model._load_state(folder, meta)
        return model


def standardised(scores: np.ndarray, can_score: np.ndarray) -> np.ndarray:
    """Each row of `(B, N)` to mean 0 and deviation 1 over the columns that can be scored; all else becomes 0.

    >>> standardised(np.array([[1.0, 3.0, 9.0], [2.0, 2.0, 2.0]]), np.array([True, True, False]))
    array([[-1.,  1.,  0.],
           [ 0.,  0.,  0.]])
    """
    known = scores[:, can_score]
    deviation = known.std(axis=1, keepdims=True)
    result = np.zeros_like(scores)
    result[:, can_score] = (known - known.mean(axis=1, keepdims=True)) / np.where(deviation > 1e-12, deviation, np.inf)
    return result


def blended(
    scores: Mapping[str, np.ndarray], can_score: Mapping[str, np.ndarray], weights: Mapping[str, float]
) -> np.ndarray:
    """The weighted mean `(B, N)` of the parts in `scores`, for each item over the parts that can score it.

    >>> scores = {"a": np.array([[1.0, 2.0]]), "b": np.array([[3.0, 0.0]])}
    >>> blended(scores, {"a": np.array([True, True]), "b": np.array([True, False])}, {"a": 1.0, "b": 1.0})
    array([[2., 2.]])
    """
    total = sum(scores[name] * scores[name].dtype.type(weights[name]) for name in scores)
    share = sum(weights[name] * can_score[name] for name in scores)
    return total / np.where(share > 0, share, 1).astype(total.dtype)


class _Validation:
    """Everything that stays the same while weights are tried."""

    def __init__(self, hybrid: Hybrid, histories: Histories, rows: np.ndarray, items: np.ndarray) -> None:
        self.scores = {n: standardised(p._score(histories), p.can_score) for n, p in hybrid.parts.items()}
        self.knows = {n: p._knows(histories) for n, p in hybrid.parts.items()}
        self.can_score = {n: p.can_score for n, p in hybrid.parts.items()}
        self.fallback = np.where(hybrid.item_counts > 0, hybrid.item_counts, -np.inf).astype(np.float32)
        self.seen = np.repeat(np.arange(len(histories)), np.diff(histories.starts)), histories.items
        self.rows, self.items, self.k = rows, items, hybrid.k
        n_relevant = np.bincount(rows, minlength=len(histories))
        self.judged = n_relevant > 0
        self.ideal = np.r_[0.0, discounts(self.k).cumsum()][np.minimum(n_relevant, self.k)]

    def ndcg(self, weights: Mapping[str, float]) -> float:
        """Mean NDCG@k of the blend with these weights, ranked over the whole catalogue."""
        active = [name for name, weight in weights.items() if weight > 0]
        blend = blended({name: self.scores[name] for name in active}, self.can_score, weights)
        blend[:, ~np.any([self.can_score[name] for name in active], axis=0)] = -np.inf
        blend[~np.any([self.knows[name] for name in active], axis=0)] = self.fallback
        blend[self.seen] = -np.inf
        ranks = self._ranks(blend)
        gains = np.r_[0.0, discounts(self.k)][np.where(ranks <= self.k, ranks, 0)]
        reached = np.bincount(self.rows, weights=gains, minlength=len(blend))
        return float((reached[self.judged] / self.ideal[self.judged]).mean())

    def _ranks(self, scores: np.ndarray) -> np.ndarray:
        """From 1, of each wanted item; beyond the list where it cannot be scored."""
        wanted = scores[self.rows, self.items]
        better = np.empty(len(wanted), np.int64)
        for start in range(0, len(wanted), 256):
            part = slice(start, start + 256)
            row_scores = scores[self.rows[part]]
            ahead = row_scores > wanted[part, None]
            tied = (row_scores == wanted[part, None]) & (np.arange(scores.shape[1]) < self.items[part, None])
            better[part] = (ahead | tied).sum(axis=1)
        return np.where(np.isneginf(wanted), scores.shape[1] + self.k, better) + 1


def _ascend(validation: _Validation, weights: dict[str, float], reached: float) -> tuple[dict[str, float], float]:
    """Try every step of one weight after the other, keep what helps, until a whole round helps nothing."""
    improved = True
    while improved:
        improved = False
        for name in weights:
            for step in WEIGHT_STEPS:
                trial = weights | {name: step}
                if any(trial.values()) and (value := validation.ndcg(trial)) > reached + 1e-6:
                    weights, reached, improved = trial, value, True
    return weights, reached
