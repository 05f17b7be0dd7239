"""The leaderboard on a planted shop: the same users, seen items masked, the same denominator."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_kit.data import Split
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.evaluation import by_product, disagreements, evaluate
from recsys_kit.plots import plot_leaderboard
from recsys_kit.recommenders import EASE
from recsys_kit.testing.planted import planted_shop
from tests.models import fitted

SHOP = planted_shop()
NAMES = ["popularity", "item_knn", "ease", "content"]


def shop_split(test: pd.DataFrame | None = None) -> Split:
    valid = SHOP.valid.iloc[:0]
    test = SHOP.valid.assign(timestamp=SHOP.valid["timestamp"] + pd.Timedelta(days=30)) if test is None else test
    return Split(train=SHOP.train, valid=valid, test=test, set_aside=SHOP.train.iloc[:0])


@pytest.fixture(scope="module")
def evaluation():
    models = {name: fitted(name, SHOP) for name in NAMES}
    return evaluate(models, shop_split(), item_vectors=SHOP.vectors, seed=3)


def test_every_model_is_evaluated_on_the_same_users(evaluation):
    users = evaluation.per_user.groupby("model")["user_id"].agg(tuple)
    assert users.nunique() == 1
    assert len(users.iloc[0]) == evaluation.protocol["n_users"] == len(SHOP.withheld)


def test_personal_models_find_what_popularity_cannot(evaluation):
    board = evaluation.leaderboard(5).set_index("model")
    assert board.loc["ease", "recall@5"] > 0.9
    assert board.loc["ease", "ndcg@5_low"] > board.loc["popularity", "ndcg@5_high"]
    against = evaluation.differences.query("model == 'ease' and metric == 'ndcg' and k == 5 and slice == 'all'")
    assert against["low"].item() > 0


def test_a_mean_is_the_mean_of_the_users(evaluation):
    row = evaluation.metrics.query("model == 'content' and metric == 'mrr' and k == 10 and slice == 'all'").iloc[0]
    per_user = evaluation.per_user.query("model == 'content'")["mrr@10"]
    assert row["value"] == pytest.approx(per_user.mean(), abs=1e-12)
    assert row["low"] < row["value"] < row["high"]


def test_what_belongs_to_all_lists_together_has_no_interval_and_every_other_metric_has_one(evaluation):
    of_all_lists = evaluation.metrics[evaluation.metrics["low"].isna()]
    assert set(of_all_lists["metric"]) == {"coverage", "gini", "popularity_lift"}
    assert set(of_all_lists["slice"]) == {"all"}


def test_no_list_holds_a_seen_item(evaluation):
    seen = SHOP.train[["user_id", "item_id"]]
    assert evaluation.recommendations.merge(seen, on=["user_id", "item_id"]).empty


def test_cold_users_are_counted_and_evaluated_with_all_but_not_with_the_warm():
    cold = SHOP.valid.head(1).assign(user_id="cold")
    split = shop_split(pd.concat([SHOP.valid.head(20), cold]))
    result = evaluate({"popularity": fitted("popularity", SHOP), "ease": fitted("ease", SHOP)}, split)
    assert (result.protocol["n_users"], result.protocol["n_cold"]) == (21, 1)
    sizes = result.metrics.query("metric == 'ndcg' and k == 10 and model == 'ease'").set_index("slice")["n_users"]
    assert sizes[["all", "warm", "history 0", "history 5+"]].tolist() == [21, 20, 1, 20]
    assert result.recommendations.query("user_id == 'cold'")["fallback"].all()


def test_a_user_without_a_new_item_is_left_out_and_counted():
    again = SHOP.train.groupby("user_id").head(1).head(1).assign(timestamp=pd.Timestamp("2024-03-01", tz="UTC"))
    split = shop_split(pd.concat([SHOP.valid.iloc[10:20], again]))
    result = evaluate({"popularity": fitted("popularity", SHOP)}, split)
    assert result.protocol["n_users"] == 10
    assert result.protocol["n_without_new_item"] == 1


def test_items_outside_the_catalogue_are_misses_each_of_its_own():
    unknown = pd.concat([SHOP.valid.head(1).assign(item_id=item) for item in ("x", "y", "z")])
    models = {name: fitted(name, SHOP) for name in ("popularity", "ease")}
    result = evaluate(models, shop_split(pd.concat([SHOP.valid.head(1), unknown])))
    assert result.per_user.query("model == 'ease'")["recall@20"].item() == 0.25


def test_models_of_different_catalogues_are_not_compared():
    models = {"popularity": fitted("popularity", SHOP), "ease": EASE().fit(SHOP.train)}
    with pytest.raises(ParameterError, match="RK-316"):
        evaluate(models, shop_split())


def test_without_a_warm_user_the_board_is_still_made():
    cold = SHOP.valid.head(3).assign(user_id=["x", "y", "z"])  # not in train; validation knows x
    split = replace(shop_split(cold), valid=cold.head(1).assign(item_id="i10"))
    result = evaluate({"popularity": fitted("popularity", SHOP), "ease": fitted("ease", SHOP)}, split)
    assert result.leaderboard(10, "warm").empty
    assert len(plot_leaderboard(result.metrics)) == 2


def test_one_model_alone_has_no_differences():
    result = evaluate({"ease": fitted("ease", SHOP)}, shop_split())
    assert result.differences.empty
    assert list(result.differences) == list(result.metrics)


def test_kinds_of_event_need_their_column():
    with pytest.raises(DataError, match="RK-110"):
        evaluate({"popularity": fitted("popularity", SHOP)}, shop_split(), target_events=["purchase"])


def test_no_user_to_evaluate_is_an_error():
    with pytest.raises(DataError, match="RK-152"):
        evaluate({"popularity": fitted("popularity", SHOP)}, shop_split(SHOP.valid.iloc[:0]))


def test_groups_of_products_add_up_to_recall(evaluation):
    groups = pd.Series({item: f"circle {item[1]}" for item in SHOP.items["item_id"]})
    grouped = by_product(evaluation, groups, k=5).query("model == 'popularity'")
    total = (grouped["value"] * grouped["n_users"]).sum() / grouped["n_users"].sum()
    assert total == pytest.approx(evaluation.per_user.query("model == 'popularity'")["recall@5"].mean(), abs=1e-12)


def test_disagreements_come_largest_first(evaluation):
    rows = disagreements(evaluation, "ease", "popularity", "ndcg@5", n=8)
    assert len(rows) == 8
    assert rows["difference"].abs().is_monotonic_decreasing
    np.testing.assert_allclose(rows["difference"], rows["ease"] - rows["popularity"])


def test_a_context_aware_model_gets_the_context_of_each_user(monkeypatch):
    split, asked = shop_split(), []
    users = split.test["user_id"].unique()
    context = pd.DataFrame({"ctx_device": [f"device of {user}" for user in users]}, index=users)

    def listen(self, histories, context):
        asked.extend(context["ctx_device"])
        return self._score(histories)

    monkeypatch.setattr(EASE, "_score_in_context", listen)
    found = evaluate({"ease": fitted("ease", SHOP)}, split, context=context.sample(frac=1, random_state=0))
    assert asked == [f"device of {user}" for user in found.per_user["user_id"]]
