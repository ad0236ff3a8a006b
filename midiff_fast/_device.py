"""Which device a training runs on: what "auto" takes, and what can be asked for."""

from __future__ import annotations

import re
from typing import NamedTuple

import torch

from . import _load
from .runs.errors import ConfigError


class Choice(NamedTuple):
    """A device, and in words why it is that one."""

    device: torch.device
    reason: str


def automatic_device() -> Choice:
    """CUDA where torch finds a device and the CUDA ops are loaded, else the CPU."""
    obstacle = _obstacle(0)
    if obstacle is None and not _load.cuda_available:
        obstacle = _load.cuda_reason
    if obstacle is not None:
        return Choice(torch.device("cpu"), obstacle)
    device = torch.device("cuda", torch.cuda.current_device())
    return Choice(device, f"{torch.cuda.get_device_name(device)}, and {_load.cuda_reason}")


def choose_device(name: str | torch.device) -> torch.device:
    """The device of this name: "auto", "cpu", "cuda" (torch's current one) or "cuda:1".

    Raises:
        ConfigError: another name, or a device that is not there; the message says why.
    """
    if name == "auto":
        return automatic_device().device
    match = re.fullmatch(r"cpu|cuda(?::(\d+))?", str(name))
    if match is None:
        raise ConfigError(f"device: expected auto, cpu, cuda or such as cuda:1, got {str(name)!r}")
    if match[0] == "cpu":
        return torch.device("cpu")
    obstacle = _obstacle(int(match[1] or 0))
    if obstacle is not None:
        raise ConfigError(f"device {name} is not possible: {obstacle}")
    index = torch.cuda.current_device() if match[1] is None else int(match[1])
    return torch.device("cuda", index)


def _obstacle(index: int) -> str | None:
    """Why there is no CUDA device of this number; None where there is one."""
    if not torch.cuda.is_available():
        if torch.version.cuda is None:
            return f"torch {torch.__version__} was built without CUDA"
        return "torch finds no CUDA device"
    count = torch.cuda.device_count()
    if index >= count:
        return f"torch finds {count} CUDA device{'s' if count > 1 else ''}, numbered from 0"
    return None
