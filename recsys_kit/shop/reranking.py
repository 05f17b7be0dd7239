"""More of the same, or something else? Trading relevance against variety in one list."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_kit import metrics
from recsys_kit.core.vectors import Vectors
from recsys_kit.errors import ParameterError


def rerank_mmr(candidates: pd.DataFrame, vectors: Vectors, *, diversity: float, k: int = 10) -> pd.DataFrame:
    """Maximal marginal relevance: take, one after the other, what is relevant and unlike what was taken.

    Each step takes the candidate with the largest `(1 - diversity) * relevance - diversity * nearest`: relevance is the
    score scaled to [0, 1] over the candidates, nearest the largest cosine to the items taken so far.
    Source: Carbonell and Goldstein, The use of MMR, SIGIR 1998.

    Args:
        candidates: one shopper's list, columns `item_id`, `score`, `rank`; longer than k, or there is no choice.
        vectors: unit-length item vectors; an item without one is unlike everything.
        diversity: 0 leaves the list as it is; 1 looks at variety alone.
        k: length of the new list.

    Returns:
        The chosen rows with `rank` from 1 and the former rank as `rank_before`.
    """
    if not 0 <= diversity <= 1:
        raise ParameterError("RK-317", f"diversity is {diversity!r}; expected 0 to 1.", "Pass diversity=0.3.")
    candidates = candidates.sort_values("rank", kind="stable").reset_index(drop=True)
    cosines = _cosines(vectors, candidates["item_id"].tolist())
    taken = _mmr(candidates["score"].to_numpy(float), cosines, diversity, k)
    chosen = candidates.iloc[taken].rename(columns={"rank": "rank_before"})
    return chosen.assign(rank=np.arange(1, len(taken) + 1)).reset_index(drop=True)


def _mmr(scores: np.ndarray, cosines: np.ndarray, diversity: float, k: int) -> list[int]:
    """The places of the chosen candidates, in the order in which they are taken."""
    spread = np.ptp(scores) if len(scores) else 0.0
    relevance = (scores - scores.min()) / spread if spread > 0 else np.zeros(len(scores))
    nearest = np.zeros(len(scores))  # largest cosine to what was taken so far
    free = np.ones(len(scores), bool)
    taken: list[int] = []
    while len(taken) < min(k, len(scores)):
        value = np.where(free, (1 - diversity) * relevance - diversity * nearest, -np.inf)
        taken.append(int(value.argmax()))  # the first of equals: the one ranked better before
        free[taken[-1]] = False
        nearest = np.maximum(nearest, cosines[taken[-1]])
    return taken


def _cosines(vectors: Vectors, item_ids: list[str]) -> np.ndarray:
    values = vectors.align(item_ids).values
    product = values @ values.T
    return product.toarray() if sparse.issparse(product) else product


def list_diversity(vectors: Vectors, item_ids: list[str]) -> float:
    """Mean over the pairs of a list of 1 - cosine; 0 for fewer than two items."""
    return _diversity(_cosines(vectors, item_ids))


def _diversity(cosines: np.ndarray) -> float:
    n = len(cosines)
    return float(1 - (cosines.sum() - np.trace(cosines)) / (n * (n - 1))) if n > 1 else 0.0


def trade_off(
    candidates: pd.DataFrame, truth: pd.DataFrame, vectors: Vectors, *, dials: Sequence[float], k: int = 10
) -> pd.DataFrame:
    """What diversity costs: every shopper's list re-ranked at every position of the dial.

    Args:
        candidates: `user_id, item_id, score, rank`, long lists of many shoppers.
        truth: `user_id, item_id`, what they took next; a shopper without any is left out.
        vectors: item vectors, as in `rerank_mmr`.
        dials: the positions to try, each from 0 to 1.
        k: length of the lists.

    Returns:
        One row per shopper and position: `user_id, dial, ndcg, diversity`.
    """
    wanted = truth.groupby("user_id")["item_id"].agg(set)
    rows = []
    for user, mine in candidates[candidates["user_id"].isin(wanted.index)].groupby("user_id"):
        mine = mine.sort_values("rank", kind="stable")
        scores, cosines = mine["score"].to_numpy(float), _cosines(vectors, mine["item_id"].tolist())
        hits = mine["item_id"].isin(wanted[user]).to_numpy()
        for dial in dials:
            taken = _mmr(scores, cosines, dial, k)
            ndcg = metrics.binary_ndcg(hits[None, taken], np.array([len(wanted[user])]), k)[0]
            diversity = _diversity(cosines[np.ix_(taken, taken)])
            rows.append({"user_id": user, "dial": dial, "ndcg": ndcg, "diversity": diversity})
    return pd.DataFrame(rows)
