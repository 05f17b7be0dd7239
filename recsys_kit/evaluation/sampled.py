"""Ranking against a few drawn items instead of the catalogue: what many papers report, and what flatters."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from recsys_kit import metrics
from recsys_kit.core.contexts import context_of
from recsys_kit.core.ranking import BLOCK_CELLS, top_k
from recsys_kit.data.splitting import Split
from recsys_kit.errors import ParameterError
from recsys_kit.evaluation.judging import Task, set_task
from recsys_kit.evaluation.leaderboard import CUTOFFS, LONG_COLUMNS, checked_cutoffs
from recsys_kit.intervals import bootstrap_means
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.holdout import score, visible


def evaluate_sampled(
    models: Mapping[str, Recommender],
    split: Split,
    *,
    n_negatives: int = 100,
    part: str = "test",
    cutoffs: Sequence[int] = CUTOFFS,
    min_rating: float | None = None,
    target_events: Sequence[str] = (),
    seen_events: Sequence[str] = (),
    context: pd.DataFrame | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """The ranking metrics where each shopper's relevant items compete with `n_negatives` others only.

    To compare with papers that did so, for nothing else: such values are far above those of a full ranking, and may
    order models differently (Krichene and Rendle, On sampled metrics for item recommendation, KDD 2020). The names say
    it: `ndcg_sampled_100`. The negatives are drawn once per shopper, from what they neither had nor took, and are the
    same for every model; all of them where there are fewer. What is relevant `min_rating`, `target_events` and
    `seen_events` say, and when and where each shopper asks `context`, as for `evaluate`.

    Returns:
        model, slice ("all"), metric, k, value, low, high, n_users.
    """
    if not isinstance(n_negatives, int | np.integer) or n_negatives < 1:
        raise ParameterError("RK-366", f"n_negatives is {n_negatives!r}; expected 1 or more.", "Pass n_negatives=100.")
    cutoffs = checked_cutoffs(cutoffs)
    task = set_task(models, split, part, min_rating, target_events, seen_events)
    asked = None if context is None else context_of(context, task.users)
    frames = []
    for name, model in models.items():
        lists = _lists(model, task, n_negatives, max(cutoffs), seed, asked)
        hits, n_relevant = metrics.match(lists, *task.relevant)
        for k in cutoffs:
            values = metrics.ranking_metrics(hits, n_relevant, k)
            rows = pd.DataFrame(bootstrap_means(np.column_stack([*values.values()]), seed=seed))
            rows.columns = ["value", "low", "high"]
            labels = [f"{metric.split('@')[0]}_sampled_{n_negatives}" for metric in values]
            frames.append(rows.assign(model=name, slice="all", metric=labels, k=k, n_users=len(task.users)))
    return pd.concat(frames, ignore_index=True)[LONG_COLUMNS]


def _lists(
    model: Recommender, task: Task, n_negatives: int, k: int, seed: int, context: pd.DataFrame | None
) -> np.ndarray:
    """`(U, k)`: the candidates of each shopper, ranked by the model, strangers by popularity as in `recommend`."""
    rng, n_items = np.random.default_rng(seed), len(task.catalogue)
    size = max(1, BLOCK_CELLS // (4 * n_items))  # the lots are twice as wide as scores, and sorted
    blocks = []
    for start in range(0, len(task.users), size):
        rows = slice(start, start + size)
        histories = model.encode(task.histories[rows])
        if task.seen is not None:
            histories = replace(histories, seen=model.encode(task.seen[rows]))
        scores = visible(model, score(model, histories, None if context is None else context.iloc[rows]), histories)
        seen = histories.masked.matrix(n_items).toarray() > 0
        scores[~_candidates(seen, _relevant(task, start, len(seen)), n_negatives, rng)] = -np.inf
        blocks.append(top_k(scores, k))
    return np.concatenate(blocks)


def _relevant(task: Task, start: int, n_rows: int) -> np.ndarray:
    rows, places = task.relevant
    here = (rows >= start) & (rows < start + n_rows) & (places < len(task.catalogue))
    relevant = np.zeros((n_rows, len(task.catalogue)), bool)
    relevant[rows[here] - start, places[here]] = True
    return relevant


def _candidates(seen: np.ndarray, relevant: np.ndarray, n_negatives: int, rng: np.random.Generator) -> np.ndarray:
    """`(B, N)`: the relevant items, and the `n_negatives` other new ones that drew the lowest lots."""
    lots = np.where(seen | relevant, np.inf, rng.random(seen.shape))
    last = np.sort(lots, axis=1)[:, min(n_negatives, lots.shape[1]) - 1][:, None]
    return relevant | ((lots <= last) & np.isfinite(lots))
