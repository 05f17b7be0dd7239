"""Scores of several models on one scale, and their weighted mean."""

from collections.abc import Mapping

import numpy as np


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


def blend_scores(
    scores: Mapping[str, np.ndarray],
    can_score: Mapping[str, np.ndarray],
    weights: Mapping[str, float],
    share_power: float = 1.0,
) -> np.ndarray:
    """Return the weighted mean `(B, N)` of the models in `scores`; `Hybrid` explains `share_power`.

    >>> scores = {"a": np.array([[1.0, 2.0]]), "b": np.array([[3.0, 0.0]])}
    >>> can_score, weights = {"a": np.array([True, True]), "b": np.array([True, False])}, {"a": 1.0, "b": 1.0}
    >>> blend_scores(scores, can_score, weights), blend_scores(scores, can_score, weights, share_power=0.0)
    (array([[2., 2.]]), array([[2., 1.]]))
    """
    total = sum(scores[name] * scores[name].dtype.type(weights[name]) for name in scores)
    return total / share_divisor(can_score, {name: weights[name] for name in scores}, share_power).astype(total.dtype)


def share_divisor(can_score: Mapping[str, np.ndarray], weights: Mapping[str, float], share_power: float) -> np.ndarray:
    """Return `(N,)` divisors of the weighted sum of each item: the weight of all models times share^share_power."""
    able = sum(weight * can_score[name] for name, weight in weights.items())
    return np.where(able > 0, able, 1) ** share_power * sum(weights.values()) ** (1 - share_power)
