"""The encoded split: histories, targets, and what is computed once."""

import numpy as np
import pandas as pd
import pytest

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.testing.planted import planted_shop

SHOP = planted_shop()
THREE = Histories(np.array([4, 5, 6, 4]), np.array([0, 2, 2, 4]))


def lists_of(histories):
    return [histories.items[a:b].tolist() for a, b in zip(histories.starts[:-1], histories.starts[1:], strict=True)]


def test_rows_of_histories_are_taken_in_order_and_minus_one_is_empty():
    assert lists_of(THREE.take(np.array([2, -1, 0, 1]))) == [[6, 4], [], [4, 5], []]
    assert lists_of(Histories(np.array([], int), np.array([0])).take(np.array([-1]))) == [[]]
    masked = Histories(THREE.items, THREE.starts, seen=Histories(np.array([1]), np.array([0, 1, 1, 1])))
    assert lists_of(masked.take(np.array([0, 2])).masked) == [[1], []]


def test_a_history_has_any_of_some_items():
    assert THREE.has_any(np.arange(8) == 5).tolist() == [True, False, False]


def test_the_matrix_of_a_block_is_made_once_for_each_decay():
    assert THREE.matrix(8, 0.5) is THREE.matrix(8, 0.5) is not THREE.matrix(8)
    np.testing.assert_allclose(THREE.matrix(8, 0.5).toarray()[2, [4, 6]], [1, 2**-0.5])


def test_a_part_of_the_events_keeps_the_vocabularies_and_forgets_the_targets():
    split = SHOP.encode()
    part = split.keep(np.arange(len(split.train)) % 2 == 0)
    assert part.items is split.items and part.users is split.users and not part.targets
    assert part.item_counts.sum() == len(part.train) < split.item_counts.sum()


def test_targets_leave_out_seen_items_unknown_items_and_unknown_users():
    train = pd.DataFrame({"user_id": list("aab"), "item_id": list("xyx"), "position": range(3)})
    valid = pd.DataFrame({"user_id": list("aaabc"), "item_id": list("xzyyx")})
    items = pd.DataFrame({"item_id": list("xyz")})
    targets = EncodedSplit.of(train, items=items, valid=valid).targets["valid"]
    ids = EncodedSplit.of(train, items=items).items.ids
    found = list(zip(targets.users[targets.rows].tolist(), ids[targets.items].tolist(), strict=True))
    assert found == [("a", "z"), ("b", "y")]
    seen = pd.DataFrame({"user_id": ["a"], "item_id": ["y"], "position": [0]})
    unseen = EncodedSplit.of(train, items=items).with_targets("valid", valid, seen=seen).targets["valid"]
    assert unseen.n_relevant.tolist() == [2, 1]


def test_the_ranks_of_relevant_items_are_those_of_a_sort():
    rng, targets = np.random.default_rng(0), SHOP.encode().targets["valid"]
    scores = rng.integers(0, 4, (len(targets.users), len(SHOP.encode().items))).astype(np.float32)
    ranks = targets.rank_relevant(slice(0, len(scores)), scores)
    order = np.argsort(-scores, axis=1, kind="stable")  # the seen items are masked by now
    expected = [order[row].tolist().index(item) + 1 for row, item in zip(targets.rows, targets.items, strict=True)]
    assert ranks.tolist() == expected
    assert targets.ndcg(ranks, 5).mean() == pytest.approx(np.mean([1 / np.log2(r + 1) if r < 6 else 0 for r in ranks]))


def test_users_of_validation_are_drawn_by_the_seed():
    split = SHOP.encode()
    few, again, other = (split.validation(10, seed) for seed in (0, 0, 1))
    assert len(few.users) == 10 and few.users.tolist() == again.users.tolist() != other.users.tolist()
    whole = split.targets["valid"]
    place = np.searchsorted(whole.users, few.users)
    assert few.items.tolist() == [whole.items[whole.rows == one][0] for one in place]
    assert split.keep(np.ones(len(split.train), bool)).validation(10, 0) is None
