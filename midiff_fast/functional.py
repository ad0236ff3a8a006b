"""The ops as functions; the leading ensemble axis E is optional on every argument."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from .ops import gru as _gru
from .ops import leaky as _leaky
from .ops import mine as _mine
from .ops import trajectories as _trajectories
from .ops._common import Backend
from .ops._ensemble import with_ensemble_axis
from .ops.mine import SampleNoise
from .reference import CriticWeights


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
    """States of the leaky tanh RNN of Tomoda et al. 2025, with gradients for every tensor.

    ``x_t = (1-α) x_{t-1} + α (W_ih i_t + W_hh tanh x_{t-1} + b) + ξ_t`` for t = 1 … T, x_0 = h0.
    Elman's RNN is ``alpha=1``. A feedback from a readout folds into the weights, see
    :func:`midiff_fast.nn.fold_feedback`.

    Each tensor may carry a leading ensemble axis E; one without it is shared by all members.
    Everything is float32, or everything float64. Non-finite numbers propagate as in PyTorch.

    Args:
        input: i, [B, T, I].
        h0: initial states x_0, [B, N].
        weight_ih: W_ih, [N, I].
        weight_hh: W_hh, [N, N].
        bias: b, [N].
        alpha: leak rate α, the time step in units of the time constant.
        noise: ξ, added outside α, [B, T, N]; None for none.
        keep: "all" steps, or "last": only x_T. Without gradients the others are then never
            stored.
        backend: "fused" is the compiled op, "eager" the plain PyTorch definition, "auto" the
            first if it can be had. Second derivatives need "eager".

    Returns:
        x_1 … x_T, [B, T, N], or x_T, [B, N] (h0 if T is 0); with E in front if any argument had it.

    Raises:
        ValueError: an argument of the wrong rank, size or device; an unknown backend.
        TypeError: a dtype that differs from the input's, or is not a floating-point one.
        RuntimeError: ``backend="fused"`` where it is not possible.
    """
    tensors, ensemble = with_ensemble_axis(
        {
            "weight_hh": (weight_hh, "N N"),
            "weight_ih": (weight_ih, "N I"),
            "bias": (bias, "N"),
            "input": (input, "B T I"),
            "h0": (h0, "B N"),
            "noise": (noise, "B T N"),
        }
    )
    states = _leaky.leaky_rnn(**tensors, alpha=alpha, keep=keep, backend=backend)  # type: ignore[arg-type]
    return states if ensemble else states[0]


def gru(
    input: Tensor,
    h0: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor,
    bias_hh: Tensor,
    *,
    keep: Literal["all", "last"] = "all",
    backend: Backend = "auto",
) -> Tensor:
    """Hidden states of one layer of gated recurrent units, with gradients for every tensor.

    The equations of ``torch.nn.GRU``, where the reset gate multiplies the recurrent product:
    ``r = σ(W_ir i_t + b_ir + W_hr h_{t-1} + b_hr)``, ``z = σ(W_iz i_t + b_iz + W_hz h_{t-1} +
    b_hz)``, ``n = tanh(W_in i_t + b_in + r (W_hn h_{t-1} + b_hn))``, and ``h_t = (1-z) n +
    z h_{t-1}`` for t = 1 … T, h_0 = h0.

    Each tensor may carry a leading ensemble axis E; one without it is shared by all members.
    Everything is float32, or everything float64. Non-finite numbers propagate as in PyTorch.

    Args:
        input: i, [B, T, I].
        h0: initial states h_0, [B, H].
        weight_ih: W_ir, W_iz, W_in below one another, [3H, I].
        weight_hh: W_hr, W_hz, W_hn, [3H, H].
        bias_ih: b_ir, b_iz, b_in, [3H].
        bias_hh: b_hr, b_hz, b_hn, [3H].
        keep: "all" steps, or "last": only h_T. Without gradients the others are then never
            stored.
        backend: "fused" is the compiled op, "eager" the plain PyTorch definition, "auto" the
            first if it can be had. Second derivatives need "eager".

    Returns:
        h_1 … h_T, [B, T, H], or h_T, [B, H] (h0 if T is 0); with E in front if any argument had it.

    Raises:
        ValueError: an argument of the wrong rank, size or device; an unknown backend.
        TypeError: a dtype that differs from the input's, or is not a floating-point one.
        RuntimeError: ``backend="fused"`` where it is not possible.

    For its gradients the fused op keeps nothing but the states: the gates are computed again, one
    chunk of steps at a time.
    """
    tensors, ensemble = with_ensemble_axis(
        {
            "weight_hh": (weight_hh, "3H H"),
            "weight_ih": (weight_ih, "3H I"),
            "bias_ih": (bias_ih, "3H"),
            "bias_hh": (bias_hh, "3H"),
            "input": (input, "B T I"),
            "h0": (h0, "B H"),
        }
    )
    states = _gru.gru(**tensors, keep=keep, backend=backend)  # type: ignore[arg-type]
    return states if ensemble else states[0]


def donsker_varadhan(
    a: Tensor,
    b: Tensor,
    permutation: Tensor,
    weights: CriticWeights,
    negative_slope: float = 0.0,
    *,
    marginal_b: Tensor | None = None,
    noise: SampleNoise | None = None,
    backend: Backend = "auto",
) -> Tensor:
    """Donsker-Varadhan lower bound on I(a; b) under a given critic (MINE, Belghazi et al. 2018).

    ``mean_i T(a_i, b_i) - log mean_i exp T(a_i, b_π(i))``, differentiable in the samples and in
    every weight of the statistics network T. Each tensor may carry a leading ensemble axis E; one
    without it is shared by all members. Everything is float32, or everything float64.

    Args:
        a: samples of the first group, [S, A].
        b: samples of the second group, paired with ``a``, [S, B].
        permutation: π, [S] int64, each index once. Only the compiled op on the CPU looks whether
            that is so; on CUDA an index out of range makes the bound NaN.
        weights: of the statistics network, see :class:`CriticWeights` for the shapes.
        negative_slope: of the critic's leaky ReLU, 0 to 1.
        marginal_b: what is shuffled in place of ``b``, [S, B]: Tomoda et al. 2025 add noise to the
            joint pairs and shuffle the samples without it.
        noise: added to ``a`` and ``b``, and so to what is shuffled unless that is ``marginal_b``;
            the compiled op draws it where it reads the samples, and stores neither noise nor
            noisy samples.
        backend: "fused" is the compiled op, "eager" the plain PyTorch definition, "auto" the
            first if it can be had. Second derivatives need "eager".

    Returns:
        MI in nats, [] or [E]. It cannot exceed log S, and can be negative.

    Raises:
        ValueError: an argument of the wrong rank, size or device; no samples; an unknown backend.
        TypeError: a dtype that differs from that of ``a``, or is not a floating-point one.
        RuntimeError: ``backend="fused"`` where it is not possible; a ``permutation`` that the
            compiled op on the CPU finds to be none.

    The fused op computes the gradients with the value in one pass and keeps nothing of size S x H.
    """
    tensors, ensemble = with_ensemble_axis(
        {
            "weight_h": (weights.weight_h, "H H"),
            "a": (a, "S A"),
            "b": (b, "S B"),
            "marginal_b": (marginal_b, "S B"),
            "permutation": (permutation, "S"),
            "weight_a": (weights.weight_a, "H A"),
            "bias_a": (weights.bias_a, "H"),
            "weight_b": (weights.weight_b, "H B"),
            "bias_b": (weights.bias_b, "H"),
            "bias_h": (weights.bias_h, "H"),
            "weight_out": (weights.weight_out, "H"),
            "bias_out": (weights.bias_out, ""),
            "noise.seeds": (noise.seeds if isinstance(noise, SampleNoise) else None, ""),
        }
    )
    if isinstance(noise, SampleNoise):
        noise = noise._replace(seeds=tensors["noise.seeds"])  # type: ignore[arg-type]
    mi = _mine.donsker_varadhan(
        tensors["a"],  # type: ignore[arg-type]
        tensors["b"],  # type: ignore[arg-type]
        tensors["permutation"],  # type: ignore[arg-type]
        CriticWeights(**{name: tensors[name] for name in CriticWeights._fields}),  # type: ignore[arg-type]
        negative_slope,
        marginal_b=tensors["marginal_b"],
        noise=noise,
        backend=backend,
    )
    return mi if ensemble else mi[0]


def trajectories(
    system: str,
    initial: Tensor,
    interval: float,
    samples: int,
    *,
    parameters: Tensor | None = None,
    substeps: int | None = None,
    first: int = 0,
    backend: Backend = "auto",
) -> Tensor:
    """Trajectories of a chaotic system, sampled at times 0, ``interval``, 2 ``interval``, ….

    "lorenz": ``x' = σ (y - x), y' = x (ρ - z) - y, z' = x y - β z``; "rossler":
    ``x' = -(y + z), y' = x + a y, z' = b + z (x - c)``. Sixth-order Runge-Kutta in float64 with
    equal steps. A trajectory has the same bits alone or among others, for any number of threads,
    on either backend, and at the beginning of a longer one. It carries no gradients.

    Args:
        system: "lorenz" or "rossler".
        initial: values at time 0, [..., 3] float64; any leading axes.
        interval: time between two samples. For n samples over a duration, both ends included, it
            is the duration over n - 1.
        samples: how many, the initial value among them.
        parameters: [3] float64, or one row for each trajectory, [..., 3] with leading axes that
            broadcast to those of ``initial``. None for the usual ones: (σ, ρ, β) =
            (10, 28, 8/3), (a, b, c) = (0.2, 0.2, 5.7).
        substeps: integration steps from one sample to the next; None for as few as keep a step
            within 0.0075 time units of Lorenz's system, 0.06 of Rössler's. Then the error is below
            1e-6 over 5 and 20 time units, at the usual parameters.
        first: the first sample to keep; those before it are never stored.
        backend: "fused" is the compiled op, "eager" the plain PyTorch definition, "auto" the
            first if it can be had.

    Returns:
        [..., samples - first, 3] float64.

    Raises:
        ValueError: an unknown system or backend; a wrong shape; a number out of its range.
        TypeError: initial values or parameters that are not float64 tensors.
        RuntimeError: a trajectory that does not stay finite, with its parameters and initial
            value; ``backend="fused"`` where it is not possible.
    """
    return _trajectories.trajectories(
        system,
        initial,
        interval,
        samples,
        parameters=parameters,
        substeps=substeps,
        first=first,
        backend=backend,
    ).values
