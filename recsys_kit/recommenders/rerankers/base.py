"""What the re-rankers share: the candidates of a base model, and trees (LambdaMART) that order them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from recsys_kit.core.histories import Histories
from recsys_kit.core.ranking import top_k
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.holdout import blocks
from recsys_kit.recommenders.neighbours import ItemKNN

Describe = Callable[[slice, Histories], tuple[np.ndarray, np.ndarray]]
"""Queries and their histories -> the candidates (B, K), -1 where there are fewer, and their features (B, K, F)."""
Examples = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Features (C, F) of C candidates, whether each is the target (C,), and the number of candidates of each user."""


@dataclass
class Reranker(Recommender):
    """Orders the best candidates of a base model again by gradient-boosted trees."""

    base: Recommender = field(default_factory=ItemKNN)
    """Finds the candidates; `fit` fits a copy of it."""
    n_candidates: int = 50
    """Best items of the base that are ordered again."""
    n_trees: int = 150
    """Trees of a ranker."""
    learning_rate: float = 0.05
    """Share of each tree in the sum."""
    seed: int = 0
    """Random seed."""

    nested = ("base",)

    def _knows(self, histories: Histories) -> np.ndarray:
        return self.base._knows(histories)

    def _candidates(self, base: Recommender, scores: np.ndarray, histories: Histories) -> tuple[np.ndarray, np.ndarray]:
        """Return the best unseen items of the base, `(B, K)` with -1 where there are fewer, and the scores of all."""
        shown = np.where(base.can_score, scores, -np.inf).astype(np.float32)
        shown[histories.masked.cells] = -np.inf
        return top_k(shown, self.n_candidates), shown

    def _trees_of(self, ranker: str) -> Any:
        """Return a ranker that was saved as text; the text is read once."""
        from lightgbm import Booster

        read = self.__dict__.setdefault("_trees", {})
        if ranker not in read:
            read[ranker] = Booster(model_str=ranker)
        return read[ranker]

    def _train(self, examples: Examples, n_rankers: int, **settings: Any) -> list[str]:
        """Return rankers as text, each with its own seed."""
        import lightgbm

        features, labels, sizes = examples
        settings |= {"objective": "lambdarank", "learning_rate": self.learning_rate, "verbosity": -1}
        settings |= {"deterministic": True, "force_row_wise": True}
        data = lightgbm.Dataset(features, labels, group=sizes, free_raw_data=False)
        seeds = range(self.seed, self.seed + n_rankers)
        trained = (lightgbm.train(settings | {"seed": seed}, data, num_boost_round=self.n_trees) for seed in seeds)
        return [booster.model_to_string() for booster in trained]


def make_examples(describe: Describe, histories: Histories, targets: np.ndarray, n_items: int) -> Examples:
    """Return the candidates of the users whose target is among them: without it there is no order to learn.

    Args:
        describe: see `Describe`.
        histories: B histories.
        targets: (B,) the item that follows each.
        n_items: of the catalogue.
    """
    found = []
    for place, block in tqdm(blocks(histories, n_items), desc="candidates", leave=False):
        items, features = describe(place, block)
        hit = items == targets[place, None]
        kept = hit.any(axis=1)[:, None] & (items >= 0)
        found.append((features[kept], hit[kept], kept.sum(axis=1)[kept.any(axis=1)]))
    features, labels, sizes = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    return features, labels, sizes
