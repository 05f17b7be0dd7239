"""Lists that are not personal: related items, items bought together, popular items.

They come from the item statistics, which use the training set only; `related` asks a content model as well.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.core.histories import Histories
from recsys_kit.core.ids import as_ids
from recsys_kit.core.ranking import check_k
from recsys_kit.core.vectors import Vectors
from recsys_kit.core.vocabulary import Vocabulary
from recsys_kit.errors import ParameterError
from recsys_kit.shop.answers import Answer, find_unknown, name_ids
from recsys_kit.shop.explanations import reasons
from recsys_kit.shop.models import ShopModels
from recsys_kit.shop.showcase import shelf, titles_of
from recsys_kit.shop.statistics import MEASURES, MIN_BASKETS, ItemStatistics

SHOWN_CATEGORIES = 10  # categories that an error lists


@dataclass(frozen=True, eq=False)
class Shelves:
    """What the lists of a shop are made of, and those lists that are not personal."""

    models: ShopModels
    items: pd.DataFrame
    """The item cards: item_id, and title, category, brand, price and image as far as known."""
    statistics: ItemStatistics
    tfidf: Vectors | None = None
    """TF-IDF vectors of the items, for reasons made of shared words."""

    @property
    def catalogue(self) -> Vocabulary:
        """The items that are ranked."""
        return self.statistics.items

    @cached_property
    def words(self) -> Vectors | None:
        """TF-IDF vectors, one row per item: those of the first model that has some, otherwise `tfidf`."""
        if name := next((name for name, card in self.models.cards.items() if card.reads == "words"), ""):
            return self.models[name].vectors
        return None if self.tfidf is None else self.tfidf.align(self.catalogue.ids.tolist())

    def related(self, item: str, *, k: int = 10) -> Answer:
        """Return items like one item: of the same users first, then with similar content.

        Args:
            item: id of an item.
            k: length of the list; shorter if nothing more resembles the item.

        Returns:
            An answer with rank, item_id, title (and category, brand, price as far as known), score (a cosine, to be
            compared among rows with the same kind of reason), reason (the number of common users, or common words).

        Raises:
            ParameterError: RK-335 unknown item, RK-312 a wrong k.
        """
        check_k(k)
        (item,), notes = find_known(self.catalogue, item)
        by_users, verb = self.statistics.find_related(item).head(k), self.statistics.verb()
        by_users["reason"] = [f"{count} shoppers {verb} both" for count in by_users["common_users"]]
        lists, content = [by_users], self.models.find_content()
        if content and len(by_users) < k:
            similar = self.models[content].recommend(histories=[[item]], k=k + len(by_users))
            similar = similar[~similar["fallback"] & (similar["score"] > 0)]
            own, *others = self.catalogue.encode([item, *similar["item_id"]])
            asked = Histories(np.array([own]), np.array([0, 1])), np.array(others, int), self.catalogue, {}
            why = reasons(*asked, tfidf=self.words, otherwise="of similar content")
            lists.append(similar.assign(reason=why))
        listed = pd.concat(lists).drop_duplicates("item_id").head(k)
        if listed.empty:
            problem = "it has too few shoppers, and no model knows its content"
            notes.append(f"nothing is known that resembles {item!r}: {problem}.")
        return Answer(self._show(listed), notes, content)

    def together(self, items: Any, *, k: int = 10, by: str = "confidence") -> Answer:
        """Return what goes with an item, or with any item of a basket, by the association rules of the training set.

        A basket of the rules is a session if the events have a `session_id`, otherwise all items of a user. An item to
        which several items of the basket lead is listed once, by its best rule.

        Args:
            items: one item id or several.
            k: length of the list; shorter if nothing more goes with them.
            by: "confidence", "lift" (rare items first) or "support".

        Returns:
            An answer with rank, item_id, title ..., count (of baskets with both), support, confidence, lift, reason.

        Raises:
            ParameterError: RK-335 no item is known, RK-341 unknown `by`, RK-312 a wrong k.
        """
        check_k(k)
        if by not in MEASURES:
            raise ParameterError("RK-341", f"by is {by!r}; expected one of {MEASURES}.", "Pass by='confidence'.")
        known, notes = find_known(self.catalogue, items)
        rules = pd.concat([self.statistics.find_together(item).assign(of=item) for item in known])
        listed = rules.sort_values([by, "count"], ascending=False, kind="stable")
        listed = listed[~listed["item_id"].isin(known)].drop_duplicates("item_id").head(k)
        titles, verb, by_session = titles_of(self.items), self.statistics.verb(), self.statistics.by_session
        baskets, with_it, too = ("sessions", "with", "have this too")
        if not by_session:
            baskets, with_it, too = ("shoppers", f"who {verb}", f"also {verb} this")
        listed["reason"] = [
            f"{share:.0%} of the {baskets} {with_it} “{titles.get(one, one)}” {too}"
            for share, one in zip(listed["confidence"], listed["of"], strict=True)
        ]
        if listed.empty:
            often = f"in at least {MIN_BASKETS} {baskets} and more than by chance"
            notes.append(f"no product goes with {', '.join(known)} {often}.")
        return Answer(self._show(listed, "count", *MEASURES), notes)

    def popular(self, *, days: float = 0, category: str = "", k: int = 10) -> Answer:
        """Return the items with the most users.

        Args:
            days: count the last whole days of the training set alone; 0 counts all of it.
            category: list the items of this category alone.
            k: length of the list; shorter if fewer items have users.

        Returns:
            An answer with rank, item_id, title ..., score (the number of users), reason.

        Raises:
            ParameterError: RK-336 unknown category, RK-337 no such days, RK-312 a wrong k.
        """
        check_k(k)
        counts = pd.Series(self.statistics.count_users(days), self.catalogue.ids)
        if category:
            counts = counts[counts.index.isin(_items_of_category(self.items, category))]
        listed = counts[counts > 0].sort_values(ascending=False, kind="stable").head(k)  # ties: as in the catalogue
        listed = listed.rename_axis("item_id").reset_index(name="score")
        when, verb = f" in the last {days:g} days" if days else "", self.statistics.verb(days)
        listed["reason"] = [f"{count} shopper{'s' * (count > 1)} {verb} it{when}" for count in listed["score"]]
        return Answer(self._show(listed))

    def promoted(self) -> list[str]:
        """Return the ids of the items on promotion: by their latest event in the last days of the training set.

        Raises:
            ParameterError: RK-338 the events do not tell.
        """
        if self.statistics.promoted is None:
            problem = "the events do not say what is on promotion; expected columns ctx_promotion and timestamp."
            raise ParameterError("RK-338", problem, "Name the products: candidates=['0001'], or --candidates 0001.")
        return self.statistics.promoted

    def _show(self, listed: pd.DataFrame, *measures: str) -> pd.DataFrame:
        """Return a list as a shopper sees it, ranked from 1, with its score or measures and the reason."""
        shown = shelf(listed[["item_id"]].reset_index(drop=True), self.items)
        shown.insert(0, "rank", range(1, len(shown) + 1))
        return shown.join(listed[[*(measures or ["score"]), "reason"]].reset_index(drop=True))


def _items_of_category(items: pd.DataFrame, category: str) -> list[str]:
    known = items["category"].value_counts().index.tolist() if "category" in items else []
    if category not in known:
        shown = get_close_matches(category, known, n=3) or known[:SHOWN_CATEGORIES]
        expected = f"expected one of {len(known):,}, such as {shown}" if known else "these products have none"
        problem = f"category is {category!r}, which no product has; {expected}."
        raise ParameterError("RK-336", problem, "Write it as the data does, or leave it out.")
    return items.loc[items["category"] == category, "item_id"].tolist()


def find_known(items: Vocabulary, ids: Any) -> tuple[list[str], list[str]]:
    """Return the known ids, each once, and a note that names the others.

    Raises:
        ParameterError: RK-335 no id is known.
    """
    asked = as_ids(ids, "item ids").unique().tolist()
    unknown = find_unknown(items, asked)
    known = [one for one in asked if one not in unknown]
    if not known:
        names, example = ", ".join(map(repr, asked)) or "nothing", str(items.ids[0])
        problem = f"no product of this shop is called {names}; expected an id such as {example!r}."
        raise ParameterError("RK-335", problem, "Take an id of the items table, as it is written there.")
    return known, [f"{name_ids('product', unknown)} unknown to this shop and left out."] if unknown else []
