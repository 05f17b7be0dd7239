"""A switch between models by the length of the history."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys_kit.core.encoded import Targets
from recsys_kit.core.histories import Histories
from recsys_kit.recommenders.ensembles.base import Ensemble
from recsys_kit.recommenders.holdout import measure_ndcg


@dataclass
class Switching(Ensemble):
    """One member for users with a short history, another for a long one: in each band the best on validation answers.

    A user of whom that member knows nothing gets the popularity list. Without validation the first member by name that
    can score any item answers all. Source: the switching hybrid of Burke, Hybrid recommender systems, 2002.
    """

    edges: tuple[int, ...] = (5, 10, 20)
    """A band begins at each of these numbers of events; the first begins at 0."""
    min_users: int = 50
    """A band with fewer validation users takes the member that is best for all."""

    name = "switching"
    learned = (*Ensemble.learned, "choices")

    def _select(self, targets: Targets | None) -> None:
        able = [name for name in sorted(self.members) if self.members[name].can_score.any()] or sorted(self.members)
        self.choices = [able[0]] * (len(self.edges) + 1)
        if targets is None:
            return
        per_user = {name: measure_ndcg(member, targets, self.k) for name, member in self.members.items()}
        bands, evaluated = self._bands(targets.histories), targets.n_relevant > 0
        for number in range(len(self.choices)):
            users = evaluated & (bands == number)
            users = users if users.sum() >= max(self.min_users, 1) else evaluated
            self.choices[number] = max(per_user, key=lambda name: per_user[name][users].mean())
        self._keep_the_best(targets, per_user)

    def _bands(self, histories: Histories) -> np.ndarray:
        return np.digitize(np.diff(histories.starts), self.edges)

    def _active(self) -> list[str]:
        return super()._active() if self.kept in self.members else sorted(set(self.choices))

    def _combine(self, histories: Histories, context: pd.DataFrame | None) -> np.ndarray:
        scores = np.zeros((len(histories), len(self.items)), np.float32)
        chosen = np.array(self.choices)[self._bands(histories)]
        for name in np.unique(chosen):
            member, rows = self.members[name], np.flatnonzero(chosen == name)
            own = member._score_in_context(histories.take(rows), None if context is None else context.iloc[rows])
            if member.can_score.any():  # items that the member cannot score rank below all others
                own[:, ~member.can_score] = own[:, member.can_score].min(axis=1, keepdims=True) - 1
            scores[rows] = own
        return scores

    def _knows(self, histories: Histories) -> np.ndarray:
        if self.kept in self.members:
            return super()._knows(histories)
        chosen = np.array(self.choices)[self._bands(histories)]
        known = [member._knows(histories) & (chosen == name) for name, member in self.answering_members().items()]
        return np.any(known, axis=0)
