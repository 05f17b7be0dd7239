"""Accuracy, macro-F1 and a report per class, with intervals, all from one confusion matrix.

Resampling the reviews and counting again is the same as drawing the cells of the confusion matrix, so that the
bootstrap is one multinomial draw.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_kit.intervals import N_RESAMPLES, Interval, percentile_interval


def confusion_counts(labels: np.ndarray, predictions: np.ndarray, n_classes: int) -> np.ndarray:
    """(true class, predicted class) counts.

    >>> confusion_counts(np.array([0, 1, 1]), np.array([0, 0, 1]), 2)
    array([[1, 0],
           [1, 1]])
    """
    return np.bincount(labels * n_classes + predictions, minlength=n_classes**2).reshape(n_classes, n_classes)


def accuracy(confusion: np.ndarray) -> np.ndarray | float:
    """The share on the diagonal, over the last two axes."""
    return np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=(-2, -1))


def per_class(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Precision, recall, F1 of each class over the last two axes.

    Never predicted: precision 0. Never there: recall NaN. Neither: all three NaN.
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(float)
    support, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    found = support + predicted
    return {
        "precision": np.divide(hits, predicted, out=np.where(found > 0, 0.0, np.nan), where=predicted > 0),
        "recall": np.divide(hits, support, out=np.full_like(hits, np.nan), where=support > 0),
        "f1": np.divide(2 * hits, found, out=np.full_like(hits, np.nan), where=found > 0),
    }


def macro_f1(confusion: np.ndarray) -> np.ndarray | float:
    """The mean F1 of the classes that occur in the labels or in the predictions, as in scikit-learn.

    Each counts the same, however rare; a class that is predicted and never right has an F1 of 0.

    >>> float(macro_f1(np.array([[1, 0], [1, 1]])))  # both F1 are 2/3
    0.6666666666666666
    """
    return np.nanmean(per_class(confusion)["f1"], axis=-1)


def resample(counts: np.ndarray, *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> np.ndarray:
    """Bootstrap copies of a table of counts, stacked on a new first axis."""
    n = int(counts.sum())
    draws = np.random.default_rng(seed).multinomial(n, counts.ravel() / n, size=n_resamples)
    return draws.reshape(n_resamples, *counts.shape)


def report(labels: np.ndarray, predictions: np.ndarray, classes: list[str], *, seed: int = 0) -> dict[str, Any]:
    """Everything about one classifier on one test set, as plain values: what `results/` keeps.

    Args:
        labels: (N,) indices into `classes`.
        predictions: (N,) the same.
        classes: names, in the order of the confusion matrix.
        seed: of the resampling.
    """
    confusion = confusion_counts(labels, predictions, len(classes))
    draws = resample(confusion, seed=seed)
    scores, spread = per_class(confusion), per_class(draws)
    rows = []
    for index, name in enumerate(classes):
        known = {metric: values[index] for metric, values in scores.items() if np.isfinite(values[index])}
        found = {metric: _interval(value, spread[metric][:, index]) for metric, value in known.items()}
        rows.append({"label": name, "support": int(confusion[index].sum())} | found)
    overall = {"accuracy": accuracy, "macro_f1": macro_f1}
    summary = {metric: _interval(score(confusion), score(draws)) for metric, score in overall.items()}
    return summary | {"confusion": confusion.tolist(), "per_class": rows}


def _interval(value: np.ndarray | float, draws: np.ndarray) -> dict[str, float]:
    return percentile_interval(value, draws)._asdict()


def macro_f1_difference(
    labels: np.ndarray, predictions: np.ndarray, baseline: np.ndarray, n_classes: int, *, seed: int = 0
) -> Interval:
    """Macro-F1 of `predictions` minus that of `baseline` on the same reviews, drawn together (paired).

    >>> macro_f1_difference(np.array([0, 1]), np.array([0, 1]), np.array([0, 1]), 2)
    Interval(value=0.0, low=0.0, high=0.0)
    """
    cells, counts = np.unique(np.stack([labels, predictions, baseline]), axis=1, return_counts=True)
    draws = resample(counts, seed=seed)  # how often each (label, prediction, baseline) that there is: few, of C^3

    def of(found: np.ndarray, counts: np.ndarray) -> np.ndarray | float:
        entries = np.ones(len(found)), (np.arange(len(found)), cells[0] * n_classes + found)
        place = sparse.csr_array(entries, shape=(len(found), n_classes**2))
        return macro_f1((counts @ place).reshape(*counts.shape[:-1], n_classes, n_classes))

    return percentile_interval(of(cells[1], counts) - of(cells[2], counts), of(cells[1], draws) - of(cells[2], draws))


def report_table(one: dict[str, Any]) -> pd.DataFrame:
    """One row per class: label, reviews, then precision, recall and F1 as `0.52 [0.47, 0.57]`."""
    shown = [{name: _shown(row.get(name)) for name in ("precision", "recall", "f1")} for row in one["per_class"]]
    named = [{"label": row["label"], "reviews": row["support"]} for row in one["per_class"]]
    return pd.DataFrame(named).join(pd.DataFrame(shown))


def summary_table(reports: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """One row per classifier: accuracy and macro-F1 as `0.52 [0.47, 0.57]`."""
    rows = [{name: _shown(one[name]) for name in ("accuracy", "macro_f1")} for one in reports.values()]
    return pd.DataFrame({"classifier": [*reports]}).join(pd.DataFrame(rows))


def _shown(entry: dict[str, float] | None) -> str:
    return "-" if entry is None else f"{Interval(**entry):.2f}"
