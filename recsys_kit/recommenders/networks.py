"""The networks of the recommenders: item tables, bodies that read a history in order, two towers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from recsys_kit.errors import ArtifactError

INIT_STD = 0.02


# -- items -------------------------------------------------------------------------------------------------------------


class FeatureRows(nn.Module):
    """A constant matrix `(n, A)`, sparse or dense, times learned rows `(A, D)`."""

    def __init__(self, values: Any, embedding_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(values.shape[1], embedding_dim) * INIT_STD)
        self.is_sparse, constants = sparse.issparse(values), {"values": values}
        if self.is_sparse:
            constants = {"values": values.data, "columns": values.indices, "starts": values.indptr[:-1]}
        for name, array in constants.items():
            kind = np.float32 if name == "values" else np.int64
            self.register_buffer(name, torch.from_numpy(np.array(array, kind)), persistent=False)

    def forward(self) -> Tensor:
        """Return (n, D)."""
        if not self.is_sparse:
            return self.values @ self.weight
        return functional.embedding_bag(
            self.columns, self.weight, self.starts, mode="sum", per_sample_weights=self.values
        )


class ItemTable(nn.Module):
    """The embeddings of all items: an own row of each, plus what it shares with others through its features."""

    def __init__(self, n_items: int, embedding_dim: int, features: Sequence[np.ndarray | sparse.csr_matrix]) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.randn(n_items, embedding_dim) * INIT_STD)
        self.shared = nn.ModuleList(FeatureRows(values, embedding_dim) for values in features)

    def forward(self) -> Tensor:
        """Return (n, D)."""
        return self.own + sum(rows() for rows in self.shared)


# -- bodies ------------------------------------------------------------------------------------------------------------


class ShallowBody(nn.Module):
    """Two weighted sums over the history and a linear layer; `model` is a `ShallowSequence`, which has the sizes.

    >>> from recsys_kit.recommenders import ShallowSequence
    >>> ShallowBody(ShallowSequence(embedding_dim=8, max_length=5))(torch.zeros(2, 3, 8)).shape
    torch.Size([2, 3, 8])
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        powers = torch.tensor([[1.0], [8.0]])  # of the distance from the end, at first
        self.log_weights = nn.Parameter(-powers * torch.arange(model.max_length).log1p())  # (2, max_length)
        self.shares = nn.Parameter(torch.ones(2))
        self.linear = nn.Linear(2 * model.embedding_dim, model.embedding_dim)
        self.norm = nn.LayerNorm(model.embedding_dim)
        self.scale = nn.Parameter(torch.ones(()))
        self.dropout = nn.Dropout(model.dropout)

    def forward(self, rows: Tensor) -> Tensor:
        """(B, L, D) embeddings of a history -> (B, L, D) user vectors; event t sees the events up to t."""
        rows = self.dropout(rows)
        length = rows.shape[1]
        weights = functional.pad(self.log_weights[:, :length].exp().flip(1), (0, length - 1))  # (2, 2 L - 1)
        weights = weights.unfold(1, length, 1).flip(1)  # (2, L, L): row t weighs event s by t - s, later ones by 0
        weights = weights / weights.sum(dim=2, keepdim=True).sqrt()
        far, near = (pooling @ rows for pooling in weights)  # (B, L, D) each
        mixed = self.shares[0] * far + self.shares[1] * near + self.linear(torch.cat([far, near], dim=2))
        return self.norm(mixed) * self.scale


class TransformerBody(nn.Module):
    """Causal self-attention over the history; `model` is a `TransformerSequence`, which has the sizes."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        dim = model.embedding_dim
        self.positions = nn.Parameter(torch.randn(model.max_length, dim) * INIT_STD)
        layer = nn.TransformerEncoderLayer(
            dim, model.n_heads, 4 * dim, model.dropout, activation="gelu", batch_first=True, norm_first=True
        )
        layer.self_attn.dropout = model.attention_dropout
        self.blocks = nn.TransformerEncoder(layer, model.n_layers, norm=nn.LayerNorm(dim), enable_nested_tensor=False)
        self.norm = nn.LayerNorm(dim)  # embeddings start small: without it the blocks drown the last event
        self.dropout = nn.Dropout(model.dropout)

    def forward(self, rows: Tensor) -> Tensor:
        """(B, L, D) embeddings of a history -> (B, L, D) user vectors; event t sees the events up to t."""
        length = rows.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length, device=rows.device)  # (L, L)
        placed = self.dropout(self.norm(rows + self.positions[:length]))  # (B, L, D)
        return self.blocks(placed, mask=mask, is_causal=True)


class SequenceNetwork(nn.Module):
    """An item table and a body over it."""

    def __init__(self, table: ItemTable, body: nn.Module) -> None:
        super().__init__()
        self.table, self.body = table, body

    def forward(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L) items of histories -> (B, L, D) user vectors, (n, D) embeddings of all items."""
        rows = self.table()
        return self.body(functional.embedding(items, rows)), rows


# -- two towers --------------------------------------------------------------------------------------------------------


class TowersNetwork(nn.Module):
    """An item tower and a user tower; see `TwoTowers`.

    Args:
        weights: by name, the first values of `own` (N, D), `projection` (C, D), `hidden` (D, H), `hidden_bias` (H,)
            and `out` (H, D).
        content: (N, C) of the items.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], content: np.ndarray) -> None:
        super().__init__()
        for name, values in weights.items():
            self.register_parameter(name, nn.Parameter(torch.tensor(values, dtype=torch.float32)))
        self.register_buffer("content", torch.from_numpy(content), persistent=False)

    def item_vectors(self) -> Tensor:
        """Return (N, D)."""
        return self.own + self.content @ self.projection

    def user_vectors(self, items: Tensor, item: Tensor, owner: Tensor, weight: Tensor, n_users: int) -> Tensor:
        """Return (E, D) from the events of E histories; an empty history is pooled to zeros.

        Args:
            items: (N, D) item vectors.
            item: (H,) item of each event.
            owner: (H,) history of each event.
            weight: (H,) weight of each event in its history.
            n_users: E.
        """
        pooled = torch.zeros(n_users, items.shape[1]).index_add(0, owner, items[item] * weight[:, None])
        return pooled + (pooled @ self.hidden + self.hidden_bias).relu() @ self.out


# -- named weights -----------------------------------------------------------------------------------------------------


def get_arrays(module: nn.Module) -> dict[str, np.ndarray]:
    """Return copies of the parameters and buffers of a module by name, as arrays.

    >>> {name: array.shape for name, array in get_arrays(nn.Linear(2, 3)).items()}
    {'weight': (3, 2), 'bias': (3,)}
    """
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in module.state_dict().items()}


def set_arrays(module: nn.Module, arrays: Mapping[str, np.ndarray]) -> nn.Module:
    """Set all parameters and buffers of a module by name, and return it in evaluation mode.

    Raises:
        ArtifactError: RK-406 a name is missing or unknown, or a shape is wrong.
    """
    try:
        module.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})
    except RuntimeError as problem:
        reason = " ".join(str(problem).split())
        found = f"saved weights are of another version ({reason})."
        raise ArtifactError("RK-406", found, "Save the model again.") from problem
    return module.eval()
