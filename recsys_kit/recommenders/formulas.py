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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.core.threads import one_torch_thread
from recsys_kit.recommenders.content import reduced, unit_rows
from recsys_kit.recommenders.interactions import HistoryDecay, LeaveOneOut, interaction_matrix

if TYPE_CHECKING:  # torch takes a second to load: only when a formula is fitted or asked
    from torch import Tensor

Symbols = Mapping[str, "Tensor"]
"""The parameters of a formula by symbol."""
EVENTS_PER_BATCH = 256


@dataclass
class _Formula(HistoryDecay):
    """What the formulas share: the x of all items, the examples, the training."""

    embedding_dim: int = 64
    """D and D1, at most."""
    epochs: int = 10
    """Passes over the events."""
    learning_rate: float = 0.01
    n_negatives: int = 20
    """Negatives of each event, drawn uniformly from the items with a training event; may include the positive."""
    seed: int = 0
    """Random seed."""
    features: str = ""
    """Name of the item features; "" takes the only ones, "none" takes none."""

    uses = {"item_features": False}
    state = ("behaviour", "content", "symbols")
    """x1 (N, D1) and x3 (N, D) of all items; the parameters by symbol."""

    def _fit(self, split: EncodedSplit) -> None:
        matrix, vectors = interaction_matrix(split), self.choose_features(split)
        per_item = matrix.T.multiply(1 / np.sqrt(np.maximum(self.item_counts, 1))[:, None])
        self.behaviour = reduced(sparse.csr_matrix(per_item), self.embedding_dim, self.seed)
        self.content = self.behaviour if vectors is None else reduced(vectors.values, self.embedding_dim, self.seed)
        self.can_score, initial = self._scorable(), self._initial()
        if initial:
            self.symbols = self._learn(initial)

    def _scorable(self) -> np.ndarray:
        return self.content.any(axis=1)

    def _initial(self) -> dict[str, np.ndarray]:
        """The parameters before training, by symbol."""
        return {}

    @abstractmethod
    def _value(self, symbols: Symbols, x: "Tensor", x1: "Tensor", x3: "Tensor") -> "Tensor":
        """The values of candidates (x1, x3) for x: the user (x2), or for a pair an item of the history (x_i).

        `(E, 1, M)` from `(E, 1, D)`, `(E, D1, M)` and `(E, D, M)`; or `(B, N)` from `(B, D)`, `(D1, N)` and `(D, N)`.
        """

    # -- training --------------------------------------------------------------------------------------------------

    @one_torch_thread()
    def _learn(self, initial: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        import torch

        from recsys_kit.recommenders.networks import get_arrays
        from recsys_kit.training import Trainer, TrainingPlan

        first = {name: torch.tensor(value, dtype=torch.float32) for name, value in initial.items()}
        symbols, examples = torch.nn.ParameterDict(first), self._examples()
        options = {"schedule": "constant", "weight_decay": 0.0, "max_grad_norm": None}
        plan = TrainingPlan(epochs=self.epochs, learning_rate=self.learning_rate, **options)
        trainer = Trainer(symbols, self._loss, plan, rng=examples.rng, name=self.name)
        trainer.fit(lambda epoch: self._batches(examples), n_batches=examples.n_batches)
        return get_arrays(symbols)

    def _examples(self) -> LeaveOneOut:
        return LeaveOneOut(self.weigh(self.train_histories), EVENTS_PER_BATCH, np.random.default_rng(self.seed))

    def _batches(self, examples: LeaveOneOut) -> Iterator[tuple[np.ndarray, list["Tensor"]]]:
        """Yield the batches of an epoch: the numbers of the events, and what the loss takes."""
        import torch

        weights, rng, known = examples.weights, examples.rng, np.flatnonzero(self.item_counts > 0)
        profiles = weights @ self.content  # (U, D)
        for batch in examples.draw():
            row, item = examples.rows[batch], weights.indices[batch]
            user = unit_rows(profiles[row] - weights.data[batch, None] * self.content[item])
            first, length = weights.indptr[row], examples.lengths[row]
            step = 1 + (rng.random(len(batch)) * (length - 1)).astype(int)
            partner = weights.indices[first + (batch - first + step) % length]  # another item of the same history
            drawn = rng.choice(known, (len(batch), self.n_negatives))
            candidates = np.concatenate([item[:, None], drawn], axis=1)
            yield batch, [torch.from_numpy(array) for array in self._example(user, partner, candidates)]

    def _example(self, user: np.ndarray, partner: np.ndarray, candidates: np.ndarray) -> Sequence[np.ndarray]:
        """What the loss takes.

        Args:
            user: (E, D) the users without the event.
            partner: (E,) another item of their history.
            candidates: (E, 1 + K) the item of the event, and K negatives.
        """
        return user[:, None], self.behaviour[candidates].mT, self.content[candidates].mT

    def _loss(self, symbols: Symbols, example: Sequence["Tensor"]) -> "Tensor":
        """The loss of a batch of events, a scalar."""
        from recsys_kit.training.objectives import positive_log_loss

        return positive_log_loss(self._value(symbols, *example)[:, 0])

    # -- scores ----------------------------------------------------------------------------------------------------

    def _knows(self, histories: Histories) -> np.ndarray:
        return histories.has_any(self.content.any(axis=1))

    def _score(self, histories: Histories) -> np.ndarray:
        return self._values(unit_rows(self.weigh(histories) @ self.content))

    @one_torch_thread()
    def _values(self, x: np.ndarray) -> np.ndarray:
        """`(B, N)` of all items for `(B, D)`."""
        import torch

        symbols = {name: torch.from_numpy(values) for name, values in self.symbols.items()}
        rows, *columns = map(torch.from_numpy, (x, self.behaviour, self.content))
        return self._value(symbols, rows, *(column.mT for column in columns)).numpy()


@dataclass
class FormulaCollaborative(_Formula):
    """a sigmoid(b x1' A x2) + (1 - a) sigmoid(g x2' x3): behaviour answers to taste, or content resembles it.

    a, b, g and A `(D1, D)` are learned; a = sigmoid(alpha), b = exp(beta), g = exp(gamma) keep them in their ranges.
    """

    name = "formula_collaborative"

    def _scorable(self) -> np.ndarray:
        return self.content.any(axis=1) | (self.item_counts > 0)

    def _initial(self) -> dict[str, np.ndarray]:
        scalars = {"alpha": np.zeros(1), "beta": np.zeros(1), "gamma": np.zeros(1)}
        return scalars | {"A": np.eye(self.behaviour.shape[1], self.content.shape[1])}

    def _value(self, symbols: Symbols, x: "Tensor", x1: "Tensor", x3: "Tensor") -> "Tensor":
        a, b, g = symbols["alpha"].sigmoid(), symbols["beta"].exp(), symbols["gamma"].exp()
        answered = (b * (x @ symbols["A"].mT @ x1)).sigmoid()
        return a * answered + (1 - a) * (g * (x @ x3)).sigmoid()


@dataclass
class FormulaContent(_Formula):
    """sigmoid(x2' W x3): which taste goes with which content; W `(D, D)` is learned."""

    name = "formula_content"

    def _initial(self) -> dict[str, np.ndarray]:
        return {"W": np.eye(self.content.shape[1])}

    def _value(self, symbols: Symbols, x: "Tensor", x1: "Tensor", x3: "Tensor") -> "Tensor":
        return (x @ symbols["W"] @ x3).sigmoid()


@dataclass
class FormulaDeep(_Formula):
    """softmax(x2' theta) over the n items with a training event: theta `(D, n)`, a column each (R1), is learned."""

    name = "formula_deep"

    def _scorable(self) -> np.ndarray:
        return self.item_counts > 0

    def _initial(self) -> dict[str, np.ndarray]:
        return {"theta": np.zeros((self.content.shape[1], np.count_nonzero(self.item_counts)))}

    def _example(self, user: np.ndarray, partner: np.ndarray, candidates: np.ndarray) -> Sequence[np.ndarray]:
        column = np.cumsum(self.item_counts > 0) - 1  # (N,) of theta
        return user, column[candidates[:, 0]]

    def _loss(self, symbols: Symbols, example: Sequence["Tensor"]) -> "Tensor":
        from torch.nn.functional import cross_entropy

        user, targets = example
        return cross_entropy(user @ symbols["theta"], targets)

    def _value(self, symbols: Symbols, x: "Tensor", x1: "Tensor", x3: "Tensor") -> "Tensor":
        """Return the logarithm of the formula: the same order, without underflow."""
        scores = x.new_zeros(len(x), len(self.items))
        scores[:, self.item_counts > 0] = (x @ symbols["theta"]).log_softmax(dim=1)
        return scores


class _PairFormula(_Formula):
    """A value for an item of the history and a candidate; a user gets its weighted mean over the history (R2)."""

    def _example(self, user: np.ndarray, partner: np.ndarray, candidates: np.ndarray) -> Sequence[np.ndarray]:
        return super()._example(self.content[partner], partner, candidates)

    def _score(self, histories: Histories) -> np.ndarray:
        weights = self.weigh(histories)
        read, scores = np.unique(weights.indices), np.zeros(weights.shape, np.float32)
        for start in range(0, len(read), EVENTS_PER_BATCH):
            some = read[start : start + EVENTS_PER_BATCH]
            scores += weights[:, some] @ self._values(self.content[some])
        totals = np.asarray(weights.sum(axis=1)).reshape(-1, 1)
        return scores / np.where(totals > 0, totals, 1)


@dataclass
class FormulaSimilarity(_PairFormula):
    """similarity(x_i, x_j) = x_i' x_j / (|x_i| |x_j|), the cosine of content; nothing is learned."""

    name = "formula_similarity"
    state = ("behaviour", "content")
    symbols = {}  # there are none

    def _value(self, symbols: Symbols, x: "Tensor", x1: "Tensor", x3: "Tensor") -> "Tensor":
        return x @ x3


@dataclass
class FormulaPair(_PairFormula):
    """sigmoid(similarity(x_i, x_j) x_i' A x_j): similar items, where A `(D, D)` agrees; A is learned."""

    name = "formula_pair"

    def _initial(self) -> dict[str, np.ndarray]:
        return {"A": np.eye(self.content.shape[1])}

    def _value(self, symbols: Symbols, x: "Tensor", x1: "Tensor", x3: "Tensor") -> "Tensor":
        return ((x @ x3) * (x @ symbols["A"] @ x3)).sigmoid()
