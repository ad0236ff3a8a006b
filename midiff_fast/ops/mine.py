"""The Donsker-Varadhan bound of MINE as an op."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from .. import reference
from ..reference import CriticWeights

Backend = Literal["auto", "fused", "eager"]


def donsker_varadhan(
    a: Tensor,  # [E, S, A]
    b: Tensor,  # [E, S, B]
    permutation: Tensor,  # [E, S] int64
    weights: CriticWeights,
    negative_slope: float = 0.0,
    *,
    marginal_b: Tensor | None = None,  # [E, S, B]
    backend: Backend = "auto",
) -> Tensor:
    """MI in nats: [E]."""
    return reference.donsker_varadhan(a, b, permutation, weights, negative_slope, marginal_b)
