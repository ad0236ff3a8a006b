"""The plain PyTorch definition of every op: the oracle of the tests and the ``eager`` backend.

Written independently of the C++ code, from the equations alone. Every function takes the ensemble
axis E on every argument; ``midiff_fast.functional`` is the public face that makes it optional.
Axes are always [E, B, T, N] = ensemble, batch, time, units.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .systems import Slope


class CriticWeights(NamedTuple):
    """Weights of MINE's statistics network, H hidden units on groups of A and B variables.

    Each tensor may carry a leading ensemble axis E. ``bias_out`` is None for a critic without an
    output bias (a constant added to T leaves the Donsker-Varadhan bound unchanged).
    """

    weight_a: Tensor  # [H, A]
    bias_a: Tensor  # [H]
    weight_b: Tensor  # [H, B]
    bias_b: Tensor  # [H]
    weight_h: Tensor  # [H, H]
    bias_h: Tensor  # [H]
    weight_out: Tensor  # [H]
    bias_out: Tensor | None = None  # []


def leaky_rnn(
    input: Tensor,  # [E, B, T, I]
    h0: Tensor,  # [E, B, N]
    weight_ih: Tensor,  # [E, N, I]
    weight_hh: Tensor,  # [E, N, N]
    bias: Tensor,  # [E, N]
    alpha: float,
    noise: Tensor | None = None,  # [E, B, T, N]
) -> Tensor:
    """States x_1 … x_T of ``x_t = (1-α) x_{t-1} + α (W_ih i_t + W_hh tanh x_{t-1} + b) + ξ_t``.

    Returns [E, B, T, N]. The input product of all steps is one matrix product, and the parts of a
    step that do not depend on the state are prepared ahead of the loop.
    """
    drive = torch.einsum("ebti,eni->tebn", input, weight_ih) + bias[None, :, None, :]
    drive = alpha * drive
    if noise is not None:
        drive = drive + noise.permute(2, 0, 1, 3)
    recurrent = (alpha * weight_hh).transpose(1, 2)  # [E, N, N]
    state = h0
    states = []
    for drive_now in drive.unbind(0):  # indexing instead would cost T² in the backward pass
        leak = torch.add(drive_now, state, alpha=1.0 - alpha)
        state = torch.baddbmm(leak, torch.tanh(state), recurrent)
        states.append(state)
    if not states:
        return h0.new_zeros(h0.shape[0], h0.shape[1], 0, h0.shape[2]) + 0 * drive.sum()
    return torch.stack(states, dim=2)


def gru(
    input: Tensor,  # [E, B, T, I]
    h0: Tensor,  # [E, B, H]
    weight_ih: Tensor,  # [E, 3H, I]
    weight_hh: Tensor,  # [E, 3H, H]
    bias_ih: Tensor,  # [E, 3H]
    bias_hh: Tensor,  # [E, 3H]
) -> Tensor:
    """Hidden states h_1 … h_T of the gated recurrent unit of ``torch.nn.GRU``: [E, B, T, H].

    ``r = σ(W_ir i + b_ir + W_hr h + b_hr)``, ``z`` likewise, ``n = tanh(W_in i + b_in + r (W_hn h +
    b_hn))`` and ``h_t = (1-z) n + z h_{t-1}``; the rows of the weights are those of r, z, n.
    """
    drive = torch.einsum("ebti,egi->tebg", input, weight_ih) + bias_ih[None, :, None, :]
    recurrent = weight_hh.transpose(1, 2)  # [E, H, 3H]
    bias = bias_hh[:, None, :]  # [E, 1, 3H]
    state = h0
    states = []
    for drive_now in drive.unbind(0):
        input_r, input_z, input_n = drive_now.chunk(3, dim=2)
        state_r, state_z, state_n = torch.baddbmm(bias, state, recurrent).chunk(3, dim=2)
        reset = torch.sigmoid(input_r + state_r)
        update = torch.sigmoid(input_z + state_z)
        candidate = torch.tanh(input_n + reset * state_n)
        state = (1 - update) * candidate + update * state
        states.append(state)
    if not states:
        return h0.new_zeros(h0.shape[0], h0.shape[1], 0, h0.shape[2]) + 0 * drive.sum()
    return torch.stack(states, dim=2)


def statistics_network(
    a: Tensor,  # [E, S, A]
    b: Tensor,  # [E, S, B]
    weights: CriticWeights,
    negative_slope: float,
) -> Tensor:
    """T(a, b) of Tomoda et al. 2025 for every sample: [E, S]."""
    first = torch.baddbmm(weights.bias_a[:, None, :], a, weights.weight_a.transpose(1, 2))
    first = first + torch.baddbmm(weights.bias_b[:, None, :], b, weights.weight_b.transpose(1, 2))
    first = torch.nn.functional.leaky_relu(first, negative_slope)
    hidden = torch.baddbmm(weights.bias_h[:, None, :], first, weights.weight_h.transpose(1, 2))
    hidden = torch.nn.functional.leaky_relu(hidden, negative_slope)
    out = (hidden @ weights.weight_out[:, :, None]).squeeze(2)
    return out if weights.bias_out is None else out + weights.bias_out[:, None]


def donsker_varadhan(
    a: Tensor,  # [E, S, A]
    b: Tensor,  # [E, S, B]
    permutation: Tensor,  # [E, S] int64
    weights: CriticWeights,
    negative_slope: float = 0.0,
    marginal_b: Tensor | None = None,  # [E, S, B]
) -> Tensor:
    """Donsker-Varadhan bound ``mean T(a_i, b_i) - log mean exp T(a_i, b_π(i))`` in nats: [E].

    ``marginal_b`` are the samples that are shuffled; ``b`` itself where None.
    """
    shuffled = b if marginal_b is None else marginal_b
    shuffled = torch.gather(shuffled, 1, permutation[:, :, None].expand(-1, -1, b.shape[2]))
    joint = statistics_network(a, b, weights, negative_slope)
    product = statistics_network(a, shuffled, weights, negative_slope)
    return joint.mean(1) - (torch.logsumexp(product, 1) - math.log(a.shape[1]))


def trajectories(
    slope: Slope,
    initial: Tensor,  # [M, D] float64
    parameters: Tensor,  # [M, P] float64
    interval: float,
    samples: int,
    substeps: int,
) -> Tensor:
    """States at times 0, interval, … of ``dx/dt = slope(x, parameters)``: [M, samples, D].

    Butcher's sixth-order Runge-Kutta scheme in seven stages, ``substeps`` equal steps between two
    samples. Every product and every sum is rounded by itself, in the order written here: chaos
    would make another trajectory of any other rounding.
    """
    step, parameters = interval / substeps, parameters.T

    def slope_at(increment: Tensor) -> Tensor:
        return slope(state + step * increment, parameters)

    state = initial.T
    kept = [state]
    for _ in range(samples - 1):
        for _ in range(substeps):
            k1 = slope(state, parameters)
            k2 = slope_at(1 / 3 * k1)
            k3 = slope_at(2 / 3 * k2)
            k4 = slope_at(1 / 12 * (k1 - k3) + 1 / 3 * k2)
            k5 = slope_at(9 / 8 * k2 - 1 / 16 * k1 - 3 / 16 * k3 - 3 / 8 * k4)
            k6 = slope_at(9 / 8 * k2 - 3 / 8 * k3 - 3 / 4 * k4 + 1 / 2 * k5)
            k7 = slope_at(9 / 44 * k1 - 9 / 11 * k2 + 63 / 44 * k3 + 18 / 11 * k4 - 16 / 11 * k6)
            mean = 27 / 40 * (k3 + k4) - 4 / 15 * (k5 + k6) + 11 / 120 * (k1 + k7)
            state = state + step * mean
        kept.append(state)
    return torch.stack(kept).permute(2, 0, 1)


# Philox 4x32-10 (Salmon et al., SC 2011), on int64 tensors that hold 32-bit words.
_ROUNDS = 10
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_MASK = 0xFFFFFFFF


def philox_bits(seeds: Tensor, purpose: int, step: int, count: int) -> Tensor:
    """The first ``count`` 32-bit words of each seed's stream (purpose, step): [E, count] int64.

    Key = the 64-bit seed; counter = (block, block >> 32, step, purpose); word i is word i % 4 of
    block i // 4.
    """
    device = seeds.device
    blocks = (count + 3) // 4
    block = torch.arange(blocks, device=device, dtype=torch.int64)[None, :]
    words = [
        (block & _MASK).expand(len(seeds), -1),
        (block >> 32).expand(len(seeds), -1),
        torch.full_like(block, step & _MASK).expand(len(seeds), -1),
        torch.full_like(block, purpose & _MASK).expand(len(seeds), -1),
    ]
    keys = [(seeds & _MASK)[:, None], ((seeds >> 32) & _MASK)[:, None]]
    for _ in range(_ROUNDS):
        high0, low0 = _multiply(words[0], _MULTIPLIERS[0])
        high1, low1 = _multiply(words[2], _MULTIPLIERS[1])
        words = [high1 ^ words[1] ^ keys[0], low1, high0 ^ words[3] ^ keys[1], low0]
        keys = [(keys[0] + _KEY_STEPS[0]) & _MASK, (keys[1] + _KEY_STEPS[1]) & _MASK]
    return torch.stack(words, dim=2).reshape(len(seeds), 4 * blocks)[:, :count]


def _multiply(word: Tensor, constant: int) -> tuple[Tensor, Tensor]:
    """High and low 32 bits of a 32 x 32-bit product; in two halves, since int64 is signed."""
    low_half, high_half = word & 0xFFFF, word >> 16
    low = low_half * constant
    middle = high_half * constant + (low >> 16)
    return middle >> 16, ((middle << 16) | (low & 0xFFFF)) & _MASK


def uniform(seeds: Tensor, purpose: int, step: int, count: int, dtype: torch.dtype) -> Tensor:
    """Uniform in [0, 1): the top 24 bits of each word times 2^-24, exact in float32: [E, count]."""
    return (philox_bits(seeds, purpose, step, count) >> 8).to(dtype) * 2.0**-24


def normal(seeds: Tensor, purpose: int, step: int, count: int, dtype: torch.dtype) -> Tensor:
    """Standard normals by Box-Muller from words (2j, 2j + 1) -> normals (2j, 2j + 1): [E, count].

    u = (word + 0.5) 2^-32 for the radius √(-2 ln u), angle 2π · word · 2^-32; cosine first.
    """
    bits = philox_bits(seeds, purpose, step, count + count % 2).to(torch.float64)
    radius = torch.sqrt(-2.0 * torch.log((bits[:, 0::2] + 0.5) * 2.0**-32))
    angle = bits[:, 1::2] * (2.0 * math.pi * 2.0**-32)
    pairs = torch.stack((radius * torch.cos(angle), radius * torch.sin(angle)), dim=2)
    return pairs.flatten(1)[:, :count].to(dtype)


def permutation(seeds: Tensor, purpose: int, step: int, count: int) -> Tensor:
    """A uniformly drawn permutation of 0 … count-1: the stable sort of keyed words: [E, count]."""
    return torch.argsort(philox_bits(seeds, purpose, step, count), dim=1, stable=True)
