"""The formulas by hand, what they learn from, and the names of their parameters."""

import numpy as np
import pytest
import torch

from recsys_kit.core.vectors import Vectors
from recsys_kit.recommenders import (
    FormulaCollaborative,
    FormulaContent,
    FormulaDeep,
    FormulaPair,
    FormulaSimilarity,
)
from recsys_kit.testing.planted import planted_shop
from tests.recommenders.test_classic import of_baskets, scores_of

SHOP = planted_shop()
CORNERS = Vectors(["a", "b", "c"], np.array([[1, 0], [0.6, 0.8], [0, 1]], np.float32), {})


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


def with_symbols(model, **symbols):
    """A formula fitted on two users, with these parameters."""
    model.epochs = 1
    model.fit(of_baskets("ab", "bc"), item_vectors=CORNERS)
    given = {name: np.atleast_1d(value).astype(np.float32) for name, value in symbols.items()}
    assert {name: value.shape for name, value in given.items()} == {n: v.shape for n, v in model.symbols.items()}
    model.symbols = given
    return model


def test_the_content_formula_by_hand():
    w = np.array([[1.0, 2.0], [0.0, -1.0]])
    scores = scores_of(with_symbols(FormulaContent(), W=w), "a")  # x2 = x3 of a = (1, 0): x2' W = (1, 2)
    assert scores.to_dict() == pytest.approx({"a": sigmoid(1), "b": sigmoid(0.6 + 1.6), "c": sigmoid(2)})


def test_the_collaborative_formula_by_hand():
    a = np.array([[0.5, -1.0], [2.0, 0.0]])
    model = FormulaCollaborative(embedding_dim=2)
    model = with_symbols(model, alpha=np.log(3), beta=np.log(2), gamma=np.log(4), A=a)  # a = 3/4, b = 2, g = 4
    x1 = dict(zip(model.item_ids, model.behaviour, strict=True))
    x2, x3 = np.array([1.0, 0.0]), dict(zip(CORNERS.ids, CORNERS.values, strict=True))
    expected = {i: 0.75 * sigmoid(2 * x1[i] @ a @ x2) + 0.25 * sigmoid(4 * x2 @ x3[i]) for i in "abc"}
    assert scores_of(model, "a").to_dict() == pytest.approx(expected, rel=1e-5)


def test_the_deep_formula_by_hand():
    theta = np.array([[1.0, 2.0, 3.0], [0.0, 5.0, 0.0]])
    model = with_symbols(FormulaDeep(), theta=theta)
    scores = model.score([["a"]])[0]  # x2 = (1, 0): logits 1, 2, 3
    np.testing.assert_allclose(np.exp(scores), np.exp([1, 2, 3]) / np.exp([1, 2, 3]).sum(), rtol=1e-5)


def test_the_similarity_and_the_pair_formula_by_hand():
    """A history of a, c: the mean over both, the older weighing 2^-0.3."""
    share = np.array([2**-0.3, 1]) / (1 + 2**-0.3)
    similar = scores_of(FormulaSimilarity().fit(of_baskets("ab", "bc"), item_vectors=CORNERS), "ac")
    assert similar["b"] == pytest.approx(share @ [0.6, 0.8])
    a = np.array([[1.0, 0.5], [-2.0, 0.0]])
    pair = scores_of(with_symbols(FormulaPair(), A=a), "ac")
    x = {i: v.astype(float) for i, v in zip(CORNERS.ids, CORNERS.values, strict=True)}
    terms = [sigmoid((x[i] @ x["b"]) * (x[i] @ a @ x["b"])) for i in "ac"]
    assert pair["b"] == pytest.approx(share @ terms)


def test_a_formula_sees_the_user_without_the_event_it_predicts():
    model = FormulaContent(epochs=1, history_decay=0).fit(of_baskets("ab", "bc"), item_vectors=CORNERS)
    model._example = lambda *given: given
    for _, example in model._batches(model._examples()):
        user, others, candidates = (tensor.numpy() for tensor in example)  # histories of two: the other
        np.testing.assert_allclose(user, model.content[others], atol=1e-6)
        assert (candidates[:, 0] != others).all()


def test_learning_lowers_the_loss_of_every_formula():
    for model in (FormulaCollaborative(), FormulaContent(), FormulaDeep(), FormulaPair()):
        model.fit(SHOP.train, item_vectors=SHOP.vectors)
        _, example = next(model._batches(model._examples()))
        symbols = (
            {n: torch.tensor(v, dtype=torch.float32) for n, v in some.items()}
            for some in (model._initial(), model.symbols)
        )
        before, after = (float(model._loss(some, example)) for some in symbols)
        assert after < before


def test_a_formula_is_fitted_where_no_user_has_two_items():
    model = FormulaContent().fit(of_baskets("a", "b"), item_vectors=CORNERS)
    np.testing.assert_array_equal(model.symbols["W"], np.eye(2))
