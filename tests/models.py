"""Each registered model on the planted shop: with few and quick steps, unfitted or fitted."""

from functools import cache

from recsys_kit.recommenders import EASE, MODELS, Content, Hybrid, ItemKNN, Recommender, Stack
from recsys_kit.recommenders.ensembles.base import Ensemble
from recsys_kit.recommenders.sequential import SequenceModel
from recsys_kit.testing import PlantedShop, Subject, planted_shop


def unfitted(name: str) -> Recommender:
    """A model by its registered name; an ensemble has members of three families, a network few and quick steps."""
    model = MODELS[name]
    members = {"ease": EASE(regularization=5), "item_knn": ItemKNN(), "content": Content()}
    if issubclass(model, Ensemble):
        return model(members)
    if issubclass(model, Stack):
        return model(Hybrid(members), n_trees=10, n_rankers=1)
    if issubclass(model, SequenceModel):
        return model(embedding_dim=16, learning_rate=0.01)
    return model()


def fitted(name: str, shop: PlantedShop) -> Recommender:
    """The model of this name, fitted on a planted shop."""
    return Subject(unfitted(name), shop).fit()


@cache
def fitted_once(name: str) -> Recommender:
    """`fitted(name, planted_shop())`, the same object at each call; do not change it."""
    return fitted(name, planted_shop())
