"""Two networks, one for the shopper and one for the item, that meet in a product."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from tqdm.auto import tqdm

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.core.threads import one_torch_thread
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.content import reduced

if TYPE_CHECKING:  # torch takes a second to load: only when the towers are fitted
    from torch import Tensor

EVENTS_AT_ONCE = 512
EVENTS_THAT_JUDGE = 8192  # of validation, at most
EVENTS_LOOKED_AT = 50  # of a long history, drawn anew each time: while learning, that is enough


@dataclass
class TwoTowers(Recommender):
    """score(h, i) = u(h)' v_i: an item tower v_i = e_i + P c_i, a shopper tower u = p + MLP(p) over the history h.

    e_i `(D,)` is the item's own embedding, 0 without an event in train, P `(C, D)` maps its content c_i `(C,)` if there
    are item vectors, and p is the sum of w_j v_j over the history divided by the root of the sum of w_j^2. Each event
    of a shopper is predicted from the others by a softmax over the bought items, in large catalogues over some drawn.
    The epoch with the best log-loss on validation is kept; where its events are many, some drawn by `seed` judge.
    Scoring is NumPy.
    Source: Covington, Adams and Sargin, Deep neural networks for YouTube recommendations, RecSys 2016, section 3;
    drawn negatives: Jean et al., On using very large target vocabulary, ACL 2015, section 3.
    """

    embedding_dim: int = 64
    epochs: int = 30
    """At most; without validation, all of them."""
    patience: int = 3
    """Epochs without a better validation before it stops."""
    learning_rate: float = 0.003
    dropout: float = 0.5
    """Share of the history that is hidden while it learns."""
    full_softmax_up_to: int = 20_000
    """Bought items; larger catalogues draw negatives."""
    sampled: int = 4096
    """Negatives of a batch, drawn uniformly from the bought items."""
    history_decay: float = 0.3
    """An item `back` events from the end of a history weighs (1 + back)^-history_decay."""
    seed: int = 0

    features: str = ""
    """Name of the item features; "" takes the only ones, "none" takes none."""

    name = "two_towers"
    uses: ClassVar[Mapping[str, bool]] = {"item_features": False}
    learned = ("best_epoch",)
    state = ("item_matrix", "hidden", "hidden_bias", "out")  # (N, D); (D, H), (H,) and (H, D) of the MLP

    @one_torch_thread()
    def _fit(self, split: EncodedSplit) -> None:
        import torch

        content, vectors = np.zeros((len(self.items), 1), np.float32), self.choose_features(split)
        if vectors is not None:
            content = reduced(vectors.values, self.embedding_dim, self.seed)
        bought = self.item_counts > 0
        self.can_score = bought | content.any(axis=1)
        rng = np.random.default_rng(self.seed)
        size, hidden = self.embedding_dim, 2 * self.embedding_dim
        weights = {
            "own": rng.normal(0, 0.1, (len(bought), size)) * bought[:, None],
            "projection": rng.normal(0, 0.1, (content.shape[1], size)),
            "hidden": rng.normal(0, size**-0.5, (size, hidden)),
            "hidden_bias": np.zeros(hidden),
            "out": np.zeros((hidden, size)),  # a shopper begins as the sum of what they had
        }
        tensors = {
            name: torch.tensor(value, dtype=torch.float32, requires_grad=True) for name, value in weights.items()
        }
        self.best_epoch = self._learn(tensors, torch.from_numpy(content), self._judges(split), rng)
        self.item_matrix = _item_tower(tensors, torch.from_numpy(content)).detach().numpy()
        self.hidden, self.hidden_bias, self.out = (tensors[name].detach().numpy() for name in self.state[1:])

    def _chosen(self) -> dict[str, Any]:
        return {"epochs": self.best_epoch}

    def _learn(
        self, tensors: dict[str, "Tensor"], content: "Tensor", judges: "_Batch | None", rng: np.random.Generator
    ) -> int:
        """Leave the best epoch in `tensors`; its number, from 1."""
        import torch

        optimizer = torch.optim.Adam(tensors.values(), lr=self.learning_rate)
        best, kept, waited, best_epoch = np.inf, tensors, 0, self.epochs
        with tqdm(total=self.epochs, desc=self.name, leave=False) as bar:
            for epoch in range(self.epochs):
                for batch in self._batches(rng):
                    optimizer.zero_grad()
                    self._loss(tensors, content, batch, rng).backward()
                    optimizer.step()
                if judges is not None:
                    with torch.no_grad():
                        loss, waited = self._judged(tensors, content, judges), waited + 1
                    if loss < best:
                        best, waited, best_epoch = loss, 0, epoch + 1
                        kept = {name: value.detach().clone() for name, value in tensors.items()}
                    if waited >= self.patience:
                        bar.total = bar.n  # an early end is none that failed: in a notebook the bar would turn red
                        break
                bar.update()
        tensors |= kept
        return best_epoch

    def _judged(self, tensors: dict[str, "Tensor"], content: "Tensor", judges: "_Batch") -> float:
        """The loss on validation; a few events at a time, for each is a row as long as the catalogue."""
        total = 0.0
        for batch in judges.parts(EVENTS_AT_ONCE):
            total += self._loss(tensors, content, batch, None).item() * len(batch.target)
        return total / len(judges.target)

    def _loss(
        self, tensors: dict[str, "Tensor"], content: "Tensor", batch: "_Batch", rng: np.random.Generator | None
    ) -> "Tensor":
        """Cross-entropy of the items taken among all that were bought; among drawn ones where there are too many."""
        import torch

        bought = np.flatnonzero(self.item_counts > 0)
        items = _item_tower(tensors, content)
        shoppers = _shopper_tower(tensors, items, batch)
        target = torch.from_numpy(batch.target)
        if rng is None or len(bought) <= self.full_softmax_up_to:
            place = torch.from_numpy(np.searchsorted(bought, batch.target))
            return torch.nn.functional.cross_entropy(shoppers @ items[bought].T, place)
        drawn = torch.from_numpy(rng.choice(bought, self.sampled))
        others = (shoppers @ items[drawn].T).masked_fill(drawn == target[:, None], -torch.inf)
        logits = torch.cat([(shoppers * items[target]).sum(1, keepdim=True), others], dim=1)
        return torch.nn.functional.cross_entropy(logits, torch.zeros_like(target))

    def _batches(self, rng: np.random.Generator) -> "Iterator[_Batch]":
        """Every event of a shopper with two items or more, predicted from the others of which some are hidden."""
        had = self.train_histories.matrix(len(self.items), self.history_decay)
        lengths = np.diff(had.indptr)
        rows = np.repeat(np.arange(len(lengths)), lengths)
        order = rng.permutation(np.flatnonzero(lengths[rows] > 1))
        for events in np.array_split(order, max(1, len(order) // EVENTS_AT_ONCE)):
            length = lengths[rows[events]]
            owner = np.repeat(np.arange(len(events)), length)
            place = np.arange(len(owner)) + np.repeat(had.indptr[rows[events]] - length.cumsum() + length, length)
            shown = np.minimum(1 - self.dropout, EVENTS_LOOKED_AT / length)[owner]
            kept = (place != events[owner]) & (rng.random(len(place)) < shown)
            yield _Batch(had.indices[place[kept]], owner[kept], had.data[place[kept]], had.indices[events])

    def _judges(self, split: EncodedSplit) -> "_Batch | None":
        """What known shoppers took in validation, each beside their history; of many events some."""
        if "valid" not in split.interactions:
            return None
        events = split.interactions["valid"]
        item = events.item
        known = (events.user >= 0) & (item >= 0)
        known[known] = self.item_counts[item[known]] > 0
        if not known.any():
            return None
        known = np.flatnonzero(known)
        if len(known) > EVENTS_THAT_JUDGE:
            known = np.sort(np.random.default_rng(self.seed).choice(known, EVENTS_THAT_JUDGE, replace=False))
        had = split.train_histories.take(events.user[known])
        matrix = had.matrix(len(self.items), self.history_decay)
        owner = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        return _Batch(matrix.indices, owner, matrix.data, item[known])

    def _score(self, histories: Histories) -> np.ndarray:
        had = histories.matrix(len(self.items), self.history_decay)
        lengths = np.sqrt(np.asarray(had.multiply(had).sum(axis=1))).reshape(-1, 1)
        pooled = (had @ self.item_matrix) / np.where(lengths > 0, lengths, 1)
        shoppers = pooled + np.maximum(pooled @ self.hidden + self.hidden_bias, 0) @ self.out
        return shoppers @ self.item_matrix.T


@dataclass(frozen=True)
class _Batch:
    """E predictions: H events of histories (item, whose prediction, weight), and the items taken `(E,)`."""

    item: np.ndarray
    owner: np.ndarray
    weight: np.ndarray
    target: np.ndarray

    def parts(self, size: int) -> "Iterator[_Batch]":
        """The predictions in order, `size` at a time; `owner` is sorted."""
        for start in range(0, len(self.target), size):
            events = slice(*np.searchsorted(self.owner, [start, start + size]))
            owner = self.owner[events] - start
            yield _Batch(self.item[events], owner, self.weight[events], self.target[start : start + size])


def _item_tower(tensors: dict[str, "Tensor"], content: "Tensor") -> "Tensor":
    """`(N, D)`."""
    return tensors["own"] + content @ tensors["projection"]


def _shopper_tower(tensors: dict[str, "Tensor"], items: "Tensor", batch: _Batch) -> "Tensor":
    """`(E, D)`; an empty history is pooled to zeros."""
    import torch

    lengths = np.sqrt(np.bincount(batch.owner, weights=batch.weight**2, minlength=len(batch.target)))
    weight = torch.from_numpy((batch.weight / lengths[batch.owner]).astype(np.float32))
    shape = len(batch.target), items.shape[1]
    pooled = torch.zeros(shape).index_add(0, torch.from_numpy(batch.owner), items[batch.item] * weight[:, None])
    return pooled + (pooled @ tensors["hidden"] + tensors["hidden_bias"]).relu() @ tensors["out"]
