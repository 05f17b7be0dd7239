"""Five small figures of the data of a run, from `results/data_report.json` and the labels of the reviews."""

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
    """A part of a bar: name, size, colour, and the size as text."""

    name: str
    size: float
    colour: str
    shown: str


@dataclass(frozen=True)
class Bar:
    """A horizontal bar; its full width stands for `whole`."""

    label: str
    parts: Sequence[Part]
    whole: float


@dataclass(frozen=True)
class Figure:
    """A question, the number that answers it, a sentence, and bars or `squares` filled squares of a thousand."""

    title: str
    number: str
    words: str
    bars: Sequence[Bar] = ()
    squares: int | None = None


def make_data_figures(report: Mapping[str, Any], classification: Mapping[str, Any]) -> list[Figure]:
    """Return the figures for which there is data, at most five."""
    counts = report.get("counts")
    counts = counts if isinstance(counts, Mapping) else {}
    makers = (show_rows(report), show_split(counts, report), show_density(counts), show_cold(report, counts),
              show_labels(classification))  # fmt: skip
    return [figure for figure in makers if figure]


def make_bar(label: str, parts: Mapping[str, float], colours: Mapping[str, str]) -> Bar:
    """Return a bar of the parts that are not empty."""
    pieces = [
        Part(plots.PART_NAMES.get(name, name), size, colours[name], short(size)) for name, size in parts.items() if size
    ]
    return Bar(label, pieces, sum(parts.values()))


def count_rows(report: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Count the rows of each table that were kept, deduplicated and quarantined.

    >>> count_rows({"report": [{"table": "items", "action": "kept", "rows": 5}]})
    {'items': {'kept': 5, 'deduplicated': 0, 'quarantined': 0}}
    """
    found: dict[str, dict[str, int]] = {}
    for line in report.get("report") or []:
        if isinstance(line, Mapping) and line.get("action") in FATES:
            table = found.setdefault(str(line.get("table", "")), dict.fromkeys(FATES, 0))
            table[line["action"]] += line.get("rows") or 0
    return {table: fates for table, fates in found.items() if sum(fates.values())}


def show_rows(report: Mapping[str, Any]) -> Figure | None:
    """Show the outcome of the rows of each table."""
    tables = count_rows(report)
    if not tables:
        return None
    read = sum(sum(fates.values()) for fates in tables.values())
    lost = {fate: sum(fates[fate] for fates in tables.values()) for fate in FATES}
    twice, set_apart = share(lost["deduplicated"], read), share(lost["quarantined"], read)
    words = f"rows read; {twice} duplicates, {set_apart} quarantined"
    bars = [make_bar(table, fates, FATES) for table, fates in tables.items()]
    return Figure("What came in?", short(read), words, bars)


def show_split(counts: Mapping[str, Any], report: Mapping[str, Any]) -> Figure | None:
    """Show the parts of the split in events and, for a split by time, in days."""
    sizes = {part: counts.get(f"n_{part}") or 0 for part in PARTS}
    if not sizes["train"]:
        return None
    colours = {part: plots.colour_of(part) for part in PARTS}
    days = list(_count_days(counts, report))
    words = "events; the latest are kept to be predicted"
    if counts.get("first_day") and counts.get("last_day"):
        first, last = (str(counts[day]).replace("-", UNBROKEN) for day in ("first_day", "last_day"))
        words = f"events from {first} to {last}; the latest are kept to be predicted"
    bars = [make_bar("in events", sizes, colours)]
    if days:
        bars.append(make_bar("in days", dict(zip(PARTS[:3], days, strict=True)), colours))
    return Figure("What is learned from?", short(sum(sizes.values())), words, bars)


def _count_days(counts: Mapping[str, Any], report: Mapping[str, Any]) -> Iterator[int]:
    """Yield the days of train, valid and test; nothing if the split is not by time."""
    cuts = (report.get("split") or {}).get("cuts") if isinstance(report.get("split"), Mapping) else None
    if not isinstance(cuts, list) or len(cuts) != 2:
        return
    moments = [counts.get("first_day"), *cuts, counts.get("last_day")]
    dates = pd.to_datetime(pd.Series(moments, dtype=object), errors="coerce", utc=True, format="ISO8601")
    if dates.notna().all() and dates.is_monotonic_increasing:
        yield from (max((after - before).days, 1) for before, after in pairwise(dates.dt.normalize()))


def show_density(counts: Mapping[str, Any]) -> Figure | None:
    """Show the share of pairs of a user and an item that have an interaction."""
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


def count_cold(report: Mapping[str, Any]) -> dict[str, int]:
    """Count the users and items of the test set, and the cold ones among them; empty if unknown."""
    cold = report.get("cold")
    if isinstance(cold, Mapping):
        names = {"shoppers": "n_test_users", "new shoppers": "n_cold_test_users"}
        return {name: int(cold[key]) for name, key in names.items() if cold.get(key) is not None}
    rows = [row for row in cold or [] if isinstance(row, Mapping) and row.get("part") == "test"]
    return {key: int(value) for key, value in rows[0].items() if isinstance(value, int)} if rows else {}


def show_cold(report: Mapping[str, Any], counts: Mapping[str, Any]) -> Figure | None:
    """Show the cold users and items of the test set, and the items without interactions."""
    cold = count_cold(report)
    if not cold.get("shoppers"):
        return None
    colours = {"known": plots.BLUE, "new": plots.ORANGE, "with interactions": plots.BLUE, "without": plots.GREY}
    bars = []
    for thing in ("shoppers", "products"):
        if cold.get(thing) and f"new {thing}" in cold:
            new = cold[f"new {thing}"]
            bars.append(make_bar(f"{thing} in test", {"known": cold[thing] - new, "new": new}, colours))
    met, items = counts.get("n_items_met"), counts.get("n_items")
    if met and items and items >= met:
        bars.append(make_bar("products in all", {"with interactions": met, "without": items - met}, colours))
    new = cold.get("new shoppers", 0)
    words = f"of the {counted(cold['shoppers'], 'shopper')} in test have no interaction in the training set"
    return Figure("Who is new?", short(new), words, bars)


def show_labels(classification: Mapping[str, Any]) -> Figure | None:
    """Show how often each label occurs in the reviews of the test set."""
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
