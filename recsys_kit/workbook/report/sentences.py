"""Sentences of chapter 01 about a data set, in Markdown; numbers are computed, the words are in `sentences.toml`."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from recsys_kit.data import cleaning, declared, describe, rehearsal, sources, splitting, tables
from recsys_kit.errors import DataError
from recsys_kit.plots import shorten
from recsys_kit.workbook.report.wording import read_texts, say

KINDS = ("view", "cart", "purchase", "rating")  # kinds of events in their usual order
NOTES = {"cautioned": 0, "repaired": 1, "noted": 2}  # actions on rows that are kept, in the order of the list
TEXTS = read_texts(__file__)
LINES = "  \n"  # sentences on lines of their own, in Markdown


def introduction(shop: tables.Dataset) -> str:
    """Describe the data set in numbers, and whether it is simulated."""
    found = describe.facts(shop)
    extra = int(found["n_items"]) - int(shop.row_counts()["kept"].get("items", found["n_items"]))
    known = {"simulated": shop.truth is not None, "has_events": shop.interactions is not None, "n_extra": extra}
    return say(TEXTS["introduction"], **found, **known).replace("\n", "\n\n")


def asked(shop: tables.Dataset, answers: Mapping[str, str]) -> str:
    """List the answers of a named data set and those that differ from the defaults; cautions, repairs and notes."""
    notes = shop.report[shop.report["action"].isin(NOTES)].sort_values("action", key=lambda action: action.map(NOTES))
    notes = notes[~notes["rule"].str.startswith(tuple(f"{kind}:" for kind in cleaning.FLAGS))]
    forms = [form for form in declared.DECLARED.get(shop.name, {}).get("forms", []) if "columns" in form]
    given = {name: answer for name, answer in answers.items() if answer not in ("", splitting.METHODS[0])}
    return say(TEXTS["asked"], name=shop.name, forms=forms, given=given, notes=notes.to_dict("records"))


def example_question(interactions: pd.DataFrame) -> str:
    """Return what is asked about a file of the first events if every third of them has the user `NULL`."""
    events = interactions.filter(["user_id", "item_id", "timestamp", "position"]).head(300)
    guests = events.assign(user_id=events["user_id"].mask(pd.RangeIndex(len(events)) % 3 == 0, "NULL"))
    with TemporaryDirectory() as folder:
        guests.to_csv(path := Path(folder, "events.csv"), index=False)
        try:
            sources.load_dataset("files", interactions=path)
        except DataError as question:
            return str(question)
    return "Nothing is asked: there are too few events or shoppers."


def cleaned_texts(shop: tables.Dataset, n: int = 2) -> pd.DataFrame:
    """Return n texts of each column as they came and cleaned, from shortly before the first difference on.

    More than one space is shown as ␣.
    """
    frames = [frame for frame in (shop.items, shop.reviews) if frame is not None]
    rows = []
    for table, column in [(frame, column) for frame in frames for column in frame if f"{column}_raw" in frame]:
        pairs = table[[f"{column}_raw", column]].dropna()
        pairs = pairs.sort_values(f"{column}_raw", key=lambda texts: ~texts.str.contains("[<&]"), kind="stable")
        for pair in pairs.head(n).itertuples(index=False):
            n_equal = next((n for n, signs in enumerate(zip(*pair, strict=False)) if len({*signs}) > 1), len(pair[1]))
            start = max(0, n_equal - 10)
            parts = (("…" if start else "") + text[start : start + 45] for text in pair)
            rows.append((column, *(re.sub(r"\s{2,}", lambda spaces: "␣" * len(spaces[0]), part) for part in parts)))
    return pd.DataFrame(rows, columns=["column", "as it came", "cleaned"])


def near_duplicates(shop: tables.Dataset, n: int = 2) -> str:
    """Show n near-duplicates of the first reviews, each with the earlier text that is most like it; "" without any."""
    if shop.reviews is None or shop.reviews.empty:
        return ""
    texts = shop.reviews["text"].dropna().head(2_000)
    places = (cleaning.find_near_duplicates(texts) & ~texts.duplicated()).to_numpy().nonzero()[0][:n]
    near = {texts.iloc[at]: difflib.get_close_matches(texts.iloc[at], texts.iloc[:at], 1, 0)[0] for at in places}
    pairs = [(shorten(text, 200), shorten(earlier, 200)) for text, earlier in near.items()]
    return say(TEXTS["near_duplicates"], pairs=pairs, simulated=shop.truth is not None)


def first_rows(frame: pd.DataFrame | None, n: int = 3) -> pd.DataFrame:
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
    rows = shown.head(n).map(lambda value: shorten(value, 50) if isinstance(value, str) else value)
    return rows.loc[:, rows.map(lambda value: not isinstance(value, list) or value != []).any()]


def funnel(interactions: pd.DataFrame) -> pd.DataFrame:
    """Count events, pairs of user and item, users and items of each kind of event.

    >>> events = pd.DataFrame({"user_id": ["a", "a"], "item_id": ["x", "x"], "event": ["purchase", "view"]})
    >>> funnel(events).index.tolist()
    ['view', 'purchase', 'all']
    """
    pair = interactions.groupby(["user_id", "item_id"]).ngroup()
    seen = pair.where(interactions["event"] == "view").dropna().unique()
    events = interactions[["user_id", "item_id", "event"]].assign(pair=pair, unseen=pair.mask(pair.isin(seen)))
    table = pd.concat([events, events.assign(event="all")]).groupby("event").agg(**{
        "events": ("pair", "size"),
        "pairs of shopper and product": ("pair", "nunique"),
        "pairs without a view": ("unseen", "nunique"),
        "shoppers": ("user_id", "nunique"),
        "products": ("item_id", "nunique"),
    })  # fmt: skip
    order = [*KINDS, *table.index.difference([*KINDS, "all"]), "all"]
    table = table.loc[[kind for kind in order if kind in table.index]].rename_axis("kind of event")
    return table if "view" in table.index else table.drop(columns="pairs without a view")


def how_uneven(shop: tables.Dataset) -> str:
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
            months = events["timestamp"].dt.tz_localize(None).dt.to_period("M").value_counts()
            found |= {"month": months.index[0], "most": months.iloc[0], "first": months.sort_index().iloc[0]}
    if reviews is not None and "label" in reviews:
        found["labels"] = reviews["label"].value_counts(normalize=True).tolist()
    return say(TEXTS["how_uneven"], **found).replace("\n", LINES)


def cold_start(split: splitting.Split) -> str:
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
    (ours,) = table.columns.drop(rehearsal.AT_RANDOM)
    margins = half_widths.pow(2).sum(axis=1, skipna=False).pow(0.5)  # of two groups: half widths add as squares
    rows = zip(table.index, table[rehearsal.AT_RANDOM], table[ours], margins, strict=True)
    return say(TEXTS["kinder_cut"], rows=rows, random_name=rehearsal.AT_RANDOM, our_name=ours).replace("\n", LINES)
