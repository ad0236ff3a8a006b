"""MINE: mutual information between two groups of variables, estimated by a small critic."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .. import functional
from ..ops._common import Backend, check_backend
from ..ops._ensemble import with_ensemble_axis
from ..ops.mine import SampleNoise
from ..reference import CriticWeights
from ..reference import statistics_network as _statistics_network


class StatisticsNetwork(nn.Module):
    """MINE's critic T(a, b): two input projections added, one hidden layer, a scalar output.

    ``T(a, b) = W_o · act(W_h · act(W_a a + b_a + W_b b + b_b) + b_h) + b_o`` with ``act`` a leaky
    ReLU (Tomoda et al. 2025). ``b_a`` and ``b_b`` stay two parameters, because an optimiser steps
    each of them.

    Args:
        a_size, b_size: variables in each group; they may differ.
        hidden_size: width H of both hidden layers.
        negative_slope: slope of ``act`` below zero, 0 (ReLU) to 1.
        output_bias: whether there is a ``b_o``. The bound does not depend on it.
        ensemble: number of members E; every parameter then has a leading axis E.
    """

    def __init__(
        self,
        a_size: int,
        b_size: int,
        hidden_size: int = 512,
        *,
        negative_slope: float = 0.0,
        output_bias: bool = True,
        ensemble: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, value in (
            ("a_size", a_size),
            ("b_size", b_size),
            ("hidden_size", hidden_size),
            ("ensemble", 1 if ensemble is None else ensemble),
        ):
            if value < 1:
                raise ValueError(f"{name}: expected at least 1, got {value}")
        if not 0.0 <= negative_slope <= 1.0:
            raise ValueError(f"negative_slope: expected 0 to 1, got {negative_slope}")
        self.a_size = a_size
        self.b_size = b_size
        self.hidden_size = hidden_size
        self.negative_slope = negative_slope
        self.ensemble = ensemble
        members = () if ensemble is None else (ensemble,)

        def parameter(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros((*members, *shape), device=device, dtype=dtype))

        self.weight_a = parameter(hidden_size, a_size)
        self.bias_a = parameter(hidden_size)
        self.weight_b = parameter(hidden_size, b_size)
        self.bias_b = parameter(hidden_size)
        self.weight_h = parameter(hidden_size, hidden_size)
        self.bias_h = parameter(hidden_size)
        self.weight_out = parameter(hidden_size)
        self.bias_out: nn.Parameter | None
        self.register_parameter("bias_out", parameter() if output_bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Glorot uniform weights from torch's generator, biases zero."""
        fans = (
            (self.weight_a, self.a_size + self.hidden_size),
            (self.weight_b, self.b_size + self.hidden_size),
            (self.weight_h, 2 * self.hidden_size),
            (self.weight_out, self.hidden_size + 1),
        )
        with torch.no_grad():
            for weight, fan in fans:
                limit = math.sqrt(6.0 / fan)
                weight.uniform_(-limit, limit)
            for bias in (self.bias_a, self.bias_b, self.bias_h, self.bias_out):
                if bias is not None:
                    bias.zero_()

    def weights(self) -> CriticWeights:
        """The parameters in the order that the functional form takes them."""
        return CriticWeights(
            self.weight_a,
            self.bias_a,
            self.weight_b,
            self.bias_b,
            self.weight_h,
            self.bias_h,
            self.weight_out,
            self.bias_out,
        )

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """T of each sample: [S] (or [E, S]) from a [S, A] and b [S, B]; always eager."""
        weights = self.weights()
        given, ensemble = with_ensemble_axis(
            {
                "weight_a": (weights.weight_a, "H A"),
                "weight_b": (weights.weight_b, "H B"),
                "a": (a, "S A"),
                "b": (b, "S B"),
            }
        )
        members = given["a"].shape[0]  # type: ignore[union-attr]
        if self.ensemble is None:
            weights = CriticWeights._make(
                None if w is None else w.expand(members, *w.shape) for w in weights
            )
        scores = _statistics_network(given["a"], given["b"], weights, self.negative_slope)  # type: ignore[arg-type]
        return scores if ensemble else scores[0]

    def extra_repr(self) -> str:
        members = "" if self.ensemble is None else f", ensemble={self.ensemble}"
        return (
            f"{self.a_size}, {self.b_size}, hidden_size={self.hidden_size}, "
            f"negative_slope={self.negative_slope}, output_bias={self.bias_out is not None}"
            + members
        )


class MINE(StatisticsNetwork):
    """Mutual information neural estimation (Belghazi et al. 2018), the Donsker-Varadhan bound.

    >>> mine = MINE(20, 20, hidden_size=512)
    >>> mi = mine(a, b)          # a [S, 20], b [S, 20] -> nats, differentiable in a, b and weights

    The estimate never exceeds log S, can be negative, and is only as tight as the critic is
    trained: train its parameters to *maximise* the returned value.
    """

    def __init__(
        self,
        a_size: int,
        b_size: int,
        hidden_size: int = 512,
        *,
        negative_slope: float = 0.0,
        output_bias: bool = True,
        ensemble: int | None = None,
        backend: Backend = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            a_size,
            b_size,
            hidden_size,
            negative_slope=negative_slope,
            output_bias=output_bias,
            ensemble=ensemble,
            device=device,
            dtype=dtype,
        )
        check_backend(backend)
        self.backend: Backend = backend

    def forward(
        self,
        a: Tensor,
        b: Tensor,
        permutation: Tensor | None = None,
        marginal_b: Tensor | None = None,
        noise: SampleNoise | None = None,
    ) -> Tensor:
        """Lower bound on I(a; b) in nats: [] or [E].

        Args:
            a: [S, A] or [E, S, A] samples of the first group.
            b: [S, B] or [E, S, B] samples of the second group, paired with ``a``.
            permutation: [S] or [E, S] int64, the pairing (a_i, b_π(i)) of the shuffled term;
                drawn from torch's generator if None.
            marginal_b: samples to shuffle in place of ``b`` (for example without added noise).
            noise: drawn on ``a`` and ``b``; see :func:`midiff_fast.functional.donsker_varadhan`.
        """
        if a.dim() < 2:
            raise ValueError(f"a: expected [S, {self.a_size}], got {list(a.shape)}")
        if permutation is None:
            members = () if self.ensemble is None else (self.ensemble,)
            permutation = torch.rand(*members, a.shape[-2], device=a.device).argsort(-1)
        return functional.donsker_varadhan(
            a,
            b,
            permutation,
            self.weights(),
            self.negative_slope,
            marginal_b=marginal_b,
            noise=noise,
            backend=self.backend,
        )
