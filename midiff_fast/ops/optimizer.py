"""Optimizer steps as ops, on CUDA: all weights of all members of an ensemble in one launch.

There is none for the CPU, which takes the definitions in :mod:`midiff_fast.training.optimizers`
as they stand: a step there is a small part of a pass.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .. import _load
from ._common import Backend, use_fused


def fused_step_exists(parameters: Sequence[Tensor], backend: Backend) -> bool:
    """Whether the ops step these parameters."""
    if not parameters or not all(parameter.is_cuda for parameter in parameters):
        return False
    named = {f"parameter {number}": parameter for number, parameter in enumerate(parameters)}
    return use_fused("optimizer step", backend, named)


def rmsprop_step(
    parameters: Sequence[Tensor],  # [E, …] each
    squares: Sequence[Tensor],  # like the parameters
    gradients: Sequence[Tensor],  # like the parameters
    *,
    rate: float,
    rho: float,
    epsilon: float,
    clip_norm: float | None,
    clip_value: float | None,
) -> None:
    """Step the parameters and the running means of squares in place."""
    lists = list(parameters), list(squares), list(gradients)
    with torch.no_grad():
        torch.ops.midiff.rmsprop_step(*lists, rate, rho, epsilon, clip_norm, clip_value)
    torch.autograd.graph.increment_version(lists[0])


def adam_step(
    parameters: Sequence[Tensor],  # [E, …] each
    means: Sequence[Tensor],  # like the parameters
    squares: Sequence[Tensor],  # like the parameters
    gradients: Sequence[Tensor],  # like the parameters
    *,
    rate: float,
    betas: tuple[float, float],
    epsilon: float,
    clip_norm: float | None,
    clip_value: float | None,
) -> None:
    """Step the parameters and both running means in place; ``rate`` has the bias correction."""
    lists = list(parameters), list(means), list(squares), list(gradients)
    with torch.no_grad():
        torch.ops.midiff.adam_step(*lists, rate, *betas, epsilon, clip_norm, clip_value)
    torch.autograd.graph.increment_version(lists[0])


if _load.available:

    @torch.library.register_fake("midiff::rmsprop_step")
    def _rmsprop_fake(
        parameters: list[Tensor],
        squares: list[Tensor],
        gradients: list[Tensor],
        rate: float,
        rho: float,
        epsilon: float,
        clip_norm: float | None,
        clip_value: float | None,
    ) -> None:
        return None

    @torch.library.register_fake("midiff::adam_step")
    def _adam_fake(
        parameters: list[Tensor],
        means: list[Tensor],
        squares: list[Tensor],
        gradients: list[Tensor],
        rate: float,
        beta1: float,
        beta2: float,
        epsilon: float,
        clip_norm: float | None,
        clip_value: float | None,
    ) -> None:
        return None
