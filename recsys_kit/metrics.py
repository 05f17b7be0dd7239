"""Ranking metrics, one value per user; the mean comes later, over the same users for every metric.

Every function takes ranked lists as matrices with one row per user (U) and one column per rank (K):

- `hits` `(U, K)` bool: is the item at this rank relevant? A slot without an item is False.
- `recommended` `(U, K)` int: item indices, -1 where the list has ended.
- `n_relevant` `(U,)` int: how many relevant items the user has.

A user with an empty list scores 0 in every metric; a user without a relevant item has no answer and gets NaN in the
metrics that need one. Lists shorter than k are judged as if filled up with misses: the denominator never shrinks.
"""

import numpy as np
from scipy import sparse

RANKING_METRICS = ("ndcg", "recall", "precision", "f1", "map", "mrr", "hit_rate")


def match(recommended: np.ndarray, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compare lists with the relevant (user row, item index) pairs: `hits (U, K)` and `n_relevant (U,)`.

    An item that a list repeats counts at its first rank only; a pair given twice counts once.

    >>> match(np.array([[5, 3, 5], [2, -1, -1]]), users=np.array([0, 0, 1]), items=np.array([5, 9, 7]))
    (array([[ True, False, False],
           [False, False, False]]), array([2, 1]))
    """
    n_users = len(recommended)
    width = int(max(recommended.max(initial=-1), items.max(initial=-1))) + 2  # item -1 becomes column 0
    relevant = np.unique(np.asarray(users, np.int64) * width + np.asarray(items) + 1)
    keys = np.arange(n_users)[:, None] * width + recommended + 1
    hits = np.isin(keys, relevant) & (recommended >= 0)
    order = np.argsort(recommended, axis=1, kind="stable")  # equal items side by side, the better rank first
    ranked = np.take_along_axis(recommended, order, axis=1)
    repeated = np.zeros_like(hits)
    repeated[:, 1:] = ranked[:, 1:] == ranked[:, :-1]
    again = np.zeros_like(hits)
    np.put_along_axis(again, order, repeated, axis=1)
    return hits & ~again, np.bincount(relevant // width, minlength=n_users)


def _answerable(values: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    return np.where(n_relevant > 0, values, np.nan)


def precision(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """Share of the k places that hold a relevant item.

    >>> A_x_B_y_z = np.array([[True, False, True, False, False]])  # the list A, x, B, y, z; relevant are A, B, C
    >>> precision(A_x_B_y_z, np.array([3]), k=5)
    array([0.4])
    """
    return _answerable(hits[:, :k].sum(axis=1) / k, n_relevant)


def recall(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """Share of the user's relevant items that are among the first k.

    >>> recall(np.array([[True, False, True, False]]), np.array([4]), k=4)
    array([0.5])
    """
    return _answerable(hits[:, :k].sum(axis=1) / np.maximum(n_relevant, 1), n_relevant)


def f1(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """Harmonic mean of precision and recall: 2 * hits / (k + n_relevant).

    >>> f1(np.array([[True, False, True, False, False]]), np.array([3]), k=5)
    array([0.5])
    """
    return _answerable(2 * hits[:, :k].sum(axis=1) / (k + n_relevant), n_relevant)


def hit_rate(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """1 where at least one of the first k is relevant, else 0.

    >>> hit_rate(np.array([[False, True], [False, False]]), np.array([1, 1]), k=2)
    array([1., 0.])
    """
    return _answerable(hits[:, :k].any(axis=1).astype(float), n_relevant)


def reciprocal_rank(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """1 / rank of the first relevant item, 0 where none is among the first k. Its mean is MRR@k.

    >>> reciprocal_rank(np.array([[False, True], [False, False]]), np.array([1, 1]), k=2)
    array([0.5, 0. ])
    """
    first = hits[:, :k].argmax(axis=1)
    return _answerable(hits[:, :k].any(axis=1) / (first + 1.0), n_relevant)


def average_precision(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """Mean, over all relevant items, of the precision at their rank (0 for those below k). Its mean is MAP@k.

    Divides by the number of relevant items, as trec_eval's map_cut does, not by min(k, that number).

    >>> average_precision(np.array([[True, False, True, False, False]]), np.array([3]), k=5)  # (1/1 + 2/3) / 3 = 5/9
    array([0.55555556])
    """
    top = hits[:, :k]
    precision_at_rank = top.cumsum(axis=1) / np.arange(1, top.shape[1] + 1)
    return _answerable((precision_at_rank * top).sum(axis=1) / np.maximum(n_relevant, 1), n_relevant)


def discounts(k: int) -> np.ndarray:
    """1 / log2(rank + 1) for the ranks 1..k.

    >>> discounts(3).round(4)
    array([1.    , 0.6309, 0.5   ])
    """
    return 1 / np.log2(np.arange(2, k + 2))


def ndcg(gains: np.ndarray, judged: np.ndarray, k: int) -> np.ndarray:
    """Normalised discounted cumulative gain with linear gain.

    Args:
        gains: `(U, K)`, the gain of the item at each rank, 0 where it was not judged.
        judged: `(U, M)`, the gains of all judged items of the user in any order, filled up with zeros: the ideal list
            ranks all that is relevant, retrieved or not.
        k: ranks beyond k count nothing, in the list and in the ideal.

    Source: Jaervelin and Kekaelaeinen, Cumulated gain-based evaluation of IR techniques, 2002, with log2(rank + 1).

    >>> float(ndcg(np.array([[3, 2, 3, 0, 1, 2]]), np.array([[3, 2, 3, 0, 1, 2, 3, 2]]), k=6)[0])
    0.785002371969948
    """
    ideal = -np.sort(-np.asarray(judged, float), axis=1)[:, :k]
    best = ideal @ discounts(ideal.shape[1])
    got = gains[:, :k] @ discounts(gains[:, :k].shape[1])
    return _answerable(got / np.where(best > 0, best, 1), best)


def binary_ndcg(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """`ndcg` where an item is relevant or is not: the ideal list starts with min(k, n_relevant) hits.

    >>> binary_ndcg(np.array([[False, True]]), np.array([1]), k=2)
    array([0.63092975])
    """
    best = np.concatenate([[0.0], discounts(k).cumsum()])[np.minimum(n_relevant, k)]
    got = hits[:, :k] @ discounts(hits[:, :k].shape[1])
    return _answerable(got / np.where(best > 0, best, 1), n_relevant)


def tie_averaged_ndcg(scores: np.ndarray, gains: np.ndarray, k: int) -> np.ndarray:
    """NDCG@k expected when items of equal score are put in random order.

    `scores` and `gains` are `(U, N)` over the whole catalogue. Not what the leaderboard reports (that breaks ties by a
    fixed hash): it is the value a model that cannot tell items apart deserves.
    Source: McSherry and Najork, Computing information retrieval performance measures efficiently in the presence of
    tied scores, 2008.

    >>> round(float(tie_averaged_ndcg(np.zeros((1, 20)), np.eye(1, 20), k=5)[0]), 15)  # 20 tied items, one relevant
    0.14742295594397
    """
    n_items = scores.shape[1]
    discount = np.zeros(n_items)
    discount[: min(k, n_items)] = discounts(min(k, n_items))
    expected = np.zeros(len(scores))
    for row, (row_scores, row_gains) in enumerate(zip(scores, gains, strict=True)):
        order = np.argsort(-row_scores, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(row_scores[order]) != 0])
        sizes = np.diff(np.r_[starts, n_items])
        group_gains = np.add.reduceat(row_gains[order].astype(float), starts)
        expected[row] = group_gains @ (np.add.reduceat(discount, starts) / sizes)
    best = -np.sort(-np.asarray(gains, float), axis=1)[:, :k] @ discounts(min(k, n_items))
    return _answerable(expected / np.where(best > 0, best, 1), best)


def ranking_metrics(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """All of `RANKING_METRICS` at k, keyed `ndcg@10` and so on, each `(U,)`.

    >>> sorted(ranking_metrics(np.array([[True]]), np.array([1]), k=1))
    ['f1@1', 'hit_rate@1', 'map@1', 'mrr@1', 'ndcg@1', 'precision@1', 'recall@1']
    """
    functions = (binary_ndcg, recall, precision, f1, average_precision, reciprocal_rank, hit_rate)
    return {
        f"{name}@{k}": function(hits, n_relevant, k) for name, function in zip(RANKING_METRICS, functions, strict=True)
    }


def coverage(recommended: np.ndarray, n_items: int, k: int) -> float:
    """Share of the catalogue that appears in at least one list. A property of all lists together, not of a user.

    >>> coverage(np.array([[0, 1], [1, -1]]), n_items=4, k=2)
    0.5
    """
    top = recommended[:, :k]
    return len(np.unique(top[top >= 0])) / n_items


def _incidence(recommended: np.ndarray, n_items: int) -> sparse.csr_array:
    """`(U, N)` with a 1 for each recommended item."""
    rows, columns = np.nonzero(recommended >= 0)
    ones = np.ones(len(rows))
    return sparse.csr_array((ones, (rows, recommended[rows, columns])), shape=(len(recommended), n_items))


def intra_list_diversity(recommended: np.ndarray, vectors: np.ndarray | sparse.csr_array, k: int) -> np.ndarray:
    """Mean over the pairs of a list of 1 - cosine of their item vectors; empty places count as 0.

    `vectors` is `(N, D)`, dense or sparse, rows of unit length (a zero row is unlike everything).
    Source: Ziegler et al., Improving recommendation lists through topic diversification, 2005.

    >>> intra_list_diversity(np.array([[0, 1], [0, 2], [0, -1]]), np.array([[1.0, 0], [1, 0], [0, 1]]), k=2)
    array([0., 1., 0.])
    """
    if k < 2:
        return np.zeros(len(recommended))
    lists = _incidence(recommended[:, :k], vectors.shape[0])
    sums = lists @ vectors  # (U, D): cosines of all pairs = (|sum|^2 - sum of |v|^2) / 2
    squares = vectors.multiply(vectors).sum(axis=1) if sparse.issparse(vectors) else np.square(vectors).sum(axis=1)
    of_sums = sums.multiply(sums).sum(axis=1) if sparse.issparse(sums) else np.square(sums).sum(axis=1)
    length = lists.sum(axis=1)
    similar = (np.asarray(of_sums).ravel() - lists @ np.asarray(squares).ravel()) / 2
    return np.clip((length * (length - 1) / 2 - similar) / (k * (k - 1) / 2), 0, 1)


def novelty(recommended: np.ndarray, item_counts: np.ndarray, n_users: int, k: int) -> np.ndarray:
    """Mean self-information in bits, -log2 of the share of users who had the item; empty places count as 0.

    `item_counts` `(N,)` counts the users of each item among the `n_users` of the training data. One is added to both:
    an item nobody had is very, not infinitely, new.
    Source: Zhou et al., Solving the apparent diversity-accuracy dilemma of recommender systems, 2010.

    >>> novelty(np.array([[0, 1]]), item_counts=np.array([3, 0]), n_users=3, k=2)  # (0 bits + 2 bits) / 2
    array([1.])
    """
    bits = -np.log2((item_counts + 1) / (n_users + 1))
    return _incidence(recommended[:, :k], len(bits)) @ bits / k
