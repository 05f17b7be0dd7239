"""The one training loop: a module, an objective and a plan become trained weights."""
# ruff: noqa: F401

from recsys_kit.training.batches import group_by_length
from recsys_kit.training.checkpoints import Checkpoints
from recsys_kit.training.plan import TrainingPlan
from recsys_kit.training.processes import Processes
from recsys_kit.training.trainer import Trainer
