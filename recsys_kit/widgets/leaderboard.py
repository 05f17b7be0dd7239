"""Chapter 4: the leaderboard by metric and list length, and the shoppers on whom two models differ."""

from functools import partial

import ipywidgets
import pandas as pd

from recsys_kit.evaluation import Evaluation, disagreements
from recsys_kit.plots import plot_leaderboard, shorten
from recsys_kit.shop.showcase import titles_of
from recsys_kit.widgets.controls import explore


def explore_leaderboard(evaluation: Evaluation) -> ipywidgets.Widget:
    """Explore `plot_leaderboard` by metric and k."""
    metrics = evaluation.metrics
    with_intervals = metrics.dropna(subset="low")
    named = metrics if with_intervals.empty else with_intervals  # one shopper has no interval
    lengths = sorted(metrics["k"].unique().tolist())
    return explore(
        partial(plot_leaderboard, metrics),
        metric=ipywidgets.Dropdown(options=named["metric"].unique().tolist()),
        k=ipywidgets.SelectionSlider(options=lengths, value=10 if 10 in lengths else lengths[-1]),
    )


def view_disagreements(
    evaluation: Evaluation, histories: pd.Series, items: pd.DataFrame, first: str, second: str, metric: str = "ndcg@10"
) -> pd.DataFrame:
    """Return the users on whom two models differ most, with the metric of both models.

    Returns:
        The columns of `disagreements`, history (number of interactions), latest and next (titles of items).
    """
    titles = titles_of(items)
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
    """Explore `view_disagreements` by the two models."""
    names = evaluation.models
    return explore(
        partial(view_disagreements, evaluation, histories, items, metric=metric),
        first=ipywidgets.Dropdown(options=names, value=names[-1], description="model"),
        second=ipywidgets.Dropdown(options=names, value=names[0], description="against"),
    )
