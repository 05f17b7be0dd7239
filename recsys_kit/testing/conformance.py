"""The conformance suite: what every recommender has to do, checked on a planted shop.

One call checks a model; it needs no pytest:

    from recsys_kit.testing import check_recommender

    check_recommender(MyModel())

As tests of their own, one per check:

    import pytest
    from recsys_kit.testing import CHECKS, Subject

    subject = Subject(MyModel())

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_model(check):
        check(subject)
"""

import tempfile
from collections.abc import Callable, Container, Sequence
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

BLOCK_CELLS = "recsys_kit.core.ranking.BLOCK_CELLS"
NEEDS_MORE = ("RK-315", "RK-345")  # a model that cannot learn from interactions alone
Check = Callable[["Subject"], None]
CHECKS: list[Check] = []
"""The checks in the order in which `check_recommender` runs them. Each raises `AssertionError` with what is wrong."""


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
        expected = (len(model.items),)
        found = getattr(model.__dict__.get("can_score"), "shape", None)
        _require(found == expected, f"`_fit` sets can_score of shape {found}; expected {expected}, bool")
        scores = model.score([["i00"], ["i01"]])
        two = f"`_score` returns scores of shape {scores.shape} for 2 histories; expected {(2, *expected)}"
        _require(scores.shape == (2, *expected), two)
        return model

    def fit(self, **changes: Any) -> Recommender:
        """Return a copy fitted on the tables of the shop, with `changes` to the arguments of `Recommender.fit`."""
        valid = self.shop.valid[["user_id", "item_id"]]
        tables = {"train": self.shop.train, "items": self.shop.items, "valid": valid, "item_vectors": self.shop.vectors}
        return self.unfitted.unfitted().fit(**(tables | changes))

    def histories(self, users: Sequence[str]) -> list[list[str]]:
        """Return the training histories of users, oldest first."""
        return [self.shop.train.loc[self.shop.train["user_id"] == user, "item_id"].tolist() for user in users]


def check_recommender(model: Recommender, *, leave_out: Container[str] = ()) -> None:
    """Run every check of the conformance suite on copies of an unfitted model.

    Args:
        model: an instance of a registered `Recommender`. Choose hyper-parameters for a shop of 32 items and 540
            interactions, such as few epochs.
        leave_out: names of checks that are not run.

    Raises:
        AssertionError: with a line for each check that failed: its name, what was expected and what was found.

    >>> from recsys_kit import EASE
    >>> check_recommender(EASE())
    """
    subject, failures = Subject(model), []
    _require(subject.model, "`fit` returns nothing")  # stops here where no other check could say anything
    chosen = [check for check in CHECKS if check.__name__ not in leave_out]
    for check in chosen:
        try:
            check(subject)
        except Exception as problem:
            what = problem if isinstance(problem, AssertionError) else f"{type(problem).__name__}: {problem}"
            failures.append(f"{check.__name__}: {what}")
    if failures:
        title = f"{type(model).__name__} fails {len(failures)} of {len(chosen)} checks:"
        raise AssertionError("\n".join([title, *failures]))


def _listed(check: Check) -> Check:
    CHECKS.append(check)
    return check


def _require(condition: Any, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _require_equal(first: pd.DataFrame, second: pd.DataFrame, message: str, **options: Any) -> None:
    """Require equal lists; `rtol` lets the scores differ by rounding."""
    try:
        pd.testing.assert_frame_equal(first, second, check_exact=None if "rtol" in options else True, **options)
    except AssertionError as difference:
        raise AssertionError(f"{message}{_near_tie(first, second)}\n{difference}") from None


def _near_tie(first: pd.DataFrame, second: pd.DataFrame) -> str:
    """Say so where two lists differ and their scores hardly do."""
    if "score" not in first or len(first) != len(second):
        return ""
    near = np.allclose(first["score"], second["score"], rtol=1e-5, atol=1e-6)
    return "; the scores are equal up to rounding: compute in double, and round where true scores are 0" if near else ""


def _require_refused(kind: type[Exception], code: str, call: Callable[[], Any], message: str) -> None:
    try:
        call()
    except kind as problem:
        _require(getattr(problem, "code", "") == code, f"{message}; expected {code}, got: {problem}")
        return
    raise AssertionError(f"{message}; expected a {kind.__name__} ({code}), got none")


@_listed
def asks_to_be_fitted(subject: Subject) -> None:
    """An unfitted model raises `NotFittedError`."""
    unfitted = subject.unfitted.unfitted()
    for call in (lambda: unfitted.recommend(["u000"]), lambda: unfitted.score([["i00"]])):
        _require_refused(NotFittedError, "RK-369", call, "an unfitted model answers")


@_listed
def fits_interactions_alone_or_says_what_it_needs(subject: Subject) -> None:
    """Without items, validation set and vectors a model is fitted or raises `ParameterError`."""
    try:
        model = subject.unfitted.unfitted().fit(subject.shop.train)
    except ParameterError as problem:
        _require(problem.code in NEEDS_MORE, f"expected one of {NEEDS_MORE} for a missing input, got: {problem}")
        return
    _require(len(model.recommend(["u000"], k=3)) == 3, "fitted on interactions alone it lists fewer than 3 items")


@_listed
def reads_an_encoded_split(subject: Subject) -> None:
    """`fit(split)` and `fit` of the tables give the same lists."""
    users = list(subject.shop.withheld)
    again = subject.unfitted.unfitted().fit(subject.shop.encode()).recommend(users)
    _require_equal(subject.model.recommend(users), again, "an encoded split gives other lists than the tables")


@_listed
def finds_the_withheld_item(subject: Subject) -> None:
    """A personal model ranks the withheld item of every user among the five best; another does not by chance."""
    model, withheld = subject.model, subject.shop.withheld
    lists = model.recommend(list(withheld), k=5)
    found = (lists["item_id"] == lists["query"].map(withheld)).groupby(lists["query"]).any().mean()
    if model.personal:
        _require(found == 1, f"the withheld item is in {found:.0%} of the lists of 5; expected all: it is of the group "
                             "of the user, whose other unseen items are four")  # fmt: skip
    else:
        chance = 5 / (len(model.item_ids) - EVENTS_PER_USER)
        _require(found < 3 * chance, f"the withheld item is in {found:.0%} of the lists; expected about {chance:.0%} "
                                     "of a model with `personal = False`")  # fmt: skip


@_listed
def never_recommends_seen_items(subject: Subject) -> None:
    """No list holds an item of the user's history."""
    seen = subject.shop.train[["user_id", "item_id"]].rename(columns={"user_id": "query"})
    lists = subject.model.recommend(list(subject.shop.withheld), k=50)
    both = lists.merge(seen, on=["query", "item_id"])
    _require(both.empty, f"seen items are recommended:\n{both.head()}")


@_listed
def takes_seen_items_apart_from_the_history(subject: Subject) -> None:
    """`seen` alone decides what is left out."""
    history = subject.histories(["u000"])
    free = set(subject.model.recommend(histories=history, seen=[[]], k=50)["item_id"])
    masked = set(subject.model.recommend(histories=history, seen=[["i15"]], k=50)["item_id"])
    _require(set(history[0]) <= free, "with seen=[[]] items of the history are left out")
    _require("i15" in free - masked, "an item of `seen` is recommended, or never without it")


@_listed
def keeps_the_order_among_candidates(subject: Subject) -> None:
    """Among candidates the list is that of the whole catalogue without the other items."""
    users, candidates = list(subject.shop.withheld)[::20], ["i00", "i05", "i11", "i29", "no such item"]
    whole = subject.model.recommend(users, k=99)
    among = subject.model.recommend(users, candidates=candidates, k=3)
    expected = whole[whole["item_id"].isin(candidates)].groupby("query", sort=False).head(3).reset_index(drop=True)
    columns = ["query", "item_id"]
    _require_equal(among[columns], expected[columns], "the lists among candidates differ from the whole lists")
    _require(subject.model.recommend(users, candidates=[]).empty, "without a candidate there is a list")


@_listed
def gives_one_user_the_list_of_the_batch(subject: Subject) -> None:
    """A query alone gets the list that it gets among others, and so in blocks of any size."""
    users = list(subject.shop.withheld)[::7]
    batch = subject.model.recommend(users, k=5)
    alone = pd.concat([subject.model.recommend([user], k=5) for user in users], ignore_index=True)
    _require_equal(batch, alone, "a user alone gets another list than in a batch", rtol=1e-5)
    with patch(BLOCK_CELLS, 7 * len(subject.model.item_ids)):
        blocks = subject.model.recommend(users, k=5)
    _require_equal(batch, blocks, "lists depend on the size of the blocks", rtol=1e-5)


@_listed
def answers_a_known_user_by_the_training_history(subject: Subject) -> None:
    """`users` and their training histories are the same question."""
    users = ["u000", "u105"]
    by_user = subject.model.recommend(users, k=5).drop(columns="query")
    by_history = subject.model.recommend(histories=subject.histories(users), k=5).drop(columns="query")
    _require_equal(by_user, by_history, "a user gets another list than the training history of this user")


@_listed
def does_not_depend_on_the_order_of_rows(subject: Subject) -> None:
    """Shuffled tables give the same lists."""
    shop, users = subject.shop, list(subject.shop.withheld)
    valid = shop.valid.sample(frac=1, random_state=3)
    shuffled = {"train": shop.train.sample(frac=1, random_state=1), "items": shop.items.sample(frac=1, random_state=2)}
    again = subject.fit(**shuffled, valid=valid).recommend(users)
    _require_equal(subject.model.recommend(users), again, "the lists change when the rows of the tables are shuffled")


@_listed
def draws_by_its_seed_alone(subject: Subject) -> None:
    """Fitted again with the same hyper-parameters, the model gives the same lists."""
    users = list(subject.shop.withheld)
    again = subject.fit().recommend(users)
    _require_equal(subject.model.recommend(users), again, "a second fit gives other lists")


@_listed
def leaves_the_input_unchanged(subject: Subject) -> None:
    """`fit` writes into none of its arguments."""
    shop, again = planted_shop(), planted_shop()
    valid = shop.valid[["user_id", "item_id"]]
    subject.fit(train=shop.train, items=shop.items, valid=valid, item_vectors=shop.vectors)
    pairs = {"train": (shop.train, again.train), "items": (shop.items, again.items)}
    for name, (after, before) in (pairs | {"valid": (valid, again.valid[["user_id", "item_id"]])}).items():
        _require_equal(after, before, f"fit() changed {name}")
    _require(np.array_equal(shop.vectors.values, again.vectors.values), "fit() changed item_vectors")


@_listed
def reads_nullable_strings(subject: Subject) -> None:
    """Ids of pandas' nullable type `string` are the same ids."""
    shop, users = subject.shop, list(subject.shop.withheld)[::30]
    again = subject.fit(**{
        name: table.astype({"user_id": "string", "item_id": "string"})
        for name, table in (("train", shop.train), ("valid", shop.valid))
    })  # fmt: skip
    _require_equal(again.recommend(users), subject.model.recommend(users), "ids of the type `string` give other lists")


@_listed
def gives_an_unknown_user_the_popularity_list(subject: Subject) -> None:
    """A user without a history gets the most popular items with `fallback`; a known user does not."""
    popular = Popularity().fit(subject.shop.train, items=subject.shop.items).recommend(["no such user"], k=5)
    unknown = subject.model.recommend(["no such user"], k=5)
    _require(unknown["fallback"].all(), "the list of an unknown user is not marked as a fallback")
    expected = popular["item_id"].tolist()
    _require(unknown["item_id"].tolist() == expected, f"an unknown user gets {unknown['item_id'].tolist()}; "
                                                      f"expected the most popular items {expected}")  # fmt: skip
    known = subject.model.recommend(["u000"], k=5)
    _require(not known["fallback"].any(), "the list of a known user is marked as a fallback")


@_listed
def uses_a_context_or_ignores_it(subject: Subject) -> None:
    """A context changes lists only where the model has `_score_in_context`; each query has its own."""
    model, users = subject.model, ["u000", "u105"]
    context = pd.DataFrame({"timestamp": pd.to_datetime(["2024-01-03", "2024-01-05"], utc=True)})
    asked = model.recommend(users, context=context, k=5)
    if "context" not in model.uses:
        _require_equal(model.recommend(users, k=5), asked, "a context changes the lists of a model that ignores it")
    alone = [model.recommend([user], context=context.iloc[[row]], k=5) for row, user in enumerate(users)]
    _require_equal(asked, pd.concat(alone, ignore_index=True), "in a context a user alone gets another list", rtol=1e-5)
    with patch(BLOCK_CELLS, len(model.item_ids)):
        blocks = model.recommend(users, context=context, k=5)
    _require_equal(asked, blocks, "in a context lists depend on the size of the blocks", rtol=1e-5)


@_listed
def ignores_unknown_items_of_a_history(subject: Subject) -> None:
    """An item that is not in the catalogue changes nothing."""
    clean = subject.model.recommend(histories=[["i00", "i01"]], k=5)
    noisy = subject.model.recommend(histories=[["no such item", "i00", "i01"]], k=5)
    _require_equal(clean, noisy, "an unknown item of a history changes the list")


@_listed
def accepts_repeated_items_of_a_history(subject: Subject) -> None:
    """A history may hold an item twice."""
    lists = subject.model.recommend(histories=[["i00", "i00", "i01"]], k=3)["item_id"]
    _require(len(lists) == 3 and not {"i00", "i01"} & set(lists), f"a repeated item gives the list {lists.tolist()}")


@_listed
def recommends_only_what_it_can_score(subject: Subject) -> None:
    """No list holds an item where `can_score` is False, nor one of which nothing is known."""
    listed = set(subject.model.recommend(list(subject.shop.withheld), k=50)["item_id"])
    unknown = listed - set(subject.model.item_ids[subject.model.can_score])
    _require(not unknown, f"items are recommended where can_score is False: {sorted(unknown)}")
    _require("blank" not in listed, "an item without interactions, attributes and vector is recommended")


@_listed
def scores_one_column_per_item(subject: Subject) -> None:
    """Scores are `(B, N)` float32, finite where `can_score`, also for an empty history."""
    model = subject.model
    scores = model.score([*subject.histories(["u000", "u100"]), []])
    expected = (3, len(model.item_ids))
    _require(scores.shape == expected, f"scores have the shape {scores.shape}; expected {expected}")
    _require(scores.dtype == np.float32, f"scores are {scores.dtype}; expected float32")
    _require(np.isfinite(scores[:, model.can_score]).all(), "scores are not finite where can_score is True")


@_listed
def ranks_from_one_by_falling_score(subject: Subject) -> None:
    """Ranks are 1, 2, 3 ... and scores never rise."""
    for query, rows in subject.model.recommend(["u000", "u200", "no such user"], k=6).groupby("query"):
        ranks, scores = rows["rank"].tolist(), rows["score"].tolist()
        _require(ranks == list(range(1, len(rows) + 1)), f"the ranks of {query} are {ranks}")
        _require(scores == sorted(scores, reverse=True), f"the scores of {query} rise: {scores}")


@_listed
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


@_listed
def refuses_what_is_no_question(subject: Subject) -> None:
    """A wrong k, lists that do not fit the queries and a context of another length raise `ParameterError`."""
    model = subject.model
    wrong: list[Any] = [0, -1, 1.5, "10", True, float("nan")]
    for k in wrong:
        _require_refused(ParameterError, "RK-312", partial(model.recommend, ["u000"], k=k), f"k={k!r} is accepted")
    for asked in (
        {"users": ["u000", "u001"], "histories": [["i00"]]},
        {"users": ["u000"], "histories": [["i00"], ["i01"]]},
        {"users": ["u000", "u001"], "seen": [["i00"]]},
        {"histories": ["i00", "i01"]},
    ):
        _require_refused(ParameterError, "RK-313", partial(model.recommend, **asked), f"{asked} is accepted")
    context = pd.DataFrame({"ctx_device": ["phone"]})
    _require_refused(
        ParameterError, "RK-340", lambda: model.recommend(["u000", "u001"], context=context), "a context is accepted"
    )


@_listed
def gives_what_there_is(subject: Subject) -> None:
    """A k above the size of the catalogue gives all items; no query gives an empty table."""
    model = subject.model
    n_listed = len(model.recommend(["u000"], k=10**9))
    _require(0 < n_listed <= model.can_score.sum(), f"k=10**9 gives {n_listed} items")
    empty = model.recommend([], k=5)
    columns = ["query", "item_id", "score", "rank", "fallback"]
    _require(list(empty) == columns and not len(empty), f"no query gives {len(empty)} rows with {list(empty)}")


@_listed
def learns_more_by_refit_and_stays_as_it_is(subject: Subject) -> None:
    """`refit` returns another model, which knows the new interactions; the old one does not change."""
    shop, users = subject.shop, list(subject.shop.withheld)
    before = subject.model.recommend(users)
    again = subject.model.refit(shop.encode(train=pd.concat([shop.train, shop.valid]), valid=None))
    _require(type(again) is type(subject.model), f"refit returns a {type(again).__name__}")
    _require_equal(before, subject.model.recommend(users), "refit changes the model itself")
    lists = again.recommend(users, k=50)
    known = lists["item_id"] == lists["query"].map(shop.withheld)
    _require(not known.any(), "after refit with the withheld interactions, these items are still recommended")


@_listed
def gives_the_same_lists_after_save_and_load(subject: Subject) -> None:
    """A saved model is JSON and safetensors alone, names no user and gives the same lists."""
    histories = [*subject.histories(list(subject.shop.withheld)[::3]), []]
    before = subject.model.recommend(histories=histories)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        subject.model.save(folder)
        files = [path for path in folder.rglob("*") if path.is_file()]
        suffixes, content = {path.suffix for path in files}, b"".join(path.read_bytes() for path in files)
        again = load(folder)
        _require(suffixes <= {".json", ".safetensors"}, f"the saved model has files {sorted(suffixes)}")
        _require(not any(user.encode() in content for user in subject.shop.withheld), "the saved model holds user ids")
        _require_equal(before, again.recommend(histories=histories), "the loaded model gives other lists: does `state` "
                                                                     "name every fitted array?")  # fmt: skip
        _require(type(again) is type(subject.model), f"a {type(again).__name__} is loaded")
        _require(again.understands_text == subject.model.understands_text, "the loaded model differs in text")
