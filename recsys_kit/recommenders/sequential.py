"""Models that read a history in order, trained to predict the next item among the whole catalogue."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.hardware import pick_device, pick_dtype
from recsys_kit.core.histories import Histories
from recsys_kit.core.threads import one_torch_thread
from recsys_kit.features.attributes import attribute_incidence, has_attributes
from recsys_kit.recommenders.base import Recommender
from recsys_kit.recommenders.holdout import blocks, measure_ndcg

if TYPE_CHECKING:  # torch takes a second to load: only when a network is fitted or asked
    from torch import Tensor, nn

    from recsys_kit.recommenders.networks import SequenceNetwork

STEPS_PER_EPOCH = 64  # where the data are too few for this many batches, batches are smaller
MIN_BATCH_SIZE = 64
BETAS = (0.9, 0.98)
WARMUP_SHARE = 0.05
VALIDATION_K = 10
HISTORIES_AT_ONCE = 512  # when scoring


@dataclass
class SequenceModel(Recommender):
    """The next item as a choice among all: softmax(u_t E') at every event t of every history.

    `E` `(n, D)` holds one row per item with a training event: its own embedding, plus the sum of the embeddings of its
    attributes divided by the root of their number, plus its features through a linear layer; the last two where they
    are given. The body reads the rows of a history and predicts with the same rows: it turns them into `u_t` `(D,)`
    from the events up to t. With a validation set the epoch with the best NDCG is kept.
    Source: the softmax over the catalogue of Klenitskiy and Vasilev, Turning dross into gold loss, RecSys 2023; the sum
    of attribute embeddings of Kula, Metadata embeddings for user and item cold-start recommendations, 2015.
    """

    embedding_dim: int = 64
    """D: numbers in the embedding of an item and of a user."""
    max_length: int = 50
    """Events of a history that are read, the latest; training cuts longer histories into pieces."""
    dropout: float = 0.3
    """Share of the numbers of an item that is hidden from the body in training."""
    epochs: int = 12
    """Passes over the training histories, at most; the learning rate falls until their end."""
    stop_after: int = 0
    """End after this many of the epochs, with the schedule of all of them; 0: after all."""
    patience: int = 3
    """Early stopping after this many epochs without improvement on the validation set."""
    learning_rate: float = 2e-3
    """The highest, after the warmup."""
    batch_size: int = 2048
    """Targets in a step, at most; fewer where an epoch would have few steps."""
    max_validation_users: int = 2000
    """Validation users, at most, drawn by `seed`."""
    seed: int = 0
    """Random seed of the first weights, the batches and the dropout."""
    device: str = ""
    """"" picks a GPU where there is one."""
    features: str = ""
    """Name of the item features; "" takes the only ones, "none" takes none."""

    uses = {"item_features": False, "attributes": False}
    state = ("item_matrix", "body")
    """(n, D) E, of the items with a training event; the weights of the body by name."""
    learned = ("validation",)
    """NDCG by epoch; empty without a validation set."""

    body_class: ClassVar[str]
    """The name of the body's class in `networks`, unless a model has a `make_body` of its own."""

    def make_body(self) -> "nn.Module":
        """Return the module that turns `(B, L, D)` item rows into `(B, L, D)` user vectors; t sees the events to t."""
        from recsys_kit.recommenders import networks

        return getattr(networks, self.body_class)(self)

    # -- training --------------------------------------------------------------------------------------------------

    @one_torch_thread()
    def _fit(self, split: EncodedSplit) -> None:
        import torch

        from recsys_kit.recommenders.networks import ItemTable, SequenceNetwork, get_arrays
        from recsys_kit.training import Processes, Trainer, TrainingPlan
        from recsys_kit.training.batches import batches_of_tokens

        vectors = self.choose_features(split)
        values = None if vectors is None else vectors.values[np.flatnonzero(self.can_score)]
        features = side_information(self.item_ids[self.can_score], split.item_table, values)
        histories = self._member_histories(self.train_histories)
        starts, lengths = cut_windows(histories, self.max_length)
        rng = np.random.default_rng(self.seed)
        n_targets = int(np.clip(lengths.sum() // STEPS_PER_EPOCH, MIN_BATCH_SIZE, self.batch_size))
        drawn = [batches_of_tokens(lengths, n_targets, rng) for _ in range(self.epochs)]
        targets = split.validation(self.max_validation_users, self.seed)
        processes = Processes(self.device)
        plan = TrainingPlan(
            epochs=self.epochs, stop_after=self.stop_after, patience=self.patience, prefer_later=True, betas=BETAS,
            learning_rate=self.learning_rate, schedule="linear_to_floor", warmup_share=WARMUP_SHARE,
            weight_decay=0.0, max_grad_norm=None,
        )  # fmt: skip

        def batches(epoch: int) -> Iterator[tuple[np.ndarray, Sequence["Tensor"]]]:
            for rows in drawn[-1 - epoch]:
                places, real = pad_windows(starts[rows], lengths[rows])
                arrays = histories.items[places], histories.items[places[real] + 1], np.flatnonzero(real)
                yield rows, [torch.from_numpy(array).to(processes.device) for array in arrays]

        def validate(network: "SequenceNetwork") -> float:
            self._set_network(network)
            for _ in blocks(targets.histories, len(self.items)):
                self.make_body()  # its random weights are not used: the draws keep the published numbers as they are
            return float(np.nanmean(measure_ndcg(self, targets, VALIDATION_K)))

        with torch.random.fork_rng(devices=[processes.device] if processes.device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            table = ItemTable(int(self.can_score.sum()), self.embedding_dim, features)
            network = SequenceNetwork(table, self.make_body())
            objective = partial(next_item_loss, dtype=getattr(torch, pick_dtype(str(processes.device))))
            trainer = Trainer(network, objective, plan, processes=processes, name=self.name)
            validation = None if targets is None else validate
            history = trainer.fit(batches, n_batches=len(drawn[0]), validate=validation)
        self._set_network(network)
        self.body = get_arrays(network.body)
        self.validation = history["valid_score"].tolist() if targets is not None else []

    def _set_network(self, network: "SequenceNetwork") -> None:
        """Answer with this network: E is computed once, the body is the live module."""
        import torch

        with torch.no_grad():
            self.item_matrix = network.table().cpu().numpy()
        self._network = network.body

    def _chosen(self) -> dict[str, Any]:
        """Return the number of epochs up to the best, of equal ones the last."""
        scores = np.nan_to_num(self.validation, nan=-np.inf).tolist()  # NaN is the worst, as in the trainer
        return {"stop_after": len(scores) - int(np.argmax(scores[::-1]))} if scores else {}

    def _member_histories(self, histories: Histories) -> Histories:
        """Histories of the items with a training event alone, as rows of E."""
        known = self.can_score[histories.items]
        place = np.cumsum(self.can_score) - 1
        starts = np.r_[0, np.cumsum(known)][histories.starts]
        return Histories(place[histories.items[known]], starts)

    # -- scores ----------------------------------------------------------------------------------------------------

    def _score(self, histories: Histories) -> np.ndarray:
        return self.user_vectors(histories) @ self.item_space().T

    @one_torch_thread()
    def user_vectors(self, histories: Histories) -> np.ndarray:
        """Return `(B, D)` float32: what the body makes of the latest events; zeros for an empty history."""
        import torch
        from torch.nn.functional import embedding

        histories, device, body = self._member_histories(histories), pick_device(self.device), self._live_body()
        rows = torch.from_numpy(self.item_matrix).to(device)
        lengths = np.minimum(np.diff(histories.starts), self.max_length)
        order = np.argsort(lengths, kind="stable")[(lengths == 0).sum() :]
        vectors = np.zeros((len(lengths), self.embedding_dim), np.float32)
        for start in range(0, len(order), HISTORIES_AT_ONCE):
            part = order[start : start + HISTORIES_AT_ONCE]
            places, _ = pad_windows(histories.starts[part + 1] - lengths[part], lengths[part])
            with torch.inference_mode():
                states = body(embedding(torch.from_numpy(histories.items[places]).to(device), rows))  # (B, L, D)
                vectors[part] = states[torch.arange(len(part)), torch.from_numpy(lengths[part] - 1)].cpu().numpy()
        return vectors

    def item_space(self) -> np.ndarray:
        """Return `(N, D)` the rows of E, zeros for items without a training event."""
        space = np.zeros((len(self.items), self.embedding_dim), np.float32)
        space[self.can_score] = self.item_matrix
        return space

    def _live_body(self) -> "nn.Module":
        """The body with its weights; after loading it is built once."""
        if "_network" not in self.__dict__:
            from recsys_kit.recommenders.networks import set_arrays

            self._network = set_arrays(self.make_body(), self.body).to(pick_device(self.device))
        return self._network


@dataclass
class ShallowSequence(SequenceModel):
    """No attention: two weighted sums over the history with learned weights by distance, and one linear layer.

    One sum starts as (1 + distance)^-1, the other as (1 + distance)^-8, all but the last item; each is divided by the
    root of its weights' sum. Their learned combination plus a linear layer of both is normalised and scaled.
    Source: own.
    """

    name, body_class = "shallow", "ShallowBody"


@dataclass
class TransformerSequence(SequenceModel):
    """Causal self-attention over the history.

    Source: Kang and McAuley, Self-attentive sequential recommendation, ICDM 2018, with layer norms before the blocks.
    """

    n_layers: int = 2
    """Blocks of attention and a two-layer network."""
    n_heads: int = 2
    """Attention heads, which share the D numbers."""
    attention_dropout: float = 0.2
    """Share of the attention weights that is dropped in training."""

    name, body_class = "transformer", "TransformerBody"


def next_item_loss(network: "SequenceNetwork", inputs: Sequence["Tensor"], dtype: Any) -> "Tensor":
    """Return the mean cross-entropy of the next items of a batch among all items, a scalar.

    Args:
        network: see `SequenceNetwork`.
        inputs: items (B, L); the M next items that are real; their places in the flat B x L.
        dtype: of the products with the catalogue.
    """
    from recsys_kit.training.objectives import CatalogueCrossEntropy

    items, targets, places = inputs
    states, rows = network(items)  # (B, L, D), (n, D)
    return CatalogueCrossEntropy.apply(states.flatten(0, 1)[places], rows, targets, dtype)  # does not wait for a GPU


def side_information(
    ids: Sequence[str], items: pd.DataFrame | None, values: np.ndarray | sparse.csr_matrix | None
) -> list[np.ndarray | sparse.csr_matrix]:
    """Return what is known of items beside their interactions: matrices of one row per item, if any.

    Args:
        ids: of n items.
        items: the items table, with a column `attributes` where there are some.
        values: (n, C) features of the items, or None.

    >>> items = pd.DataFrame({"item_id": ["a", "b"], "attributes": [["oak"], ["oak", "jazz", "new", "red"]]})
    >>> side_information(["b"], items, None)[0].toarray().tolist()
    [[0.5, 0.5, 0.5, 0.5]]
    """
    known = []
    if has_attributes(items):
        incidence = attribute_incidence(items).align(list(ids)).values
        number = np.asarray(incidence.sum(axis=1)).ravel()
        known.append(sparse.csr_matrix(sparse.diags_array(np.where(number > 0, number, 1) ** -0.5) @ incidence))
    if values is not None:
        known.append(values)
    return known


def cut_windows(histories: Histories, max_length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the starts of the pieces of histories, and the number of targets of each.

    Every event but the first of a history is a target once.

    >>> cut_windows(Histories(np.arange(6), np.array([0, 1, 6])), max_length=3)  # 4 targets of 5 events, from the end
    (array([2, 1]), array([3, 1]))
    """
    starts, lengths = [], []
    for first, end in zip(histories.starts[:-1], histories.starts[1:], strict=True):
        for stop in range(end - 1, first, -max_length):
            starts.append(max(first, stop - max_length))
            lengths.append(stop - starts[-1])
    return np.array(starts, np.int64), np.array(lengths, np.int64)


def pad_windows(starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the places (B, L) of the events of windows, and (B, L) bool where they are real; padding is place 0.

    >>> places, real = pad_windows(np.array([0, 1]), np.array([2, 1]))
    >>> places.tolist(), real.tolist()
    ([[0, 1], [1, 0]], [[True, True], [True, False]])
    """
    place = np.arange(lengths.max(initial=1))
    real = place < lengths[:, None]
    return np.where(real, starts[:, None] + place, 0), real
