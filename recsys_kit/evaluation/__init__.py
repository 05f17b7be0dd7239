"""Chapter 4: which list is better, and how certain is that?"""
# ruff: noqa: F401

from recsys_kit.evaluation.comparison import by_product, compare, disagreements, experience_by_weights
from recsys_kit.evaluation.leaderboard import CUTOFFS, Evaluation, evaluate
from recsys_kit.evaluation.measures import POPULARITY, WARMTH
from recsys_kit.evaluation.summaries import table_of
