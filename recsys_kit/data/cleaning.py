"""Cleaning: drop duplicates, repair texts, and count each repair.

`clean` is applied to whole tables before the split, so it looks at one row, or at equal rows, only. Steps that depend
on other rows (the latest rating, the k-core) are applied to the training set alone.
"""

import html
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp

from recsys_kit.core.events import times_as_numbers
from recsys_kit.core.ids import item_hash
from recsys_kit.data.tables import Dataset, count_rows, find_repeated, hash_rows, report_entry
from recsys_kit.errors import ParameterError
from recsys_kit.schema import ACTIONS, LOST, TABLES, TEXT_COLUMNS

_CODE = re.compile(r"<(script|style)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_ELEMENTS, _BARE = (
    names.replace(" ", "|") for names in tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8")).values()
)
_TAG = re.compile(
    r"</[a-z][\w:-]*\s*>|<[a-z][\w:-]*\s*/\s*>"  # closing or self-closing
    rf"|<(?:{_ELEMENTS}|[a-z]\w*[:-][\w:-]*)(?:\s+(?:{_BARE}))*\s*/?\s*>"
    r"|<([a-z]\w*)\s*>(?=.*?</\1\s*>)"  # any name, if it is closed later
    r"|<[a-z][\w:-]*\s[^<>]*=[^<>]*>|<!--.*?-->",
    re.DOTALL | re.IGNORECASE,
)  # "I <3 it", "5 < 6" and "a <b and c> d" are not tags: a name is followed by attributes, most of them with `=`
# escaped closing tags and breaks, as in feeds
_ESCAPED = re.compile(r"&lt;(/[a-z][\w:-]*|br)\s*/?\s*&gt;", re.IGNORECASE)

RANKS = {"table": TABLES.index, "action": ACTIONS.index, "rows": int.__neg__}  # of the entries of a report


def clean_text(text: str) -> str:
    """Replace tags by spaces, entities by their characters, and white space by single spaces.

    A text without tags, but with escaped closing tags or breaks, is escaped markup and is decoded first.

    >>> clean_text("Tea &amp; toast<br/>for  two &lt;3"), clean_text("It needs a &lt;div&gt;")
    ('Tea & toast for two <3', 'It needs a <div>')
    """
    if _ESCAPED.search(text) and not _TAG.search(text):
        text = html.unescape(text)
    return " ".join(html.unescape(_TAG.sub(" ", _CODE.sub(" ", text))).split())


def clean(dataset: Dataset) -> Dataset:
    """Drop exact duplicates and clean the texts of a validated data set.

    | step | tables | report |
    |---|---|---|
    | rows equal in every column (of reviews also in review_id): the first is kept | all | deduplicated |
    | `clean_text` on title, description, category, brand and text; an empty text becomes missing | all | repaired |
    | ratings that the user changed later: kept here, `split_interactions` removes them | interactions | noted |

    Args:
        dataset: as `validate` returns it.

    Returns:
        A new data set. A cleaned text replaces the original, which is kept in `<column>_raw` in the rows that changed.
        The report has an entry for each step, with the number of rows and an example.

    >>> from recsys_kit.data.sources import read_source
    >>> from recsys_kit.data.validation import validate
    >>> shop = clean(validate(read_source("toyshop", seed=7)))
    >>> shop.report.query("table == 'items' and action == 'repaired'")[["rule", "rows"]].values.tolist()
    [['untidy description', 30], ['untidy title', 8], ['negative price', 6]]
    """
    entries, tables = [], {name: getattr(dataset, name) for name in TABLES if getattr(dataset, name) is not None}
    for name, frame in tables.items():
        frame, dropped = _drop_duplicates(name, frame, compared=name in dataset.compared)
        tables[name], cleaned = _clean_texts(name, frame)
        entries += dropped + cleaned
    if "interactions" in tables:
        events = tables["interactions"]
        again = {"repeated rating": repeated_ratings(events)}
        entries += count_rows("interactions", "noted", again, events["item_id"])
    return replace(dataset, **tables, report=_extend_report(dataset.report, entries))


def _drop_duplicates(
    table: str, frame: pd.DataFrame, *, compared: bool = False
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Drop rows equal in every column and rows that repeat a review_id; the first is kept.

    Rows of a file whose rows have been `compared` differ in a column that is not read, such as the number of the order:
    they are counted and kept.
    """
    hashes = hash_rows(frame.drop(columns="attributes", errors="ignore"))
    again = pd.Series(find_repeated(hashes), index=frame.index)
    repeats = {"exact duplicate": again & (not compared)}
    if table == "reviews":
        repeats["id listed twice"] = frame.duplicated("review_id") & ~repeats["exact duplicate"]
    entries = count_rows(table, "deduplicated", repeats, frame.get("item_id"))
    if compared and table == "interactions":
        rule = "same user, item and time as another row that differs in other columns: kept"
        entries += count_rows(table, "noted", {rule: again}, None)
    return frame[~np.logical_or.reduce([*repeats.values()])].reset_index(drop=True), entries


def _clean_texts(table: str, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    columns, entries = {}, []
    for column in [column for column in TEXT_COLUMNS if column in frame]:
        cleaned = frame[column].map(clean_text, na_action="ignore").astype("str")
        cleaned = cleaned.mask(cleaned == "")
        changed = frame[column].notna() & (cleaned.fillna("") != frame[column])
        if changed.any():
            columns |= {column: cleaned, f"{column}_raw": frame[column].where(changed)}
            entries += count_rows(table, "repaired", {f"untidy {column}": changed}, frame[column])
    return frame.assign(**columns), entries


def repeated_ratings(interactions: pd.DataFrame) -> pd.Series:
    """Return True for ratings of items that the same user rated again later; other events may repeat.

    Args:
        interactions: with user_id, item_id and timestamp or position; False for all rows without a column rating.

    >>> events = pd.DataFrame({"user_id": ["a", "a"], "item_id": ["x", "x"], "position": [1, 2], "rating": [2.0, 5.0]})
    >>> repeated_ratings(events).tolist()
    [True, False]
    """
    if "rating" not in interactions:
        return pd.Series(False, index=interactions.index)
    rated = np.flatnonzero(interactions["rating"].notna())
    pairs = hash_rows(interactions[["user_id", "item_id"]].iloc[rated])
    several = find_repeated(pairs, keep=False)
    rated, pairs = rated[several], pairs[several]
    # at equal times the higher rating counts as the later one, so the order of the rows does not matter
    order = np.lexsort((interactions["rating"].to_numpy()[rated], times_as_numbers(interactions)[rated], pairs))
    again = np.zeros(len(interactions), bool)
    again[rated[order[:-1]]] = pairs[order[:-1]] == pairs[order[1:]]
    return pd.Series(again, index=interactions.index)


def _extend_report(report: pd.DataFrame, entries: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the report with entries, whose lost rows are no longer kept: by table and action, the largest first."""
    report = pd.concat([report, pd.DataFrame(entries, columns=report.columns)], ignore_index=True)
    for entry in entries:
        if entry["action"] in LOST:
            report.loc[(report["table"] == entry["table"]) & (report["action"] == "kept"), "rows"] -= entry["rows"]
    return report.sort_values([*RANKS], key=lambda of: of.map(RANKS[of.name]), kind="stable", ignore_index=True)


# -- what looks unusual: flagged, never removed without being asked ----------------------------------------------------

WORDS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\w+")  # without spaces between words: the characters
FEW_WORDS, MANY_WORDS = 5, 64  # shorter texts repeat by chance; longer ones are only compared as a whole
FLAGS = ("bots", "bursts", "near-duplicates")
MOMENTS = 100  # different times of a user before their rhythm says anything


def find_near_duplicates(texts: pd.Series) -> pd.Series:
    """Return True for texts that repeat an earlier one but for case, punctuation, spaces, order or one word.

    Two bags of words that differ in one word are equal without it, so equal sums of the hashes of all words but one
    are looked for (deletion neighbourhoods: Mor and Fraenkel, 1982): time and memory grow with the number of words.
    Texts of fewer than 5 words are not compared, and texts of more than 64 words only as a whole.

    >>> texts = ["A lovely pot, and well made", "a LOVELY pot and very well made!", "A pot"]
    >>> find_near_duplicates(pd.Series(texts)).tolist()
    [False, True, False]
    """
    words = texts.fillna("").str.casefold().map(WORDS.findall).reset_index(drop=True)
    words = words[words.map(len) >= FEW_WORDS].explode()
    hashes = pd.Series(pd.util.hash_array(words.to_numpy(dtype=object)), index=words.index)
    of_text = hashes.groupby(level=0)
    sums, short = of_text.transform("sum"), of_text.transform("size") <= MANY_WORDS
    keys = pd.concat([sums[~sums.index.duplicated()], (sums - hashes)[short]])  # of all words, and of all but one
    keys = keys[find_repeated(keys.to_numpy(), keep=False)]  # most keys occur once
    first = keys.index.to_series().groupby(keys.to_numpy()).transform("min")
    again = np.zeros(len(texts), dtype=bool)
    again[first.index[first < first.index]] = True
    return pd.Series(again, index=texts.index)


def find_bots(interactions: pd.DataFrame) -> pd.Series:
    """Return why each flagged user looks like a program: user_id -> reason.

    What happens at one moment is one action, so an order of a hundred lines is no sign. A user with at least 100
    different moments is flagged if half of the gaps between them are at most a second, if the middle half of the gaps
    is within 2 % of the median, or if on three days there are events in at least 22 hours. Any user is flagged who
    interacted with more than 60 % of a catalogue of at least 500 items; without times this is the only rule. A reseller
    who buys a lot is not flagged. The thresholds are our own; no user of MovieLens-100K or Online Retail is flagged.

    >>> clock = pd.date_range("2024-01-01", periods=200, freq="30s", tz="UTC")
    >>> events = pd.DataFrame({"user_id": "crawler", "item_id": "x", "timestamp": clock})
    >>> find_bots(events).to_dict()
    {'crawler': 'regular as a clock'}
    """
    found: dict[str, pd.Index] = {}
    n_items = interactions["item_id"].nunique()
    if n_items >= 500:
        seen = interactions.groupby("user_id")["item_id"].nunique()
        found["most of the catalogue"] = seen.index[seen > 0.6 * n_items]
    if "timestamp" in interactions:
        moments = interactions[["user_id", "timestamp"]].drop_duplicates().sort_values(["user_id", "timestamp"])
        moments = moments[moments.groupby("user_id")["timestamp"].transform("size") >= MOMENTS]
        gaps = moments.groupby("user_id")["timestamp"].diff().dt.total_seconds().groupby(moments["user_id"])
        low, middle, high = (gaps.quantile(share) for share in (0.25, 0.5, 0.75))
        found["faster than a person"] = middle.index[middle <= 1]
        steady = (high - low <= 0.02 * middle) & (middle % 86_400 != 0)  # days alone are no rhythm
        found["regular as a clock"] = middle.index[steady & (middle > 1)]
        days = moments.assign(day=moments["timestamp"].dt.floor("D"), hour=moments["timestamp"].dt.hour)
        awake = days.groupby(["user_id", "day"])["hour"].nunique().ge(22).groupby("user_id").sum()
        found["never asleep"] = awake.index[awake >= 3]
    reasons = {user: reason for reason, users in reversed(found.items()) for user in users}  # the first counts
    return pd.Series(reasons, dtype=object)


def find_bursts(ratings: pd.DataFrame) -> pd.Series:
    """Return the largest number of top ratings within a day of each item that got most of its ratings in such a burst.

    On that day at least ten of its ratings are the highest of the data; they are nine in ten of the ratings of the day,
    and half of all ratings of the item.

    Args:
        ratings: item_id, rating and timestamp; without one of them nothing is found.
    """
    if not {"item_id", "rating", "timestamp"} <= set(ratings):
        return pd.Series(dtype=int)
    rated = ratings.dropna(subset=["item_id", "rating", "timestamp"])
    rated = rated.assign(top=rated["rating"] == rated["rating"].max(), day=rated["timestamp"].dt.floor("D"))
    days = rated.groupby(["item_id", "day"])["top"].agg(["sum", "size"]).reset_index("day", drop=True)
    n = rated["item_id"].value_counts().reindex(days.index)
    burst = days["sum"].ge(10) & days["sum"].ge(0.9 * days["size"]) & days["sum"].ge(0.5 * n)
    return days.loc[burst, "sum"].groupby("item_id").max()


def flag_unusual(dataset: Dataset, *, drop: str = "") -> Dataset:
    """Note users that look like programs, items with bursts of top ratings, and near-duplicate reviews.

    Args:
        dataset: cleaned.
        drop: what is also removed, of `FLAGS`, separated by commas: bots (their events and reviews), bursts (the events
            and reviews of these items) or near-duplicates (these reviews). By default nothing.

    Returns:
        The data set with an entry of the report, noted or dropped, for each kind and reason.

    Raises:
        ParameterError: RK-381 drop names something else.
    """
    asked = {name.strip() for name in drop.split(",") if name.strip()}
    if unknown := sorted(asked - {*FLAGS}):
        problem = f"drop_flagged is {unknown}; expected some of {FLAGS}."
        raise ParameterError("RK-381", problem, "Pass drop_flagged=bots.")
    entries, frames, events = [], {}, dataset.interactions
    bots, bursts = (find_bots(events), find_bursts(events)) if events is not None else (pd.Series(), pd.Series())
    reasons = {("bots", "user_id"): bots, ("bursts", "item_id"): bursts.map("burst of top ratings in a day".format)}
    for name in [name for name in ("interactions", "reviews") if getattr(dataset, name) is not None]:
        frame = getattr(dataset, name)
        flags = {kind: frame[key].map(why) for (kind, key), why in reasons.items() if key in frame and len(why)}
        if name == "reviews":
            again = find_near_duplicates(frame["text"])
            flags["near-duplicates"] = again.map({True: "like another text but for a word"})
        for kind, why in flags.items():
            why = why.reindex(frame.index)  # a row is dropped once, for its first reason
            action = "dropped" if kind in asked else "noted"
            entries += [report_entry(name, f"{kind}: {rule}", action, n) for rule, n in why.value_counts().items()]
            frame = frame[why.isna()] if kind in asked else frame
        frames[name] = frame.reset_index(drop=True)
    return replace(dataset, **frames, report=_extend_report(dataset.report, entries))


# -- smaller data ------------------------------------------------------------------------------------------------------


def sample_users(dataset: Dataset, n_users: int, *, seed: int = 7, representative: bool = False) -> Dataset:
    """Keep the events and reviews of `n_users` users, drawn by a seeded hash of their ids.

    The hash does not depend on behaviour, so the draw may come before the split. All items are kept, and so are
    reviews without a user. A representative draw looks at behaviour, also after the cut, to keep its distribution.

    Args:
        dataset: cleaned.
        n_users: number of users; 0 keeps all.
        seed: random seed.
        representative: draw evenly from the users sorted by tenths of activity, and within them by the popularity of
            their items (systematic sampling: Cochran, Sampling Techniques, 1977, chapter 8).

    Raises:
        ParameterError: RK-321 n_users is not a whole number from 0.
    """
    if not isinstance(n_users, (int, np.integer)) or n_users < 0:
        raise ParameterError("RK-321", f"n_users is {n_users!r}; expected 0 (all) or more.", "Pass n_users=200.")
    events = dataset.interactions
    shoppers = pd.Series([] if events is None else events["user_id"].unique(), dtype="str")
    if events is None or not 0 < n_users < len(shoppers):
        return dataset
    chance = item_hash(f"{seed}:{user}" for user in shoppers)
    if representative:
        users, items = events["user_id"], events["item_id"]
        counts = items.map(items.value_counts()).groupby(users).agg(["size", "mean"]).reindex(shoppers)
        order = np.lexsort((chance, counts["mean"], counts["size"].rank(pct=True).mul(10).apply(np.ceil)))
        start = np.random.default_rng(seed).random()
        chosen = shoppers.iloc[order[((start + np.arange(n_users)) * len(shoppers) / n_users).astype(int)]]
    else:
        chosen = shoppers.iloc[np.argsort(chance, kind="stable")[:n_users]]
    frames = {name: getattr(dataset, name) for name in ("interactions", "users", "reviews")}
    for name, frame in frames.items():
        if frame is not None and "user_id" in frame:
            mine = frame["user_id"].isin(chosen) | frame["user_id"].isna()  # without shoppers: all
            frames[name] = frame[mine].reset_index(drop=True)
    return replace(dataset, **frames)


def compare_sample(whole: pd.DataFrame, sample: pd.DataFrame) -> pd.DataFrame:
    """Compare activity and popularity in a sample of users with the whole: quantiles and Kolmogorov-Smirnov distance.

    Args:
        whole: all interactions.
        sample: those of the sampled users.

    Returns:
        One row per distribution: `of` (events of a user; rank of the item of an event, 1 for the most popular), q10,
        q50 and q90 of the whole and of the sample, and `distance`, 0 for equal distributions and 1 for disjoint ones.
    """
    rank = whole["item_id"].value_counts().rank(ascending=False, method="first")
    measures = {
        "events of a shopper": lambda events: events["user_id"].value_counts(),
        "rank of the product of an event": lambda events: events["item_id"].map(rank),
    }
    rows = []
    for name, measure in measures.items():
        values = {"all": measure(whole), "drawn": measure(sample)}
        quantiles = {f"q{q}, {part}": v.quantile(q / 100) for q in (10, 50, 90) for part, v in values.items()}
        rows.append({"of": name} | quantiles | {"distance": ks_2samp(*values.values()).statistic})
    return pd.DataFrame(rows)


def k_core(interactions: pd.DataFrame, k: int) -> pd.DataFrame:
    """Return the largest set of events in which each user has k different items and each item k different users.

    Args:
        interactions: with user_id and item_id.
        k: a whole number; 1 keeps all events.

    Raises:
        ParameterError: RK-322 k is not a whole number from 1.

    >>> events = pd.DataFrame({"user_id": list("aabbc"), "item_id": list("xyxyz")})
    >>> k_core(events, 2)["user_id"].tolist()
    ['a', 'a', 'b', 'b']
    """
    if not isinstance(k, (int, np.integer)) or k < 1:
        raise ParameterError("RK-322", f"k_core is {k!r}; expected 1 (all) or more.", "Pass k_core=1 to keep all.")
    if k == 1:
        return interactions.copy(deep=False)
    codes = interactions[["user_id", "item_id"]].apply(lambda ids: pd.factorize(ids)[0])
    pairs, n = codes.drop_duplicates(), -1
    while n != len(pairs):
        n = len(pairs)
        for column in pairs:
            pairs = pairs[pairs.groupby(column)[column].transform("size") >= k]
    return interactions[np.logical_and.reduce([codes[column].isin(pairs[column]) for column in codes])]
