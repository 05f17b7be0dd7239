"""Reasons for a recommendation: a product of the history, or shared words; and a test of these reasons."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.core.vectors import Vectors
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.neighbours import ItemKNN
from recsys_kit.shop.circumstances import frame_of
from recsys_kit.shop.events import VERBS

MAX_WORD_SHARE = 0.2  # a word in more than this share of the products is too common to be a reason
UNKNOWN = "popular in the shop: nothing is known of you yet"


def because_of(model: ItemKNN, history: Sequence[str], item_ids: Sequence[str]) -> list[tuple[str, float] | None]:
    """Return for each item the item of the history that contributes most to its score, and its share of the score.

    None if no user connects the two, or the model does not know them.
    """
    weights = model.encode([history]).matrix(len(model.item_ids), model.history_decay)
    columns = model.encode([[item] for item in item_ids])  # one item each, none for an unknown item
    found: list[tuple[str, float] | None] = [None] * len(item_ids)
    known = np.flatnonzero(np.diff(columns.starts))
    shares = weights.data[:, None] * model.similarity[weights.indices][:, columns.items].toarray()  # (L, items known)
    for place, column in zip(known, shares.T, strict=True):
        if column.sum() > 0:
            best = column.argmax()
            found[place] = str(model.item_ids[weights.indices[best]]), float(column[best] / column.sum())
    return found


def ranks_without(
    model: Recommender,
    history: Sequence[str],
    item_ids: Sequence[str],
    taken_away: Sequence[str],
    *,
    context: Mapping[str, Any] | None = None,
) -> list[int | None]:
    """Return the rank of each item when another item is removed from the history; None if it is not listed.

    The whole history stays masked, so that the ranks compare with those of the whole history.

    Args:
        model: makes the lists.
        history: item ids, oldest first.
        item_ids: the items whose ranks are returned.
        taken_away: for each of them the item that is removed.
        context: when and where the user asks, for models that use it.
    """
    asked = pd.DataFrame({"item_id": item_ids, "gone": taken_away})
    histories = [history] * len(asked)
    return _ranks(model, histories, asked["item_id"], asked["gone"], histories, context)


def _ranks(
    model: Recommender,
    histories: Sequence[Sequence[str]],
    item_ids: Sequence[str],
    taken_away: Sequence[str],
    seen: Sequence[Sequence[str]],
    context: Mapping[str, Any] | None,
) -> list[int | None]:
    """The rank of one item for each history, with one item removed from it; None: not listed."""
    without = [[item for item in history if item != gone] for history, gone in zip(histories, taken_away, strict=True)]
    ranked = model.recommend(histories=without, seen=seen, context=_same(context, len(without)), k=len(model.item_ids))
    places = ranked.set_index(["query", "item_id"])["rank"].to_dict()
    return [places.get(pair) for pair in enumerate(item_ids)]


def _same(context: Mapping[str, Any] | None, n_queries: int) -> pd.DataFrame | None:
    return frame_of(context, n_queries) if context else None


def reasons_tested(
    model: Recommender,
    neighbours: ItemKNN,
    histories: Mapping[str, Sequence[str]],
    *,
    seen: Mapping[str, Sequence[str]] | pd.Series | None = None,
    context: Mapping[str, Any] | None = None,
    k: int = 10,
) -> pd.DataFrame:
    """Test whether the item that explains a recommendation carries it; one row per user whose list has such a reason.

    Of the k items that `model` lists, the first with a reason is ranked again: once without the item of the history
    that `because_of` names, once without another item, the oldest.

    Args:
        model: makes the lists that are tested.
        neighbours: names the reasons.
        histories: user_id -> item ids, oldest first.
        seen: user_id -> items that the lists leave out; the histories unless given.
        context: when and where all users ask, for models that use it.
        k: length of the lists.

    Returns:
        Columns user_id, item_id, cause, rank, without_it, without_another (ranks from 1; one more than the catalogue
        for an item that is not listed). Users with a single item in their history are left out.
    """
    users = [user for user, history in histories.items() if len(set(history)) > 1]
    masked = histories if seen is None else seen
    asked = {"histories": [histories[user] for user in users], "seen": [masked.get(user, []) for user in users]}
    listed = model.recommend(users, **asked, context=_same(context, len(users)), k=k) if users else pd.DataFrame()
    rows = []
    for user, of_user in listed[~listed["fallback"]].groupby("query", sort=False) if users else ():
        causes = because_of(neighbours, histories[user], of_user["item_id"].tolist())
        first = next((place for place, cause in enumerate(causes) if cause), None)
        if first is not None:
            cause = causes[first][0]
            other = next(item for item in histories[user] if item != cause)
            rows.append((user, *of_user[["item_id", "rank"]].iloc[first], cause, other))
    found = pd.DataFrame(rows, columns=["user_id", "item_id", "rank", "cause", "other"])
    asked, left_out = ([given.get(user, []) for user in found["user_id"]] for given in (histories, masked))
    for column, gone in {"without_it": "cause", "without_another": "other"}.items():
        ranks = _ranks(model, asked, found["item_id"], found[gone], left_out, context) if rows else []
        found[column] = [len(model.item_ids) + 1 if rank is None else rank for rank in ranks]
    return found[["user_id", "item_id", "cause", "rank", "without_it", "without_another"]]


def shared_words(tfidf: Vectors, history: Sequence[str], item_ids: Sequence[str], n: int = 3) -> list[list[str]]:
    """Return for each item the words that it shares with an item of the history, those with the largest weight first.

    The weight of a word is the product of its weights in both texts. Common words ("of") are left out.

    Args:
        tfidf: vectors made by `fit_tfidf`.
        history: item ids.
        item_ids: the items that are explained.
        n: words for each.
    """
    rare = np.asarray(tfidf.how["idf"]) > np.log(1 / MAX_WORD_SHARE) + 1
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
    kinds: Mapping[str, str] | None = None,
    neighbours: ItemKNN | None = None,
    tfidf: Vectors | None = None,
) -> list[str]:
    """Return one sentence for each item: by common users if possible, otherwise by shared words.

    Args:
        history: item ids, oldest first.
        item_ids: the recommended items.
        titles: item_id -> title, as far as known.
        kinds: item_id -> kind of event (`strongest_kinds`), for the verb; the neutral verb unless given.
        neighbours: connects items by their users.
        tfidf: connects items by their words.

    >>> reasons(["i1"], ["i2"], {})
    ['close to your history']
    """
    kinds = kinds or {}
    because = because_of(neighbours, history, item_ids) if neighbours is not None else [None] * len(item_ids)
    words = shared_words(tfidf, history, item_ids) if tfidf is not None else [[]] * len(item_ids)
    return [
        f"because you {VERBS[kinds.get(cause[0], '')]} “{titles.get(cause[0], cause[0])}”"
        if cause
        else "shares the words " + ", ".join(shared)
        if shared
        else "close to your history"
        for cause, shared in zip(because, words, strict=True)
    ]
