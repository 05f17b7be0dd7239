"""The scoring formulas of the tutorial, fitted as they stand and judged like every other model.

One reading makes all of them well-typed and lets each rank products for a shopper; its symbols are

    x1  (D1,)    a candidate by behaviour: its row of the truncated SVD of who had what, unit length; 0 if never bought
    x2  (D,)     the shopper: the weighted mean of the x3 of the history, unit length
    x3  (D,)     a candidate by content: its item vector, reduced to D by truncated SVD, unit length
    x_i (D,)     the x3 of an item of the history; x_j of a candidate
    A   (D1, D)  how behaviour answers to taste; of pairs (D, D)
    W   (D, D)   which taste goes with which content
    theta (D, n) one column per bought product
    a in (0, 1), b > 0, g > 0   share of the first term, and the steepness of both

Everything but the x is learned from train by gradients: a shopper's every event is once the candidate, the rest of the
history is x2, and so many products drawn uniformly from those bought are the other candidates; they count as not taken,
though now and then one of them was. Without item vectors x3 is made from behaviour too. Repairs, marked where they are
made: **R1** theta has a column per product, for a softmax over one number is always 1; **R2** a pair of products
becomes a score for a shopper by its mean over the history.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy import sparse
from tqdm.auto import tqdm

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.core.threads import one_torch_thread
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.content import reduced, unit_rows
from recsys_kit.recommenders.interactions import interaction_matrix

if TYPE_CHECKING:  # torch takes a second to load: only when a formula is fitted or asked
    from torch import Tensor

EVENTS_AT_ONCE = 256


@dataclass
class _Formula(Recommender):
    """What the formulas share: the x of all items, the examples, the loop, the loss."""

    dimension: int = 64
    """D and D1, at most."""
    epochs: int = 10
    """Passes over the events."""
    learning_rate: float = 0.01
    negatives: int = 20
    """Candidates drawn uniformly from the bought items, for each that was taken; they may include what was taken."""
    history_decay: float = 0.3
    """An item `back` events from the end of a history weighs (1 + back)^-history_decay."""
    seed: int = 0

    features: str = ""
    """Name of the item features; "" takes the only ones, "none" takes none."""

    uses: ClassVar[Mapping[str, bool]] = {"item_features": False}
    state = ("behaviour", "content", "parameters")  # (N, D1) x1, (N, D) x3, (P,) the parameters one after the other

    def _fit(self, split: EncodedSplit) -> None:
        matrix = interaction_matrix(split)
        per_item = matrix.T.multiply(1 / np.sqrt(np.maximum(self.item_counts, 1))[:, None])
        self.behaviour = reduced(sparse.csr_matrix(per_item), self.dimension, self.seed)
        self.content = self.behaviour
        if (vectors := self.choose_features(split)) is not None:
            self.content = reduced(vectors.values, self.dimension, self.seed)
        self.can_score = self.content.any(axis=1) | (self.item_counts > 0)
        self.parameters = np.concatenate([value.ravel() for value in self._initial().values()] or [np.zeros(1)])
        self.parameters = self.parameters.astype(np.float32)
        if self._initial():
            self._learn()

    @abstractmethod
    def _initial(self) -> dict[str, np.ndarray]:
        """The parameters before they have learned anything, by symbol."""

    @abstractmethod
    def _loss(self, symbols: dict[str, "Tensor"], example: "_Example") -> "Tensor":
        """What is wrong with these parameters on a batch of events."""

    def _symbols(self, learned: "Tensor") -> dict[str, "Tensor"]:
        """Views of the flat parameters, by symbol."""
        symbols, start = {}, 0
        for name, value in self._initial().items():
            symbols[name] = learned[start : start + value.size].reshape(value.shape)
            start += value.size
        return symbols

    @one_torch_thread()
    def _learn(self) -> None:
        import torch

        learned = torch.tensor(self.parameters, requires_grad=True)
        optimizer = torch.optim.Adam([learned], lr=self.learning_rate)
        for example in self._examples(np.random.default_rng(self.seed)):
            optimizer.zero_grad()
            self._loss(self._symbols(learned), example).backward()
            optimizer.step()
        self.parameters = learned.detach().numpy()

    def _examples(self, rng: np.random.Generator) -> Iterator["_Example"]:
        """Every event of a shopper with two or more items, in a new order each epoch."""
        import torch

        had = self.train_histories.matrix(len(self.items), self.history_decay)
        profiles = had @ self.content  # (U, D)
        rows = np.repeat(np.arange(had.shape[0]), np.diff(had.indptr))
        several = np.flatnonzero(np.diff(had.indptr)[rows] > 1)
        bought = np.flatnonzero(self.item_counts > 0)
        for _ in tqdm(range(self.epochs), desc=self.name, leave=False):
            order = rng.permutation(several)
            for batch in np.array_split(order, max(1, len(order) // EVENTS_AT_ONCE)):
                row, item = rows[batch], had.indices[batch]
                shopper = unit_rows(profiles[row] - had.data[batch, None] * self.content[item])
                first, length = had.indptr[row], np.diff(had.indptr)[row]
                step = 1 + (rng.random(len(batch)) * (length - 1)).astype(int)
                partner = had.indices[first + (batch - first + step) % length]  # another item of the same history
                drawn = rng.choice(bought, (len(batch), self.negatives))
                candidates = np.concatenate([item[:, None], drawn], axis=1)
                yield _Example(*map(torch.from_numpy, (shopper, partner.astype(np.int64), candidates)))

    def _knows(self, histories: Histories) -> np.ndarray:
        described = self.content.any(axis=1)
        return np.asarray(histories.matrix(len(self.items))[:, described].sum(axis=1)).ravel() > 0

    def _weights(self, histories: Histories) -> sparse.csr_array:
        return histories.matrix(len(self.items), self.history_decay)


@dataclass(frozen=True)
class _Example:
    """E events: the shopper without it (E, D), another item they had (E,), the item taken and M others (E, 1 + M)."""

    shopper: "Tensor"
    partner: "Tensor"
    candidates: "Tensor"


def _log_loss(probability: "Tensor") -> "Tensor":
    """Cross-entropy of `(E, 1 + M)` probabilities of which the first column was taken."""
    import torch

    probability = probability.clamp(1e-7, 1 - 1e-7)
    return -(probability[:, 0].log().mean() + torch.log1p(-probability[:, 1:]).mean())


class _ShopperFormula(_Formula):
    """A probability for a shopper x2 and a candidate (x1, x3)."""

    @abstractmethod
    def _probability(self, symbols: dict[str, "Tensor"], x2: "Tensor", x1: "Tensor", x3: "Tensor") -> "Tensor":
        """`(E, M)` from `(E, D)`, `(E, D1, M)` and `(E, D, M)`; or `(B, N)` from `(B, D)`, `(D1, N)` and `(D, N)`."""

    def _loss(self, symbols: dict[str, "Tensor"], example: _Example) -> "Tensor":
        import torch

        x1, x3 = (torch.from_numpy(x)[example.candidates].mT for x in (self.behaviour, self.content))
        probability = self._probability(symbols, example.shopper[:, None], x1, x3)
        return _log_loss(probability[:, 0])

    @one_torch_thread()
    def _score(self, histories: Histories) -> np.ndarray:
        import torch

        x2 = torch.from_numpy(unit_rows(self._weights(histories) @ self.content))
        x1, x3 = (torch.from_numpy(x).mT for x in (self.behaviour, self.content))
        return self._probability(self._symbols(torch.from_numpy(self.parameters)), x2, x1, x3).numpy()


@dataclass
class FormulaCollaborative(_ShopperFormula):
    """a sigmoid(b x1' A x2) + (1 - a) sigmoid(g x2' x3): behaviour answers to taste, or content resembles it.

    a, b, g and A `(D1, D)` are learned; a = sigmoid(alpha), b = exp(beta), g = exp(gamma) keep them where they belong.
    """

    name = "formula_collaborative"

    def _initial(self) -> dict[str, np.ndarray]:
        scalars = {"alpha": np.zeros(1), "beta": np.zeros(1), "gamma": np.zeros(1)}
        return scalars | {"A": np.eye(self.behaviour.shape[1], self.content.shape[1])}

    def _probability(self, symbols: dict[str, "Tensor"], x2: "Tensor", x1: "Tensor", x3: "Tensor") -> "Tensor":
        a, b, g = symbols["alpha"].sigmoid(), symbols["beta"].exp(), symbols["gamma"].exp()
        answered = (b * (x2 @ symbols["A"].mT @ x1)).sigmoid()
        return a * answered + (1 - a) * (g * (x2 @ x3)).sigmoid()


@dataclass
class FormulaContent(_ShopperFormula):
    """sigmoid(x2' W x3): which taste goes with which content; W `(D, D)` is learned."""

    name = "formula_content"

    def _fit(self, split: EncodedSplit) -> None:
        super()._fit(split)
        self.can_score = self.content.any(axis=1)

    def _initial(self) -> dict[str, np.ndarray]:
        return {"W": np.eye(self.content.shape[1])}

    def _probability(self, symbols: dict[str, "Tensor"], x2: "Tensor", x1: "Tensor", x3: "Tensor") -> "Tensor":
        return (x2 @ symbols["W"] @ x3).sigmoid()


@dataclass
class FormulaDeep(_Formula):
    """softmax(x2' theta) over the n bought products: theta `(D, n)`, a column each (R1), learned by cross-entropy."""

    name = "formula_deep"

    def _fit(self, split: EncodedSplit) -> None:
        super()._fit(split)
        self.can_score = self.item_counts > 0

    def _initial(self) -> dict[str, np.ndarray]:
        return {"theta": np.zeros((self.content.shape[1], np.count_nonzero(self.item_counts)))}

    def _loss(self, symbols: dict[str, "Tensor"], example: _Example) -> "Tensor":
        import torch

        place = torch.from_numpy(np.cumsum(self.item_counts > 0) - 1)  # of an item among the bought
        taken = place[example.candidates[:, 0]]
        return torch.nn.functional.cross_entropy(example.shopper @ symbols["theta"], taken)

    @one_torch_thread()
    def _score(self, histories: Histories) -> np.ndarray:
        """The logarithm of the formula: the same order, without underflow."""
        import torch

        theta = self._symbols(torch.from_numpy(self.parameters))["theta"]
        x2 = torch.from_numpy(unit_rows(self._weights(histories) @ self.content))
        scores = np.zeros((len(histories), len(self.items)), np.float32)
        scores[:, self.item_counts > 0] = (x2 @ theta).log_softmax(dim=1).numpy()
        return scores


class _PairFormula(_Formula):
    """A value for an item of the history and a candidate; a shopper gets its weighted mean over the history (R2)."""

    def _fit(self, split: EncodedSplit) -> None:
        super()._fit(split)
        self.can_score = self.content.any(axis=1)

    @abstractmethod
    def _value(self, symbols: dict[str, "Tensor"], x_i: "Tensor", x_j: "Tensor") -> "Tensor":
        """`(E, M)` from `(E, D)` and `(E, D, M)`; or `(I, N)` from `(I, D)` and `(D, N)`."""

    def _loss(self, symbols: dict[str, "Tensor"], example: _Example) -> "Tensor":
        import torch

        content = torch.from_numpy(self.content)
        value = self._value(symbols, content[example.partner][:, None], content[example.candidates].mT)
        return _log_loss(value[:, 0])

    @one_torch_thread()
    def _score(self, histories: Histories) -> np.ndarray:
        import torch

        weights = self._weights(histories)
        symbols, content = self._symbols(torch.from_numpy(self.parameters)), torch.from_numpy(self.content)
        had = np.unique(weights.indices)
        scores = np.zeros(weights.shape, np.float32)
        for start in range(0, len(had), EVENTS_AT_ONCE):
            some = had[start : start + EVENTS_AT_ONCE]
            scores += weights[:, some] @ self._value(symbols, content[some], content.mT).numpy()
        totals = np.asarray(weights.sum(axis=1)).reshape(-1, 1)
        return scores / np.where(totals > 0, totals, 1)


@dataclass
class FormulaSimilarity(_PairFormula):
    """similarity(x_i, x_j) = x_i' x_j / (|x_i| |x_j|), the cosine of content; nothing is learned."""

    name = "formula_similarity"

    def _initial(self) -> dict[str, np.ndarray]:
        return {}

    def _value(self, symbols: dict[str, "Tensor"], x_i: "Tensor", x_j: "Tensor") -> "Tensor":
        return x_i @ x_j


@dataclass
class FormulaPair(_PairFormula):
    """sigmoid(similarity(x_i, x_j) x_i' A x_j): who had the like, where A `(D, D)` agrees; A is learned."""

    name = "formula_pair"

    def _initial(self) -> dict[str, np.ndarray]:
        return {"A": np.eye(self.content.shape[1])}

    def _value(self, symbols: dict[str, "Tensor"], x_i: "Tensor", x_j: "Tensor") -> "Tensor":
        return ((x_i @ x_j) * (x_i @ symbols["A"] @ x_j)).sigmoid()
