"""Reasons for a recommendation: a product of the history, or shared words; and a test of these reasons."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.core.histories import Histories
from recsys_kit.core.vectors import Vectors
from recsys_kit.core.vocabulary import Vocabulary
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.neighbours import ItemKNN
from recsys_kit.shop.circumstances import frame_of
from recsys_kit.shop.events import VERBS

MAX_WORD_SHARE = 0.2  # a word in more than this share of the products is too common to be a reason
UNKNOWN = "popular in the shop: nothing is known of you yet"


def find_causes(neighbours: ItemKNN, history: Histories, columns: np.ndarray) -> np.ndarray:
    """Return for each item the item of one history that contributes most to its score; -1 without common users.

    Args:
        neighbours: connects items by their users.
        history: of one user.
        columns: (n,) the items that are explained.
    """
    weights = neighbours.weigh(history)
    shares = weights.data[:, None] * neighbours.similarity[weights.indices][:, columns].toarray()  # (L, n)
    return np.r_[-1, weights.indices][np.vstack([np.zeros(len(columns)), shares]).argmax(axis=0)]


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
    that `find_causes` names, once without another item, the oldest.

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
    masked, rows, items = histories if seen is None else seen, [], neighbours.items

    def ask(users: Sequence[str], gone: Sequence[str], k: int) -> pd.DataFrame:
        """Return the lists of users, each without one item in the history; what they leave out stays the same."""
        kept = [[item for item in histories[user] if item != one] for user, one in zip(users, gone, strict=True)]
        where = frame_of(context, len(users)) if context else None
        return model.recommend(histories=kept, seen=[masked.get(user, []) for user in users], context=where, k=k)

    listed = ask(users, [""] * len(users), k)
    for place, of_user in listed[~listed["fallback"]].groupby("query"):
        history, columns = histories[users[place]], items.encode(of_user["item_id"])
        causes = find_causes(neighbours, neighbours.encode([history]), columns)
        if (causes >= 0).any():
            first = (causes >= 0).argmax()
            cause = items.ids[causes[first]]
            other = next(item for item in history if item != cause)
            rows.append((users[place], *of_user[["item_id", "rank"]].iloc[first], cause, other))
    found = pd.DataFrame(rows, columns=["user_id", "item_id", "rank", "cause", "other"])
    for column, gone in {"without_it": "cause", "without_another": "other"}.items():
        again = ask(found["user_id"].tolist(), found[gone].tolist(), len(items))
        places = again.set_index(["query", "item_id"])["rank"].to_dict()
        found[column] = [places.get(pair, len(items) + 1) for pair in enumerate(found["item_id"])]
    return found[["user_id", "item_id", "cause", "rank", "without_it", "without_another"]]


def shared_words(tfidf: Vectors, history: np.ndarray, columns: np.ndarray, n: int = 3) -> list[list[str]]:
    """Return for each item the words that it shares with an item of the history, those with the largest weight first.

    The weight of a word is the product of its weights in both texts. Common words ("of") are left out.

    Args:
        tfidf: vectors made by `fit_tfidf`, one row per item of the catalogue.
        history: (L,) items.
        columns: (n,) the items that are explained.
        n: words for each.
    """
    rare = np.asarray(tfidf.how["idf"]) > np.log(1 / MAX_WORD_SHARE) + 1
    profile = tfidf.values[history].max(axis=0).multiply(rare) if len(history) else rare[None] * 0
    weights = tfidf.values[columns].multiply(profile).tocsr()
    words, found = tfidf.how["vocabulary"], []
    for start, stop in zip(weights.indptr, weights.indptr[1:], strict=False):
        row, chosen = weights.data[start:stop], weights.indices[start:stop]
        best = np.lexsort((chosen, -row))[:n]
        found.append([str(words[chosen[place]]) for place in best if row[place] > 0])
    return found


def reasons(
    history: Histories,
    columns: np.ndarray,
    items: Vocabulary,
    titles: Mapping[str, str],
    *,
    kinds: np.ndarray | None = None,
    neighbours: ItemKNN | None = None,
    tfidf: Vectors | None = None,
    otherwise: str = "close to your history",
) -> list[str]:
    """Return one sentence for each item: by common users if possible, otherwise by shared words.

    Args:
        history: of one user.
        columns: (n,) the recommended items.
        items: the catalogue.
        titles: item_id -> title, as far as known.
        kinds: of each event of the history, the place of its kind in `VERBS`; the neutral verb unless given.
        neighbours: connects items by their users.
        tfidf: connects items by their words; one row per item of the catalogue.
        otherwise: the sentence without such a connection.

    >>> reasons(Histories(np.array([0]), np.array([0, 1])), np.array([1]), Vocabulary.of_items(["i1", "i2"]), {})
    ['close to your history']
    """
    causes = np.full(len(columns), -1) if neighbours is None else find_causes(neighbours, history, columns)
    words = [[]] * len(columns) if tfidf is None else shared_words(tfidf, history.items, columns)
    verbs = [*VERBS.values()]

    def sentence(cause: int, shared: Sequence[str]) -> str:
        if cause >= 0:
            strongest = 0 if kinds is None else kinds[history.items == cause].max()
            name = str(items.ids[cause])
            return f"because you {verbs[strongest]} “{titles.get(name, name)}”"
        return "shares the words " + ", ".join(shared) if shared else otherwise

    return [sentence(cause, shared) for cause, shared in zip(causes, words, strict=True)]
