"""Figures: functions take a frame and return matplotlib Axes. A model or split has one colour in every chapter.

Colours and markers are in `plots.toml`. A figure without data is one sentence that says so.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import date2num

LOOKS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE, GREY = LOOKS["colours"].values()
FOR, AGAINST = BLUE, ORANGE  # of a word that speaks for a label, or against it
FATES = {"kept": BLUE, "deduplicated": ORANGE, "quarantined": GREY, "dropped": VERMILION}  # of rows
PART_NAMES = {"set_aside": "replaced or set aside"}  # part of a split -> its name in a figure
FAMILIES = {family: LOOKS["colours"][colour] for family, colour in LOOKS["families"].items()}
COLOURS = {model: FAMILIES[family] for family, models in LOOKS["markers"].items() for model in models}
COLOURS |= {name: LOOKS["colours"][colour] for name, colour in LOOKS["others"].items()}
MARKERS = {model: marker for models in LOOKS["markers"].values() for model, marker in models.items()}
OTHER_COLOURS = (ORANGE, SKY, GREEN, BLUE, PURPLE, BLACK)
OTHER_MARKERS = ((5, 1, 0), (5, 0, 45), (5, 2, 0), (9, 1, 0), (6, 2, 0), (3, 0, 30), (10, 0, 0))


def register_families(families: Mapping[str, str]) -> None:
    """Give models the colours of their families; the line-up registers its models.

    Args:
        families: name of a model -> name of its family, one of `FAMILIES`; an unknown family has no colour.
    """
    new = {model: FAMILIES[family] for model, family in families.items() if family in FAMILIES}
    COLOURS.update(new | COLOURS)


def colour_of(name: str) -> str:
    """Return the colour of a model, feature or split: its own, that of its family, or one by a hash of its name.

    >>> colour_of("train") == BLUE, colour_of("my_model") == colour_of("my_model")
    (True, True)
    """
    return COLOURS.get(name, OTHER_COLOURS[crc32(name.encode()) % len(OTHER_COLOURS)])


def marker_of(name: str) -> str | tuple[int, int, int]:
    """Return the marker of a model: its own, or one by a hash of its name.

    >>> marker_of("hybrid"), marker_of("my_model") in OTHER_MARKERS
    ('o', True)
    """
    other = OTHER_MARKERS[crc32(name.encode()[::-1]) % len(OTHER_MARKERS)]
    marker = MARKERS.get(name, "o" if name in LOOKS["others"] else other)
    return marker if isinstance(marker, str) else tuple(marker)


def style_of(name: str) -> dict[str, Any]:
    """Return colour and marker of a model, as arguments of matplotlib."""
    return {"color": colour_of(name), "marker": marker_of(name)}


def metric_label(metric: str, k: int) -> str:
    """Return the label of a metric for an axis.

    >>> metric_label("ndcg", 10), metric_label("novelty", 10)
    ('NDCG@10', 'novelty@10 (bits)')
    """
    name = metric.upper() if metric in ("ndcg", "map", "mrr", "f1") else metric.replace("_", " ")
    return f"{name}@{k}" + (" (bits)" if metric == "novelty" else "")


def new_panels(columns: int, *, rows: int = 1, height: float = 3.2) -> list[Axes]:
    """Return the Axes of a figure for a notebook, row by row: 8 inches wide, `height` inches for each row."""
    plt.draw_if_interactive()  # loads the backend: inside the context, its `interactive` would be reset with the style
    with plt.rc_context(LOOKS["style"]):
        _, axes = plt.subplots(rows, columns, figsize=(8, height * rows), layout="constrained", squeeze=False)
    return list(axes.flat)


def new_axes(*, height: float = 3.2) -> Axes:
    """Return the Axes of a figure with one panel."""
    return new_panels(1, height=height)[0]


def nothing_to_show(reason: str) -> Axes:
    """Draw a figure that says in one sentence why it has no data."""
    ax = new_axes(height=0.6)
    ax.set_axis_off()
    ax.text(0, 0.5, f"Nothing to show here: {reason}.", style="italic", va="center", transform=ax.transAxes)
    return ax


def _legend(ax: Axes, *, beside: bool = False, **options: Any) -> None:
    """Add a legend if there is something to name, to the right of the panel or inside it."""
    place = {"loc": "upper left", "bbox_to_anchor": (1, 1), "fontsize": "small"} if beside else {}
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, **place | options)


def shorten(text: str, width: int = 40) -> str:
    """Shorten a title to `width` characters, for a table or an axis.

    >>> shorten("A very long title of a product", 12)
    'A very long…'
    """
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


# -- chapter 4 -------------------------------------------------------------------------------------------------------


def plot_leaderboard(metrics: pd.DataFrame, metric: str = "ndcg", k: int = 10) -> list[Axes]:
    """Plot the mean of each model with its interval: for all users, and for warm users if some are cold.

    Args:
        metrics: columns model, slice, metric, k, value, low, high, n_users.
        metric: the metric to plot.
        k: the list length.
    """
    chosen, label = metrics.query("metric == @metric and k == @k"), metric_label(metric, k)
    if chosen.empty:
        return [nothing_to_show(f"{label} was not measured")]
    order = chosen.query("slice == 'all'").sort_values("value", kind="stable")["model"].tolist()
    sizes = chosen.groupby("slice")["n_users"].max()
    slices = ["all"] if sizes.get("warm") == sizes.get("all") else ["all", "warm"]
    axes = new_panels(len(slices), height=0.8 + 0.4 * len(order))
    for ax, name in zip(axes, slices, strict=True):
        plot_intervals(ax, chosen[chosen["slice"] == name].set_index("model").reindex(order))
        title = f"{name} shoppers (n = {int(sizes.get(name, 0)):,})"
        ax.set(title=title, xlabel=f"{label}, mean and 95 % interval", xlim=(0, None))
    for ax in axes[1:]:
        ax.set_yticklabels([])
    return axes


def plot_intervals(ax: Axes, rows: pd.DataFrame, labels: Sequence[str] | None = None) -> None:
    """Plot dots with intervals, one line for each row, the last on top.

    Args:
        ax: where to plot.
        rows: columns value, low, high; the index names the model, which decides colour and marker.
        labels: text of each line; the index by default.
    """
    for place, (name, row) in enumerate(rows.iterrows()):
        ax.plot([row["low"], row["high"]], [place, place], color=colour_of(name), linewidth=2, alpha=0.6)
        ax.plot(row["value"], place, markersize=7, **style_of(name))
    ax.set_yticks(range(len(rows)), [str(label).replace("$", r"\$") for label in (labels or rows.index)])


def plot_against(
    metrics: pd.DataFrame, metric: str, others: Sequence[str], k: int, *, named: Sequence[str]
) -> list[Axes]:
    """Plot one metric of each model against others, a panel for each, with intervals of both.

    Args:
        metrics: as for `plot_leaderboard`.
        metric: on the vertical axis.
        others: on the horizontal axes; those that were not measured have no panel.
        k: the list length.
        named: the models to highlight; the others are pale.
    """
    chosen = metrics.query("slice == 'all' and k == @k").set_index("model")
    measured = [other for other in others if {metric, other} <= set(chosen["metric"])]
    if not measured:
        wanted = ", ".join(metric_label(other, k) for other in others)
        return [nothing_to_show(f"{wanted} and {metric_label(metric, k)} were not both measured")]
    axes = new_panels(len(measured), height=3.4)
    heights = chosen[chosen["metric"] == metric]
    for ax, other in zip(axes, measured, strict=True):
        widths = chosen[chosen["metric"] == other]
        for name in [*heights.index.difference(named), *named]:
            y, x = heights.loc[name], widths.loc[name]
            shown = {"color": colour_of(name), "alpha": 1} if name in named else {"color": GREY, "alpha": 0.35}
            ax.hlines(y["value"], x["low"], x["high"], linewidth=1, **shown)
            ax.vlines(x["value"], y["low"], y["high"], linewidth=1, **shown)
            ax.plot(x["value"], y["value"], marker=marker_of(name), label=name if name in named else "_", **shown)
        ax.set(xlabel=metric_label(other, k), ylim=(0, None))
    axes[0].set_ylabel(metric_label(metric, k))
    _legend(axes[-1], beside=True)
    return axes


def plot_groups(grouped: pd.DataFrame, groups: Sequence[str], *, xlabel: str, ylabel: str) -> Axes:
    """Plot means with intervals by group, the models of a group side by side.

    Args:
        grouped: columns model, group, value, low, high, n_users.
        groups: the groups in the order of the axis.
        xlabel: what the groups are.
        ylabel: what the values are.
    """
    if grouped["value"].dropna().empty:
        return nothing_to_show(f"no shopper was evaluated by {xlabel}")
    ax = new_axes()
    models = grouped["model"].unique().tolist()
    for place, model in enumerate(models):
        rows = grouped[grouped["model"] == model].set_index("group").reindex(groups)
        x = np.arange(len(groups)) + (place - (len(models) - 1) / 2) * 0.1
        ax.vlines(x, rows["low"], rows["high"], color=colour_of(model), linewidth=1.5)
        ax.plot(x, rows["value"], label=model, linestyle="", clip_on=False, **style_of(model))
    sizes = grouped.groupby("group", observed=True)["n_users"].max()
    ax.set_xticks(range(len(groups)), [f"{shorten(group, 18)}\n(n = {sizes.get(group, 0):,})" for group in groups])
    ax.set(xlabel=xlabel, ylabel=ylabel, ylim=(0, None))
    _legend(ax, beside=True)
    return ax


def plot_experience_weights(by_weights: pd.DataFrame, defaults: Mapping[str, float]) -> list[Axes]:
    """Plot the user-experience index of each model for weights of a component from 0 to 1.

    Where two lines cross, the better model changes.

    Args:
        by_weights: columns model, component, weight, value.
        defaults: component -> default weight of the index, a dashed line.
    """
    if by_weights["value"].dropna().empty:
        return [nothing_to_show("the parts of the index were not measured")]
    axes = new_panels(len(defaults))
    for ax, (component, default) in zip(axes, defaults.items(), strict=True):
        for model, rows in by_weights[by_weights["component"] == component].groupby("model", sort=False):
            ax.plot(rows["weight"], rows["value"], label=model, markevery=5, markersize=4, **style_of(model))
        ax.axvline(default, color=BLACK, linestyle="--", linewidth=0.8)
        ax.set(title=f"More {component}?", xlabel=f"weight of {component}")
    axes[0].set_ylabel("user-experience index")
    _legend(axes[-1], beside=True)
    return axes


# -- chapter 5 -------------------------------------------------------------------------------------------------------


def plot_trade_off(curve: pd.DataFrame, *, x: str, y: str, label: str) -> Axes:
    """Plot one metric against another for settings of a parameter; `label` is the column that names each point."""
    if curve[[x, y]].dropna().empty:
        return nothing_to_show(f"{x} and {y} were not measured")
    ax, ends = new_axes(), [curve[y] - curve["low"], curve["high"] - curve[y]]
    ax.errorbar(curve[x], curve[y], yerr=ends, color=VERMILION, marker="o", capsize=3)
    for text, *point in curve[[label, x, y]].itertuples(index=False):
        ax.annotate(f"{text:g}", point, xytext=(6, 6), textcoords="offset points")
    ax.set(xlabel=x, ylabel=y, ylim=(0, None))
    return ax


# -- chapter 1 -------------------------------------------------------------------------------------------------------


def plot_uneven(interactions: pd.DataFrame) -> list[Axes]:
    """Plot how unevenly interactions spread over items and users, and ratings and months if there are some."""
    if interactions.empty:
        return [nothing_to_show("there are no interactions")]
    ratings = interactions.get("rating", pd.Series(dtype=float)).dropna()
    timed = "timestamp" in interactions
    axes = new_panels(2, rows=2 if len(ratings) or timed else 1, height=2.6)
    others = iter(axes[2:])
    for ax, column, thing in ((axes[0], "item_id", "product"), (axes[1], "user_id", "shopper")):
        counts = interactions[column].value_counts().to_numpy()
        ax.loglog(range(1, len(counts) + 1), counts, ".", color=BLUE, markersize=4)
        ax.set(title=f"How uneven are {thing}s?", xlabel=f"{thing}s, the busiest first", ylabel="events")
    if len(ratings):
        ax, counts = next(others), ratings.value_counts().sort_index()
        ax.bar([f"{value:g}" for value in counts.index], counts, color=BLUE, alpha=0.8)
        ax.set(title="How do shoppers rate?", xlabel="stars", ylabel="events")
    if timed:
        ax, months = next(others), interactions["timestamp"].dt.tz_localize(None).dt.to_period("M")
        edges = pd.period_range(months.min(), months.max() + 1, freq="M")
        counts = months.value_counts().reindex(edges[:-1], fill_value=0)
        ax.stairs(counts, edges.to_timestamp(), fill=True, color=BLUE, alpha=0.8)
        ax.set(title="When do they come?", ylabel="events a month")
        ax.tick_params(axis="x", rotation=30)
    for ax in others:
        ax.set_axis_off()
    return axes


def plot_losses(report: pd.DataFrame, *, shown: int = 8) -> Axes:
    """Plot the rows of each table that were lost, by rule and fate; the heading of a table says what is left.

    Args:
        report: of a data set: table, rule, action, rows.
        shown: the most rules of a table that have a bar of their own.
    """
    lines: list[tuple[str, int, str, str]] = []
    for table, mine in report[report["action"].isin(FATES)].groupby("table", sort=False):
        read, kept = mine["rows"].sum(), mine.loc[mine["action"] == "kept", "rows"].sum()
        lines.append((str(table), 0, f"{read:,} rows read, {kept:,} kept ({kept / max(read, 1):.1%})", BLACK))
        lost = mine[(mine["action"] != "kept") & (mine["rows"] > 0)].sort_values("rows", ascending=False, kind="stable")
        for row in lost.head(shown).itertuples():
            lines.append((shorten(row.rule, 45), row.rows, f"{row.rows:,} ({row.rows / read:.2%})", FATES[row.action]))
        if n := lost["rows"].iloc[shown:].sum():
            lines.append((f"{len(lost) - shown} other rules", n, f"{n:,}", FATES["quarantined"]))
    if not lines:
        return nothing_to_show("no row was read")
    ax = new_axes(height=0.28 * len(lines) + 0.9)
    ax.barh(range(len(lines)), [rows for _, rows, *_ in lines], color=[colour for *_, colour in lines])
    ax.set_yticks(range(len(lines)), [label.replace("$", r"\$") for label, *_ in lines])
    for place, (tick, (_, rows, text, _)) in enumerate(zip(ax.get_yticklabels(), lines, strict=True)):
        tick.set_fontweight("normal" if rows else "bold")
        ax.annotate(f" {text}", (rows, place), va="center", weight=tick.get_fontweight())
    for action in [action for action in FATES if action != "kept" and action in set(report["action"])]:
        ax.barh(0, 0, color=FATES[action], label=action)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(title="What was lost where?", xlabel="rows", xlim=(0, 1.35 * max(1, *(rows for _, rows, *_ in lines))))
    ax.locator_params(axis="x", nbins=6, integer=True)
    if handles := ax.get_legend_handles_labels()[0]:
        ax.figure.legend(handles=handles, loc="outside lower right", ncols=len(handles), frameon=False)
    return ax


def plot_split(parts: Mapping[str, pd.DataFrame]) -> Axes:
    """Plot the events of each part of a split over time, or over positions."""
    timed = "timestamp" in next(iter(parts.values()))
    shown = {name: events["timestamp" if timed else "position"] for name, events in parts.items() if len(events)}
    if not shown:
        return nothing_to_show("there are no interactions")
    ax = new_axes(height=2.8)
    places = [date2num(times.dt.tz_localize(None)) if timed else times.to_numpy() for times in shown.values()]
    first, last = min(map(min, places)), max(map(max, places))
    edges = np.linspace(first, max(last, first + (1 / 24 if timed else 1)), 61).tolist()  # an hour at least
    labels = [f"{PART_NAMES.get(name, name)} ({len(times):,})" for name, times in shown.items()]
    ax.hist(places, bins=edges, stacked=True, color=[*map(colour_of, shown)], label=labels)
    if timed:
        ax.xaxis_date()
    ax.set(title="Which events may a model learn from?", ylabel="events", xlabel="" if timed else "position")
    _legend(ax)
    return ax


# -- chapters 2 and 3 ------------------------------------------------------------------------------------------------


def plot_text_views(counts: pd.Series, weights: pd.Series, vector: np.ndarray, *, words: int = 8) -> list[Axes]:
    """Plot three views of a text: its most frequent words, its words of highest weight, its dense vector."""
    axes = new_panels(3, height=2.8)
    views = ((counts, "How often?", "count"), (weights, "How telling? (TF-IDF)", "weight"))
    for ax, (values, title, xlabel) in zip(axes, views, strict=False):
        top = values.head(words)[::-1]
        if top.empty:
            ax.text(0.5, 0.5, "no known word", ha="center", va="center", style="italic", transform=ax.transAxes)
        ax.barh([shorten(word, 16) for word in top.index], top.to_numpy(), color=COLOURS["tfidf"])
        ax.set(title=title, xlabel=xlabel)
    side = int(np.ceil(np.sqrt(max(len(vector), 1))))
    limit = float(np.abs(vector).max(initial=0)) or 1.0
    strip = np.pad(vector, (0, side * side - len(vector)), constant_values=np.nan).reshape(side, side)
    axes[2].imshow(strip, cmap="PuOr", vmin=-limit, vmax=limit)
    axes[2].set(title=f"What does it mean?\n{len(vector)} numbers", xticks=[], yticks=[])
    axes[2].grid(False)
    return axes


def plot_lengths(counts: np.ndarray, max_length: int, *, unit: str) -> Axes:
    """Plot the lengths of texts in tokens, and the length at which they are truncated."""
    if not len(counts):
        return nothing_to_show(f"no {unit} has a text")
    ax = new_axes(height=2.6)
    top = max(int(np.quantile(counts, 0.99)), max_length + 8)
    ax.hist(np.minimum(counts, top), bins=40, range=(0, top), color=COLOURS["minilm"])
    ax.axvline(max_length, color=BLACK, linestyle="--", label=f"cut at {max_length} tokens")
    ax.set(xlim=(0, None), title=f"How long is a {unit}'s text?", ylabel=f"{unit}s")
    ax.set_xlabel("tokens (longest 1 % at the right end)")
    _legend(ax)
    return ax


def plot_marks(marks: pd.DataFrame, *, xlabel: str, title: str) -> Axes:
    """Plot dots with intervals, one line for each row, the first on top.

    Args:
        marks: columns group, name, value, low, high.
        xlabel: what the values are.
        title: the question that the figure answers.
    """
    if marks.empty:
        return nothing_to_show(f"there is no {xlabel}")
    ax = new_axes(height=0.9 + 0.34 * len(marks))
    plot_intervals(ax, marks.set_index("name"), (marks["group"] + " · " + marks["name"]).tolist())
    ax.set(xlabel=xlabel, title=title)
    ax.invert_yaxis()
    return ax


def plot_map(positions: Mapping[str, np.ndarray], labels: pd.Series, *, shown: int = 7) -> list[Axes]:
    """Plot items as points, a panel for each feature, coloured by the most frequent labels; the others are grey."""
    if not any(len(points) for points in positions.values()):
        return [nothing_to_show("there are no points for a map")]
    axes = new_panels(len(positions), height=4)
    names = labels.value_counts().index[:shown]
    groups = {"other": ~labels.isin(names)} | {shorten(name, 20): labels == name for name in names}
    colours = (GREY, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE, BLACK)
    for ax, (feature, points) in zip(axes, positions.items(), strict=True):
        for (label, here), colour, marker in zip(groups.items(), colours, ".os^vDPX", strict=False):
            x, y = points[here.to_numpy()].T
            ax.scatter(x, y, s=12, c=colour, marker=marker, label=label)
        ax.set(title=f"{feature}: who is near whom?", xticks=[], yticks=[])
    _legend(axes[-1], beside=True, fontsize=8, markerscale=1.5)
    return axes


def plot_padding(
    lengths: Sequence[int], batches: Mapping[str, Sequence[Sequence[tuple[int, int]]]], *, shown: int = 3
) -> list[Axes]:
    """Plot the first batches as pictures: a filled cell is a token, a pale one is padding.

    Args:
        lengths: tokens of each row.
        batches: name of a method -> batches of `(row, width)` pairs.
        shown: number of batches to draw of each method.
    """
    if not all(batches.values()) or not batches:
        return [nothing_to_show("there is no batch")]
    axes = new_panels(len(batches), height=3)
    column = np.arange(max(width for every in batches.values() for batch in every[:shown] for _, width in batch))
    for ax, (way, every) in zip(axes, batches.items(), strict=True):
        n_first = sum(map(len, every[:shown]))
        sizes = np.array([(lengths[row], width) for batch in every for row, width in batch])
        n_tokens, widths = np.hsplit(sizes, 2)
        picture = np.select([column < n_tokens[:n_first], column < widths[:n_first]], [1.0, 0.12], np.nan)
        ax.imshow(picture, aspect="auto", cmap="Blues", vmin=0, vmax=1.3, interpolation="nearest")
        empty = 1 - n_tokens.sum() / widths.sum()
        ax.set(title=f"{way}\n{empty:.0%} empty", xlabel="token", ylabel="review")
        ax.grid(False)
    return axes


def plot_history(history: pd.DataFrame) -> list[Axes]:
    """Plot loss and validation macro-F1 by epoch; a ring marks the epoch that is kept."""
    if history.empty:
        return [nothing_to_show("no epoch was trained")]
    axes, epochs, best = new_panels(2, height=2.8), history["epoch"], history[history["best"]]
    axes[0].plot(epochs, history["train_loss"], "o-", color=COLOURS["train"], label="train")
    axes[0].plot(epochs, history["valid_loss"], "s--", color=COLOURS["valid"], label="valid")
    axes[1].plot(epochs, history["valid_score"], "s--", color=COLOURS["valid"])
    axes[1].scatter(best["epoch"], best["valid_score"], s=160, facecolors="none", edgecolors=BLACK, label="kept")
    axes[0].set(title="Does the loss still fall?", xlabel="epoch", ylabel="loss", xticks=epochs)
    axes[1].set(title="Which epoch is kept?", xlabel="epoch", ylabel="macro-F1 on valid", xticks=epochs)
    for ax in axes:
        _legend(ax)
    return axes


def plot_confusions(confusions: Mapping[str, np.ndarray], classes: Sequence[str]) -> list[Axes]:
    """Plot the confusion matrix of each classifier, rows (true labels) normalized to shares."""
    if not confusions:
        return [nothing_to_show("no review was classified")]
    axes = new_panels(len(confusions), height=3.2)
    few, names = len(classes) <= 12, [shorten(name, 12) for name in classes]
    ticks: dict[str, Any] = {"ticks": range(len(classes)), "labels": names, "fontsize": None if few else 4}
    for ax, (name, counts) in zip(axes, confusions.items(), strict=True):
        counts = np.asarray(counts)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(counts) if few else ():
            colour = "white" if shares[row, column] > 0.6 else "black"
            ax.text(column, row, f"{count}", ha="center", va="center", fontsize=8, color=colour)
        ax.set(title=name, xlabel="predicted", ylabel="true")
        ax.set_xticks(**ticks, rotation=90 if not few or max(map(len, classes)) > 3 else 0)
        ax.set_yticks(**ticks)
        ax.grid(False)
    return axes


def plot_review(probabilities: pd.Series, shares: pd.Series, *, words: int = 12) -> list[Axes]:
    """Plot the probability of each label, and the words for (right) and against (left) the most probable one."""
    axes = new_panels(2, height=max(2.6, 0.24 * min(words, len(shares)) + 1))
    axes[0].bar(probabilities.index, probabilities.to_numpy(), color=COLOURS["fine-tuned"])
    axes[0].set(title="Which label?", xlabel="label", ylabel="probability", ylim=(0, 1))
    axes[0].tick_params(axis="x", rotation=90 if max(map(len, probabilities.index)) > 3 else 0)
    chosen = shares.sort_values(key=lambda share: -share.abs(), kind="stable").head(words)[::-1]
    places = range(len(chosen))
    axes[1].barh(places, chosen.to_numpy(), color=[FOR if share > 0 else AGAINST for share in chosen])
    axes[1].set_yticks(places, [shorten(word, 18) for word in chosen.index])
    axes[1].set_xlabel("probability that goes with the word")
    axes[1].set_title(f"Which words speak for {probabilities.idxmax()!r}?")
    axes[1].axvline(0, color=BLACK, linewidth=0.8)
    return axes
