"""A weighted blend of models; the weights are chosen on the validation set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd

from recsys_kit.core.encoded import EncodedSplit, Targets
from recsys_kit.core.histories import Histories
from recsys_kit.errors import ParameterError
from recsys_kit.recommenders.ensembles.base import Ensemble
from recsys_kit.recommenders.ensembles.search import WeightSearch, share_divisor, standardize


@dataclass
class Hybrid(Ensemble):
    """The weighted mean of the members' scores, each standardized over the items that it can score for this user.

    Some members cannot score every item: only content models can score a new one. Let share be the weight of the
    members that can score an item, divided by the weight of all. The weighted mean over all members, with 0 for a
    member that cannot score, is divided by share^`share_power`. With power 1 it is the mean over the members that can
    score the item, so a new item competes with a full score; with power 0 it has only the content models' part of one.

    For each power of `SHARE_POWERS` the weights are searched on the validation set by coordinate ascent, from the best
    member alone. A power other than the first is chosen only where its gain is significant on these users (the 95 %
    confidence interval of the paired difference is above 0). After `fit`, `weights` and `share_power` hold the choice.
    `powers` holds, for each power, the NDCG@k on validation and how many relevant items without a training interaction
    are in the lists. `without` holds, for each member with a weight, the NDCG@k that is lost when that weight is 0:
    the mean and its confidence interval. These users also chose the weights, so the numbers flatter. Where the blend is
    below its best member on validation, `weights` hold that member alone and `without` is empty.
    Source: the weighted hybrid of Burke, Hybrid recommender systems, 2002; the search for the weights is our own.

    >>> from recsys_kit.recommenders import EASE, Popularity
    >>> train = pd.DataFrame({"user_id": list("aabb"), "item_id": list("xyxz"), "position": [1, 2, 1, 2]})
    >>> blend = Hybrid({"ease": EASE(), "popularity": Popularity()}, fixed={"ease": 1.0, "popularity": 0.5})
    >>> blend.fit(train, valid=train.head(0)).weights
    {'ease': 1.0, 'popularity': 0.5}
    """

    fixed: Mapping[str, float] | None = None
    """Weights by member, used as they are; without them validation chooses."""
    fixed_power: float = 1.0
    """The `share_power` that belongs to the `fixed` weights."""

    name = "hybrid"
    learned = (*Ensemble.learned, "weights", "share_power", "powers", "without")

    @property
    def understands_text(self) -> bool:  # type: ignore[override]
        """Whether a member with a weight understands text."""
        return any(member.understands_text for member in self.answering_members().values())

    def _fit(self, split: EncodedSplit) -> None:
        if self.fixed is not None and isinstance(self.members, Mapping):
            self._check_fixed()
        super()._fit(split)

    def _check_fixed(self) -> None:
        """Raise `ParameterError` (RK-370) where `fixed` holds no weights of members."""
        given = self.fixed if isinstance(self.fixed, Mapping) else {}
        numbers = all(isinstance(w, Real) and not isinstance(w, bool) and 0 <= w < np.inf for w in given.values())
        if not numbers or not any(given.values()) or not {n for n, w in given.items() if w} <= set(self.members):
            problem = (
                f"fixed is {self.fixed!r:.80}; expected weights from 0 upwards, one at least above 0, by the names of "
                f"{sorted(self.members)}."
            )
            raise ParameterError("RK-370", problem, f"Pass fixed={dict.fromkeys(sorted(self.members)[:2], 1.0)}.")

    def _select(self, targets: Targets | None) -> None:
        self.weights, self.share_power = dict(self.fixed or dict.fromkeys(self.members, 1.0)), self.fixed_power
        self.powers, self.without = {}, {}
        if targets is None or self.fixed is not None:
            return
        search = WeightSearch(self.members, targets, self.k)
        self.weights, self.share_power, self.powers = search.choose(self.seed)
        self._keep_the_best(targets, search.alone)
        if self.kept in self.members:
            self.weights = dict.fromkeys(self.members, 0.0) | {self.kept: 1.0}
            self.validation[self.name] = self.validation[self.kept]
        else:
            self.without = search.measure_without(self.weights, self.share_power, self._active(), self.seed)

    def _active(self) -> list[str]:
        return sorted(name for name, weight in self.weights.items() if weight > 0)

    def _combine(self, histories: Histories, context: pd.DataFrame | None) -> np.ndarray:
        return self.blend(self.standardize_members(histories, context, self._active()))

    _score_in_context = _combine  # also with one member

    def blend(self, standard: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the blend `(B, N)` of standardized scores by member; those without a weight are left out."""
        weights = {name: self.weights[name] for name in self._active() if name in standard}
        total = sum(standard[name] * standard[name].dtype.type(weight) for name, weight in weights.items())
        can_score = {name: self.members[name].can_score for name in weights}
        return total / share_divisor(can_score, weights, self.share_power).astype(total.dtype)

    def standardize_members(
        self, histories: Histories, context: pd.DataFrame | None, names: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Return the standardized scores `(B, N)` of these members."""
        members = {name: self.members[name] for name in names}
        return {name: standardize(m._score_in_context(histories, context), m.can_score) for name, m in members.items()}

    def _score_texts(self, texts: Sequence[str]) -> np.ndarray:
        members = {name: member for name, member in self.answering_members().items() if member.understands_text}
        if not members:
            return super()._score_texts(texts)
        blend = self.blend({name: standardize(m._score_texts(texts), m.can_score) for name, m in members.items()})
        blend[:, ~np.any([member.can_score for member in members.values()], axis=0)] = -np.inf  # it matches no text
        return blend
