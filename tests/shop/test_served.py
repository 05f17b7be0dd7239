"""The served lists are the evaluated lists: from the run, from its bundle alone in a new process, and from a copy."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest

from recsys_kit import recommend
from recsys_kit.shop.circumstances import known_context
from recsys_kit.workbook.runner.runs import open_for_reading, read_split
from recsys_kit.workbook.serving import open_shop, take_bundle
from tests.shop.test_bundle import ask, forbid_fits, in_a_new_process
from tests.shop.test_serving import answer, command

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(small_run):
    """All models of the line-up on a small shop, evaluated by chapter 04."""
    return open_for_reading(small_run.folder)


@pytest.fixture(scope="module")
def evaluated(run):
    return run.read("results/recommendations.parquet").sort_values(["model", "user_id", "rank"])


def serve(run, name, users, k=20):
    """The lists of these shoppers as chapter 04 asked for them, user by user."""
    split, hidden = read_split(run), ["ctx_promotion"]
    histories = split.histories("test")
    context = split.request_context("test").drop(columns=hidden).reindex(users)
    served = recommend(run, history=[histories.get(user, []) for user in users], context=context, model=name, k=k)
    return served.assign(user_id=[users[place] for place in served["query"]])


@pytest.mark.filterwarnings("ignore::recsys_kit.workbook.serving.Note")
def test_every_model_serves_the_lists_that_were_evaluated(run, evaluated):
    names = evaluated["model"].unique().tolist()
    assert {"context_aware", "hybrid", "stack", "transformer", "item_knn"} <= set(names)
    for name in names:
        expected = evaluated[evaluated["model"] == name].reset_index(drop=True)
        users = expected["user_id"].unique().tolist()
        served = serve(run, name, users, k=int(expected["rank"].max()))
        pd.testing.assert_frame_equal(served[["user_id", "item_id", "rank"]], expected[["user_id", "item_id", "rank"]])
        np.testing.assert_allclose(served["score"], expected["score"], rtol=1e-4, atol=1e-5, err_msg=name)


IN_A_NEW_PROCESS = """
import pickle, sys
from recsys_kit.shop import Bundle
bundle = Bundle.load(sys.argv[1])
asked = pickle.loads(sys.stdin.buffer.read())
found = {name: bundle.recommend(**query, model=name, k=20).lists for name, query in asked.items()}
assert "recsys_kit.workbook.runner.runs" not in sys.modules
sys.stdout.buffer.write(pickle.dumps(found))
"""


def test_a_bundle_serves_the_evaluated_lists_in_a_new_process_without_the_run(run, evaluated, tmp_path):
    take_bundle(run, tmp_path / "taken")
    moved = (tmp_path / "taken").rename(tmp_path / "moved")
    split, asked = read_split(run), {}
    histories, context = split.histories("test"), split.request_context("test").drop(columns=["ctx_promotion"])
    for name, expected in evaluated.groupby("model"):
        users = expected["user_id"].unique().tolist()
        asked[name] = {"histories": [histories.get(user, []) for user in users], "context": context.reindex(users)}
    found = in_a_new_process(IN_A_NEW_PROCESS, moved, asked)
    assert len(found) > 15
    for name, expected in evaluated.groupby("model"):
        users = expected["user_id"].unique()
        served = found[name].assign(user_id=[users[place] for place in found[name]["query"]])
        columns = ["user_id", "item_id", "rank"]
        pd.testing.assert_frame_equal(served[columns], expected[columns].reset_index(drop=True), obj=name)
        np.testing.assert_allclose(served["score"], expected["score"], rtol=1e-4, atol=1e-5, err_msg=name)


def test_the_context_changes_the_lists_of_the_models_that_use_it_and_only_theirs(run, evaluated):
    models, user = open_shop(run).bundle.models, evaluated["user_id"].iloc[0]
    assert set(known_context(models["context_aware"])) == {"timestamp", "ctx_device", "ctx_daypart"}
    for name in ("context_aware", "item_knn"):
        lists = [
            tuple(answer(run, user=user, model=name, context=context, k=20).lists["item_id"])
            for context in (
                {"device": "phone", "timestamp": "2025-12-24T18:00"},
                {"device": "laptop", "timestamp": "2025-07-01T06:00"},
                {"device": "laptop", "timestamp": "2025-12-24T18:00"},
            )
        ]
        assert (len(set(lists)) > 1) == (name == "context_aware")


def test_no_model_of_the_lineup_is_fitted_while_it_answers(run, evaluated, monkeypatch):
    forbid_fits(monkeypatch)
    shop, user = open_shop(run), evaluated["user_id"].iloc[0]
    assert set(shop.bundle.models) == set(evaluated["model"])
    found = ask(shop.bundle, [evaluated["item_id"].iloc[:2].tolist()])
    assert all(map(len, found.values()))
    for name in shop.bundle.models:
        assert len(shop.recommend(user=user, model=name).lists)


def test_the_run_records_what_a_model_may_be_told_and_hidden_context_is_not_among_it(run):
    assert run.read("results/protocol.json")["context"] == ["timestamp", "ctx_device", "ctx_daypart"]


@pytest.mark.filterwarnings("ignore::recsys_kit.workbook.serving.Note")
def test_the_score_of_a_user_does_not_depend_on_who_else_is_in_the_batch(run, evaluated):
    users = [*evaluated["user_id"].unique()[:3].tolist(), "nobody"]
    for name in evaluated["model"].unique():
        options = {"model": name, "context": "last event", "k": 5}
        together = recommend(run, user=users, **options)
        for user in users:
            alone = recommend(run, user=user, **options)
            mine = together[together["query"] == user].drop(columns="query").reset_index(drop=True)
            pd.testing.assert_frame_equal(alone, mine, rtol=1e-5, obj=f"{name} for {user}")


def test_a_model_that_uses_the_context_says_what_it_was_not_told(run, evaluated):
    user = evaluated["user_id"].iloc[0]

    def notes(**options):
        return answer(run, user=user, **options).notes

    (missing,) = notes(model="context_aware")
    assert "this is missing: device (laptop, phone, tablet), daypart (" in missing
    (missing,) = notes(model="context_aware", context=None)
    assert "timestamp" in missing
    whole = {"device": "phone", "daypart": "evening"}
    assert notes(model="context_aware", context=whole) == []
    (strange,) = notes(model="context_aware", context=whole | {"device": "fridge"})
    assert "never saw device 'fridge' in training: it is ignored." in strange
    assert notes(model="item_knn") == []
    assert notes(model="item_knn", context=whole) == [
        "item_knn does not use the context: its list is the same without it."
    ]
    found = answer(run, user=user, model="context_aware", context="last event")
    last = pd.read_parquet(run.path("data/interactions.parquet"))["timestamp"].max()
    assert found.context["timestamp"].tolist() == [last]


def test_the_same_answer_every_day_where_the_time_is_that_of_the_last_event(run, evaluated, monkeypatch):
    user, lists = evaluated["user_id"].iloc[0], []
    for day in ("2026-01-01", "2026-07-01 12:00"):
        monkeypatch.setattr("recsys_kit.shop.circumstances.now", lambda day=day: {"timestamp": pd.Timestamp(day)})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lists.append(recommend(run, user=user, model="context_aware", context="last event", k=20))
    pd.testing.assert_frame_equal(*lists)


def test_the_command_takes_a_context_as_python_does(run, evaluated):
    user, context = evaluated["user_id"].iloc[0], {"device": "phone", "timestamp": "2025-12-24T18:00"}
    options = [part for name, value in context.items() for part in ("--context", f"{name}={value}")]
    done = command(run, "recommend", "user", user, "--model", "context_aware", *options, "-k", "20", "--json")
    assert done.returncode == 0, done.stderr
    told, expected = json.loads(done.stdout), answer(run, user=user, model="context_aware", context=context, k=20)
    assert [row["item_id"] for row in told["items"]] == expected.lists["item_id"].tolist()
    assert told["asked_at"] == "2025-12-24 18:00 UTC, device phone"
    assert told["notes"] == expected.notes != []
    done = command(run, "recommend", "user", user, "--model", "context_aware", *options)
    assert f"for the shopper {user}, asked at 2025-12-24 18:00 UTC, device phone" in done.stdout


def test_free_text_goes_to_the_language_model_whatever_the_leaderboard_says(run):
    models = open_shop(run).bundle.models
    assert models.best_reader() == "content_minilm"
    assert models.readers()[:2] == ["content_minilm", "content_tfidf"]
    found = answer(run, text="a gift for a gardener", k=5)
    assert (found.model, found.notes) == ("content_minilm", [])
    assert (found.lists["category"] == "Garden").mean() >= 0.8
    assert found.lists["reason"].unique().tolist() == ["close in meaning to what you wrote"]
    asked_for = answer(run, text="a gift for a gardener", model="content_tfidf")
    assert asked_for.lists["reason"].unique().tolist() == ["shares words with what you wrote"]
