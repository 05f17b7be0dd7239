"""Figures: functions take a frame and return matplotlib Axes. A model or split has one colour in every chapter.

The colours are those of Okabe and Ito, which color-blind readers can tell apart; markers differ for print in grey. A
figure without data is one sentence that says so.
"""

from collections.abc import Mapping, Sequence
from zlib import crc32

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
GREY = "#8A8A8A"
COLOUR_NAMES = {
    BLACK: "black", ORANGE: "orange", SKY: "sky blue", GREEN: "green", BLUE: "blue", VERMILION: "vermilion",
    PURPLE: "purple", GREY: "grey",
}  # fmt: skip
FOR, AGAINST = BLUE, ORANGE  # of a word that speaks for a label, or against it
PART_NAMES = {"set_aside": "replaced or set aside"}  # part of a split -> its name in a figure
COLOURS = {  # of what is no recommender: parts of a split, fates of rows, features, classifiers
    "train": BLUE, "valid": ORANGE, "test": VERMILION, "set_aside": GREY, "quarantined": GREY,
    "majority": GREY, "tfidf": ORANGE, "minilm": SKY, "fine-tuned": GREEN,
}  # fmt: skip
FAMILIES: Mapping[str, tuple[str, Mapping[str, str | tuple[int, int, int]]]] = {  # colour, markers of known models
    "popularity": (GREY, {"popularity": "s", "popular_lately": "1", "popular_in_category": "2"}),
    "neighbours": (GREEN, {"item_knn": "^", "item_knn_bm25": "<", "user_knn": "v"}),
    "order": (GREEN, {"transitions": ">"}),
    "rules": (GREEN, {"association_rules": "x"}),
    "context": (GREEN, {"context_aware": "+"}),
    "factors": (BLUE, {"ease": "D", "als": "d", "bpr": "h"}),
    "content": (ORANGE, {"content_tfidf": "p", "content_minilm": "P", "attributes": "3"}),
    "networks": (PURPLE, {"two_towers": "H", "shallow": "*", "shallow_no_text": "4", "transformer": "X"}),
    "formulas": (BLACK, {"formula_collaborative": (4, 1, 0), "formula_content": (6, 1, 0), "formula_deep": (3, 1, 0),
                         "formula_similarity": (8, 2, 0), "formula_pair": (7, 0, 0)}),
    "ensembles": (VERMILION, {"hybrid": "o", "stack": "8", "rank_fusion": "|", "switching": "_"}),
}  # fmt: skip
MARKERS = {model: marker for _, markers in FAMILIES.values() for model, marker in markers.items()}
COLOURS |= {model: colour for colour, markers in FAMILIES.values() for model in markers} | {"content_minilm": SKY}
OTHER_COLOURS = (ORANGE, SKY, GREEN, BLUE, PURPLE, BLACK)
OTHER_MARKERS = ((5, 1, 0), (5, 0, 45), (5, 2, 0), (9, 1, 0), (6, 2, 0), (3, 0, 30), (10, 0, 0))
_family_colours: dict[str, str] = {}  # of the models that a line-up has registered


def register_families(families: Mapping[str, str]) -> None:
    """Give models the colours of their families; the line-up registers its models.

    Args:
        families: name of a model -> name of its family, one of `FAMILIES`; an unknown family has no colour.
    """
    _family_colours.update({model: FAMILIES[family][0] for model, family in families.items() if family in FAMILIES})


def colour_of(name: str) -> str:
    """Return the colour of a model, feature or split: its own, that of its family, or one by a hash of its name.

    >>> colour_of("train") == BLUE, colour_of("my_model") == colour_of("my_model")
    (True, True)
    """
    other = OTHER_COLOURS[crc32(name.encode()) % len(OTHER_COLOURS)]
    return COLOURS.get(name) or _family_colours.get(name, other)


def marker_of(name: str) -> str | tuple[int, int, int]:
    """Return the marker of a model: its own, or one by a hash of its name.

    >>> marker_of("hybrid"), marker_of("my_model") in OTHER_MARKERS
    ('o', True)
    """
    other = OTHER_MARKERS[crc32(name.encode()[::-1]) % len(OTHER_MARKERS)]
    return MARKERS.get(name, "o" if name in COLOURS else other)


def colour_name(colour: str) -> str:
    """Return the name of a colour for a sentence about a figure.

    >>> colour_name(FOR), colour_name(AGAINST)
    ('blue', 'orange')
    """
    return COLOUR_NAMES[colour]


def metric_label(metric: str, k: int) -> str:
    """Return the label of a metric for an axis.

    >>> metric_label("ndcg", 10), metric_label("novelty", 10)
    ('NDCG@10', 'novelty@10 (bits)')
    """
    name = metric.upper() if metric in ("ndcg", "map", "mrr", "f1") else metric.replace("_", " ")
    return f"{name}@{k}" + (" (bits)" if metric == "novelty" else "")


def new_axes(*, rows: int = 1, columns: int = 1, height: float = 3.2) -> Axes | Sequence[Axes]:
    """Return Axes for a notebook: 8 inches wide, `height` inches for each row.

    Returns:
        One Axes for one panel, otherwise a flat array `(rows * columns,)`.
    """
    _, axes = plt.subplots(rows, columns, figsize=(8, height * rows), layout="constrained", squeeze=False)
    for ax in axes.flat:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25)
        ax.set_axisbelow(True)
    return axes[0, 0] if axes.size == 1 else axes.ravel()


def nothing_to_show(reason: str) -> Axes:
    """Draw a figure that says in one sentence why it has no data."""
    ax = new_axes(height=0.6)
    ax.set_axis_off()
    ax.text(0, 0.5, f"Nothing to show here: {reason}.", style="italic", va="center", transform=ax.transAxes)
    return ax


def _legend(ax: Axes, **options: object) -> None:
    """Add a legend if there is something to name."""
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, **options)


def shorten(text: str, width: int = 40) -> str:
    """Shorten a title to `width` characters, for a table or an axis.

    >>> shorten("A very long title of a product", 12)
    'A very long…'
    """
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


# -- chapter 4 -------------------------------------------------------------------------------------------------------


def plot_leaderboard(metrics: pd.DataFrame, metric: str = "ndcg", k: int = 10) -> Sequence[Axes]:
    """Plot the mean of each model with its interval: for all users, and for warm users if some are cold.

    Args:
        metrics: columns model, slice, metric, k, value, low, high, n_users.
        metric: the metric to plot.
        k: the list length.
    """
    chosen = metrics.query("metric == @metric and k == @k")
    if chosen.empty:
        return np.atleast_1d(nothing_to_show(f"{metric_label(metric, k)} was not measured"))
    order = chosen.query("slice == 'all'").sort_values("value", kind="stable")["model"].tolist()
    sizes = chosen.groupby("slice")["n_users"].max()
    slices = ["all"] if sizes.get("warm") == sizes.get("all") else ["all", "warm"]
    axes = np.atleast_1d(new_axes(columns=len(slices), height=0.8 + 0.4 * len(order)))
    for ax, slice_name in zip(axes, slices, strict=True):
        rows = chosen.query("slice == @slice_name").set_index("model").reindex(order)
        plot_intervals(ax, rows)
        n_users = int(rows["n_users"].fillna(0).max())
        ax.set(
            title=f"{slice_name} shoppers (n = {n_users:,})",
            xlabel=f"{metric_label(metric, k)}, mean and 95 % interval",
        )
        ax.set_xlim(left=0)
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
        ax.plot(row["value"], place, marker=marker_of(name), color=colour_of(name), markersize=7)
    ax.set_yticks(range(len(rows)), [str(label).replace("$", r"\$") for label in (labels or rows.index)])


def plot_against(
    metrics: pd.DataFrame, metric: str, others: Sequence[str], k: int, *, named: Sequence[str]
) -> Sequence[Axes]:
    """Plot one metric of each model against others, a panel for each, with intervals of both.

    Args:
        metrics: as for `plot_leaderboard`.
        metric: on the vertical axis.
        others: on the horizontal axes; those that were not measured have no panel.
        k: the list length.
        named: the models to highlight; the others are pale.
    """
    chosen = metrics.query("slice == 'all' and k == @k").set_index("model")
    means = chosen.pivot(columns="metric", values="value")
    measured = [other for other in others if other in means]
    if metric not in means or not measured:
        wanted = ", ".join(metric_label(other, k) for other in others)
        return np.atleast_1d(nothing_to_show(f"{wanted} and {metric_label(metric, k)} were not both measured"))
    axes = np.atleast_1d(new_axes(columns=len(measured), height=3.4))
    height = chosen[chosen["metric"] == metric]
    for ax, other in zip(axes, measured, strict=True):
        width = chosen[chosen["metric"] == other].reindex(height.index)
        for name in [*height.index.difference(named), *named]:
            shown = {"color": colour_of(name) if name in named else GREY, "alpha": 1 if name in named else 0.35}
            ax.hlines(height.at[name, "value"], width.at[name, "low"], width.at[name, "high"], linewidth=1, **shown)
            ax.vlines(width.at[name, "value"], height.at[name, "low"], height.at[name, "high"], linewidth=1, **shown)
            shown |= {"marker": marker_of(name), "label": name if name in named else "_"}
            ax.plot(width.at[name, "value"], height.at[name, "value"], **shown)
        ax.set(xlabel=metric_label(other, k), ylim=(0, None))
    axes[0].set_ylabel(metric_label(metric, k))
    _legend(axes[-1], fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
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
        style = {"marker": marker_of(model), "linestyle": "", "clip_on": False}
        ax.plot(x, rows["value"], color=colour_of(model), label=model, **style)
    sizes = grouped.groupby("group", observed=True)["n_users"].max()
    ax.set_xticks(range(len(groups)), [f"{shorten(group, 18)}\n(n = {sizes.get(group, 0):,})" for group in groups])
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set_ylim(bottom=0)
    _legend(ax, fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def plot_experience_weights(by_weights: pd.DataFrame, defaults: Mapping[str, float]) -> Sequence[Axes]:
    """Plot the user-experience index of each model for weights of a component from 0 to 1.

    Where two lines cross, the better model changes.

    Args:
        by_weights: columns model, component, weight, value.
        defaults: component -> default weight of the index, a dashed line.
    """
    if by_weights["value"].dropna().empty:
        return np.atleast_1d(nothing_to_show("the parts of the index were not measured"))
    axes = new_axes(columns=len(defaults))
    for ax, (component, default) in zip(axes, defaults.items(), strict=True):
        for model, rows in by_weights[by_weights["component"] == component].groupby("model", sort=False):
            ax.plot(rows["weight"], rows["value"], color=colour_of(model), label=model,
                    marker=marker_of(model), markevery=5, markersize=4)  # fmt: skip
        ax.axvline(default, color=BLACK, linestyle="--", linewidth=0.8)
        ax.set(title=f"More {component}?", xlabel=f"weight of {component}")
    axes[0].set_ylabel("user-experience index")
    _legend(axes[-1], fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    return axes


# -- chapter 5 -------------------------------------------------------------------------------------------------------


def plot_trade_off(curve: pd.DataFrame, *, x: str, y: str, label: str) -> Axes:
    """Plot one metric against another for settings of a parameter; `label` is the column that names each point."""
    if curve[[x, y]].dropna().empty:
        return nothing_to_show(f"{x} and {y} were not measured")
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
    """Plot how unevenly interactions spread over items and users, and ratings and months if there are some."""
    rated = "rating" in interactions and interactions["rating"].notna().any()
    timed = "timestamp" in interactions
    if interactions.empty:
        return np.atleast_1d(nothing_to_show("there are no interactions"))
    axes = new_axes(rows=2 if rated or timed else 1, columns=2, height=2.6)
    others = iter(axes[2:])
    for ax, column, thing in ((axes[0], "item_id", "product"), (axes[1], "user_id", "shopper")):
        counts = interactions[column].value_counts().to_numpy()
        ax.loglog(range(1, len(counts) + 1), counts, ".", color=BLUE, markersize=4)
        ax.set(title=f"How uneven are {thing}s?", xlabel=f"{thing}, the most active first", ylabel="events")
    if rated:
        ax, counts = next(others), interactions["rating"].value_counts().sort_index()
        ax.bar([f"{value:g}" for value in counts.index], counts, color=BLUE, alpha=0.8)
        ax.set(title="How do shoppers rate?", xlabel="stars", ylabel="events")
    if timed:
        ax, months = next(others), interactions["timestamp"].dt.tz_localize(None).dt.to_period("M")
        counts = months.value_counts().sort_index()
        ax.fill_between(counts.index.to_timestamp(), counts, color=BLUE, alpha=0.6, step="mid")
        ax.set(title="When do they come?", ylabel="events a month")
        ax.tick_params(axis="x", rotation=30)
    for ax in others:
        ax.set_axis_off()
    return axes


def plot_waterfall(steps: pd.DataFrame) -> Axes:
    """Plot the rows that each step of preprocessing keeps (pale) and removes (in colour).

    Args:
        steps: columns step, change, rows, as `data.waterfall` returns them.
    """
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


def plot_split(parts: Mapping[str, pd.DataFrame]) -> Axes:
    """Plot the events of each part of a split over time, or over positions."""
    when = "timestamp" if "timestamp" in next(iter(parts.values())) else "position"
    shown = {name: events[when] for name, events in parts.items() if len(events)}
    if not shown:
        return nothing_to_show("there are no interactions")
    ax = new_axes(height=2.8)
    values = [times.dt.tz_localize(None) if when == "timestamp" else times for times in shown.values()]
    labels = [f"{PART_NAMES.get(name, name)} ({len(times):,})" for name, times in shown.items()]
    places = np.concatenate([v.astype("int64") for v in values])
    least = pd.Timedelta(hours=1) // pd.Timedelta(1, values[0].dt.unit) if when == "timestamp" else 1
    edges = np.linspace(places.min(), max(places.max(), places.min() + least), 61)
    edges = pd.to_datetime(edges, unit=values[0].dt.unit) if when == "timestamp" else edges
    colours = [colour_of(name) for name in shown]
    ax.hist(values, bins=edges, stacked=True, color=colours, label=labels)
    ax.set(
        title="Which events may a model learn from?", ylabel="events", xlabel="" if when == "timestamp" else "position"
    )
    _legend(ax)
    return ax


# -- chapters 2 and 3 ------------------------------------------------------------------------------------------------


def plot_text_views(counts: pd.Series, weights: pd.Series, vector: np.ndarray, *, words: int = 8) -> Sequence[Axes]:
    """Plot three views of a text: its most frequent words, its words of highest weight, its dense vector."""
    axes = new_axes(columns=3, height=2.8)
    for ax, values, title in ((axes[0], counts, "How often?"), (axes[1], weights, "How telling? (TF-IDF)")):
        top = values.head(words)[::-1]
        if top.empty:
            ax.text(0.5, 0.5, "no known word", ha="center", va="center", style="italic", transform=ax.transAxes)
        ax.barh([shorten(word, 16) for word in top.index], top.to_numpy(), color=COLOURS["tfidf"])
        ax.set(title=title, xlabel="count" if ax is axes[0] else "weight")
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
    ax.set(
        xlim=(0, None),
        title=f"How long is a {unit}'s text?",
        xlabel="tokens (longest 1 % at the right end)",
        ylabel=f"{unit}s",
    )
    ax.legend(frameon=False)
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


def plot_map(positions: Mapping[str, np.ndarray], labels: pd.Series, *, shown: int = 7) -> Sequence[Axes]:
    """Plot items as points, a panel for each feature, coloured by the most frequent labels; the others are grey."""
    if not any(len(points) for points in positions.values()):
        return np.atleast_1d(nothing_to_show("there are no points for a map"))
    axes = np.atleast_1d(new_axes(columns=len(positions), height=4))
    names = labels.value_counts().index[:shown]
    colours = (ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE, BLACK)
    for ax, (feature, points) in zip(axes, positions.items(), strict=True):
        for name, colour, marker in zip([None, *names], (GREY, *colours), ".os^vDPX", strict=False):
            here = ~labels.isin(names).to_numpy() if name is None else (labels == name).to_numpy()
            ax.scatter(
                *points[here].T, s=12, c=colour, marker=marker, label="other" if name is None else shorten(name, 20)
            )
        ax.set(title=f"{feature}: who is near whom?", xticks=[], yticks=[])
    _legend(axes[-1], fontsize=8, bbox_to_anchor=(1, 1), loc="upper left", markerscale=1.5)
    return axes


def plot_padding(
    lengths: Sequence[int], batches: Mapping[str, Sequence[Sequence[int]]], *, shown: int = 3
) -> Sequence[Axes]:
    """Plot the first batches as pictures: a filled cell is a token, a pale one is padding.

    Args:
        lengths: tokens of each row.
        batches: name of a method -> batches of `(row, width)` pairs.
        shown: number of batches to draw of each method.
    """
    if not all(batches.values()) or not batches:
        return np.atleast_1d(nothing_to_show("there is no batch"))
    axes = np.atleast_1d(new_axes(columns=len(batches), height=3))
    widest = max(width for ways in batches.values() for batch in ways[:shown] for _, width in batch)
    for ax, (way, some) in zip(axes, batches.items(), strict=True):
        rows = [(lengths[row], width) for batch in some[:shown] for row, width in batch]
        picture = np.full((len(rows), widest), np.nan)
        for place, (length, width) in enumerate(rows):
            picture[place, :width] = 0.12
            picture[place, :length] = 1.0
        ax.imshow(picture, aspect="auto", cmap="Blues", vmin=0, vmax=1.3, interpolation="nearest")
        empty = 1 - sum(lengths[row] for batch in some for row, _ in batch) / sum(w for batch in some for _, w in batch)
        ax.set(title=f"{way}\n{empty:.0%} empty", xlabel="token", ylabel="review")
        ax.grid(False)
    return axes


def plot_history(history: pd.DataFrame) -> Sequence[Axes]:
    """Plot loss and validation macro-F1 by epoch; a ring marks the epoch that is kept."""
    if history.empty:
        return np.atleast_1d(nothing_to_show("no epoch was trained"))
    axes = new_axes(columns=2, height=2.8)
    axes[0].plot(history["epoch"], history["train_loss"], "o-", color=COLOURS["train"], label="train")
    axes[0].plot(history["epoch"], history["valid_loss"], "s--", color=COLOURS["valid"], label="valid")
    axes[0].set(title="Does the loss still fall?", xlabel="epoch", ylabel="loss", xticks=history["epoch"])
    axes[0].legend(frameon=False)
    best = history[history["best"]]
    axes[1].plot(history["epoch"], history["valid_score"], "s--", color=COLOURS["valid"])
    axes[1].scatter(best["epoch"], best["valid_score"], s=160, facecolors="none", edgecolors=BLACK, label="kept")
    axes[1].set(title="Which epoch is kept?", xlabel="epoch", ylabel="macro-F1 on valid", xticks=history["epoch"])
    _legend(axes[1])
    return axes


def plot_confusions(confusions: Mapping[str, np.ndarray], classes: Sequence[str]) -> Sequence[Axes]:
    """Plot the confusion matrix of each classifier, rows (true labels) normalized to shares."""
    if not confusions:
        return np.atleast_1d(nothing_to_show("no review was classified"))
    axes = np.atleast_1d(new_axes(columns=len(confusions), height=3.2))
    for ax, (name, counts) in zip(axes, confusions.items(), strict=True):
        counts = np.asarray(counts)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        few = len(classes) <= 12
        for row, column in np.ndindex(*counts.shape) if few else ():
            colour = "white" if shares[row, column] > 0.6 else "black"
            ax.text(column, row, f"{counts[row, column]}", ha="center", va="center", fontsize=8, color=colour)
        ax.set(title=name, xlabel="predicted", ylabel="true", xticks=range(len(classes)), yticks=range(len(classes)))
        wordy = not few or max(map(len, classes)) > 3
        names = [shorten(name, 12) for name in classes]
        ax.set_xticklabels(names, rotation=90 if wordy else 0, fontsize=None if few else 4)
        ax.set_yticklabels(names, fontsize=None if few else 4)
        ax.grid(False)
    return axes


def plot_review(probabilities: pd.Series, shares: pd.Series, *, words: int = 12) -> Sequence[Axes]:
    """Plot the probability of each label, and the words for (right) and against (left) the most probable one."""
    axes = new_axes(columns=2, height=max(2.6, 0.24 * min(words, len(shares)) + 1))
    axes[0].bar(probabilities.index, probabilities.to_numpy(), color=COLOURS["fine-tuned"])
    axes[0].set(title="Which label?", xlabel="label", ylabel="probability", ylim=(0, 1))
    axes[0].tick_params(axis="x", rotation=90 if max(map(len, probabilities.index)) > 3 else 0)
    chosen = shares.iloc[np.argsort(-shares.abs().to_numpy(), kind="stable")[:words]][::-1]
    colours = [FOR if share > 0 else AGAINST for share in chosen]
    axes[1].barh(range(len(chosen)), chosen.to_numpy(), color=colours)
    axes[1].set(
        title=f"Which words speak for {probabilities.idxmax()!r}?", xlabel="probability that goes with the word",
        yticks=range(len(chosen)), yticklabels=[shorten(word, 18) for word in chosen.index],
    )  # fmt: skip
    axes[1].axvline(0, color=BLACK, linewidth=0.8)
    return axes
