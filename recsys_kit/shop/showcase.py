"""Lists as a shopper sees them: titles, prices, and a reason for each item."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.core.ranking import check_k
from recsys_kit.core.vectors import Vectors
from recsys_kit.core.vocabulary import Vocabulary
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.inputs import Query, encode_query
from recsys_kit.recommenders.neighbours import ItemKNN
from recsys_kit.recommenders.popularity import Popularity
from recsys_kit.shop.circumstances import frame_of
from recsys_kit.shop.events import STRENGTH, VERBS, counted_kinds, strongest_kinds
from recsys_kit.shop.explanations import UNKNOWN, reasons
from recsys_kit.shop.models import check_model, reads
from recsys_kit.shop.reranking import rerank_mmr

SHOWN = ("title", "category", "brand", "price")
N_CANDIDATES = 100  # items of a list that are re-ranked
ANSWERS = {"meaning": "close in meaning to what you wrote", "words": "shares words with what you wrote"}


def shelf(listed: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of `listed`, then title, category, brand and price of each item, as far as known.

    An item without a title goes by its id.

    >>> items = pd.DataFrame({"item_id": ["i1", "i2"], "title": ["Tea", None], "price": [3.0, None]})
    >>> shelf(pd.DataFrame({"rank": [1, 2], "item_id": ["i2", "i1"]}), items)
       rank item_id title  price
    0     1      i2    i2    NaN
    1     2      i1   Tea    3.0
    """
    known = items.set_index("item_id")
    shown = listed.copy()
    for column in SHOWN:
        if column in known:
            shown[column] = known[column].reindex(shown["item_id"]).array  # of no item, too, with its type
    shown["title"] = shown["title"].fillna(shown["item_id"]) if "title" in shown else shown["item_id"]
    return shown


def titles_of(items: pd.DataFrame) -> dict[str, str]:
    """Return item_id -> title for the items that have one."""
    return items.dropna(subset="title").set_index("item_id")["title"].to_dict() if "title" in items else {}


def records(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return the rows as plain values for JSON, with those of the `columns` that exist. A missing value is None.

    >>> records(pd.DataFrame({"rank": [1], "price": [None]}), ["rank", "price", "brand"])
    [{'rank': 1, 'price': None}]
    """
    kept = frame if columns is None else frame[[column for column in columns if column in frame]]
    return json.loads(kept.to_json(orient="records", double_precision=6))


@dataclass(frozen=True)
class Showcase:
    """Fitted models, and what is needed to show their lists."""

    models: Mapping[str, Recommender]
    items: pd.DataFrame
    histories: pd.Series
    """user_id -> item ids, oldest first."""
    vectors: Vectors | None = None
    """Item vectors for re-ranking by diversity; without them it has no effect."""
    tfidf: Vectors | None = None
    """TF-IDF vectors of the items, for reasons made of shared words."""
    events: pd.DataFrame | None = None
    """The events behind `histories`, for the verbs of reasons and histories."""
    context: Mapping[str, Any] | None = None
    """When and where every user asks, such as `last_event(...)`; None for no context."""
    seen: pd.Series | None = None
    """user_id -> items that the lists leave out, such as `Split.seen_items`; the whole history unless given."""

    def history(self, user_id: str) -> pd.DataFrame:
        """Return the items of a user, the latest first, each once; with `events` also `event`: bought, looked at ..."""
        latest = list(dict.fromkeys(reversed(self.histories.get(user_id, []))))
        shown = shelf(pd.DataFrame({"item_id": latest}, dtype=object), self.items)
        kinds = self.kinds(user_id)
        return shown.assign(event=[VERBS[kinds.get(item, "")] for item in latest]) if kinds else shown

    def kinds(self, user_id: str) -> dict[str, str]:
        """Return item_id -> the strongest kind of event of a user; empty if no kind is known."""
        if self.events is None:
            return {}
        kinds = strongest_kinds(self.events[self.events["user_id"] == user_id]).get(user_id, {})
        return kinds if any(kinds.values()) else {}

    def history_in_words(self, user_id: str) -> str:
        """Return the number of products in a history, and of each kind of event.

        Such as "History (11 products, latest first): 5 bought, 6 looked at".
        """
        items = set(self.histories.get(user_id, []))
        kinds = self.kinds(user_id)
        counts = counted_kinds(kinds.get(item, "") for item in items) if kinds else ""
        size = f"{len(items)} product{'' if len(items) == 1 else 's'}, latest first"
        return f"History ({size}): {counts}" if counts else f"History ({size})"

    def lists(
        self, model: str, *, histories: Any = None, texts: Any = None, seen: Any = None, k: int = 10
    ) -> pd.DataFrame:
        """Return the lists of many users, each item with its reason, in one frame, as `answer`.

        Args:
            model: a name of `models`.
            histories: item ids, oldest first, one list per user.
            texts: what users ask for, instead of histories.
            seen: items that each list leaves out; the whole history unless given.
            k: length of each list.
        """
        return self.answer(model, self._encode(model, histories, texts, seen), k=k)

    def _encode(self, model: str, histories: Any, texts: Any, seen: Any) -> Query:
        check_model(model, self.models)
        n_queries = len(histories if texts is None else texts)
        context = None if self.context is None else frame_of(self.context, n_queries)
        asked = {"histories": histories, "texts": texts, "seen": seen, "candidates": None, "context": context}
        return encode_query(self.models[model], None, **asked)

    def answer(self, model: str, query: Query, *, kinds: np.ndarray | None = None, k: int = 10) -> pd.DataFrame:
        """Return the lists of queries, each item with its reason, in one frame.

        Args:
            model: a name of `models`.
            query: encoded with the catalogue of the models.
            kinds: (E,) of each event of the histories, the place of its kind in `VERBS`, for the words of the reasons.
            k: length of each list.

        Returns:
            Columns query (its place), rank, item_id, title ..., score, reason, fallback.

        Raises:
            ParameterError: RK-312 a wrong k.
        """
        check_k(k)
        recommender, starts = self.models[model], query.histories.starts
        asked = {"texts": query.texts, "candidates": query.candidates, "context": query.context}
        ranked, is_popular = recommender.rank(query.histories, **asked, k=k), isinstance(recommender, Popularity)
        row, place = np.nonzero(ranked.items >= 0)
        columns, fallback = ranked.items[row, place], ranked.fallback[row]
        listed = pd.DataFrame({"query": row, "rank": place + 1, "item_id": recommender.item_ids[columns]})
        general = "popular in the shop" if is_popular else ANSWERS.get(reads(recommender), "answers what you wrote")
        reason = pd.Series(general, listed.index, dtype=object).mask(fallback, UNKNOWN)
        if query.texts is None and not is_popular:
            known = {"neighbours": self.models.get(ItemKNN.name), "tfidf": self._words(recommender.items)}
            for one in np.unique(row[~fallback]):
                history, rows = query.histories.take(np.array([one])), row == one
                events = None if kinds is None else kinds[starts[one] : starts[one + 1]]
                reason[rows] = reasons(history, columns[rows], recommender.items, self.titles, kinds=events, **known)
        return shelf(listed, self.items).assign(score=ranked.scores[row, place], reason=reason, fallback=fallback)

    def _words(self, items: Vocabulary) -> Vectors | None:
        """The TF-IDF vectors, one row per item of the catalogue."""
        ids = items.ids.tolist()
        return self.tfidf if self.tfidf is None or self.tfidf.ids == ids else self.tfidf.align(ids)

    def recommend(
        self,
        model: str,
        *,
        user: str = "",
        history: Sequence[str] = (),
        text: str = "",
        seen: Sequence[str] | None = None,
        diversity: float = 0.0,
        k: int = 10,
    ) -> pd.DataFrame:
        """Return the list of one user, as `lists`, with the ranks before re-ranking in `rank_before`.

        Args:
            model: a name of `models`.
            user: a user id, whose history, seen items and events are those of the showcase; or
            history: item ids, oldest first; or
            text: what the user asks for.
            seen: items that the list leaves out.
            diversity: from 0 to 1; the first candidates are re-ranked so that they resemble one another less.
            k: length of the list.
        """
        history = self.histories.get(user, []) if user else history
        if user and seen is None and self.seen is not None:
            seen = self.seen.get(user, [])
        seen = None if seen is None else [list(seen)]
        query = self._encode(model, None if text else [list(history)], [text] if text else None, seen)
        kinds = self.kinds(user)
        events = [STRENGTH[kinds.get(item, "")] for item in self.models[model].item_ids[query.histories.items]]
        longest = max(N_CANDIDATES, k) if diversity else k
        listed = self.answer(model, query, kinds=np.array(events, int), k=longest).drop(columns="query")
        if self.vectors is None:
            return listed.head(k).assign(rank_before=listed["rank"])
        return rerank_mmr(listed, self.vectors, diversity=diversity, k=k)

    def side_by_side(self, history: Sequence[str], k: int = 10, *, seen: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the titles that each model shows, one column per model, one row per rank; `seen` as in `recommend`."""
        asked = {"history": history, "seen": seen, "k": k}
        return pd.DataFrame({name: self.recommend(name, **asked).set_index("rank")["title"] for name in self.models})

    def readings(self, history: Sequence[str], popularity: Recommender, *, k: int = 10) -> pd.DataFrame:
        """Return counts over the k items of each model's list, one column per model.

        Rows: items of a category of the history (if it has any), items on the list of `popularity` (a fitted model),
        and the training users of the least and of the most popular item.
        """
        bestsellers = set(popularity.recommend(histories=[list(history)], k=k)["item_id"])
        known = pd.Series(popularity.item_counts, popularity.item_ids)
        kinds = self.items.set_index("item_id")["category"] if "category" in self.items else pd.Series(dtype=object)
        own = set(kinds.reindex(list(history)).dropna())
        columns = {}
        for name in self.models:
            listed = self.recommend(name, history=history, k=k)["item_id"]
            counts = known[listed]
            columns[name] = {
                "of your categories": listed.map(kinds).isin(own).sum(),
                "bestsellers": listed.isin(bestsellers).sum(),
                "shoppers in training": f"{counts.min():.0f} to {counts.max():.0f}" if len(counts) else "",
            }
        return pd.DataFrame(columns, dtype=object).drop(index=[] if own else ["of your categories"])

    def page_entry(self, user_id: str, who: str, *, k: int = 10) -> dict[str, Any]:
        """Return a user as plain values for `results/shoppers.json`: history and the list of each model."""
        shown = ["rank", "item_id", *SHOWN, "reason"]
        lists = {name: records(self.recommend(name, user=user_id, k=k), shown) for name in self.models}
        history, words = records(self.history(user_id).head(k)), self.history_in_words(user_id)
        return {"user_id": user_id, "who": who, "history": history, "history_in_words": words, "lists": lists}

    @cached_property
    def titles(self) -> dict[str, str]:
        """As `titles_of`."""
        return titles_of(self.items)
