"""Time and memory of the evaluation, beside the ranking of the same lists and beside ranx.

    python -W ignore -m benchmarks.evaluation [--models 3] [--ranx]

1. `evaluate` on 6,000 users, 3,700 items and a million events, every metric and slice, with given scores: seconds,
   their ratio to ranking the same scores with `top_k`, and peak memory. Bounds: 10 s and 1 GB.
2. With `--ranx` (not a dependency: `pip install --target FOLDER ranx`, then PYTHONPATH=.:FOLDER): the ranking metrics
   of the same top-k lists, both sides already in the library's own form and warm. Bound: a third of ranx's time, same
   values.

Times are "wall clock / processor" in seconds: on a busy machine compare the processor's.
"""

import argparse
import resource
import threading
import time

import numpy as np
import pandas as pd
import psutil

from recsys_kit import metrics
from recsys_kit.core.histories import Histories
from recsys_kit.core.ranking import top_k
from recsys_kit.core.vectors import Vectors
from recsys_kit.data import Split
from recsys_kit.evaluation import CUTOFFS, compare, evaluate
from recsys_kit.recommenders import Popularity

N_USERS, N_ITEMS, N_EVENTS, N_RELEVANT = 6000, 3700, 1_000_000, 8


class Given(Popularity):
    """A model with given scores: one row per user in the order of evaluation, whatever the history."""

    def use(self, scores: np.ndarray, shift: int) -> "Given":
        """Set the `(U, N)` scores; `shift` moves them along the items, so that models differ."""
        self.scores, self.shift, self.place = scores, shift, 0
        return self

    def _score(self, histories: Histories) -> np.ndarray:
        block = self.scores[self.place : self.place + len(histories)]
        self.place = (self.place + len(histories)) % len(self.scores)
        return np.roll(block, self.shift, axis=1)


def big_shop(seed: int = 0) -> tuple[Split, pd.DataFrame, Vectors]:
    """Return a million events with a long tail, split by time, and items with categories and dense vectors."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(20, N_ITEMS + 20)
    names = np.array([f"p{item:04d}" for item in range(N_ITEMS)])
    n_test = N_USERS * N_RELEVANT
    users = np.r_[rng.integers(0, N_USERS, N_EVENTS - n_test), np.repeat(np.arange(N_USERS), N_RELEVANT)]
    bought = rng.choice(N_ITEMS, N_EVENTS - n_test, p=weights / weights.sum())
    events = pd.DataFrame({
        "user_id": np.array([f"s{user:05d}" for user in range(N_USERS)])[users],
        "item_id": names[np.r_[bought, rng.integers(0, N_ITEMS, n_test)]],
        "timestamp": pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.arange(N_EVENTS), "s"),
        "rating": rng.integers(1, 6, N_EVENTS).astype(float),
    })  # fmt: skip
    train = events.head(N_EVENTS - n_test)
    split = Split(train, events.iloc[:0], events.tail(n_test).reset_index(drop=True), events.iloc[:0])
    items = pd.DataFrame({"item_id": names, "category": [f"kind {item % 40}" for item in range(N_ITEMS)]})
    values = rng.normal(size=(N_ITEMS, 384)).astype(np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return split, items, Vectors(names.tolist(), values, {})


class Stopwatch:
    """Seconds of the wall clock and of the processor."""

    def __enter__(self) -> "Stopwatch":
        self.started = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *error: object) -> None:
        self.clock, self.processor = time.perf_counter() - self.started[0], time.process_time() - self.started[1]

    def __str__(self) -> str:
        return f"{self.clock:.2f} s / {self.processor:.2f} s"


class PeakMemory:
    """Peak resident memory inside the block, less what was resident before, in MB."""

    def __enter__(self) -> "PeakMemory":
        self.process, self.open, self.peak = psutil.Process(), True, 0
        self.before = self.process.memory_info().rss
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self) -> None:
        while self.open:
            self.peak = max(self.peak, self.process.memory_info().rss)
            time.sleep(0.005)

    def __exit__(self, *error: object) -> None:
        self.open = False
        self.thread.join()
        self.added_mb = (self.peak - self.before) / 2**20


def whole_evaluation(n_models: int) -> None:
    """Print the time and memory of `evaluate` with given scores, and the time of the comparison of all pairs."""
    split, items, vectors = big_shop()
    scores = np.random.default_rng(1).random((N_USERS, N_ITEMS), dtype=np.float32)
    models = {"popularity": Popularity().fit(split.train, items=items)}
    for number in range(1, n_models):
        models[f"given {number}"] = Given().fit(split.train, items=items).use(scores, number)
    with Stopwatch() as ranking:
        for _ in models:
            top_k(scores, max(CUTOFFS))
    with PeakMemory() as memory, Stopwatch() as watch:
        evaluation = evaluate(models, split, items=items, item_vectors=vectors, grades="rating")
    n_metrics, n_rows = evaluation.metrics["metric"].nunique(), len(evaluation.metrics)
    print(
        f"evaluate {n_models} model(s): {n_metrics} metrics at k = {CUTOFFS}, {n_rows:,} rows with intervals: {watch}"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"  {watch.processor / ranking.processor:.1f} times the processor's time of ranking the same scores")
    print(f"  {memory.added_mb:,.0f} MB on top of the shop and the scores; {peak:,.0f} MB in all")
    if n_models > 1:
        with Stopwatch() as watch:
            rows = compare(evaluation, against=None)
        print(f"compare {len(rows)} pairs: {watch}")


def against_ranx(n_rounds: int = 7) -> None:
    """Print the time of the same metrics of the same lists, the best of several warm rounds each, in turn."""
    import ranx

    rng = np.random.default_rng(0)
    lists = top_k(rng.random((N_USERS, N_ITEMS), dtype=np.float32), max(CUTOFFS))
    users, items = np.repeat(np.arange(N_USERS), N_RELEVANT), rng.integers(0, N_ITEMS, N_USERS * N_RELEVANT)
    qrels: dict[str, dict[str, int]] = {}
    for user, item in zip(users.tolist(), items.tolist(), strict=True):
        qrels.setdefault(str(user), {})[str(item)] = 1
    run = {
        str(user): {str(item): float(-rank) for rank, item in enumerate(row)} for user, row in enumerate(lists.tolist())
    }
    theirs_in = ranx.Qrels(qrels), ranx.Run(run)
    names = [f"{metric}@{k}" for k in CUTOFFS for metric in metrics.RANKING_METRICS]

    def ours() -> dict[str, np.ndarray]:
        hits, n_relevant = metrics.match(lists, users, items)
        values = [metrics.ranking_metrics(hits, n_relevant, k) for k in CUTOFFS]
        return {name: value for at_k in values for name, value in at_k.items()}

    theirs = ranx.evaluate(*theirs_in, names, make_comparable=False)  # the first call compiles
    worst = max(abs(value.mean() - theirs[name]) for name, value in ours().items())
    seconds: dict[str, list[float]] = {"ours": [], "ranx": []}
    for _ in range(n_rounds):
        for name, call in (("ours", ours), ("ranx", lambda: ranx.evaluate(*theirs_in, names, make_comparable=False))):
            started = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - started)
    best = {name: min(times) for name, times in seconds.items()}
    print(f"{len(names)} ranking metrics of {N_USERS:,} lists of {max(CUTOFFS)}: ours {best['ours'] * 1e3:.1f} ms, "
          f"ranx {best['ranx'] * 1e3:.1f} ms, ratio {best['ranx'] / best['ours']:.1f}; "
          f"greatest difference {worst:.1e}")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranx", action="store_true", help="compare with ranx, which must be importable")
    parser.add_argument("--models", type=int, default=1, help="number of models to evaluate")
    options = parser.parse_args()
    whole_evaluation(options.models)
    if options.ranx:
        against_ranx()
