"""The settings of a training, and the schedules of its learning rate."""

from dataclasses import dataclass
from typing import ClassVar

from recsys_kit.core.ranges import check_parameters
from recsys_kit.errors import ParameterError

FLOOR = 0.05  # of the learning rate, at which "linear_to_floor" ends


def linear(step: int, steps: int, warmup_share: float) -> float:
    """Return the share of the learning rate at a step: from 0 up on a line, then down to 0 on a line."""
    warmup = round(warmup_share * steps)
    return step / max(1, warmup) if step < warmup else max(0.0, (steps - step) / max(1, steps - warmup))


def linear_to_floor(step: int, steps: int, warmup_share: float) -> float:
    """Return the share of the learning rate at a step: up on a line, then down on a line that ends at `FLOOR`."""
    warmup = max(1, round(warmup_share * steps))
    return min((step + 1) / warmup, FLOOR + (1 - FLOOR) * max(0.0, steps - step) / max(1, steps - warmup))


def constant(step: int, steps: int, warmup_share: float) -> float:
    """Return 1: the learning rate stays."""
    return 1.0


SCHEDULES = {schedule.__name__: schedule for schedule in (linear, linear_to_floor, constant)}


@dataclass(frozen=True)
class TrainingPlan:
    """How long and how hard to train: AdamW, a schedule, clipping, early stopping.

    Raises:
        ParameterError: RK-351 a value is out of its range.

    >>> TrainingPlan(epochs=0)
    Traceback (most recent call last):
    recsys_kit.errors.ParameterError: RK-351 epochs of the training plan is 0; expected at least 1. Pass epochs=2.
    >>> TrainingPlan(learning_rate=0.1, warmup_share=0.5).rate(step=1, steps=8)
    0.025
    """

    epochs: int = 2
    """Passes over the training rows, at most; the schedule ends with them."""
    learning_rate: float = 3e-4
    """The highest, after the warmup."""
    weight_decay: float = 0.01
    """Share of each matrix that a step takes away, times the learning rate; biases and layer norms do not decay."""
    warmup_share: float = 0.1
    """Share of all steps in which the learning rate rises."""
    max_grad_norm: float | None = 1.0
    """Longer gradients are scaled to this length; None: no clipping."""
    batch_size: int = 16
    """Reviews in a step of `ReviewClassifier`, of all processes together; the other models do not read it.

    On a GPU it is a limit on tokens, those of `batch_size` reviews of the maximum length. A step of short reviews
    holds up to four times `batch_size` reviews.
    """
    seed: int = 7
    """Random seed of `ReviewClassifier`: of the batches and the dropout; the other models do not read it."""
    schedule: str = "linear"
    """A name of `SCHEDULES`."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's decay of the running means of gradients and of their squares."""
    patience: int | None = None
    """Early stopping after this many epochs without a better validation score; None: all epochs."""
    prefer_later: bool = False
    """Of epochs with equal validation scores keep the last; otherwise the first."""
    stop_after: int = 0
    """End after this many of the epochs, with the schedule of all of them; 0: after all."""

    name: ClassVar[str] = "the training plan"

    def __post_init__(self) -> None:
        check_parameters(self)
        if self.schedule not in SCHEDULES:
            problem = f"schedule of the training plan is {self.schedule!r}; expected one of {', '.join(SCHEDULES)}."
            raise ParameterError("RK-351", problem, "Pass schedule='linear'.")

    @property
    def last_epoch(self) -> int:
        """The number of epochs that are trained at most."""
        return min(self.stop_after or self.epochs, self.epochs)

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of a step, counted from 0, of `steps`."""
        return self.learning_rate * SCHEDULES[self.schedule](step, steps, self.warmup_share)
