"""The one training loop: a module, an objective and a plan become trained weights."""

from recsys_kit.training.batches import group_by_length
from recsys_kit.training.checkpoints import Checkpoints
from recsys_kit.training.plan import TrainingPlan
from recsys_kit.training.processes import Processes
from recsys_kit.training.trainer import Trainer

__all__ = ["Checkpoints", "Processes", "Trainer", "TrainingPlan", "group_by_length"]
