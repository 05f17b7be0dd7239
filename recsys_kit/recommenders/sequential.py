"""Models that read a history in order, trained to tell the next item from the whole catalogue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from scipy import sparse

from recsys_kit.core.encoded import EncodedSplit
from recsys_kit.core.histories import Histories
from recsys_kit.features.attributes import attribute_incidence, has_attributes
from recsys_kit.recommenders.base import Recommender

if TYPE_CHECKING:
    from torch import nn


@dataclass
class SequenceModel(Recommender):
    """The next item as a choice among all: softmax(u_t E') at every event t of every history.

    `E` `(n, D)` holds one row per item that was bought: its own embedding, plus the sum of the embeddings of its
    attributes divided by the root of their number, plus its vector through a linear layer; the last two where they are
    given. The same rows are what the body reads and what it predicts. The body turns the rows of a history into `u_t`
    `(D,)` from the events up to t. With `valid` the epoch that ranks it best is kept.
    Source: the softmax over the catalogue of Klenitskiy and Vasilev, Turning dross into gold loss, RecSys 2023; the sum
    of attribute embeddings of Kula, Metadata embeddings for user and item cold-start recommendations, 2015.
    """

    embedding_dim: int = 64
    """D: numbers an item and a shopper are described by."""
    max_length: int = 50
    """Events of a history that are read, the latest; longer histories are trained on piece by piece."""
    dropout: float = 0.3
    """Share of the numbers of an item that is hidden from the body in training."""
    epochs: int = 12
    """At most so many passes over the training histories; the learning rate falls to their end."""
    stop_after: int = 0
    """End after so many of the epochs, with the learning rate as if all came; 0: after all of them."""
    patience: int = 3
    """Without a better epoch on validation for so long, training ends."""
    learning_rate: float = 2e-3
    """The highest, after the warmup."""
    batch_size: int = 2048
    """Targets a step, at most; less where a shop is so small that an epoch would have few steps."""
    max_validation_users: int = 2000
    """At most so many shoppers, drawn by `seed`, judge an epoch."""
    seed: int = 0
    """Draws the first weights, the batches and the dropout."""
    device: str = ""
    """"" takes a GPU where there is one."""

    features: str = ""
    """Name of the item features; "" takes the only ones, "none" takes none."""

    uses: ClassVar[Mapping[str, bool]] = {"item_features": False, "attributes": False}
    state = ("item_matrix", "body_parameters")  # (n, D) of the bought items; all numbers of the body in one row
    learned = ("validation",)  # NDCG by epoch; empty where none was measured

    def body(self) -> "nn.Module":
        """`(B, L, D)` item rows, filled up at the end, to `(B, L, D)` shopper vectors; t sees the events up to t."""
        raise NotImplementedError

    # -- training --------------------------------------------------------------------------------------------------

    def _fit(self, split: EncodedSplit) -> None:
        from recsys_kit.recommenders.sequence_networks import train_network

        self.can_score = self.item_counts > 0
        vectors = self.choose_features(split)
        values = None if vectors is None else vectors.values[np.flatnonzero(self.can_score)]
        known = side_information(self.item_ids[self.can_score], split.item_table, values)
        self.validation = train_network(self, known, split.validation(self.max_validation_users, self.seed))

    def _chosen(self) -> dict[str, Any]:
        """It ends after the epoch that was best, of equal ones the last."""
        reached = self.validation
        return {"stop_after": len(reached) - int(np.argmax(reached[::-1]))} if reached else {}

    def _member_histories(self, histories: Histories) -> Histories:
        """Histories of the bought items alone, which are numbered without gaps: the rows of E."""
        known = self.can_score[histories.items]
        place = np.cumsum(self.can_score) - 1
        starts = np.r_[0, np.cumsum(known)][histories.starts]
        return Histories(place[histories.items[known]], starts)

    # -- scores ----------------------------------------------------------------------------------------------------

    def _score(self, histories: Histories) -> np.ndarray:
        return self.shopper_vectors(histories) @ self.item_space().T

    def shopper_vectors(self, histories: Histories) -> np.ndarray:
        """`(B, D)` float32: what the body makes of the latest events; zeros for an empty history."""
        from recsys_kit.recommenders.sequence_networks import last_vectors

        return last_vectors(self, self._member_histories(histories))

    def item_space(self) -> np.ndarray:
        """`(N, D)` rows of E, zeros for items without an event: how alike two items are to this model."""
        space = np.zeros((len(self.items), self.embedding_dim), np.float32)
        space[self.can_score] = self.item_matrix
        return space


@dataclass
class ShallowSequence(SequenceModel):
    """No attention: two weighted sums over the history with learned weights by distance, and one linear layer.

    One sum starts as (1 + distance)^-1, the other as (1 + distance)^-8, all but the last item; each is divided by the
    root of its weights' sum. Their learned combination plus a linear layer of both is normalised and scaled.
    Source: own.
    """

    name = "shallow"

    def body(self) -> "nn.Module":
        """Two poolings and a linear layer."""
        from recsys_kit.recommenders.sequence_networks import ShallowBody

        return ShallowBody(self)


@dataclass
class TransformerSequence(SequenceModel):
    """Causal self-attention over the history.

    Source: Kang and McAuley, Self-attentive sequential recommendation, ICDM 2018, with layer norms before the blocks.
    """

    layers: int = 2
    """Blocks of attention and a two-layer network."""
    heads: int = 2
    """Attentions side by side; they share the D numbers."""
    attention_dropout: float = 0.2
    """Share of the attention weights that is dropped in training."""

    name = "transformer"

    def body(self) -> "nn.Module":
        """Positions, blocks, a layer norm."""
        from recsys_kit.recommenders.sequence_networks import TransformerBody

        return TransformerBody(self)


def side_information(
    ids: Sequence[str], items: pd.DataFrame | None, values: np.ndarray | sparse.csr_matrix | None
) -> list[np.ndarray | sparse.csr_matrix]:
    """What is known of these items beside who had them: matrices of one row per item, none where nothing is known.

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
