"""Chapter 4: which list is better, and how certain is that?"""

from recsys_kit.evaluation.comparison import by_product, compare, disagreements, experience_by_weights
from recsys_kit.evaluation.leaderboard import CUTOFFS, Evaluation, evaluate
from recsys_kit.evaluation.measures import POPULARITY, WARMTH
from recsys_kit.evaluation.published import BENCHMARKS, benchmark_of, beside_published
from recsys_kit.evaluation.summaries import table_of
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
    "experience_by_weights",
    "table_of",
]
