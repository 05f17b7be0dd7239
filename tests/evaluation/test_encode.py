"""The encoded split of a chapter says what the tables say, and is evaluated without turning back to ids."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_kit.core import encoded as core_encoded
from recsys_kit.data import Split
from recsys_kit.errors import DataError, ParameterError
from recsys_kit.evaluation import by_product, compare, disagreements, evaluate
from recsys_kit.recommenders import EASE, Popularity
from recsys_kit.workbook.runner.storage import read_parquet, write_parquet
from tests.evaluation.test_measures import ITEMS, SPLIT, K, with_kinds_of_event

KNOWN = ITEMS.head(38)
SUCCESSES = {"target_events": ["purchase"], "seen_events": ["purchase"], "min_rating": 2.0}


def decode(histories, items):
    """The ids of each history."""
    return [items.ids[histories.take(np.array([row])).items].tolist() for row in range(len(histories))]


@pytest.mark.parametrize("successes", [{}, SUCCESSES])
@pytest.mark.parametrize("part", ["valid", "test"])
def test_the_targets_are_what_the_tables_say(part, successes):
    split = with_kinds_of_event()
    encoded = split.encode(items=KNOWN, **successes)
    targets, catalogue = encoded.targets[part], set(encoded.items.ids)
    truth, seen = split.ground_truth(part, **successes), split.seen_items(part, successes.get("seen_events", ()))
    histories = split.histories(part)
    if part == "valid":  # who has no training event, and what is not in the catalogue, chooses no model
        truth = truth[truth["user_id"].isin(encoded.users.ids)]
    assert targets.users.tolist() == sorted(truth["user_id"].unique())
    for ids, expected in ((targets.histories, histories), (targets.histories.masked, seen)):
        known = [[item for item in expected.get(user, []) if item in catalogue] for user in targets.users]
        assert decode(ids, encoded.items) == known
    names = np.r_[encoded.items.ids, targets.outside]
    pairs = set(zip(targets.users[targets.rows], names[targets.items], strict=True))
    truth = truth if part == "test" else truth[truth["item_id"].isin(catalogue)]
    assert pairs == set(truth[["user_id", "item_id"]].itertuples(index=False, name=None))
    assert len(pairs) == len(targets.rows) and (np.diff(targets.rows) >= 0).all()
    assert set(targets.outside) == (set(truth["item_id"]) - catalogue if part == "test" else set())


def test_hidden_context_reaches_neither_the_training_events_nor_the_contexts():
    parts = {
        name: part.assign(ctx_device="phone", ctx_promotion=np.arange(len(part)) % 2)
        for name, part in SPLIT.parts.items()
    }
    split = Split(**parts)
    encoded = split.encode(hidden_context=["ctx_promotion"])
    assert "ctx_device" in encoded.train.columns and "ctx_promotion" not in encoded.train.columns
    for part in ("valid", "test"):
        context = encoded.contexts[part]
        assert context.index.tolist() == encoded.targets[part].users.tolist()
        expected = split.request_context(part).drop(columns="ctx_promotion").reindex(context.index)
        pd.testing.assert_frame_equal(context, expected)


def test_the_order_of_rows_does_not_matter_and_the_tables_stay_as_they_are():
    before = {name: part.copy() for name, part in SPLIT.parts.items()}
    shuffled = Split(*(part.sample(frac=1, random_state=3) for part in SPLIT.parts.values()))
    one, other = SPLIT.encode(items=KNOWN, grades="rating"), shuffled.encode(items=KNOWN, grades="rating")
    for part in ("valid", "test"):
        for name in ("users", "rows", "items", "outside"):
            np.testing.assert_array_equal(getattr(one.targets[part], name), getattr(other.targets[part], name))
        np.testing.assert_array_equal(one.targets[part].histories.items, other.targets[part].histories.items)
    np.testing.assert_array_equal(one.targets["test"].grades, other.targets["test"].grades)
    for name, part in SPLIT.parts.items():
        pd.testing.assert_frame_equal(part, before[name])


def test_with_validation_there_is_more_to_learn_from_and_nothing_to_choose_by():
    both = SPLIT.with_validation().encode()
    assert len(both.train) == len(SPLIT.train) + len(SPLIT.valid)
    assert both.validation(max_users=99, seed=0) is None
    assert both.targets["test"].users.tolist() == SPLIT.encode().targets["test"].users.tolist()


@pytest.fixture(scope="module")
def encoded():
    return SPLIT.encode(items=KNOWN)


@pytest.fixture(scope="module")
def models():
    return {"popularity": Popularity().fit(SPLIT.train, items=KNOWN), "ease": EASE().fit(SPLIT.train, items=KNOWN)}


def test_an_encoded_split_is_evaluated_as_the_split(encoded, models):
    found, expected = evaluate(models, encoded, cutoffs=[K]), evaluate(models, SPLIT, items=KNOWN, cutoffs=[K])
    for name in ("metrics", "differences", "per_user", "recommendations", "ground_truth"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(expected, name))
    assert found.protocol == expected.protocol


def test_evaluation_and_comparison_make_no_table_of_all_lists_and_encode_no_history(encoded, models, monkeypatch):
    def refuse(*given, **options):
        raise AssertionError("histories were encoded again")

    monkeypatch.setattr(core_encoded, "encode_histories", refuse)
    monkeypatch.setattr("recsys_kit.recommenders.base.encode_histories", refuse, raising=False)
    found = evaluate(models, encoded, cutoffs=[K])
    compare(found, f"ndcg@{K}")
    disagreements(found, "ease", "popularity", f"ndcg@{K}")
    by_product(found, ITEMS.dropna().set_index("item_id")["category"], K)
    assert {"recommendations", "per_user"}.isdisjoint(vars(found))
    assert all(lists.items.dtype == np.int32 for lists in found.lists.values())


def test_the_lists_of_one_user_and_of_one_model_are_those_of_the_table(encoded, models):
    found = evaluate(models, encoded, cutoffs=[K])
    user = found.targets.users[7]
    expected = found.recommendations.query("user_id == @user").drop(columns="user_id").reset_index(drop=True)
    pd.testing.assert_frame_equal(found.recommendations_for(user), expected)
    assert found.recommendations_for("unknown").empty
    by_model = dict(zip(found.models, found.iter_recommendations(), strict=True))
    assert by_model["ease"]["model"].unique().tolist() == ["ease"]
    pd.testing.assert_frame_equal(pd.concat(by_model.values(), ignore_index=True), found.recommendations)


def test_lists_written_one_model_after_the_other_are_read_as_one_table(encoded, models, tmp_path):
    found = evaluate(models, encoded, cutoffs=[K])
    write_parquet(found.iter_recommendations(), tmp_path / "lists.parquet")
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "lists.parquet"), found.recommendations)
    assert "recommendations" in vars(found)  # read, for this comparison only
    write_parquet(found.recommendations, tmp_path / "whole.parquet")
    pq.write_table(pa.Table.from_pandas(found.recommendations, preserve_index=False), tmp_path / "plain.parquet",
                   write_page_checksum=True)  # fmt: skip
    assert (tmp_path / "whole.parquet").read_bytes() == (tmp_path / "plain.parquet").read_bytes()


def test_what_belongs_to_the_encoding_is_refused_by_the_evaluation_of_an_encoded_split(encoded, models):
    with pytest.raises(ParameterError, match=r"RK-371 .*min_rating"):
        evaluate(models, encoded, min_rating=4.0)
    with pytest.raises(ParameterError, match=r"RK-372 .*'minilm'"):
        evaluate(models, encoded, item_vectors="minilm")
    with pytest.raises(ParameterError, match="RK-316"):
        evaluate(models, SPLIT.encode())
    with pytest.raises(DataError, match="RK-152"):
        evaluate(models, core_encoded.EncodedSplit.of(SPLIT.train, items=KNOWN))
