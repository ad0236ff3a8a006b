"""The ops as functions; the leading ensemble axis E is optional on every argument."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from .ops import leaky as _leaky
from .ops import mine as _mine
from .reference import CriticWeights

Backend = Literal["auto", "fused", "eager"]


def leaky_rnn(
    input: Tensor,
    h0: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor,
    alpha: float,
    noise: Tensor | None = None,
    *,
    keep: Literal["all", "last"] = "all",
    backend: Backend = "auto",
) -> Tensor:
    """States of the leaky tanh RNN; see :func:`midiff_fast.reference.leaky_rnn`."""
    if weight_hh.dim() == 3:
        return _leaky.leaky_rnn(
            input, h0, weight_ih, weight_hh, bias, alpha, noise, keep=keep, backend=backend
        )
    states = _leaky.leaky_rnn(
        input[None],
        h0[None],
        weight_ih[None],
        weight_hh[None],
        bias[None],
        alpha,
        None if noise is None else noise[None],
        keep=keep,
        backend=backend,
    )
    return states[0]


def donsker_varadhan(
    a: Tensor,
    b: Tensor,
    permutation: Tensor,
    weights: CriticWeights,
    negative_slope: float = 0.0,
    *,
    marginal_b: Tensor | None = None,
    backend: Backend = "auto",
) -> Tensor:
    """Donsker-Varadhan bound on the mutual information in nats; see ``reference``."""
    if weights.weight_h.dim() == 3:
        return _mine.donsker_varadhan(
            a, b, permutation, weights, negative_slope, marginal_b=marginal_b, backend=backend
        )
    mi = _mine.donsker_varadhan(
        a[None],
        b[None],
        permutation[None],
        CriticWeights(*(None if w is None else w[None] for w in weights)),
        negative_slope,
        marginal_b=None if marginal_b is None else marginal_b[None],
        backend=backend,
    )
    return mi[0]
