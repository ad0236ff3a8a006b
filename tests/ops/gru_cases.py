"""Arguments of the GRU for its tests."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Arguments(NamedTuple):
    """The tensors of ``ops.gru.gru``, E in front of each."""

    input: Tensor  # [E, B, T, I]
    h0: Tensor  # [E, B, H]
    weight_ih: Tensor  # [E, 3H, I]
    weight_hh: Tensor  # [E, 3H, H]
    bias_ih: Tensor  # [E, 3H]
    bias_hh: Tensor  # [E, 3H]

    def with_gradients(self) -> Arguments:
        """Copies that require gradients, strides kept."""
        return Arguments(*(t.detach().requires_grad_() for t in self))

    def member(self, index: int) -> Arguments:
        """The arguments of one member, as an ensemble of one."""
        return Arguments(*(t[index : index + 1].clone() for t in self))


def make(
    members: int,
    batch: int,
    steps: int,
    inputs: int,
    units: int,
    *,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> Arguments:
    """Random arguments of a size at which the gates are neither silent nor saturated."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator, dtype=dtype)

    return Arguments(
        normal(members, batch, steps, inputs),
        normal(members, batch, units),
        normal(members, 3 * units, inputs) * (1.0 / inputs**0.5),
        normal(members, 3 * units, units) * (1.2 / units**0.5),
        normal(members, 3 * units) * 0.3,
        normal(members, 3 * units) * 0.3,
    )
