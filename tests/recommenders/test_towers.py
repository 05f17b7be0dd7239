"""The two towers: what they learn from, the epoch that is kept, NumPy as torch."""

import numpy as np
import pytest
import torch

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.recommenders import TwoTowers, towers
from recsys_kit.recommenders.networks import TowersNetwork
from recsys_kit.testing.planted import planted_shop
from tests.recommenders.test_classic import of_baskets

SHOP = planted_shop()
PLAIN = EncodedSplit.of(SHOP.train, valid=SHOP.valid)


def network_of(model):
    """The towers in torch, from the fitted model."""
    weights = {name: getattr(model, name) for name in ("hidden", "hidden_bias", "out")}
    weights |= {"own": model.item_matrix, "projection": np.zeros((1, model.embedding_dim))}
    return TowersNetwork(weights, np.zeros((len(model.item_ids), 1), np.float32))


def test_the_towers_score_in_numpy_as_they_learned_in_torch():
    model = TwoTowers(epochs=2).fit(SHOP.train, item_vectors=SHOP.vectors)
    (batch,), network = model._validation_batches(PLAIN), network_of(model)
    items = network.item_vectors()
    expected = network.user_vectors(items, *batch[:3], len(batch[3])) @ items.T
    users = SHOP.valid.sort_values("user_id")["user_id"]
    np.testing.assert_allclose(model._score(model.histories_of(users)), expected.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_the_towers_predict_an_event_from_the_others_alone():
    model = TwoTowers(epochs=1, dropout=0.0, history_decay=0).fit(of_baskets("abc", "bd"))
    for _, (item, owner, _, targets) in model._batches(model._examples(np.random.default_rng(0))):
        assert len(targets) == 5
        for prediction, target in enumerate(targets):
            history = item[owner == prediction]
            assert target not in history
            assert len(history) in (1, 2)


def test_the_towers_keep_their_best_epoch():
    """With a ruinous learning rate later epochs are worse; what is kept is not the last."""
    losses = []

    class Watched(TwoTowers):
        def _mean_loss(self, network, validation):
            losses.append(super()._mean_loss(network, validation))
            return losses[-1]

    model = Watched(learning_rate=0.5, epochs=8, patience=8).fit(SHOP.train, valid=SHOP.valid)
    assert min(losses) < losses[-1]
    kept = model._mean_loss(network_of(model), model._validation_batches(PLAIN))
    assert kept == pytest.approx(min(losses), rel=1e-5)
    assert model.refit(EncodedSplit.of(SHOP.train)).epochs == losses.index(min(losses)) + 1


def test_the_validation_loss_in_parts_is_that_at_once(monkeypatch):
    model = TwoTowers(epochs=2).fit(SHOP.train, valid=SHOP.valid)
    whole = model._mean_loss(network_of(model), model._validation_batches(PLAIN))
    monkeypatch.setattr(towers, "EVENTS_PER_BATCH", 40)
    parts = model._validation_batches(PLAIN)
    assert [len(target) for *_, target in parts] == [40, 40, 10]
    assert model._mean_loss(network_of(model), parts) == pytest.approx(whole, rel=1e-6)


def test_of_many_validation_events_some_are_drawn_by_the_seed(monkeypatch):
    model = TwoTowers(epochs=1).fit(SHOP.train)
    ((*_, everything),) = model._validation_batches(PLAIN)
    monkeypatch.setattr(towers, "MAX_VALIDATION_EVENTS", 20)
    shuffled = EncodedSplit.of(SHOP.train, valid=SHOP.valid.sample(frac=1, random_state=1))
    (some,), (again,) = model._validation_batches(PLAIN), model._validation_batches(shuffled)
    np.testing.assert_array_equal(some[3], again[3])
    np.testing.assert_array_equal(some[0], again[0])
    assert len(some[3]) == 20 and some[1].max() == 19
    model.seed = 1
    assert (model._validation_batches(PLAIN)[0][3] != some[3]).any()
    monkeypatch.setattr(towers, "MAX_VALIDATION_EVENTS", 90)
    np.testing.assert_array_equal(model._validation_batches(PLAIN)[0][3], everything)


def test_the_towers_learn_from_drawn_negatives_too():
    model = TwoTowers(full_softmax_up_to=5, n_negatives=20).fit(SHOP.train, valid=SHOP.valid)
    lists = model.recommend(list(SHOP.withheld), k=4)
    assert (lists["item_id"].str[1] == lists["query"].str[1]).mean() > 0.95


def test_the_towers_are_fitted_where_no_user_has_two_items():
    model = TwoTowers().fit(of_baskets("a", "b"))
    assert np.isfinite(model.score([["a"]])).all()


def test_a_cold_item_gets_no_embedding_of_its_own():
    model = TwoTowers(epochs=2).fit(SHOP.train, items=SHOP.items)
    assert not model.item_matrix[~model.can_score].any()
    assert torch.from_numpy(model.item_matrix[model.can_score]).any(dim=1).all()
