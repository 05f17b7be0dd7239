"""Parameters chosen on validation."""

import os
import weakref
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.data import load_dataset, split_interactions
from recsys_kit.errors import ParameterError
from recsys_kit.recommenders import ALS, EASE, MODELS, Hybrid, ItemKNN, ItemKNNBM25, Popularity, load, refit_all, tune
from recsys_kit.recommenders.holdout import measure_ndcg

TRIED = {"regularization": (0.1, 1.0, 10.0, 1e4), "history_decay": (0.0, 0.3)}


def noisy_shop() -> SimpleNamespace:
    """Shoppers of four circles who stray every other time: how much a model smooths makes a difference."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(300):
        own, stray = rng.permutation(10)[:8] + 10 * (user % 4), rng.permutation(40)[:8]
        chosen = pd.unique(np.where(rng.random(8) < 0.5, own, stray))
        rows += [(f"u{user:03d}", f"i{item:02d}", place) for place, item in enumerate(chosen)]
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "position"])
    is_late = events.groupby("user_id").cumcount(ascending=False) < 2
    return SimpleNamespace(train=events[~is_late], valid=events[is_late])


SHOP = noisy_shop()
SPLIT = EncodedSplit.of(SHOP.train, valid=SHOP.valid)


def reached(model) -> float:
    targets = SPLIT.validation(1000, 0)
    return float(np.nanmean(measure_ndcg(model, targets, 10)))


def test_what_ranks_validation_best_is_chosen_and_nothing_beside_it_is_better():
    best = tune(EASE(regularization=0.1), TRIED, SPLIT)
    assert best.regularization != 0.1 and reached(best) > reached(EASE(regularization=0.1).fit(SHOP.train))
    for name, values in TRIED.items():
        for value in values:
            assert reached(replace(best, **{name: value}).fit(SHOP.train)) <= reached(best)


def test_no_combination_is_fitted_twice_few_are_held_and_the_model_given_stays():
    asked, alive, held = [], weakref.WeakSet(), []

    class Watched(EASE):
        __hash__ = object.__hash__

        def _fit(self, split):
            asked.append((self.regularization, self.history_decay))
            super()._fit(split)
            alive.add(self)
            held.append(len(alive))

    model = Watched(regularization=1e4)
    best = tune(model, TRIED, SPLIT)
    assert len(asked) == len(set(asked)) > len(TRIED["regularization"])
    assert (best.regularization, best.history_decay) in asked
    np.testing.assert_array_equal(
        best.weights, EASE(regularization=best.regularization, history_decay=best.history_decay).fit(SHOP.train).weights
    )
    assert max(held) <= 2  # the best so far, and the one being judged
    assert model.regularization == 1e4 and not hasattr(model, "item_ids")


def test_what_is_seen_decides_what_there_is_to_choose_by():
    """Validation wants items of the training histories: they judge only where those are not the seen items."""
    again = SHOP.train.groupby("user_id").tail(1)[["user_id", "item_id"]]
    seen = SHOP.train.drop(index=again.index)
    start = EASE(regularization=1e4)
    options = {"regularization": (1.0, 1e4)}
    split = EncodedSplit.of(SHOP.train)
    assert tune(start, options, split.with_targets("valid", again)).regularization == 1e4
    assert tune(start, options, split.with_targets("valid", again, seen=seen)).regularization == 1.0


def test_what_was_chosen_is_a_parameter_so_that_a_refit_and_the_disk_keep_it(tmp_path):
    best = tune(EASE(regularization=0.1), {"regularization": (100.0,)}, SPLIT)
    again = best.refit(EncodedSplit.of(pd.concat([SHOP.train, SHOP.valid])))
    again.save(tmp_path / "model")
    assert best.regularization == again.regularization == load(tmp_path / "model").regularization == 100.0


def test_every_list_of_options_names_parameters_of_its_model_and_a_model_without_one_is_only_fitted():
    for model in MODELS.values():
        assert set(model.options) <= set(model.__dataclass_fields__)
    chosen = tune(ItemKNN(n_neighbors=1), None, SPLIT)
    assert chosen.n_neighbors in ItemKNN.options["n_neighbors"]
    assert tune(Popularity(), None, SPLIT).recommend(["u000"]).shape[0] == 10


def test_an_option_that_the_model_does_not_have_is_refused():
    with pytest.raises(ParameterError, match=r"RK-319 ease has no parameter 'factors'; .*regularization"):
        tune(EASE(), {"factors": (8,)}, SPLIT)


REAL = os.environ.get("RECSYS_KIT_DATA", "")


@pytest.mark.realdata
@pytest.mark.skipif(not REAL, reason="RECSYS_KIT_DATA is not set: no real data on this machine")
def test_the_blend_is_ahead_of_what_is_published_on_movielens_and_of_its_parts():
    """Weights from the validation part, then refitted; the parameters are those that `tune` chooses, in a minute."""
    shop = load_dataset("movielens", source=Path(REAL) / "movielens-100k")
    split = split_interactions(shop.interactions, method="stratified")
    models = {
        "ease": EASE(regularization=400, history_decay=0.1),
        "als": ALS(embedding_dim=96, confidence=5, regularization=40, history_decay=0),
        "bm25": ItemKNNBM25(n_neighbors=500, half_life=None, history_decay=0.1),
    }
    models = {name: model.fit(split.train, items=shop.items) for name, model in models.items()}
    models["hybrid"] = Hybrid(dict(models)).fit(split.train, items=shop.items, valid=split.valid)
    both = EncodedSplit.of(pd.concat([split.train, split.valid]), items=shop.items)
    again, targets = refit_all(models, both), both.with_targets("test", split.test).targets["test"]
    ndcg = {name: float(np.nanmean(measure_ndcg(model, targets, 10))) for name, model in again.items()}
    assert ndcg["hybrid"] == max(ndcg.values()) >= 0.49  # .475 is the best row that was published
