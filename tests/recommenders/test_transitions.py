"""Item transitions by hand, and the attributes of items as vectors."""

import numpy as np
import pandas as pd
import pytest

from recsys_kit.errors import ParameterError
from recsys_kit.features.attributes import attribute_incidence, attribute_vectors
from recsys_kit.recommenders import Attributes, ItemTransitions


def sequences(*lists):
    rows = [(f"u{user}", item, place) for user, items in enumerate(lists) for place, item in enumerate(items)]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "position"])


def scores_of(model, history):
    return pd.Series(model.score([history])[0], model.item_ids)


def test_a_transition_weighs_by_distance_and_less_backwards():
    model = ItemTransitions(decay=1.0, backward=0.5, row_power=0, column_power=0).fit(sequences("abc", "ab"))
    assert scores_of(model, ["a"]).to_dict() == pytest.approx({"a": 0, "b": 2, "c": 0.5})
    assert scores_of(model, ["b"]).to_dict() == pytest.approx({"a": 1, "b": 0, "c": 1})


def test_rows_and_columns_are_divided_by_powers_of_their_sums():
    plain = ItemTransitions(backward=0, row_power=0, column_power=0).fit(sequences("abc", "ab", "cb"))
    model = ItemTransitions(backward=0, row_power=0.3, column_power=0.15).fit(sequences("abc", "ab", "cb"))
    raw = plain.weights.toarray().astype(float)
    rows, columns = (np.where(raw.sum(axis) > 0, raw.sum(axis), 1) for axis in (1, 0))
    np.testing.assert_allclose(model.weights.toarray(), raw / rows[:, None] ** 0.3 / columns**0.15, rtol=1e-6)


def test_pairs_beyond_the_window_and_of_two_shoppers_are_not_counted():
    model = ItemTransitions(window=1, backward=0).fit(sequences("abc", "de"))
    assert scores_of(model, ["a"])[list("cde")].tolist() == [0, 0, 0]


def test_the_last_item_of_a_history_weighs_most():
    model = ItemTransitions(history_decay=1.0, row_power=0, column_power=0).fit(sequences("ax", "by"))
    scores = scores_of(model, ["b", "a"])
    assert scores["x"] == pytest.approx(2 * scores["y"])


def test_a_rare_attribute_says_more_and_rows_have_unit_length():
    items = pd.DataFrame({"item_id": ["c", "a", "b"], "attributes": [None, ["red", "oak"], np.array(["oak"])]})
    vectors = attribute_vectors(items)
    assert vectors.ids == ["a", "b", "c"]
    dense = pd.DataFrame(vectors.values.toarray(), vectors.ids, vectors.how["vocabulary"])
    assert dense.loc["a", "red"] > dense.loc["a", "oak"] > 0
    np.testing.assert_allclose(np.linalg.norm(dense, axis=1), [1, 1, 0], atol=1e-6)


def test_an_attribute_given_twice_counts_once_and_the_order_of_items_does_not_matter():
    items = pd.DataFrame({"item_id": ["a", "b"], "attributes": [["x", "x", "y"], ["y"]]})
    incidence = attribute_incidence(items)
    assert incidence.values.toarray().tolist() == [[1, 1], [0, 1]]
    again = attribute_incidence(items[::-1])
    assert (again.ids, again.values.toarray().tolist()) == (incidence.ids, incidence.values.toarray().tolist())


@pytest.mark.parametrize(
    "items", [None, pd.DataFrame({"item_id": ["a"]}), pd.DataFrame({"item_id": ["a"], "attributes": [None]})]
)
def test_items_without_attributes_are_refused_with_what_is_missing(items):
    with pytest.raises(ParameterError, match="RK-345 attributes needs attributes"):
        Attributes().fit(sequences("ab"), items=items)
