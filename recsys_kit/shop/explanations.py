"""Why this item? The plain reasons a shopkeeper could give."""

from collections.abc import Sequence

import numpy as np

from recsys_kit.features.vectors import Vectors
from recsys_kit.recommenders.neighbours import ItemKNN


def because_of(model: ItemKNN, history: Sequence[str], item_id: str) -> tuple[str, float] | None:
    """The item of the history that speaks most for `item_id`, and its share of the neighbours' score.

    None where no shopper connects the two, or the model does not know them.
    """
    had = model.encode([history])
    column = model.encode([[item_id]]).items
    if not len(column):
        return None
    weights = had.matrix(len(model.item_ids), model.history_decay)
    shares = (
        weights.data * model.similarity[weights.indices][:, column].toarray().ravel()
    )  # one per item of the history
    if not shares.sum() > 0:
        return None
    best = shares.argmax()
    return str(model.item_ids[weights.indices[best]]), float(shares[best] / shares.sum())


def shared_words(tfidf: Vectors, history: Sequence[str], item_id: str, n: int = 3) -> list[str]:
    """The words that an item has in common with the history, the weightiest first.

    `tfidf` are vectors made by `fit_tfidf`; the weight of a word is its product in both.
    """
    rows = tfidf.align([item_id, *history]).values
    weights = (rows[[0]].multiply(rows[1:].sum(axis=0))).tocsr().toarray().ravel()
    best = np.argsort(-weights, kind="stable")[:n]
    words = tfidf.how["vocabulary"]
    return [str(words[column]) for column in best if weights[column] > 0]


def reason(
    history: Sequence[str],
    item_id: str,
    titles: dict[str, str],
    *,
    neighbours: ItemKNN | None = None,
    tfidf: Vectors | None = None,
    fallback: bool = False,
) -> str:
    """One sentence: a shared shopper first, shared words second, popularity last.

    >>> reason([], "i1", {}, fallback=True)
    'popular in the shop: nothing is known of you yet'
    """
    if fallback:
        return "popular in the shop: nothing is known of you yet"
    because = because_of(neighbours, history, item_id) if neighbours is not None else None
    if because is not None:
        return f"because you had “{titles.get(because[0], because[0])}”"
    words = shared_words(tfidf, history, item_id) if tfidf is not None else []
    if words:
        return "shares the words " + ", ".join(words)
    return "close to what you had"
