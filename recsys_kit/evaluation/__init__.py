"""Chapter 4: which list is better, and how sure are we?"""

from recsys_kit.evaluation.leaderboard import (
    CUTOFFS,
    Evaluation,
    by_product,
    by_shopper,
    disagreements,
    evaluate,
    table_of,
)
from recsys_kit.intervals import Interval, bootstrap, bootstrap_means

__all__ = [
    "CUTOFFS",
    "Evaluation",
    "Interval",
    "bootstrap",
    "bootstrap_means",
    "by_product",
    "by_shopper",
    "disagreements",
    "evaluate",
    "table_of",
]
