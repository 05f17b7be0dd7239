"""The state of a training on disk: one safetensors file for each save, with its settings as JSON; nothing pickled."""

import hashlib
import json
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

Groups = dict[str, dict[str, torch.Tensor]]
"""Tensors by group and name."""
KEPT = 2  # files: the newest may be cut short by a crash


class Checkpoints:
    """A folder of saved states, after each epoch and every `save_every_s` seconds.

    Args:
        folder: is made, and removed when the training has ended.
        key: names all that decides the weights (data, plan, arithmetic); a state of another key is not used.
        save_every_s: seconds between two saves within an epoch; 0 saves whenever the losses are checked.
    """

    def __init__(self, folder: str | Path, key: Any, *, save_every_s: float = 60.0) -> None:
        self.folder, self.save_every_s = Path(folder), save_every_s
        self.key = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
        self._last_save = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether the last save is longer ago than `save_every_s`."""
        return time.monotonic() - self._last_save >= self.save_every_s

    def save(self, epoch: int, step: int, tensors: Groups, settings: Mapping[str, Any]) -> None:
        """Write a state: `epoch` epochs are done, and `step` steps of the next."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.key}-epoch-{epoch:04d}-step-{step:07d}.safetensors"
        writing = path.with_suffix(".writing")
        copies = {f"{group}.{name}": tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
                  for group, named in tensors.items() for name, tensor in named.items()}  # fmt: skip
        save_file(copies, writing, metadata={"settings": json.dumps(settings)})
        os.replace(writing, path)
        for old in self._files()[KEPT:]:
            old.unlink()
        self._last_save = time.monotonic()

    def load(self) -> tuple[Groups, dict[str, Any]] | None:
        """Return tensors and settings of the newest whole state of this training; None if there is none."""
        for path in self._files():
            try:
                with safe_open(path, "pt") as file:
                    tensors: Groups = defaultdict(dict)
                    for key in file.keys():  # noqa: SIM118
                        group, name = key.split(".", 1)
                        tensors[group][name] = file.get_tensor(key)
                    return tensors, json.loads(file.metadata()["settings"])
            except (OSError, ValueError, KeyError, TypeError, SafetensorError):
                continue  # cut short by a crash: the state before it is whole
        return None

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"{self.key}-*.safetensors"), reverse=True)
