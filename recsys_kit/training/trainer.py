"""The one training loop: epochs, validation on the live module, early stopping, checkpoints, resume.

A trained network is a module (`nn.Module`) and an objective, a function of the module and a batch that gives the loss.
Batches come from a function of the epoch, `batches(epoch)`, which may draw them by `rng` or by torch's random state.

A run that was interrupted, also within an epoch, and goes on ends with the same bytes as one that was not: the state
of the random generators is saved with the weights. Several processes (torchrun) share the rows of each batch; the
first of them writes the checkpoints.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from itertools import islice
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
Validate = Callable[[nn.Module], float | Mapping[str, float]]
"""The module itself, in evaluation mode -> a score, higher is better, or more by name with it as "valid_score"."""
Objective = Callable[[nn.Module, Any], Tensor]
"""module, inputs of a batch -> the mean loss of its rows, a scalar on the device."""


@dataclass(eq=False, repr=False)
class Trainer:
    """Trains a module in place.

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

    module: nn.Module
    """Is moved to the device; parameters with `requires_grad` are trained."""
    objective: Objective
    plan: TrainingPlan
    _: KW_ONLY
    processes: Processes = field(default_factory=partial(Processes, "cpu"))
    """The device, and who shares the work; this process alone on the CPU unless given."""
    mixed_precision: bool = False
    """Compute in bfloat16 where the processor is faster in it; weights stay float32."""
    rng: np.random.Generator | None = None
    """The generator that `batches` and the objective draw from, if any; its state is saved in checkpoints."""
    checkpoints: Checkpoints | None = None
    """Saves the state of the training; a call with the same key goes on from it."""
    name: str = "training"
    """Shown by the progress bar and in errors."""

    def __post_init__(self) -> None:
        self.device = self.processes.device
        self.module.to(self.device)
        self.half = self.mixed_precision and pick_dtype(str(self.device)) == "bfloat16"
        self.wrapped = self.processes.wrap(self.module)
        groups, fused = decay_groups(self.module, self.plan.weight_decay), self.device.type == "cuda"
        self.optimizer = torch.optim.AdamW(groups, self.plan.learning_rate, self.plan.betas, fused=fused)
        self._frozen = {name for name, tensor in self.module.named_parameters() if not tensor.requires_grad}
        self.n_steps = self.step = 0  # of all epochs; since the start
        self._epochs: list[dict[str, float]] = []  # results of the epochs so far
        self._best: dict[str, Tensor] = {}  # weights of the best epoch so far; without validation that is the last
        self._epoch_random: dict[str, Any] = {}  # before the batches of the epoch were drawn
        self._start_epoch()

    def fit(self, batches: Batches, *, n_batches: int, validate: Validate | None = None) -> pd.DataFrame:
        """Train, and leave the module with the weights of its best epoch; without `validate`, of the last.

        Args:
            batches: see `Batches`; called once an epoch.
            n_batches: batches of an epoch.
            validate: see `Validate`.

        Returns:
            One row per epoch: epoch (from 1), train_loss, what `validate` gave, best (bool).

        Raises:
            RecsysKitError: RK-221 the loss or a weight is not a finite number, with the rows of the batch.
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
        history, best = pd.DataFrame(self._epochs), self._best_epochs()[0]
        if best != len(history) - 1:
            self.module.load_state_dict(self._best, strict=False)
        self.module.eval()
        if self.checkpoints is not None and self.processes.is_main:
            self.checkpoints.remove()
        self.processes.wait()  # no process returns before the checkpoints are removed
        return history.assign(best=history.index == best)

    def train_epoch(self, batches: Iterable[tuple[Any, Any]]) -> float:
        """Train on the batches of one epoch; return the mean loss of a row. `fit` calls it."""
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

    # -- steps and epochs ------------------------------------------------------------------------------------------

    def _start_epoch(self) -> None:
        self._losses: list[Tensor] = []  # of the batches of this epoch, scalars on the device
        self._rows: list[Any] = []  # row numbers of each
        self._n_checked = 0  # batches whose loss is known to be finite

    def _remaining(self, batches: Batches) -> Iterator[tuple[Any, Any]]:
        """The batches of this epoch that were not trained on before an interruption."""
        now, done = self._random_state(), len(self._losses)
        if done:
            self._set_random_state(self._epoch_random)
        else:
            self._epoch_random = now
        iterator = iter(batches(len(self._epochs)))
        if done:
            next(islice(iterator, done, done), None)  # consumes them
            self._set_random_state(now)
        yield from iterator

    def _end_step(self, loss: Tensor, rows: Any) -> None:
        self.step += 1
        self._losses.append(loss)
        self._rows.append(rows)
        self._bar.update()
        if self.step % CHECK_EVERY == 0:
            is_due = self.checkpoints is not None and self.processes.gather(self.checkpoints.is_due)[0]
            self._check(weights=is_due)
            if is_due:
                self._save()

    def _check(self, *, weights: bool) -> None:
        """Stop every process at the first loss of one of them that is not a finite number (RK-221).

        Args:
            weights: also at a trained weight that is not finite: no loss shows what the last step has done.
        """
        found, losses = None, self._losses[self._n_checked :]
        if losses and len(wrong := (~torch.stack(losses).isfinite()).nonzero()):
            batch = self._n_checked + int(wrong[0])
            found = batch, f"the loss is {self._losses[batch].item()} at {self._name_batch(batch)}"
        elif weights and self._rows:
            names = [name for name, _ in self.module.named_parameters() if name not in self._frozen]
            finite = torch.stack([self.module.get_parameter(name).detach().isfinite().all() for name in names])
            if len(wrong := (~finite).nonzero()):
                batch, name = len(self._rows) - 1, names[int(wrong[0])]
                found = batch, f"{name} holds numbers that are not finite after {self._name_batch(batch)}"
        if problems := list(filter(None, self.processes.gather(found))):  # of several that of the first batch
            problem = f"{self.name} stopped: {min(problems)[1]}; expected finite numbers."
            raise RecsysKitError("RK-221", problem, "Lower learning_rate, or look at these rows.")
        self._n_checked = len(self._losses)

    def _name_batch(self, batch: int) -> str:
        rows = np.asarray(self._rows[batch]).tolist()
        shown = f"{rows[:ROWS_SHOWN]}{f' and {len(rows) - ROWS_SHOWN} more' if len(rows) > ROWS_SHOWN else ''}"
        return f"batch {batch} (training rows {shown}) of epoch {len(self._epochs) + 1}"

    def _mean_loss(self) -> float:
        """Check losses and weights; return the mean loss of a row of this epoch, of all processes."""
        self._check(weights=True)
        if not self._losses:
            return math.nan
        every_row = torch.stack(self._losses).float().cpu().repeat_interleave(torch.tensor([*map(len, self._rows)]))
        return torch.cat(self.processes.gather(every_row)).mean().item()

    def _end_epoch(self, results: dict[str, float]) -> None:
        self._epochs.append({"epoch": len(self._epochs) + 1, **results})
        if "valid_score" in results and self._best_epochs()[0] == len(self._epochs) - 1:
            self._best = self._weights()
        self._start_epoch()
        if self.checkpoints is not None:
            self._save()

    def _best_epochs(self) -> np.ndarray:
        """The epochs with the highest score, NaN being the lowest; the one that is kept comes first.

        Without validation each is better than the one before.
        """
        scores = np.array([epoch.get("valid_score", epoch["epoch"]) for epoch in self._epochs], float)
        scores[np.isnan(scores)] = -np.inf
        best = np.flatnonzero(scores == scores.max())
        return best[::-1] if self.plan.prefer_later else best

    def _is_patience_over(self) -> bool:
        """Whether the last epoch was not the best, and the best score is `patience` epochs old."""
        if self.plan.patience is None or not self._epochs:
            return False
        best, last = self._best_epochs(), len(self._epochs) - 1
        return last - best.min() >= self.plan.patience and best[0] != last

    def _weights(self) -> dict[str, Tensor]:
        """Copies of parameters and buffers on the CPU, without the parameters that are not trained."""
        weights = self.module.state_dict()
        return {name: tensor.detach().to("cpu", copy=True)
                for name, tensor in weights.items() if name not in self._frozen}  # fmt: skip

    # -- the state on disk -----------------------------------------------------------------------------------------

    def _random_state(self) -> dict[str, Any]:
        """The state of the generators: torch's on the CPU and on the GPU, and that of `rng`."""
        cuda = torch.cuda.get_rng_state(self.device).tolist() if self.device.type == "cuda" else None
        numpy = None if self.rng is None else self.rng.bit_generator.state
        return {"cpu": torch.get_rng_state().tolist(), "cuda": cuda, "numpy": numpy}

    def _set_random_state(self, state: Mapping[str, Any]) -> None:
        torch.set_rng_state(torch.tensor(state["cpu"], dtype=torch.uint8))
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(torch.tensor(state["cuda"], dtype=torch.uint8), self.device)
        if self.rng is not None:
            self.rng.bit_generator.state = state["numpy"]

    def _save(self) -> None:
        """Write all that `_resume` needs; each process gives its losses and generators, the first one writes."""
        losses = torch.stack(self._losses).tolist() if self._losses else []
        own = {"losses": losses, "counts": [*map(len, self._rows)]}
        ranks = self.processes.gather(own | {"epoch": self._epoch_random, "now": self._random_state()})
        if self.processes.is_main:
            names, states = {one: name for name, one in self.module.named_parameters()}, self.optimizer.state
            moments = {f"{names[one]}/{key}": value for one, state in states.items() for key, value in state.items()}
            tensors = {"model": self._weights(), "best": self._best, "optimizer": moments}
            settings = {"epochs": self._epochs, "step": self.step, "ranks": ranks}
            self.checkpoints.save(len(self._epochs), len(losses), tensors, settings)
        self.processes.wait()  # until it is written

    def _resume(self) -> None:
        """Go on from the newest whole checkpoint of this training, if there is one."""
        found = None if self.checkpoints is None else self.checkpoints.load()
        self.processes.wait()  # until all have read it
        if found is None:
            return
        tensors, settings = found
        own, parameters = settings["ranks"][self.processes.rank], dict(self.module.named_parameters())
        self.step, self._epochs, self._best = settings["step"], settings["epochs"], tensors["best"]
        self.module.load_state_dict(tensors["model"], strict=False)
        for name, value in tensors["optimizer"].items():
            parameter, key = name.split("/")
            self.optimizer.state[parameters[parameter]][key] = value.to(self.device)
        self._losses = list(torch.tensor(own["losses"], device=self.device))
        self._rows, self._n_checked = [range(n) for n in own["counts"]], len(self._losses)
        self._epoch_random = own["epoch"]
        self._set_random_state(own["now"])


def decay_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the optimizer's groups: matrices decay; vectors (biases, layer norms) do not."""
    weights = [parameter for parameter in module.parameters() if parameter.requires_grad]
    matrices, vectors = ([one for one in weights if (one.ndim > 1) == is_matrix] for is_matrix in (True, False))
    groups = ({"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0})
    return [group for group in groups if group["params"]]
