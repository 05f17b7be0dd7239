"""The contract suite: every registered recommender passes it; a new one is tested by being registered."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_kit.errors import ArtifactError, NotFittedError, ParameterError
from recsys_kit.features.text import fit_tfidf
from recsys_kit.recommenders import MODELS, load, load_models
from recsys_kit.recommenders.ensembles.base import Ensemble
from recsys_kit.recommenders.holdout import uses_context
from recsys_kit.testing.planted import ITEMS_EACH, fitted, fitted_once, planted_shop, unfitted

pytestmark = pytest.mark.parametrize("name", sorted(MODELS))
SHOP = planted_shop()


@pytest.fixture
def model(name):
    return fitted_once(name)


def histories_of(users):
    return [SHOP.train.loc[SHOP.train["user_id"] == user, "item_id"].tolist() for user in users]


def test_it_finds_the_withheld_item(model):
    recommended = model.recommend(list(SHOP.withheld), k=5)
    found = recommended["item_id"] == recommended["query"].map(SHOP.withheld)
    chance = 5 / (len(model.item_ids) - 6)
    share = found.groupby(recommended["query"]).any().mean()
    assert share == 1.0 if model.personal else share < 3 * chance  # four of the own circle and `new` are left


def test_it_never_returns_what_the_shopper_had(model):
    recommended = model.recommend(list(SHOP.withheld), k=50)
    had = SHOP.train[["user_id", "item_id"]].rename(columns={"user_id": "query"})
    assert recommended.merge(had, on=["query", "item_id"]).empty


def test_what_is_seen_can_be_told_apart_from_the_history(model):
    history = histories_of(["u000"])
    free = model.recommend(histories=history, seen=[[]], k=50)
    masked = model.recommend(histories=history, seen=[["i15"]], k=50)
    assert set(history[0]) <= set(free["item_id"])
    assert "i15" in set(free["item_id"]) - set(masked["item_id"])


def test_of_candidates_alone_the_list_is_the_rest_of_the_whole_one(model):
    users, candidates = list(SHOP.withheld)[::20], ["i00", "i05", "i11", "i29", "no such item"]
    whole = model.recommend(users, k=99)
    among = model.recommend(users, candidates=candidates, k=3)
    expected = whole[whole["item_id"].isin(candidates)].groupby("query", sort=False).head(3)
    assert among[["query", "item_id"]].values.tolist() == expected[["query", "item_id"]].values.tolist()
    assert model.recommend(users, candidates=[]).empty


def test_one_shopper_alone_gets_the_list_of_the_batch(model):
    users = list(SHOP.withheld)[::7]
    batch = model.recommend(users, k=5)
    alone = pd.concat([model.recommend([user], k=5) for user in users], ignore_index=True)
    pd.testing.assert_frame_equal(batch.drop(columns="score"), alone.drop(columns="score"))
    np.testing.assert_allclose(batch["score"], alone["score"], rtol=1e-5)


def test_the_block_size_does_not_matter(model, monkeypatch):
    whole = model.recommend(list(SHOP.withheld), k=5)
    monkeypatch.setattr("recsys_kit.core.ranking.BLOCK_CELLS", 7 * len(model.item_ids))
    pd.testing.assert_frame_equal(
        whole.drop(columns="score"), model.recommend(list(SHOP.withheld), k=5).drop(columns="score")
    )


def test_a_known_shopper_is_its_training_history(model):
    users = ["u000", "u105"]
    by_user = model.recommend(users, k=5).drop(columns="query")
    by_history = model.recommend(histories=histories_of(users), k=5).drop(columns="query")
    pd.testing.assert_frame_equal(by_user, by_history)


def test_the_order_of_rows_does_not_matter(name, model):
    shuffled = SHOP.train.sample(frac=1, random_state=1)
    items = SHOP.items.sample(frac=1, random_state=2)
    again = unfitted(name).fit(
        shuffled, items=items, valid=SHOP.valid.sample(frac=1, random_state=3), item_vectors=SHOP.vectors
    )
    users = list(SHOP.withheld)
    pd.testing.assert_frame_equal(model.recommend(users, k=10), again.recommend(users, k=10))


def test_the_input_is_unchanged(name):
    given = planted_shop()
    shop = replace(given, valid=given.valid[["user_id", "item_id"]])  # the very frame that the model is given
    unfitted(name).fit(shop.train, items=shop.items, valid=shop.valid, item_vectors=shop.vectors)
    valid = SHOP.valid[["user_id", "item_id"]]
    for before, after in ((SHOP.train, shop.train), (valid, shop.valid), (SHOP.items, shop.items)):
        pd.testing.assert_frame_equal(before, after)
    np.testing.assert_array_equal(SHOP.vectors.values, shop.vectors.values)


def test_the_same_seed_gives_the_same_list(name, model):
    users = list(SHOP.withheld)
    pd.testing.assert_frame_equal(model.recommend(users), fitted(name, SHOP).recommend(users))


def test_a_stranger_gets_the_popularity_list_and_is_told_so(model):
    recommended = model.recommend(["nobody"], k=5)
    popular = fitted("popularity", SHOP).recommend(["nobody"], k=5)
    assert recommended["fallback"].all()
    assert recommended["item_id"].tolist() == popular["item_id"].tolist()
    assert not model.recommend(["u000"], k=5)["fallback"].any()


def test_a_context_is_used_or_changes_nothing(model, monkeypatch):
    users = ["u000", "u105"]
    context = pd.DataFrame({"timestamp": pd.to_datetime(["2024-01-03", "2024-01-05"], utc=True)})
    plain, asked = model.recommend(users, k=5), model.recommend(users, context=context, k=5)
    assert asked.equals(plain) != uses_context(model)
    alone = [model.recommend([user], context=context.iloc[[row]], k=5) for row, user in enumerate(users)]
    pd.testing.assert_frame_equal(asked, pd.concat(alone, ignore_index=True), check_exact=False, rtol=1e-5)
    monkeypatch.setattr("recsys_kit.core.ranking.BLOCK_CELLS", len(model.item_ids))
    in_blocks = model.recommend(users, context=context, k=5)
    pd.testing.assert_frame_equal(asked, in_blocks, check_exact=False, rtol=1e-5)


def test_a_context_that_does_not_fit_the_queries_is_refused(model):
    with pytest.raises(ParameterError, match="RK-340"):
        model.recommend(["u000", "u001"], context=pd.DataFrame({"ctx_device": ["phone"]}))


def test_interactions_alone_are_enough_where_no_text_is_needed(name):
    try:
        model = unfitted(name).fit(SHOP.train)
    except ParameterError as error:
        assert error.code in ("RK-314", "RK-315", "RK-350")  # content, hybrids, attributes, context say what they need
        return
    assert len(model.recommend(["u000"], k=3)) == 3


def test_an_unknown_item_in_a_history_is_left_out(model):
    clean = model.recommend(histories=[["i00", "i01"]], k=5)
    noisy = model.recommend(histories=[["never heard of", "i00", "i01"]], k=5)
    pd.testing.assert_frame_equal(clean, noisy)


def test_an_item_it_knows_nothing_of_is_never_recommended(model):
    recommended = set(model.recommend(list(SHOP.withheld), k=50)["item_id"])
    assert recommended <= set(model.item_ids[model.can_score])
    assert "blank" not in recommended


def test_nullable_strings_are_ids_like_any_others(name, model):
    ids = {"user_id": "string", "item_id": "string"}
    valid = SHOP.valid.astype(ids)
    again = unfitted(name).fit(SHOP.train.astype(ids), items=SHOP.items, valid=valid, item_vectors=SHOP.vectors)
    pd.testing.assert_frame_equal(again.recommend(["u000"]), model.recommend(["u000"]))


def test_what_is_no_number_is_never_listed(model):
    scores = model.score(histories_of(["u000"])).copy()
    last = np.flatnonzero(model.can_score)[-1]
    scores[0, last] = np.nan
    assert model.visible(scores, np.array([False]))[0, last] == -np.inf


def test_ranks_start_at_one_and_scores_fall(model):
    for _, rows in model.recommend(["u000", "u200", "nobody"], k=6).groupby("query"):
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
        assert rows["score"].is_monotonic_decreasing


def test_scores_have_one_finite_column_per_scorable_item(model):
    scores = model.score([*histories_of(["u000", "u100"]), []])
    assert scores.shape == (3, len(model.item_ids))
    assert scores.dtype == np.float32
    assert np.isfinite(scores[:, model.can_score]).all()


def test_a_refit_learns_from_validation_keeps_what_it_chose_and_leaves_the_model_alone(name, model):
    users = list(SHOP.withheld)
    before = model.recommend(users, k=10)
    again = model.refit(SHOP.encode(train=pd.concat([SHOP.train, SHOP.valid]), valid=None))
    pd.testing.assert_frame_equal(model.recommend(users, k=10), before)
    last = again.item_ids[again.histories_of(["u000"]).items[-1]]
    assert type(again) is type(model) and last == SHOP.withheld["u000"]
    taken = again.recommend(users, k=50).merge(
        SHOP.valid, left_on=["query", "item_id"], right_on=["user_id", "item_id"]
    )
    assert taken.empty  # what was taken in validation is known now
    for learned in model.learned if isinstance(model, Ensemble) else ():
        assert getattr(again, learned) == getattr(model, learned)


def test_a_saved_model_gives_the_same_lists(model, tmp_path):
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    users, histories = [*SHOP.withheld, "nobody"], [*histories_of(SHOP.withheld), []]
    pd.testing.assert_frame_equal(model.recommend(histories=histories), again.recommend(histories=histories))
    assert type(again) is type(model)
    described = load_models(tmp_path / "model").describe(model.name)
    assert described["understands_text"] == again.understands_text == model.understands_text
    assert described["uses"] == dict(model.uses) == dict(again.uses)
    assert {p.suffix for p in (tmp_path / "model").rglob("*") if p.is_file()} <= {".json", ".safetensors"}
    both = SHOP.encode(train=pd.concat([SHOP.train, SHOP.valid]), valid=None)
    pd.testing.assert_frame_equal(model.refit(both).recommend(users), again.refit(both).recommend(users))


def test_a_saved_model_holds_no_user_and_no_history(model, tmp_path):
    model.save(tmp_path / "model")
    written = b"".join(path.read_bytes() for path in (tmp_path / "model").rglob("*") if path.is_file())
    assert not any(user.encode() in written for user in SHOP.withheld)
    histories = model.train_histories
    assert histories.items.tobytes() not in written and histories.starts.tobytes() not in written
    with pytest.raises(NotFittedError, match=r"RK-373 .* Pass histories="):
        load(tmp_path / "model").recommend(["u000"])


def test_a_split_and_a_table_give_the_same_model(name, model):
    users = list(SHOP.withheld)
    pd.testing.assert_frame_equal(unfitted(name).fit(SHOP.encode()).recommend(users), model.recommend(users))
    with pytest.raises(ParameterError, match=r"RK-371 fit\(\) got a split and items"):
        unfitted(name).fit(SHOP.encode(), items=SHOP.items)


def test_a_repeated_event_in_the_history_does_no_harm(model):
    once = model.recommend(histories=[["i00", "i01"]], k=3)["item_id"]
    assert not set(once) & {"i00", "i01"}
    assert len(model.recommend(histories=[["i00", "i00", "i01"]], k=3)) == 3


@pytest.mark.parametrize("k", [0, -1, 1.5, "10", True, float("nan")])
def test_a_wrong_k_is_refused(model, k):
    with pytest.raises(ParameterError, match="RK-312"):
        model.recommend(["u000"], k=k)


def test_a_k_beyond_the_catalogue_gives_what_there_is(model):
    recommended = model.recommend(["u000"], k=10**9)
    assert 0 < len(recommended) <= model.can_score.sum()


def test_nobody_to_recommend_to_gives_an_empty_frame(model):
    empty = model.recommend([], k=5)
    assert len(empty) == 0
    assert list(empty) == ["query", "item_id", "score", "rank", "fallback"]


def test_text_is_understood_or_refused(name):
    written = [
        item for item in SHOP.items["item_id"] if item[0] == "i" and item != "i10"
    ]  # i10 is bought, not described
    texts = pd.Series({item: f"circle{item[1]} {item}" for item in written})
    shop = replace(SHOP, vectors=fit_tfidf(texts).vectors(texts))
    model = fitted(name, shop)
    if not model.understands_text:
        with pytest.raises(ParameterError, match="RK-311"):
            model.recommend(texts=["a gift"], k=3)
        return
    asked = model.recommend(texts=["circle1", "zzzz"], k=50)
    answered = asked[asked["query"] == 0]
    assert set(answered["item_id"].head(ITEMS_EACH - 1)) == {item for item in written if item[1] == "1"}
    assert "i10" not in set(answered["item_id"])
    assert not answered["fallback"].any()
    nonsense = asked[asked["query"] == 1]
    assert nonsense["fallback"].all()
    assert set(nonsense["item_id"]) <= set(SHOP.train["item_id"])


@pytest.mark.parametrize(
    "asked",
    [
        {"users": ["u000", "u001"], "histories": [["i00"]]},
        {"users": ["u000"], "histories": [["i00"], ["i01"]]},
        {"users": ["u000", "u001"], "seen": [["i00"]]},
        {"histories": ["i00", "i01"]},
    ],
)
def test_lists_that_do_not_fit_the_queries_are_refused(model, asked):
    with pytest.raises(ParameterError, match="RK-313"):
        model.recommend(**asked, k=3)


def test_a_folder_without_a_model_is_named(name, tmp_path):
    with pytest.raises(ArtifactError, match="RK-402"):
        load(tmp_path)
