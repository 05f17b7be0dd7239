"""The torch side of the sequence models: items, bodies, the loss over the whole catalogue, the training loop."""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from tqdm.auto import tqdm

from recsys_kit.core.encoded import Targets
from recsys_kit.core.hardware import pick_device, pick_dtype
from recsys_kit.core.histories import Histories
from recsys_kit.core.threads import one_torch_thread
from recsys_kit.errors import DataError
from recsys_kit.recommenders.holdout import measure_ndcg

if TYPE_CHECKING:
    from recsys_kit.recommenders.sequential import SequenceModel

INIT_STD = 0.02
CHUNK = 512  # rows of logits held at once
STEPS_AN_EPOCH = 64  # where the shop is too small for so many batches, they are smaller
SMALLEST_BATCH = 64
BETAS = (0.9, 0.98)
WARMUP, FLOOR = 0.05, 0.05  # shares: of the steps, in which the rate rises; of the rate, to which it falls
VALIDATION_K = 10


# -- the loss ----------------------------------------------------------------------------------------------------------


class CatalogueCrossEntropy(torch.autograd.Function):
    """Mean cross-entropy of `softmax(shoppers @ items.T)`, without ever holding all logits.

    The gradients are computed with the loss, `CHUNK` rows at a time: three products a chunk instead of four, and
    `(CHUNK, N)` numbers of `dtype` in memory instead of `(M, N)`.
    Source: the idea of Wijmans et al., Cut your losses in large-vocabulary language models, 2024.
    """

    @staticmethod
    def forward(ctx: Any, shoppers: Tensor, items: Tensor, targets: Tensor, dtype: torch.dtype) -> Tensor:
        """`shoppers` (M, D), `items` (N, D), `targets` (M,) of 0..N-1; a scalar in float32."""
        columns = items.to(dtype)
        of_shoppers, of_items = torch.empty_like(shoppers), torch.zeros_like(items)
        loss = torch.zeros((), device=items.device)
        for start in range(0, len(targets), CHUNK):
            part = slice(start, start + CHUNK)
            rows, wanted = shoppers[part].to(dtype), targets[part, None]
            errors = (rows @ columns.T).softmax(dim=1)  # (chunk, N) probabilities, soon less the truth
            of_wanted = errors.gather(1, wanted)
            loss -= of_wanted.float().clamp_min(torch.finfo(torch.float32).tiny).log().sum()
            errors.scatter_(1, wanted, of_wanted - 1)
            of_shoppers[part] = errors @ columns
            of_items += errors.T @ rows
        ctx.save_for_backward(of_shoppers / len(targets), of_items / len(targets))
        return loss / len(targets)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """The gradients that `forward` left."""
        of_shoppers, of_items = ctx.saved_tensors
        return grad * of_shoppers, grad * of_items, None, None


# -- items -------------------------------------------------------------------------------------------------------------


class SparseRows(nn.Module):
    """A constant sparse matrix `(n, A)` times learned rows `(A, D)`."""

    def __init__(self, values: sparse.csr_matrix, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(values.shape[1], dim) * INIT_STD)
        for name, array in (("columns", values.indices), ("starts", values.indptr[:-1])):
            self.register_buffer(name, torch.from_numpy(array.astype(np.int64)))
        self.register_buffer("values", torch.from_numpy(values.data.astype(np.float32)))

    def forward(self) -> Tensor:
        """(n, D)."""
        return functional.embedding_bag(
            self.columns, self.weight, self.starts, mode="sum", per_sample_weights=self.values
        )


class DenseRows(nn.Module):
    """A constant matrix `(n, A)` times learned rows `(A, D)`."""

    def __init__(self, values: np.ndarray, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(values.shape[1], dim) * INIT_STD)
        self.register_buffer("values", torch.from_numpy(np.array(values, np.float32)))

    def forward(self) -> Tensor:
        """(n, D)."""
        return self.values @ self.weight


class ItemTable(nn.Module):
    """The rows of all items: what each has of its own, and what it shares with others."""

    def __init__(self, n_items: int, dim: int, known: list[np.ndarray | sparse.csr_matrix]) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.randn(n_items, dim) * INIT_STD)
        self.shared = nn.ModuleList((SparseRows if sparse.issparse(rows) else DenseRows)(rows, dim) for rows in known)

    def forward(self) -> Tensor:
        """(n, D)."""
        return self.own + sum(rows() for rows in self.shared)


# -- bodies ------------------------------------------------------------------------------------------------------------


class ShallowBody(nn.Module):
    """See `ShallowSequence`."""

    def __init__(self, model: "SequenceModel") -> None:
        super().__init__()
        powers = torch.tensor([[1.0], [8.0]])  # of the distance from the end, at first
        self.log_weights = nn.Parameter(-powers * torch.arange(model.max_length).log1p())  # (2, max_length)
        self.shares = nn.Parameter(torch.ones(2))
        self.linear = nn.Linear(2 * model.embedding_dim, model.embedding_dim)
        self.norm = nn.LayerNorm(model.embedding_dim)
        self.scale = nn.Parameter(torch.ones(()))
        self.dropout = nn.Dropout(model.dropout)

    def forward(self, rows: Tensor) -> Tensor:
        """(B, L, D) to (B, L, D)."""
        rows = self.dropout(rows)
        length = rows.shape[1]
        weights = functional.pad(self.log_weights[:, :length].exp().flip(1), (0, length - 1))
        weights = weights.unfold(1, length, 1).flip(1)  # (2, L, L): row t, event s weighs by t - s; later ones nothing
        weights = weights / weights.sum(dim=2, keepdim=True).sqrt()
        far, near = (pooling @ rows for pooling in weights)
        mixed = self.shares[0] * far + self.shares[1] * near + self.linear(torch.cat([far, near], dim=2))
        return self.norm(mixed) * self.scale


class TransformerBody(nn.Module):
    """See `TransformerSequence`."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        dim = model.embedding_dim
        self.positions = nn.Parameter(torch.randn(model.max_length, dim) * INIT_STD)
        layer = nn.TransformerEncoderLayer(
            dim, model.heads, 4 * dim, model.dropout, activation="gelu", batch_first=True, norm_first=True
        )
        layer.self_attn.dropout = model.attention_dropout
        self.blocks = nn.TransformerEncoder(layer, model.layers, norm=nn.LayerNorm(dim), enable_nested_tensor=False)
        self.norm = nn.LayerNorm(dim)  # item rows start small: without it what was had last is lost in the blocks
        self.dropout = nn.Dropout(model.dropout)

    def forward(self, rows: Tensor) -> Tensor:
        """(B, L, D) to (B, L, D)."""
        length = rows.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length, device=rows.device)
        placed = self.dropout(self.norm(rows + self.positions[:length]))
        return self.blocks(placed, mask=mask, is_causal=True)


# -- training ----------------------------------------------------------------------------------------------------------


def windows(histories: Histories, max_length: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the pieces of the histories start and how many targets each has: every event but the first is one once.

    >>> windows(Histories(np.arange(6), np.array([0, 1, 6])), max_length=3)  # four targets of five events, from the end
    (array([2, 1]), array([3, 1]))
    """
    starts, lengths = [], []
    for first, end in zip(histories.starts[:-1], histories.starts[1:], strict=True):
        for stop in range(end - 1, first, -max_length):
            starts.append(max(first, stop - max_length))
            lengths.append(stop - starts[-1])
    return np.array(starts, np.int64), np.array(lengths, np.int64)


def bucketed_batches(lengths: np.ndarray, batch_size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Windows of about the same length together, at most `batch_size` targets a batch, in random order."""
    order = rng.permutation(len(lengths))
    order = order[np.argsort(lengths[order], kind="stable")]
    number = (np.cumsum(lengths[order]) - 1) // batch_size
    batches = np.split(order, np.flatnonzero(np.diff(number)) + 1) if len(order) else []
    return [batches[place] for place in rng.permutation(len(batches))]


def padded(items: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`(B, L)` items of the windows, filled up at the end with any item, and where they are real."""
    place = np.arange(lengths.max(initial=1))
    real = place < lengths[:, None]
    return items[np.where(real, starts[:, None] + place, 0)], real


@one_torch_thread()
def train_network(
    model: "SequenceModel", known: list[np.ndarray | sparse.csr_matrix], validation: Targets | None
) -> list[float]:
    """Leave the best epoch in `item_matrix` and `body_parameters` of the model; NDCG on validation by epoch."""
    device = pick_device(model.device)
    histories = model._member_histories(model.train_histories)
    reached: list[float] = []
    with torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []):
        torch.manual_seed(model.seed)
        trainer = _Trainer(model, histories, known, device)
        best = trainer.arrays()
        epochs = min(model.stop_after or model.epochs, model.epochs)
        with tqdm(total=epochs, desc=model.name, unit="epoch", leave=False) as bar:
            for _ in range(epochs):
                trainer.epoch()
                model.item_matrix, model.body_parameters = arrays = trainer.arrays()
                if validation is not None:
                    reached.append(float(np.nanmean(measure_ndcg(model, validation, VALIDATION_K))))
                bar.update()
                if validation is None or reached[-1] >= max(reached):
                    best = arrays
                elif len(reached) - 1 - int(np.argmax(reached)) >= model.patience:
                    bar.total = bar.n  # an early end is none that failed: in a notebook the bar would turn red
                    break
    model.item_matrix, model.body_parameters = best
    return reached


class _Trainer:
    """Items, body, optimizer and batches of one training."""

    def __init__(
        self, model: "SequenceModel", histories: Histories, known: list[np.ndarray | sparse.csr_matrix], device: str
    ) -> None:
        self.name, self.items, self.device = model.name, histories.items, device
        self.dtype = getattr(torch, pick_dtype(device))
        self.starts, self.lengths = windows(histories, model.max_length)
        batch_size = int(np.clip(self.lengths.sum() // STEPS_AN_EPOCH, SMALLEST_BATCH, model.batch_size))
        rng = np.random.default_rng(model.seed)
        self.plan = [bucketed_batches(self.lengths, batch_size, rng) for _ in range(model.epochs)]
        self.table = ItemTable(int(model.can_score.sum()), model.embedding_dim, known).to(device)
        self.body = model.body().to(device)
        parameters = [*self.table.parameters(), *self.body.parameters()]
        self.optimizer = torch.optim.AdamW(parameters, model.learning_rate, BETAS, weight_decay=0)
        steps = sum(map(len, self.plan))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, partial(_rate, steps=steps))

    def epoch(self) -> None:
        """One pass over all windows."""
        self.body.train()
        for batch in self.plan.pop():
            loss = self._loss(batch)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
            if not torch.isfinite(loss):
                raise DataError(
                    "RK-352", f"the loss of {self.name} is {loss.item()}; expected a number.", "Lower learning_rate."
                )

    def _loss(self, batch: np.ndarray) -> Tensor:
        starts, lengths = self.starts[batch], self.lengths[batch]
        had, real = padded(self.items, starts, lengths)
        targets = padded(self.items, starts + 1, lengths)[0][real]
        had, real, targets = (torch.from_numpy(array).to(self.device) for array in (had, real, targets))
        rows = self.table()
        shoppers = self.body(functional.embedding(had, rows))[real]  # (M, D)
        return CatalogueCrossEntropy.apply(shoppers, rows, targets, self.dtype)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """What is kept of it: the item rows `(n, D)`, and all numbers of the body in one row."""
        with torch.no_grad():
            kept = self.table(), parameters_to_vector(self.body.parameters())
        return tuple(array.detach().cpu().numpy().copy() for array in kept)


def _rate(step: int, steps: int) -> float:
    """The share of the learning rate at this step: up on a line, down on a line."""
    warmup = max(1, round(WARMUP * steps))
    return min((step + 1) / warmup, FLOOR + (1 - FLOOR) * max(0.0, steps - step) / max(1, steps - warmup))


# -- answers -----------------------------------------------------------------------------------------------------------


@one_torch_thread()
def last_vectors(model: "SequenceModel", histories: Histories) -> np.ndarray:
    """`(B, D)` what the body makes of the last events of each history; zeros where there is none."""
    device = pick_device(model.device)
    body = model.body().to(device).eval()
    vector_to_parameters(torch.from_numpy(model.body_parameters).to(device), body.parameters())
    rows = torch.from_numpy(model.item_matrix).to(device)
    lengths = np.minimum(np.diff(histories.starts), model.max_length)
    order = np.argsort(lengths, kind="stable")[(lengths == 0).sum() :]
    vectors = np.zeros((len(lengths), model.embedding_dim), np.float32)
    for start in range(0, len(order), CHUNK):
        part = order[start : start + CHUNK]
        had, _ = padded(histories.items, histories.starts[part + 1] - lengths[part], lengths[part])
        with torch.inference_mode():
            states = body(functional.embedding(torch.from_numpy(had).to(device), rows))
            vectors[part] = states[torch.arange(len(part)), torch.from_numpy(lengths[part] - 1)].cpu().numpy()
    return vectors
