"""Faults for the built-in shop, of the kinds that real exports have, in known numbers.

A faulty row is a copy of a good row with one fault, or a good row with markup, so the number of each fault is known.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

N_REPEATED = 60
EVENT_FAULTS: tuple[tuple[str, int, str, tuple[str, ...]], ...] = (  # rule, rows, column, values
    ("missing user_id", 25, "user_id", ("", " ")),
    ("missing item_id", 20, "item_id", ("",)),
    ("rating out of range", 24, "rating", ("9", "-1")),
    ("rating is not a number", 12, "rating", ("five",)),
    ("missing timestamp", 8, "timestamp", ("",)),
    ("time cannot be read", 10, "timestamp", ("last Tuesday", "2025-02-31T10:00:00")),
    ("time out of range", 16, "timestamp", ("1970-01-01T00:00:00", "2099-12-31T23:59:59")),
    ("item not in the catalogue", 6, "item_id", ("9001", "9002")),
)
MARKUP: tuple[Callable[[str], str], ...] = (
    lambda text: text + "<br />",
    lambda text: f"<b>{text}</b>",
    lambda text: text.replace(" ", "&nbsp;", 1) + " &amp; more",
    lambda text: "  " + text.replace(" ", "   ", 1),
    lambda text: text + " I&#39;m told.",
)


def add_dirt(
    frames: dict[str, pd.DataFrame], rng: np.random.Generator
) -> tuple[dict[str, pd.DataFrame], dict[str, int]]:
    """Add faulty rows to the tables; interactions are shuffled.

    Args:
        frames: interactions, items, users and reviews, as strings.
        rng: draws the rows.

    Returns:
        New tables, and the number of faulty rows by the name of the rule that must find them.
    """
    interactions, dirty = _dirty_events(frames["interactions"], rng)
    items, of_items = _dirty_items(frames["items"], rng)
    reviews, of_reviews = _dirty_reviews(frames["reviews"], rng)
    frames = frames | {"interactions": interactions, "items": items, "reviews": reviews}
    return {name: _number_rows(frame) for name, frame in frames.items()}, dirty | of_items | of_reviews


def _number_rows(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_axis(range(1, len(frame) + 1))


def _draw_rows(rng: np.random.Generator, n: int, size: int) -> np.ndarray:
    return rng.choice(n, size=min(size, n), replace=False)


def _dirty_events(events: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, dict[str, int]]:
    rated = events[events["event"] == "rating"].reset_index(drop=True)
    copies, dirty = [], {}
    for rule, n_rows, column, values in EVENT_FAULTS:
        source = rated if column == "rating" else events
        rows = source.iloc[_draw_rows(rng, len(source), n_rows)].assign(review_id=None)
        copies.append(rows.assign(**{column: np.resize(np.array(values, dtype=object), len(rows))}))
        dirty[rule] = len(rows)
    n_early = len(rated) * 99 // 100  # by time: the second rating must be within the year
    again = rated.iloc[_draw_rows(rng, n_early, N_REPEATED)].assign(review_id=None)
    later = pd.to_datetime(again["timestamp"]) + pd.Timedelta(hours=5)
    again = again.assign(
        timestamp=later.dt.strftime("%Y-%m-%dT%H:%M:%S"), rating=np.where(again["rating"] == "5", "4", "5")
    )
    twins = events.iloc[_draw_rows(rng, len(events), 120)]
    dirty |= {"repeated rating": len(again), "exact duplicate": len(twins)}
    mixed = pd.concat([events, *copies, again, twins], ignore_index=True)
    return mixed.iloc[rng.permutation(len(mixed))], dirty


def _dirty_items(items: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, dict[str, int]]:
    items = items.copy()
    chosen = _draw_rows(rng, len(items), 44)
    prices, titles, descriptions = chosen[:6], chosen[6:14], chosen[14:]
    items.iloc[prices, items.columns.get_loc("price")] = [f"-{price}" for price in items["price"].iloc[prices]]
    _add_markup(items, "title", titles)
    _add_markup(items, "description", descriptions)
    twice = items.iloc[_draw_rows(rng, len(items), 5)]
    twice = twice.assign(title=twice["title"] + " (new)")
    dirty = {
        "negative price": len(prices),
        "untidy title": len(titles),
        "untidy description": len(descriptions),
        "id listed twice": len(twice),
        "listed again with other content: the first counts": len(twice),
    }
    return pd.concat([items, twice], ignore_index=True), dirty


def _dirty_reviews(reviews: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, dict[str, int]]:
    reviews = reviews.copy()
    marked = _draw_rows(rng, len(reviews), 40)
    _add_markup(reviews, "text", marked)
    empty = reviews.iloc[_draw_rows(rng, len(reviews), 15)]
    empty = empty.assign(
        text=np.resize(np.array(["", "  "], dtype=object), len(empty)), review_id=empty["review_id"] + "-empty"
    )
    dirty = {"untidy text": len(marked), "empty review text": len(empty)}
    return pd.concat([reviews, empty], ignore_index=True), dirty


def _add_markup(frame: pd.DataFrame, column: str, rows: np.ndarray) -> None:
    place = frame.columns.get_loc(column)
    for number, row in enumerate(rows):
        frame.iloc[row, place] = MARKUP[number % len(MARKUP)](frame.iloc[row, place])
