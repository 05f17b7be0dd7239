"""The one training loop, on accelerate: epochs, validation, best epoch kept, resumed after an interruption.

Every epoch starts from its own seed, so that a run that was interrupted and goes on ends with the same weights as
one that was not. Checkpoints are safetensors and JSON; nothing pickled is ever loaded. Several processes (torchrun)
share the batches of an epoch; only the main process writes the checkpoint.
"""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import accelerate
import numpy as np
import pandas as pd
import torch
import transformers
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from accelerate.utils import patch_environment, set_seed
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from tqdm.auto import tqdm
from transformers import get_scheduler

from recsys_kit.errors import ParameterError, RecsysKitError


@dataclass(frozen=True)
class TrainingPlan:
    """How long and how hard to train.

    >>> TrainingPlan(epochs=0)
    Traceback (most recent call last):
    recsys_kit.errors.ParameterError: RK-351 epochs is 0; expected at least 1. Pass epochs=2.
    """

    epochs: int = 2
    learning_rate: float = 3e-4  # the highest, after the warmup
    weight_decay: float = 0.01  # on matrices; biases and layer norms are left alone
    warmup_share: float = 0.1  # of all steps: the rate rises from zero, then falls to zero on a line
    max_grad_norm: float = 1.0  # longer gradients are cut to this length
    batch_size: int = 16
    seed: int = 7

    def __post_init__(self) -> None:
        for name, allowed, rule, example in (
            ("epochs", _is_whole(self.epochs) and self.epochs > 0, "at least 1", 2),
            ("learning_rate", 0 < self.learning_rate < math.inf, "above 0", 1e-4),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "at least 0", 0.01),
            ("warmup_share", 0 <= self.warmup_share <= 1, "0 to 1", 0.1),
            ("max_grad_norm", self.max_grad_norm > 0, "above 0", 1.0),  # infinity: no gradient is cut
            ("batch_size", _is_whole(self.batch_size) and self.batch_size > 0, "at least 1", 16),
            ("seed", _is_whole(self.seed) and self.seed >= 0, "at least 0", 7),
        ):
            if not allowed:
                problem = f"{name} is {getattr(self, name)}; expected {rule}."
                raise ParameterError("RK-351", problem, f"Pass {name}={example}.")


def _is_whole(number: Any) -> bool:
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


def train_epoch(
    accelerator: Accelerator,
    model: nn.Module,
    batches: Iterable[dict],
    optimizer: Any,
    scheduler: Any,
    plan: TrainingPlan,
) -> float:
    """One pass over the training batches; returns the mean loss of a row."""
    model.train()
    losses = []  # of each row
    for batch in tqdm(batches, desc="training", leave=False):
        rows = batch.pop("rows")
        loss = model(**batch).loss  # a scalar: how surprised the model is by the labels
        check_finite(loss, rows, step=len(losses))
        accelerator.backward(loss)  # the gradient of the loss for every weight
        accelerator.clip_grad_norm_(model.parameters(), plan.max_grad_norm)
        optimizer.step()  # AdamW moves the weights
        scheduler.step()  # the learning rate of the next step
        optimizer.zero_grad()
        losses.append(loss.detach().repeat(len(rows)))
    return accelerator.gather(torch.cat(losses)).mean().item()


def check_finite(loss: torch.Tensor, rows: torch.Tensor, *, step: int) -> None:
    """Stop at the first loss that is not a number, and name the batch (RK-221)."""
    if not math.isfinite(loss.item()):
        raise RecsysKitError(
            "RK-221",
            f"training stopped: the loss is {loss.item()} at batch {step} (training rows {rows.tolist()}).",
            "Lower learning_rate, or look at these rows; the last finished epoch is kept in the checkpoint folder.",
        )


def validate(
    accelerator: Accelerator, model: nn.Module, batches: Iterable[dict]
) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean loss of a row, labels (N,) and predictions (N,) of all batches; no gradient, no dropout."""
    model.eval()
    results = []
    for batch in batches:
        rows = batch.pop("rows")
        with torch.inference_mode():
            output = model(**batch)
        mine = output.loss.repeat(len(rows)), batch["labels"], output.logits.argmax(dim=-1)
        results.append([values.cpu().numpy() for values in accelerator.gather_for_metrics(mine)])
    losses, labels, predictions = map(np.concatenate, zip(*results, strict=True))
    return float(losses.mean()), labels, predictions


def fit_model(
    model: nn.Module,
    train_batches: Any,
    valid_batches: Any,
    plan: TrainingPlan,
    *,
    score: Callable[[np.ndarray, np.ndarray], float],
    checkpoint: str | Path | None = None,
    data_key: str = "",
    device: str = "",
) -> pd.DataFrame:
    """Train `model` in place and leave it with the weights of its best epoch.

    Args:
        model: called with a batch, gives `.loss` and `.logits`.
        train_batches: a DataLoader of dicts with "labels" and "rows" (the number of each row, for messages).
        valid_batches: the same for validation.
        plan: see `TrainingPlan`.
        score: labels, predictions -> higher is better; the best epoch is the first with the highest.
        checkpoint: a folder for the state of each epoch; a call with the same plan and `data_key` goes on from it.
        data_key: names the data, so that a checkpoint of other data is not taken for ours.
        device: such as "cpu" or "cuda:1"; "" takes a GPU where there is one. Several processes take a GPU each.

    Returns:
        One row per epoch: epoch, train_loss, valid_loss, valid_score, best (bool).
    """
    from recsys_kit.core.hardware import pick_device

    accelerator = make_accelerator(pick_device(device))
    optimizer = torch.optim.AdamW(_decay_groups(model, plan.weight_decay), lr=plan.learning_rate)
    steps = plan.epochs * len(train_batches)
    scheduler = get_scheduler("linear", optimizer, round(plan.warmup_share * steps), steps)
    prepared = accelerator.prepare(model, optimizer, train_batches, valid_batches, scheduler)
    trained, optimizer, train_batches, valid_batches, scheduler = prepared
    key = _key(plan, data_key, accelerator)
    state = _TrainingState(model, optimizer, scheduler, checkpoint, key, writes=accelerator.is_main_process)
    with accelerator.main_process_first():  # the others find what the main process has left
        first_epoch = state.resume()
    for epoch in range(first_epoch, plan.epochs):
        set_seed(plan.seed + epoch)
        train_batches.set_epoch(epoch)
        train_loss = train_epoch(accelerator, trained, train_batches, optimizer, scheduler, plan)
        valid_loss, labels, predictions = validate(accelerator, trained, valid_batches)
        state.end_epoch(epoch, train_loss=train_loss, valid_loss=valid_loss, valid_score=score(labels, predictions))
        accelerator.wait_for_everyone()  # until the main process has written
    accelerator.unwrap_model(trained, keep_fp32_wrapper=False)
    model.load_state_dict(state.best_weights)
    model.eval()
    state.remove()
    accelerator.wait_for_everyone()  # no process returns before the main process has removed the checkpoint
    return state.history


def make_accelerator(device: str) -> Accelerator:
    """An accelerator for exactly this device; under torchrun each process gets its own.

    >>> str(make_accelerator("cpu").device)
    'cpu'
    """
    from recsys_kit.core.hardware import pick_dtype

    options: dict[str, Any] = {
        "mixed_precision": "bf16" if pick_dtype(device) == "bfloat16" else "no",
        "cpu": device == "cpu",
        # layers that the head does not use, such as a pooler, get no gradient in any process
        "kwargs_handlers": [DistributedDataParallelKwargs(find_unused_parameters=True)],
    }
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return Accelerator(**options)
    AcceleratorState._reset_state(reset_partial_state=True)  # else the first device of the process is used for ever
    with patch_environment(ACCELERATE_TORCH_DEVICE=device):
        return Accelerator(**options)


def _decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay; vectors (biases, layer norms) do not."""
    weights = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in weights if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in weights if p.ndim < 2], "weight_decay": 0.0},
    ]


def _key(plan: TrainingPlan, data_key: str, accelerator: Accelerator) -> str:
    """Changes with whatever changes the weights of an epoch: plan, data, arithmetic, processes, libraries."""
    arithmetic = [accelerator.device.type, accelerator.mixed_precision, accelerator.num_processes]
    libraries = [torch.__version__, transformers.__version__, accelerate.__version__]
    made_of = [asdict(plan), data_key, arithmetic, libraries]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


class _TrainingState:
    """Weights, optimizer, schedule and history after each epoch, in memory and (where it `writes`) on disk."""

    def __init__(
        self, model: nn.Module, optimizer: Any, scheduler: Any, folder: str | Path | None, key: str, *, writes: bool
    ) -> None:
        self.model, self.optimizer, self.scheduler, self.key, self.writes = model, optimizer, scheduler, key, writes
        self.folder = Path(folder) if folder is not None else None
        self.best_weights: dict[str, torch.Tensor] = {}
        self._epochs: list[dict[str, Any]] = []

    @property
    def history(self) -> pd.DataFrame:
        history = pd.DataFrame(self._epochs)
        return history.assign(best=history.index == history.valid_score.idxmax())

    def end_epoch(self, epoch: int, **results: float) -> None:
        self._epochs.append({"epoch": epoch + 1, **results})
        if self.history.best.iloc[-1]:
            self.best_weights = {name: t.detach().cpu().clone() for name, t in self.model.state_dict().items()}
        if self.folder is not None and self.writes:
            self._save(self.folder / f"epoch-{epoch + 1:03d}")

    def resume(self) -> int:
        """Load the newest whole state of this very training; returns the epoch to go on with. Other states go."""
        for folder in sorted(self.folder.glob("epoch-*"), reverse=True) if self.folder is not None else []:
            try:
                if self._load(folder):
                    return len(self._epochs)
            except (OSError, ValueError, KeyError, SafetensorError):
                pass  # cut short by a crash: the epoch before it is whole
            if self.writes:
                shutil.rmtree(folder)
        return 0

    def remove(self) -> None:
        if self.folder is not None and self.writes:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _save(self, folder: Path) -> None:
        writing = folder.with_name(f".writing-{folder.name}")
        shutil.rmtree(writing, ignore_errors=True)
        writing.mkdir(parents=True)
        optimizer = self.optimizer.state_dict()
        moments = {
            f"{index}.{name}": value.contiguous()
            for index, values in optimizer["state"].items()
            for name, value in values.items()
        }
        for name, tensors in (("model", self.model.state_dict()), ("best", self.best_weights), ("moments", moments)):
            save_file({key: tensor.clone() for key, tensor in tensors.items()}, writing / f"{name}.safetensors")
        record = {
            "key": self.key,
            "epochs": self._epochs,
            "scheduler": self.scheduler.state_dict(),
            "groups": optimizer["param_groups"],
        }
        (writing / "state.json").write_text(json.dumps(record))
        writing.rename(folder)
        for old in sorted(self.folder.glob("epoch-*"))[:-2]:  # the one before stays: the newest may be cut short
            shutil.rmtree(old)

    def _load(self, folder: Path) -> bool:
        record = json.loads((folder / "state.json").read_text())
        if record["key"] != self.key:
            return False
        tensors = {name: load_file(folder / f"{name}.safetensors") for name in ("model", "best", "moments")}
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors["moments"].items():
            index, field = name.split(".", 1)
            moments.setdefault(int(index), {})[field] = tensor
        self.model.load_state_dict(tensors["model"])
        self.optimizer.load_state_dict({"state": moments, "param_groups": record["groups"]})
        self.scheduler.load_state_dict(record["scheduler"])
        self.best_weights, self._epochs = tensors["best"], record["epochs"]
        return True
