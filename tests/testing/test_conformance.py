"""Each check of the conformance suite finds a recommender that is broken in this way, and says so."""

import re

import numpy as np
import pandas as pd
import pytest

from recsys_kit import EASE, Content, Popularity
from recsys_kit.testing import CHECKS, Subject, check_recommender


class Unmasked(EASE):
    def recommend(self, *args, **options):
        return super().recommend(*args, **options | {"seen": [[]] * len(args[0] if args else options["histories"])})


class FixedMask(EASE):
    def recommend(self, *args, seen=None, **options):
        return super().recommend(*args, **options)


class NoCandidates(EASE):
    def recommend(self, *args, candidates=None, **options):
        return super().recommend(*args, **options)


class BatchNormalized(EASE):
    def _score(self, histories):
        scores = super()._score(histories)
        return scores - scores.mean(axis=0) * np.float32(0.9)


class Noisy(EASE):
    def _fit(self, *train, **inputs):
        super()._fit(*train, **inputs)
        self.weights = self.weights + np.random.default_rng().normal(0, 0.01, self.weights.shape).astype(np.float32)


class Unsaved(EASE):
    def _fit(self, *train, **inputs):
        super()._fit(*train, **inputs)
        self.first = np.arange(len(self.item_ids), dtype=np.float32) / 100

    def _score(self, histories):
        return super()._score(histories) + self.first


class Double(EASE):
    def _score(self, histories):
        return super()._score(histories).astype(np.float64)


class KnowsEverybody(EASE):
    def _knows(self, histories):
        return np.ones(len(histories), bool)


class ScoresAll(EASE):
    def _fit(self, *train, **inputs):
        super()._fit(*train, **inputs)
        self.can_score = np.ones_like(self.can_score)


class FindsNothing(Popularity):
    personal = True


class ReadsNoText(Content):
    def _score_texts(self, texts):
        return self._score(self.encode([["i20"]] * len(texts)))


class SaysItReadsText(EASE):
    understands_text = True


class LikesTheLast(EASE):
    """Of a repeated item, the list holds fewer items."""

    def recommend(self, *args, k=10, **options):
        twice = any(len(set(history)) < len(history) for history in options.get("histories") or [])
        return super().recommend(*args, k=k - twice, **options)


class CountsUnknown(EASE):
    def recommend(self, *args, histories=None, **options):
        known = histories and [history if "no such item" not in history else history[:-1] for history in histories]
        return super().recommend(*args, histories=known, **options)


class Reversed(EASE):
    def recommend(self, *args, **options):
        lists = super().recommend(*args, **options)
        return lists.assign(rank=lists["rank"] - 1)


class WritesIntoItems(EASE):
    def fit(self, train, *, items=None, **inputs):
        if items is not None:
            items["category"] = "x"
        return super().fit(train, items=items, **inputs)


class ReadsRows(EASE):
    def fit(self, train, **inputs):
        super().fit(train, **inputs)
        self.can_score[:] = self.can_score & (self.item_ids != train["item_id"].iloc[0])
        return self


class NeedsObjects(EASE):
    def fit(self, train, **inputs):
        assert train["user_id"].dtype.na_value is not None and str(train["user_id"].dtype) != "string"
        return super().fit(train, **inputs)


class Fitless(EASE):
    def recommend(self, *args, **options):
        return super().recommend(*args, **options) if self.is_fitted else None


class ReadsTables(EASE):
    def fit(self, train, **tables):
        self.unchanged = isinstance(train, pd.DataFrame)
        return super().fit(train, **tables)

    def _score(self, histories):
        return super()._score(histories) * (1 if self.unchanged else -1)


class RefitsItself(EASE):
    def refit(self, split):
        return self.fit(split)


class FailsAlone(EASE):
    def fit(self, train, *, items=None, **inputs):
        assert items is not None
        return super().fit(train, items=items, **inputs)


class AsksLastWeek(EASE):
    def recommend(self, *args, context=None, **options):
        lists = super().recommend(*args, **options)
        return lists if context is None else lists.iloc[::-1].reset_index(drop=True)


class Lenient(EASE):
    def recommend(self, *args, k=10, **options):
        return super().recommend(*args, k=max(1, int(k)) if k == k else 1, **options)


class Capped(EASE):
    def recommend(self, *args, k=10, **options):
        return super().recommend(*args, k=k, **options).drop(columns="fallback")


class ByTheFirst(EASE):
    def recommend(self, users=None, **options):
        histories = options.pop("histories", None)
        return super().recommend(users, histories=histories and [history[:2] for history in histories], **options)


BROKEN = {
    Fitless: "asks_to_be_fitted",
    FailsAlone: "fits_interactions_alone_or_says_what_it_needs",
    ReadsTables: "reads_an_encoded_split",
    FindsNothing: "finds_the_withheld_item",
    Unmasked: "never_recommends_seen_items",
    FixedMask: "takes_seen_items_apart_from_the_history",
    NoCandidates: "keeps_the_order_among_candidates",
    BatchNormalized: "gives_one_user_the_list_of_the_batch",
    ByTheFirst: "answers_a_known_user_by_the_training_history",
    ReadsRows: "does_not_depend_on_the_order_of_rows",
    Noisy: "draws_by_its_seed_alone",
    WritesIntoItems: "leaves_the_input_unchanged",
    NeedsObjects: "reads_nullable_strings",
    KnowsEverybody: "gives_an_unknown_user_the_popularity_list",
    AsksLastWeek: "uses_a_context_or_ignores_it",
    CountsUnknown: "ignores_unknown_items_of_a_history",
    LikesTheLast: "accepts_repeated_items_of_a_history",
    ScoresAll: "recommends_only_what_it_can_score",
    Double: "scores_one_column_per_item",
    Reversed: "ranks_from_one_by_falling_score",
    ReadsNoText: "understands_text_or_refuses_it",
    Lenient: "refuses_what_is_no_question",
    Capped: "gives_what_there_is",
    RefitsItself: "learns_more_by_refit_and_stays_as_it_is",
    Unsaved: "gives_the_same_lists_after_save_and_load",
}


@pytest.mark.parametrize(("model", "check"), BROKEN.items(), ids=lambda one: getattr(one, "__name__", one))
def test_a_broken_recommender_fails_the_check_that_is_made_for_it(model, check):
    checks = {one.__name__: one for one in CHECKS}
    assert issubclass(model, EASE | Content | Popularity)
    with pytest.raises(AssertionError) as caught:
        checks[check](Subject(model()))
    assert str(caught.value)


def test_every_check_has_a_recommender_that_it_finds():
    assert set(BROKEN.values()) == {check.__name__ for check in CHECKS}


def test_the_failures_are_named_together():
    with pytest.raises(AssertionError) as caught:
        check_recommender(SaysItReadsText())
    first, *failures = str(caught.value).splitlines()
    assert first == f"SaysItReadsText fails {len(failures)} of {len(CHECKS)} checks:"
    assert re.match(r"understands_text_or_refuses_it: \w+Error: ", failures[0])  # as the model fails
    check_recommender(SaysItReadsText(), leave_out=[failure.split(":")[0] for failure in failures])


class NoCanScore(EASE):
    def _fit(self, *train, **inputs):
        super()._fit(*train, **inputs)
        del self.can_score


class OneRow(EASE):
    def _score(self, histories):
        return super()._score(histories)[:1]


class Silent(EASE):
    def fit(self, train, **inputs):
        super().fit(train, **inputs)


@pytest.mark.parametrize(
    ("broken", "problem"),
    [(NoCanScore, "`_fit` sets"), (OneRow, "`_score` returns"), (Silent, "`fit` returns nothing")],
)
def test_what_stops_the_suite_is_said_in_one_sentence(broken, problem):
    with pytest.raises(AssertionError, match=problem) as found:
        check_recommender(broken())
    assert "\n" not in str(found.value)
