"""Several models, one list: a weighted blend, a fusion of ranks, a switch. Validation tunes them and keeps the best."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from recsys_kit.core.histories import Histories
from recsys_kit.core.ranking import top_k
from recsys_kit.core.threads import one_blas_thread
from recsys_kit.errors import ParameterError
from recsys_kit.intervals import bootstrap_means
from recsys_kit.recommenders.base import Recommender, load
from recsys_kit.recommenders.holdout import MAX_USERS, Validation, blocks, score, visible

WEIGHT_STEPS = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
SHARE_POWERS = (1.0, 0.5, 0.0)  # of equally good ones the first
CANDIDATES = 50  # of each part and shopper: among these the weights are tried


@dataclass
class Ensemble(Recommender):
    """Models that share one list, on validation never below the best of them: where it would be, that part answers.

    (But for a blend whose weights are given: there validation has nothing to say.) After `fit`, `validation` holds the
    mean NDCG@k of each part and of the whole, `kept` the name of what answers.
    """

    parts: Mapping[str, Recommender] = field(default_factory=dict)
    """The models, by name. A fitted part is used as it is; of the others `fit` fits copies."""
    k: int = 10
    """NDCG at this k is what validation maximises."""
    max_validation_users: int = MAX_USERS
    """At most this many shoppers, drawn by `seed`, judge on validation."""
    seed: int = 0

    learned: ClassVar[tuple[str, ...]] = ("validation", "kept")

    @abstractmethod
    def _learn(self, train: pd.DataFrame, validation: Validation | None, inputs: Mapping[str, Any]) -> None:
        """Choose what there is to choose; the parts are fitted."""

    @abstractmethod
    def _combined(self, histories: Histories, context: pd.DataFrame | None) -> np.ndarray:
        """`(B, N)` float32 of the parts together."""

    def _fit(self, train: pd.DataFrame, *, valid: pd.DataFrame | None = None, **inputs: Any) -> None:
        by_name = isinstance(self.parts, Mapping) and all(isinstance(m, Recommender) for m in self.parts.values())
        if not by_name or not self.parts or valid is None:
            raise ParameterError(
                "RK-315",
                f"{self.name} needs parts, which are models by name, and valid.",
                f"Use {type(self).__name__}({{'ease': EASE(), ...}}).fit(train, valid=valid).",
            )
        for name, part in self.parts.items():
            if hasattr(part, "item_ids") and not part.fitted_like(self):
                raise ParameterError("RK-316", f"{name} was fitted on other data.", "Fit all parts on the same train.")
        self.parts = {
            name: part
            if hasattr(part, "item_ids")
            else part.unfitted().fit(train, valid=valid, **part.with_own_vectors(inputs))
            for name, part in self.parts.items()
        }
        self.validation, self.kept = {}, self.name
        drawn = {"max_users": self.max_validation_users, "seed": self.seed, "seen": inputs.get("seen")}
        validation = Validation.of(self, valid, **drawn)
        self._learn(train, validation, {"valid": valid, **inputs})

    def unfitted(self) -> Self:
        """The same with parts that have learned nothing."""
        fresh = super().unfitted()
        fresh.parts = {name: part.unfitted() for name, part in self.parts.items()}
        return fresh

    def _refit(self, train: pd.DataFrame, fitted: dict[int, Recommender], inputs: Mapping[str, Any]) -> Self:
        """Of the parts those that answer; they share what validation chose."""
        parts = {name: self.parts[name].refit(train, fitted=fitted, **inputs) for name in self._needed()}
        model = replace(self, parts=parts)
        model._meet(train, inputs["items"])
        model._take_over(self)
        return model

    def _take_over(self, tuned: Self) -> None:
        """What validation has chosen in another of this kind."""
        for name in self.learned:
            setattr(self, name, getattr(tuned, name))
        self._mark_scorable()

    # -- which is better -------------------------------------------------------------------------------------------

    def _keep_the_better(self, validation: Validation | None, parts: Mapping[str, float]) -> None:
        """Compare the whole with its parts, whose mean NDCG these are, shopper by shopper the same ones."""
        if validation is None:  # no shopper has events before and after the cut: nothing to choose by
            return
        self.validation = {**parts, self.name: float(np.nanmean(validation.of_model(self, self.k)))}
        self.kept = max(self.validation, key=lambda name: (self.validation[name], name == self.name))
        self._mark_scorable()

    @property
    def reached(self) -> float:
        """The mean NDCG@k on validation of what answers: the best of `validation`; NaN where no shopper came back."""
        return max(self.validation.values(), default=float("nan"))

    def _active(self) -> list[str]:
        """The parts that answer, always in the same order."""
        return [self.kept] if self.kept in self.parts else sorted(self.parts)

    def _needed(self) -> list[str]:
        """The parts without which nothing could be answered: what is saved and fitted anew."""
        return self._active()

    def _mark_scorable(self) -> None:
        self.can_score = np.any([self.parts[name].can_score for name in self._active()], axis=0)

    # -- scores ----------------------------------------------------------------------------------------------------

    def _score(self, histories: Histories) -> np.ndarray:
        return self._scored(histories, None)

    def _score_in_context(self, histories: Histories, context: pd.DataFrame) -> np.ndarray:
        return self._scored(histories, context)

    def _scored(self, histories: Histories, context: pd.DataFrame | None) -> np.ndarray:
        if self.kept in self.parts:
            return score(self.parts[self.kept], histories, context)
        return self._combined(histories, context)

    def _knows(self, histories: Histories) -> np.ndarray:
        return np.any([self.parts[name]._knows(histories) for name in self._active()], axis=0)

    # -- on disk ---------------------------------------------------------------------------------------------------

    def _parameters(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "parts"}

    def _save_extra(self, folder: Path) -> None:
        for name in self._needed():
            self.parts[name].save(folder / "parts" / name)

    @classmethod
    def _restore(cls, folder: Path, meta: Mapping[str, Any]) -> Self:
        parts = {part.name: load(part) for part in sorted((folder / "parts").iterdir())}
        model = cls(parts, **meta["parameters"])
        model._load_state(folder, meta)
        return model


def refit_all(
    models: Mapping[str, Recommender],
    train: pd.DataFrame,
    *,
    items: pd.DataFrame | None = None,
    item_vectors: Any = None,
) -> dict[str, Recommender]:
    """Every model after `refit`; a part that several of them share is fitted once."""
    fitted: dict[int, Recommender] = {}
    return {
        name: model.refit(train, items=items, item_vectors=item_vectors, fitted=fitted)
        for name, model in models.items()
    }


# -- the blend ---------------------------------------------------------------------------------------------------------


@dataclass
class Hybrid(Ensemble):
    """A weighted mean of the members' scores, each standardised over the items it can score for this shopper.

    Some members cannot score every item: only words and attributes can score a new one. Let share be the weight of the
    members that can score an item, divided by the weight of all. The weighted mean over all members, with 0 for a
    member that cannot score, is divided by share^`share_power`. With power 1 it becomes the mean over the members that
    can, so a new item competes on its words with a full score. With power 0 a new item has only its words' part of one.

    For each power of `SHARE_POWERS` the weights are found on validation by coordinate ascent from the best single
    member upwards. Another power than the first is chosen only where its gain over the first is significant on these
    shoppers (the 95 % interval of the paired difference is above 0). After `fit`, `weights` and `share_power` hold what
    was chosen, and `powers` holds, for each power, NDCG@k on validation and how many relevant items without any
    interaction in training are among the first k. `without` holds, for each member with a weight, what NDCG@k on
    validation loses when that weight becomes 0: the difference and the ends of its interval over these shoppers, who
    also chose the weights: it flatters. Where the blend is below its best member on validation, `weights` hold that
    member alone, and `without` nothing.
    Source: the weighted hybrid of Burke, Hybrid recommender systems, 2002; the search for the weights is our own.
    """

    fixed: Mapping[str, float] | None = None
    """Weights to use as they are; without them validation chooses."""
    fixed_power: float = 1.0
    """The `share_power` that belongs to the `fixed` weights."""

    name = "hybrid"
    learned = (*Ensemble.learned, "weights", "share_power", "powers", "without")

    @property
    def understands_text(self) -> bool:  # type: ignore[override]
        """Whether a part that does has any weight."""
        return any(self.parts[name].understands_text for name in self._active())

    def _fit(self, train: pd.DataFrame, **inputs: Any) -> None:
        if self.fixed is not None and isinstance(self.parts, Mapping):
            self._check_fixed()
        super()._fit(train, **inputs)

    def _check_fixed(self) -> None:
        """Raises `ParameterError` (RK-370) where the given weights are no weights of members."""
        given = self.fixed if isinstance(self.fixed, Mapping) else {}
        numbers = all(isinstance(w, Real) and not isinstance(w, bool) and 0 <= w < np.inf for w in given.values())
        if not numbers or not any(given.values()) or not {n for n, w in given.items() if w} <= set(self.parts):
            raise ParameterError(
                "RK-370",
                f"fixed is {self.fixed!r:.80}; expected weights from 0 upwards, one at least above 0, by the names of "
                f"{sorted(self.parts)}.",
                f"Pass fixed={dict.fromkeys(sorted(self.parts)[:2], 1.0)}.",
            )

    def _learn(self, train: pd.DataFrame, validation: Validation | None, inputs: Mapping[str, Any]) -> None:
        self.weights, self.share_power = dict(self.fixed or dict.fromkeys(self.parts, 1.0)), self.fixed_power
        self.powers, self.without = {}, {}
        self._mark_scorable()
        if validation is not None and self.fixed is None:
            search = _WeightSearch(self.parts, validation, self.k)
            self.weights, self.share_power, self.powers = search.choose(self.seed)
            self._mark_scorable()
            self._keep_the_better(validation, search.alone)
            if self.kept in self.parts:
                self.weights = dict.fromkeys(self.parts, 0.0) | {self.kept: 1.0}
                self.validation[self.name] = self.validation[self.kept]
            else:
                self.without = search.without(self.weights, self.share_power, self._active(), self.seed)
        self._mark_scorable()

    def _active(self) -> list[str]:
        return sorted(name for name, weight in self.weights.items() if weight > 0)

    def _combined(self, histories: Histories, context: pd.DataFrame | None) -> np.ndarray:
        return self._blended(self._standardised(histories, context, self._active()))

    def _scored(self, histories: Histories, context: pd.DataFrame | None) -> np.ndarray:
        return self._combined(histories, context)

    def _blended(self, standard: Mapping[str, np.ndarray]) -> np.ndarray:
        """`(B, N)` from the standardised scores of all parts that have a weight."""
        return blended(
            {name: standard[name] for name in self._active()}, self._scorable(), self.weights, self.share_power
        )

    def _standardised(
        self, histories: Histories, context: pd.DataFrame | None, names: Sequence[str]
    ) -> dict[str, np.ndarray]:
        parts = {name: self.parts[name] for name in names}
        return {name: standardised(score(part, histories, context), part.can_score) for name, part in parts.items()}

    def _scorable(self) -> dict[str, np.ndarray]:
        return {name: self.parts[name].can_score for name in self._active()}

    def _score_texts(self, texts: Sequence[str]) -> np.ndarray:
        parts = {name: self.parts[name] for name in self._active() if self.parts[name].understands_text}
        if not parts:
            return super()._score_texts(texts)
        scorable = {name: part.can_score for name, part in parts.items()}
        scores = {name: standardised(part._score_texts(texts), part.can_score) for name, part in parts.items()}
        blend = blended(scores, scorable, self.weights, self.share_power)
        blend[:, ~np.any(list(scorable.values()), axis=0)] = -np.inf  # a product without text answers no sentence
        return blend


def standardised(scores: np.ndarray, can_score: np.ndarray) -> np.ndarray:
    """Each row of `(B, N)` to mean 0 and deviation 1 over the columns that can be scored; all else becomes 0.

    >>> standardised(np.array([[1.0, 3.0, 9.0], [2.0, 2.0, 2.0]]), np.array([True, True, False]))
    array([[-1.,  1.,  0.],
           [ 0.,  0.,  0.]])
    """
    n_known, unknown = max(1, np.count_nonzero(can_score)), np.flatnonzero(~can_score)
    result = np.where(can_score, scores, scores.dtype.type(0))
    result -= result.sum(axis=1, keepdims=True) / n_known
    result[:, unknown] = 0
    deviation = np.sqrt(np.einsum("ij,ij->i", result, result) / n_known)[:, None].astype(scores.dtype)
    result /= np.where(deviation > 1e-12, deviation, np.inf)
    return result


def blended(
    scores: Mapping[str, np.ndarray],
    can_score: Mapping[str, np.ndarray],
    weights: Mapping[str, float],
    share_power: float = 1.0,
) -> np.ndarray:
    """The weighted mean `(B, N)` of the parts in `scores`; `Hybrid` says what `share_power` does.

    >>> scores = {"a": np.array([[1.0, 2.0]]), "b": np.array([[3.0, 0.0]])}
    >>> can_score, weights = {"a": np.array([True, True]), "b": np.array([True, False])}, {"a": 1.0, "b": 1.0}
    >>> blended(scores, can_score, weights), blended(scores, can_score, weights, share_power=0.0)
    (array([[2., 2.]]), array([[2., 1.]]))
    """
    total = sum(scores[name] * scores[name].dtype.type(weights[name]) for name in scores)
    return total / _divisor(can_score, {name: weights[name] for name in scores}, share_power).astype(total.dtype)


def _divisor(can_score: Mapping[str, np.ndarray], weights: Mapping[str, float], share_power: float) -> np.ndarray:
    """`(N,)` what the weighted sum of each item is divided by: the weight of all parts times share^share_power."""
    able = sum(weight * can_score[name] for name, weight in weights.items())
    return np.where(able > 0, able, 1) ** share_power * sum(weights.values()) ** (1 - share_power)


class _WeightSearch:
    """Weights are tried on the union of every part's best items, which fits in memory for all shoppers at once."""

    def __init__(self, parts: Mapping[str, Recommender], validation: Validation, k: int) -> None:
        self.validation, self.k = validation, k
        self.can_score = {name: part.can_score for name, part in parts.items()}
        self.known = next(iter(parts.values())).item_counts > 0
        ranks: dict[str, list[np.ndarray]] = {name: [] for name in parts}
        items, scores, wanted = [], [], []
        for place, block in blocks(validation.histories, len(next(iter(self.can_score.values())))):
            standard = {name: standardised(part._score(block), part.can_score) for name, part in parts.items()}
            best = []
            for name, part in parts.items():
                shown = visible(part, standard[name], block)
                ranks[name].append(validation.block_ranks(place, shown))
                best.append(top_k(shown, CANDIDATES))
                if (part.can_score & ~self.known).any():  # new items may fill these, and lose under another power
                    best.append(top_k(np.where(self.known, shown, np.float32(-np.inf)), CANDIDATES))
            columns = np.sort(np.concatenate(best, axis=1), axis=1)
            columns[:, 1:][columns[:, 1:] == columns[:, :-1]] = -1  # named by several parts: once
            columns = np.sort(columns, axis=1)
            columns = np.ascontiguousarray(columns[:, (columns >= 0).any(axis=0)])  # or each trial copies the scores
            items.append(columns.astype(np.int32))
            scores.append(np.stack([np.take_along_axis(one, columns.clip(0), axis=1) for one in standard.values()]))
            here = slice(*np.searchsorted(validation.rows, [place.start, place.stop]))
            own = validation.rows[here] - place.start, validation.items[here]
            wanted.append(np.stack([one[own] for one in standard.values()]))
        width = max(columns.shape[1] for columns in items)
        missing = [width - columns.shape[1] for columns in items]
        self.items = np.concatenate(
            [np.pad(one, ((0, 0), (n, 0)), constant_values=-1) for n, one in zip(missing, items, strict=True)]
        )  # (B, C)
        self.scores = np.concatenate(
            [np.pad(one, ((0, 0), (0, 0), (n, 0))) for n, one in zip(missing, scores, strict=True)], axis=1
        )  # (P, B, C)
        self.wanted = np.concatenate(wanted, axis=1)  # (P, W)
        self.alone = {
            name: float(np.nanmean(validation.ndcg(np.concatenate(of_part), k))) for name, of_part in ranks.items()
        }

    def ndcg(self, weights: Mapping[str, float], power: float) -> np.ndarray:
        """`(B,)` NDCG@k of the blend with these weights, as far as the candidates tell; NaN where nothing was new."""
        return self.validation.ndcg(self._ranks(weights, power), self.k)

    def _ranks(self, weights: Mapping[str, float], power: float) -> np.ndarray:
        """`(W,)` from 1; 0: nowhere."""
        divisor = _divisor(self.can_score, weights, power)
        possible = np.any([self.can_score[name] for name, weight in weights.items() if weight > 0], axis=0)
        factors = np.array([weights[name] for name in self.can_score], np.float32)
        rows, items = self.validation.rows, self.validation.items
        blend = np.tensordot(factors, self.scores, axes=1) / divisor[self.items]
        blend[(self.items < 0) | ~possible[self.items]] = -np.inf
        own = (factors @ self.wanted / divisor[items])[:, None]
        ahead = (blend[rows] > own) | ((blend[rows] == own) & (self.items[rows] < items[:, None]))
        ahead &= self.items[rows] != items[:, None]  # not itself, which the two sums may round differently
        return np.where(possible[items], ahead.sum(axis=1) + 1, 0)

    @one_blas_thread()
    def choose(self, seed: int) -> tuple[dict[str, float], float, dict[str, dict[str, float]]]:
        """The weights, the power of the share, and what `Hybrid.powers` holds."""
        able = np.array(list(self.can_score.values()))
        powers = SHARE_POWERS if (able.any(axis=0) & ~able.all(axis=0)).any() else SHARE_POWERS[:1]
        found = {power: self.ascend(power) for power in powers}
        reached = {power: self.ndcg(weights, power) for power, weights in found.items()}
        means = {power: float(np.nanmean(values)) for power, values in reached.items()}
        best = max(powers, key=means.__getitem__)
        if not bootstrap_means((reached[best] - reached[powers[0]])[:, None], seed=seed)[0, 1] > 0:
            best = powers[0]
        said = {str(power): {"ndcg": means[power]} | self._new_found(found[power], power) for power in powers}
        return found[best], best, said

    def _new_found(self, weights: Mapping[str, float], power: float) -> dict[str, int]:
        """How many relevant items have no interaction in training, and how many of these are listed."""
        new, ranks = ~self.known[self.validation.items], self._ranks(weights, power)
        return {"new_items": int(new.sum()), "found": int((new & (ranks > 0) & (ranks <= self.k)).sum())}

    def without(
        self, weights: Mapping[str, float], power: float, names: Sequence[str], seed: int
    ) -> dict[str, list[float]]:
        """What the mean loses without each of these parts, all else as it is: the difference, low, high."""
        if len(names) < 2:
            return {}
        whole = self.ndcg(weights, power)
        lost = np.column_stack([whole - self.ndcg(weights | {name: 0.0}, power) for name in names])
        return dict(zip(names, bootstrap_means(lost, seed=seed).tolist(), strict=True))

    def ascend(self, power: float) -> dict[str, float]:
        """From the best part alone, one weight after the other, strong parts first, until a round helps nothing."""
        best = max(self.alone, key=self.alone.__getitem__)
        weights = dict.fromkeys(self.can_score, 0.0) | {best: 1.0}
        reached, improved = np.nanmean(self.ndcg(weights, power)), True
        while improved:
            improved = False
            for name in sorted(weights, key=self.alone.__getitem__, reverse=True):
                for step in WEIGHT_STEPS:
                    trial = weights | {name: step}
                    if not any(trial.values()) or trial == weights:
                        continue
                    if (value := np.nanmean(self.ndcg(trial, power))) > reached + 1e-6:
                        weights, reached, improved = trial, value, True
        return weights


# -- fusion of ranks, and the switch -----------------------------------------------------------------------------------


@dataclass
class ReciprocalRankFusion(Ensemble):
    """The sum over the parts of 1 / (constant + rank): no scores are compared, nothing is tuned.

    Source: Cormack, Clarke and Buettcher, Reciprocal rank fusion outperforms Condorcet, SIGIR 2009.
    """

    constant: float = 60.0
    """The larger, the less the first places stand out."""
    depth: int = 200
    """Places of each part that count; further down an item gets nothing from it."""

    name = "rank_fusion"

    def _learn(self, train: pd.DataFrame, validation: Validation | None, inputs: Mapping[str, Any]) -> None:
        self._mark_scorable()
        self._keep_the_better(validation, _alone(self, validation))

    def _combined(self, histories: Histories, context: pd.DataFrame | None) -> np.ndarray:
        total = np.zeros((len(histories), len(self.item_ids)), np.float32)
        for name in self._active():
            part = self.parts[name]
            shown = visible(part, score(part, histories, context), histories)
            shown[histories.masked.cells] = -np.inf
            best = top_k(shown, self.depth)
            rows, places = np.nonzero((best >= 0) & part._knows(histories)[:, None])
            total[rows, best[rows, places]] += 1 / np.float32(self.constant + places + 1)
        return total


@dataclass
class Switching(Ensemble):
    """One part for newcomers, another for regulars: in each band of history lengths the best on validation answers.

    A shopper of whom that part knows nothing gets the popularity list. Without validation the first part by name that
    can score anything answers all. Source: the switching hybrid of Burke, Hybrid recommender systems, 2002.
    """

    edges: tuple[int, ...] = (5, 10, 20)
    """A band begins at each of these numbers of events, the first at none."""
    min_shoppers: int = 50
    """A band with fewer shoppers on validation takes the part that is best for all."""

    name = "switching"
    learned = (*Ensemble.learned, "choices")

    def _learn(self, train: pd.DataFrame, validation: Validation | None, inputs: Mapping[str, Any]) -> None:
        able = [name for name in sorted(self.parts) if self.parts[name].can_score.any()] or sorted(self.parts)
        self.choices = [able[0]] * (len(self.edges) + 1)
        self._mark_scorable()
        if validation is None:
            return
        per_shopper = {name: validation.of_model(part, self.k) for name, part in self.parts.items()}
        alone = {name: float(np.nanmean(values)) for name, values in per_shopper.items()}
        band = self._bands(validation.histories)
        for number in range(len(self.choices)):
            shoppers = validation.judged & (band == number)
            means = {name: values[shoppers].mean() for name, values in per_shopper.items()} if shoppers.any() else alone
            means = means if shoppers.sum() >= self.min_shoppers else alone
            self.choices[number] = max(means, key=means.__getitem__)
        self._mark_scorable()
        self._keep_the_better(validation, alone)

    def _bands(self, histories: Histories) -> np.ndarray:
        return np.digitize(np.diff(histories.starts), self.edges)

    def _active(self) -> list[str]:
        return super()._active() if self.kept in self.parts else sorted(set(self.choices))

    def _answering(self, histories: Histories) -> Iterator[tuple[Recommender, np.ndarray, Histories]]:
        """Each part that is asked, the rows it answers for, and their histories."""
        chosen = np.array(self.choices)[self._bands(histories)]
        for name in sorted(set(chosen)):
            rows = np.flatnonzero(chosen == name)
            yield self.parts[name], rows, _chosen_rows(histories, rows)

    def _combined(self, histories: Histories, context: pd.DataFrame | None) -> np.ndarray:
        scores = np.zeros((len(histories), len(self.item_ids)), np.float32)
        for part, rows, its in self._answering(histories):
            own = score(part, its, None if context is None else context.iloc[rows])
            if part.can_score.any():
                own[:, ~part.can_score] = own[:, part.can_score].min(axis=1, keepdims=True) - 1  # behind all it can
            scores[rows] = own
        return scores

    def _knows(self, histories: Histories) -> np.ndarray:
        if self.kept in self.parts:
            return super()._knows(histories)
        known = np.zeros(len(histories), bool)
        for part, rows, its in self._answering(histories):
            known[rows] = part._knows(its)
        return known


def _alone(ensemble: Ensemble, validation: Validation | None) -> dict[str, float]:
    """The mean NDCG@k of each part on validation."""
    if validation is None:
        return {}
    return {name: float(np.nanmean(validation.of_model(part, ensemble.k))) for name, part in ensemble.parts.items()}


def _chosen_rows(histories: Histories, rows: np.ndarray) -> Histories:
    """The histories of these rows, which are in ascending order."""
    lengths = np.diff(histories.starts)
    here = np.zeros(len(histories), bool)
    here[rows] = True
    seen = None if histories.seen is None else _chosen_rows(histories.seen, rows)
    return Histories(histories.items[np.repeat(here, lengths)], np.r_[0, lengths[rows].cumsum()], seen)
