"""The other shelves of a shop, one call each: more like this, bought together, popular, on promotion, and for whom.

What the shop knows ends where the training set ends, at the cut, as it does for every model of the run; the history of
a shopper does not.
"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from warnings import warn

import numpy as np
import pandas as pd

from recsys_kit.core.ids import item_hash
from recsys_kit.core.ranking import check_k
from recsys_kit.core.vectors import Vectors
from recsys_kit.errors import ParameterError
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.content import Content
from recsys_kit.recommenders.neighbours import ItemKNN
from recsys_kit.recommenders.popularity import Popularity
from recsys_kit.recommenders.rules import MEASURES, AssociationRules
from recsys_kit.shop.circumstances import NOW
from recsys_kit.shop.events import VERBS, common_verb, strongest_kinds
from recsys_kit.shop.explanations import shared_words
from recsys_kit.shop.serving import Note, RunModels, as_list, named, read_columns, recommend, unread, visit
from recsys_kit.shop.showcase import shelf, titles_of
from recsys_kit.workbook.runner.runs import Run

BOTH = 2  # one shopper of both products may be chance
ALIKE = 3  # so many products of a shopper speak for a new one: found more of its buyers than the mean of a history
PROMOTION_DAYS = 7
NOT_PROMOTED = ("", "0", "0.0", "false", "no", "none")
SHOWN_CATEGORIES = 10


def related(run: Run | str | Path, item: str, *, k: int = 10) -> pd.DataFrame:
    """More like this: products of the same shoppers, and where these end, those with similar content.

    Neighbours are those of the run's item-kNN, fitted here where it has none; content is the run's best model of it.

    Args:
        run: the run, or its folder (a relative one counts from the project).
        item: the id of a product of the run.
        k: length of the list; shorter where nothing more resembles the product.

    Returns:
        Columns rank, item_id, title (and category, brand, price, as far as known), score (a cosine: to be compared
        among products with the same kind of reason), reason (the number of common shoppers, or the common words).

    Raises `ParameterError` (RK-335) for a product that the run does not know, (RK-312) for a wrong k.
    """
    run = visit(run)
    items, models = run.read("data/items.parquet"), RunModels(run)
    _known(items, [item])
    train = run.read("data/train.parquet")
    common, verb = _shoppers_of_both(train, item), common_verb(train)
    found = models.find(ItemKNN)
    neighbours = models[found] if found else ItemKNN().fit(train, items=items)
    by_shoppers = _alike(neighbours, item, k, common[common >= BOTH].index)
    by_shoppers["reason"] = [f"{common[other]} shoppers {verb} both" for other in by_shoppers["item_id"]]
    lists, content = [by_shoppers], models.find(Content)
    if content and len(by_shoppers) < k:
        tfidf = run.read("features/items_tfidf", Vectors.load, required=False)
        lists.append(_described(_alike(models[content], item, k + len(by_shoppers)), item, tfidf))
    listed = pd.concat(lists).drop_duplicates("item_id").head(k)
    if listed.empty:
        _note(f"nothing is known that resembles {item!r}: it has too few shoppers, and no model knows its content.")
    return _shown(listed, items)


def _shoppers_of_both(train: pd.DataFrame, item: str) -> pd.Series:
    """item_id -> how many of the shoppers of `item` interacted with this one too."""
    owners = train.loc[train["item_id"] == item, "user_id"]
    theirs = train.loc[train["user_id"].isin(owners), ["user_id", "item_id"]]
    return theirs.drop_duplicates()["item_id"].value_counts()


def _alike(model: Recommender, item: str, k: int, candidates: Sequence[str] | None = None) -> pd.DataFrame:
    """item_id, score of what the model finds like this one product."""
    listed = model.recommend(histories=[[item]], candidates=candidates, k=k)
    return listed.loc[~listed["fallback"] & (listed["score"] > 0), ["item_id", "score"]].copy()


def _described(listed: pd.DataFrame, item: str, tfidf: Vectors | None) -> pd.DataFrame:
    """With a reason for each row: the words that it shares with `item`."""
    ids = listed["item_id"].tolist()
    words = shared_words(tfidf, [item], ids) if tfidf is not None else [[]] * len(ids)
    reasons = ["shares the words " + ", ".join(shared) if shared else "of similar content" for shared in words]
    return listed.assign(reason=reasons)


def bought_together(
    run: Run | str | Path, basket: str | Iterable[str], *, k: int = 10, by: str = "confidence"
) -> pd.DataFrame:
    """What goes with a product, or with any product of a basket: the rules of `AssociationRules` over train.

    A basket of the rules is a session where the events have a `session_id`, otherwise all products of a shopper. A
    product to which several of the given basket lead is listed once, by its best rule. By lift, rare products come
    first; by confidence, those that go with the basket most often.

    Args:
        run: the run, or its folder.
        basket: a product id, or several.
        k: length of the list; shorter where no more goes with it.
        by: confidence, lift or support.

    Returns:
        Columns rank, item_id, title ..., count (of baskets with both), support, confidence, lift, reason.

    Raises `ParameterError` (RK-335) where no product is known, (RK-341) for another measure, (RK-312) for a wrong k.
    """
    check_k(k)
    if by not in MEASURES:
        raise ParameterError("RK-341", f"by is {by!r}; expected one of {MEASURES}.", "Pass by='confidence'.")
    run = visit(run)
    items, train = run.read("data/items.parquet"), run.read("data/train.parquet")
    known = _known(items, [basket] if isinstance(basket, str) else basket)
    has_sessions = "session_id" in train
    sessions = train["user_id"]
    if has_sessions:
        sessions = sessions + "\n" + train["session_id"].fillna("")  # ids have no line ends
    rules = AssociationRules().fit(_bare(train).assign(user_id=sessions), items=items)
    found = [rules.bought_together(item, k=len(items), by=by).assign(of=item) for item in known]
    listed = pd.concat(found).sort_values([by, "count"], ascending=False, kind="stable")
    listed = listed[~listed["item_id"].isin(known)].drop_duplicates("item_id").head(k)
    titles, verb = titles_of(items), common_verb(train)
    who = "sessions" if has_sessions else "shoppers"
    with_it, too = ("with", "have this too") if has_sessions else (f"who {verb}", f"also {verb} this")
    listed["reason"] = [
        f"{share:.0%} of the {who} {with_it} “{titles.get(one, one)}” {too}"
        for share, one in zip(listed["confidence"], listed["of"], strict=True)
    ]
    if listed.empty:
        _note(f"no product goes with {', '.join(known)} in at least {rules.min_count} {who} and more than by chance.")
    return _shown(listed, items, ["count", *MEASURES])


def popular(run: Run | str | Path, *, category: str = "", days: float = 0, k: int = 10) -> pd.DataFrame:
    """The ranking list: the products with the most shoppers, of all time or now, in the shop or in one category.

    Args:
        run: the run, or its folder.
        category: of the products, as the data writes it; "" for all.
        days: now, the last days before the cut; 0 for all of train.
        k: length of the list; shorter where fewer products have shoppers.

    Returns:
        Columns rank, item_id, title ..., score (shoppers who interacted with it), reason.

    Raises `ParameterError`: RK-336 no product of that category, RK-337 no such days, RK-312 a wrong k.
    """
    check_k(k)
    run = visit(run)
    items, train = run.read("data/items.parquet"), run.read("data/train.parquet")
    events = _last(train, days) if days else train
    model = Popularity().fit(_bare(events), items=items)
    listed = model.recommend(histories=[[]], candidates=_of_category(items, category) if category else None, k=k)
    counts = listed["score"].astype(int)
    when, verb = f" in the last {days:g} days" if days else "", common_verb(events)
    reasons = [f"{n} shopper{'s' * (n > 1)} {verb} it{when}" for n in counts]
    return _shown(listed.assign(score=counts, reason=reasons), items)


def _last(train: pd.DataFrame, days: float) -> pd.DataFrame:
    """The events of the last days of train."""
    if not (isinstance(days, int | float | np.number) and 0 < days < np.inf) or "timestamp" not in train:
        untimed = "" if "timestamp" in train else ", and these events have no time"
        raise ParameterError(
            "RK-337",
            f"days is {days!r}{untimed}; expected a number above 0, of events with a timestamp.",
            "Leave it out: all of train counts.",
        )
    age = train["timestamp"].max() - train["timestamp"]
    return train[age / pd.Timedelta(days=1) < days]


def _of_category(items: pd.DataFrame, category: str) -> list[str]:
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


def promotions(
    run: Run | str | Path,
    *,
    user: str | None = None,
    history: Iterable[str] | None = None,
    seen: Iterable[str] | None = None,
    items: Iterable[str] | None = None,
    context: Mapping[str, Any] | pd.DataFrame | str | None = NOW,
    model: str = "",
    k: int = 10,
) -> pd.DataFrame:
    """What is on promotion, in the order that fits the shopper: `recommend` among these products alone.

    Args:
        run: the run, or its folder.
        user: a shopper of the run, or
        history: the item ids of a new one, oldest first.
        seen: as for `recommend`.
        items: ids of the products on promotion; without them those that `on_promotion` finds in the events.
        context: as for `recommend`.
        model: a name of the leaderboard; "" takes the best.
        k: length of the list.

    Returns:
        As `recommend`; errors are its own and those of `on_promotion`.
    """
    candidates = on_promotion(run) if items is None else items
    asked = {"user": user, "history": history, "seen": seen, "candidates": candidates}
    return recommend(run, **asked, context=context, model=model, k=k)


def on_promotion(run: Run | str | Path) -> list[str]:
    """The products whose latest event, in the last days before the cut, was under a promotion (`ctx_promotion`).

    Raises `ParameterError` (RK-338) where the events do not tell.
    """
    train = visit(run).read("data/train.parquet")
    if not {"ctx_promotion", "timestamp"} <= set(train):
        raise ParameterError(
            "RK-338",
            "the events of this run do not tell what is on promotion; expected columns ctx_promotion and timestamp.",
            "Name the products: items=['0001', '0002'], on the command line --candidates 0001,0002.",
        )
    latest = (
        _last(train, PROMOTION_DAYS).sort_values(["timestamp", "ctx_promotion"]).drop_duplicates("item_id", keep="last")
    )
    said = latest["ctx_promotion"].astype("str").fillna("").str.strip().str.lower()
    return sorted(latest.loc[~said.isin(NOT_PROMOTED), "item_id"])


def shoppers_for(run: Run | str | Path, *, text: str = "", item: str = "", k: int = 10) -> pd.DataFrame:
    """For whom is a new product? The shoppers of the run whose products resemble it most.

    A shopper's score is the mean cosine between the product and the `ALIKE` most similar ones of their history. Where
    the product has an id, shoppers who know it already are left out.

    Args:
        run: the run, or its folder.
        text: what is written about the product, or
        item: its id, where the catalogue has it.
        k: how many shoppers.

    Returns:
        Columns rank, user_id, score, reason (these products, and what the shopper did with each).

    Raises `ParameterError`: RK-330 neither or both given, RK-332 no model reads, RK-335 unknown id, RK-312 a wrong k.
    """
    check_k(k)
    text = text.strip()
    if bool(text) == bool(item):
        raise ParameterError("RK-330", f"text is {text!r} and item {item!r}; expected one of them.", "Pass a text.")
    run = visit(run)
    items, models = run.read("data/items.parquet"), RunModels(run)
    name = models.find(Content, text=text)
    if not name:
        raise models.no_text()
    if item:
        _known(items, [item])
    for note in unread(models, name, [text], chosen=True) if text else ():
        _note(note)
    asked = {"texts": [text]} if text else {"histories": [[item]]}
    listed = models[name].recommend(**asked, seen=[[]], k=len(items))
    listed = listed[~listed["fallback"] & (listed["score"] > 0)]
    wanted = ("user_id", "item_id", "event", "rating")
    events = run.read("data/interactions.parquet", lambda path: read_columns(path, wanted))
    events = events[~events["user_id"].isin(events.loc[events["item_id"] == item, "user_id"])]
    shown = _closest_shoppers(events, listed.set_index("item_id")["score"], titles_of(items), k).reset_index()
    if shown.empty:
        _note("no shopper of this run has anything in their history that resembles it.")
    shown.insert(0, "rank", range(1, len(shown) + 1))
    return shown


def _closest_shoppers(events: pd.DataFrame, cosines: pd.Series, titles: dict[str, str], k: int) -> pd.DataFrame:
    """The k shoppers with the highest mean of their best cosines, best first: index user_id, columns score, reason."""
    pairs = events[["user_id", "item_id"]].drop_duplicates()
    pairs = pairs.assign(cosine=pairs["item_id"].map(cosines).astype(float)).dropna(subset="cosine")
    order = np.lexsort((item_hash(pairs["item_id"]), -pairs["cosine"]))
    best = pairs.iloc[order].groupby("user_id", sort=False).head(ALIKE)
    score = best.groupby("user_id")["cosine"].sum() / ALIKE
    score = score.iloc[np.lexsort((item_hash(score.index), -score))].head(k)
    kinds = strongest_kinds(events[events["user_id"].isin(score.index)])
    reasons = {
        user: ", ".join(f"{VERBS[kinds[user][item]]} “{titles.get(item, item)}”" for item in items)
        for user, items in best[best["user_id"].isin(score.index)].groupby("user_id")["item_id"]
    }
    return pd.DataFrame({"score": score, "reason": score.index.map(reasons)})


# -- what they share ---------------------------------------------------------------------------------------------------


def _known(items: pd.DataFrame, ids: Iterable[str]) -> list[str]:
    """Those of the ids that are products of the run, each once; the others are noted. RK-335 where none is."""
    catalogue = set(items["item_id"])
    asked = list(dict.fromkeys(as_list(ids) or []))
    known, unknown = [one for one in asked if one in catalogue], [one for one in asked if one not in catalogue]
    if not known:
        raise ParameterError(
            "RK-335",
            f"no product of this run is called {', '.join(map(repr, asked)) or 'nothing'}; expected an id such as "
            f"{items['item_id'].iloc[0]!r}.",
            "Take an id of data/items.parquet, as it is written there.",
        )
    if unknown:
        _note(f"{named('product', unknown)} unknown to this run and left out.")
    return known


def _bare(events: pd.DataFrame) -> pd.DataFrame:
    """Who, what and when: all that is counted."""
    return events[["user_id", "item_id", "timestamp" if "timestamp" in events else "position"]]


def _shown(listed: pd.DataFrame, items: pd.DataFrame, columns: Sequence[str] = ("score",)) -> pd.DataFrame:
    """As a shopper sees it, ranked from 1, with `columns` and the reason."""
    listed = listed.reset_index(drop=True)
    shown = shelf(listed[["item_id"]], items)
    shown.insert(0, "rank", range(1, len(shown) + 1))
    return shown.join(listed[[*columns, "reason"]])


def _note(text: str) -> None:
    warn(text, Note, stacklevel=3)
