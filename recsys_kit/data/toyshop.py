"""The built-in shop: generated data with known preferences and known faults, so that results can be checked."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys_kit.data import toyshop_words as words
from recsys_kit.data.toyshop_dirt import add_dirt

START = pd.Timestamp("2025-01-01", tz="UTC")
DAYS = 365
SHELVES, STYLES = list(words.SHELVES), list(words.STYLES)
KINDS = [(shelf, nouns) for shelf in SHELVES for nouns in words.SHELVES[shelf]]
KINDS_PER_SHELF = 6
STAR_SHARES = (0.06, 0.08, 0.14, 0.30, 0.42)  # of one to five stars
# effects on the log-odds of a choice (STRENGTH multiplies the affinity)
STRENGTH, COMPLEMENT, PROMOTION, OWNED, SEASON, FASHION = 1.5, 2.2, 0.8, -3.0, 0.5, 1.3
DAYPARTS = ("morning", "afternoon", "evening", "night")
DEVICES = ("phone", "laptop", "tablet")


@dataclass(frozen=True)
class ToyShop:
    """The raw tables of the shop, and the preferences and faults behind them."""

    frames: dict[str, pd.DataFrame]
    """interactions, items, users and reviews, as strings, with faults; the index is the row number from 1."""
    dirty: dict[str, int]
    """The number of faulty rows by the name of the rule that must find them."""
    affinity: np.ndarray
    """`(U, N)` float32, the preference of each user for each item, before popularity, season and chance."""
    user_ids: pd.Index
    """The ids of the rows of `affinity`."""
    item_ids: pd.Index
    """The ids of its columns."""


@dataclass(frozen=True)
class _Products:
    """The attributes of N products, as arrays `(N,)`."""

    kind: np.ndarray
    """Index into `KINDS`."""
    style: np.ndarray
    """Index into `STYLES`."""
    log_price: np.ndarray
    quality: np.ndarray
    log_popularity: np.ndarray
    launch_day: np.ndarray
    """Days after `START`, negative for products that are older than the data."""

    @property
    def shelf(self) -> np.ndarray:
        return self.kind // KINDS_PER_SHELF


@dataclass(frozen=True)
class _Visits:
    """V visits by user and time, as arrays `(V,)`: the choice of a product on a day."""

    user: np.ndarray
    item: np.ndarray
    day: np.ndarray
    """Days after `START`."""
    promoted: np.ndarray
    """True where the product was on promotion."""


def make_toyshop(seed: int = 7, *, n_users: int = 1_500, n_items: int = 800, n_events: int = 20_000) -> ToyShop:
    """Generate the tables of a shop for homeware and gifts in the year 2025.

    A user visits the shop at least twice in the year (numbers of visits are log-normal). At each visit the user
    chooses one product, with probability softmax(log-odds) over all products launched by then, where

        log-odds = 1.5 * affinity + log popularity + 0.15 * quality + season of the category and product
                   + 0.8 if the product is on promotion in this week (5 % are)
                   + 2.2 if it complements the product chosen before (a teapot: cups)
                   - 3.0 for each time that the user has chosen it before

        affinity = taste for its category + taste for its style - 0.5 * (log budget - log price)^2

    Budgets are log-normal with median 18 (log standard deviation 0.5).

    **Preferences can be learned** because a user's tastes do not change and are concentrated (Dirichlet, 0.25): most
    users like one or two of the ten categories and of the six styles. Tastes for categories show in co-occurrences and
    in `category`, tastes for styles in the words of titles, descriptions and reviews only, complements in the order of
    events, seasons in their times. Products also differ in popularity, so a popularity baseline is better than chance.

    Interactions: one row per event, about `n_events` rows in random order.

    | column | values |
    |---|---|
    | review_id | "r00049" for a rating, else missing |
    | user_id, item_id | "s0001", "0001" (with leading zeros) |
    | timestamp | ISO 8601 without a zone (UTC), 2025-01-01 to 2025-12-31; each user has a usual time of day |
    | event | view; cart (in 45 % of the visits); purchase (75 % after a cart, else 20 %); rating (2 to 12 days later) |
    | price | of a purchase: the price paid for one piece, 20 % lower on promotion |
    | quantity | of a purchase: 1 (85 %), 2 (11 %) or 3 (4 %) pieces |
    | rating | of a rating: 1 to 5 stars (about 6, 8, 14, 30, 42 %), by affinity, quality and noise; one per product |
    | ctx_device | phone, laptop or tablet; a user's usual device in 70 % of the visits |
    | ctx_daypart | morning (from 6), afternoon (from 12), evening (from 18) or night (from 0 o'clock) |
    | ctx_promotion | "yes" if the product was on promotion, else "no" |

    Items: one row per product.

    | column | values |
    |---|---|
    | item_id | "0001" and on |
    | title, description | English, from the words of the product's kind and style (`toyshop_words`) |
    | category | one of ten, drawn uniformly with one of its six kinds of product |
    | brand | one of 16, drawn uniformly |
    | price | log-normal with median 18 (log standard deviation 0.6), 2.2 times as much for the style "premium" |
    | created_at | the launch, ISO 8601 (UTC): 10 % of the products during the year, the others up to 900 days before |

    Users: one row per user.

    | column | values |
    |---|---|
    | user_id | "s0001" and on |
    | region | north, south, east or west, drawn uniformly |
    | joined_at | the date of the first visit |

    Reviews: one row per rating, with review_id, user_id, item_id, timestamp and rating as above, and

    | column | values |
    |---|---|
    | title | a headline such as "Love it", by the user's satisfaction and noise |
    | text | one to three sentences by satisfaction and noise, in half of the reviews one more on the style |

    All values are strings, as in a file. Then about 400 faulty rows are added (`toyshop_dirt`): copies with one fault
    each, markup in texts, duplicates.

    Args:
        seed: random seed; the same seed gives the same rows.
        n_users: number of users.
        n_items: number of products.
        n_events: approximate number of events; each user has at least two visits.

    Returns:
        The tables in `frames`. `load_dataset("toyshop")` keeps this object as `Dataset.truth`: `affinity` is the
        preference of each user for each product, to check recommendations against, and `dirty` the number of faulty
        rows of each kind, to check validation and cleaning against.

    Source: own.

    >>> shop = make_toyshop(seed=7, n_users=50, n_items=60, n_events=400)
    >>> {name: frame.shape for name, frame in shop.frames.items()}
    {'interactions': (728, 11), 'items': (65, 7), 'users': (50, 3), 'reviews': (95, 7)}
    >>> shop.affinity.shape, shop.dirty["exact duplicate"]
    ((50, 60), 120)
    """
    rng = np.random.default_rng(seed)
    products = _make_products(rng, n_items)
    shelf_taste, style_taste, log_budget, n_visits, first_day = _make_shoppers(rng, n_users, n_events)
    affinity = (
        shelf_taste[:, products.shelf]
        + style_taste[:, products.style]
        - 0.5 * np.square(log_budget[:, None] - products.log_price)
    ).astype(np.float32)
    visits = _make_visits(rng, products, affinity, n_visits, first_day)
    user_ids = pd.Index([f"s{number:04d}" for number in range(1, n_users + 1)])
    item_ids = pd.Index([f"{number:04d}" for number in range(1, n_items + 1)])
    items = _items_frame(rng, products, item_ids)
    events = _events_frame(rng, visits, products, affinity, n_events)
    reviews = _reviews_frame(rng, events, products, items)
    frames = {
        "interactions": _as_strings(events, user_ids, item_ids).drop(columns=["stars"]),
        "items": items,
        "users": _users_frame(rng, user_ids, first_day),
        "reviews": _as_strings(reviews, user_ids, item_ids),
    }
    frames, dirty = add_dirt(frames, rng)
    return ToyShop(frames, dirty, affinity, user_ids, item_ids)


# -- products and shoppers ---------------------------------------------------------------------------------------------


def _make_products(rng: np.random.Generator, n_items: int) -> _Products:
    style = rng.integers(len(STYLES), size=n_items)
    luxury = np.where(style == STYLES.index("premium"), 0.8, 0.0)
    launch_day = np.where(rng.random(n_items) < 0.1, rng.uniform(30, DAYS - 3, n_items), -rng.uniform(30, 900, n_items))
    return _Products(
        kind=rng.integers(len(KINDS), size=n_items),
        style=style,
        log_price=np.log(18) + luxury + rng.normal(0, 0.6, n_items),
        quality=rng.normal(0, 1, n_items),
        log_popularity=rng.gumbel(0, 0.55, n_items),
        launch_day=launch_day.round(3),
    )


def _make_shoppers(rng: np.random.Generator, n_users: int, n_events: int) -> tuple[np.ndarray, ...]:
    """Draw tastes `(U, shelves)` and `(U, styles)`, log budgets, numbers of visits and first days `(U,)`."""
    shelf_taste = np.log(rng.dirichlet(np.full(len(SHELVES), 0.25), n_users) + 0.02) * 0.8
    style_taste = np.log(rng.dirichlet(np.full(len(STYLES), 0.25), n_users) + 0.02)
    log_budget = np.log(18) + rng.normal(0, 0.5, n_users)
    weights = rng.lognormal(0, 0.75, n_users)
    n_visits = np.maximum(2, np.round(weights / weights.sum() * n_events * 0.52)).astype(int)
    early = rng.random(n_users) < 0.75
    first_day = np.where(early, rng.uniform(0, 0.6 * DAYS, n_users), rng.uniform(0, DAYS - 5, n_users))
    return shelf_taste, style_taste, log_budget, n_visits, first_day


# -- visits: the choices of each user, one after the other -------------------------------------------------------------


def _season(rng: np.random.Generator, products: _Products) -> np.ndarray:
    """Return `(12, N)` log-odds per month: each shelf has a peak in the year, and so has each product."""
    of_shelf = rng.permutation(len(SHELVES)) * 12 / len(SHELVES)
    of_product = rng.uniform(0, 12, len(products.kind))
    month = np.arange(12)[:, None]
    season = np.cos(2 * np.pi * (month - of_shelf) / 12)[:, products.shelf]
    return SEASON * season + FASHION * np.cos(2 * np.pi * (month - of_product) / 12)


def _visit_days(rng: np.random.Generator, n_visits: np.ndarray, first_day: np.ndarray) -> np.ndarray:
    """Draw the days of all visits `(V,)`, in order for each user; the first is the user's first day."""
    start = np.repeat(first_day, n_visits)
    share = rng.random(len(start)) ** 0.9  # a little more towards the end of the year
    days = start + share * (DAYS - 0.5 - start)
    days[np.r_[0, n_visits.cumsum()[:-1]]] = first_day
    owner = np.repeat(np.arange(len(n_visits)), n_visits)
    return np.floor(days[np.lexsort((days, owner))])


def _make_visits(
    rng: np.random.Generator, products: _Products, affinity: np.ndarray, n_visits: np.ndarray, first_day: np.ndarray
) -> _Visits:
    days = _visit_days(rng, n_visits, first_day)
    month, week = np.minimum(days // 30.5, 11).astype(int), (days // 7).astype(int)
    season = _season(rng, products)
    on_promotion = rng.random((DAYS // 7 + 1, len(products.kind))) < 0.05
    # Gumbel-max trick: the largest of log-odds + Gumbel noise is a draw from the softmax
    next_kind = products.kind - products.kind % KINDS_PER_SHELF + (products.kind + 1) % KINDS_PER_SHELF
    base = STRENGTH * affinity + products.log_popularity + 0.15 * products.quality
    owner = np.repeat(np.arange(len(n_visits)), n_visits)
    chosen = np.empty(len(days), dtype=int)
    last_owner, log_odds, last = -1, base[0], -1
    for visit, user in enumerate(owner):
        if user != last_owner:
            last_owner, log_odds, last = int(user), base[user].copy(), -1
        now = log_odds + season[month[visit]] + PROMOTION * on_promotion[week[visit]]
        if last >= 0:
            now = now + COMPLEMENT * (products.kind == next_kind[last])
        now[products.launch_day > days[visit]] = -np.inf
        last = int(np.argmax(now + rng.gumbel(size=len(now))))
        chosen[visit] = last
        log_odds[last] += OWNED
    return _Visits(owner, chosen, days, on_promotion[week, chosen])


# -- events ------------------------------------------------------------------------------------------------------------


def _clock(rng: np.random.Generator, visits: _Visits) -> tuple[np.ndarray, np.ndarray]:
    """Draw the hour (with a fraction) and the part of the day of each visit; users have a usual part of the day."""
    habit = rng.integers(4, size=visits.user.max() + 1)
    part = np.where(rng.random(len(visits.user)) < 0.65, habit[visits.user], rng.integers(4, size=len(visits.user)))
    return (part * 6 + 6) % 24 + rng.random(len(part)) * 5.5, part


def _events_frame(
    rng: np.random.Generator, visits: _Visits, products: _Products, affinity: np.ndarray, n_events: int
) -> pd.DataFrame:
    """Turn visits into events: a view, perhaps a cart and a purchase, and days later perhaps a rating."""
    n = len(visits.user)
    hour, part = _clock(rng, visits)
    carted = rng.random(n) < 0.45
    bought = rng.random(n) < np.where(carted, 0.75, 0.2)
    first = ~pd.DataFrame({"user": visits.user, "item": visits.item}).duplicated().to_numpy()
    rated = first & bought & (rng.random(n) < 0.9)
    common = pd.DataFrame({
        "user": visits.user, "item": visits.item, "visit": np.arange(n),
        "price": np.exp(products.log_price)[visits.item] * np.where(visits.promoted, 0.8, 1.0),
        "ctx_device": np.array(DEVICES)[np.where(rng.random(n) < 0.7, visits.user % 3, rng.integers(3, size=n))],
        "ctx_daypart": np.array(DAYPARTS)[part],
        "ctx_promotion": np.where(visits.promoted, "yes", "no"),
    })  # fmt: skip
    seconds = (visits.day * 24 + hour) * 3600
    viewed_only = ~bought & ~carted
    views = common.assign(event="view", seconds=seconds, price=np.nan)[viewed_only | (rng.random(n) < 0.5)]
    carts = common.assign(event="cart", seconds=seconds + rng.integers(30, 400, n), price=np.nan)[carted]
    purchases = common.assign(event="purchase", seconds=seconds + rng.integers(400, 900, n))
    purchases["quantity"] = rng.choice([1, 2, 3], n, p=[0.85, 0.11, 0.04])
    stars, satisfaction = _stars(rng, visits, products, affinity)
    late = seconds + 86_400 * rng.uniform(2, 12, n)
    ratings = common.assign(event="rating", seconds=late, price=np.nan, stars=satisfaction, rating=stars)
    ratings = ratings[rated & (late < DAYS * 86_400)]
    events = pd.concat([views, carts, purchases[bought], ratings], ignore_index=True)
    events = events.sort_values(["seconds", "visit"], kind="stable", ignore_index=True)
    ids = [f"r{row:05d}" if event == "rating" else None for row, event in enumerate(events["event"])]
    events["review_id"] = np.array(ids, dtype=object)
    return events


def _stars(
    rng: np.random.Generator, visits: _Visits, products: _Products, affinity: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the stars of each visit, and the satisfaction (0.5 to 5.5) that its review expresses."""
    taste = affinity[visits.user, visits.item]
    satisfaction = (
        (taste - taste.mean()) / taste.std() + 0.8 * products.quality[visits.item] + rng.normal(0, 0.5, len(taste))
    )
    rank = satisfaction.argsort().argsort() / len(taste)
    satisfaction = np.interp(rank, np.r_[0, np.cumsum(STAR_SHARES)], [0.5, 1.5, 2.5, 3.5, 4.5, 5.5])
    moody = satisfaction + rng.normal(0, 0.3, len(taste))
    return np.clip(moody.round(), 1, 5), satisfaction


# -- words -------------------------------------------------------------------------------------------------------------


def _pick(rng: np.random.Generator, choices: list[str] | tuple[str, ...]) -> str:
    return choices[int(rng.random() * len(choices))]


def _with_articles(text: str) -> str:
    """Correct articles before vowels.

    >>> _with_articles("A ochre mug. A ukulele.")
    'An ochre mug. A ukulele.'
    """
    return re.sub(r"\b([Aa]) (?=[aeio]|u(?!k))", r"\1n ", text)


def _items_frame(rng: np.random.Generator, products: _Products, item_ids: pd.Index) -> pd.DataFrame:
    rows = []
    for kind, style in zip(products.kind, products.style, strict=True):
        shelf, nouns = KINDS[kind]
        titles, phrases = words.STYLES[STYLES[style]]
        noun, brand, colour = _pick(rng, nouns), _pick(rng, words.BRANDS), _pick(rng, words.COLOURS)
        adjective = _pick(rng, titles) if rng.random() < 0.7 else colour
        first, second = (phrases[place] for place in rng.permutation(len(phrases))[:2])
        opening = _pick(rng, words.OPENINGS).format(noun=_pick(rng, nouns), brand=brand, colour=colour, phrase=first)
        middle = f"In a {_pick(rng, titles)} style, {second}." if rng.random() < 0.5 else _pick(rng, words.FACTS)
        rows.append({
            "title": f"{adjective} {noun}".capitalize(),
            "description": _with_articles(f"{opening} {middle}"),
            "category": shelf,
            "brand": brand,
        })  # fmt: skip
    launched = START + pd.to_timedelta(products.launch_day, unit="D")
    items = pd.DataFrame(rows).assign(
        item_id=item_ids,
        price=[f"{price:.2f}" for price in np.exp(products.log_price)],
        created_at=launched.strftime("%Y-%m-%dT%H:%M:%S"),
    )
    return items[["item_id", "title", "category", "brand", "price", "description", "created_at"]]


def _users_frame(rng: np.random.Generator, user_ids: pd.Index, first_day: np.ndarray) -> pd.DataFrame:
    joined = START + pd.to_timedelta(np.floor(first_day), unit="D")
    regions = rng.choice(["north", "south", "east", "west"], len(user_ids))
    return pd.DataFrame({"user_id": user_ids, "region": regions, "joined_at": joined.strftime("%Y-%m-%d")})


def _reviews_frame(
    rng: np.random.Generator, events: pd.DataFrame, products: _Products, items: pd.DataFrame
) -> pd.DataFrame:
    ratings = events[events["event"] == "rating"]
    texts = [
        _review(rng, satisfaction, _pick(rng, KINDS[products.kind[item]][1]), STYLES[products.style[item]])
        for satisfaction, item in zip(ratings["stars"], ratings["item"], strict=True)
    ]
    reviews = ratings[["review_id", "user", "item", "rating", "seconds"]].reset_index(drop=True)
    return reviews.assign(title=[title for title, _ in texts], text=[text for _, text in texts])


def _review(rng: np.random.Generator, satisfaction: float, noun: str, style: str) -> tuple[str, str]:
    """Write headline and text: sentences near the level of satisfaction, perhaps a `but` and a word on the style."""
    levels = np.clip(np.round(satisfaction + rng.normal(0, 0.45, 3)), 1, 5).astype(int)
    count = 1 + int(rng.random() * 3)
    sentences = [_pick(rng, words.PRAISE[level]) for level in levels[:count]]
    if 1.6 < satisfaction < 4.4 and rng.random() < 0.5:
        sentences.append(_pick(rng, words.BUTS["up" if satisfaction < 3 else "down"]))
    if rng.random() < 0.5:
        comments = words.ON_STYLE if satisfaction > 3 else words.OFF_STYLE
        place = int(rng.random() * (len(sentences) + 1))
        sentences.insert(place, _pick(rng, comments).format(word=_pick(rng, words.STYLES[style][0])))
    text = _with_articles(" ".join(dict.fromkeys(sentences)).format(noun=noun))
    return _pick(rng, words.HEADLINES[levels[int(rng.random() * 3)]]), text


def _as_strings(events: pd.DataFrame, user_ids: pd.Index, item_ids: pd.Index) -> pd.DataFrame:
    """Write ids, times and numbers as strings, as in a shop's export."""
    when = START + pd.to_timedelta(events["seconds"].round(), unit="s")
    strings = events.assign(
        user_id=user_ids[events["user"]],
        item_id=item_ids[events["item"]],
        timestamp=when.dt.strftime("%Y-%m-%dT%H:%M:%S"),
    )
    for column, pattern in (("price", "{:.2f}"), ("quantity", "{:.0f}"), ("rating", "{:.0f}")):
        if column in strings:
            strings[column] = [None if np.isnan(value) else pattern.format(value) for value in strings[column]]
    strings = strings.drop(columns=["user", "item", "seconds", "visit"], errors="ignore")
    first = [column for column in ("review_id", "user_id", "item_id", "timestamp", "event") if column in strings]
    return strings[first + [column for column in strings if column not in first]]
