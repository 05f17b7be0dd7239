"""Chapters 3 to 5: every recommender, one contract.

>>> sorted(MODELS)
['content', 'ease', 'hybrid', 'item_knn', 'popularity']
"""

from recsys_kit.recommenders.base import MODELS, Recommender, load
from recsys_kit.recommenders.content import Content
from recsys_kit.recommenders.hybrid import Hybrid
from recsys_kit.recommenders.linear import EASE
from recsys_kit.recommenders.neighbours import ItemKNN
from recsys_kit.recommenders.popularity import Popularity

__all__ = ["EASE", "MODELS", "Content", "Hybrid", "ItemKNN", "Popularity", "Recommender", "load"]
