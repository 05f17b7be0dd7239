"""Sentences about the results of a run: which model is best, and whether the intervals support that."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from recsys_kit.intervals import Interval
from recsys_kit.workbook.report.pages import METRIC, interval, listed, rows_of, shoppers_in

BASELINE = "popularity"
VERDICTS = {"better than": "better", "worse than": "worse", "not told apart from": "not told apart"}


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
    everybody, warm = (rows_of(metrics, slice_name, METRIC, k) for slice_name in ("all", "warm"))
    if len(everybody):
        yield describe_best(everybody, differences, f"has the highest NDCG@{k} of {len(everybody)} models")
    yield from compare_ensembles(comparisons, chosen)
    if len(warm) and not (len(everybody) and warm["n_users"].iloc[0] == everybody["n_users"].iloc[0]):
        too = len(everybody) and warm["model"].iloc[0] == everybody["model"].iloc[0]
        yield describe_best(warm, differences, "leads too" if too else "leads")
    if {"content_minilm", "content_tfidf"} <= set(everybody["model"]):
        models = everybody.set_index("model")
        yield compare_text_models(models.loc["content_minilm"], models.loc["content_tfidf"], models.iloc[0])


def describe_best(rows: pd.DataFrame, differences: pd.DataFrame | None, what: str) -> str:
    """Describe the best model of one slice: its interval, its difference to popularity, and which models overlap."""
    best, slice_name = rows.iloc[0], rows["slice"].iloc[0]
    compared = list(compare_with_popularity(best.model, differences, slice_name, int(best.k)))
    known = {row.model: interval(row) for row in rows.itertuples()}
    if compared and best.model != BASELINE:  # the paired difference says more than two intervals
        known.pop(BASELINE, None)
    who = shoppers_in(slice_name, int(best.n_users))
    return " ".join(
        [f"For {who}, {best.model} {what}: {known[best.model]}.", *compared, *find_overlaps(best.model, known)]
    )


def compare_with_popularity(model: str, differences: pd.DataFrame | None, slice_name: str, k: int) -> Iterator[str]:
    """Yield whether the model beats popularity, by the interval of the paired difference."""
    if model == BASELINE:
        yield "No model beats the list that is the same for everybody."
        return
    rows = () if differences is None else rows_of(differences, slice_name, METRIC, k).query("model == @model")
    for row in map(interval, rows.itertuples() if len(rows) else ()):
        verdict = {1: "significant", -1: "less than popularity", 0: "not significant"}
        yield f"Shopper by shopper its difference to popularity is {row:+#.3g}: {verdict[row.sign]}."


def find_overlaps(best: str, known: Mapping[str, Interval]) -> Iterator[str]:
    """Yield which models may be as good: their intervals overlap with that of the best."""
    close = [name for name, other in known.items() if name != best and other.high >= known[best].low]
    if close:
        those = "that" if len(close) == 1 else "those"
        yield f"Its single interval overlaps with {those} of {listed(close)}; only the paired comparison decides."


def compare_ensembles(comparisons: pd.DataFrame | None, chosen: str = "") -> Iterator[str]:
    """Yield whether the ensembles are better than the best single model, by paired tests."""
    rows = pd.DataFrame() if comparisons is None else comparisons[comparisons["against"] != BASELINE]
    if not len(rows):
        return
    found = [
        f"{row.model} {Interval(row.difference, row.low, row.high):+#.3g}, p = {row.p_holm:.2g}, "
        f"{VERDICTS.get(row.verdict, row.verdict)}"
        for row in rows.itertuples()
    ]
    before = f"Validation chose {chosen} before the test set was opened. " if chosen else ""
    single, metric = rows["against"].iloc[0], rows["metric"].iloc[0].replace("ndcg", "NDCG")
    pair = f"Compared with {single}, the best single model on validation, shopper by shopper and by {metric}"
    yield f"{before}{pair}: {'; '.join(found)}."


def compare_text_models(minilm: pd.Series, tfidf: pd.Series, best: pd.Series) -> str:
    """Compare the pretrained language model with TF-IDF on item texts."""
    verdict = "the intervals overlap"
    if minilm.low > tfidf.high or tfidf.low > minilm.high:
        verdict = "it wins clearly" if minilm.value > tfidf.value else "it loses clearly"
    below = max(minilm.high, tfidf.high) < best.low
    rest = f" Both intervals lie below that of {best.name}." if below else ""
    return (
        f"On product texts alone the pretrained language model has {interval(minilm)}, plain TF-IDF {interval(tfidf)}: "
        f"{verdict}.{rest}"
    )


def review_headline(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield which review classifier is best."""
    known = {row["name"]: score for row in rows if (score := row["macro_f1"]) is not None}
    if known:
        best = max(known, key=lambda name: known[name].value)
        yield " ".join(
            [
                f"Of {len(known)} ways to read a review, {best} has the highest macro-F1: {known[best]}.",
                *find_overlaps(best, known),
            ]
        )
