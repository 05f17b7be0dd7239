"""The data of a run in five small figures, drawn from `results/data_report.json` and the labels of the reviews."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd

from recsys_kit import plots
from recsys_kit.workbook.report.pages import counted, share, short

UNBROKEN = "\N{NON-BREAKING HYPHEN}"  # a date stays on one line
PARTS = ("train", "valid", "test", "set_aside")
FATES = {"kept": plots.BLUE, "deduplicated": plots.ORANGE, "quarantined": plots.GREY}


@dataclass(frozen=True)
class Part:
    """A piece of a bar: what it is, how much, its colour, and how much in words."""

    name: str
    size: float
    colour: str
    shown: str


@dataclass(frozen=True)
class Bar:
    """A bar from left to right; `whole` is what its full width means."""

    label: str
    parts: Sequence[Part]
    whole: float


@dataclass(frozen=True)
class Figure:
    """A question, the number that answers it, a sentence, and bars or a thousand squares of which some are filled."""

    title: str
    number: str
    words: str
    bars: Sequence[Bar] = ()
    squares: int | None = None


def data_figures(report: Mapping[str, Any], classification: Mapping[str, Any]) -> list[Figure]:
    """The figures for which there are numbers, at most five."""
    counts = report.get("counts")
    counts = counts if isinstance(counts, Mapping) else {}
    makers = (rows_figure(report), split_figure(counts, report), density_figure(counts), new_figure(report, counts),
              label_figure(classification))  # fmt: skip
    return [figure for figure in makers if figure]


def bar(label: str, parts: Mapping[str, float], colours: Mapping[str, str]) -> Bar:
    """A bar of the parts that are not empty."""
    pieces = [
        Part(plots.PART_NAMES.get(name, name), size, colours[name], short(size)) for name, size in parts.items() if size
    ]
    return Bar(label, pieces, sum(parts.values()))


def rows_read(report: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Table -> rows kept, deduplicated and quarantined, of the tables that were read.

    >>> rows_read({"report": [{"table": "items", "action": "kept", "rows": 5}]})
    {'items': {'kept': 5, 'deduplicated': 0, 'quarantined': 0}}
    """
    found: dict[str, dict[str, int]] = {}
    for line in report.get("report") or []:
        if isinstance(line, Mapping) and line.get("action") in FATES:
            table = found.setdefault(str(line.get("table", "")), dict.fromkeys(FATES, 0))
            table[line["action"]] += line.get("rows") or 0
    return {table: fates for table, fates in found.items() if sum(fates.values())}


def rows_figure(report: Mapping[str, Any]) -> Figure | None:
    """What became of the rows of each table."""
    tables = rows_read(report)
    if not tables:
        return None
    read = sum(sum(fates.values()) for fates in tables.values())
    lost = {fate: sum(fates[fate] for fates in tables.values()) for fate in FATES}
    twice, set_apart = share(lost["deduplicated"], read), share(lost["quarantined"], read)
    words = f"rows read; {twice} duplicates, {set_apart} quarantined"
    bars = [bar(table, fates, FATES) for table, fates in tables.items()]
    return Figure("What came in?", short(read), words, bars)


def split_figure(counts: Mapping[str, Any], report: Mapping[str, Any]) -> Figure | None:
    """Which events a model learns from, counted in events and, where there are dates, in days."""
    sizes = {part: counts.get(f"n_{part}") or 0 for part in PARTS}
    if not sizes["train"]:
        return None
    colours = {part: plots.colour_of(part) for part in PARTS}
    days = list(_days(counts, report))
    words = "events; the latest are kept to be predicted"
    if counts.get("first_day") and counts.get("last_day"):
        first, last = (str(counts[day]).replace("-", UNBROKEN) for day in ("first_day", "last_day"))
        words = f"events from {first} to {last}; the latest are kept to be predicted"
    bars = [bar("in events", sizes, colours)]
    if days:
        bars.append(bar("in days", dict(zip(PARTS[:3], days, strict=True)), colours))
    return Figure("What is learned from?", short(sum(sizes.values())), words, bars)


def _days(counts: Mapping[str, Any], report: Mapping[str, Any]) -> Iterator[int]:
    """Days of train, valid and test of a split by time; nothing where it was cut in another way."""
    cuts = (report.get("split") or {}).get("cuts") if isinstance(report.get("split"), Mapping) else None
    if not isinstance(cuts, list) or len(cuts) != 2:
        return
    moments = [counts.get("first_day"), *cuts, counts.get("last_day")]
    dates = pd.to_datetime(pd.Series(moments, dtype=object), errors="coerce", utc=True, format="ISO8601")
    if dates.notna().all() and dates.is_monotonic_increasing:
        yield from (max((after - before).days, 1) for before, after in pairwise(dates.dt.normalize()))


def density_figure(counts: Mapping[str, Any]) -> Figure | None:
    """How many of all pairs of a shopper and a product have an interaction."""
    density, users = counts.get("density"), counts.get("n_users")
    items = counts.get("n_items_met") or counts.get("n_items")
    if not density or not users or not items:
        return None
    squares = round(1000 * density)
    words = (
        f"of the pairs of {counted(users, 'shopper')} and {counted(items, 'product')} have an interaction: "
        f"{short(squares) if squares else 'less than one'} of these 1,000 squares"
    )
    return Figure("How much is known?", f"{short(100 * density)} %", words, squares=squares)


def cold_in_test(report: Mapping[str, Any]) -> dict[str, int]:
    """Shoppers and products of the test part, and how many of them train has never seen; empty where unknown."""
    cold = report.get("cold")
    if isinstance(cold, Mapping):
        names = {"shoppers": "n_test_users", "new shoppers": "n_cold_test_users"}
        return {name: int(cold[key]) for name, key in names.items() if cold.get(key) is not None}
    rows = [row for row in cold or [] if isinstance(row, Mapping) and row.get("part") == "test"]
    return {key: int(value) for key, value in rows[0].items() if isinstance(value, int)} if rows else {}


def new_figure(report: Mapping[str, Any], counts: Mapping[str, Any]) -> Figure | None:
    """Which shoppers and products of the test set are new to training, and which products have no interaction."""
    cold = cold_in_test(report)
    if not cold.get("shoppers"):
        return None
    colours = {"known": plots.BLUE, "new": plots.ORANGE, "with interactions": plots.BLUE, "without": plots.GREY}
    bars = []
    for thing in ("shoppers", "products"):
        if cold.get(thing) and f"new {thing}" in cold:
            new = cold[f"new {thing}"]
            bars.append(bar(f"{thing} in test", {"known": cold[thing] - new, "new": new}, colours))
    met, items = counts.get("n_items_met"), counts.get("n_items")
    if met and items and items >= met:
        bars.append(bar("products in all", {"with interactions": met, "without": items - met}, colours))
    new = cold.get("new shoppers", 0)
    words = f"of the {counted(cold['shoppers'], 'shopper')} in test are new: training has never seen them"
    return Figure("Who is new?", short(new), words, bars)


def label_figure(classification: Mapping[str, Any]) -> Figure | None:
    """How often each label is given to a review of the test part."""
    named = classification.get("classifiers")
    scores = [one for one in named.values() if isinstance(one, Mapping)] if isinstance(named, Mapping) else []
    classes = next((one["per_class"] for one in scores if isinstance(one.get("per_class"), list)), [])
    sizes = {
        str(one["label"]): one.get("support") or 0 for one in classes if isinstance(one, Mapping) and "label" in one
    }
    if not sum(sizes.values()):
        return None
    most = max(sizes, key=lambda label: sizes[label])
    words = f"of {counted(sum(sizes.values()), 'review')} in test have the label “{most}”, the most frequent one"
    bars = [Bar(label, [Part("", size, plots.BLUE, short(size))], sizes[most]) for label, size in sizes.items()]
    return Figure("What do reviews say?", share(sizes[most], sum(sizes.values())), words, bars)
