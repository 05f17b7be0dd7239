"""The scoring formulas of the tutorial, fitted as they are and evaluated like every other model.

One reading makes all of them well-typed and lets each rank items for a user; its symbols are

    x1  (D1,)    a candidate by behaviour: its row of the truncated SVD of the interactions, unit length; 0 if cold
    x2  (D,)     the user: the weighted mean of the x3 of the history, unit length
    x3  (D,)     a candidate by content: its item features, reduced to D by truncated SVD, unit length
    x_i (D,)     the x3 of an item of the history; x_j of a candidate
    A   (D1, D)  how behaviour answers to taste; of pairs (D, D)
    W   (D, D)   which taste goes with which content
    theta (D, n) one column per item with a training event
    a in (0, 1), b > 0, g > 0   share of the first term, and the steepness of both

Everything but the x is learned from the training set by gradients: each event of a user is once the positive
candidate, the rest of the history is x2, and the negatives are drawn uniformly from the items with a training event;
now and then one of them is positive. Without item features x3 is made from behaviour too. Repairs, marked where they
are made: **R1** theta has a column per item, for a softmax over one number is always 1; **R2** a pair of items becomes
a score for a user by its mean over the history.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy import sparse

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.core.threads import one_torch_thread
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.content import reduced, unit_rows
from recsys_kit.recommenders.interactions import interaction_matrix

if TYPE_CHECKING:  # torch takes a second to load: only when a formula is fitted or asked
    from torch import Tensor

Symbols = Mapping[str, "Tensor"]
"""The parameters of a formula by symbol."""
EVENTS_PER_BATCH = 256
FEATURED = ("behaviour", "content")  # (N, D1) x1, (N, D) x3


@dataclass
class _Formula(Recommender):
    """What the formulas share: the x of all items, the examples, the training."""

    embedding_dim: int = 64
    """D and D1, at most."""
    epochs: int = 10
    """Passes over the events."""
    learning_rate: float = 0.01
    n_negatives: int = 20
    """Negatives of each event, drawn uniformly from the items with a training event; may include the positive."""
    history_decay: float = 0.3
    """An item `back` events from the end of a history weighs (1 + back)^-history_decay."""
    seed: int = 0
    """Random seed."""
    features: str = ""
    """Name of the item features; "" takes the only ones, "none" takes none."""

    uses: ClassVar[Mapping[str, bool]] = {"item_features": False}
    state = (*FEATURED, "symbols")
    """x1 (N, D1) and x3 (N, D) of all items; the parameters by symbol."""

    def _fit(self, split: EncodedSplit) -> None:
        matrix = interaction_matrix(split)
        per_item = matrix.T.multiply(1 / np.sqrt(np.maximum(self.item_counts, 1))[:, None])
        self.behaviour = reduced(sparse.csr_matrix(per_item), self.embedding_dim, self.seed)
        self.content = self.behaviour
        if (vectors := self.choose_features(split)) is not None:
            self.content = reduced(vectors.values, self.embedding_dim, self.seed)
        self.can_score = self.content.any(axis=1) | (self.item_counts > 0)
        self._learn()

    @abstractmethod
    def _initial(self) -> dict[str, np.ndarray]:
        """The parameters before training, by symbol."""

    @abstractmethod
    def _loss(self, symbols: Symbols, example: "_Example") -> "Tensor":
        """The loss of a batch of events, a scalar."""

    def _tensors(self) -> Symbols:
        import torch

        return {name: torch.from_numpy(values) for name, values in self.symbols.items()}

    @one_torch_thread()
    def _learn(self) -> None:
        import torch

        from recsys_kit.recommenders.networks import get_arrays
        from recsys_kit.training.plan import TrainingPlan
        from recsys_kit.training.trainer import Trainer

        initial = self._initial().items()
        symbols = torch.nn.ParameterDict({name: torch.tensor(value, dtype=torch.float32) for name, value in initial})
        plan = TrainingPlan(
            epochs=self.epochs, learning_rate=self.learning_rate, schedule="constant", weight_decay=0.0,
            max_grad_norm=None, seed=self.seed,
        )  # fmt: skip
        examples = _Examples(self)
        trainer = Trainer(symbols, self._loss, plan, rng=examples.rng, name=self.name)
        trainer.fit(examples.batches, n_batches=examples.n_batches)
        self.symbols = get_arrays(symbols)

    def _knows(self, histories: Histories) -> np.ndarray:
        return histories.has_any(self.content.any(axis=1))

    def _weights(self, histories: Histories) -> sparse.csr_array:
        return histories.matrix(len(self.items), self.history_decay)


@dataclass(frozen=True)
class _Example:
    """E events."""

    user: "Tensor"
    """(E, D) the user without the event."""
    partner: "Tensor"
    """(E,) another item of their history."""
    candidates: "Tensor"
    """(E, 1 + K) the item of the event, and K negatives."""


class _Examples:
    """Every event of a user with two items or more, in a new order each epoch."""

    def __init__(self, model: _Formula) -> None:
        self.model, self.rng = model, np.random.default_rng(model.seed)
        self.weights = model._weights(model.train_histories)
        self.profiles = self.weights @ model.content  # (U, D)
        lengths = np.diff(self.weights.indptr)
        self.rows = np.repeat(np.arange(len(lengths)), lengths)
        self.events = np.flatnonzero(lengths[self.rows] > 1)
        self.n_batches = max(1, len(self.events) // EVENTS_PER_BATCH) if len(self.events) else 0

    def batches(self, epoch: int) -> Iterator[tuple[np.ndarray, _Example]]:
        """Yield the batches of an epoch: the numbers of the events, and what the loss takes."""
        import torch

        weights, content, rng = self.weights, self.model.content, self.rng
        known = np.flatnonzero(self.model.item_counts > 0)
        order = rng.permutation(self.events)
        for batch in np.array_split(order, self.n_batches) if self.n_batches else []:
            row, item = self.rows[batch], weights.indices[batch]
            user = unit_rows(self.profiles[row] - weights.data[batch, None] * content[item])
            first, length = weights.indptr[row], np.diff(weights.indptr)[row]
            step = 1 + (rng.random(len(batch)) * (length - 1)).astype(int)
            partner = weights.indices[first + (batch - first + step) % length]  # another item of the same history
            drawn = rng.choice(known, (len(batch), self.model.n_negatives))
            candidates = np.concatenate([item[:, None], drawn], axis=1)
            yield batch, _Example(*map(torch.from_numpy, (user, partner.astype(np.int64), candidates)))


class _UserFormula(_Formula):
    """A probability for a user x2 and a candidate (x1, x3)."""

    @abstractmethod
    def _probability(self, symbols: Symbols, x2: "Tensor", x1: "Tensor", x3: "Tensor") -> "Tensor":
        """`(E, M)` from `(E, D)`, `(E, D1, M)` and `(E, D, M)`; or `(B, N)` from `(B, D)`, `(D1, N)` and `(D, N)`."""

    def _loss(self, symbols: Symbols, example: _Example) -> "Tensor":
        import torch

        from recsys_kit.training.objectives import positive_log_loss

        x1, x3 = (torch.from_numpy(x)[example.candidates].mT for x in (self.behaviour, self.content))
        probability = self._probability(symbols, example.user[:, None], x1, x3)  # (E, 1, 1 + K)
        return positive_log_loss(probability[:, 0])

    @one_torch_thread()
    def _score(self, histories: Histories) -> np.ndarray:
        import torch

        x2 = torch.from_numpy(unit_rows(self._weights(histories) @ self.content))
        x1, x3 = (torch.from_numpy(x).mT for x in (self.behaviour, self.content))
        return self._probability(self._tensors(), x2, x1, x3).numpy()


@dataclass
class FormulaCollaborative(_UserFormula):
    """a sigmoid(b x1' A x2) + (1 - a) sigmoid(g x2' x3): behaviour answers to taste, or content resembles it.

    a, b, g and A `(D1, D)` are learned; a = sigmoid(alpha), b = exp(beta), g = exp(gamma) keep them in their ranges.
    """

    name = "formula_collaborative"

    def _initial(self) -> dict[str, np.ndarray]:
        scalars = {"alpha": np.zeros(1), "beta": np.zeros(1), "gamma": np.zeros(1)}
        return scalars | {"A": np.eye(self.behaviour.shape[1], self.content.shape[1])}

    def _probability(self, symbols: Symbols, x2: "Tensor", x1: "Tensor", x3: "Tensor") -> "Tensor":
        a, b, g = symbols["alpha"].sigmoid(), symbols["beta"].exp(), symbols["gamma"].exp()
        answered = (b * (x2 @ symbols["A"].mT @ x1)).sigmoid()
        return a * answered + (1 - a) * (g * (x2 @ x3)).sigmoid()


@dataclass
class FormulaContent(_UserFormula):
    """sigmoid(x2' W x3): which taste goes with which content; W `(D, D)` is learned."""

    name = "formula_content"

    def _fit(self, split: EncodedSplit) -> None:
        super()._fit(split)
        self.can_score = self.content.any(axis=1)

    def _initial(self) -> dict[str, np.ndarray]:
        return {"W": np.eye(self.content.shape[1])}

    def _probability(self, symbols: Symbols, x2: "Tensor", x1: "Tensor", x3: "Tensor") -> "Tensor":
        return (x2 @ symbols["W"] @ x3).sigmoid()


@dataclass
class FormulaDeep(_Formula):
    """softmax(x2' theta) over the n items with a training event: theta `(D, n)`, a column each (R1), is learned."""

    name = "formula_deep"

    def _fit(self, split: EncodedSplit) -> None:
        super()._fit(split)
        self.can_score = self.item_counts > 0

    def _initial(self) -> dict[str, np.ndarray]:
        return {"theta": np.zeros((self.content.shape[1], np.count_nonzero(self.item_counts)))}

    def _loss(self, symbols: Symbols, example: _Example) -> "Tensor":
        import torch

        column = torch.from_numpy(np.cumsum(self.item_counts > 0) - 1)  # (N,) of theta
        targets = column[example.candidates[:, 0]]
        return torch.nn.functional.cross_entropy(example.user @ symbols["theta"], targets)

    @one_torch_thread()
    def _score(self, histories: Histories) -> np.ndarray:
        """Return the logarithm of the formula: the same order, without underflow."""
        import torch

        x2 = torch.from_numpy(unit_rows(self._weights(histories) @ self.content))
        scores = np.zeros((len(histories), len(self.items)), np.float32)
        scores[:, self.item_counts > 0] = (x2 @ self._tensors()["theta"]).log_softmax(dim=1).numpy()
        return scores


class _PairFormula(_Formula):
    """A value for an item of the history and a candidate; a user gets its weighted mean over the history (R2)."""

    def _fit(self, split: EncodedSplit) -> None:
        super()._fit(split)
        self.can_score = self.content.any(axis=1)

    @abstractmethod
    def _value(self, symbols: Symbols, x_i: "Tensor", x_j: "Tensor") -> "Tensor":
        """`(E, M)` from `(E, D)` and `(E, D, M)`; or `(I, N)` from `(I, D)` and `(D, N)`."""

    def _loss(self, symbols: Symbols, example: _Example) -> "Tensor":
        import torch

        from recsys_kit.training.objectives import positive_log_loss

        content = torch.from_numpy(self.content)
        value = self._value(symbols, content[example.partner][:, None], content[example.candidates].mT)
        return positive_log_loss(value[:, 0])

    @one_torch_thread()
    def _score(self, histories: Histories) -> np.ndarray:
        import torch

        weights = self._weights(histories)
        symbols, content = self._tensors(), torch.from_numpy(self.content)
        read = np.unique(weights.indices)
        scores = np.zeros(weights.shape, np.float32)
        for start in range(0, len(read), EVENTS_PER_BATCH):
            some = read[start : start + EVENTS_PER_BATCH]
            scores += weights[:, some] @ self._value(symbols, content[some], content.mT).numpy()
        totals = np.asarray(weights.sum(axis=1)).reshape(-1, 1)
        return scores / np.where(totals > 0, totals, 1)


@dataclass
class FormulaSimilarity(_PairFormula):
    """similarity(x_i, x_j) = x_i' x_j / (|x_i| |x_j|), the cosine of content; nothing is learned."""

    name = "formula_similarity"
    state = FEATURED

    def _learn(self) -> None:
        """There is nothing to learn."""

    def _initial(self) -> dict[str, np.ndarray]:
        return {}

    def _tensors(self) -> Symbols:
        return {}

    def _value(self, symbols: Symbols, x_i: "Tensor", x_j: "Tensor") -> "Tensor":
        return x_i @ x_j


@dataclass
class FormulaPair(_PairFormula):
    """sigmoid(similarity(x_i, x_j) x_i' A x_j): similar items, where A `(D, D)` agrees; A is learned."""

    name = "formula_pair"

    def _initial(self) -> dict[str, np.ndarray]:
        return {"A": np.eye(self.content.shape[1])}

    def _value(self, symbols: Symbols, x_i: "Tensor", x_j: "Tensor") -> "Tensor":
        return ((x_i @ x_j) * (x_i @ symbols["A"] @ x_j)).sigmoid()
