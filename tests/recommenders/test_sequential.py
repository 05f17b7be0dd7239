"""The sequence models: the loss against torch's own, batches, what is read of a history, early stopping."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file
from torch.nn import functional
from tqdm.auto import tqdm

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.core.vectors import Vectors
from recsys_kit.errors import ArtifactError, ParameterError, RecsysKitError
from recsys_kit.recommenders import MODELS, ShallowSequence, TransformerSequence, load, networks
from recsys_kit.recommenders.networks import TransformerBody
from recsys_kit.recommenders.sequential import cut_windows, pad_windows, side_information
from recsys_kit.testing.planted import planted_shop
from recsys_kit.training import trainer
from recsys_kit.training.batches import batches_of_few_shapes, batches_of_tokens, padded_length
from recsys_kit.training.objectives import CHUNK, CatalogueCrossEntropy
from tests.models import unfitted

SHOP = planted_shop()
SMALL = {"embedding_dim": 8, "epochs": 4, "learning_rate": 0.02}
both = pytest.mark.parametrize("kind", [ShallowSequence, TransformerSequence])


def chain(n_users=60, n_items=12, length=8, seed=0):
    """Everyone walks round a circle of items from a random place: the next item is certain, and is new."""
    starts = np.random.default_rng(seed).integers(0, n_items, n_users)
    rows = [
        (f"u{user:02d}", f"i{(start + step) % n_items:02d}", step)
        for user, start in enumerate(starts)
        for step in range(length)
    ]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "position"])


# -- the loss ----------------------------------------------------------------------------------------------------------


def loss_and_gradients(function, shoppers, items):
    shoppers, items = (tensor.clone().requires_grad_() for tensor in (shoppers, items))
    loss = function(shoppers, items)
    (3 * loss).backward()
    return loss.detach(), shoppers.grad, items.grad


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 2e-2)])
def test_the_loss_and_its_gradients_are_those_of_torch(dtype, tolerance):
    generator = torch.Generator().manual_seed(0)
    shoppers, items = (torch.randn(n, 16, generator=generator) for n in (2 * CHUNK + 7, 50))
    targets = torch.randint(50, (len(shoppers),), generator=generator)
    ours = loss_and_gradients(lambda u, e: CatalogueCrossEntropy.apply(u, e, targets, dtype), shoppers, items)
    theirs = loss_and_gradients(lambda u, e: functional.cross_entropy(u @ e.T, targets), shoppers, items)
    for one, other in zip(ours, theirs, strict=True):
        assert (one - other).norm() <= tolerance * other.norm()


def test_a_hopeless_target_costs_much_but_is_a_number():
    items = torch.tensor([[1.0], [-1.0]])
    loss = CatalogueCrossEntropy.apply(torch.tensor([[500.0]]), items, torch.tensor([1]), torch.float32)
    assert 80 < loss < torch.inf


# -- batches -----------------------------------------------------------------------------------------------------------


def test_every_event_but_the_first_of_a_history_is_a_target_once():
    histories = Histories(np.arange(30), np.array([0, 1, 8, 8, 30]))
    starts, lengths = cut_windows(histories, max_length=5)
    targets = np.concatenate([start + 1 + np.arange(length) for start, length in zip(starts, lengths, strict=True)])
    assert sorted(targets) == [*range(2, 8), *range(9, 30)]
    assert lengths.max() == 5


def test_batches_hold_each_window_once_of_about_one_length():
    lengths = np.random.default_rng(0).integers(1, 40, 500)
    batches = batches_of_tokens(lengths, 200, np.random.default_rng(1))
    assert sorted(np.concatenate(batches)) == list(range(500))
    assert max(lengths[batch].sum() for batch in batches) <= 200 + 40
    assert np.mean([np.ptp(lengths[batch]) for batch in batches]) < 3


def test_windows_are_padded_at_the_end():
    places, real = pad_windows(np.array([0, 1]), np.array([2, 1]))
    assert places[real].tolist() == [0, 1, 1]
    assert real.tolist() == [[True, True], [True, False]]


def test_batches_of_few_shapes_hold_each_row_once_within_their_budget():
    lengths = np.random.default_rng(0).integers(1, 200, 500).tolist()
    batches = batches_of_few_shapes(lengths, 1024, 64, 128, np.random.default_rng(1))
    assert sorted(row for rows in batches for row in rows) == list(range(500))
    shapes = {(len(rows), padded_length(max(lengths[row] for row in rows), 128)) for rows in batches}
    assert max(n_rows * length for n_rows, length in shapes) <= 1024
    assert len(shapes) <= 2 * 5, "of each length one, and the rest"


# -- the bodies --------------------------------------------------------------------------------------------------------


@both
def test_a_shopper_vector_does_not_know_what_comes_later(kind):
    torch.manual_seed(0)
    body = kind(**SMALL).make_body().eval()
    rows = torch.randn(2, 6, 8)
    changed = rows.clone()
    changed[:, 4:] = torch.randn(2, 2, 8)
    torch.testing.assert_close(body(rows)[:, :4], body(changed)[:, :4])
    assert not torch.allclose(body(rows)[:, 4:], body(changed)[:, 4:])


def test_the_shallow_pooling_is_its_formula():
    torch.manual_seed(0)
    body = ShallowSequence(embedding_dim=4).make_body().eval()
    rows = torch.randn(1, 3, 4)
    far, near = (sum(w * rows[0, 2 - d] for d, w in enumerate(ws)) / sum(ws) ** 0.5
                 for power in (1, 8) if (ws := [(1 + d) ** -float(power) for d in range(3)]))  # fmt: skip
    expected = body.norm(far + near + body.linear(torch.cat([far, near])))
    torch.testing.assert_close(body(rows)[0, 2], expected)


@both
def test_the_next_item_of_a_certain_walk_is_found(kind):
    model = kind(embedding_dim=16, learning_rate=0.02, dropout=0.0).fit(chain())
    lists = model.recommend(histories=[["i03", "i04", "i05"], ["i09", "i10", "i11"]], k=1)
    assert lists["item_id"].tolist() == ["i06", "i00"]


@both
def test_only_the_latest_events_are_read(kind):
    model = kind(**SMALL, max_length=3).fit(SHOP.train)
    long, short = model.score([["i20", "i21", "i00", "i01", "i02"], ["i00", "i01", "i02"]])
    np.testing.assert_allclose(long, short, rtol=1e-5)


# -- what is known of items --------------------------------------------------------------------------------------------


def test_attributes_and_vectors_change_the_items_and_none_is_needed():
    models = [
        ShallowSequence(**SMALL).fit(SHOP.train, **inputs)
        for inputs in ({}, {"items": SHOP.items}, {"item_vectors": SHOP.vectors})
    ]
    scores = [pd.Series(model.score([["i00", "i01"]])[0], model.item_ids)["i02"] for model in models]
    assert len(set(scores)) == 3


def test_side_information_is_aligned_to_the_items_sparse_or_dense():
    dense = Vectors(["b", "a"], np.array([[1.0, 0], [0, 1]], np.float32), {})
    rows = side_information(["a", "b"], None, dense.align(["a", "b"]).values)
    assert rows[0].tolist() == [[0, 1], [1, 0]]
    assert side_information(["a"], pd.DataFrame({"item_id": ["a"]}), None) == []


# -- training ----------------------------------------------------------------------------------------------------------


@both
def test_the_best_epoch_on_validation_is_kept(kind):
    model = kind(**SMALL | {"epochs": 8}, patience=2).fit(SHOP.train, valid=SHOP.valid)
    from recsys_kit.recommenders.holdout import measure_ndcg

    targets = EncodedSplit.of(SHOP.train, valid=SHOP.valid).validation(1000, 0)
    assert np.nanmean(measure_ndcg(model, targets, 10)) == pytest.approx(max(model.validation), abs=1e-6)
    assert len(model.validation) <= int(np.argmax(model.validation)) + 1 + 2


def test_a_refit_goes_on_to_the_epoch_that_was_best_of_equal_ones_the_last():
    model = ShallowSequence(**SMALL)
    model.fit(SHOP.train, valid=SHOP.valid)
    model.validation = [0.1, 0.3, 0.3, 0.2]
    again = model.refit(EncodedSplit.of(SHOP.train))
    assert (again.epochs, again.stop_after) == (SMALL["epochs"], 3)
    model.validation = []
    assert model.refit(EncodedSplit.of(SHOP.train)).stop_after == 0


@both
def test_a_refit_on_the_same_events_is_the_network_that_validation_kept(kind):
    valid = SHOP.valid.assign(item_id=SHOP.valid["item_id"].to_numpy()[::-1])  # nothing to learn: it ends early
    model = kind(**SMALL | {"epochs": 8}, patience=1).fit(SHOP.train, valid=valid)
    assert len(model.validation) < 8
    np.testing.assert_array_equal(model.refit(EncodedSplit.of(SHOP.train)).item_matrix, model.item_matrix)


def test_another_seed_gives_another_model_and_the_callers_random_state_is_left_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = ShallowSequence(**SMALL).fit(SHOP.train)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(6)
    again, other = (ShallowSequence(**SMALL, seed=seed).fit(SHOP.train) for seed in (0, 1))
    np.testing.assert_array_equal(first.item_matrix, again.item_matrix)
    assert not np.array_equal(first.item_matrix, other.item_matrix)


def test_data_without_a_second_event_of_any_user_still_give_a_model(tmp_path):
    train = pd.DataFrame({"user_id": ["u1", "u2"], "item_id": ["a", "b"], "position": [0, 0]})
    model = ShallowSequence(**SMALL).fit(train, valid=train.iloc[:0])
    model.save(tmp_path / "model")
    assert load(tmp_path / "model").recommend(histories=[["a"]], k=5)["item_id"].tolist() == ["b"]


def test_a_rate_at_which_the_loss_is_not_a_number_is_named():
    with pytest.raises(RecsysKitError, match="RK-221 shallow stopped"):
        ShallowSequence(**SMALL | {"learning_rate": 1e30}).fit(SHOP.train)


def test_parameters_below_one_are_refused():
    with pytest.raises(ParameterError, match="RK-351 epochs of shallow is 0"):
        ShallowSequence(epochs=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@both
def test_a_model_trained_on_a_gpu_answers_there_and_twice_the_same(kind):
    first, again = (kind(**SMALL, device="cuda").fit(SHOP.train, items=SHOP.items) for _ in range(2))
    np.testing.assert_array_equal(first.item_matrix, again.item_matrix)
    assert len(first.recommend(["u000"], k=3)) == 3


@pytest.mark.parametrize("name", ["shallow", "two_towers"])
def test_training_that_ends_early_closes_its_bar_as_a_full_one(name, monkeypatch):
    closed = []

    class Bar(tqdm):
        def close(self):
            closed.append((self.n, self.total))
            super().close()

    monkeypatch.setattr(trainer, "tqdm", Bar)
    model = replace(unfitted(name), epochs=40, patience=1)
    model.fit(SHOP.train, items=SHOP.items, valid=SHOP.valid, item_vectors=SHOP.vectors)
    n, total = next((n, total) for n, total in closed if total)  # not the idle bar that a trainer starts with
    steps = n / len(model.validation if name == "shallow" else [0] * (model.best_epoch + 1))
    assert n == total < 40 * steps


# -- named weights -----------------------------------------------------------------------------------------------------


def saved(model, folder):
    """The arrays of a saved model by name."""
    model.save(folder)
    arrays = {}
    for file in folder.rglob("*.safetensors"):
        arrays |= load_file(file)
    return arrays


@both
def test_the_weights_are_saved_by_their_names_with_buffers_and_are_built_once(kind, tmp_path):
    class WithBuffer(kind):
        name = f"{kind.name}_with_buffer"

        def make_body(self):
            body = super().make_body()
            body.register_buffer("steps", torch.tensor([7.0]))
            return body

    model = WithBuffer(**SMALL).fit(SHOP.train, items=SHOP.items)
    arrays = saved(model, tmp_path / "model")
    names = {f"body.{name}" for name in model.make_body().state_dict()}
    assert names | {"item_matrix"} <= set(arrays)
    assert arrays["body.steps"].tolist() == [7.0]
    loaded = load(tmp_path / "model")
    expected = model.recommend(histories=[["i00", "i01"]], k=5)
    pd.testing.assert_frame_equal(loaded.recommend(histories=[["i00", "i01"]], k=5), expected)
    body = loaded._live_body()
    loaded.recommend(histories=[["i02"]], k=5)
    assert loaded._live_body() is body
    del MODELS[WithBuffer.name]


def test_layers_of_equal_size_cannot_change_places(tmp_path, monkeypatch):
    """Their order in the code does not matter, for weights are named; another name is noticed."""
    model = TransformerSequence(**SMALL).fit(SHOP.train)
    saved(model, tmp_path / "model")
    expected = model.score([["i00", "i01"]])

    class Reordered(TransformerBody):
        def __init__(self, config):
            super().__init__(config)
            self._modules["norm"] = self._modules.pop("norm")  # now after the blocks, which end in a norm of its size

    monkeypatch.setattr(networks, "TransformerBody", Reordered)
    np.testing.assert_array_equal(load(tmp_path / "model").score([["i00", "i01"]]), expected)

    class Renamed(TransformerBody):
        def __init__(self, config):
            super().__init__(config)
            self.final_norm = self.norm

    monkeypatch.setattr(networks, "TransformerBody", Renamed)
    with pytest.raises(ArtifactError, match=r"RK-406 .*final_norm"):
        load(tmp_path / "model").score([["i00", "i01"]])


@pytest.mark.parametrize("name", ["two_towers", "formula_collaborative", "formula_deep", "formula_pair"])
def test_no_network_is_saved_as_an_anonymous_vector(name, tmp_path):
    model = unfitted(name).fit(SHOP.train, item_vectors=SHOP.vectors)
    arrays = saved(model, tmp_path / "model")
    expected = {"two_towers": {"item_matrix", "hidden", "hidden_bias", "out"}}
    symbols = {f"symbols.{symbol}" for symbol in getattr(model, "symbols", {})}
    assert expected.get(name, symbols) <= set(arrays)
    np.testing.assert_array_equal(load(tmp_path / "model").score([["i00"]]), model.score([["i00"]]))


def test_a_refit_does_not_stop_at_an_epoch_whose_score_is_not_a_number():
    model = unfitted("shallow")
    model.validation = [0.1, 0.3, float("nan")]
    assert model._chosen() == {"stop_after": 2}
