"""The processes that train one module together: this one alone, or those that torchrun has started."""

import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from recsys_kit.core.hardware import pick_device


class Processes:
    """Device, rank and communication of this process.

    Args:
        device: such as "cpu" or "cuda:1"; "" picks a GPU where there is one. Several processes use one GPU each.
        together: share the work with the other processes of torchrun, if there are any; otherwise each trains alone.

    >>> alone = Processes("cpu")
    >>> alone.count, alone.share([4, 7, 9]), alone.gather("losses")
    (1, [4, 7, 9], ['losses'])
    """

    def __init__(self, device: str = "", *, together: bool = False) -> None:
        self.device, self.count, self.rank = torch.device(pick_device(device)), 1, 0
        if together and int(os.environ.get("WORLD_SIZE", "1")) > 1:
            from accelerate import PartialState

            state = PartialState(cpu=self.device.type == "cpu")  # joins the process group
            self.device, self.count, self.rank = state.device, state.num_processes, state.process_index

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return the module that trains: with several processes it averages their gradients."""
        if self.count == 1:
            return module
        devices = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(module, devices, find_unused_parameters=True)  # an encoder's pooler is unused

    def share(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Return this process's part of the rows of a batch; never empty, so that every process takes every step."""
        if self.count == 1:
            return rows
        part = rows[self.rank :: self.count]
        return part if len(part) else rows[:1]  # rows may be a NumPy array, whose truth value is not its length

    def gather(self, value: Any) -> list[Any]:
        """Return the value that each process passes, in the order of their ranks."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        distributed.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.count > 1:
            distributed.barrier()
