"""A few models of a small shop, from evaluation to the answer: saved, read again and asked in their circumstances."""

import numpy as np
import pandas as pd
import pytest

from recsys_kit import recommend
from recsys_kit.data import load_dataset, split_interactions
from recsys_kit.errors import ParameterError
from recsys_kit.evaluation import evaluate
from recsys_kit.recommenders import ContextAware, Hybrid, ItemKNN, Popularity, Stack
from recsys_kit.shop.serving import answer
from recsys_kit.workbook.runs import open_run

HIDDEN = ["ctx_promotion"]
pytestmark = pytest.mark.filterwarnings("ignore::recsys_kit.shop.serving.Note")


@pytest.fixture(scope="module")
def shop():
    return load_dataset("toyshop")


@pytest.fixture(scope="module")
def split(shop):
    return split_interactions(shop.interactions)


@pytest.fixture(scope="module")
def run(tmp_path_factory, shop, split):
    """What chapters 01 and 04 leave behind, with ensembles that have the context-aware model as a member."""
    train, valid = split.train.drop(columns=HIDDEN), split.ground_truth("valid")
    options = {"items": shop.items, "valid": valid}
    members = {"item_knn": ItemKNN().fit(train, **options), "context_aware": ContextAware().fit(train, **options)}
    models = {"popularity": Popularity().fit(train, **options), **members}
    models["hybrid"] = Hybrid(members, fixed={"item_knn": 1.0, "context_aware": 1.0}).fit(train, **options)
    models["stack"] = Stack(members, trees=10, rankers=1, fixed={"item_knn": 1.0, "context_aware": 1.0}).fit(
        train, **options
    )
    asked = split.circumstances("test").drop(columns=HIDDEN)
    found = evaluate(models, split, context=asked)
    run = open_run(tmp_path_factory.mktemp("runs") / "shop", chapter="04_evaluation", seed=0)
    run.write("data/interactions.parquet", shop.interactions)
    run.write("data/items.parquet", shop.items)
    for name, model in models.items():
        run.write(f"models/{name}", model)
    run.write("results/leaderboard.csv", pd.DataFrame({"model": list(models)}))
    run.write("results/recommendations.parquet", found.recommendations)
    run.write("results/protocol.json", {"context": list(asked)})
    return run


@pytest.mark.parametrize("name", ["popularity", "item_knn", "context_aware", "hybrid", "stack"])
def test_the_evaluated_lists_are_served(run, split, name):
    expected = run.read("results/recommendations.parquet").query("model == @name").reset_index(drop=True)
    users, histories = expected["user_id"].unique().tolist(), split.histories("test")
    context = split.circumstances("test").drop(columns=HIDDEN).reindex(users)
    served = recommend(
        run.folder, history=[histories.get(user, []) for user in users], context=context, model=name, k=20
    )
    served = served.assign(user_id=[users[place] for place in served["query"]])
    pd.testing.assert_frame_equal(served[["user_id", "item_id", "rank"]], expected[["user_id", "item_id", "rank"]])
    np.testing.assert_allclose(served["score"], expected["score"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["popularity", "item_knn", "context_aware", "hybrid", "stack"])
def test_a_score_does_not_depend_on_who_else_asks(run, split, name):
    users = [*split.test["user_id"].unique()[:3].tolist(), "nobody"]
    together = recommend(run.folder, user=users, context="last event", model=name, k=5)
    for user in users:
        alone = recommend(run.folder, user=user, context="last event", model=name, k=5)
        mine = together[together["query"] == user].drop(columns="query").reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, mine, rtol=1e-5)


@pytest.mark.parametrize("name", ["context_aware", "hybrid", "stack"])
def test_the_circumstances_reach_a_member_of_an_ensemble(run, split, name):
    users = split.test["user_id"].unique()[:20].tolist()
    lists = [
        recommend(run.folder, user=users, context={"device": device, "timestamp": when}, model=name, k=20)
        for device, when in (("phone", "2025-12-24T18:00"), ("laptop", "2025-07-01T06:00"))
    ]
    assert lists[0]["item_id"].tolist() != lists[1]["item_id"].tolist()
    (note,) = answer(run.folder, user=users[0], context={"device": "phone"}, model=name).notes
    assert note.startswith(f"{name} uses the context and was not told daypart (")


def test_what_is_hidden_from_the_models_is_refused(run):
    with pytest.raises(ParameterError, match=r"RK-343 context names 'promotion'; .* timestamp, device, daypart"):
        recommend(run.folder, user="s0001", context={"promotion": "yes"})
