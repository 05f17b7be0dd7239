"""Re-rank a list for diversity, and measure what that costs."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_kit import metrics
from recsys_kit.core.vectors import Vectors
from recsys_kit.errors import ParameterError


def rerank_mmr(candidates: pd.DataFrame, vectors: Vectors, *, diversity: float, k: int = 10) -> pd.DataFrame:
    """Re-rank by maximal marginal relevance: prefer relevant items that are unlike those chosen before.

    Each step chooses the candidate with the largest `(1 - diversity) * relevance - diversity * nearest`. Relevance is
    the score scaled to [0, 1] over the candidates, nearest the largest cosine to the items chosen so far.
    Source: Carbonell and Goldstein, The use of MMR, SIGIR 1998.

    Args:
        candidates: the list of one user, columns `item_id`, `score`, `rank`; it should be longer than k.
        vectors: unit-length item vectors; an item without one is unlike every other.
        diversity: from 0, which keeps the list, to 1, which ignores relevance.
        k: length of the new list.

    Returns:
        The chosen rows with `rank` from 1 and the former rank as `rank_before`.

    Raises:
        ParameterError: RK-317 `diversity` is out of range.
    """
    if not 0 <= diversity <= 1:
        raise ParameterError("RK-317", f"diversity is {diversity!r}; expected 0 to 1.", "Pass diversity=0.3.")
    candidates = candidates.sort_values("rank", kind="stable").reset_index(drop=True)
    cosines = _cosines(vectors, candidates["item_id"].tolist())
    places = _mmr(candidates["score"].to_numpy(float), cosines, diversity, k)
    chosen = candidates.iloc[places].rename(columns={"rank": "rank_before"})
    return chosen.assign(rank=np.arange(1, len(places) + 1)).reset_index(drop=True)


def _mmr(scores: np.ndarray, cosines: np.ndarray, diversity: float, k: int) -> list[int]:
    """The places of the chosen candidates, in the order of their choice."""
    spread = np.ptp(scores) if len(scores) else 0.0
    relevance = (scores - scores.min()) / spread if spread > 0 else np.zeros(len(scores))
    nearest = np.zeros(len(scores))  # largest cosine to the items chosen so far
    free = np.ones(len(scores), bool)
    chosen: list[int] = []
    while len(chosen) < min(k, len(scores)):
        value = np.where(free, (1 - diversity) * relevance - diversity * nearest, -np.inf)
        chosen.append(int(value.argmax()))  # of equal values the one with the better former rank
        free[chosen[-1]] = False
        nearest = np.maximum(nearest, cosines[chosen[-1]])
    return chosen


def _cosines(vectors: Vectors, item_ids: list[str]) -> np.ndarray:
    values = vectors.align(item_ids).values
    product = values @ values.T
    return product.toarray() if sparse.issparse(product) else product


def list_diversity(vectors: Vectors, item_ids: list[str]) -> float:
    """Return the mean of 1 - cosine over the pairs of a list; 0 for fewer than two items."""
    return _diversity(_cosines(vectors, item_ids))


def _diversity(cosines: np.ndarray) -> float:
    n = len(cosines)
    return float(1 - (cosines.sum() - np.trace(cosines)) / (n * (n - 1))) if n > 1 else 0.0


def trade_off(
    candidates: pd.DataFrame, truth: pd.DataFrame, vectors: Vectors, *, dials: Sequence[float], k: int = 10
) -> pd.DataFrame:
    """Re-rank the list of every user at several diversities, and measure accuracy and diversity.

    Args:
        candidates: `user_id, item_id, score, rank`, long lists of many users.
        truth: `user_id, item_id`, the relevant items; a user without one is left out.
        vectors: item vectors, as in `rerank_mmr`.
        dials: the values of diversity, each from 0 to 1.
        k: length of the lists.

    Returns:
        One row per user and diversity: `user_id, dial, ndcg, diversity`.
    """
    relevant = truth.groupby("user_id")["item_id"].agg(set)
    rows = []
    for user, mine in candidates[candidates["user_id"].isin(relevant.index)].groupby("user_id"):
        mine = mine.sort_values("rank", kind="stable")
        scores, cosines = mine["score"].to_numpy(float), _cosines(vectors, mine["item_id"].tolist())
        hits = mine["item_id"].isin(relevant[user]).to_numpy()
        for dial in dials:
            places = _mmr(scores, cosines, dial, k)
            ndcg = metrics.binary_ndcg(hits[None, places], np.array([len(relevant[user])]), k)[0]
            diversity = _diversity(cosines[np.ix_(places, places)])
            rows.append({"user_id": user, "dial": dial, "ndcg": ndcg, "diversity": diversity})
    return pd.DataFrame(rows)
