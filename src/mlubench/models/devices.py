"""Which device a model is put on."""

import os

import torch

from mlubench.core.errors import UsageError


def pick_device(wish: str) -> torch.device:
    """The device that a setting names. `auto` is a GPU where there is one, else the CPU.

    Raises UsageError for a device that torch cannot use.
    """
    if wish == "auto":
        if not torch.cuda.is_available():
            return torch.device("cpu")
        # torchrun numbers the processes of one machine, so that each takes a GPU of its own.
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    try:
        device = torch.device(wish)
        # A device may have a valid name and still be absent: only an allocation tells.
        torch.zeros(1, device=device)
        if device.type == "meta":
            raise RuntimeError("it holds shapes and no numbers")
    except (RuntimeError, AssertionError):
        raise UsageError(
            f"device {wish!r} is not here", "Use auto, cpu, or a GPU that torch can see, as cuda:0."
        ) from None
    return device
