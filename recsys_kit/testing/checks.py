"""The checks of the conformance suite, each on a model that is fitted on a planted shop.

Every public function of this module is a check: it returns nothing, or raises `AssertionError` with what is wrong.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

from recsys_kit.errors import NotFittedError, ParameterError
from recsys_kit.features.text import fit_tfidf
from recsys_kit.recommenders import Popularity, Recommender, load
from recsys_kit.testing.planted import EVENTS_PER_USER, ITEMS_PER_GROUP, PlantedShop, planted_shop

NEEDS_MORE = ("RK-315", "RK-345")  # a model that cannot learn from interactions alone


@dataclass
class Subject:
    """A recommender under test and the shop that it is tested on."""

    unfitted: Recommender
    """The model with the hyper-parameters to test; the checks fit copies of it."""
    shop: PlantedShop = field(default_factory=planted_shop)

    @cached_property
    def model(self) -> Recommender:
        """The model fitted on the shop; checks do not change it."""
        model = self.fit()
        _require(model is not None, "`fit` returns nothing")
        expected = (len(model.items),)
        found = getattr(model.__dict__.get("can_score"), "shape", None)
        _require(found == expected, f"`_fit` sets can_score of shape {found}; expected {expected}, bool")
        scores = model.score([["i00"], ["i01"]])
        two = f"`_score` returns scores of shape {scores.shape} for 2 histories; expected {(2, *expected)}"
        _require(scores.shape == (2, *expected), two)
        return model

    @property
    def users(self) -> list[str]:
        """All users of the shop."""
        return list(self.shop.withheld)

    def fit(self, **changes: Any) -> Recommender:
        """Return a copy fitted on the tables of the shop, with `changes` to the arguments of `Recommender.fit`."""
        valid = self.shop.valid[["user_id", "item_id"]]
        tables = {"train": self.shop.train, "items": self.shop.items, "valid": valid, "item_vectors": self.shop.vectors}
        return self.unfitted.unfitted().fit(**(tables | changes))

    def histories(self, users: Sequence[str]) -> list[list[str]]:
        """Return the training histories of users, oldest first."""
        return [self.shop.train.loc[self.shop.train["user_id"] == user, "item_id"].tolist() for user in users]


def _require(condition: Any, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _require_equal(first: pd.DataFrame, second: pd.DataFrame, message: str, *, exact: bool = True) -> None:
    """Require equal tables; if not `exact`, numbers may differ by rounding."""
    try:
        pd.testing.assert_frame_equal(first, second, check_exact=exact)
    except AssertionError as difference:
        if "score" in first and len(first) == len(second) and np.allclose(first["score"], second["score"], atol=1e-6):
            message += "; the scores are equal up to rounding: compute in double, and round where true scores are 0"
        raise AssertionError(f"{message}\n{difference}") from None


def _require_same_lists(subject: Subject, again: Recommender, message: str) -> None:
    """Require that a second model gives all users the lists of the first."""
    _require_equal(subject.model.recommend(subject.users), again.recommend(subject.users), message)


def _require_same_alone(model: Recommender, users: list[str], context: pd.DataFrame | None = None) -> None:
    """Require that a user gets the same list alone, among others, and in blocks of any size."""

    def ask(rows: slice) -> pd.DataFrame:
        return model.recommend(users[rows], context=None if context is None else context.iloc[rows], k=5)

    batch = ask(slice(None))
    alone = pd.concat([ask(slice(row, row + 1)) for row in range(len(users))], ignore_index=True)
    _require_equal(batch, alone, "a user alone gets another list than in a batch", exact=False)
    with patch("recsys_kit.core.ranking.BLOCK_CELLS", len(users) // 2 * len(model.item_ids)):
        _require_equal(batch, ask(slice(None)), "lists depend on the size of the blocks", exact=False)


def _require_refused(kind: type[Exception], code: str, call: Callable[[], Any], message: str) -> None:
    try:
        call()
    except kind as problem:
        _require(getattr(problem, "code", "") == code, f"{message}; expected {code}, got: {problem}")
    else:
        raise AssertionError(f"{message}; expected a {kind.__name__} ({code}), got none")


def asks_to_be_fitted(subject: Subject) -> None:
    """An unfitted model raises `NotFittedError`."""
    unfitted = subject.unfitted.unfitted()
    for call in (lambda: unfitted.recommend(["u000"]), lambda: unfitted.score([["i00"]])):
        _require_refused(NotFittedError, "RK-369", call, "an unfitted model answers")


def fits_interactions_alone_or_says_what_it_needs(subject: Subject) -> None:
    """Without items, validation set and vectors a model is fitted or raises `ParameterError`."""
    try:
        model = subject.unfitted.unfitted().fit(subject.shop.train)
    except ParameterError as problem:
        _require(problem.code in NEEDS_MORE, f"expected one of {NEEDS_MORE} for a missing input, got: {problem}")
        return
    _require(len(model.recommend(["u000"], k=3)) == 3, "fitted on interactions alone it lists fewer than 3 items")


def reads_an_encoded_split(subject: Subject) -> None:
    """`fit(split)` and `fit` of the tables give the same lists."""
    again = subject.unfitted.unfitted().fit(subject.shop.encode())
    _require_same_lists(subject, again, "an encoded split gives other lists than the tables")


def finds_the_withheld_item(subject: Subject) -> None:
    """A personal model ranks the withheld item of every user among the five best; another does not by chance."""
    lists = subject.model.recommend(subject.users, k=5)
    found = (lists["item_id"] == lists["query"].map(subject.shop.withheld)).groupby(lists["query"]).any().mean()
    chance = 5 / (len(subject.model.item_ids) - EVENTS_PER_USER)
    right, expected = found < 3 * chance, f"about {chance:.0%} of a model with `personal = False`"
    if subject.model.personal:
        right, expected = found == 1, "all: it is of the group of the user, whose other unseen items are four"
    _require(right, f"the withheld item is in {found:.0%} of the lists of 5; expected {expected}")


def never_recommends_seen_items(subject: Subject) -> None:
    """No list holds an item of the user's history."""
    lists = subject.model.recommend(subject.users, k=50)
    both = lists.merge(subject.shop.train, left_on=["query", "item_id"], right_on=["user_id", "item_id"])
    _require(both.empty, f"seen items are recommended:\n{both.head()}")


def takes_seen_items_apart_from_the_history(subject: Subject) -> None:
    """`seen` alone decides what is left out."""
    history = subject.histories(["u000"])
    free = set(subject.model.recommend(histories=history, seen=[[]], k=50)["item_id"])
    masked = set(subject.model.recommend(histories=history, seen=[["i15"]], k=50)["item_id"])
    _require(set(history[0]) <= free, "with seen=[[]] items of the history are left out")
    _require("i15" in free - masked, "an item of `seen` is recommended, or never without it")


def keeps_the_order_among_candidates(subject: Subject) -> None:
    """Among candidates the list is that of the whole catalogue without the other items."""
    users, candidates = subject.users[::20], ["i00", "i05", "i11", "i29", "no such item"]
    whole = subject.model.recommend(users, k=99)
    among = subject.model.recommend(users, candidates=candidates, k=3)
    expected = whole[whole["item_id"].isin(candidates)].groupby("query", sort=False).head(3).reset_index(drop=True)
    columns = ["query", "item_id"]
    _require_equal(among[columns], expected[columns], "the lists among candidates differ from the whole lists")
    _require(subject.model.recommend(users, candidates=[]).empty, "without a candidate there is a list")


def gives_one_user_the_list_of_the_batch(subject: Subject) -> None:
    """A query alone gets the list that it gets among others, and so in blocks of any size."""
    _require_same_alone(subject.model, subject.users[::7])


def answers_a_known_user_by_the_training_history(subject: Subject) -> None:
    """`users` and their training histories are the same question."""
    users = ["u000", "u105"]
    by_user = subject.model.recommend(users, k=5).drop(columns="query")
    by_history = subject.model.recommend(histories=subject.histories(users), k=5).drop(columns="query")
    _require_equal(by_user, by_history, "a user gets another list than the training history of this user")


def does_not_depend_on_the_order_of_rows(subject: Subject) -> None:
    """Shuffled tables give the same lists."""
    tables = {"train": subject.shop.train, "items": subject.shop.items, "valid": subject.shop.valid}
    again = subject.fit(**{name: table.sample(frac=1, random_state=1) for name, table in tables.items()})
    _require_same_lists(subject, again, "the lists change when the rows of the tables are shuffled")


def draws_by_its_seed_alone(subject: Subject) -> None:
    """Fitted again with the same hyper-parameters, the model gives the same lists."""
    _require_same_lists(subject, subject.fit(), "a second fit gives other lists")


def leaves_the_input_unchanged(subject: Subject) -> None:
    """`fit` writes into none of its arguments."""
    shop, again = planted_shop(), planted_shop()
    Subject(subject.unfitted, shop).fit(valid=shop.valid)
    for name in ("train", "items", "valid"):
        _require_equal(getattr(shop, name), getattr(again, name), f"fit() changed {name}")
    _require(np.array_equal(shop.vectors.values, again.vectors.values), "fit() changed item_vectors")


def reads_nullable_strings(subject: Subject) -> None:
    """Ids of pandas' nullable type `string` are the same ids."""
    ids = {"user_id": "string", "item_id": "string"}
    again = subject.fit(train=subject.shop.train.astype(ids), valid=subject.shop.valid.astype(ids))
    _require_same_lists(subject, again, "ids of the type `string` give other lists")


def gives_an_unknown_user_the_popularity_list(subject: Subject) -> None:
    """A user without a history gets the most popular items with `fallback`; a known user does not."""
    popular = Popularity().fit(subject.shop.train, items=subject.shop.items).recommend(["no such user"], k=5)
    unknown = subject.model.recommend(["no such user"], k=5)
    _require(unknown["fallback"].all(), "the list of an unknown user is not marked as a fallback")
    found, expected = unknown["item_id"].tolist(), popular["item_id"].tolist()
    _require(found == expected, f"an unknown user gets {found}; expected the most popular items {expected}")
    known = subject.model.recommend(["u000"], k=5)
    _require(not known["fallback"].any(), "the list of a known user is marked as a fallback")


def uses_a_context_or_ignores_it(subject: Subject) -> None:
    """A context changes lists only where the model has `_score_in_context`; each query has its own."""
    model, users = subject.model, ["u000", "u105"]
    context = pd.DataFrame({"timestamp": pd.to_datetime(["2024-01-03", "2024-01-05"], utc=True)})
    _require_same_alone(model, users, context)
    if "context" not in model.uses:
        asked, unasked = model.recommend(users, context=context, k=5), model.recommend(users, k=5)
        _require_equal(asked, unasked, "a context changes the lists of a model that ignores it")


def ignores_unknown_items_of_a_history(subject: Subject) -> None:
    """An item that is not in the catalogue changes nothing."""
    clean = subject.model.recommend(histories=[["i00", "i01"]], k=5)
    noisy = subject.model.recommend(histories=[["no such item", "i00", "i01"]], k=5)
    _require_equal(clean, noisy, "an unknown item of a history changes the list")


def accepts_repeated_items_of_a_history(subject: Subject) -> None:
    """A history may hold an item twice."""
    lists = subject.model.recommend(histories=[["i00", "i00", "i01"]], k=3)["item_id"]
    _require(len(lists) == 3 and not {"i00", "i01"} & set(lists), f"a repeated item gives the list {lists.tolist()}")


def recommends_only_what_it_can_score(subject: Subject) -> None:
    """No list holds an item where `can_score` is False, nor one of which nothing is known."""
    listed = set(subject.model.recommend(subject.users, k=50)["item_id"])
    unknown = listed - set(subject.model.item_ids[subject.model.can_score])
    _require(not unknown, f"items are recommended where can_score is False: {sorted(unknown)}")
    _require("blank" not in listed, "an item without interactions, attributes and vector is recommended")


def scores_one_column_per_item(subject: Subject) -> None:
    """Scores are `(B, N)` float32, finite where `can_score`, also for an empty history."""
    scores = subject.model.score([*subject.histories(["u000", "u100"]), []])
    expected = (3, len(subject.model.item_ids))
    _require(scores.shape == expected, f"scores have the shape {scores.shape}; expected {expected}")
    _require(scores.dtype == np.float32, f"scores are {scores.dtype}; expected float32")
    _require(np.isfinite(scores[:, subject.model.can_score]).all(), "scores are not finite where can_score is True")


def ranks_from_one_by_falling_score(subject: Subject) -> None:
    """Ranks are 1, 2, 3 ... and scores never rise."""
    for query, rows in subject.model.recommend(["u000", "u200", "no such user"], k=6).groupby("query"):
        ranks, scores = rows["rank"].tolist(), rows["score"].tolist()
        _require(ranks == list(range(1, len(rows) + 1)), f"the ranks of {query} are {ranks}")
        _require(scores == sorted(scores, reverse=True), f"the scores of {query} rise: {scores}")


def understands_text_or_refuses_it(subject: Subject) -> None:
    """With TF-IDF vectors `texts` find the items of these words; a model without text raises `ParameterError`."""
    ids = [item for item in subject.shop.items["item_id"] if item[0] == "i" and item != "i10"]  # i10 has no text
    texts = pd.Series({item: f"group{item[1]} {item}" for item in ids})
    model = subject.fit(item_vectors=fit_tfidf(texts).vectors(texts))
    if not model.understands_text:
        _require_refused(ParameterError, "RK-311", lambda: model.recommend(texts=["a gift"]), "text is answered")
        return
    asked = model.recommend(texts=["group1", "zzzz"], k=50)
    answer, unknown = asked[asked["query"] == 0], asked[asked["query"] == 1]
    best, expected = set(answer["item_id"].head(ITEMS_PER_GROUP - 1)), {item for item in ids if item[1] == "1"}
    _require(best == expected, f"the text 'group1' finds {sorted(best)}; expected {sorted(expected)}")
    _require("i10" not in set(answer["item_id"]), "an item without a text matches a text")
    _require(not answer["fallback"].any(), "the answer to a known word is marked as a fallback")
    _require(unknown["fallback"].all(), "the answer to an unknown word is not marked as a fallback")


def refuses_what_is_no_question(subject: Subject) -> None:
    """A wrong k, lists that do not fit the queries and a context of another length raise `ParameterError`."""
    one, two = ["u000"], ["u000", "u001"]
    context = pd.DataFrame({"ctx_device": ["phone"]})
    wrong: list[tuple[str, dict[str, Any]]] = [
        *(("RK-312", {"users": one, "k": k}) for k in (0, -1, 1.5, "10", True, float("nan"))),
        ("RK-313", {"users": two, "histories": [["i00"]]}),
        ("RK-313", {"users": one, "histories": [["i00"], ["i01"]]}),
        ("RK-313", {"users": two, "seen": [["i00"]]}),
        ("RK-313", {"histories": ["i00", "i01"]}),
        ("RK-340", {"users": two, "context": context}),
    ]
    for code, asked in wrong:
        _require_refused(ParameterError, code, partial(subject.model.recommend, **asked), f"{asked} is accepted")


def gives_what_there_is(subject: Subject) -> None:
    """A k above the size of the catalogue gives all items; no query gives an empty table."""
    n_listed = len(subject.model.recommend(["u000"], k=10**9))
    _require(0 < n_listed <= subject.model.can_score.sum(), f"k=10**9 gives {n_listed} items")
    empty = subject.model.recommend([], k=5)
    columns = ["query", "item_id", "score", "rank", "fallback"]
    _require(list(empty) == columns and not len(empty), f"no query gives {len(empty)} rows with {list(empty)}")


def learns_more_by_refit_and_stays_as_it_is(subject: Subject) -> None:
    """`refit` returns another model, which knows the new interactions; the old one does not change."""
    shop, before = subject.shop, subject.model.recommend(subject.users)
    again = subject.model.refit(shop.encode(train=pd.concat([shop.train, shop.valid]), valid=None))
    _require(type(again) is type(subject.model), f"refit returns a {type(again).__name__}")
    _require_equal(before, subject.model.recommend(subject.users), "refit changes the model itself")
    lists = again.recommend(subject.users, k=50)
    known = lists["item_id"] == lists["query"].map(shop.withheld)
    _require(not known.any(), "after refit with the withheld interactions, these items are still recommended")


def gives_the_same_lists_after_save_and_load(subject: Subject) -> None:
    """A saved model is JSON and safetensors alone, names no user and gives the same lists."""
    histories = [*subject.histories(subject.users[::3]), []]
    before = subject.model.recommend(histories=histories)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        subject.model.save(folder)
        files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        again = load(folder)
        after = again.recommend(histories=histories)
    suffixes = {path.suffix for path in files}
    _require(suffixes <= {".json", ".safetensors"}, f"the saved model has files {sorted(suffixes)}")
    content = b"".join(files.values())
    _require(not any(user.encode() in content for user in subject.users), "the saved model holds user ids")
    _require_equal(before, after, "the loaded model gives other lists: does `state` name every fitted array?")
    _require(type(again) is type(subject.model), f"a {type(again).__name__} is loaded")
    _require(again.understands_text == subject.model.understands_text, "the loaded model differs in text")
