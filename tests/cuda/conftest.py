"""Skips this folder where there is no GPU, no torch with CUDA, or no CUDA ops."""

from __future__ import annotations

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
    for item in items:
        if "cuda" in item.path.parts[-2:-1]:
            item.add_marker(pytest.mark.skip(reason=obstacle))
