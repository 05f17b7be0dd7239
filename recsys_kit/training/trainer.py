"""The one training loop: epochs, validation on the live module, early stopping, checkpoints, resume.

A trained network is a module (`nn.Module`) and an objective, a function of the module and a batch that gives the loss.
Batches come from a function of the epoch, `batches(epoch)`, which may draw them by `rng` or by torch's random state.

A run that was interrupted, also within an epoch, and goes on ends with the same bytes as one that was not: the state
of the random generators is saved with the weights. Several processes (torchrun) share the rows of each batch; the
first of them writes the checkpoints.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from recsys_kit.core.hardware import pick_dtype
from recsys_kit.errors import RecsysKitError
from recsys_kit.training.checkpoints import Checkpoints
from recsys_kit.training.plan import TrainingPlan
from recsys_kit.training.processes import Processes

CHECK_EVERY = 20  # steps between two looks at the losses, each of which waits for the device
ROWS_SHOWN = 50  # of a batch, in an error

Batches = Callable[[int], Iterable[tuple[Any, Any]]]
"""epoch -> the batches of the epoch: the numbers of its training rows, and what the objective takes."""
Objective = Callable[[nn.Module, Any], Tensor]
"""module, inputs of a batch -> the mean loss of its rows, a scalar on the device."""


class Trainer:
    """Trains a module in place.

    Args:
        module: is moved to the device; parameters with `requires_grad` are trained.
        objective: see `Objective`.
        plan: see `TrainingPlan`.
        processes: the device, and who shares the work; this process alone on the CPU unless given.
        mixed_precision: compute in bfloat16 where the processor is faster in it; weights stay float32.
        rng: the generator that `batches` and the objective draw from, if any; its state is saved in checkpoints.
        checkpoints: saves the state of the training; a call with the same key goes on from it.
        name: shown by the progress bar and in errors.

    >>> torch.manual_seed(0).initial_seed()
    0
    >>> line = nn.Linear(1, 1)
    >>> x = torch.linspace(-1, 1, 8)[:, None]
    >>> def squared_error(module, inputs):
    ...     return (module(inputs) - 3 * inputs).square().mean()
    >>> trainer = Trainer(line, squared_error, TrainingPlan(epochs=200, learning_rate=0.1, weight_decay=0.0))
    >>> history = trainer.fit(lambda epoch: [(range(8), x)], n_batches=1)
    >>> round(line.weight.item(), 1), len(history)
    (3.0, 200)
    """

    def __init__(
        self,
        module: nn.Module,
        objective: Objective,
        plan: TrainingPlan,
        *,
        processes: Processes | None = None,
        mixed_precision: bool = False,
        rng: np.random.Generator | None = None,
        checkpoints: Checkpoints | None = None,
        name: str = "training",
    ) -> None:
        self.processes = processes or Processes("cpu")
        self.device = self.processes.device
        self.module, self.objective, self.plan, self.name = module.to(self.device), objective, plan, name
        self.rng, self.checkpoints = rng, checkpoints
        self.half = mixed_precision and pick_dtype(str(self.device)) == "bfloat16"
        self.wrapped = self.processes.wrap(module)
        self.optimizer = torch.optim.AdamW(
            decay_groups(module, plan.weight_decay), plan.learning_rate, plan.betas, fused=self.device.type == "cuda"
        )
        self._frozen = {name for name, tensor in module.named_parameters() if not tensor.requires_grad}
        self.n_steps = 0  # of all epochs
        self.step = 0  # since the start
        self._epochs: list[dict[str, float]] = []  # results of the epochs so far
        self._best = self._weights()
        self._start_epoch()

    def fit(
        self,
        batches: Batches,
        *,
        n_batches: int,
        validate: Callable[[nn.Module], float | Mapping[str, float]] | None = None,
    ) -> pd.DataFrame:
        """Train, and leave the module with the weights of its best epoch; without `validate`, of the last.

        Args:
            batches: see `Batches`; called once an epoch.
            n_batches: batches of an epoch.
            validate: gets the module itself, in evaluation mode; gives a score, higher is better, or more measures by
                name with the score as "valid_score".

        Returns:
            One row per epoch: epoch (from 1), train_loss, what `validate` gave, best (bool).

        Raises:
            RecsysKitError: RK-221 the loss is not a finite number, with the rows of the batch.
        """
        self.n_steps = self.plan.epochs * n_batches
        self._resume()
        total = self.plan.last_epoch * n_batches
        with tqdm(total=total, initial=self.step, desc=self.name, unit="step", leave=False) as self._bar:
            while len(self._epochs) < self.plan.last_epoch and not self._is_patience_over():
                train_loss = self.train_epoch(self._remaining(batches))
                self.module.eval()
                scores = {} if validate is None else validate(self.module)
                scores = scores if isinstance(scores, Mapping) else {"valid_score": scores}
                self._end_epoch({"train_loss": train_loss, **scores})
            self._bar.total = self._bar.n  # early stopping is not a failure: tqdm would draw the bar red
        self.module.load_state_dict(self._best, strict=False)
        self.module.eval()
        if self.checkpoints is not None and self.processes.is_main:
            self.checkpoints.remove()
        self.processes.wait()  # no process returns before the checkpoints are removed
        return self.history

    def train_epoch(self, batches: Iterable[tuple[Any, Any]]) -> float:
        """Train on the batches of one epoch; return the mean loss of a row."""
        self.module.train()
        for rows, inputs in batches:  # the numbers of the training rows, for messages; and what the model reads
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
                loss = self.objective(self.wrapped, inputs)  # a scalar: the mean loss of the rows
            loss.backward()  # the gradient of the loss for every weight
            if self.plan.max_grad_norm is not None:
                nn.utils.clip_grad_norm_(self.module.parameters(), self.plan.max_grad_norm)
            for group in self.optimizer.param_groups:
                group["lr"] = self.plan.rate(self.step, self.n_steps)  # the learning rate of this step
            self.optimizer.step()  # AdamW moves the weights
            self.optimizer.zero_grad()
            self._end_step(loss.detach(), rows)  # keep the loss; every `CHECK_EVERY` steps, check and save
        return self._mean_loss()

    @property
    def history(self) -> pd.DataFrame:
        """The epochs so far, one row each; the last is the best where there is no validation."""
        history = pd.DataFrame(self._epochs)
        return history.assign(best=history.index == self._best_epoch(history)) if len(history) else history

    # -- steps and epochs ------------------------------------------------------------------------------------------

    def _start_epoch(self) -> None:
        self._losses: list[Tensor] = []  # of the batches of this epoch, scalars on the device
        self._counts: list[int] = []  # rows of each
        self._unchecked: list[Any] = []  # row numbers of the batches since the last check
        self._epoch_random = self._random_state()  # before the batches of the epoch are drawn

    def _remaining(self, batches: Batches) -> Iterator[tuple[Any, Any]]:
        """The batches of this epoch that were not trained on before an interruption."""
        now, done = self._random_state(), len(self._losses)
        if done:
            self._set_random_state(self._epoch_random)
        iterator = iter(batches(len(self._epochs)))
        for _ in range(done):
            next(iterator)
        if done:
            self._set_random_state(now)
        yield from iterator

    def _end_step(self, loss: Tensor, rows: Any) -> None:
        self.step += 1
        self._losses.append(loss)
        self._counts.append(len(rows))
        self._unchecked.append(rows)
        self._bar.update()
        if self.step % CHECK_EVERY == 0:
            self._check_losses()
            if self.checkpoints is not None and self.processes.gather(self.checkpoints.is_due)[0]:
                self._save()

    def _check_losses(self) -> None:
        """Stop at the first loss that is not a finite number, and name its batch (RK-221)."""
        recent = torch.stack(self._losses[-len(self._unchecked) :]) if self._unchecked else torch.zeros(1)
        if not recent.isfinite().all():
            place = int((~recent.isfinite()).nonzero()[0])
            batch = len(self._losses) - len(self._unchecked) + place
            rows = np.asarray(self._unchecked[place]).tolist()
            shown = f"{rows[:ROWS_SHOWN]}{f' and {len(rows) - ROWS_SHOWN} more' if len(rows) > ROWS_SHOWN else ''}"
            raise RecsysKitError(
                "RK-221",
                f"{self.name} stopped: the loss is {recent[place].item()} at batch {batch} (training rows {shown}) of "
                f"epoch {len(self._epochs) + 1}; expected a finite number.",
                "Lower learning_rate, or look at these rows.",
            )
        self._unchecked = []

    def _mean_loss(self) -> float:
        """The mean loss of a row of this epoch, of all processes."""
        self._check_losses()
        if not self._losses:
            return math.nan
        losses = torch.stack(self._losses).float().cpu().repeat_interleave(torch.tensor(self._counts))
        return torch.cat(self.processes.gather(losses)).mean().item()

    def _end_epoch(self, results: dict[str, float]) -> None:
        self._epochs.append({"epoch": len(self._epochs) + 1, **results})
        if self._best_epoch(self.history) == len(self._epochs) - 1:
            self._best = self._weights()
        self._start_epoch()
        if self.checkpoints is not None:
            self._save()

    def _best_epoch(self, history: pd.DataFrame) -> int:
        if "valid_score" not in history:
            return len(history) - 1
        scores = history["valid_score"].to_numpy()
        return len(scores) - 1 - int(np.argmax(scores[::-1])) if self.plan.prefer_later else int(np.argmax(scores))

    def _is_patience_over(self) -> bool:
        """Whether the last epoch was not the best, and the best score is `patience` epochs old."""
        if self.plan.patience is None or not self._epochs or "valid_score" not in self._epochs[-1]:
            return False
        first_best = int(np.argmax([epoch["valid_score"] for epoch in self._epochs]))
        last = len(self._epochs) - 1
        return last - first_best >= self.plan.patience and self._best_epoch(self.history) != last

    def _weights(self) -> dict[str, Tensor]:
        """Copies of parameters and buffers on the CPU, without the parameters that are not trained."""
        weights = self.module.state_dict()
        return {name: tensor.detach().to("cpu", copy=True)
                for name, tensor in weights.items() if name not in self._frozen}  # fmt: skip

    # -- the state on disk -----------------------------------------------------------------------------------------

    def _random_state(self) -> dict[str, Any]:
        """The state of the generators: torch's on the CPU and on the GPU, and that of `rng`."""
        state = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        return state | ({} if self.rng is None else {"numpy": self.rng.bit_generator.state})

    def _set_random_state(self, state: Mapping[str, Any]) -> None:
        torch.set_rng_state(state["cpu"])
        if "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"], self.device)
        if "numpy" in state:
            self.rng.bit_generator.state = state["numpy"]

    def _save(self) -> None:
        """Write all that `_resume` needs; every process gives the state of its generators, the first one writes."""
        tensors = {f"model.{name}": tensor for name, tensor in self._weights().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self._best.items()}
        for name, parameter in self.module.named_parameters():
            moments = self.optimizer.state.get(parameter, {})
            tensors |= {f"optimizer.{name}/{field}": tensor for field, tensor in moments.items()}
        settings: dict[str, Any] = {"epochs": self._epochs, "step": self.step, "numpy": {}}
        own = {"now": self._random_state(), "epoch": self._epoch_random}
        losses = torch.stack(self._losses).cpu() if self._losses else torch.zeros(0)
        for rank, (states, rank_losses, counts) in enumerate(self.processes.gather((own, losses, self._counts))):
            tensors |= {f"losses.{rank}": rank_losses, f"counts.{rank}": torch.tensor(counts, dtype=torch.int64)}
            for moment, state in states.items():
                tensors |= {f"random.{rank}.{moment}.{kind}": state[kind] for kind in ("cpu", "cuda") if kind in state}
                settings["numpy"] |= {moment: state["numpy"]} if "numpy" in state else {}
        if self.processes.is_main:
            self.checkpoints.save(len(self._epochs), len(self._losses), tensors, settings)
        self.processes.wait()  # until it is written

    def _resume(self) -> None:
        """Go on from the newest whole checkpoint of this training, if there is one."""
        if self.checkpoints is None:
            return
        found = self.checkpoints.load()
        self.processes.wait()  # until all have read it
        if found is None:
            return
        tensors, settings = found
        rank = self.processes.rank
        self.module.load_state_dict(_named(tensors, "model."), strict=False)
        self._best = _named(tensors, "best.")
        moments = _named(tensors, "optimizer.")
        names = {parameter: name for name, parameter in self.module.named_parameters()}
        order = [names[parameter] for group in self.optimizer.param_groups for parameter in group["params"]]
        state = {place: _named(moments, f"{name}/") for place, name in enumerate(order)}
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict(
            {"state": {place: fields for place, fields in state.items() if fields}, "param_groups": groups}
        )
        self.step, self._epochs = settings["step"], settings["epochs"]
        self._losses = list(tensors[f"losses.{rank}"].to(self.device))
        self._counts = tensors[f"counts.{rank}"].tolist()
        numpy_states = {moment: {"numpy": state} for moment, state in settings["numpy"].items()}
        states = {moment: _named(tensors, f"random.{rank}.{moment}.") | numpy_states.get(moment, {})
                  for moment in ("now", "epoch")}  # fmt: skip
        self._epoch_random = states["epoch"]
        self._set_random_state(states["now"])


def decay_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the optimizer's groups: matrices decay; vectors (biases, layer norms) do not."""
    weights = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in weights if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in weights if parameter.ndim < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _named(tensors: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The tensors whose name starts with `prefix`, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
