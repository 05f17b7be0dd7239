"""Why this item? The plain reasons a shopkeeper could give."""

from collections.abc import Mapping, Sequence

import numpy as np

from recsys_kit.features.vectors import Vectors
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.neighbours import ItemKNN

COMMON = 0.2  # a word that this share of the products has is no reason
UNKNOWN = "popular in the shop: nothing is known of you yet"


def because_of(model: ItemKNN, history: Sequence[str], item_ids: Sequence[str]) -> list[tuple[str, float] | None]:
    """For each of `item_ids` the item of the history that speaks most for it, and its share of the neighbours' score.

    None where no shopper connects the two, or the model does not know them.
    """
    had = model.encode([history]).matrix(len(model.item_ids), model.history_decay)
    columns = model.encode([[item] for item in item_ids])  # one item each, none where the model has never heard of it
    found: list[tuple[str, float] | None] = [None] * len(item_ids)
    known = np.flatnonzero(np.diff(columns.starts))
    shares = had.data[:, None] * model.similarity[had.indices][:, columns.items].toarray()  # (L, items known)
    for place, column in zip(known, shares.T, strict=True):
        if column.sum() > 0:
            best = column.argmax()
            found[place] = str(model.item_ids[had.indices[best]]), float(column[best] / column.sum())
    return found


def ranks_without(
    model: Recommender, history: Sequence[str], item_ids: Sequence[str], taken_away: Sequence[str]
) -> list[int | None]:
    """The rank of each of `item_ids` once the product beside it has been taken out of the history; None: not listed.

    All of the history stays masked, so that the ranks compare with those of the whole history.
    """
    histories = [[had for had in history if had != gone] for gone in taken_away]
    k = len(model.item_ids)
    ranked = model.recommend(histories=histories, seen=[history] * len(histories), k=k)
    places = ranked.set_index(["query", "item_id"])["rank"].to_dict()
    return [places.get(pair) for pair in enumerate(item_ids)]


def shared_words(tfidf: Vectors, history: Sequence[str], item_ids: Sequence[str], n: int = 3) -> list[list[str]]:
    """For each of `item_ids` the words that it has in common with an item of the history, the weightiest first.

    `tfidf` are vectors made by `fit_tfidf`; the weight of a word is its product in both. Words that most of the shop
    uses ("of") are no reason.
    """
    rare = np.asarray(tfidf.how["idf"]) > np.log(1 / COMMON) + 1
    profile = tfidf.align(history).values.max(axis=0).multiply(rare) if history else rare[None] * 0
    weights = tfidf.align(item_ids).values.multiply(profile).tocsr()
    words, found = tfidf.how["vocabulary"], []
    for start, stop in zip(weights.indptr, weights.indptr[1:], strict=False):
        row, columns = weights.data[start:stop], weights.indices[start:stop]
        best = np.lexsort((columns, -row))[:n]
        found.append([str(words[columns[place]]) for place in best if row[place] > 0])
    return found


def reasons(
    history: Sequence[str],
    item_ids: Sequence[str],
    titles: Mapping[str, str],
    *,
    neighbours: ItemKNN | None = None,
    tfidf: Vectors | None = None,
) -> list[str]:
    """One sentence for each of `item_ids`: a shared shopper first, shared words second.

    >>> reasons(["i1"], ["i2"], {})
    ['close to what you had']
    """
    because = because_of(neighbours, history, item_ids) if neighbours is not None else [None] * len(item_ids)
    words = shared_words(tfidf, history, item_ids) if tfidf is not None else [[]] * len(item_ids)
    return [
        f"because you had “{titles.get(had[0], had[0])}”"
        if had
        else "shares the words " + ", ".join(shared)
        if shared
        else "close to what you had"
        for had, shared in zip(because, words, strict=True)
    ]
