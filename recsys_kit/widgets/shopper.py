"""Chapter 5: the recommendations of one shopper, and the answers to a wish in words."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import ipywidgets
import pandas as pd
from IPython.display import HTML

from recsys_kit.schema import CONTEXT_PREFIX as PREFIX
from recsys_kit.shop.circumstances import in_words, known_context
from recsys_kit.shop.reranking import list_diversity
from recsys_kit.shop.showcase import Showcase
from recsys_kit.widgets.controls import explore, explore_text, html_table


def view_shopper(
    showcase: Showcase,
    shopper: str,
    model: str,
    diversity: float = 0.0,
    k: int = 10,
    context: Mapping[str, Any] | None = None,
) -> HTML:
    """Show a shopper's history (left) and the recommendations of a model with their reasons (right).

    Args:
        showcase: has the models and the histories.
        shopper: a user id.
        model: a model of the showcase.
        diversity: from 0 (the model's order) to 1.
        k: list length.
        context: added to that of the showcase, such as {"device": "phone"}.
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
    left = html_table(history, ["title", "category", "event"], showcase.history_in_words(shopper))
    right = html_table(listed, ["rank", "title", "category", "price", "reason"], f"{model} recommends")
    return HTML(
        f"<div><b>shopper {html.escape(shopper)}</b> · {html.escape(' · '.join(notes))}</div>"
        f"<div style='display:flex;gap:2em;align-items:flex-start;flex-wrap:wrap'>{left}{right}</div>"
    )


def explore_shopper(showcase: Showcase, shoppers: list[str], model: str) -> ipywidgets.Widget:
    """Explore `view_shopper` by shopper, model, diversity, and the values of the context that models use."""
    contexts = {
        column: ipywidgets.Dropdown(
            options=[("any", ""), *zip(values, values, strict=True)], description=column.removeprefix(PREFIX)
        )
        for one in showcase.models.values()
        for column, values in known_context(one).items()
        if values
    }

    def view(shopper: str, model: str, diversity: float, **context: str) -> HTML:
        given = {name: value for name, value in context.items() if value}
        return view_shopper(showcase, shopper, model, diversity, context=given)

    return explore(
        view,
        shopper=ipywidgets.Dropdown(options=shoppers),
        model=ipywidgets.Dropdown(options=list(showcase.models), value=model),
        diversity=ipywidgets.FloatSlider(max=1.0, step=0.05),
        **contexts,
    )


def view_wishes(showcase: Showcase, wishes: Sequence[str], models: Mapping[str, str], k: int = 3) -> pd.DataFrame:
    """Return the answers of several models to the same wishes: a row for each rank, a column for each model.

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
    """Explore `view_wishes` by a text."""

    def view(wish: str) -> pd.DataFrame:
        return view_wishes(showcase, [wish], models, k).drop(columns="wish")

    return explore_text(view, wish, description="wish", placeholder="what you want", width="40em")
