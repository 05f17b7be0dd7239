"""Metrics of ranked lists, one value per user; means are taken later, over the same users for every metric.

Every function takes ranked lists as matrices with one row per user (U) and one column per rank (K); N is the number of
items in the catalogue and k the length at which lists are cut:

- `hits` `(U, K)` bool: whether the item at this rank is relevant; False at a rank without an item.
- `recommended` `(U, K)` int: item indices, -1 after the end of a list.
- `n_relevant` `(U,)` int: the number of relevant items of the user.

A user with an empty list scores 0 in every metric. A user without a relevant item gets NaN in the metrics that need
one. A list shorter than k counts as if filled up with misses: the denominator does not shrink. Calibration is the
exception: it compares category shares of the items in the list, so one item of the right category in ten places has 1.

The ranking metrics need only NumPy. Word vectors, categories and histories of a whole catalogue are SciPy's sparse
matrices.
"""

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from recsys_kit.errors import ParameterError

RANKING_METRICS = ("ndcg", "recall", "precision", "f1", "map", "mrr", "hit_rate")
GAINS = ("linear", "exponential")
EXPERIENCE_WEIGHTS = {"relevance": 0.5, "completeness": 0.3, "novelty": 0.2}
"""Default weights of the user-experience index: our own choice, so look at its sensitivity to them."""


def match(recommended: np.ndarray, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compare lists with the relevant items; return `hits` `(U, K)` and `n_relevant` `(U,)`.

    An item that a list repeats counts at its first rank only; a pair given twice counts once.

    Args:
        recommended: `(U, K)` int.
        users: `(P,)` int, the row of the user of each relevant pair.
        items: `(P,)` int, the item index of each relevant pair; negative ones are left out.

    >>> match(np.array([[5, 3, 5], [2, -1, -1]]), users=np.array([0, 0, 1]), items=np.array([5, 9, 7]))
    (array([[ True, False, False],
           [False, False, False]]), array([2, 1]))
    """
    keys, pairs, width = _keys(recommended, users, items)
    relevant = np.sort(pairs)  # np.unique would hash first: five times slower
    relevant = relevant[np.diff(relevant, prepend=-1) > 0]
    hits = _places(relevant, keys) >= 0
    return hits & _first_time(recommended), np.bincount(relevant // width, minlength=len(recommended))


def match_grades(
    recommended: np.ndarray, users: np.ndarray, items: np.ndarray, grades: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compare lists with graded pairs, as `match`; return `gains` `(U, K)` and `judged` `(U, M)` for `ndcg`.

    A grade of 0 means judged and not relevant. If a pair is given twice, the higher grade counts.

    >>> match_grades(np.array([[5, 3]]), users=np.array([0, 0]), items=np.array([3, 9]), grades=np.array([2.0, 1.0]))
    (array([[0., 2.]]), array([[2., 1.]]))
    """
    keys, pairs, width = _keys(recommended, users, items)
    relevant, pair = np.unique(pairs, return_inverse=True)
    best = np.zeros(len(relevant))
    np.maximum.at(best, pair, grades)
    places = _places(relevant, keys)
    gains = np.where((places >= 0) & _first_time(recommended), np.append(best, 0.0)[places], 0.0)
    rows = relevant // width
    sizes = np.bincount(rows, minlength=len(recommended))
    judged = np.zeros((len(recommended), sizes.max(initial=0)))
    judged[rows, np.arange(len(rows)) - (sizes.cumsum() - sizes)[rows]] = best
    return gains, judged


def _keys(recommended: np.ndarray, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return one number per (user row, item): `(U, K)` for the lists, -1 at empty ranks, and `(P,)` for the pairs."""
    width = int(max(recommended.max(initial=0), items.max(initial=0))) + 1
    keys = np.arange(len(recommended), dtype=np.int64)[:, None] * width + recommended
    real = np.asarray(items) >= 0
    return np.where(recommended >= 0, keys, -1), np.asarray(users, np.int64)[real] * width + items[real], width


def _places(relevant: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return the position of each key in the sorted `relevant`, -1 if it is missing."""
    if not len(relevant):
        return np.full(keys.shape, -1)
    places = np.searchsorted(relevant, keys).clip(max=len(relevant) - 1)
    return np.where(relevant[places] == keys, places, -1)


def _first_time(recommended: np.ndarray) -> np.ndarray:
    """Return `(U, K)` bool: False where a better rank of the list holds the same item."""
    ranked = np.sort(recommended, axis=1)
    first = np.ones(recommended.shape, bool)
    for row in np.flatnonzero(((ranked[:, 1:] == ranked[:, :-1]) & (ranked[:, 1:] >= 0)).any(axis=1)):
        first[row] = False
        first[row, np.unique(recommended[row], return_index=True)[1]] = True
    return first


def _answerable(values: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    return np.where(n_relevant > 0, values, np.nan)


def precision(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """Return the share of the first k ranks that hold a relevant item.

    >>> A_x_B_y_z = np.array([[True, False, True, False, False]])  # the list A, x, B, y, z; relevant are A, B, C
    >>> precision(A_x_B_y_z, np.array([3]), k=5)
    array([0.4])
    """
    return _answerable(hits[:, :k].sum(axis=1) / k, n_relevant)


def recall(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """Return the share of the user's relevant items that are among the first k.

    >>> recall(np.array([[True, False, True, False]]), np.array([4]), k=4)
    array([0.5])
    """
    return _answerable(hits[:, :k].sum(axis=1) / np.maximum(n_relevant, 1), n_relevant)


def f1(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """Return the harmonic mean of precision and recall: 2 * hits / (k + n_relevant).

    >>> f1(np.array([[True, False, True, False, False]]), np.array([3]), k=5)
    array([0.5])
    """
    return _answerable(2 * hits[:, :k].sum(axis=1) / (k + n_relevant), n_relevant)


def hit_rate(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """Return 1 where at least one of the first k is relevant, else 0.

    >>> hit_rate(np.array([[False, True], [False, False]]), np.array([1, 1]), k=2)
    array([1., 0.])
    """
    return _answerable(hits[:, :k].any(axis=1).astype(float), n_relevant)


def reciprocal_rank(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """Return 1 / rank of the first relevant item, 0 without one among the first k. Its mean is MRR@k.

    >>> reciprocal_rank(np.array([[False, True], [False, False]]), np.array([1, 1]), k=2)
    array([0.5, 0. ])
    """
    first = hits[:, :k].argmax(axis=1) if hits[:, :k].size else np.zeros(len(hits))
    return _answerable(hits[:, :k].any(axis=1) / (first + 1.0), n_relevant)


def average_precision(hits: np.ndarray, n_relevant: np.ndarray, k: int, *, attainable: bool = False) -> np.ndarray:
    """Return the mean precision at the ranks of the relevant items, 0 for those below k. Its mean is MAP@k.

    Two conventions share this name, so say which one a number follows.

    Args:
        hits: `(U, K)` bool.
        n_relevant: `(U,)` int.
        k: length of the list.
        attainable: divide by min(k, n_relevant), as many competitions and libraries do, so that a list full of hits
            has 1; otherwise by n_relevant, as trec_eval's map_cut does.

    >>> average_precision(np.array([[True, False, True, False, False]]), np.array([3]), k=5)  # (1/1 + 2/3) / 3 = 5/9
    array([0.55555556])
    >>> average_precision(np.array([[True, False]]), np.array([4]), k=2, attainable=True)  # (1/1) / 2
    array([0.5])
    """
    top = hits[:, :k]
    precision_at_rank = top.cumsum(axis=1) / np.arange(1, top.shape[1] + 1)
    denominator = np.minimum(n_relevant, k) if attainable else n_relevant
    return _answerable((precision_at_rank * top).sum(axis=1) / np.maximum(denominator, 1), n_relevant)


def discounts(k: int) -> np.ndarray:
    """Return 1 / log2(rank + 1) for the ranks 1..k.

    >>> discounts(3).round(4)
    array([1.    , 0.6309, 0.5   ])
    """
    return 1 / np.log2(np.arange(2, k + 2))


def ndcg(gains: np.ndarray, judged: np.ndarray, k: int, *, gain: str = "linear") -> np.ndarray:
    """Return the normalized discounted cumulative gain of graded relevance.

    Args:
        gains: `(U, K)`, the grade of the item at each rank, 0 if it was not judged.
        judged: `(U, M)`, the grades of all judged items of the user in any order, filled up with zeros: the ideal list
            ranks all relevant items, recommended or not.
        k: length at which the list and the ideal list are cut.
        gain: "linear" (a grade g counts g, as in trec_eval and scikit-learn) or "exponential" (2^g - 1).

    Raises:
        ParameterError: RK-360 an unknown gain.

    Source: Jaervelin and Kekaelaeinen, Cumulated gain-based evaluation of IR techniques, 2002, with log2(rank + 1);
    the exponential gain is of Burges et al., Learning to rank using gradient descent, 2005.

    >>> float(ndcg(np.array([[3, 2, 3, 0, 1, 2]]), np.array([[3, 2, 3, 0, 1, 2, 3, 2]]), k=6)[0])
    0.785002371969948
    >>> ndcg(np.array([[1, 2]]), np.array([[1, 2]]), k=1, gain="exponential")  # 1 of 3
    array([0.33333333])
    """
    got, best = _worth(np.asarray(gains), gain), -np.sort(-_worth(np.asarray(judged), gain), axis=1)
    return _normalised(got[:, :k] @ discounts(got[:, :k].shape[1]), best[:, :k] @ discounts(best[:, :k].shape[1]))


def _worth(grades: np.ndarray, gain: str) -> np.ndarray:
    if gain not in GAINS:
        raise ParameterError("RK-360", f"gain is {gain!r}; expected one of {GAINS}.", "Pass gain='linear'.")
    return np.exp2(grades) - 1 if gain == "exponential" else grades.astype(float)


def _normalised(got: np.ndarray, best: np.ndarray) -> np.ndarray:
    return _answerable(got / np.where(best > 0, best, 1), best)


def binary_ndcg(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """Return the NDCG of binary relevance: the ideal list starts with min(k, n_relevant) hits.

    >>> binary_ndcg(np.array([[False, True]]), np.array([1]), k=2)
    array([0.63092975])
    """
    ideal = np.minimum(n_relevant, k)
    best = np.concatenate([[0.0], discounts(ideal.max(initial=0)).cumsum()])[ideal]
    return _normalised(hits[:, :k] @ discounts(hits[:, :k].shape[1]), best)


def ranking_metrics(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """Return all of `RANKING_METRICS` at k by name, such as `ndcg@10`, each `(U,)`.

    >>> sorted(ranking_metrics(np.array([[True]]), np.array([1]), k=1))
    ['f1@1', 'hit_rate@1', 'map@1', 'mrr@1', 'ndcg@1', 'precision@1', 'recall@1']
    """
    functions = (binary_ndcg, recall, precision, f1, average_precision, reciprocal_rank, hit_rate)
    return {
        f"{name}@{k}": function(hits, n_relevant, k) for name, function in zip(RANKING_METRICS, functions, strict=True)
    }


def coverage(recommended: np.ndarray, n_items: int, k: int) -> float:
    """Return the share of the catalogue that is in at least one list: one value for all lists together.

    >>> coverage(np.array([[0, 1], [1, -1]]), n_items=4, k=2)
    0.5
    """
    top = recommended[:, :k]
    return len(np.unique(top[top >= 0])) / n_items


def gini(recommended: np.ndarray, n_items: int, k: int) -> float:
    """Return the Gini coefficient of how often each item of the catalogue is in a list: one value for all lists.

    0 if all items are equally frequent, close to 1 if every list holds the same few, 0 if all lists are empty.

    >>> gini(np.array([[0, 1], [2, 3]]), n_items=4, k=2), gini(np.array([[0], [0]]), n_items=4, k=1)
    (0.0, 0.75)
    """
    top = recommended[:, :k]
    shown = np.sort(np.bincount(top[top >= 0], minlength=n_items))
    position = 2 * np.arange(1, n_items + 1) - n_items - 1
    return float(position @ shown / (n_items * max(shown.sum(), 1)))


def _incidence(recommended: np.ndarray, n_items: int) -> sparse.csr_array:
    """Return `(U, N)` with a 1 for each recommended item."""
    rows, columns = np.nonzero(recommended >= 0)
    ones = np.ones(len(rows))
    return sparse.csr_array((ones, (rows, recommended[rows, columns])), shape=(len(recommended), n_items))


def intra_list_diversity(recommended: np.ndarray, vectors: np.ndarray | sparse.csr_array, k: int) -> np.ndarray:
    """Return the mean over the pairs of a list of 1 - cosine of their item vectors; an empty rank counts as 0.

    `vectors` is `(N, D)`, dense or sparse, rows of unit length; a zero row has cosine 0 with all others. With
    `category_vectors` the result is the share of the pairs that are of different categories.
    Source: Ziegler et al., Improving recommendation lists through topic diversification, 2005.

    >>> intra_list_diversity(np.array([[0, 1], [0, 2], [0, -1]]), np.array([[1.0, 0], [1, 0], [0, 1]]), k=2)
    array([0., 1., 0.])
    """
    if k < 2:
        return np.zeros(len(recommended))
    lists = _incidence(recommended[:, :k], vectors.shape[0])
    sums = lists @ vectors  # (U, D): cosines of all pairs = (|sum|^2 - sum of |v|^2) / 2
    squares, of_sums = (
        np.square(rows).sum(axis=1) if isinstance(rows, np.ndarray) else rows.multiply(rows).sum(axis=1)
        for rows in (vectors, sums)
    )
    length = lists.sum(axis=1)
    similar = (np.asarray(of_sums).ravel() - lists @ np.asarray(squares).ravel()) / 2
    return np.clip((length * (length - 1) / 2 - similar) / (k * (k - 1) / 2), 0, 1)


def novelty(recommended: np.ndarray, item_counts: np.ndarray, n_users: int, k: int) -> np.ndarray:
    """Return the mean self-information of a list in bits; an empty rank counts as 0. See `self_information`.

    Args:
        recommended: `(U, K)` int.
        item_counts: `(N,)` the number of training users with an interaction with each item.
        n_users: the number of training users.
        k: length of the list.

    Source: Zhou et al., Solving the apparent diversity-accuracy dilemma of recommender systems, 2010.

    >>> novelty(np.array([[0, 1]]), item_counts=np.array([3, 0]), n_users=3, k=2)  # (0 bits + 2 bits) / 2
    array([1.])
    """
    return _mean_over_places(recommended, self_information(item_counts, n_users), k)


def self_information(item_counts: np.ndarray, n_users: int) -> np.ndarray:
    """Return `(N,)` bits: -log2((item_counts + 1) / (n_users + 1)), from 0 to log2(n_users + 1).

    The added one keeps an item without an interaction finite.

    >>> self_information(np.array([3, 0]), n_users=3)
    array([-0.,  2.])
    """
    return -np.log2((item_counts + 1) / (n_users + 1))


def _mean_over_places(recommended: np.ndarray, values: np.ndarray, k: int) -> np.ndarray:
    """Return the mean of an item value over k ranks; an empty rank counts as 0."""
    top = recommended[:, :k]
    return np.where(top >= 0, values[top], 0.0).sum(axis=1) / k


def average_popularity(recommended: np.ndarray, item_counts: np.ndarray, n_users: int, k: int) -> np.ndarray:
    """Return the mean share of training users who interacted with the items of a list; an empty rank counts as 0.

    Source: Yin et al., Challenging the long tail recommendation, 2012 (average recommendation popularity).

    >>> average_popularity(np.array([[0, 1], [1, -1]]), item_counts=np.array([3, 1]), n_users=4, k=2)
    array([0.5  , 0.125])
    """
    return _mean_over_places(recommended, np.asarray(item_counts) / max(n_users, 1), k)


def popularity_lift(recommended: np.ndarray, histories: sparse.csr_array, item_counts: np.ndarray, k: int) -> float:
    """Return how much more popular lists are than histories: 0 equally, 1 twice as popular, -1 for empty lists.

    It is the mean popularity of the first k ranks divided by that of the items in `histories` `(U, N)`, minus 1: one
    value for all lists together. Users without a history are left out; without any history it is NaN.
    Source: Abdollahpouri et al., The connection between popularity bias, calibration, and fairness in recommendation,
    2020 (section 3, one group).

    >>> history = sparse.csr_array(np.array([[0, 1, 1]]))
    >>> popularity_lift(np.array([[0]]), history, item_counts=np.array([6, 3, 1]), k=1)  # 6 / 2 - 1
    2.0
    """
    lengths = histories.sum(axis=1)
    warm = lengths > 0
    before = (histories @ np.asarray(item_counts, float))[warm] / lengths[warm]
    shown = _mean_over_places(recommended, np.asarray(item_counts, float), k)[warm]
    return float(shown.mean() / before.mean() - 1) if warm.any() and before.any() else np.nan


def serendipity(
    hits: np.ndarray, recommended: np.ndarray, expected: np.ndarray, n_relevant: np.ndarray, k: int
) -> np.ndarray:
    """Return the share of the k ranks that hold a relevant item which is not among the first k of `expected`.

    `expected` `(U, K)` is the obvious list, that of popularity, whose own serendipity is therefore 0.
    Source: Ge, Delgado-Battenfeld and Jannach, Beyond accuracy, RecSys 2010 (unexpected and useful).

    >>> hits, lists = np.array([[True, True, False]]), np.array([[4, 7, 9]])
    >>> serendipity(hits, lists, expected=np.array([[4, 5, 6]]), n_relevant=np.array([2]), k=3).round(4)
    array([0.3333])
    """
    top = recommended[:, :k]
    obvious = (top[:, :, None] == expected[:, None, :k]).any(axis=2)
    return _answerable((hits[:, :k] & ~obvious).sum(axis=1) / k, n_relevant)


def category_vectors(categories: np.ndarray) -> sparse.csr_array:
    """Return `(N, C)` with a 1 in the column of each item's category; a missing or empty category is an empty row.

    >>> category_vectors(np.array(["mug", None, "book"], dtype=object)).toarray()
    array([[0., 1.],
           [0., 0.],
           [1., 0.]])
    """
    known = np.array([isinstance(category, str) and category != "" for category in categories], bool)
    names, column = np.unique(np.asarray(categories)[known].astype(str), return_inverse=True)
    ones = np.ones(len(column))
    return sparse.csr_array((ones, (np.flatnonzero(known), column)), shape=(len(categories), len(names)))


def category_shares(incidence: sparse.csr_array, categories: sparse.csr_array) -> sparse.csr_array:
    """Return `(U, C)`: the share of each category among the items of each user; an empty row without a category.

    `incidence` is `(U, N)`, 1 where a user has the item in the history or list; `categories` as of `category_vectors`.

    >>> category_shares(sparse.csr_array(np.array([[1, 1, 1]])), category_vectors(np.array(["a", "b", "b"]))).toarray()
    array([[0.33333333, 0.66666667]])
    """
    counts = sparse.csr_array(incidence @ categories, dtype=float)
    totals = counts.sum(axis=1)
    return sparse.csr_array(sparse.diags_array(1 / np.where(totals > 0, totals, 1)) @ counts)


def calibration(recommended: np.ndarray, history: sparse.csr_array, categories: sparse.csr_array, k: int) -> np.ndarray:
    """Return 1 - Jensen-Shannon divergence (bits) of the category shares of the list and of the history, in [0, 1].

    1 if the list mixes categories as the history does, 0 if they share none or the list is empty, NaN for a user
    whose history has no known category.

    Args:
        recommended: `(U, K)`.
        history: `(U, C)`, the `category_shares` of the histories.
        categories: `(N, C)`, the `category_vectors`.
        k: length of the list.

    Source: Steck, Calibrated recommendations, RecSys 2018; the Kullback-Leibler divergence there is not bounded.

    >>> kinds = category_vectors(np.array(["a", "a", "b"]))
    >>> history = category_shares(sparse.csr_array(np.array([[1, 1, 0], [1, 0, 1]])), kinds)
    >>> calibration(np.array([[2], [0]]), history, kinds, k=1).round(4)  # no category in common; half of the history
    array([0.    , 0.6887])
    """
    shown = category_shares(_incidence(recommended[:, :k], categories.shape[0]), categories)
    divergence = _entropy((shown + history) / 2) - (_entropy(shown) + _entropy(history)) / 2
    answered = shown.sum(axis=1) > 0
    return _answerable(np.where(answered, 1 - divergence.clip(0, 1), 0.0), history.sum(axis=1))


def _entropy(shares: sparse.csr_array) -> np.ndarray:
    """Return the entropy of each row in bits."""
    bits = sparse.csr_array(shares, copy=True)
    bits.eliminate_zeros()
    bits.data = -bits.data * np.log2(bits.data)
    return bits.sum(axis=1)


def experience_index(
    relevance: np.ndarray,
    completeness: np.ndarray,
    novelty: np.ndarray,
    weights: Mapping[str, float] = EXPERIENCE_WEIGHTS,
) -> np.ndarray:
    """Return the user-experience index: the weighted mean of three values in [0, 1].

    On the leaderboard relevance is NDCG@k, completeness recall@k and novelty self-information divided by its maximum.
    The weights are a choice, and the best model may change with them.

    Raises:
        ParameterError: RK-361 weights that are missing, negative or all 0.

    >>> experience_index(np.array([1.0]), np.array([0.5]), np.array([0.0]))  # 0.5 * 1 + 0.3 * 0.5 + 0.2 * 0
    array([0.65])
    """
    values = {"relevance": relevance, "completeness": completeness, "novelty": novelty}
    total = sum(weights.values())
    if set(weights) != set(values) or min(weights.values()) < 0 or not total > 0:
        problem = (
            f"the weights are {dict(weights)}; expected one for each of {sorted(values)}, none negative, not all 0."
        )
        raise ParameterError("RK-361", problem, f"Pass {EXPERIENCE_WEIGHTS}.")
    return np.asarray(sum(weights[name] / total * np.asarray(value, float) for name, value in values.items()))
