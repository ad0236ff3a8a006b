"""The leaky tanh RNN as an op: fused where it can be, eager where it must be."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from .. import reference

Backend = Literal["auto", "fused", "eager"]


def leaky_rnn(
    input: Tensor,  # [E, B, T, I]
    h0: Tensor,  # [E, B, N]
    weight_ih: Tensor,  # [E, N, I]
    weight_hh: Tensor,  # [E, N, N]
    bias: Tensor,  # [E, N]
    alpha: float,
    noise: Tensor | None = None,  # [E, B, T, N]
    *,
    keep: Literal["all", "last"] = "all",
    backend: Backend = "auto",
) -> Tensor:
    """States [E, B, T, N], or only the last one [E, B, N] for ``keep="last"``."""
    states = reference.leaky_rnn(input, h0, weight_ih, weight_hh, bias, alpha, noise)
    if keep == "all":
        return states
    return states[:, :, -1] if states.shape[2] else h0
