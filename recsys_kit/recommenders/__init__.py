"""The recommenders, with one contract; `MODELS` has them by name."""
# ruff: noqa: F401

from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.content import Attributes, Content
from recsys_kit.recommenders.ensembles.base import refit_all
from recsys_kit.recommenders.ensembles.blend import Hybrid
from recsys_kit.recommenders.ensembles.fusion import ReciprocalRankFusion
from recsys_kit.recommenders.ensembles.switching import Switching
from recsys_kit.recommenders.factorization import ALS, BPR
from recsys_kit.recommenders.formulas import (
    FormulaCollaborative,
    FormulaContent,
    FormulaDeep,
    FormulaPair,
    FormulaSimilarity,
)
from recsys_kit.recommenders.holdout import tune, validation_ndcg
from recsys_kit.recommenders.linear import EASE
from recsys_kit.recommenders.neighbours import ItemKNN, ItemKNNBM25, UserKNN
from recsys_kit.recommenders.popularity import PopularInCategory, Popularity, PopularLately
from recsys_kit.recommenders.rerankers.context import ContextAware
from recsys_kit.recommenders.rerankers.stack import Stack
from recsys_kit.recommenders.rules import AssociationRules
from recsys_kit.recommenders.sequential import ShallowSequence, TransformerSequence
from recsys_kit.recommenders.store import MODELS, load_models, save_models
from recsys_kit.recommenders.store import load_model as load
from recsys_kit.recommenders.towers import TwoTowers
from recsys_kit.recommenders.transitions import ItemTransitions
