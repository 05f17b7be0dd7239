"""Chapters 3 to 5: every recommender, one contract."""

from recsys_kit.recommenders.base import MODELS, Recommender, load
from recsys_kit.recommenders.content import Attributes, Content
from recsys_kit.recommenders.hybrid import Hybrid, ReciprocalRankFusion, Switching
from recsys_kit.recommenders.linear import EASE
from recsys_kit.recommenders.neighbours import ItemKNN
from recsys_kit.recommenders.popularity import Popularity
from recsys_kit.recommenders.sequential import ShallowSequence, TransformerSequence
from recsys_kit.recommenders.stacking import Stack
from recsys_kit.recommenders.transitions import ItemTransitions

__all__ = [
    "EASE",
    "MODELS",
    "Attributes",
    "Content",
    "Hybrid",
    "ItemKNN",
    "ItemTransitions",
    "Popularity",
    "ReciprocalRankFusion",
    "Recommender",
    "ShallowSequence",
    "Stack",
    "Switching",
    "TransformerSequence",
    "load",
]
