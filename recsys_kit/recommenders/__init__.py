"""Chapters 3 to 5: every recommender, one contract."""

from recsys_kit.recommenders.base import MODELS, Recommender, load
from recsys_kit.recommenders.content import Content
from recsys_kit.recommenders.factorization import ALS, BPR
from recsys_kit.recommenders.hybrid import Hybrid
from recsys_kit.recommenders.linear import EASE
from recsys_kit.recommenders.neighbours import ItemKNN, ItemKNNBM25, UserKNN
from recsys_kit.recommenders.popularity import PopularInCategory, Popularity, PopularLately

__all__ = [
    "ALS",
    "BPR",
    "EASE",
    "MODELS",
    "Content",
    "Hybrid",
    "ItemKNN",
    "ItemKNNBM25",
    "PopularInCategory",
    "PopularLately",
    "Popularity",
    "Recommender",
    "UserKNN",
    "load",
]
