"""Chapter 4: which list is better, and how sure are we?"""

from recsys_kit.evaluation.intervals import Interval, bootstrap, bootstrap_means
from recsys_kit.evaluation.leaderboard import Evaluation, by_product, by_shopper, disagreements, evaluate, table_of

__all__ = [
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
