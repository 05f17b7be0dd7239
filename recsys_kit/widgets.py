"""What the reader can touch: `view_*` functions that draw one view, and the thin ipywidgets wrappers around them.

A notebook calls the view first, plainly, so that a batch run meets its errors and the saved page shows it; the next
cell wraps the same function. Sliders wait for the release (`continuous_update=False`); nothing trains behind one.
"""

import base64
import html
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import ipywidgets
import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML
from matplotlib.axes import Axes

from recsys_kit.core.vectors import Vectors
from recsys_kit.data.cleaning import k_core
from recsys_kit.data.describe import cold_counts, density
from recsys_kit.data.splitting import split_interactions
from recsys_kit.evaluation import Evaluation, disagreements
from recsys_kit.features.similarity import nearest_items
from recsys_kit.finetuning.occlusion import word_shares
from recsys_kit.plots import plot_leaderboard, plot_review, plot_split, shorten
from recsys_kit.shop.circumstances import in_words, known_context
from recsys_kit.shop.reranking import list_diversity
from recsys_kit.shop.showcase import Showcase

CONTROL_WIDTH = "18em"  # of a slider or a box at least: what does not fit goes to the next line

# -- chapter 1 -------------------------------------------------------------------------------------------------------


def view_split(
    interactions: pd.DataFrame, *, train_percent: int = 80, k_core: int = 1, method: str = "time"
) -> pd.DataFrame:
    """Draw the parts of one split and return its price: one row, counted on train and test.

    Args:
        interactions: clean, not yet split.
        train_percent: percent of the events before the cut; the rest is halved into valid and test.
        k_core: of the training part.
        method: one of `METHODS`; only "time" knows a percent.
    """
    rest = (100 - train_percent) / 200
    shares = (1 - 2 * rest, rest, rest) if method == "time" else None
    split = split_interactions(interactions, method=method, k_core=k_core, shares=shares)
    plot_split(split.parts)
    cold = cold_counts(split).set_index("part")
    return pd.DataFrame([{
        "train events": len(split.train),
        "replaced or set aside": len(split.set_aside),
        "train shoppers": cold.at["train", "shoppers"],
        "train products": cold.at["train", "products"],
        "density %": round(100 * density(split.train), 3),
        "test shoppers": cold.at["test", "shoppers"],
        "new to train": cold.at["test", "new shoppers"],
        "new products": cold.at["test", "new products"],
    }])  # fmt: skip


def explore_split(interactions: pd.DataFrame, *, method: str = "time") -> ipywidgets.Widget:
    """Move the cut and the core, as far as a core is left."""
    shares = (0.4, 0.3, 0.3) if method == "time" else None
    first = split_interactions(interactions, method=method, shares=shares).train
    largest = max(k for k in range(1, 11) if len(k_core(first, k)))
    return _explore(
        lambda train_percent, k_core: view_split(
            interactions, train_percent=train_percent, k_core=k_core, method=method
        ),
        train_percent=ipywidgets.IntSlider(
            value=80, min=40, max=95, step=5, description="train %", continuous_update=False
        ),
        k_core=ipywidgets.IntSlider(value=1, min=1, max=largest, description="k-core", continuous_update=False),
    )


# -- chapter 4 -------------------------------------------------------------------------------------------------------


def view_leaderboard(evaluation: Evaluation, metric: str, k: int) -> Axes:
    """The leaderboard by any metric, at any of the cutoffs."""
    return plot_leaderboard(evaluation.metrics, metric, k)


def explore_leaderboard(evaluation: Evaluation) -> ipywidgets.Widget:
    """Choose the metric and k."""
    with_intervals = evaluation.metrics.dropna(subset="low")
    with_intervals = evaluation.metrics if with_intervals.empty else with_intervals  # one shopper has none
    lengths = sorted(evaluation.metrics["k"].unique().tolist())
    return _explore(
        lambda metric, k: view_leaderboard(evaluation, metric, k),
        metric=ipywidgets.Dropdown(options=with_intervals["metric"].unique().tolist(), description="metric"),
        k=ipywidgets.SelectionSlider(
            options=lengths,
            value=10 if 10 in lengths else lengths[-1],
            description="k",
            continuous_update=False,
        ),
    )


def view_disagreements(
    evaluation: Evaluation, histories: pd.Series, items: pd.DataFrame, first: str, second: str, metric: str = "ndcg@10"
) -> pd.DataFrame:
    """The shoppers on whom two models differ most: latest and next product of each, and how each model did.

    Columns: those of `disagreements`, `history` (number of events), `latest` and `next` (titles).
    """
    titles = items.dropna(subset="title").set_index("item_id")["title"] if "title" in items else {}
    rows = disagreements(evaluation, first, second, metric)
    following = evaluation.ground_truth.groupby("user_id")["item_id"].first()
    last = [histories.get(user, []) for user in rows["user_id"]]
    return rows.round(3).assign(
        history=[len(history) for history in last],
        latest=[shorten(titles.get(history[-1], history[-1]), 34) if history else "nothing" for history in last],
        next=[shorten(titles.get(following[user], following[user]), 34) for user in rows["user_id"]],
    )


def explore_disagreements(
    evaluation: Evaluation, histories: pd.Series, items: pd.DataFrame, metric: str = "ndcg@10"
) -> ipywidgets.Widget:
    """Choose the two models."""
    names = evaluation.models
    return _explore(
        lambda first, second: view_disagreements(evaluation, histories, items, first, second, metric),
        first=ipywidgets.Dropdown(options=names, value=names[-1], description="model"),
        second=ipywidgets.Dropdown(options=names, value=names[0], description="against"),
    )


# -- chapter 5 -------------------------------------------------------------------------------------------------------


def view_shopper(
    showcase: Showcase,
    shopper: str,
    model: str,
    diversity: float = 0.0,
    k: int = 10,
    context: Mapping[str, Any] | None = None,
) -> HTML:
    """One shopper: the history on the left; the model's list, each item with its reason, on the right.

    `context` adds to that of the showcase, such as {"device": "phone"}.
    """
    showcase = replace(showcase, context={**(showcase.context or {}), **(context or {})})
    listed = showcase.recommend(model, user=shopper, diversity=diversity, k=k)
    notes = [f"asked at: {in_words(showcase.context)}"] if showcase.context else []
    if context and not known_context(showcase.models[model]):
        notes[0] += f" ({model} does not use it)"
    moved = int((listed["rank"] != listed["rank_before"]).sum())
    notes.append(f"{moved} of {len(listed)} places changed by the dial")
    if showcase.vectors is not None:
        notes.append(f"diversity of the list {list_diversity(showcase.vectors, listed['item_id'].tolist()):.2f}")
    history = showcase.history(shopper).head(k)
    left = _html_table(history, ["title", "category", "event"], showcase.history_in_words(shopper))
    right = _html_table(listed, ["rank", "title", "category", "price", "reason"], f"{model} recommends")
    return HTML(
        f"<div><b>shopper {html.escape(shopper)}</b> · {html.escape(' · '.join(notes))}</div>"
        f"<div style='display:flex;gap:2em;align-items:flex-start;flex-wrap:wrap'>{left}{right}</div>"
    )


def explore_shopper(showcase: Showcase, shoppers: list[str], model: str) -> ipywidgets.Widget:
    """Pick a shopper and a model, turn the diversity up; where a model uses a context, say where the shopper asks."""
    known: dict[str, list[str]] = {}
    for one in showcase.models.values():
        known |= {column: values for column, values in known_context(one).items() if values}
    circumstances = {
        column: ipywidgets.Dropdown(
            options=[("any", ""), *[(value, value) for value in values]], description=column.removeprefix("ctx_")
        )
        for column, values in known.items()
    }

    def view(shopper: str, model: str, diversity: float, **context: str) -> HTML:
        given = {name: value for name, value in context.items() if value}
        return view_shopper(showcase, shopper, model, diversity, context=given)

    return _explore(
        view,
        shopper=ipywidgets.Dropdown(options=shoppers, description="shopper"),
        model=ipywidgets.Dropdown(options=list(showcase.models), value=model, description="model"),
        diversity=ipywidgets.FloatSlider(
            value=0.0, min=0.0, max=1.0, step=0.05, description="diversity", continuous_update=False
        ),
        **circumstances,
    )


def view_wishes(showcase: Showcase, wishes: Sequence[str], models: Mapping[str, str], k: int = 3) -> pd.DataFrame:
    """What models that understand text answer to the same wishes: one row per place, one column per model.

    Args:
        showcase: has the models.
        wishes: what shoppers write.
        models: heading of the column -> name of the model.
        k: products per wish.
    """
    wishes = [wish for wish in wishes if wish.strip()]
    places = pd.MultiIndex.from_product([range(len(wishes)), range(1, k + 1)], names=["query", "rank"])
    table = pd.DataFrame(index=places)
    for heading, name in models.items():
        table[heading] = showcase.lists(name, texts=wishes, k=k).set_index(["query", "rank"])["title"]
    table = table.fillna("-").reset_index()
    table.insert(0, "wish", [wishes[query] if rank == 1 else "" for query, rank in places])
    return table.drop(columns="query")


def explore_wish(showcase: Showcase, wish: str, models: Mapping[str, str], k: int = 5) -> ipywidgets.Widget:
    """Write what you want; the view follows when the box is left or Enter is pressed."""
    box = ipywidgets.Text(
        value=wish, description="wish", continuous_update=False, layout={"width": "40em"}, placeholder="what you want"
    )
    return _explore(
        lambda wish: view_wishes(showcase, [wish], models, k).drop(columns="wish") if wish.strip() else None, wish=box
    )


# -- chapter 2 -------------------------------------------------------------------------------------------------------


def view_neighbours(features: dict[str, Vectors], titles: pd.Series, item_id: str, k: int = 5) -> pd.DataFrame:
    """The nearest items of one item under every feature, side by side.

    Args:
        features: name -> vectors over the same ids.
        titles: what to show of each item, indexed by id.
        item_id: whose neighbours.
        k: how many.
    """
    columns = {"rank": pd.Series(range(1, k + 1))}
    for name, vectors in features.items():
        nearest = nearest_items(vectors, item_id, k=k)
        names = nearest["item_id"].map(titles).fillna(nearest["item_id"])
        shown = [f"{shorten(str(text), 40)} ({score:.2f})" for text, score in zip(names, nearest["score"], strict=True)]
        columns[name] = pd.Series(shown, dtype=object)  # no neighbour: a column of dashes
    return pd.DataFrame(columns).fillna("-")


def explore_neighbours(features: dict[str, Vectors], titles: pd.Series, item_id: str) -> ipywidgets.Widget:
    """Pick an item and how many neighbours to see."""
    known = next(iter(features.values())).ids
    chosen = [item_id, *[other for other in known if other != item_id][:300]]
    options = [(f"{place} · {shorten(str(titles.get(other, '')), 60)}", other) for place, other in enumerate(chosen)]
    return _explore(
        lambda item, k: view_neighbours(features, titles, item, k),
        item=ipywidgets.Dropdown(options=options, value=item_id, description="item", layout={"width": "30em"}),
        k=ipywidgets.IntSlider(value=5, min=1, max=20, description="neighbours", continuous_update=False),
    )


# -- chapter 3 -------------------------------------------------------------------------------------------------------


def view_review(classifier: Any, text: str, *, label: str = "") -> Axes:
    """The label probabilities of one review, and the words that spoke for the most probable label (or for `label`)."""
    probabilities = pd.Series(classifier.predict_proba([text])[0], index=classifier.classes)
    return plot_review(probabilities, word_shares(classifier, text, label or probabilities.idxmax()))


def explore_review(classifier: Any, text: str) -> ipywidgets.Widget:
    """Type a review; the view follows when the box is left or Enter is pressed."""
    box = ipywidgets.Text(
        value=text, description="review", continuous_update=False, layout={"width": "50em"}, placeholder="type a review"
    )
    return _explore(lambda text: view_review(classifier, text) if text.strip() else None, text=box)


# -- shared ----------------------------------------------------------------------------------------------------------


def _explore(view: Callable[..., object], **controls: ipywidgets.Widget) -> ipywidgets.Widget:
    """Controls above, what the view draws and returns below.

    The view lives in an HTML widget, not in an Output widget: papermill's client answers every Output widget on the
    channel where it awaits the end of the cell, and now and then waits for ever (nbclient issue 312).
    """
    shown = ipywidgets.HTML()

    def redraw(change: object = None) -> None:
        try:
            shown.value = _as_html(lambda: view(**{name: control.value for name, control in controls.items()}))
        except Exception as problem:
            shown.value = f"<pre>{html.escape(str(problem))}</pre>"
            raise

    for control in controls.values():
        control.observe(redraw, names="value")
        control.layout.min_width = control.layout.min_width or CONTROL_WIDTH
        control.layout.max_width = "100%"
    redraw()
    row = ipywidgets.HBox(list(controls.values()), layout={"flex_flow": "row wrap"})  # no control shrinks to nothing
    return ipywidgets.VBox([row, shown])


def _as_html(view: Callable[[], object]) -> str:
    """The figures that a view draws, and the table or HTML that it returns, as one piece of HTML."""
    before = set(plt.get_fignums())
    result = view()
    parts = []
    for number in [number for number in plt.get_fignums() if number not in before]:
        picture = io.BytesIO()
        plt.figure(number).savefig(picture, format="png", dpi=100)
        plt.close(number)
        data = base64.b64encode(picture.getvalue()).decode()
        parts.append(f'<img style="max-width:100%" src="data:image/png;base64,{data}">')
    if isinstance(result, HTML):
        parts.append(result.data)
    elif isinstance(result, pd.DataFrame):
        parts.append(_left(result.to_html(index=False, escape=True, border=0)))
    return "".join(parts)


def _left(table: str) -> str:
    """Heads above their cells, inside a widget (where JupyterLab's table style does not reach) as outside."""
    for tag in ("th", "td"):
        table = table.replace(f"<{tag}>", f'<{tag} style="text-align: left; padding: 0 0.6em 0 0">')
    return table


def _html_table(frame: pd.DataFrame, columns: list[str], caption: str) -> str:
    """An escaped table of those columns that there are; titles shortened for the eye."""
    shown = frame[[column for column in columns if column in frame]].copy()
    for column in ("title", "reason", "category"):
        if column in shown:
            shown[column] = shown[column].fillna("").map(lambda text: shorten(str(text), 60))
    body = _left(shown.to_html(index=False, escape=True, na_rep="", border=0, float_format="{:.2f}".format))
    return f"<div><div><i>{html.escape(caption)}</i></div>{body}</div>"
