"""The shop as a shopper sees it: lists with titles, prices and a reason, for whoever walks in."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from recsys_kit.core.vectors import Vectors
from recsys_kit.errors import ParameterError
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.neighbours import ItemKNN
from recsys_kit.recommenders.popularity import Popularity
from recsys_kit.shop.circumstances import frame_of
from recsys_kit.shop.events import VERBS, counted_kinds, strongest_kinds
from recsys_kit.shop.explanations import UNKNOWN, reasons
from recsys_kit.shop.reranking import rerank_mmr

SHOWN = ("title", "category", "brand", "price")
CANDIDATES = 100  # how far down the list re-ranking may reach
ANSWERS = {"meaning": "close in meaning to what you wrote", "words": "shares words with what you wrote"}


def shelf(listed: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Items as a shopper sees them: the columns of `listed`, then title, category, brand, price as far as known.

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
            shown[column] = shown["item_id"].map(known[column])
    shown["title"] = shown["title"].fillna(shown["item_id"]) if "title" in shown else shown["item_id"]
    return shown


def titles_of(items: pd.DataFrame) -> dict[str, str]:
    """item_id -> title, for the items that have one."""
    return items.dropna(subset="title").set_index("item_id")["title"].to_dict() if "title" in items else {}


def records(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The rows as plain values for a JSON file; of `columns`, those that there are. A missing value is None.

    >>> records(pd.DataFrame({"rank": [1], "price": [None]}), ["rank", "price", "brand"])
    [{'rank': 1, 'price': None}]
    """
    kept = frame if columns is None else frame[[column for column in columns if column in frame]]
    return json.loads(kept.to_json(orient="records", double_precision=6))


def reads(model: Recommender) -> str:
    """How a model reads a text: by "meaning" (its vectors are a language model's), by "words" (TF-IDF), or "" ."""
    how = getattr(getattr(model, "vectors", None), "how", {}) if model.understands_text else {}
    return {"language_model": "meaning", "tfidf": "words"}.get(how.get("method"), "")


def check_model(name: str, known: Iterable[str]) -> None:
    """Refuse a model that is not there (RK-318), naming those that are."""
    if name not in known:
        raise ParameterError("RK-318", f"model is {name!r}; expected one of {', '.join(known)}.", "Name one of these.")


@dataclass(frozen=True)
class Showcase:
    """Fitted models and what is needed to show their lists."""

    models: Mapping[str, Recommender]
    items: pd.DataFrame
    histories: pd.Series
    """user_id -> item ids, oldest first."""
    vectors: Vectors | None = None
    """How alike items are, for the diversity slider; without them it has no effect."""
    tfidf: Vectors | None = None
    """TF-IDF vectors of the items, for reasons made of shared words."""
    events: pd.DataFrame | None = None
    """The events behind `histories`: with them reasons and histories say what the shopper did with each item."""
    context: Mapping[str, Any] | None = None
    """When and where every shopper asks, such as `last_event(...)`; without it models that use a context do without."""
    seen: pd.Series | None = None
    """user_id -> what the shopper's lists leave out, such as `Split.seen_items`; the whole history unless given."""

    def history(self, user_id: str) -> pd.DataFrame:
        """The shopper's items, the latest first, each once; with `events` a column `event`: bought, looked at ..."""
        latest = list(dict.fromkeys(reversed(self.histories.get(user_id, []))))
        shown = shelf(pd.DataFrame({"item_id": latest}, dtype=object), self.items)
        kinds = self.kinds(user_id)
        return shown.assign(event=[VERBS[kinds.get(item, "")] for item in latest]) if kinds else shown

    def kinds(self, user_id: str) -> dict[str, str]:
        """item_id -> the strongest kind of event of this shopper; empty where no event says of which kind it is."""
        if self.events is None:
            return {}
        kinds = strongest_kinds(self.events[self.events["user_id"] == user_id]).get(user_id, {})
        return kinds if any(kinds.values()) else {}

    def history_in_words(self, user_id: str) -> str:
        """How many products the history has, and by which kinds of event.

        Such as "History (11 products, latest first): 5 bought, 6 looked at".
        """
        items = set(self.histories.get(user_id, []))
        kinds = self.kinds(user_id)
        counts = counted_kinds(kinds.get(item, "") for item in items) if kinds else ""
        size = f"{len(items)} product{'' if len(items) == 1 else 's'}, latest first"
        return f"History ({size}): {counts}" if counts else f"History ({size})"

    def lists(
        self,
        model: str,
        *,
        histories: Sequence[Sequence[str]] | None = None,
        texts: Sequence[str] | None = None,
        seen: Sequence[Sequence[str]] | None = None,
        kinds: Sequence[Mapping[str, str]] | None = None,
        candidates: Sequence[str] | None = None,
        context: pd.DataFrame | None = None,
        k: int = 10,
    ) -> pd.DataFrame:
        """The lists of many shoppers, each item with its reason, under one another.

        Args:
            model: a name of `models`.
            histories: item ids, oldest first, one list per shopper.
            texts: what shoppers ask for, instead of histories.
            seen: what each list leaves out; the whole history unless given.
            kinds: of each history item_id -> kind of event (`strongest_kinds`), for the words of the reasons.
            candidates: the only items that may be listed; all unless given.
            context: one row per list, when and where it is asked for; that of the showcase unless given.
            k: length of each list.

        Returns:
            Columns query (the place in `histories` or `texts`), rank, item_id, title ..., score, reason, fallback.
        """
        check_model(model, self.models)
        n_queries = len(histories if texts is None else texts)
        if not n_queries:  # the columns of an empty answer
            return self.lists(model, histories=[[]], candidates=candidates, k=1).head(0)
        if context is None and self.context is not None:
            context = frame_of(self.context, n_queries)
        asked = {"histories": histories} if texts is None else {"texts": texts}
        listed = self.models[model].recommend(**asked, seen=seen, candidates=candidates, context=context, k=k)
        shown = shelf(listed[["query", "rank", "item_id"]], self.items)
        return shown.assign(
            score=listed["score"], reason=self._reasons(model, listed, histories, kinds), fallback=listed["fallback"]
        )

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
        """One shopper's list, as in `lists`, with its former ranks in `rank_before`.

        A `user` has the history, the seen products and the events of the showcase; otherwise a `history` is given, all
        of which is left out unless `seen` says what is, or as `text` what the shopper asks for. `diversity` from 0 to 1
        re-ranks the first candidates so that they resemble one another less.
        """
        history = self.histories.get(user, []) if user else history
        if user and seen is None and self.seen is not None:
            seen = self.seen.get(user, [])
        asked = {"texts": [text]} if text else {"histories": [list(history)], "kinds": [self.kinds(user)]}
        asked["seen"] = None if seen is None else [list(seen)]
        listed = self.lists(model, **asked, k=max(CANDIDATES, k) if diversity else k).drop(columns="query")
        if self.vectors is None:
            return listed.head(k).assign(rank_before=listed["rank"])
        return rerank_mmr(listed, self.vectors, diversity=diversity, k=k)

    def side_by_side(self, history: Sequence[str], k: int = 10, *, seen: Sequence[str] | None = None) -> pd.DataFrame:
        """The titles that each model would show, one column per model, one row per rank; `seen` as in `recommend`."""
        asked = {"history": history, "seen": seen, "k": k}
        return pd.DataFrame({name: self.recommend(name, **asked).set_index("rank")["title"] for name in self.models})

    def readings(
        self, history: Sequence[str], popularity: Recommender, *, k: int = 10, seen: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """How each model's list reads, one column per model, counts of its k products.

        Rows: how many are of a category of the history (where it has any), how many are bestsellers (the list of
        `popularity`, a fitted model of them), and how many shoppers of the training set interacted with the least and
        the best known of them. `seen` as in `recommend`.
        """
        masked = None if seen is None else [list(seen)]
        bestsellers = set(popularity.recommend(histories=[list(history)], seen=masked, k=k)["item_id"])
        known = pd.Series(popularity.item_counts, popularity.item_ids)
        kinds = self.items.set_index("item_id")["category"] if "category" in self.items else pd.Series(dtype=object)
        own = set(kinds.reindex(list(history)).dropna())
        columns = {}
        for name in self.models:
            listed = self.recommend(name, history=history, seen=seen, k=k)["item_id"]
            counts = known[listed]
            columns[name] = {
                "of your categories": listed.map(kinds).isin(own).sum(),
                "bestsellers": listed.isin(bestsellers).sum(),
                "shoppers in training": f"{counts.min():.0f} to {counts.max():.0f}" if len(counts) else "",
            }
        return pd.DataFrame(columns, dtype=object).drop(index=[] if own else ["of your categories"])

    def page_entry(self, user_id: str, who: str, *, k: int = 10) -> dict[str, Any]:
        """One shopper as plain values for `results/shoppers.json`: history (latest first) and every model's list."""
        shown = ["rank", "item_id", *SHOWN, "reason"]
        lists = {name: records(self.recommend(name, user=user_id, k=k), shown) for name in self.models}
        history, words = records(self.history(user_id).head(k)), self.history_in_words(user_id)
        return {"user_id": user_id, "who": who, "history": history, "history_in_words": words, "lists": lists}

    def _reasons(
        self,
        model: str,
        listed: pd.DataFrame,
        histories: Sequence[Sequence[str]] | None,
        kinds: Sequence[Mapping[str, str]] | None,
    ) -> pd.Series:
        """A sentence for each row of `listed`."""
        general = "popular in the shop"
        if not isinstance(self.models[model], Popularity):
            general = ANSWERS.get(reads(self.models[model]), "answers what you wrote")
        found = pd.Series(general, listed.index, dtype=object).mask(listed["fallback"], UNKNOWN)
        if histories is None or isinstance(self.models[model], Popularity):
            return found
        neighbours = self.models.get(ItemKNN.name)
        for query, of_query in listed[~listed["fallback"]].groupby("query"):
            found[of_query.index] = reasons(
                histories[query],
                of_query["item_id"].tolist(),
                self.titles,
                kinds=kinds[query] if kinds else None,
                neighbours=neighbours,
                tfidf=self.tfidf,
            )
        return found

    @cached_property
    def titles(self) -> dict[str, str]:
        """As `titles_of`."""
        return titles_of(self.items)
