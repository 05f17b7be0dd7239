"""The device, the number format and the cores that computation uses, and the few lengths that batches are padded to."""

import os

from recsys_kit.errors import ArtifactError

STEP = 8  # tokens: the shortest padded length


def pick_device(device: str = "") -> str:
    """Return `device`, or for "" the best available one. Raise `ArtifactError` (RK-205) if the device is missing."""
    import torch

    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    try:
        kind = torch.device(device or ("cuda" if n_gpus else "cpu"))
        there = (kind.index or 0) < n_gpus if kind.type == "cuda" else torch.empty(0, device=kind) is not None
    except (RuntimeError, AssertionError, NotImplementedError):  # no such name, or not in this build of torch
        there = False
    if not there:
        raise ArtifactError("RK-205", f"device {device!r} is not there.", "Pass device='' to take what is.")
    if kind.type == "cuda":  # cuDNN plans its attention again for every shape of a batch: 50 to 100 ms each
        torch.backends.cuda.enable_cudnn_sdp(False)
    return str(kind)


def pick_dtype(device: str) -> str:
    """ "bfloat16" where the processor computes in it (half the time of float32 on AVX-512 and AMX), else "float32".

    Vectors and trained networks differ a little between the two: the same seed gives the same bytes on one kind of
    processor, not on all. `Vectors.how` and results/text_features.json record the choice.

    >>> pick_dtype("cpu") in ("bfloat16", "float32")
    True
    """
    import torch

    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    able = torch.cpu.get_capabilities()
    return "bfloat16" if able.get("avx512_bf16") or able.get("amx_bf16") else "float32"


def usable_cores() -> int:
    """Return the number of cores that this process may use; all of the machine where the system does not say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return getattr(os, "process_cpu_count", os.cpu_count)() or 1


def padded_length(length: int, max_length: int) -> int:
    """Return `length` rounded up to 8, 16, 32, 64 ..., at most `max_length`.

    >>> padded_length(5, 128), padded_length(17, 128), padded_length(127, 100)
    (8, 32, 100)
    """
    return min(STEP << (max(1, -(-length // STEP)) - 1).bit_length(), max_length)
