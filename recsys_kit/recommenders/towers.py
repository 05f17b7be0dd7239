"""Two networks, one for the user and one for the item; the score is their product."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.core.threads import one_torch_thread
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.content import reduced

if TYPE_CHECKING:  # torch takes a second to load: only when the towers are fitted
    from torch import Tensor

    from recsys_kit.recommenders.networks import TowersNetwork

EVENTS_PER_BATCH = 512
MAX_VALIDATION_EVENTS = 8192
MAX_HISTORY = 50  # events of a history that a step reads, on average; drawn again in each epoch


@dataclass
class TwoTowers(Recommender):
    """score(h, i) = u(h)' v_i: an item tower v_i = e_i + P c_i, a user tower u = p + MLP(p) over the history h.

    e_i `(D,)` is the item's own embedding, 0 without a training event; P `(C, D)` maps its content c_i `(C,)`, where
    there are item features; p is the sum of w_j v_j over the history, divided by the root of the sum of w_j^2. Each
    event of a user is predicted from the others by a softmax over the items with a training event; in large catalogues
    over drawn negatives. The epoch with the best log loss on the validation set is kept. Scoring is NumPy.
    Source: Covington, Adams and Sargin, Deep neural networks for YouTube recommendations, RecSys 2016, section 3;
    drawn negatives: Jean et al., On using very large target vocabulary, ACL 2015, section 3.
    """

    embedding_dim: int = 64
    """D: numbers in the embedding of an item and of a user."""
    epochs: int = 30
    """Passes over the events, at most; all of them without a validation set."""
    patience: int = 3
    """Early stopping after this many epochs without improvement on the validation set."""
    learning_rate: float = 0.003
    dropout: float = 0.5
    """Share of the history that is hidden in training."""
    full_softmax_up_to: int = 20_000
    """Items with a training event; larger catalogues draw negatives."""
    n_negatives: int = 4096
    """Negatives of a batch, drawn uniformly from the items with a training event."""
    history_decay: float = 0.3
    """An item `back` events from the end of a history weighs (1 + back)^-history_decay."""
    seed: int = 0
    """Random seed."""
    features: str = ""
    """Name of the item features; "" takes the only ones, "none" takes none."""

    name = "two_towers"
    uses: ClassVar[Mapping[str, bool]] = {"item_features": False}
    learned = ("best_epoch",)
    state = ("item_matrix", "hidden", "hidden_bias", "out")
    """(N, D) all v_i; (D, H), (H,) and (H, D) of the MLP."""

    @one_torch_thread()
    def _fit(self, split: EncodedSplit) -> None:
        import torch

        from recsys_kit.recommenders.networks import TowersNetwork, get_arrays
        from recsys_kit.training.plan import TrainingPlan
        from recsys_kit.training.trainer import Trainer

        content, vectors = np.zeros((len(self.items), 1), np.float32), self.choose_features(split)
        if vectors is not None:
            content = reduced(vectors.values, self.embedding_dim, self.seed)
        known = self.item_counts > 0
        self.can_score = known | content.any(axis=1)
        rng = np.random.default_rng(self.seed)
        size, hidden = self.embedding_dim, 2 * self.embedding_dim
        network = TowersNetwork(
            {
                "own": rng.normal(0, 0.1, (len(known), size)) * known[:, None],
                "projection": rng.normal(0, 0.1, (content.shape[1], size)),
                "hidden": rng.normal(0, size**-0.5, (size, hidden)),
                "hidden_bias": np.zeros(hidden),
                "out": np.zeros((hidden, size)),  # at first a user is the sum of their items
            },
            content,
        )
        plan = TrainingPlan(
            epochs=self.epochs, patience=self.patience, learning_rate=self.learning_rate, schedule="constant",
            weight_decay=0.0, max_grad_norm=None, seed=self.seed,
        )  # fmt: skip
        examples, validation = _Examples(self, rng), self._validation_batch(split)
        trainer = Trainer(network, lambda towers, batch: self._loss(towers, batch, rng), plan, rng=rng, name=self.name)
        history = trainer.fit(
            examples.batches,
            n_batches=examples.n_batches,
            validate=None if validation is None else lambda towers: -self._mean_loss(towers, validation),
        )
        self.best_epoch = int(history["epoch"][history["best"]].iloc[0])
        with torch.no_grad():
            self.item_matrix = network.item_vectors().numpy()
        arrays = get_arrays(network)
        self.hidden, self.hidden_bias, self.out = (arrays[name] for name in self.state[1:])

    def _chosen(self) -> dict[str, Any]:
        return {"epochs": self.best_epoch}

    def _loss(self, towers: "TowersNetwork", batch: "_Batch", rng: np.random.Generator | None) -> "Tensor":
        """Cross-entropy of the targets among all items with a training event, or among negatives drawn by `rng`."""
        import torch
        from torch.nn.functional import cross_entropy

        from recsys_kit.training.objectives import sampled_cross_entropy

        known = np.flatnonzero(self.item_counts > 0)
        items = towers.item_vectors()
        users = towers.user_vectors(items, *batch.tensors(), len(batch.target))
        if rng is None or len(known) <= self.full_softmax_up_to:
            place = torch.from_numpy(np.searchsorted(known, batch.target))
            return cross_entropy(users @ items[known].T, place)
        drawn = torch.from_numpy(rng.choice(known, self.n_negatives))
        return sampled_cross_entropy(users, items, torch.from_numpy(batch.target), drawn)

    def _mean_loss(self, towers: "TowersNetwork", validation: "_Batch") -> float:
        """The mean log loss of the validation events; in parts, since each event has a row as long as the catalogue."""
        import torch

        total = 0.0
        with torch.no_grad():
            for batch in validation.parts(EVENTS_PER_BATCH):
                total += self._loss(towers, batch, None).item() * len(batch.target)
        return total / len(validation.target)

    def _validation_batch(self, split: EncodedSplit) -> "_Batch | None":
        """The validation events of warm users with warm items, each beside the training history; some, if many."""
        if "valid" not in split.interactions:
            return None
        events = split.interactions["valid"]
        known = (events.user >= 0) & (events.item >= 0)
        known[known] = self.item_counts[events.item[known]] > 0
        if not known.any():
            return None
        known = np.flatnonzero(known)
        if len(known) > MAX_VALIDATION_EVENTS:
            known = np.sort(np.random.default_rng(self.seed).choice(known, MAX_VALIDATION_EVENTS, replace=False))
        matrix = split.train_histories.take(events.user[known]).matrix(len(self.items), self.history_decay)
        owner = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        return _Batch(matrix.indices, owner, matrix.data, events.item[known])

    def _score(self, histories: Histories) -> np.ndarray:
        weights = histories.matrix(len(self.items), self.history_decay)
        lengths = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=1))).reshape(-1, 1)
        pooled = (weights @ self.item_matrix) / np.where(lengths > 0, lengths, 1)
        users = pooled + np.maximum(pooled @ self.hidden + self.hidden_bias, 0) @ self.out
        return users @ self.item_matrix.T


@dataclass(frozen=True)
class _Batch:
    """E predictions from H events of histories."""

    item: np.ndarray
    """(H,) item of each event."""
    owner: np.ndarray
    """(H,) prediction of each event, ascending."""
    weight: np.ndarray
    """(H,) weight of each event in its history."""
    target: np.ndarray
    """(E,) the item to predict."""

    def parts(self, size: int) -> "Iterator[_Batch]":
        """Yield the predictions in order, `size` at a time."""
        for start in range(0, len(self.target), size):
            events = slice(*np.searchsorted(self.owner, [start, start + size]))
            owner = self.owner[events] - start
            yield _Batch(self.item[events], owner, self.weight[events], self.target[start : start + size])

    def tensors(self) -> tuple["Tensor", "Tensor", "Tensor"]:
        """Return items, owners and weights, the weights of a history divided by the root of their sum of squares."""
        import torch

        lengths = np.sqrt(np.bincount(self.owner, weights=self.weight**2, minlength=len(self.target)))
        weight = (self.weight / lengths[self.owner]).astype(np.float32)
        return torch.from_numpy(self.item), torch.from_numpy(self.owner), torch.from_numpy(weight)


class _Examples:
    """Every event of a user with two items or more, predicted from the others, of which some are hidden."""

    def __init__(self, model: TwoTowers, rng: np.random.Generator) -> None:
        self.weights = model.train_histories.matrix(len(model.items), model.history_decay)
        self.shown, self.rng = 1 - model.dropout, rng
        self.lengths = np.diff(self.weights.indptr)
        self.rows = np.repeat(np.arange(len(self.lengths)), self.lengths)
        self.events = np.flatnonzero(self.lengths[self.rows] > 1)
        self.n_batches = max(1, len(self.events) // EVENTS_PER_BATCH) if len(self.events) else 0

    def batches(self, epoch: int) -> Iterator[tuple[np.ndarray, _Batch]]:
        """Yield the batches of an epoch, in a new order each."""
        order, weights = self.rng.permutation(self.events), self.weights
        for events in np.array_split(order, self.n_batches) if self.n_batches else []:
            length = self.lengths[self.rows[events]]
            owner = np.repeat(np.arange(len(events)), length)
            first = weights.indptr[self.rows[events]]
            place = np.arange(len(owner)) + np.repeat(first - length.cumsum() + length, length)
            shown = np.minimum(self.shown, MAX_HISTORY / length)[owner]
            kept = (place != events[owner]) & (self.rng.random(len(place)) < shown)
            target = weights.indices[events]
            yield events, _Batch(weights.indices[place[kept]], owner[kept], weights.data[place[kept]], target)
