"""Kinds of event, and the verb for each."""

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

_ROWS = list(csv.DictReader(Path(__file__).with_suffix(".csv").read_text("utf-8").splitlines()))
VERBS = {row["kind"]: row["verb"] for row in _ROWS}
"""Kind of event, the weakest first -> its verb after "because you" and after a number of products."""
SAME = {name: row["kind"] for row in _ROWS for name in row["other names"].split()}
"""Other names of these kinds."""
STRENGTH = {kind: place for place, kind in enumerate(VERBS)}


def kind_of(event: object) -> str:
    """Return the kind of an event among those that have a verb; "" for any other, and for a missing one.

    >>> kind_of("Purchase"), kind_of("addtocart"), kind_of("teleport"), kind_of(None)
    ('purchase', 'cart', '', '')
    """
    name = event.strip().lower() if isinstance(event, str) else ""
    name = SAME.get(name, name)
    return name if name in VERBS else ""


def kinds_of(events: pd.DataFrame) -> pd.Series:
    """Return the kind of each event, from its `event`; "rating" for an event with a rating and no known kind.

    >>> kinds_of(pd.DataFrame({"event": ["view", None, None], "rating": [None, 4.0, None]})).tolist()
    ['view', 'rating', '']
    """
    kinds = pd.Series("", index=events.index, dtype=object)
    if "event" in events:
        kinds = events["event"].map({event: kind_of(event) for event in events["event"].unique()}).fillna("")
    if "rating" in events:
        kinds = kinds.mask(events["rating"].notna() & (kinds == ""), "rating")
    return kinds.astype(object)


def strongest_kinds(events: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return user_id -> item_id -> the strongest kind of event between them: a purchase is stronger than a view.

    >>> events = pd.DataFrame({"user_id": ["a", "a"], "item_id": ["x", "x"], "event": ["purchase", "view"]})
    >>> strongest_kinds(events)
    {'a': {'x': 'purchase'}}
    """
    kinds = kinds_of(events)
    pairs = events[["user_id", "item_id"]].assign(kind=kinds, strength=kinds.map(STRENGTH))
    pairs = pairs.sort_values("strength", kind="stable").drop_duplicates(["user_id", "item_id"], keep="last")
    return {
        user: dict(zip(of_user["item_id"], of_user["kind"], strict=True)) for user, of_user in pairs.groupby("user_id")
    }


def counted_kinds(kinds: Iterable[str]) -> str:
    """Return how many products have each kind of event, in words, the strongest kind first.

    >>> counted_kinds(["view", "purchase", "view", ""])
    '1 bought, 2 looked at, 1 with another event'
    """
    counts, words = Counter(kinds), {**VERBS, "": "with another event"}
    return ", ".join(f"{counts[kind]} {words[kind]}" for kind in reversed([*VERBS]) if counts[kind])
