"""Sentences of chapter 01 about a data set, in Markdown; numbers are computed, the words are in `sentences.toml`."""

from collections.abc import Mapping

import pandas as pd

from recsys_kit.data.cleaning import FLAGS
from recsys_kit.data.describe import facts
from recsys_kit.data.rehearsal import AT_RANDOM
from recsys_kit.data.splitting import METHODS, Split
from recsys_kit.data.tables import Dataset
from recsys_kit.plots import shorten
from recsys_kit.workbook.report.wording import read_texts, say

KINDS = ("view", "cart", "purchase", "rating")  # kinds of events in their usual order
TEXTS = read_texts(__file__)
LINES = "  \n"  # sentences on lines of their own, in Markdown


def introduction(shop: Dataset) -> str:
    """Describe the data set in numbers, and whether it is simulated."""
    found = facts(shop)
    extra = int(found["n_items"]) - int(shop.row_counts()["kept"].get("items", found["n_items"]))
    known = {"simulated": shop.truth is not None, "has_events": shop.interactions is not None, "n_extra": extra}
    return say(TEXTS["introduction"], **found, **known).replace("\n", "\n\n")


def asked(shop: Dataset, answers: Mapping[str, str]) -> str:
    """List the answers that differ from the defaults, what was cautioned about, and what was noted but is no flag."""
    notes = shop.report[shop.report["action"].isin(["cautioned", "noted"])].sort_values("action", kind="stable")
    notes = notes[~notes["rule"].str.startswith(tuple(f"{kind}:" for kind in FLAGS))]
    given = {name: answer for name, answer in answers.items() if answer not in ("", METHODS[0])}
    return say(TEXTS["asked"], given=given, notes=notes.to_dict("records"))


def first_rows(frame: pd.DataFrame | None, n: int = 3, *, width: int = 50) -> pd.DataFrame:
    """Return the first n rows, or the best described items, without columns that are empty or raw; texts are shortened.

    >>> first_rows(pd.DataFrame({"item_id": ["x", "y"], "title": [None, "A pot"], "title_raw": [None, "A  pot"]}), 1)
      item_id  title
    1       y  A pot
    """
    if frame is None:
        return pd.DataFrame()
    shown = frame[[column for column in frame if not str(column).endswith("_raw")]].dropna(axis="columns", how="all")
    if not len(shown.columns.difference(["item_id"])):
        return pd.DataFrame()
    if "title" in shown and "user_id" not in shown:
        shown = shown.loc[shown.notna().sum(axis=1).nlargest(n).index].sort_index()
    return shown.head(n).map(lambda value: shorten(value, width) if isinstance(value, str) else value)


def funnel(interactions: pd.DataFrame) -> pd.DataFrame:
    """Count events, pairs of user and item, users and items of each kind of event.

    >>> events = pd.DataFrame({"user_id": ["a", "a"], "item_id": ["x", "x"], "event": ["purchase", "view"]})
    >>> funnel(events).index.tolist()
    ['view', 'purchase', 'all']
    """
    pairs = interactions.groupby(["user_id", "item_id"]).ngroup()
    events = interactions[["user_id", "item_id", "event"]].assign(pair=pairs)
    table = pd.concat([events, events.assign(event="all")]).groupby("event").agg(**{
        "events": ("pair", "size"),
        "pairs of shopper and product": ("pair", "nunique"),
        "shoppers": ("user_id", "nunique"),
        "products": ("item_id", "nunique"),
    })  # fmt: skip
    order = [*KINDS, *table.index.difference([*KINDS, "all"]), "all"]
    return table.loc[[kind for kind in order if kind in table.index]].rename_axis("kind of event")


def purchases_without_view(interactions: pd.DataFrame) -> str:
    """Describe how many pairs with a purchase have no view; "" if views or purchases are not recorded.

    >>> events = pd.DataFrame({"user_id": ["a", "a"], "item_id": ["x", "y"], "event": ["purchase", "view"]})
    >>> purchases_without_view(events)
    '1 of 1 pairs with a purchase have no recorded view: these kinds are no strict funnel.'
    """
    viewed, bought = (
        interactions.loc[interactions["event"] == kind, ["user_id", "item_id"]].drop_duplicates()
        for kind in ("view", "purchase")
    )
    if viewed.empty or bought.empty:
        return ""
    n_unseen = len(bought) - len(bought.merge(viewed))
    return say(TEXTS["purchases_without_view"], n_unseen=n_unseen, n_bought=len(bought))


def how_uneven(shop: Dataset) -> str:
    """Describe the figure of `plot_uneven` in numbers: items, users, ratings, time, labels."""
    found, events, reviews = {}, shop.interactions, shop.reviews
    if events is not None:
        of_items, of_users = (events[column].value_counts() for column in ("item_id", "user_id"))
        tenth = of_items.iloc[: max(1, len(of_items) // 10)].sum() / of_items.sum()
        found |= {"tenth": tenth, "median": of_users.median(), "busiest": of_users.max()}
        if "event" in events and (viewed := events["event"] == "view").any():
            found["only_viewed"] = viewed.groupby([events["user_id"], events["item_id"]]).all().mean()
        if "rating" in events and events["rating"].notna().any():
            found["high"] = (events["rating"].dropna() >= 4).mean()
        if "timestamp" in events:
            months = events["timestamp"].dt.strftime("%Y-%m").value_counts()
            found |= {"month": months.index[0], "most": months.iloc[0], "first": months.sort_index().iloc[0]}
    if reviews is not None and "label" in reviews:
        found["labels"] = reviews["label"].value_counts(normalize=True).tolist()
    return say(TEXTS["how_uneven"], **found).replace("\n", LINES)


def cold_start(split: Split) -> str:
    """Describe the cold users of the test set, their histories, and how much there is to predict."""
    test, histories, truth = split.test, split.histories("test").index, split.ground_truth("test")
    shoppers = test["user_id"].drop_duplicates()
    new = shoppers[~shoppers.isin(split.train["user_id"].drop_duplicates())]
    n_late = int(new.isin(split.valid["user_id"].drop_duplicates()).sum())
    n_of_core = int(new.isin(histories).sum()) - n_late
    return say(
        TEXTS["cold_start"],
        n_shoppers=len(shoppers),
        n_new=len(new),
        n_late=n_late,
        n_of_core=n_of_core,
        n_without=len(new) - n_late - n_of_core,
        n_new_items=int((~test["item_id"].drop_duplicates().isin(split.train["item_id"].drop_duplicates())).sum()),
        n_pairs=len(truth),
        n_asked=truth["user_id"].nunique(),
    ).replace("\n", " ")


def kinder_cut(measured: pd.DataFrame) -> str:
    """Compare the metric of each model under a random split and another one, and whether the gap is significant.

    Args:
        measured: columns model, group, value, low, high; the groups are "at random" and one other.
    """
    wide = measured.pivot(index="model", columns="group", values=["value", "low", "high"])
    table, half_widths = wide["value"], (wide["high"] - wide["low"]) / 2
    (ours,) = table.columns.drop(AT_RANDOM)
    margins = half_widths.pow(2).sum(axis=1, skipna=False).pow(0.5)  # of two groups: half widths add as squares
    rows = zip(table.index, table[AT_RANDOM], table[ours], margins, strict=True)
    return say(TEXTS["kinder_cut"], rows=rows, random_name=AT_RANDOM, our_name=ours).replace("\n", LINES)
