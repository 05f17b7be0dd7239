"""The shop as a shopper sees it: lists with titles, prices and a reason, for whoever walks in."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from recsys_kit.errors import ParameterError
from recsys_kit.features.vectors import Vectors
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.neighbours import ItemKNN
from recsys_kit.recommenders.popularity import Popularity
from recsys_kit.shop.explanations import UNKNOWN, reasons
from recsys_kit.shop.reranking import rerank_mmr

SHOWN = ("title", "category", "brand", "price")
CANDIDATES = 100  # how far down the list re-ranking may reach


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

    def history(self, user_id: str) -> pd.DataFrame:
        """What the shopper had, the latest first, each item once."""
        had = list(dict.fromkeys(reversed(self.histories.get(user_id, []))))
        return shelf(pd.DataFrame({"item_id": had}, dtype=object), self.items)

    def lists(
        self,
        model: str,
        *,
        histories: Sequence[Sequence[str]] | None = None,
        texts: Sequence[str] | None = None,
        candidates: Sequence[str] | None = None,
        k: int = 10,
    ) -> pd.DataFrame:
        """The lists of many shoppers, each item with its reason, under one another.

        Args:
            model: a name of `models`.
            histories: item ids, oldest first, one list per shopper.
            texts: what shoppers ask for, instead of histories.
            candidates: the only items that may be listed; all unless given.
            k: length of each list.

        Returns:
            Columns query (the place in `histories` or `texts`), rank, item_id, title ..., score, reason, fallback.
        """
        check_model(model, self.models)
        listed = self.models[model].recommend(histories=histories, texts=texts, candidates=candidates, k=k)
        shown = shelf(listed[["query", "rank", "item_id"]], self.items)
        return shown.assign(
            score=listed["score"], reason=self._reasons(model, listed, histories), fallback=listed["fallback"]
        )

    def recommend(
        self, model: str, *, history: Sequence[str] = (), text: str = "", diversity: float = 0.0, k: int = 10
    ) -> pd.DataFrame:
        """One shopper's list, as in `lists`, with its former ranks in `rank_before`.

        `text`, where given, is what the shopper asks for, instead of a history. `diversity` from 0 to 1 re-ranks the
        first candidates so that they resemble one another less.
        """
        asked = {"texts": [text]} if text else {"histories": [list(history)]}
        listed = self.lists(model, **asked, k=max(CANDIDATES, k) if diversity else k).drop(columns="query")
        if self.vectors is None:
            return listed.head(k).assign(rank_before=listed["rank"])
        return rerank_mmr(listed, self.vectors, diversity=diversity, k=k)

    def side_by_side(self, history: Sequence[str], k: int = 10) -> pd.DataFrame:
        """The titles that each model would show, one column per model, one row per rank."""
        lists = {name: self.recommend(name, history=history, k=k).set_index("rank")["title"] for name in self.models}
        return pd.DataFrame(lists)

    def readings(self, history: Sequence[str], popularity: Recommender, *, k: int = 10) -> pd.DataFrame:
        """How each model's list reads, one column per model, counts of its k products.

        Rows: how many are of a category of the history (where it has any), how many are bestsellers (the list of
        `popularity`, a fitted model of them), and how many shoppers of train had the least and the best known of them.
        """
        bestsellers = set(popularity.recommend(histories=[list(history)], k=k)["item_id"])
        known = pd.Series(popularity.item_counts, popularity.item_ids)
        kinds = self.items.set_index("item_id")["category"] if "category" in self.items else pd.Series(dtype=object)
        had = set(kinds.reindex(list(history)).dropna())
        columns = {}
        for name in self.models:
            listed = self.recommend(name, history=history, k=k)["item_id"]
            columns[name] = {
                "of a kind you had": listed.map(kinds).isin(had).sum(),
                "bestsellers": listed.isin(bestsellers).sum(),
                "met by shoppers": f"{known[listed].min():.0f} to {known[listed].max():.0f}" if len(listed) else "",
            }
        return pd.DataFrame(columns, dtype=object).drop(index=[] if had else ["of a kind you had"])

    def page_entry(self, user_id: str, who: str, *, k: int = 10) -> dict[str, Any]:
        """One shopper as plain values for `results/shoppers.json`: history (latest first) and every model's list."""
        history = self.histories.get(user_id, [])
        shown = ["rank", "item_id", *SHOWN, "reason"]
        lists = {name: records(self.recommend(name, history=history, k=k), shown) for name in self.models}
        return {"user_id": user_id, "who": who, "history": records(self.history(user_id).head(k)), "lists": lists}

    def _reasons(self, model: str, listed: pd.DataFrame, histories: Sequence[Sequence[str]] | None) -> pd.Series:
        """A sentence for each row of `listed`."""
        general = "popular in the shop" if isinstance(self.models[model], Popularity) else "answers what you wrote"
        found = pd.Series(general, listed.index, dtype=object).mask(listed["fallback"], UNKNOWN)
        if histories is None or isinstance(self.models[model], Popularity):
            return found
        neighbours = self.models.get(ItemKNN.name)
        for query, of_query in listed[~listed["fallback"]].groupby("query"):
            found[of_query.index] = reasons(
                histories[query], of_query["item_id"].tolist(), self.titles, neighbours=neighbours, tfidf=self.tfidf
            )
        return found

    @cached_property
    def titles(self) -> dict[str, str]:
        """As `titles_of`."""
        return titles_of(self.items)
