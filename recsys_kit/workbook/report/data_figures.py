"""Five small figures of the data of a run, from `results/data_report.json` and the labels of the reviews.

Their words are in `data_figures.toml`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from recsys_kit import plots
from recsys_kit.workbook.report.wording import read_texts, say

PARTS = ("train", "valid", "test", "set_aside")
NEW = {"known": plots.BLUE, "new": plots.ORANGE, "with interactions": plots.BLUE, "without": plots.GREY}
TEXTS = read_texts(__file__)


class Part(NamedTuple):
    """A part of a bar."""

    name: str
    size: float
    colour: str


class Bar(NamedTuple):
    """A horizontal bar; its full width stands for `whole`."""

    label: str
    parts: Sequence[Part]
    whole: float


class Figure(NamedTuple):
    """A question, the number that answers it, a sentence, and bars or `squares` filled squares of a thousand."""

    title: str
    number: str
    words: str
    bars: Sequence[Bar]
    squares: int | None


def make_data_figures(report: Mapping[str, Any], classification: Mapping[str, Any]) -> list[Figure]:
    """Return the figures for which there is data, at most five."""
    counts = report.get("counts") or {}
    return [
        *show_rows(report),
        *show_split(counts, report.get("split") or {}),
        *show_density(counts),
        *show_cold(report.get("cold") or {}, counts),
        *show_labels(classification.get("classifiers") or {}),
    ]


def make_figure(name: str, bars: Sequence[Bar] = (), squares: int | None = None, **facts: Any) -> Figure:
    """Return a figure with the texts of its name, filled with facts."""
    title, number, words = (say(text, squares=squares, **facts) for text in TEXTS[name].values())
    return Figure(title, number, words, bars, squares)


def make_bar(label: str, parts: Mapping[str, float], colours: Mapping[str, str]) -> Bar:
    """Return a bar of the parts that are not empty."""
    pieces = [Part(plots.PART_NAMES.get(name, name), size, colours[name]) for name, size in parts.items() if size]
    return Bar(label, pieces, sum(parts.values()))


def count_rows(report: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Count the rows of each table that were kept, deduplicated, quarantined and dropped.

    >>> count_rows({"report": [{"table": "items", "action": "kept", "rows": 5}]})
    {'items': {'kept': 5, 'deduplicated': 0, 'quarantined': 0, 'dropped': 0}}
    """
    found: dict[str, dict[str, int]] = {}
    for line in report.get("report") or []:
        if line["action"] in plots.FATES:
            found.setdefault(line["table"], dict.fromkeys(plots.FATES, 0))[line["action"]] += line["rows"]
    return {table: fates for table, fates in found.items() if sum(fates.values())}


def show_rows(report: Mapping[str, Any]) -> Iterator[Figure]:
    """Show the outcome of the rows of each table."""
    if tables := count_rows(report):
        totals = {fate: sum(fates[fate] for fates in tables.values()) for fate in plots.FATES}
        bars = [make_bar(table, fates, plots.FATES) for table, fates in tables.items()]
        yield make_figure("rows", bars, read=sum(totals.values()), **totals)


def show_split(counts: Mapping[str, Any], split: Mapping[str, Any]) -> Iterator[Figure]:
    """Show the parts of the split in events and, for a split by time, in days."""
    sizes = {part: counts.get(f"n_{part}") or 0 for part in PARTS}
    if sizes["train"]:
        bars = [make_bar("in events", sizes, plots.COLOURS)]
        if days := _count_days([counts.get("first_day"), *(split.get("cuts") or ()), counts.get("last_day")]):
            bars.append(make_bar("in days", dict(zip(PARTS, days, strict=False)), plots.COLOURS))
        yield make_figure("split", bars, n=sum(sizes.values()), **counts)


def _count_days(moments: Sequence[Any]) -> list[int]:
    """Return the days of train, valid and test; empty if the split is not by time."""
    days = pd.to_datetime(pd.Series(moments, dtype=object), errors="coerce", utc=True, format="ISO8601")
    ordered = len(days) == len(PARTS) and days.notna().all() and days.is_monotonic_increasing
    return days.dt.normalize().diff().dt.days[1:].clip(lower=1).astype(int).tolist() if ordered else []


def show_density(counts: Mapping[str, Any]) -> Iterator[Figure]:
    """Show the share of pairs of a user and an item that have an interaction."""
    if density := counts.get("density"):
        yield make_figure("density", squares=round(1000 * density), **counts)


def show_cold(cold: Mapping[str, int], counts: Mapping[str, Any]) -> Iterator[Figure]:
    """Show the cold users of the test set, and the items without interactions."""
    if n := cold.get("n_test_users"):
        new, met, items = cold["n_cold_test_users"], counts.get("n_items_met") or 0, counts.get("n_items") or 0
        bars = [make_bar("shoppers in test", {"known": n - new, "new": new}, NEW)]
        if items >= met > 0:
            bars.append(make_bar("products in all", {"with interactions": met, "without": items - met}, NEW))
        yield make_figure("cold", bars, n=n, new=new)


def show_labels(classifiers: Mapping[str, Any]) -> Iterator[Figure]:
    """Show how often each label occurs in the reviews of the test set."""
    classes = next((scores["per_class"] for scores in classifiers.values() if scores.get("per_class")), [])
    sizes = {str(one["label"]): one["support"] for one in classes}
    if n := sum(sizes.values()):
        largest = max(sizes.values())
        most = next(label for label, size in sizes.items() if size == largest)
        bars = [Bar(label, [Part("", size, plots.BLUE)], largest) for label, size in sizes.items()]
        yield make_figure("labels", bars, n=n, most=most, largest=largest)
