"""A LambdaMART re-ranker over a blend, trained on each user's last training event."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.events import Events
from recsys_kit.core.histories import Histories
from recsys_kit.errors import ParameterError
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.ensembles.base import Judged
from recsys_kit.recommenders.ensembles.blend import Hybrid
from recsys_kit.recommenders.holdout import measure_ndcg
from recsys_kit.recommenders.rerankers.base import Examples, Reranker, make_examples
from recsys_kit.recommenders.transitions import transition_counts

ITEM_FACTS = ("log_users", "log_last", "log_first", "mean_position")
RANKER_THREADS = 2  # a fixed number: the same trees on every machine
SAMPLED_SHARE = 0.8  # of the rows and of the columns, for each tree


@dataclass
class Stack(Judged, Reranker):
    """A blend whose best candidates are ordered by gradient-boosted trees (LambdaMART).

    The trees are trained inside the training set: the members are refitted without each user's last event, which is the
    target. Validation gives them what it chose before (epochs, weights) but no target. The features of a candidate: the
    standardized scores of the members, the blend and its rank there, how often it followed or preceded the user's last
    item, the cosine to that item for every member that has vectors, how often and when in histories users interacted
    with it, and the length of the history. If the trees are not better on validation than the blend, the blend answers.
    Source: Burges, From RankNet to LambdaRank to LambdaMART, 2010; the features are our own.
    """

    base: Hybrid = field(default_factory=Hybrid)
    """The blend. A fitted one is used as it is; of another `fit` fits a copy."""
    n_trees: int = 120
    n_leaves: int = 15
    """Leaves of a tree, at most."""
    n_rankers: int = 3
    """Rankers whose scores are averaged, each with its own sample of rows and columns."""

    name = "stack"
    state = ("followed", "item_facts")  # (N, N) CSR: column followed row directly; (N, 4): see `ITEM_FACTS`
    learned = (*Judged.learned, "rankers")

    @property
    def understands_text(self) -> bool:  # type: ignore[override]
        """Whether the blend understands text."""
        return self.base.understands_text

    @property
    def uses(self) -> Mapping[str, bool]:  # type: ignore[override]
        """What the blend uses; with trees, what all its members use."""
        if not (self.is_fitted and self.rankers):
            return getattr(self.base, "uses", {})
        return Hybrid(self.base.members).uses

    def _fit(self, split: EncodedSplit) -> None:
        if not isinstance(self.base, Hybrid) or "valid" not in split.targets:
            problem = f"{self.name} needs a base, which is a Hybrid, and a validation set."
            raise ParameterError("RK-315", problem, "Use Stack(Hybrid({'ease': EASE(), ...})).fit(train, valid=valid).")
        if not self.base.is_fitted:
            self.base = replace(self.base).fit(split)  # fitted members stay
        elif not self.base.fitted_like(self):
            raise ParameterError("RK-316", "the base was fitted on other data.", "Fit it on the same data.")
        self.__dict__.pop("_spaces", None)
        self.rankers: list[str] = []
        self.validation, self.kept = dict(self.base.validation), self.base.name
        self._settle()
        targets = split.validation(self.base.max_validation_users, self.base.seed)
        self.rankers = [] if targets is None else self._train_rankers(split)
        if self.rankers:
            asked = [self] if self.base.name in self.validation else [self.base, self]
            self._judge({one.name: measure_ndcg(one, targets, self.base.k) for one in asked})
            self.rankers = self.rankers if self.kept == self.name else []

    def _settle(self) -> None:
        self.can_score = self.base.can_score
        self.followed = transition_counts(self.train_histories, len(self.items), window=1, decay=0.0)
        self.item_facts = _item_facts(self.train_histories, len(self.items))

    def answering_members(self) -> dict[str, Recommender]:
        """Return the blend; with trees also all its members, whose scores are features."""
        return {self.base.name: self.base} | (dict(self.base.members) if self.rankers else {})

    def _train_rankers(self, split: EncodedSplit) -> list[str]:
        """Return the trees as text, trained on each user's last event."""
        last = last_events(split.train)
        if not last.any():
            return []
        without = self.refit(split.keep(~last))
        examples = _examples_of(without, split.train.keep(last))
        settings = {"num_leaves": self.n_leaves, "feature_fraction": SAMPLED_SHARE, "bagging_fraction": SAMPLED_SHARE}
        settings |= {"bagging_freq": 1, "num_threads": RANKER_THREADS}
        return self._train(examples, self.n_rankers, **settings) if len(examples[-1]) else []

    @cached_property
    def _spaces(self) -> list[np.ndarray | sparse.csr_matrix]:
        """Unit rows of every member that has item vectors."""
        from sklearn.preprocessing import normalize

        members = [self.base.members[name] for name in sorted(self.base.members)]
        return [normalize(member.item_space()) for member in members if hasattr(member, "item_space")]

    # -- scores ----------------------------------------------------------------------------------------------------

    def _score_texts(self, texts: list[str]) -> np.ndarray:
        return self.base._score_texts(texts)

    def _score_in_context(self, histories: Histories, context: pd.DataFrame | None) -> np.ndarray:
        """Return the scores of the blend, from -1 downwards, and those of the trees for the candidates, from 0 up."""
        if not self.rankers or not len(histories):
            return self.base._score_in_context(histories, context)
        items, features, blend = self.describe_candidates(histories, context)
        rows, places = np.nonzero(items >= 0)
        described = features[rows, places]
        order = np.zeros(len(rows))
        if len(rows):
            order = sum(self._trees_of(ranker).predict(described) for ranker in self.rankers) / len(self.rankers)
        lowest = np.zeros(len(items))
        np.minimum.at(lowest, rows, order)
        blend -= blend.max(axis=1, keepdims=True) + 1
        blend[rows, items[rows, places]] = order - lowest[rows]  # by row alone: a batch changes nothing
        return blend

    def describe_candidates(
        self, histories: Histories, context: pd.DataFrame | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the best unseen items of the blend, their features, and all scores of the blend.

        Returns:
            (B, n) int64 item indices, -1 where there are fewer; (B, n, F) float32; (B, N) float32.
        """
        standard = self.base.standardize_members(histories, context, sorted(self.base.members))
        scores = self.base.blend(standard)
        items, _ = self._candidates(self.base, scores, histories)
        shape, safe = items.shape, items.clip(0)
        last = np.r_[0, histories.items][histories.starts[1:]]  # of an empty history: any item
        pairs = np.repeat(last, shape[1]), safe.ravel()
        columns = [np.take_along_axis(one, safe, axis=1) for one in standard.values()]
        columns += [np.take_along_axis(scores, safe, axis=1), np.broadcast_to(np.arange(shape[1]), shape)]
        followed = sparse.csr_matrix(self.followed)
        columns += [np.asarray(followed[cells]).reshape(shape) for cells in (pairs, pairs[::-1])]
        columns += [_cosines(space, *pairs).reshape(shape) for space in self._spaces]
        columns += [self.item_facts[safe, number] for number in range(len(ITEM_FACTS))]
        columns += [np.broadcast_to(np.log1p(np.diff(histories.starts))[:, None], shape)]
        return items, np.stack(columns, axis=2).astype(np.float32), scores


def last_events(train: Events) -> np.ndarray:
    """Return `(E,)` bool: the last event of each user who has two or more.

    >>> last_events(Events(np.array([0, 0, 1]), np.array([5, 6, 5]), pd.DataFrame(index=range(3)))).tolist()
    [False, True, False]
    """
    changes = np.diff(train.user) != 0
    return np.r_[changes, True] & ~np.r_[True, changes]


def _item_facts(histories: Histories, n_items: int) -> np.ndarray:
    """Return `(N, 4)`: see `ITEM_FACTS`; the position runs from 0 (first event of a history) to 1 (last)."""
    lengths = np.diff(histories.starts)
    length = np.repeat(lengths, lengths)
    place = np.arange(len(length)) - np.repeat(histories.starts[:-1], lengths)
    weights = np.ones(len(length)), place == length - 1, place == 0, (place + 0.5) / length
    count, last, first, position = (np.bincount(histories.items, each, minlength=n_items) for each in weights)
    facts = np.log1p(count), np.log1p(last), np.log1p(first), position / np.maximum(count, 1)
    return np.column_stack(facts).astype(np.float32)


def _cosines(space: np.ndarray | sparse.csr_matrix, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the cosines of pairs of rows of unit length."""
    if sparse.issparse(space):
        return np.asarray(space[first].multiply(space[second]).sum(axis=1)).ravel()
    return np.einsum("ij,ij->i", space[first], space[second])


def _examples_of(stack: Stack, asked: Events) -> Examples:
    """Return what there is to learn from the last event of each user, by a stack that has not seen them."""
    histories = stack.train_histories.take(asked.user)
    return make_examples(lambda _, block: stack.describe_candidates(block)[:2], histories, asked.item, len(stack.items))
