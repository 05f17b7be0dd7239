"""Lists that are not personal: related items, items bought together, popular items.

They come from the item statistics, which use the training set only; `related` asks a content model as well.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.core.ids import as_ids
from recsys_kit.core.ranking import check_k, top_k
from recsys_kit.core.vectors import Vectors
from recsys_kit.core.vocabulary import Vocabulary
from recsys_kit.errors import ParameterError
from recsys_kit.shop.answers import Answer, name_ids
from recsys_kit.shop.explanations import shared_words
from recsys_kit.shop.models import ShopModels
from recsys_kit.shop.showcase import shelf, titles_of
from recsys_kit.shop.statistics import MEASURES, MIN_BASKETS, ItemStatistics

SHOWN_CATEGORIES = 10  # categories that an error lists


def related(
    item: Any, *, items: pd.DataFrame, statistics: ItemStatistics, models: ShopModels, tfidf: Vectors | None, k: int
) -> Answer:
    """Return items of the same users, then items with similar content; as `Bundle.related`."""
    check_k(k)
    (item,), notes = find_known(statistics.items, item)
    by_users, verb = statistics.find_related(item).head(k), statistics.verb()
    by_users["reason"] = [f"{count} shoppers {verb} both" for count in by_users["common_users"]]
    lists, content = [by_users], models.find_content()
    if content and len(by_users) < k:
        similar = models[content].recommend(histories=[[item]], k=k + len(by_users))
        similar = similar[~similar["fallback"] & (similar["score"] > 0)]
        lists.append(similar.assign(reason=_content_reasons(item, similar["item_id"].tolist(), tfidf)))
    listed = pd.concat(lists).drop_duplicates("item_id").head(k)
    if listed.empty:
        notes.append(
            f"nothing is known that resembles {item!r}: it has too few shoppers, and no model knows its content."
        )
    return Answer(show(listed, items), notes, content)


def _content_reasons(item: str, ids: list[str], tfidf: Vectors | None) -> list[str]:
    """The words that each item shares with `item`."""
    words = shared_words(tfidf, [item], ids) if tfidf is not None else [[]] * len(ids)
    return ["shares the words " + ", ".join(shared) if shared else "of similar content" for shared in words]


def together(basket: Any, *, items: pd.DataFrame, statistics: ItemStatistics, by: str, k: int) -> Answer:
    """Return items that go with an item, or with any item of a basket; as `Bundle.together`."""
    check_k(k)
    if by not in MEASURES:
        raise ParameterError("RK-341", f"by is {by!r}; expected one of {MEASURES}.", "Pass by='confidence'.")
    known, notes = find_known(statistics.items, basket)
    rules = [
        statistics.find_together(item).sort_values([by, "count"], ascending=False, kind="stable").assign(of=item)
        for item in known
    ]
    listed = pd.concat(rules).sort_values([by, "count"], ascending=False, kind="stable")
    listed = listed[~listed["item_id"].isin(known)].drop_duplicates("item_id").head(k)
    titles, verb = titles_of(items), statistics.verb()
    baskets = "sessions" if statistics.by_session else "shoppers"
    with_it, too = ("with", "have this too") if statistics.by_session else (f"who {verb}", f"also {verb} this")
    listed["reason"] = [
        f"{share:.0%} of the {baskets} {with_it} “{titles.get(one, one)}” {too}"
        for share, one in zip(listed["confidence"], listed["of"], strict=True)
    ]
    if listed.empty:
        notes.append(
            f"no product goes with {', '.join(known)} in at least {MIN_BASKETS} {baskets} and more than by chance."
        )
    return Answer(show(listed, items, ["count", *MEASURES]), notes)


def popular(*, items: pd.DataFrame, statistics: ItemStatistics, category: str, days: float, k: int) -> Answer:
    """Return the items with the most users; as `Bundle.popular`."""
    check_k(k)
    counts = statistics.count_users(days).astype(np.float32)
    counts[counts == 0] = -np.inf
    if category:
        counts[~statistics.items.index.isin(_items_of_category(items, category))] = -np.inf
    (best,) = top_k(counts[None], k)
    best = best[best >= 0]
    listed = pd.DataFrame({"item_id": statistics.items.ids[best], "score": counts[best].astype(int)})
    when, verb = f" in the last {days:g} days" if days else "", statistics.verb(days)
    listed["reason"] = [f"{count} shopper{'s' * (count > 1)} {verb} it{when}" for count in listed["score"]]
    return Answer(show(listed, items))


def _items_of_category(items: pd.DataFrame, category: str) -> list[str]:
    known = items["category"].value_counts().index.tolist() if "category" in items else []
    if category not in known:
        shown = get_close_matches(category, known, n=3) or known[:SHOWN_CATEGORIES]
        raise ParameterError(
            "RK-336",
            f"category is {category!r}, which no product has; expected one of {len(known):,}, such as {shown}."
            if known
            else f"category is {category!r}, and these products have none.",
            "Write it as the data does, or leave it out.",
        )
    return items.loc[items["category"] == category, "item_id"].tolist()


def find_known(items: Vocabulary, ids: Any) -> tuple[list[str], list[str]]:
    """Return the known ids, each once, and a note that names the others.

    Raises:
        ParameterError: RK-335 no id is known.
    """
    asked = list(dict.fromkeys(as_ids(ids, "item ids")))
    known, unknown = [one for one in asked if one in items], [one for one in asked if one not in items]
    if not known:
        raise ParameterError(
            "RK-335",
            f"no product of this shop is called {', '.join(map(repr, asked)) or 'nothing'}; expected an id such as "
            f"{str(items.ids[0])!r}.",
            "Take an id of the items table, as it is written there.",
        )
    return known, [f"{name_ids('product', unknown)} unknown to this shop and left out."] if unknown else []


def show(listed: pd.DataFrame, items: pd.DataFrame, columns: Sequence[str] = ("score",)) -> pd.DataFrame:
    """Return the list as a shopper sees it, ranked from 1, with `columns` and the reason."""
    listed = listed.reset_index(drop=True)
    shown = shelf(listed[["item_id"]], items)
    shown.insert(0, "rank", range(1, len(shown) + 1))
    return shown.join(listed[[*columns, "reason"]])
