"""Figures: a frame goes in, matplotlib Axes come out. One colour per model or split, the same in every chapter.

The colours are Okabe and Ito's, told apart by colour-blind readers; markers tell them apart in grey print.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
GREY = "#8A8A8A"
COLOURS = {
    "train": BLUE, "valid": ORANGE, "test": VERMILION, "set_aside": GREY, "quarantined": GREY,
    "majority": GREY, "popularity": GREY, "tfidf": ORANGE, "minilm": SKY, "fine-tuned": GREEN,
    "item_knn": GREEN, "ease": BLUE, "content_tfidf": ORANGE, "content_minilm": SKY, "hybrid": VERMILION,
}  # fmt: skip
MARKERS = {"popularity": "s", "item_knn": "^", "ease": "D", "content_tfidf": "v", "content_minilm": "P", "hybrid": "o"}


def colour_of(name: str) -> str:
    """The colour of a model, feature or split; unknown names share one.

    >>> colour_of("train") == BLUE
    True
    """
    return COLOURS.get(name, PURPLE)


def new_axes(*, rows: int = 1, columns: int = 1, height: float = 3.2) -> Axes | Sequence[Axes]:
    """Axes sized for a laptop's notebook: 8 inches wide, `height` inches a row, grid behind, no box.

    One Axes for one panel, else a flat array of `rows * columns`.
    """
    figure, axes = plt.subplots(rows, columns, figsize=(8, height * rows), layout="constrained", squeeze=False)
    for ax in axes.flat:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25)
        ax.set_axisbelow(True)
    return axes[0, 0] if axes.size == 1 else axes.ravel()


def shorten(text: str, width: int = 40) -> str:
    """A title cut to `width` characters for a table or an axis, never in data.

    >>> shorten("A very long title of a product", 12)
    'A very long…'
    """
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


# -- chapter 4 -------------------------------------------------------------------------------------------------------


def plot_leaderboard(metrics: pd.DataFrame, metric: str = "ndcg", k: int = 10) -> Sequence[Axes]:
    """Each model's mean as a dot with its interval, all shoppers and warm shoppers side by side.

    `metrics` has the columns model, slice, metric, k, value, low, high, n_users.
    """
    chosen = metrics.query("metric == @metric and k == @k")
    order = chosen.query("slice == 'all'").sort_values("value", kind="stable")["model"].tolist()
    axes = new_axes(columns=2, height=0.8 + 0.4 * len(order))
    for ax, slice_name in zip(axes, ("all", "warm"), strict=True):
        rows = chosen.query("slice == @slice_name").set_index("model").reindex(order)
        plot_intervals(ax, rows)
        n_users = int(rows["n_users"].max())
        ax.set(title=f"{slice_name} shoppers (n = {n_users:,})", xlabel=f"{metric}@{k}, mean and 95 % interval")
        ax.set_xlim(left=0)
    axes[1].set_yticklabels([])
    return axes


def plot_intervals(ax: Axes, rows: pd.DataFrame) -> None:
    """Dots with intervals, one line per row of the index (a model's name), the last on top."""
    for place, (name, row) in enumerate(rows.iterrows()):
        ax.plot([row["low"], row["high"]], [place, place], color=colour_of(name), linewidth=2)
        ax.plot(row["value"], place, MARKERS.get(name, "o"), color=colour_of(name), markersize=7)
    ax.set_yticks(range(len(rows)), rows.index)


def plot_groups(grouped: pd.DataFrame, groups: Sequence[str], *, xlabel: str, ylabel: str) -> Axes:
    """Means with intervals by group, one line of markers per model, slightly apart so that none hides another.

    `grouped` has the columns model, group, value, low, high, n_users.
    """
    ax = new_axes()
    models = grouped["model"].unique().tolist()
    for place, model in enumerate(models):
        rows = grouped[grouped["model"] == model].set_index("group").reindex(groups)
        x = np.arange(len(groups)) + (place - (len(models) - 1) / 2) * 0.1
        ax.vlines(x, rows["low"], rows["high"], color=colour_of(model), linewidth=1.5)
        ax.plot(x, rows["value"], MARKERS.get(model, "o"), color=colour_of(model), label=model)
    sizes = grouped.groupby("group", observed=True)["n_users"].max()
    ax.set_xticks(range(len(groups)), [f"{group}\n(n = {sizes.get(group, 0):,})" for group in groups])
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set_ylim(bottom=0)
    ax.legend(ncols=len(models), fontsize="small", frameon=False, loc="lower left", bbox_to_anchor=(0, 1))
    return ax


# -- chapter 5 -------------------------------------------------------------------------------------------------------


def plot_trade_off(curve: pd.DataFrame, *, x: str, y: str, label: str) -> Axes:
    """One measure against another along a dial: each point is labelled with the dial's position (`label`)."""
    ax = new_axes()
    ax.errorbar(
        curve[x], curve[y], yerr=[curve[y] - curve["low"], curve["high"] - curve[y]],
        color=VERMILION, marker="o", capsize=3,
    )  # fmt: skip
    for row in curve.itertuples():
        ax.annotate(
            f"{getattr(row, label):g}", (getattr(row, x), getattr(row, y)), xytext=(6, 6), textcoords="offset points"
        )
    ax.set(xlabel=x, ylabel=y)
    ax.set_ylim(bottom=0)
    return ax


# -- chapter 1 -------------------------------------------------------------------------------------------------------


def plot_uneven(interactions: pd.DataFrame) -> Sequence[Axes]:
    """Four panels: how known products are, how active shoppers are, ratings, events by month (where there are any)."""
    axes = new_axes(rows=2, columns=2, height=2.6)
    for ax, column, thing in ((axes[0], "item_id", "product"), (axes[1], "user_id", "shopper")):
        counts = interactions[column].value_counts().to_numpy()
        ax.loglog(range(1, len(counts) + 1), counts, ".", color=BLUE, markersize=4)
        ax.set(title=f"How uneven are {thing}s?", xlabel=f"{thing}, the busiest first", ylabel="events")
    _bars(axes[2], interactions.get("rating"), title="How do shoppers rate?", xlabel="stars")
    months = interactions["timestamp"].dt.tz_localize(None).dt.to_period("M") if "timestamp" in interactions else None
    if months is None:
        axes[3].set_axis_off()
    else:
        counts = months.value_counts().sort_index()
        axes[3].fill_between(counts.index.to_timestamp(), counts, color=BLUE, alpha=0.6, step="mid")
        axes[3].set(title="When do they come?", ylabel="events a month")
        axes[3].tick_params(axis="x", rotation=30)
    return axes


def _bars(ax: Axes, values: pd.Series | None, *, title: str, xlabel: str) -> None:
    """How often each value occurs; an empty panel where there is nothing to count."""
    counts = pd.Series(dtype=float) if values is None else values.value_counts().sort_index()
    if counts.empty:
        ax.set_axis_off()
        return
    ax.bar([f"{value:g}" for value in counts.index], counts, color=BLUE, alpha=0.8)
    ax.set(title=title, xlabel=xlabel, ylabel="events")


def plot_waterfall(steps: pd.DataFrame) -> Axes:
    """One bar a step (`step, change, rows`): pale what stays, in colour what leaves, with its number of rows."""
    shown = steps[(steps["change"] != 0) | (steps["step"] == "train")].iloc[::-1].reset_index(drop=True)
    ax = new_axes(height=0.38 * len(shown) + 0.9)
    for place, row in shown.iterrows():
        if row["step"] in ("read", "train"):
            ax.barh(place, row["rows"], color=BLUE)
            ax.annotate(f" {row['rows']:,}", (row["rows"], place), va="center")
        else:
            ax.barh(place, row["rows"], color=BLUE, alpha=0.25)
            ax.barh(place, -row["change"], left=row["rows"], color=COLOURS.get(row["step"].split(":")[0], BLACK))
            ax.annotate(
                f" {row['change']:,}".replace("-", "\N{MINUS SIGN}"), (row["rows"] - row["change"], place), va="center"
            )
    ax.set_yticks(range(len(shown)), shown["step"])
    ax.grid(axis="y", visible=False)
    ax.margins(x=0.12)
    ax.set(title="Where did the rows go?", xlabel="interactions")
    return ax


def plot_split(parts: Mapping[str, pd.DataFrame], *, ax: Axes | None = None, bins: int = 60) -> Axes:
    """Events over time (or over positions), stacked in the colours of their parts."""
    ax = new_axes(height=2.8) if ax is None else ax
    when = "timestamp" if "timestamp" in next(iter(parts.values())) else "position"
    shown = {name: events[when] for name, events in parts.items() if len(events)}
    values = [times.dt.tz_localize(None) if when == "timestamp" else times for times in shown.values()]
    labels = [f"{name.replace('_', ' ')} ({len(times):,})" for name, times in shown.items()]
    _, edges = np.histogram(np.concatenate([v.astype("int64") for v in values]), bins=bins)
    edges = pd.to_datetime(edges, unit=values[0].dt.unit) if when == "timestamp" else edges
    colours = [colour_of(name) for name in shown]
    ax.hist(values, bins=edges, stacked=True, color=colours, label=labels)
    ax.set(
        title="Which events may a model learn from?", ylabel="events", xlabel="" if when == "timestamp" else "position"
    )
    ax.legend(frameon=False)
    return ax
