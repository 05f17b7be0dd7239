"""Sentences of chapter 01 about a data set, in Markdown; every number is computed."""

import pandas as pd

from recsys_kit.data.describe import facts
from recsys_kit.data.rehearsal import AT_RANDOM
from recsys_kit.data.splitting import Split
from recsys_kit.data.tables import Dataset

KINDS = ("view", "cart", "purchase", "rating")  # kinds of events in their usual order
SIMULATED = (
    "**This shop is simulated.** A program made its shoppers, products and events. Each shopper has planted tastes in "
    "categories, styles and prices; titles, descriptions and reviews are put together from templates. So the truth is "
    "known and answers can be checked. It also flatters models that count words, because the same sentences come again "
    "and again: what holds for a real shop, only data of a real shop can tell."
)


def introduction(shop: Dataset) -> str:
    """Describe the data set in numbers, and whether it is simulated."""
    found = facts(shop)
    extra = found["n_items"] - int(shop.row_counts()["kept"].get("items", found["n_items"]))
    period = f", from {found['first_day']} to {found['last_day']}" if "first_day" in found else ""
    of_shoppers = [
        f"**{found['n_users']:,}** shoppers",
        f"**{found['n_items']:,}** products, {found['n_items_met']:,} of them with at least one interaction"
        + (f" ({extra:,} not in the catalogue)" if extra else ""),
        f"**{found['n_events']:,}** interactions{period}",
        f"**{found['density']:.2%}** of the pairs of a shopper and one of these {found['n_items_met']:,} products "
        "have one",
    ]
    numbers = " · ".join([
        *(of_shoppers if shop.interactions is not None else []),
        f"**{found['n_reviews']:,}** reviews",
    ])  # fmt: skip
    return "\n\n".join([SIMULATED, numbers] if shop.truth is not None else [numbers])


def funnel(interactions: pd.DataFrame) -> pd.DataFrame:
    """Count events, pairs of user and item, users and items of each kind of event.

    >>> events = pd.DataFrame({"user_id": ["a", "a"], "item_id": ["x", "x"], "event": ["purchase", "view"]})
    >>> funnel(events).index.tolist()
    ['view', 'purchase', 'all']
    """
    kinds = interactions["event"].value_counts().index
    rows = {kind: interactions[interactions["event"] == kind] for kind in [*KINDS, *kinds.difference(KINDS)]}
    rows = {kind: events for kind, events in rows.items() if len(events)} | {"all": interactions}
    return pd.DataFrame({
        "events": {kind: len(events) for kind, events in rows.items()},
        "pairs of shopper and product": {
            kind: len(events.drop_duplicates(["user_id", "item_id"])) for kind, events in rows.items()
        },
        "shoppers": {kind: events["user_id"].nunique() for kind, events in rows.items()},
        "products": {kind: events["item_id"].nunique() for kind, events in rows.items()},
    }).rename_axis("kind of event")  # fmt: skip


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
    if not n_unseen:
        return "Every pair with a purchase has a recorded view."
    counted = f"{n_unseen:,} of {len(bought):,} pairs with a purchase"
    return f"{counted} have no recorded view: these kinds are no strict funnel."


def how_uneven(shop: Dataset) -> str:
    """Describe the figure of `plot_uneven` in numbers: items, users, ratings, time, labels."""
    found, events, reviews = [], shop.interactions, shop.reviews
    if events is not None:
        of_items, of_users = (events[column].value_counts() for column in ("item_id", "user_id"))
        tenth = of_items.iloc[: max(1, len(of_items) // 10)].sum() / of_items.sum()
        found += [
            f"**Products:** the most popular tenth has {tenth:.0%} of the events.",
            f"**Shoppers:** half of them have {of_users.median():.0f} events or fewer, the busiest {of_users.max():,}.",
        ]
        if "event" in events and (events["event"] == "view").any():
            kinds = events["event"].groupby([events["user_id"], events["item_id"]]).agg(set)
            only = (kinds == {"view"}).mean()
            found.append(
                f"**Kinds:** {only:.0%} of the pairs of a shopper and a product were only viewed, never bought."
            )
        if "rating" in events and events["rating"].notna().any():
            found.append(f"**Ratings:** {(events['rating'].dropna() >= 4).mean():.0%} are four or five stars.")
        if "timestamp" in events:
            months = events["timestamp"].dt.strftime("%Y-%m").value_counts()
            first, busiest = months.sort_index().iloc[0], f"{months.index[0]} with {months.iloc[0]:,} events"
            found.append(f"**Time:** the busiest month is {busiest}; the first has {first:,}.")
    if reviews is not None and "label" in reviews:
        shares = reviews["label"].value_counts(normalize=True)
        most = f"; the most frequent has {shares.max():.0%} of the texts" if len(shares) else ""
        found.append(f"**Labels:** {len(shares)} different ones{most}.")
    return "  \n".join(found)


def left_to_learn_from(split: Split, n_read: int) -> str:
    """Describe how many rows are in the training set, and which were set aside."""
    again = int(split.how.get("rated_again", 0))
    of_core = len(split.set_aside) - again
    found = [f"{len(split.train):,} of {n_read:,} rows are left to learn from."]
    if again:
        found.append(f"{again:,} older ratings were replaced by newer ones of the same shopper and product.")
    if of_core:
        found.append(f"{of_core:,} events were set aside by the k-core; they stay in their shoppers' histories.")
    return " ".join(found)


def cold_start(split: Split) -> str:
    """Describe the cold users of the test set, their histories, and how much there is to predict."""
    test, histories, truth = split.test, split.histories("test").index, split.ground_truth("test")
    shoppers = pd.Series(test["user_id"].unique(), dtype=object)
    new = shoppers[~shoppers.isin(split.train["user_id"])]
    n_late = int(new.isin(split.valid["user_id"]).sum())
    n_of_core = int(new.isin(histories).sum()) - n_late
    n_without = len(new) - n_late - n_of_core
    n_new_items = test.loc[~test["item_id"].isin(split.train["item_id"]), "item_id"].nunique()
    found = [
        f"Of the **{len(shoppers):,}** shoppers in the test set **{len(new):,}** are *cold*: they have no interaction "
        "in the training set."
    ]
    if n_late:
        found.append(
            f"**{n_late:,}** of them are new to the model, but not to the shop: they have a history from the time "
            "between training and test, and a list can start from it."
        )
    if n_of_core:
        verb = "has" if n_of_core == 1 else "have"
        found.append(
            f"**{n_of_core:,}** of them {verb} a history of events that the k-core set aside, and a list can start "
            "from it too."
        )
    if n_without:
        verb = "has" if n_without == 1 else "have"
        found.append(f"**{n_without:,}** of them {verb} no history: they get bestsellers.")
    found.append(
        f"**{n_new_items:,}** products of the test set have no interaction in the training set either. To predict: "
        f"{len(truth):,} pairs of a shopper and a product that is not in their history, for "
        f"{truth['user_id'].nunique():,} shoppers."
    )
    return " ".join(found)


def kinder_cut(measured: pd.DataFrame) -> str:
    """Compare the metric of each model under a random split and another one, and whether the gap is significant.

    Args:
        measured: columns model, group, value, low, high; the groups are "at random" and one other.
    """
    table, low, high = (
        measured.pivot(index="model", columns="group", values=name) for name in ("value", "low", "high")
    )
    (ours,) = table.columns.drop(AT_RANDOM)
    margins = ((high - low) / 2).pow(2).sum(axis=1, skipna=False).pow(0.5)  # two groups: half widths add as squares
    found = []
    for model, row in table.iterrows():
        gap, margin = row[AT_RANDOM] - row[ours], margins[model]
        reading = "too few shoppers to tell" if pd.isna(margin) else "no significant difference"
        if gap > margin:
            reading = "the random split flatters" + (
                f", by a factor of {row[AT_RANDOM] / row[ours]:.1f}" if row[ours] else ""
            )
        spread = "" if pd.isna(margin) else f" ± {margin:.3f}"
        values = f"{row[AT_RANDOM]:.3f} {AT_RANDOM}, {row[ours]:.3f} {ours}"
        found.append(f"**{model}**: {values}. The gap is {gap:.3f}{spread}: {reading}.")
    return "  \n".join(found)
