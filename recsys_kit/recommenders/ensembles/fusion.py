"""Reciprocal rank fusion: the ranks of the members are added up."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys_kit.core.encoded import Targets
from recsys_kit.core.histories import Histories
from recsys_kit.core.ranking import top_k
from recsys_kit.recommenders.ensembles.base import Ensemble
from recsys_kit.recommenders.holdout import measure_ndcg


@dataclass
class ReciprocalRankFusion(Ensemble):
    """The sum of 1 / (constant + rank) over the members: scores are not compared, and nothing is tuned.

    Source: Cormack, Clarke and Buettcher, Reciprocal rank fusion outperforms Condorcet, SIGIR 2009.
    """

    constant: float = 60.0
    """A larger constant makes the first ranks stand out less."""
    depth: int = 200
    """Ranks of each member that count; an item below gets nothing from it."""

    name = "rank_fusion"

    def _select(self, targets: Targets | None) -> None:
        if targets is not None:
            per_user = {name: measure_ndcg(member, targets, self.k) for name, member in self.members.items()}
            self._keep_the_best(targets, per_user)

    def _combine(self, histories: Histories, context: pd.DataFrame | None) -> np.ndarray:
        total = np.zeros((len(histories), len(self.items)), np.float32)
        for member in self.answering_members().values():
            shown = member.visible(member._score_in_context(histories, context), ~member._knows(histories))
            shown[histories.masked.cells] = -np.inf
            best = top_k(shown, self.depth)
            rows, places = np.nonzero((best >= 0) & member._knows(histories)[:, None])
            total[rows, best[rows, places]] += 1 / np.float32(self.constant + places + 1)
        return total
