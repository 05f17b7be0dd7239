"""Sentences about the results of a run: which model is best, and whether the intervals support that.

Their words are in `headlines.toml`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from recsys_kit.intervals import Interval
from recsys_kit.workbook.report.pages import METRIC, rows_of, shoppers_in, slices_of
from recsys_kit.workbook.report.wording import interval, read_texts, say

BASELINE = "popularity"
TEXTS = read_texts(__file__)


def headline(
    metrics: pd.DataFrame | None,
    differences: pd.DataFrame | None,
    k: int,
    *,
    comparisons: pd.DataFrame | None = None,
    chosen: str = "",
) -> Iterator[str]:
    """Yield which model is best, whether differences are significant, whether ensembles and language models help.

    Args:
        metrics: `Evaluation.metrics`; None if there are none.
        differences: paired differences to popularity, `Evaluation.differences`.
        k: list length.
        comparisons: paired tests of the ensembles.
        chosen: the model that is best on the validation set.
    """
    if metrics is None:
        return
    boards = slices_of(metrics, k)
    leaders = [rows["model"].iloc[0] for rows in boards.values()]
    best = [describe_best(rows, differences, too=leaders == leaders[:1] * 2) for rows in boards.values()]
    yield from [*best[:1], *compare_ensembles(comparisons, chosen), *best[1:]]
    models = boards["all"].set_index("model") if "all" in boards else pd.DataFrame()
    if {"content_minilm", "content_tfidf"} <= set(models.index):
        minilm, tfidf = models.loc["content_minilm"], models.loc["content_tfidf"]
        yield say(TEXTS["texts"], minilm=minilm, tfidf=tfidf, best=models.iloc[0])


def describe_best(rows: pd.DataFrame, differences: pd.DataFrame | None, *, too: bool = False) -> str:
    """Describe the best model of one slice: its interval, its difference to popularity, and which models overlap.

    Args:
        rows: NDCG of one slice, a row for each model, best first.
        differences: as for `headline`.
        too: whether the model is the best of another slice as well.
    """
    best = rows.iloc[0]
    compared = list(compare_with_popularity(best["model"], differences, best["slice"], int(best["k"])))
    known = {row.model: interval(row) for row in rows.itertuples()}
    if compared and best["model"] != BASELINE:  # the paired difference says more than two intervals
        known.pop(BASELINE, None)
    who = shoppers_in(best["slice"], int(best["n_users"]))
    first = say(TEXTS["best"], best=best, who=who, n_models=len(rows), too=too)
    return " ".join([first, *compared, *find_overlaps(best["model"], known)])


def compare_with_popularity(model: str, differences: pd.DataFrame | None, slice_name: str, k: int) -> Iterator[str]:
    """Yield whether the model beats popularity, by the interval of the paired difference."""
    if model == BASELINE:
        yield TEXTS["no_better"]
    elif differences is not None:
        rows = rows_of(differences, slice_name, METRIC, k).query("model == @model")
        yield from (say(TEXTS["difference"], row=interval(row)) for row in rows.itertuples())


def find_overlaps(best: str, known: Mapping[str, Interval]) -> Iterator[str]:
    """Yield which models may be as good: their intervals overlap with that of the best."""
    if close := [name for name, other in known.items() if name != best and other.high >= known[best].low]:
        yield say(TEXTS["overlap"], close=close)


def compare_ensembles(comparisons: pd.DataFrame | None, chosen: str = "") -> Iterator[str]:
    """Yield whether the ensembles are better than the best single model, by paired tests."""
    if comparisons is not None and len(rows := comparisons[comparisons["against"] != BASELINE]):
        rows = list(rows.rename(columns={"difference": "value"}).itertuples())
        yield say(TEXTS["ensembles"], rows=rows, chosen=chosen)


def review_headline(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield which review classifier is best."""
    known = {row["name"]: score for row in rows if (score := row["macro_f1"]) is not None}
    if known:
        best = max(known, key=lambda name: known[name].value)
        first = say(TEXTS["reviews"], n=len(known), best=best, value=known[best])
        yield " ".join([first, *find_overlaps(best, known)])
