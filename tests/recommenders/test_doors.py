"""What callers bring: ids of any type, unfitted models, wrong tables and parameters. The answer or a coded error."""

import math
from dataclasses import fields
from itertools import product

import numpy as np
import pandas as pd
import pytest

from recsys_kit import evaluate, split_interactions
from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.events import order_events
from recsys_kit.core.ids import as_ids, with_text_ids
from recsys_kit.core.ranges import RANGES
from recsys_kit.core.vectors import Vectors
from recsys_kit.data import Split, split_at_random
from recsys_kit.errors import ArtifactError, DataError, NotFittedError, ParameterError
from recsys_kit.evaluation import by_product, compare, disagreements
from recsys_kit.features.similarity import nearest_items
from recsys_kit.recommenders import (
    EASE,
    MODELS,
    AssociationRules,
    Content,
    Hybrid,
    ItemKNN,
    Popularity,
    ReciprocalRankFusion,
    Stack,
    Switching,
    load,
    validation_ndcg,
)
from recsys_kit.testing.planted import planted_shop
from tests.models import fitted_once, unfitted

N_USERS, N_ITEMS = 60, 30


def taste_shop() -> pd.DataFrame:
    """Users 100 to 159 of five tastes, items 0 to 29; ids are whole numbers, as pandas reads them."""
    rng = np.random.default_rng(0)
    rows = [
        (100 + user, user % 5 * 6 + int(item), place)
        for user in range(N_USERS)
        for place, item in enumerate(rng.permutation(6)[:5])
    ]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "position"])


SPELLINGS = {
    "int32": lambda ids: ids.astype("int32"),
    "Int64": lambda ids: ids.astype("Int64"),
    "float": lambda ids: ids.astype(float),
    "category": lambda ids: ids.astype("category"),
    "string": lambda ids: ids.astype(str).astype("string"),
    "object of str": lambda ids: ids.astype(str).astype(object),
    "object of int": lambda ids: ids.astype(object),
    "category of str": lambda ids: ids.astype(str).astype("category"),
    "bytes": lambda ids: ids.map(lambda value: str(value).encode()),
}
EVENTS = taste_shop()
AS_TEXT = EVENTS.astype({"user_id": str, "item_id": str})


def asked(events: pd.DataFrame, ids) -> tuple[pd.DataFrame, ...]:
    """Lists and metrics of a shop whose ids are written so, at every door."""
    split = split_interactions(events, method="leave_last_out")
    items = pd.DataFrame({"item_id": ids(pd.Series(range(N_ITEMS))), "category": list("abcde") * 6})
    vectors = Vectors(ids(pd.Series(range(N_ITEMS))).tolist(), np.eye(N_ITEMS, dtype=np.float32)[:, :8] + 1, {})
    models = {"popularity": Popularity(), "item_knn": ItemKNN(), "content": Content()}
    for model in models.values():
        model.fit(split.train, items=items, valid=split.valid, item_vectors=vectors)
    knn, users = models["item_knn"], ids(pd.Series([100, 101, 159]))
    histories = [ids(pd.Series([6, 7])).tolist(), ids(pd.Series([13])), ids(pd.Series([1])).to_numpy()]
    some = ids(pd.Series(range(0, N_ITEMS, 2)))
    seen = events[events["position"] < 2]
    encoded = EncodedSplit.of(split.train, items=items)
    evaluation = evaluate(models, split, items=items, item_vectors=vectors)
    return (
        evaluation.metrics, evaluation.recommendations, evaluation.ground_truth,
        knn.recommend(users, candidates=some), knn.recommend(histories=histories, seen=histories[::-1]),
        pd.DataFrame(knn.score(histories)), pd.Series(knn.histories_of(users).items),
        pd.Series(knn.encode(histories).items), split.histories("test"),
        pd.Series(validation_ndcg(models, encoded.with_targets("valid", split.valid), k=5)),
        pd.Series(validation_ndcg(models, encoded.with_targets("valid", split.valid, seen=seen), k=5)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def expected():
    return asked(AS_TEXT, lambda ids: ids.astype(str))


@pytest.mark.parametrize("name", SPELLINGS)
def test_ids_written_in_any_way_give_the_same_lists_and_metrics(name, expected):
    ids = SPELLINGS[name]
    events = EVENTS.assign(user_id=ids(EVENTS["user_id"]), item_id=ids(EVENTS["item_id"]))
    before = events.copy()
    for found, right in zip(asked(events, ids), expected, strict=True):
        (pd.testing.assert_frame_equal if found.ndim == 2 else pd.testing.assert_series_equal)(found, right)
    pd.testing.assert_frame_equal(events, before)
    board = expected[0].query("metric == 'ndcg' and k == 10 and slice == 'all'").set_index("model")["value"]
    assert board["item_knn"] > 2 * board["popularity"] > 0


def test_two_spellings_in_one_shop_meet(expected):
    found = asked(EVENTS.assign(item_id=AS_TEXT["item_id"]), lambda ids: ids.astype(float))
    pd.testing.assert_frame_equal(found[0], expected[0])


def test_a_split_made_by_hand_meets_models_fitted_on_text():
    split = split_interactions(AS_TEXT, method="leave_last_out")
    parts = {name: frame.astype({"user_id": int, "item_id": float}) for name, frame in split.parts.items()}
    models = {"item_knn": ItemKNN().fit(split.train)}
    found, right = evaluate(models, Split(**parts)), evaluate(models, split)
    pd.testing.assert_frame_equal(found.metrics, right.metrics)


def test_text_goes_through_untouched():
    assert with_text_ids(AS_TEXT, "events") is AS_TEXT
    assert as_ids(AS_TEXT["user_id"], "users").array is not None
    split = split_interactions(AS_TEXT, method="leave_last_out")
    assert Split(**split.parts).train is split.train


@pytest.mark.parametrize("column", ["user_id", "item_id"])
@pytest.mark.parametrize("dtype", ["object", "str", "string", "category", "float", "Int64"])
def test_a_missing_id_is_refused_with_the_count_and_the_rows(column, dtype):
    values = pd.Series([7, 8, 9, 7, 8]).astype(dtype if dtype in ("float", "Int64", "object") else "str")
    values = values.where([True, False, True, False, True]).astype(dtype)
    events = AS_TEXT.head(5).assign(**{column: values})
    split = Split(AS_TEXT, AS_TEXT, AS_TEXT, AS_TEXT)
    doors = [
        lambda: Popularity().fit(events),
        lambda: Popularity().fit(AS_TEXT, valid=events),
        lambda: split_interactions(events, method="leave_last_out"),
        lambda: split_at_random(events, seed=0),
        lambda: Split(**(split.parts | {"test": events})),
        lambda: EncodedSplit.of(AS_TEXT, valid=events),
    ]
    for door in doors:
        with pytest.raises(DataError, match=rf"RK-153 {column} of \w+ is missing in 2 of 5 rows \(the first: \[1, 3\]"):
            door()


def test_missing_ids_in_questions_are_refused():
    model = ItemKNN().fit(EVENTS)
    for question in ({"users": [100, None]}, {"histories": [[1, None]]}, {"users": [100], "candidates": [np.nan]},
                     {"users": [100], "seen": [[pd.NA]]}):  # fmt: skip
        with pytest.raises(DataError, match="RK-153"):
            model.recommend(**question)
    with pytest.raises(DataError, match="RK-153 item_id of items"):
        Popularity().fit(EVENTS, items=pd.DataFrame({"item_id": [1, None]}))


@pytest.mark.parametrize("value", [1.5, b"\xff", True, [1], {"a": 1}, pd.Timestamp("2024-01-01"), math.inf, 1e17, 1j])
def test_what_is_no_id_is_refused(value):
    with pytest.raises(DataError, match="RK-154"):
        as_ids([value, value], "ids")
    with pytest.raises(DataError, match="RK-154"):
        as_ids(pd.DataFrame({"a": [1]}), "ids")


@pytest.mark.parametrize("dtype", ["float16", "float32", "Float32", "float", "Float64", "float32[pyarrow]"])
@pytest.mark.parametrize("form", ["as they are", "object", "category"])
def test_floats_are_ids_as_far_as_they_are_exact(dtype, form):
    """Beyond, two ids may have become one number."""
    if (dtype, form) == ("float16", "category"):
        return  # pandas has no such categories
    bits = {"float16": 11, "float32": 24, "Float32": 24, "float32[pyarrow]": 24}.get(dtype, 53)
    for number, good in ((2**bits - 1, True), (2**bits, False), (2**bits + 4, False)):
        ids = pd.Series([number, 1.0], dtype="float64").astype(dtype)
        if form != "as they are":
            ids = pd.Series(list(ids.to_numpy()), dtype=object) if form == "object" else ids.astype("category")
        if good:
            assert as_ids(ids, "ids").tolist() == [str(number), "1"]
            continue
        with pytest.raises(DataError, match=r"RK-154 ids holds .* of 64 bits below 2\^53"):
            as_ids(ids, "ids")


# -- questions of every form -------------------------------------------------------------------------------------------


def test_users_may_come_in_any_collection():
    model = ItemKNN().fit(EVENTS)
    right = model.recommend(["100", "101"], k=3)
    for users in (
        (100, 101), {"101", "100"}, (user for user in ("100", "101")), pd.Series([100, 101], index=[5, 5]),
        pd.Index(["100", "101"]), np.array([100, 101]), np.array(["100", "101"]), {"100": 1, "101": 2}.keys(),
        pd.Categorical(["100", "101"]), frozenset({100, 101}),
    ):  # fmt: skip
        pd.testing.assert_frame_equal(model.recommend(users, k=3), right)
    for one in ("100", b"100", 100, np.int64(100), np.array(100), np.array("100")):
        pd.testing.assert_frame_equal(model.recommend(one, k=3), model.recommend(["100"], k=3))


def test_histories_seen_and_candidates_may_come_in_any_collection():
    model = ItemKNN().fit(EVENTS)
    right = model.recommend(histories=[["6", "7"]], seen=[["8"]], candidates=["8", "9", "10"])
    for form in (list, tuple, set, pd.Series, np.array, pd.Index, iter):
        found = model.recommend(histories=[form([6, 7])], seen=form([form([8])]) if form in (list, tuple) else [
            form([8])
        ], candidates=form([8, 9, 10]))  # fmt: skip
        pd.testing.assert_frame_equal(found, right)
    by_user = split_interactions(EVENTS, method="leave_last_out").histories("test").head(2)
    assert model.recommend(histories=by_user)["query"].unique().tolist() == [0, 1]
    only = model.recommend(100, candidates="3")
    assert set(only["item_id"]) <= {"3"}


@pytest.mark.parametrize("histories", [["6", "7"], [6, 7], [["6"], None], [b"6"], "6", [["6"], math.nan]])
def test_what_is_no_list_of_ids_per_query_is_refused(histories):
    model = ItemKNN().fit(EVENTS)
    for ask in (model.score, model.encode, lambda lists: model.recommend(histories=lists),
                lambda lists: model.recommend(histories=[["6"]] * len(lists), seen=lists)):  # fmt: skip
        with pytest.raises(ParameterError, match="RK-313"):
            ask(histories)


def test_one_text_is_one_query(monkeypatch):
    model, ones = fitted_once("content"), type("Ones", (), {"encode": lambda self, texts: np.ones((len(texts), 4))})()
    monkeypatch.setattr("recsys_kit.features.registry.load_encoder", lambda how: ones)
    found = model.recommend(texts="a gift for a gardener", k=3)
    pd.testing.assert_frame_equal(found, model.recommend(texts=["a gift for a gardener"], k=3))
    assert found["query"].tolist() == [0, 0, 0]


def test_nobody_asked_is_an_empty_frame_of_the_same_types():
    model = ItemKNN().fit(EVENTS)
    for empty, one in (({"users": []}, {"users": ["100"]}), ({"histories": []}, {"histories": [["6"]]}),
                       ({"users": np.array([])}, {"users": ["100"]})):  # fmt: skip
        nobody, somebody = model.recommend(**empty), model.recommend(**one)
        assert nobody.empty
        pd.testing.assert_series_equal(nobody.dtypes, somebody.dtypes)
    assert model.score([]).shape == (0, N_ITEMS)
    assert len(model.histories_of([])) == 0


def test_groups_of_products_and_rules_know_whole_numbers():
    split = split_interactions(EVENTS, method="leave_last_out")
    evaluation = evaluate({"item_knn": ItemKNN().fit(split.train)}, split)
    groups = pd.Series("all", index=range(N_ITEMS))
    assert by_product(evaluation, groups)["n_users"].tolist() == [N_USERS]
    rules = AssociationRules().fit(EVENTS)
    for k in (0, 2.5, "3"):
        with pytest.raises(ParameterError, match="RK-312"):
            evaluate({"rules": rules}, split, cutoffs=(5, k))


def test_a_history_that_masks_itself_is_encoded_once():
    model, encoded = ItemKNN().fit(EVENTS), []
    encode = model.encode
    model.encode = lambda histories: encoded.append(len(histories)) or encode(histories)
    model.recommend([100, 101])
    assert encoded == []  # the training histories are indices already
    model.recommend(histories=[["6"], ["7"]])
    assert encoded == [2]
    model.recommend([100, 101], seen=[[], []])
    assert encoded == [2, 2]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_an_unfitted_copy_knows_nothing_and_leaves_the_model_fitted(name):
    model = fitted_once(name)
    copy = model.unfitted()
    for one in (copy, *getattr(copy, "members", {}).values(), *filter(None, [getattr(copy, "base", None)])):
        assert not hasattr(one, "item_ids")
        assert not hasattr(one, "can_score")
    assert all(getattr(copy, one.name) == getattr(model, one.name) for one in fields(copy) if not copy.nested)
    assert len(model.recommend(["u000"], k=3)) == 3


# -- models and tables that are not ready ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(MODELS))
def test_an_unfitted_model_says_so(name, tmp_path):
    model = unfitted(name)
    split = split_interactions(EVENTS, method="leave_last_out")
    for ask in (
        lambda: model.recommend(["100"]), lambda: model.recommend(histories=[["6"]]), lambda: model.score([["6"]]),
        lambda: model.encode([["6"]]), lambda: model.histories_of(["100"]), lambda: model.save(tmp_path / "model"),
        lambda: evaluate({"model": model}, split), lambda: model.item_ids,
    ):  # fmt: skip
        with pytest.raises(NotFittedError, match=r"RK-369 .* is not fitted"):
            ask()
    assert not (tmp_path / "model").exists()
    assert not hasattr(model, "item_ids")
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        _ = fitted_once(name).colour


def test_a_model_is_not_saved_over_another(tmp_path):
    Popularity().fit(EVENTS).save(tmp_path / "model")
    with pytest.raises(ArtifactError, match="RK-407"):
        ItemKNN().fit(EVENTS).save(tmp_path / "model")
    assert load(tmp_path / "model").name == "popularity"


@pytest.mark.parametrize("missing", [["user_id"], ["item_id"], ["position"]])
def test_a_missing_column_is_named_with_those_found(missing):
    events = EVENTS.drop(columns=missing)
    split = split_interactions(EVENTS, method="leave_last_out")
    doors = [
        lambda: Popularity().fit(events), lambda: split_at_random(events, seed=0), lambda: order_events(events),
        lambda: split_interactions(events, method="leave_last_out"), lambda: split_interactions(events),
        lambda: split_interactions(events, method="stratified"),
    ]  # fmt: skip
    if missing != ["position"]:
        doors += [lambda: Split(**(split.parts | {"test": events})), lambda: Popularity().fit(EVENTS, valid=events)]
    for door in doors:
        found = ", ".join(map(repr, sorted(events)))
        with pytest.raises(DataError, match=rf"RK-104 \w+ is missing column .*{missing[0]}.*; found \[{found}\]"):
            door()
    with pytest.raises(DataError, match="RK-104 items is missing column 'item_id'"):
        Popularity().fit(EVENTS, items=pd.DataFrame({"sku": [1]}))


@pytest.mark.parametrize(
    "times", [range(300), [f"{month}/1/2024" for month in range(300)], [None] * 300, [pd.NaT] * 300], ids=str
)
def test_times_that_are_none_are_refused(times):
    events = EVENTS.drop(columns="position").assign(timestamp=list(times))
    for door in (split_interactions, Popularity().fit, lambda frame: split_interactions(frame, method="stratified")):
        with pytest.raises(DataError, match=r"RK-156 timestamp of \w+ is"):
            door(events)


@pytest.mark.parametrize("positions", [["a"] * 300, [None] * 299 + [1]])
def test_positions_that_are_no_numbers_are_refused(positions):
    with pytest.raises(DataError, match=r"RK-156 position of \w+ is"):
        split_interactions(EVENTS.assign(position=positions), method="leave_last_out")


@pytest.mark.parametrize("name", sorted(MODELS))
def test_no_event_to_learn_from_is_refused_without_a_word_of_lapack(name, capfd):
    with pytest.raises(DataError, match="RK-108 train has no event"):
        unfitted(name).fit(EVENTS.head(0), valid=EVENTS)
    assert capfd.readouterr() == ("", "")


def test_shares_are_refused_where_they_would_be_ignored():
    for method in ("leave_last_out", "stratified"):
        with pytest.raises(ParameterError, match=rf"RK-325 .*'{method}' has none"):
            split_interactions(EVENTS, method=method, shares=(0.8, 0.1, 0.1))
    timed = EVENTS.assign(timestamp=pd.date_range("2024-01-01", periods=len(EVENTS), tz="UTC"))
    for shares in ((0.5, 0.5), (math.nan, 0.5, 0.5), (0.8, 0.2, 0.0), 0.8, "abc", ("0.8", "0.1", "0.1"), [[1, 1, 1]]):
        with pytest.raises(ParameterError, match="RK-325"):
            split_interactions(timed, shares=shares)
    assert len(split_interactions(timed, shares=iter((0.8, 0.1, 0.1))).train) == 240


# -- nothing to compare ------------------------------------------------------------------------------------------------


def test_an_evaluation_in_which_nothing_meets_is_refused_with_both_counts():
    split = split_interactions(EVENTS, method="leave_last_out")
    models = {"item_knn": ItemKNN().fit(split.train)}
    strangers = split.test.assign(user_id="x" + split.test["user_id"])
    unknown = split.test.assign(item_id="x" + split.test["item_id"])
    for test, counts in ((strangers, "0 of 60 users .* 60 of 60"), (unknown, "60 of 60 users .* 0 of 60")):
        with pytest.raises(DataError, match=f"RK-155 {counts} relevant"):
            evaluate(models, Split(split.train, split.valid, test, split.set_aside))
    with pytest.raises(ParameterError, match="RK-157"):
        evaluate({}, split)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"models": [ItemKNN()]}, "RK-157"), ({"models": ItemKNN()}, "RK-157"), ({"cutoffs": ()}, "RK-312"),
        ({"cutoffs": (0,)}, "RK-312"), ({"min_rating": "4"}, "RK-158"), ({"grades": "stars"}, "RK-362"),
        ({"items": pd.DataFrame({"category": ["a"]})}, "RK-104"),
        ({"models": {"a": "x"}}, "RK-157"), ({"models": {}}, "RK-157"), ({"cutoffs": None}, "RK-312"),
        ({"cutoffs": "ten"}, "RK-312"), ({"item_vectors": np.eye(3)}, "RK-314 .* is a ndarray"),
    ],
)  # fmt: skip
def test_what_an_evaluation_cannot_use_is_named(options, code):
    split = split_interactions(EVENTS.assign(rating=3.0, stars="three"), method="leave_last_out")
    options = {"models": {"item_knn": ItemKNN().fit(split.train)}} | options
    with pytest.raises((DataError, ParameterError), match=code):
        evaluate(split=split, **options)


def test_cutoffs_and_kinds_of_event_may_come_in_any_collection():
    kinds = np.where(np.arange(len(EVENTS)) % 3, "purchase", "view")
    split = split_interactions(EVENTS.assign(event=kinds), method="leave_last_out")
    models = {"item_knn": ItemKNN().fit(split.train)}
    shown = set()
    for form in (list, tuple, iter, np.array, pd.Series, lambda values: values[0]):
        given = {"cutoffs": [5], "target_events": ["purchase"], "seen_events": ["purchase"]}
        found = evaluate(models, split, **{name: form(values) for name, values in given.items()})
        shown.add(found.metrics.to_csv())
    assert len(shown) == 1
    all_kinds, unsaid = (
        evaluate(models, split, **given) for given in ({"target_events": None, "seen_events": None}, {})
    )
    pd.testing.assert_frame_equal(all_kinds.metrics, unsaid.metrics)


def test_kinds_of_event_may_be_of_several_types():
    events = EVENTS.assign(event=pd.Series([1, "view"] * 150, dtype=object))
    split = split_interactions(events, method="leave_last_out")
    assert (
        len(split.ground_truth("test", target_events=[1])) + len(split.ground_truth("test", target_events="view")) == 60
    )
    with pytest.raises(ParameterError, match=r"RK-368 .*'purchase'; expected some of \[1, 'view'\]"):
        split.ground_truth("test", target_events=["purchase"])


def test_a_comparison_of_what_was_not_judged_is_refused():
    split = split_interactions(EVENTS, method="leave_last_out")
    judged = evaluate({"item_knn": ItemKNN().fit(split.train), "popularity": Popularity().fit(split.train)}, split)
    assert len(disagreements(judged, "item_knn", "popularity")) == 5
    assert len(compare(judged, models="item_knn")) == 1
    for names in (("item_knn", "als"), ("als", "item_knn")):
        with pytest.raises(ParameterError, match="RK-363 there is no model 'als'"):
            disagreements(judged, *names)
    with pytest.raises(ParameterError, match="RK-364 'ndcg@7'"):
        disagreements(judged, "item_knn", "popularity", "ndcg@7")


@pytest.mark.parametrize("table", [[1, 2], None, {"user_id": ["a"]}, "events.csv"])
def test_what_is_no_table_is_refused(table):
    for door in (Popularity().fit, split_interactions, lambda given: Popularity().fit(EVENTS, valid=given or 1)):
        with pytest.raises(DataError, match=r"RK-107 \w+ is a \w+; expected a table"):
            door(table)


@pytest.mark.parametrize("method", ["time", "leave_last_out", "stratified"])
def test_nothing_to_split_is_refused(method):
    with pytest.raises(DataError, match="RK-108"):
        split_interactions(EVENTS.head(0).assign(timestamp=pd.DatetimeIndex([], tz="UTC")), method=method)


def test_a_broken_model_file_is_named(tmp_path):
    for name, content, code in (
        ("models.json", "{", "RK-406"), ("models.json", "[]", "RK-406"), ("items.json", "[]", "RK-374"),
        ("tensors/item_knn.safetensors", "none", "RK-374"),
    ):  # fmt: skip
        folder = tmp_path / (name.replace("/", "_") + content)
        ItemKNN().fit(EVENTS).save(folder)
        (folder / name).write_text(content)
        with pytest.raises(ArtifactError, match=code):
            load(folder)


def test_a_model_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for folder in ("/proc/x/y", tmp_path / "file" / "model", tmp_path / ("n" * 300)):
        with pytest.raises(ArtifactError, match=r"RK-505 .* cannot be written"):
            ItemKNN().fit(EVENTS).save(folder)


@pytest.mark.parametrize("name", [name for name in sorted(MODELS) if fitted_once(name).understands_text])
def test_no_text_is_an_empty_frame(name):
    empty, one = fitted_once(name).recommend(texts=[]), fitted_once(name).recommend(["u000"], k=1)
    assert empty.empty and list(empty) == list(one)
    pd.testing.assert_series_equal(empty.dtypes.drop("query"), one.dtypes.drop("query"))
    with pytest.raises(ParameterError, match="RK-311"):
        fitted_once("ease").recommend(texts=[])


@pytest.mark.parametrize("name", sorted(MODELS))
def test_inputs_of_fit_that_are_none_are_refused_by_every_model(name):
    with pytest.raises(ParameterError, match="RK-314 item_vectors is a ndarray"):
        unfitted(name).fit(EVENTS, valid=EVENTS, item_vectors=np.eye(3))
    fitted, split = {"item_knn": ItemKNN().fit(EVENTS)}, EncodedSplit.of(EVENTS, valid=EVENTS)
    for models in ({}, [fitted["item_knn"]], {"a": "x"}):
        with pytest.raises(ParameterError, match="RK-157"):
            validation_ndcg(models, split, k=5)
    with pytest.raises(ParameterError, match="RK-315 the split has no validation set"):
        validation_ndcg(fitted, EncodedSplit.of(EVENTS), k=5)


@pytest.mark.parametrize("kind", [Hybrid, Stack, ReciprocalRankFusion, Switching])
@pytest.mark.parametrize("members", [[ItemKNN()], {"a": "x"}, ItemKNN(), "ease", {}])
def test_members_that_are_no_models_by_name_are_refused(kind, members):
    model = Stack(Hybrid(members)) if kind is Stack else kind(members)
    with pytest.raises(ParameterError, match="RK-315"):
        model.fit(EVENTS, valid=EVENTS)


@pytest.mark.parametrize("members", [3, {"a": 3}, [ItemKNN()]])
def test_an_unfitted_ensemble_uses_what_its_members_say(members):
    assert Hybrid(members).uses == {}


@pytest.mark.parametrize("features", [3, math.nan, b"x", ["x"]])
def test_a_name_of_item_features_that_is_no_text_is_refused(features):
    shop = planted_shop()
    with pytest.raises(ParameterError, match="RK-372 there are no item features"):
        Content(features=features).fit(shop.train, item_vectors=shop.vectors)
    assert Content(features=None).fit(shop.train, item_vectors=shop.vectors).is_fitted


def test_lists_longer_than_the_catalogue_take_no_longer_to_measure(monkeypatch):
    made = []
    monkeypatch.setattr("recsys_kit.metrics.discounts", lambda k: made.append(k) or 1 / np.log2(np.arange(2, k + 2)))
    split = split_interactions(EVENTS, method="leave_last_out")
    found = evaluate({"item_knn": ItemKNN().fit(split.train)}, split, cutoffs=[10**6])
    assert max(made) <= EVENTS["item_id"].nunique() and found.columns[0].endswith("@1000000")


@pytest.mark.parametrize("base", [ItemKNN(), {"ease": EASE()}, None])
def test_a_base_that_is_no_blend_is_refused(base):
    with pytest.raises(ParameterError, match="RK-315 stack needs a base, which is a Hybrid"):
        Stack(base).fit(EVENTS, valid=EVENTS)


@pytest.mark.parametrize(
    "weights",
    [{"zz": 1.0}, {"knn": -1.0, "ease": 1.0}, {"knn": 0.0, "ease": 0}, {"knn": math.nan}, {"knn": math.inf},
     {"knn": "1"}, {"knn": True}, {"knn": None}, [1, 2], 1.0, {}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("kind", [Hybrid, Stack])
def test_weights_that_are_none_are_refused(kind, weights):
    blend = Hybrid({"knn": ItemKNN(), "ease": EASE()}, fixed=weights)
    with pytest.raises(ParameterError, match=r"RK-370 .*names of \['ease', 'knn'\]"):
        (Stack(blend) if kind is Stack else blend).fit(EVENTS, valid=EVENTS)


def test_near_items_are_found_by_ids_of_any_type():
    for ids in ([5, 6, 7], ["5", "6", "7"], np.array([5.0, 6.0, 7.0])):
        vectors = Vectors(list(ids), np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32), {})
        for asked_for in (5, "5", np.int64(5)):
            assert [str(int(near)) for near in nearest_items(vectors, asked_for, k=2)["item_id"]] == ["6"]
        assert vectors.align([7, "5", "new"]).values.tolist() == [[0, 1], [1, 0], [0, 0]]
        with pytest.raises(ParameterError, match="RK-342 item 'x' has no vector"):
            nearest_items(vectors, "x")


def test_texts_that_are_none_are_refused():
    with pytest.raises(ParameterError, match="RK-331 texts holds 7"):
        fitted_once("content").recommend(texts=["a gift", 7])


# -- hyper-parameters --------------------------------------------------------------------------------------------------

WRONG = (math.nan, math.inf, -math.inf, "10", [1], True, -1e9, -(10**9), 1j)


def numbers(name: str) -> dict[str, type]:
    """The parameters of a model that are numbers, with their types."""
    return {one.name: one.type for one in fields(MODELS[name]) if one.type in (int, float, float | None)}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_number_that_is_none_or_out_of_range_is_refused_by_every_model(name):
    for parameter, value in product(numbers(name), WRONG):
        with pytest.raises(ParameterError, match=f"RK-351 {parameter} of {name} is .*; expected .*Pass {parameter}="):
            MODELS[name](**{parameter: value})


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_ends_of_a_range_belong_to_it_unless_open(name):
    for parameter, kind in numbers(name).items():
        expected = {**RANGES, **MODELS[name].ranges}.get(parameter)
        if expected is None:  # any finite number
            continue
        if not expected.open_left:
            assert getattr(MODELS[name](**{parameter: np.int64(expected.left)}), parameter) == expected.left
        with pytest.raises(ParameterError, match="RK-351"):
            MODELS[name](**{parameter: int(expected.left) - (not expected.open_left)})
        if kind is int:
            with pytest.raises(ParameterError, match=f"RK-351 {parameter} .* expected a whole number"):
                MODELS[name](**{parameter: expected.left + 1.5})


def test_a_refused_parameter_says_its_range_and_default():
    with pytest.raises(
        ParameterError, match=r"RK-351 regularization of ease is 0; expected above 0\. Pass regularization=200\.0\."
    ):
        EASE(regularization=0)


def test_numbers_of_numpy_are_saved_and_read_back(tmp_path):
    EASE(regularization=np.float32(5), n_neighbors=np.int64(7)).fit(EVENTS).save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert (again.regularization, again.n_neighbors) == (5.0, 7)
