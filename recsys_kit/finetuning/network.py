"""The network of the review classifier: a pretrained encoder, mean pooling, a linear head that starts well."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn.functional import cross_entropy
from transformers.modeling_outputs import SequenceClassifierOutput


class MeanPooledClassifier(nn.Module):
    """A pretrained encoder, the mean of its token vectors, a linear head; called with a batch, gives loss and logits.

    The mean and not the first token's vector, because sentence encoders such as MiniLM were pretrained for it.

    Args:
        encoder: from transformers' AutoModel.
        class_weights: (classes,) what a mistake on each class costs.
        dropout: share of the pooled numbers hidden from the head while training.
    """

    def __init__(self, encoder: nn.Module, class_weights: torch.Tensor, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder, self.dropout = encoder, nn.Dropout(dropout)
        self.head = nn.Linear(encoder.config.hidden_size, len(class_weights))
        self.register_buffer("class_weights", class_weights)

    def pool(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Token ids (B, L) -> the mean of the token vectors without padding (B, D)."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state  # (B, L, D)
        mask = attention_mask.unsqueeze(-1)  # (B, L, 1)
        return (states * mask).sum(dim=1) / mask.sum(dim=1)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor | None = None
    ) -> SequenceClassifierOutput:
        """Token ids (B, L) -> logits (B, classes), and the weighted cross-entropy where there are labels (B,)."""
        logits = self.head(self.dropout(self.pool(input_ids, attention_mask))).float()  # (B, classes)
        loss = None
        if labels is not None:  # not cross_entropy's own `weight`: it divides by the weights of the batch
            loss = (cross_entropy(logits, labels, reduction="none") * self.class_weights[labels]).mean()
        return SequenceClassifierOutput(loss=loss, logits=logits)


def class_weights(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Return what a mistake on each class costs so that all classes weigh the same, mean 1 over the rows.

    >>> class_weights(np.array([0, 0, 0, 0, 1]), 2).round(3)
    array([0.625, 2.5  ])
    """
    counts = np.bincount(labels, minlength=n_classes)
    return len(labels) / np.maximum(counts, 1) / np.count_nonzero(counts)


def start_head(head: nn.Linear, pooled: np.ndarray, labels: np.ndarray, device: str) -> None:
    """Set the head to a logistic regression on the pooled vectors of the pretrained encoder.

    A random head first pulls the encoder towards the majority, and on skewed labels the encoder does not recover.
    Source: Kumar et al., Fine-tuning can distort pretrained features, ICLR 2022.

    Args:
        head: (D,) -> (classes,).
        pooled: (N, D).
        labels: (N,) int64, every class at least once.
        device: "cpu" computes by scikit-learn, a GPU by `fit_logistic_regression`.
    """
    if device.startswith("cuda"):
        rows, targets = (torch.from_numpy(array).to(device) for array in (pooled, labels))
        weight, bias = fit_logistic_regression(rows, targets, head.out_features)
    else:
        found = LogisticRegression(class_weight="balanced", max_iter=1000).fit(pooled, labels)
        weight, bias = found.coef_, found.intercept_
        if head.out_features == 2:  # scikit-learn has one row for two classes
            weight, bias = np.vstack([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    with torch.no_grad():
        head.weight.copy_(torch.as_tensor(weight, dtype=torch.float32))
        head.bias.copy_(torch.as_tensor(bias, dtype=torch.float32))


def fit_logistic_regression(
    rows: torch.Tensor, labels: torch.Tensor, n_classes: int, *, n_steps: int = 100
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weight (C, D) and bias (C,) of a balanced logistic regression, by full-batch L-BFGS on the rows' device.

    The objective is that of scikit-learn's `LogisticRegression(class_weight="balanced")`.

    Args:
        rows: (N, D).
        labels: (N,) int64.
        n_classes: C.
        n_steps: of L-BFGS, at most.

    >>> weight, bias = fit_logistic_regression(torch.tensor([[-1.0], [1.0]]), torch.tensor([0, 1]), 2)
    >>> round((weight[1] - weight[0]).item(), 2)
    0.67
    """
    counts = torch.bincount(labels, minlength=n_classes)
    penalty = 1.0 if n_classes == 2 else 0.5  # scikit-learn has one row of weights for two classes
    costs = (len(labels) / (counts.clamp_min(1) * n_classes))[labels].to(rows)  # (N,)
    with torch.enable_grad():
        weight = torch.zeros(n_classes, rows.shape[1], device=rows.device, requires_grad=True)
        bias = torch.zeros(n_classes, device=rows.device, requires_grad=True)
        optimizer = torch.optim.LBFGS([weight, bias], max_iter=n_steps, history_size=10, line_search_fn="strong_wolfe")

        def objective() -> torch.Tensor:
            optimizer.zero_grad()
            losses = cross_entropy(rows @ weight.T + bias, labels, reduction="none") * costs
            loss = (losses.sum() + penalty * weight.square().sum()) / len(labels)
            loss.backward()
            return loss

        optimizer.step(objective)
    return weight.detach(), bias.detach()
