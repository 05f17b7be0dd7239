"""A ranker on top of the blend: it learns, inside train, what the scores leave unsaid."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from scipy import sparse
from tqdm.auto import tqdm

from recsys_kit.core.histories import Histories
from recsys_kit.core.ranking import top_k
from recsys_kit.recommenders.ensembles.hybrid import Hybrid, refit_all
from recsys_kit.recommenders.holdout import Validation, blocks
from recsys_kit.recommenders.transitions import transition_counts

if TYPE_CHECKING:
    import lightgbm

ITEM_FACTS = ("log_shoppers", "log_last", "log_first", "mean_position")
RANKER_THREADS = 2  # a fixed number: the same trees on every machine
DRAWN = 0.8  # share of the rows and of the columns that a tree sees


@dataclass
class Stack(Hybrid):
    """The blend, its best candidates put in order by gradient-boosted trees (LambdaMART).

    The trees learn inside train: the parts are fitted again without every shopper's last event, which is the target.
    Validation gives them what it chose before (epochs, weights), but no target, and test gives nothing. A candidate is
    described by the parts' standardised scores, the blend and its rank there, how often it followed or preceded the
    shopper's last item, the cosine to that item in every part that has vectors, how often and when in their histories
    shoppers had it, and the length of the history.
    Where the trees are no better on validation than the blend, the blend stays.
    Source: Burges, From RankNet to LambdaRank to LambdaMART, 2010; the features are our own.
    """

    candidates: int = 50
    """Of each shopper, the best of the blend are put in order; the others follow as the blend has them."""
    trees: int = 120
    """Trees of a ranker."""
    leaves: int = 15
    """Leaves of a tree, at most."""
    learning_rate: float = 0.05
    """What a tree adds."""
    rankers: int = 3
    """Rankers whose scores are averaged, each with its own draw of rows and columns."""

    name = "stack"

    def _learn(self, train: pd.DataFrame, validation: Validation | None, inputs: Mapping[str, Any]) -> None:
        self._boosters: list[lightgbm.Booster] = []
        self.__dict__.pop("_facts", None)
        super()._learn(train, validation, inputs)
        parts = {name: value for name, value in self.validation.items() if name != self.name}
        boosters = [] if validation is None else self._train_rankers(train, inputs)
        if not boosters:
            return
        blend = self.validation.get(self.name) or float(np.nanmean(validation.of_model(self, self.k)))
        self._boosters = boosters
        self._keep_the_better(validation, parts | {Hybrid.name: blend})
        if self.kept != self.name:
            self._boosters = []

    def _needed(self) -> list[str]:
        """The trees look at every part, also at those that have no weight in the blend."""
        return sorted(self.parts) if self._boosters else super()._needed()

    def _take_over(self, tuned: Self) -> None:
        super()._take_over(tuned)
        self._boosters = tuned._boosters

    def _train_rankers(self, train: pd.DataFrame, inputs: Mapping[str, Any]) -> "list[lightgbm.Booster]":
        earlier, last = without_last(train)
        if earlier.empty or last.empty:
            return []
        told = {"items": self._whole_catalogue(inputs.get("items")), "item_vectors": inputs.get("item_vectors")}
        parts = refit_all(self.parts, earlier, **told)  # what validation chose is kept: their targets stop no network
        inner = Hybrid(parts, fixed=self.weights, fixed_power=self.share_power, seed=self.seed)
        inner.fit(earlier, valid=last, **told)
        return _train(self, *_examples(inner, last, self.candidates))

    def _whole_catalogue(self, items: pd.DataFrame | None) -> pd.DataFrame:
        """The items with a row for each that train alone names: the same columns without the last events."""
        known = pd.DataFrame({"item_id": self.item_ids}) if items is None else items
        missing = self.item_ids[~np.isin(self.item_ids, known["item_id"].to_numpy(str))]
        return pd.concat([known, pd.DataFrame({"item_id": missing})], ignore_index=True) if len(missing) else known

    @cached_property
    def _facts(self) -> "_Facts":
        return _Facts(self)

    def _combined(self, histories: Histories, context: pd.DataFrame | None) -> np.ndarray:
        if not self._boosters:
            return super()._combined(histories, context)
        items, features, blend = candidate_features(self, self._facts, histories, self.candidates, context)
        rows, places = np.nonzero(items >= 0)
        described = features[rows, places]
        order = sum((booster.predict(described) for booster in self._boosters if len(rows)), np.zeros(len(rows)))
        order /= len(self._boosters)
        lowest = np.zeros(len(items))
        np.minimum.at(lowest, rows, order)
        blend -= blend.max(axis=1, keepdims=True) + 1  # from -1 downwards
        blend[rows, items[rows, places]] = order - lowest[rows]  # from 0 upwards, whoever else is in the batch
        return blend

    # -- on disk ---------------------------------------------------------------------------------------------------

    def _save_extra(self, folder: Path) -> None:
        super()._save_extra(folder)
        texts = [booster.model_to_string() for booster in self._boosters]
        (folder / "rankers.json").write_text(json.dumps(texts), encoding="utf-8")

    @classmethod
    def _restore(cls, folder: Path, meta: Mapping[str, Any]) -> Self:
        from lightgbm import Booster

        model = super()._restore(folder, meta)
        texts = json.loads((folder / "rankers.json").read_text(encoding="utf-8"))
        model._boosters = [Booster(model_str=text) for text in texts]
        return model


def without_last(train: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train without each shopper's last event, and these events; who has a single event keeps it.

    >>> train = pd.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["x", "y", "z"], "position": [0, 1, 0]})
    >>> [part["item_id"].tolist() for part in without_last(train)]
    [['x', 'z'], ['y']]
    """
    last = ~train.duplicated("user_id", keep="last") & train.duplicated("user_id", keep="first")
    return train[~last].reset_index(drop=True), train[last].reset_index(drop=True)


# -- what the trees are told -------------------------------------------------------------------------------------------


class _Facts:
    """What a fitted blend and its training histories say of items, whoever asks."""

    def __init__(self, blend: Hybrid) -> None:
        from sklearn.preprocessing import normalize

        histories, n_items = blend._train_histories, len(blend.item_ids)
        self.followed = transition_counts(histories, n_items, window=1, decay=0.0)
        self.items = _item_facts(histories, n_items)
        parts = [blend.parts[name] for name in sorted(blend.parts)]
        self.spaces = [normalize(part.item_space()) for part in parts if hasattr(part, "item_space")]


def _item_facts(histories: Histories, n_items: int) -> np.ndarray:
    """`(N, 4)`: see `ITEM_FACTS`; the position runs from 0 (first event of a history) to 1 (last)."""
    lengths = np.diff(histories.starts)
    place = np.arange(len(histories.items)) - np.repeat(histories.starts[:-1], lengths)
    position = (place + 0.5) / np.repeat(lengths, lengths)
    occupied = lengths > 0
    ends = histories.starts[1:][occupied] - 1, histories.starts[:-1][occupied]
    count = np.bincount(histories.items, minlength=n_items)
    last, first = (np.bincount(histories.items[end], minlength=n_items) for end in ends)
    mean = np.bincount(histories.items, weights=position, minlength=n_items) / np.maximum(count, 1)
    return np.column_stack([np.log1p(count), np.log1p(last), np.log1p(first), mean]).astype(np.float32)


def candidate_features(
    blend: Hybrid, facts: _Facts, histories: Histories, n: int, context: pd.DataFrame | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The n best items of the blend that are new to each shopper, -1 where there are fewer; their features; all scores.

    Shapes `(B, n)`, `(B, n, F)` and `(B, N)`.
    """
    standard = blend._standardised(histories, context, sorted(blend.parts))
    scores = blend._blended(standard)
    shown = np.where(blend.can_score, scores, np.float32(-np.inf))
    shown[histories.masked.cells] = -np.inf
    items = top_k(shown, n)
    shape, safe = items.shape, items.clip(0)
    lengths = np.diff(histories.starts)
    last = np.r_[0, histories.items][histories.starts[1:]]  # of an empty history: anything
    pairs = np.repeat(last, shape[1]), safe.ravel()
    columns = [np.take_along_axis(one, safe, axis=1) for one in standard.values()]
    columns += [np.take_along_axis(scores, safe, axis=1), np.broadcast_to(np.arange(shape[1]), shape)]
    columns += [_entries(facts.followed, *pairs).reshape(shape), _entries(facts.followed, *pairs[::-1]).reshape(shape)]
    columns += [_cosines(space, *pairs).reshape(shape) for space in facts.spaces]
    columns += [facts.items[safe, number] for number in range(len(ITEM_FACTS))]
    columns += [np.broadcast_to(np.log1p(lengths)[:, None], shape)]
    return items, np.stack(columns, axis=2).astype(np.float32), scores


def _entries(matrix: sparse.csr_array, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return np.asarray(sparse.csr_matrix(matrix)[rows, columns]).ravel()


def _cosines(space: np.ndarray | sparse.csr_matrix, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of pairs of rows of unit length."""
    if sparse.issparse(space):
        return np.asarray(space[first].multiply(space[second]).sum(axis=1)).ravel()
    return np.einsum("ij,ij->i", space[first], space[second])


# -- the trees ---------------------------------------------------------------------------------------------------------


def _examples(blend: Hybrid, last: pd.DataFrame, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, labels and group sizes of the shoppers whose last item is among their candidates."""
    validation = Validation.of(blend, last, max_users=len(last), seed=0)
    features, labels, sizes = [], [], []
    if validation is None:
        return np.empty((0, 0), np.float32), np.empty(0, bool), np.empty(0, np.int64)
    facts, target = _Facts(blend), np.full(len(validation.histories), -2)
    target[validation.rows] = validation.items
    for place, block in tqdm(blocks(validation.histories, len(blend.item_ids)), desc="candidates", leave=False):
        items, described, _ = candidate_features(blend, facts, block, n)
        hit = items == target[place, None]
        kept = hit.any(axis=1)[:, None] & (items >= 0)
        features.append(described[kept])
        labels.append(hit[kept])
        sizes.append(kept.sum(axis=1)[kept.any(axis=1)])
    return np.concatenate(features), np.concatenate(labels), np.concatenate(sizes)


def _train(stack: Stack, features: np.ndarray, labels: np.ndarray, sizes: np.ndarray) -> "list[lightgbm.Booster]":
    import lightgbm

    if not len(sizes):
        return []
    plan = {
        "objective": "lambdarank", "learning_rate": stack.learning_rate, "num_leaves": stack.leaves,
        "feature_fraction": DRAWN, "bagging_fraction": DRAWN, "bagging_freq": 1, "verbosity": -1,
        "deterministic": True, "force_row_wise": True, "num_threads": RANKER_THREADS,
    }  # fmt: skip
    examples = lightgbm.Dataset(features, labels, group=sizes, free_raw_data=False)
    seeds = range(stack.seed, stack.seed + stack.rankers)
    return [lightgbm.train(plan | {"seed": seed}, examples, num_boost_round=stack.trees) for seed in seeds]
