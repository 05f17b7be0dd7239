"""Losses that several models share."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

CHUNK = 512  # rows of logits held at once


class CatalogueCrossEntropy(torch.autograd.Function):
    """Mean cross-entropy of `softmax(queries @ items.T)`, without ever holding all logits.

    The gradients are computed with the loss, `CHUNK` rows at a time: three products a chunk instead of four, and
    `(CHUNK, N)` numbers of `dtype` in memory instead of `(M, N)`.

    Args of `apply`: queries (M, D), items (N, D), targets (M,) of 0..N-1, dtype of the products; gives a scalar in
    float32.

    Source: the idea of Wijmans et al., Cut your losses in large-vocabulary language models, 2024.

    >>> items = torch.eye(2, requires_grad=True)
    >>> loss = CatalogueCrossEntropy.apply(torch.zeros(1, 2), items, torch.tensor([1]), torch.float32)
    >>> round(loss.item(), 4)  # log 2
    0.6931
    """

    @staticmethod
    def forward(ctx: Any, queries: Tensor, items: Tensor, targets: Tensor, dtype: torch.dtype) -> Tensor:
        """Return the loss, and keep both gradients."""
        columns = items.to(dtype)
        query_grads, item_grads = torch.empty_like(queries), torch.zeros_like(items)
        loss = torch.zeros((), device=items.device)
        for start in range(0, len(targets), CHUNK):
            part = slice(start, start + CHUNK)
            rows, truth = queries[part].to(dtype), targets[part, None]
            errors = (rows @ columns.T).softmax(dim=1)  # (chunk, N); less the one-hot target: d loss / d logits
            true_probability = errors.gather(1, truth)
            loss -= true_probability.float().clamp_min(torch.finfo(torch.float32).tiny).log().sum()
            errors.scatter_(1, truth, true_probability - 1)
            query_grads[part] = errors @ columns
            item_grads += errors.T @ rows
        ctx.save_for_backward(query_grads / len(targets), item_grads / len(targets))
        return loss / len(targets)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Return the gradients that `forward` has kept."""
        query_grads, item_grads = ctx.saved_tensors
        return grad * query_grads, grad * item_grads, None, None


def sampled_cross_entropy(queries: Tensor, items: Tensor, targets: Tensor, negatives: Tensor) -> Tensor:
    """Return the mean cross-entropy of the targets against drawn negatives, a scalar.

    Args:
        queries: (M, D).
        items: (N, D).
        targets: (M,) of 0..N-1.
        negatives: (K,) of 0..N-1, the same for each query; one that is the target of a query does not count there.

    Source: Jean et al., On using very large target vocabulary, ACL 2015, section 3.

    >>> loss = sampled_cross_entropy(torch.zeros(1, 2), torch.eye(3)[:, :2], torch.tensor([1]), torch.tensor([0, 1, 2]))
    >>> round(loss.item(), 4)  # log 3: the target against two others
    1.0986
    """
    others = (queries @ items[negatives].T).masked_fill(negatives == targets[:, None], -torch.inf)  # (M, K)
    logits = torch.cat([(queries * items[targets]).sum(1, keepdim=True), others], dim=1)  # (M, 1 + K)
    return functional.cross_entropy(logits, torch.zeros_like(targets))


def positive_log_loss(probability: Tensor) -> Tensor:
    """Return the log loss of probabilities (E, 1 + K) of which the first column is positive, the others negative.

    >>> round(positive_log_loss(torch.tensor([[0.5, 0.5]])).item(), 4)  # twice log 2
    1.3863
    """
    probability = probability.clamp(1e-7, 1 - 1e-7)
    return -(probability[:, 0].log().mean() + torch.log1p(-probability[:, 1:]).mean())
