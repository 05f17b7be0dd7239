"""Verdicts between models: given where they hold, and nowhere else."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from recsys_kit.errors import ParameterError
from recsys_kit.evaluation import compare, evaluate, experience_by_weights
from recsys_kit.metrics import EXPERIENCE_WEIGHTS
from recsys_kit.plots import plot_against, plot_experience_weights
from tests.evaluation.test_leaderboard import NAMES, SHOP, shop_split
from tests.evaluation.test_measures import evaluated
from tests.models import fitted

K = 5


@pytest.fixture(scope="module")
def evaluation():
    return evaluate({name: fitted(name, SHOP) for name in NAMES}, shop_split(), item_vectors=SHOP.vectors, cutoffs=(K,))


def test_a_personal_model_is_better_than_popularity_and_the_difference_is_that_of_the_leaderboard(evaluation):
    rows = compare(evaluation, f"ndcg@{K}").set_index("model")
    assert rows.loc["ease", "verdict"] == "better than"
    assert set(rows["against"]) == {"popularity"}
    assert (rows["p_holm"] >= rows["p"]).all()
    board = evaluation.leaderboard(K).set_index("model")[f"ndcg@{K}"]
    assert rows.loc["ease", "difference"] == pytest.approx(board["ease"] - board["popularity"])
    against = evaluation.differences.query("model == 'ease' and metric == 'ndcg' and slice == 'all'").iloc[0]
    assert rows.loc["ease", ["low", "high"]].tolist() == pytest.approx([against["low"], against["high"]])


def test_every_pair_is_compared_once_and_corrected_for_all(evaluation):
    rows = compare(evaluation, f"ndcg@{K}", against=None)
    pairs = {frozenset(pair) for pair in zip(rows["model"], rows["against"], strict=True)}
    assert len(pairs) == len(rows) == 6
    assert (rows["difference"] >= 0).all()
    assert rows["p_holm"].min() == pytest.approx(6 * rows["p"].min())
    assert rows["difference"].is_monotonic_decreasing


def with_values(evaluation, values):
    """The evaluation with other values of NDCG, one array per model."""
    all_values = np.zeros((len(evaluation.targets.users), len(values), len(evaluation.columns)))
    all_values[:, :, list(evaluation.columns).index(f"ndcg@{K}")] = np.column_stack([*values.values()])
    return replace(evaluation, lists=dict.fromkeys(values), values=all_values)


def test_a_model_is_not_told_apart_from_itself(evaluation):
    ease = evaluation.values_of(f"ndcg@{K}")["ease"]
    rows = compare(with_values(evaluation, {"ease": ease, "twin": ease}), f"ndcg@{K}", against="ease")
    assert rows[["verdict", "difference", "p"]].values.tolist() == [["not significantly different from", 0.0, 1.0]]


def test_of_models_that_differ_by_chance_few_are_called_better_in_any_of_many_tables(evaluation):
    rng = np.random.default_rng(0)
    tables_with_a_verdict = 0
    for _ in range(60):
        chance = with_values(evaluation, {f"m{n}": rng.random(len(evaluation.targets.users)) for n in range(6)})
        verdicts = compare(chance, f"ndcg@{K}", against=None)["verdict"]
        tables_with_a_verdict += (verdicts != "not significantly different from").any()
    assert tables_with_a_verdict <= 9  # 5 % of 60 are 3; more than 9 has a chance below 1 in 500


def test_slices_of_users_can_be_compared_and_others_are_refused():
    result = evaluated()
    for name in ("all", "warm", "history 0", "history 5+"):
        n_users = result.metrics.query("slice == @name and metric == 'ndcg'")["n_users"].iloc[0]
        assert (compare(result, f"ndcg@{K}", slice_name=name)["n_users"] == n_users).all()
    cold = compare(result, f"ndcg@{K}", slice_name="history 0")
    assert set(cold["verdict"]) == {"not significantly different from"}
    with pytest.raises(ParameterError, match="RK-365"):
        compare(result, f"ndcg@{K}", slice_name="cold")


def test_what_was_not_measured_is_refused(evaluation):
    with pytest.raises(ParameterError, match="RK-363"):
        compare(evaluation, f"ndcg@{K}", against="oracle")
    for against in ("popularity", None):
        with pytest.raises(ParameterError, match="RK-363 there is no model 'typo'"):
            compare(evaluation, f"ndcg@{K}", against=against, models=["ease", "typo"])
    with pytest.raises(ParameterError, match="RK-364"):
        compare(evaluation, "coverage@5")


def test_of_the_models_named_alone_the_pairs_are_compared(evaluation):
    rows = compare(evaluation, f"ndcg@{K}", against=None, models=["content", "ease"])
    assert [{model, against} for model, against in rows[["model", "against"]].values] == [{"content", "ease"}]
    assert compare(evaluation, f"ndcg@{K}", models=["ease"])["model"].tolist() == ["ease"]


def test_one_model_alone_has_nothing_to_compare(evaluation):
    alone = with_values(evaluation, {"ease": evaluation.values_of(f"ndcg@{K}")["ease"]})
    assert compare(alone, f"ndcg@{K}", against=None).empty


def test_the_experience_by_weights_meets_the_leaderboard_at_the_defaults(evaluation):
    rows = experience_by_weights(evaluation, K)
    board = evaluation.leaderboard(K).set_index("model")
    for component, default in EXPERIENCE_WEIGHTS.items():
        at_default = rows[(rows["component"] == component) & np.isclose(rows["weight"], default)].set_index("model")
        np.testing.assert_allclose(at_default["value"], board.loc[at_default.index, f"experience@{K}"], atol=1e-12)
    alone = rows.query("component == 'relevance' and weight == 1").set_index("model")["value"]
    np.testing.assert_allclose(alone, board.loc[alone.index, f"ndcg@{K}"], atol=1e-12)
    assert rows["value"].between(0, 1).all()


def test_the_plot_shows_a_line_for_each_model_and_component(evaluation):
    axes = plot_experience_weights(experience_by_weights(evaluation, K), EXPERIENCE_WEIGHTS)
    assert [len(ax.lines) for ax in axes] == [len(NAMES) + 1] * 3
    plt.close("all")


def test_metrics_against_each_other_have_a_panel_for_each_that_was_measured_and_name_the_chosen(evaluation):
    axes = plot_against(evaluation.metrics, "ndcg", ["novelty", "no such metric"], K, named=["ease"])
    assert len(axes) == 1 and axes[0].get_xlabel() == f"novelty@{K} (bits)"
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["ease"]
    board = evaluation.leaderboard(K).set_index("model")
    points = {(line.get_xdata()[0], line.get_ydata()[0]) for line in axes[0].lines}
    assert points == set(zip(board[f"novelty@{K}"], board[f"ndcg@{K}"], strict=True))
    plt.close("all")


def test_fewer_questions_are_corrected_for_fewer(evaluation):
    rows = compare(evaluation, f"ndcg@{K}", models=["ease"])
    assert rows["model"].tolist() == ["ease"]
    assert rows["p_holm"].tolist() == rows["p"].tolist()
