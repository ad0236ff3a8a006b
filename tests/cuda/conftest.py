"""Skips this folder where there is no GPU, no torch with CUDA, or no CUDA ops.

``MIDIFF_GPU=1`` in the environment makes that an error.
"""

from __future__ import annotations

import os

import pytest
import torch

from midiff_fast import _load


def _obstacle() -> str | None:
    if not torch.cuda.is_available():
        return "torch finds no CUDA device"
    return _load.cuda_obstacle(torch.device("cuda", torch.cuda.current_device()))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    obstacle = _obstacle()
    if obstacle is None:
        return
    if os.environ.get("MIDIFF_GPU") == "1":
        raise pytest.UsageError(f"MIDIFF_GPU=1: {obstacle}")
    for item in items:
        if "cuda" in item.path.parts[-2:-1]:
            item.add_marker(pytest.mark.skip(reason=obstacle))
