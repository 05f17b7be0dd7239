"""Reviews as rows of token ids, and batches of them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from recsys_kit.features.pretrained import token_ids
from recsys_kit.features.rows import pad_to_shape
from recsys_kit.finetuning.labels import class_indices
from recsys_kit.training.batches import cut, padded_length


class ReviewDataset(Dataset):
    """One row per review: its token ids (cut at `max_length`) and the index of its label.

    The tutorial stored every review as `max_length` tokens; here a row is as long as its text, and `collate` pads a
    batch to its longest row (with `few_widths`, for a GPU, on to the next of 8, 16, 32, 64 ... tokens).
    """

    def __init__(
        self,
        texts: Sequence[str],
        labels: Sequence[str],
        classes: Sequence[str],
        tokenizer: Any,
        *,
        max_length: int,
        few_widths: bool = False,
    ) -> None:
        self.max_length = min(max_length, tokenizer.model_max_length)
        self.token_ids = token_ids(tokenizer, texts, self.max_length)
        self.labels = class_indices(labels, classes)
        self.tokenizer, self.few_widths = tokenizer, few_widths

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"input_ids": self.token_ids[row], "labels": int(self.labels[row])}

    @property
    def lengths(self) -> list[int]:
        """Tokens of each row."""
        return [len(ids) for ids in self.token_ids]

    def collate(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Rows -> one batch: input_ids and attention_mask (B, longest), labels (B,)."""
        ids = [row["input_ids"] for row in rows]
        width = max(map(len, ids))
        width = padded_length(width, self.max_length) if self.few_widths else width
        batch = pad_to_shape(self.tokenizer, ids, (len(ids), width))
        labels = torch.tensor([row["labels"] for row in rows])
        return {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"], "labels": labels}

    def batches(
        self, batches: Iterable[Sequence[int]], device: torch.device
    ) -> Iterator[tuple[Sequence[int], dict[str, torch.Tensor]]]:
        """Give the batches of these rows: the row numbers, and what the model reads, on the device."""
        batches, on_gpu = list(batches), device.type == "cuda"  # pinned memory is copied while the GPU computes
        loader = DataLoader(self, batch_sampler=batches, collate_fn=self.collate, pin_memory=on_gpu)
        for rows, batch in zip(batches, loader, strict=True):
            yield rows, {name: tensor.to(device, non_blocking=on_gpu) for name, tensor in batch.items()}


def batch_widths(lengths: Sequence[int], order: Sequence[int], batch_size: int, *, fixed: int = 0) -> list[list[tuple]]:
    """Return the batches of an order as `(row, width)` pairs: as wide as their longest row, or `fixed`.

    >>> batch_widths([3, 9, 4], [0, 2, 1], 2)
    [[(0, 4), (2, 4)], [(1, 9)]]
    """
    batches = cut(order, batch_size)
    return [[(row, fixed or max(lengths[other] for other in batch)) for row in batch] for batch in batches]
