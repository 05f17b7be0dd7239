"""The scores of members on one scale, and the search for their weights in a blend, on the validation set."""

from collections.abc import Mapping, Sequence

import numpy as np

from recsys_kit.core.encoded import Targets
from recsys_kit.core.ranking import blocks, top_k
from recsys_kit.core.threads import one_blas_thread
from recsys_kit.intervals import bootstrap_means
from recsys_kit.recommenders.base import Recommender

WEIGHT_STEPS = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
SHARE_POWERS = (1.0, 0.5, 0.0)
"""The powers that are tried; of equally good ones the first is taken."""
N_CANDIDATES = 50
"""Items of each member and user among which the weights are tried."""


def standardize(scores: np.ndarray, can_score: np.ndarray) -> np.ndarray:
    """Return each row of `(B, N)` with mean 0 and deviation 1 over the columns of `can_score`; 0 elsewhere.

    >>> standardize(np.array([[1.0, 3.0, 9.0], [2.0, 2.0, 2.0]]), np.array([True, True, False]))
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


def share_divisor(can_score: Mapping[str, np.ndarray], weights: Mapping[str, float], share_power: float) -> np.ndarray:
    """Return `(N,)` divisors of the weighted sum of each item: the weight of all models times share^share_power."""
    able = sum(weight * can_score[name] for name, weight in weights.items())
    return np.where(able > 0, able, 1) ** share_power * sum(weights.values()) ** (1 - share_power)


class WeightSearch:
    """Tries weights on the union of the members' best items, which fits in memory for all users at once."""

    def __init__(self, members: Mapping[str, Recommender], targets: Targets, k: int) -> None:
        self.targets, self.k = targets, k
        self.can_score = {name: member.can_score for name, member in members.items()}
        self.known = next(iter(members.values())).item_counts > 0
        ranks: dict[str, list[np.ndarray]] = {name: [] for name in members}
        items, scores, relevant = [], [], []
        for place, block in blocks(targets.histories, len(next(iter(self.can_score.values())))):
            standard = {name: standardize(member._score(block), member.can_score) for name, member in members.items()}
            best = []
            for name, member in members.items():
                shown = member.visible(standard[name], ~member._knows(block))
                ranks[name].append(targets.rank_relevant(place, shown))
                best.append(top_k(shown, N_CANDIDATES))
                if (member.can_score & ~self.known).any():  # new items may fill these and lose under another power
                    best.append(top_k(np.where(self.known, shown, np.float32(-np.inf)), N_CANDIDATES))
            columns = np.sort(np.concatenate(best, axis=1), axis=1)
            columns[:, 1:][columns[:, 1:] == columns[:, :-1]] = -1  # listed by several members: once
            columns = np.sort(columns, axis=1)
            columns = np.ascontiguousarray(columns[:, (columns >= 0).any(axis=0)])  # or each trial copies the scores
            items.append(columns.astype(np.int32))
            scores.append(np.stack([np.take_along_axis(one, columns.clip(0), axis=1) for one in standard.values()]))
            here = slice(*np.searchsorted(targets.rows, [place.start, place.stop]))
            own = targets.rows[here] - place.start, targets.items[here]
            relevant.append(np.stack([one[own] for one in standard.values()]))
        self.items = _join(items, axis=0, fill=-1)  # (B, C)
        self.scores = _join(scores, axis=1, fill=0)  # (P, B, C)
        self.relevant = np.concatenate(relevant, axis=1)  # (P, W)
        self.alone = {name: float(np.nanmean(targets.ndcg(np.concatenate(found), k))) for name, found in ranks.items()}

    def ndcg(self, weights: Mapping[str, float], power: float) -> np.ndarray:
        """Return `(B,)` NDCG@k of the blend with these weights among the candidates; NaN without a relevant item."""
        return self.targets.ndcg(self._ranks(weights, power), self.k)

    def _ranks(self, weights: Mapping[str, float], power: float) -> np.ndarray:
        """Return the rank of each relevant item, `(W,)` from 1; 0 for an item that is not ranked."""
        divisor = share_divisor(self.can_score, weights, power)
        possible = np.any([self.can_score[name] for name, weight in weights.items() if weight > 0], axis=0)
        factors = np.array([weights[name] for name in self.can_score], np.float32)
        rows, items = self.targets.rows, self.targets.items
        blend = np.tensordot(factors, self.scores, axes=1) / divisor[self.items]
        blend[(self.items < 0) | ~possible[self.items]] = -np.inf
        own = (factors @ self.relevant / divisor[items])[:, None]
        ahead = (blend[rows] > own) | ((blend[rows] == own) & (self.items[rows] < items[:, None]))
        ahead &= self.items[rows] != items[:, None]  # not itself, which the two sums may round differently
        return np.where(possible[items], ahead.sum(axis=1) + 1, 0)

    @one_blas_thread()
    def choose(self, seed: int) -> tuple[dict[str, float], float, dict[str, dict[str, float]]]:
        """Return the weights, the power of the share, and `Hybrid.powers`."""
        able = np.array(list(self.can_score.values()))
        powers = SHARE_POWERS if (able.any(axis=0) & ~able.all(axis=0)).any() else SHARE_POWERS[:1]
        found = {power: self.ascend(power) for power in powers}
        reached = {power: self.ndcg(weights, power) for power, weights in found.items()}
        means = {power: float(np.nanmean(values)) for power, values in reached.items()}
        best = max(powers, key=means.__getitem__)
        if not bootstrap_means((reached[best] - reached[powers[0]])[:, None], seed=seed)[0, 1] > 0:
            best = powers[0]
        said = {str(power): {"ndcg": means[power]} | self._count_new(found[power], power) for power in powers}
        return found[best], best, said

    def _count_new(self, weights: Mapping[str, float], power: float) -> dict[str, int]:
        """Count the relevant items without a training interaction, and those of them that are listed."""
        new, ranks = ~self.known[self.targets.items], self._ranks(weights, power)
        return {"new_items": int(new.sum()), "found": int((new & (ranks > 0) & (ranks <= self.k)).sum())}

    def measure_without(
        self, weights: Mapping[str, float], power: float, names: Sequence[str], seed: int
    ) -> dict[str, list[float]]:
        """Return what the mean loses without each of these members: the difference, low, high."""
        if len(names) < 2:
            return {}
        whole = self.ndcg(weights, power)
        lost = np.column_stack([whole - self.ndcg({**weights, name: 0.0}, power) for name in names])
        return dict(zip(names, bootstrap_means(lost, seed=seed).tolist(), strict=True))

    def ascend(self, power: float) -> dict[str, float]:
        """Return the weights of coordinate ascent: from the best member alone, strong members first, until no gain."""
        best = max(self.alone, key=self.alone.__getitem__)
        weights = dict.fromkeys(self.can_score, 0.0) | {best: 1.0}
        reached, improved = np.nanmean(self.ndcg(weights, power)), True
        while improved:
            improved = False
            for name in sorted(weights, key=self.alone.__getitem__, reverse=True):
                for step in WEIGHT_STEPS:
                    trial = weights | {name: step}
                    value = np.nanmean(self.ndcg(trial, power)) if any(trial.values()) and trial != weights else -1
                    if value > reached + 1e-6:
                        weights, reached, improved = trial, value, True
        return weights


def _join(blocks: Sequence[np.ndarray], axis: int, fill: int) -> np.ndarray:
    """Join blocks along an axis; the narrower ones are filled up on the left."""
    width = max(one.shape[-1] for one in blocks)
    padding = [[(0, 0)] * (one.ndim - 1) + [(width - one.shape[-1], 0)] for one in blocks]
    padded = [np.pad(one, sizes, constant_values=fill) for one, sizes in zip(blocks, padding, strict=True)]
    return np.concatenate(padded, axis=axis)
