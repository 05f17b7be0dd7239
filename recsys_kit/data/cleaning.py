"""Cleaning: drop duplicates, repair texts, and count each repair.

`clean` is applied to whole tables before the split, so it looks at one row, or at equal rows, only. Steps that depend
on other rows (the latest rating, the k-core) are applied to the training set alone.
"""

import html
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit.core.events import times_as_numbers
from recsys_kit.core.ids import item_hash
from recsys_kit.data.tables import Dataset, find_repeated, hash_rows, report_entry
from recsys_kit.errors import ParameterError
from recsys_kit.schema import ACTIONS, TABLES, TEXT_COLUMNS

_CODE = re.compile(r"<(script|style)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_ELEMENTS = (  # of HTML; with another name it needs more evidence to be a tag, so "<M>" stays a size
    "a abbr acronym address applet area article aside audio b base basefont bdi bdo big blink blockquote body br "
    "button canvas caption center cite code col colgroup data datalist dd del details dfn dialog dir div dl dt em "
    "embed fieldset figcaption figure font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html i "
    "iframe img input ins kbd label legend li link main map mark marquee menu meta meter nav nobr noframes noscript "
    "object ol optgroup option output p param picture pre progress q rp rt ruby s samp script search section select "
    "slot small source span strike strong style sub summary sup svg table tbody td template textarea tfoot th thead "
    "time title tr track tt u ul var video wbr"
).replace(" ", "|")
_BARE = (  # attributes that may stand without a value
    "allowfullscreen async autofocus autoplay checked compact controls default defer disabled formnovalidate hidden "
    "ismap itemscope loop multiple muted nohref nomodule noresize noshade novalidate nowrap open playsinline readonly "
    "required reversed selected"
).replace(" ", "|")
_TAG = re.compile(
    r"</[a-z][\w:-]*\s*>|<[a-z][\w:-]*\s*/\s*>"  # closing or self-closing
    rf"|<(?:{_ELEMENTS}|[a-z]\w*[:-][\w:-]*)(?:\s+(?:{_BARE}))*\s*/?\s*>"
    r"|<([a-z]\w*)\s*>(?=.*?</\1\s*>)"  # any name, if it is closed later
    r"|<[a-z][\w:-]*\s[^<>]*=[^<>]*>|<!--.*?-->",
    re.DOTALL | re.IGNORECASE,
)  # "I <3 it", "5 < 6" and "a <b and c> d" are not tags: a name is followed by attributes, most of them with `=`
_ESCAPED = re.compile(
    r"&lt;(/[a-z][\w:-]*|br)\s*/?\s*&gt;", re.IGNORECASE
)  # escaped closing tags and breaks, as in feeds
_NO_EXAMPLE = pd.Series([""])  # the report is for sharing, so it shows no ids of users


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
    entries, tables = [], {}
    for name in TABLES:
        frame = getattr(dataset, name)
        if frame is not None:
            frame, dropped = _drop_duplicates(name, frame, compared=name in dataset.compared)
            frame, cleaned = _clean_texts(name, frame)
            tables[name] = frame
            entries += dropped + cleaned
    if "interactions" in tables:
        entries += _note_repeated_ratings(tables["interactions"])
    report = _subtract_deduplicated(dataset.report, entries)
    report = pd.concat([report, pd.DataFrame(entries, columns=report.columns)], ignore_index=True)
    return replace(dataset, **tables, report=_sort_report(report))


def _drop_duplicates(
    table: str, frame: pd.DataFrame, *, compared: bool = False
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Drop rows equal in every column and rows that repeat a review_id; the first is kept.

    Rows of a file whose rows have been `compared` differ in a column that is not read, such as the number of the order:
    they are counted and kept.
    """
    again = find_repeated(hash_rows(frame.drop(columns="attributes", errors="ignore")))
    noted = []
    if compared:
        if table == "interactions" and again.any():
            rule = "same user, item and time as another row that differs in other columns: kept"
            noted = [report_entry(table, rule, "noted", again.sum())]
        again &= False
    repeats = {"exact duplicate": again}
    if table == "reviews":
        repeats["id listed twice"] = frame.duplicated("review_id") & ~repeats["exact duplicate"]
    again = np.logical_or.reduce(list(repeats.values()))
    entries = [
        report_entry(table, rule, "deduplicated", mask.sum(), frame.loc[mask].get("item_id", _NO_EXAMPLE).iloc[0])
        for rule, mask in repeats.items()
        if mask.any()
    ]
    return frame[~again].reset_index(drop=True), entries + noted


def _clean_texts(table: str, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    columns, entries = {}, []
    for column in [column for column in TEXT_COLUMNS if column in frame]:
        cleaned = frame[column].map(clean_text, na_action="ignore").astype("str")
        cleaned = cleaned.mask(cleaned == "")
        changed = frame[column].notna() & (cleaned.fillna("") != frame[column])
        if changed.any():
            columns |= {column: cleaned, f"{column}_raw": frame[column].where(changed)}
            example = frame.loc[changed, column].iloc[0]
            entries.append(report_entry(table, f"untidy {column}", "repaired", changed.sum(), example))
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


def _note_repeated_ratings(interactions: pd.DataFrame) -> list[dict[str, Any]]:
    again = repeated_ratings(interactions)
    if not again.any():
        return []
    return [
        report_entry(
            "interactions", "repeated rating", "noted", again.sum(), interactions.loc[again, "item_id"].iloc[0]
        )
    ]


def _subtract_deduplicated(report: pd.DataFrame, entries: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the report with deduplicated rows subtracted from the kept ones."""
    report = report.copy()
    for entry in entries:
        if entry["action"] == "deduplicated":
            report.loc[(report["table"] == entry["table"]) & (report["action"] == "kept"), "rows"] -= entry["rows"]
    return report


def _sort_report(report: pd.DataFrame) -> pd.DataFrame:
    """Sort the report by table and action, the largest count first."""
    tables = list(TABLES)
    keys = report.assign(
        table=report["table"].map(tables.index), action=report["action"].map(ACTIONS.index), rows=-report["rows"]
    )
    return report.loc[keys.sort_values(["table", "action", "rows"], kind="stable").index].reset_index(drop=True)


# -- smaller data ------------------------------------------------------------------------------------------------------


def sample_users(dataset: Dataset, n_users: int, *, seed: int = 7) -> Dataset:
    """Keep the events and reviews of `n_users` users, drawn by a seeded hash of their ids.

    The hash does not depend on behaviour, so the draw may come before the split. All items are kept, and so are
    reviews without a user.

    Args:
        dataset: cleaned.
        n_users: number of users; 0 keeps all.
        seed: random seed.

    Raises:
        ParameterError: RK-321 n_users is not a whole number from 0.
    """
    if not isinstance(n_users, (int, np.integer)) or n_users < 0:
        raise ParameterError("RK-321", f"n_users is {n_users!r}; expected 0 (all) or more.", "Pass n_users=200.")
    if dataset.interactions is None:
        return dataset
    shoppers = pd.Series(dataset.interactions["user_id"].unique())
    if not n_users or n_users >= len(shoppers):
        return dataset
    chosen = shoppers.iloc[np.argsort(item_hash(f"{seed}:{user}" for user in shoppers), kind="stable")[:n_users]]
    return replace(
        dataset,
        interactions=_keep_users(dataset.interactions, chosen),
        users=None if dataset.users is None else _keep_users(dataset.users, chosen),
        reviews=None if dataset.reviews is None else _keep_users(dataset.reviews, chosen),
    )


def _keep_users(frame: pd.DataFrame, users: pd.Series) -> pd.DataFrame:
    if "user_id" not in frame:
        return frame
    return frame[frame["user_id"].isin(users) | frame["user_id"].isna()].reset_index(drop=True)


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
        raise ParameterError(
            "RK-322", f"k_core is {k!r}; expected a whole number from 1.", "Pass k_core=1 to keep all."
        )
    if k == 1:
        return interactions.copy(deep=False)
    users, items = (pd.factorize(interactions[column])[0] for column in ("user_id", "item_id"))
    pair, different = pd.factorize(users * (items.max(initial=0) + 1) + items)
    users, items = np.divmod(different, items.max(initial=0) + 1)
    kept = np.ones(len(different), dtype=bool)
    while True:
        counts = [np.bincount(ids[kept], minlength=ids.max(initial=0) + 1)[ids] for ids in (users, items)]
        strong = kept & (counts[0] >= k) & (counts[1] >= k)
        if strong.sum() == kept.sum():
            break
        kept = strong
    return interactions[kept[pair]]
