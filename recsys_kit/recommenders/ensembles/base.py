"""What ensembles share: members by name, and the choice between the whole and its best member."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
import pandas as pd

from recsys_kit.core.encoded import EncodedSplit, Targets
from recsys_kit.core.histories import Histories
from recsys_kit.errors import ParameterError
from recsys_kit.recommenders.base import Recommender, RefitMember
from recsys_kit.recommenders.holdout import MAX_USERS, measure_ndcg


class Judged(Recommender):
    """A model over other models; validation says whether it answers, or one of them."""

    learned: ClassVar[tuple[str, ...]] = ("validation", "kept")
    validation: dict[str, float]
    """By name, the mean NDCG@k on validation."""
    kept: str
    """The name of the one that answers."""

    @property
    def reached(self) -> float:
        """The mean NDCG@k on validation of what answers: the best of `validation`; NaN without validation."""
        return max(self.validation.values(), default=float("nan"))

    def required_inputs(self) -> list[str]:
        """Return nothing: the models inside check their own, and a fitted one needs no input again."""
        return []

    @abstractmethod
    def _settle(self) -> None:
        """Compute what depends on the training histories and the models inside alone."""

    def _judge(self, ndcg: Mapping[str, float | np.ndarray]) -> None:
        """Take in NDCG values (by user, or the mean), and keep the best; of equal ones this model."""
        self.validation |= {name: float(np.nanmean(values)) for name, values in ndcg.items()}
        self.kept = max(self.validation, key=lambda name: (self.validation[name], name == self.name))

    def _refit(self, split: EncodedSplit, refit_member: RefitMember) -> Self:
        """Refit the models inside; what validation chose stays."""
        again = self._change_nested(refit_member)
        again._adopt(split)
        for name in self.learned:
            setattr(again, name, getattr(self, name))
        again._settle()
        return again

    def _score(self, histories: Histories) -> np.ndarray:
        return self._score_in_context(histories, None)


@dataclass
class Ensemble(Judged):
    """An ensemble of recommenders. If it scores below its best member on the validation set, it uses that member alone.

    A blend with given weights is an exception: validation chooses nothing. After `fit`, `validation` holds the mean
    NDCG@k of each member and of the ensemble, and `kept` the name of the one that answers.
    """

    members: Mapping[str, Recommender] = field(default_factory=dict)
    """The models, by name. A fitted member is used as it is; of the others `fit` fits copies."""
    k: int = 10
    """Validation maximises NDCG at this k."""
    max_validation_users: int = MAX_USERS
    """Validation users, at most, drawn by `seed`."""
    seed: int = 0
    """Random seed."""

    nested = ("members",)

    @abstractmethod
    def _select(self, targets: Targets | None) -> None:
        """Choose on the validation targets; the members are fitted."""

    @abstractmethod
    def _combine(self, histories: Histories, context: pd.DataFrame | None) -> np.ndarray:
        """Return `(B, N)` float32 from the scores of the members."""

    def _fit(self, split: EncodedSplit) -> None:
        by_name = isinstance(self.members, Mapping) and all(isinstance(m, Recommender) for m in self.members.values())
        if not by_name or not self.members or "valid" not in split.targets:
            problem = f"{self.name} needs members, which are models by name, and a validation set."
            raise ParameterError(
                "RK-315", problem, f"Use {type(self).__name__}({{'ease': EASE(), ...}}).fit(train, valid=valid)."
            )
        for name, member in self.members.items():
            if member.is_fitted and not member.fitted_like(self):
                raise ParameterError("RK-316", f"{name} was fitted on other data.", "Fit all members on the same data.")
        self.members = {
            name: member if member.is_fitted else member.unfitted().fit(split) for name, member in self.members.items()
        }
        self.validation, self.kept = {}, self.name
        self._select(split.validation(self.max_validation_users, self.seed))
        self._settle()

    # -- the choice ------------------------------------------------------------------------------------------------

    def _keep_the_best(self, targets: Targets, alone: Mapping[str, float | np.ndarray]) -> None:
        """Compare the ensemble with its members, whose NDCG (by user, or the mean) is `alone`, on the same users."""
        self._settle()
        self._judge({**alone, self.name: measure_ndcg(self, targets, self.k)})

    def _active(self) -> list[str]:
        """Return the names of the members that answer, always in the same order."""
        return [self.kept] if self.kept in self.members else sorted(self.members)

    def answering_members(self) -> dict[str, Recommender]:
        """Return the members that can change a list, by name."""
        return {name: self.members[name] for name in self._active()}

    @property
    def uses(self) -> dict[str, bool]:  # type: ignore[override]
        """What the members use: of a fitted ensemble those that answer."""
        members = self.answering_members() if self.is_fitted else self.members
        named = members.values() if isinstance(members, Mapping) else ()
        inputs = [item for member in named for item in getattr(member, "uses", {}).items()]
        return {name: any(needed for other, needed in inputs if other == name) for name, _ in inputs}

    def _settle(self) -> None:
        self.can_score = np.any([member.can_score for member in self.answering_members().values()], axis=0)

    # -- scores ----------------------------------------------------------------------------------------------------

    def _score_in_context(self, histories: Histories, context: pd.DataFrame | None) -> np.ndarray:
        if self.kept in self.members:
            return self.members[self.kept]._score_in_context(histories, context)
        return self._combine(histories, context)

    def _knows(self, histories: Histories) -> np.ndarray:
        return np.any([member._knows(histories) for member in self.answering_members().values()], axis=0)


def refit_all(models: Mapping[str, Recommender], split: EncodedSplit) -> dict[str, Recommender]:
    """Refit every model on a split; a member that is itself one of the models is refitted once and shared.

    Args:
        models: fitted models by name.
        split: such as train and validation together; it has the item features that the models name.

    Returns:
        The refitted models by the same names.
    """
    again: dict[str, Recommender] = {}

    def refit(name: str) -> Recommender:
        if name not in again:
            again[name] = models[name]._refit(split, refit_member)
        return again[name]

    def refit_member(member: Recommender) -> Recommender:
        name = next((name for name, model in models.items() if model is member), None)
        return member._refit(split, refit_member) if name is None else refit(name)

    return {name: refit(name) for name in models}
