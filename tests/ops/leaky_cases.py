"""Arguments of the leaky RNN for its tests."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Arguments(NamedTuple):
    """The tensors of ``ops.leaky.leaky_rnn``, E in front of each."""

    input: Tensor  # [E, B, T, I]
    h0: Tensor  # [E, B, N]
    weight_ih: Tensor  # [E, N, I]
    weight_hh: Tensor  # [E, N, N]
    bias: Tensor  # [E, N]
    noise: Tensor | None  # [E, B, T, N]

    def tensors(self) -> list[Tensor]:
        return [tensor for tensor in self if tensor is not None]

    def with_gradients(self) -> Arguments:
        """Copies that require gradients, strides kept."""
        copies = (None if t is None else t.detach().requires_grad_() for t in self)
        return Arguments(*copies)  # type: ignore[arg-type]

    def member(self, index: int) -> Arguments:
        """The arguments of one member, as an ensemble of one."""
        parts = (None if t is None else t[index : index + 1].clone() for t in self)
        return Arguments(*parts)  # type: ignore[arg-type]


def make(
    members: int,
    batch: int,
    steps: int,
    inputs: int,
    units: int,
    *,
    noise: bool = True,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> Arguments:
    """Random arguments of a size at which the network is neither silent nor saturated."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator, dtype=dtype)

    return Arguments(
        normal(members, batch, steps, inputs),
        normal(members, batch, units),
        normal(members, units, inputs) * 0.5,
        normal(members, units, units) * (1.2 / units**0.5),
        normal(members, units) * 0.3,
        normal(members, batch, steps, units).mul_(0.1) if noise else None,
    )
