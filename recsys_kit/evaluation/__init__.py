"""Chapter 4: which list is better, and how sure are we?"""

from recsys_kit.evaluation.comparison import compare, experience_by_weights
from recsys_kit.evaluation.judging import POPULARITY, WARMTH
from recsys_kit.evaluation.leaderboard import (
    CUTOFFS,
    Evaluation,
    by_product,
    disagreements,
    evaluate,
    table_of,
)
from recsys_kit.evaluation.published import BENCHMARKS, benchmark_of, beside_published
from recsys_kit.evaluation.sampled import evaluate_sampled
from recsys_kit.intervals import Interval, bootstrap, bootstrap_means

__all__ = [
    "BENCHMARKS",
    "CUTOFFS",
    "POPULARITY",
    "WARMTH",
    "Evaluation",
    "Interval",
    "benchmark_of",
    "beside_published",
    "bootstrap",
    "bootstrap_means",
    "by_product",
    "compare",
    "disagreements",
    "evaluate",
    "evaluate_sampled",
    "experience_by_weights",
    "table_of",
]
