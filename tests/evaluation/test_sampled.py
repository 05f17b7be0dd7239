"""Sampled metrics: the same drawn items for every model, never one that was wanted or had, and a name that says so."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_kit.errors import ParameterError
from recsys_kit.evaluation import evaluate, evaluate_sampled, sampled
from recsys_kit.evaluation.judging import set_task
from recsys_kit.metrics import RANKING_METRICS
from recsys_kit.recommenders import EASE, Popularity
from tests.evaluation.test_judging import ITEMS, SPLIT

MODELS = {"popularity": Popularity().fit(SPLIT.train, items=ITEMS), "ease": EASE(l2=5).fit(SPLIT.train, items=ITEMS)}


def candidates_drawn(monkeypatch, models, **options):
    """What each model was asked to rank: a list of `(U, N)` masks."""
    drawn, draw = [], sampled._candidates
    monkeypatch.setattr(sampled, "_candidates", lambda *given: drawn.append(draw(*given)) or drawn[-1])
    evaluate_sampled(models, SPLIT, cutoffs=(5,), **options)
    return drawn


def test_the_names_say_that_they_are_sampled_and_how():
    rows = evaluate_sampled(MODELS, SPLIT, n_negatives=7, cutoffs=(5, 10))
    assert set(rows["metric"]) == {f"{name}_sampled_7" for name in RANKING_METRICS}
    assert not evaluate(MODELS, SPLIT).metrics["metric"].str.contains("sampled").any()


def test_every_model_ranks_the_same_candidates_and_another_seed_draws_others(monkeypatch):
    first, second = candidates_drawn(monkeypatch, MODELS, n_negatives=7)
    np.testing.assert_array_equal(first, second)
    (other,) = candidates_drawn(monkeypatch, {"ease": MODELS["ease"]}, n_negatives=7, seed=1)
    assert (first != other).any()


def test_a_model_that_cares_is_told_when_and_where_each_shopper_asks(monkeypatch):
    task, told = set_task(MODELS, SPLIT, "test"), []
    context = pd.DataFrame({"ctx_device": [f"device of {user}" for user in task.users]}, index=task.users)

    def listen(self, histories, context):
        told.extend(context["ctx_device"])
        return self._score(histories)

    monkeypatch.setattr(EASE, "_score_in_context", listen)
    found = evaluate_sampled(MODELS, SPLIT, context=context.sample(frac=1, random_state=0))
    assert told == context["ctx_device"].tolist()
    pd.testing.assert_frame_equal(found, evaluate_sampled(MODELS, SPLIT))
    with pytest.raises(ParameterError, match="RK-340"):
        evaluate_sampled(MODELS, SPLIT, context=context.set_axis("x" + context.index))


def test_the_negatives_are_that_many_and_neither_had_nor_wanted(monkeypatch):
    (candidates,) = candidates_drawn(monkeypatch, {"ease": MODELS["ease"]}, n_negatives=7)
    task = set_task(MODELS, SPLIT, "test")
    place = {item: at for at, item in enumerate(task.catalogue)}
    took = task.ground_truth.groupby("user_id")["item_id"].agg(set)
    for row, (user, history) in enumerate(zip(task.users, task.histories, strict=True)):
        wanted = {place[item] for item in took[user] if item in place}
        negatives = set(np.flatnonzero(candidates[row])) - wanted
        assert wanted <= set(np.flatnonzero(candidates[row]))
        assert len(negatives) == 7
        assert not negatives & {place[item] for item in history}


def with_strangers():
    """The shop with two strangers: one took what nobody of train had, the other what a few had."""
    sold = set(SPLIT.train["item_id"])
    unmet = next(item for item in ITEMS["item_id"] if item not in sold)
    taken = SPLIT.test.head(2).assign(user_id=["stranger a", "stranger b"], item_id=[unmet, "i5"])
    return replace(SPLIT, test=pd.concat([SPLIT.test, taken], ignore_index=True)), unmet


@pytest.mark.parametrize("asked", [{}, {"min_rating": 4.0}, {"target_events": ["purchase"]}])
def test_with_all_negatives_it_is_the_full_ranking(asked):
    split, unmet = with_strangers()
    split = replace(split, test=split.test.assign(event=np.where(np.arange(len(split.test)) % 3, "purchase", "view")))
    assert MODELS["ease"].item_counts[MODELS["ease"].item_ids == unmet] == 0
    whole = evaluate(MODELS, split, cutoffs=(5, 50), **asked).metrics.query("slice == 'all'")
    whole = whole.set_index(["model", "metric", "k"])["value"]
    for row in evaluate_sampled(MODELS, split, n_negatives=1000, cutoffs=(5, 50), **asked).itertuples():
        assert row.value == pytest.approx(whole[row.model, row.metric.removesuffix("_sampled_1000"), row.k], abs=1e-12)


def test_every_model_is_asked_for_its_scores_once():
    asked = []

    class Watched(EASE):
        def _score(self, histories):
            asked.append(len(histories))
            return super()._score(histories)

    evaluate_sampled({"ease": Watched(l2=5).fit(SPLIT.train, items=ITEMS)}, SPLIT, n_negatives=7)
    assert sum(asked) == len(set_task(MODELS, SPLIT, "test").users)


def test_few_negatives_flatter():
    few, many = (evaluate_sampled(MODELS, SPLIT, n_negatives=n, cutoffs=(5,)) for n in (3, 30))
    assert (few["value"] >= many["value"]).all()
    assert few["value"].mean() > 1.5 * many["value"].mean()


def test_blocks_do_not_matter_and_no_negatives_are_refused(monkeypatch):
    whole = evaluate_sampled(MODELS, SPLIT, n_negatives=7)
    monkeypatch.setattr(sampled, "BLOCK_CELLS", 9 * 4 * len(ITEMS))
    assert whole.equals(evaluate_sampled(MODELS, SPLIT, n_negatives=7))
    with pytest.raises(ParameterError, match="RK-366"):
        evaluate_sampled(MODELS, SPLIT, n_negatives=0)
