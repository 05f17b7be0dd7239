"""Two networks, one for the user and one for the item; the score is their product."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import mul
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.core.threads import one_torch_thread
from recsys_kit.recommenders.content import reduced
from recsys_kit.recommenders.interactions import HistoryDecay, LeaveOneOut

if TYPE_CHECKING:  # torch takes a second to load: only when the towers are fitted
    from torch import Tensor

    from recsys_kit.recommenders.networks import TowersNetwork

    Batch = tuple[Tensor, Tensor, Tensor, Tensor]
    """E predictions from H events of histories: item (H,), prediction (H,) and weight (H,) of each event, target (E,).
    """

EVENTS_PER_BATCH = 512
MAX_VALIDATION_EVENTS = 8192
MAX_HISTORY = 50  # events of a history that a step reads, on average; drawn again in each epoch


@dataclass
class TwoTowers(HistoryDecay):
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
    seed: int = 0
    """Random seed."""
    features: str = ""
    """Name of the item features; "" takes the only ones, "none" takes none."""

    name = "two_towers"
    uses = {"item_features": False}
    learned = ("best_epoch",)
    state = ("item_matrix", "hidden", "hidden_bias", "out")
    """(N, D) all v_i; (D, H), (H,) and (H, D) of the MLP."""

    @one_torch_thread()
    def _fit(self, split: EncodedSplit) -> None:
        import torch

        from recsys_kit.recommenders.networks import TowersNetwork, get_arrays
        from recsys_kit.training import Trainer, TrainingPlan

        content, vectors = np.zeros((len(self.items), 1), np.float32), self.choose_features(split)
        if vectors is not None:
            content = reduced(vectors.values, self.embedding_dim, self.seed)
        known = self.item_counts > 0
        self.can_score = known | content.any(axis=1)
        rng = np.random.default_rng(self.seed)
        size, hidden = self.embedding_dim, 2 * self.embedding_dim
        weights = {
            "own": rng.normal(0, 0.1, (len(known), size)) * known[:, None],
            "projection": rng.normal(0, 0.1, (content.shape[1], size)),
            "hidden": rng.normal(0, size**-0.5, (size, hidden)),
            "hidden_bias": np.zeros(hidden),
            "out": np.zeros((hidden, size)),  # at first a user is the sum of their items
        }
        network = TowersNetwork(weights, content)
        options = {"schedule": "constant", "weight_decay": 0.0, "max_grad_norm": None}
        plan = TrainingPlan(epochs=self.epochs, patience=self.patience, learning_rate=self.learning_rate, **options)
        examples, validation = self._examples(rng), self._validation_batches(split)
        trainer = Trainer(network, lambda towers, batch: self._loss(towers, batch, rng), plan, rng=rng, name=self.name)
        history = trainer.fit(
            lambda epoch: self._batches(examples),
            n_batches=examples.n_batches,
            validate=(lambda towers: -self._mean_loss(towers, validation)) if validation else None,
        )
        self.best_epoch = int(history["epoch"][history["best"]].iloc[0])
        with torch.no_grad():
            self.item_matrix = network.item_vectors().numpy()
        arrays = get_arrays(network)
        self.hidden, self.hidden_bias, self.out = (arrays[name] for name in self.state[1:])

    def _chosen(self) -> dict[str, Any]:
        return {"epochs": self.best_epoch}

    def _examples(self, rng: np.random.Generator) -> LeaveOneOut:
        return LeaveOneOut(self.weigh(self.train_histories), EVENTS_PER_BATCH, rng)

    def _batches(self, examples: LeaveOneOut) -> "Iterator[tuple[np.ndarray, Batch]]":
        """Yield the batches of an epoch: events, each predicted from the others, of which some are hidden."""
        weights = examples.weights
        for events in examples.draw():
            rows = examples.rows[events]
            length = examples.lengths[rows]
            owner = np.repeat(np.arange(len(events)), length)
            place = np.arange(len(owner)) + np.repeat(weights.indptr[rows] - length.cumsum() + length, length)
            shown = np.minimum(1 - self.dropout, MAX_HISTORY / length)[owner]
            kept = (place != events[owner]) & (examples.rng.random(len(place)) < shown)
            place, owner = place[kept], owner[kept]
            yield events, _batch(weights.indices[place], owner, weights.data[place], weights.indices[events])

    def _loss(self, towers: "TowersNetwork", batch: "Batch", rng: np.random.Generator | None) -> "Tensor":
        """Cross-entropy of the targets among all items with a training event, or among negatives drawn by `rng`."""
        import torch
        from torch.nn.functional import cross_entropy

        from recsys_kit.training.objectives import sampled_cross_entropy

        known = np.flatnonzero(self.item_counts > 0)
        item, owner, weight, target = batch
        items = towers.item_vectors()
        users = towers.user_vectors(items, item, owner, weight, len(target))
        if rng is None or len(known) <= self.full_softmax_up_to:
            return cross_entropy(users @ items[known].T, torch.from_numpy(np.searchsorted(known, target.numpy())))
        return sampled_cross_entropy(users, items, target, torch.from_numpy(rng.choice(known, self.n_negatives)))

    def _mean_loss(self, towers: "TowersNetwork", validation: "Sequence[Batch]") -> float:
        """The mean log loss of the validation events."""
        import torch

        sizes = [len(target) for *_, target in validation]
        with torch.no_grad():
            losses = [self._loss(towers, batch, None).item() for batch in validation]
        return sum(map(mul, losses, sizes)) / sum(sizes)

    def _validation_batches(self, split: EncodedSplit) -> "list[Batch]":
        """The validation events of warm users with warm items, each beside the training history; some, if many.

        In parts, since each event has a row as long as the catalogue.
        """
        if "valid" not in split.interactions:
            return []
        events = split.interactions["valid"]
        known = np.flatnonzero((events.user >= 0) & (events.item >= 0))
        known = known[self.item_counts[events.item[known]] > 0]
        if len(known) > MAX_VALIDATION_EVENTS:
            known = np.sort(np.random.default_rng(self.seed).choice(known, MAX_VALIDATION_EVENTS, replace=False))
        batches = []
        for start in range(0, len(known), EVENTS_PER_BATCH):
            some = known[start : start + EVENTS_PER_BATCH]
            matrix = self.weigh(split.train_histories.take(events.user[some]))
            owner = np.repeat(np.arange(len(some)), np.diff(matrix.indptr))
            batches.append(_batch(matrix.indices, owner, matrix.data, events.item[some]))
        return batches

    def _score(self, histories: Histories) -> np.ndarray:
        weights = self.weigh(histories)
        lengths = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=1))).reshape(-1, 1)
        pooled = (weights @ self.item_matrix) / np.where(lengths > 0, lengths, 1)
        users = pooled + np.maximum(pooled @ self.hidden + self.hidden_bias, 0) @ self.out
        return users @ self.item_matrix.T


def _batch(item: np.ndarray, owner: np.ndarray, weight: np.ndarray, target: np.ndarray) -> "Batch":
    """Return tensors; the weights of a history are divided by the root of their sum of squares."""
    import torch

    lengths = np.sqrt(np.bincount(owner, weights=weight**2, minlength=len(target)))
    weight = (weight / lengths[owner]).astype(np.float32)
    return torch.from_numpy(item), torch.from_numpy(owner), torch.from_numpy(weight), torch.from_numpy(target)
