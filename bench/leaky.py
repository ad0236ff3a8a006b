"""Leaky RNN at the paper's working-memory shape: fused against PyTorch as fast as it will go.

The opponent is written for this shape, not for generality: one input product for all steps, no
ensemble axis, three calls a step, all views made ahead of the loop, and in place where no gradient
is wanted. torch.compile is left out: it unrolls the loop over time and does not get through 3,000
steps.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from bench._harness import Comparison, compare, save
from midiff_fast import functional

# Batch, transient + learned steps, inputs, units, and α (Tomoda et al. 2025, working memory).
BATCH, STEPS, INPUTS, UNITS = 20, 3000, 4, 40
ALPHA = 0.1


class Case(NamedTuple):
    """Arguments of one pass; the weights require gradients."""

    input: Tensor  # [B, T, I]
    h0: Tensor  # [B, N]
    weight_ih: Tensor  # [N, I]
    weight_hh: Tensor  # [N, N]
    bias: Tensor  # [N]
    noise: Tensor  # [B, T, N]

    def weights(self) -> list[Tensor]:
        return [self.weight_ih, self.weight_hh, self.bias]


def make() -> Case:
    generator = torch.Generator().manual_seed(0)

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator)

    return Case(
        (normal(BATCH, STEPS, INPUTS) > 1).float(),
        normal(BATCH, UNITS),
        (normal(UNITS, INPUTS) * 0.2).requires_grad_(),
        (normal(UNITS, UNITS) / UNITS**0.5).requires_grad_(),
        (normal(UNITS) * 0.1).requires_grad_(),
        normal(BATCH, STEPS, UNITS) * 0.1,
    )


def drive_of(case: Case) -> Tensor:
    """Everything in a step that does not depend on the state: [T, B, N]."""
    drive = torch.addmm(
        ALPHA * case.bias,
        case.input.transpose(0, 1).reshape(-1, INPUTS),
        (ALPHA * case.weight_ih).T,
    )
    return drive.view(STEPS, BATCH, UNITS) + case.noise.transpose(0, 1)


def eager_in_place(case: Case) -> Tensor:
    """States [B, T, N] without gradients: each is made where it stays."""
    states = drive_of(case)
    weight = (ALPHA * case.weight_hh).T.contiguous()
    rates = torch.empty(BATCH, UNITS)
    before = case.h0
    for state in states.unbind(0):
        torch.tanh(before, out=rates)
        state.add_(before, alpha=1 - ALPHA).addmm_(rates, weight)
        before = state
    return states.transpose(0, 1)


def eager_with_gradients(case: Case) -> Tensor:
    """States [B, T, N] with gradients."""
    weight = (ALPHA * case.weight_hh).T
    state = case.h0
    states = []
    for drive in drive_of(case).unbind(0):
        leak = torch.add(drive, state, alpha=1 - ALPHA)
        state = torch.addmm(leak, torch.tanh(state), weight)
        states.append(state)
    return torch.stack(states, 1)


def fused(case: Case) -> Tensor:
    return functional.leaky_rnn(
        case.input,
        case.h0,
        case.weight_ih,
        case.weight_hh,
        case.bias,
        ALPHA,
        case.noise,
        backend="fused",
    )


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def all_close(ours: list[Tensor], theirs: list[Tensor]) -> None:
    """Gradients relative to the largest of each tensor: small ones are sums that cancel."""
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0.0, atol=1e-4 * float(other.abs().max()))


def main() -> list[Comparison]:
    case = make()
    shape = f"{BATCH} x {STEPS} x {UNITS}"
    with torch.no_grad():
        forward = compare(
            "leaky RNN, forward",
            lambda: fused(case),
            lambda: eager_in_place(case),
            close,
            shape=shape,
        )
    grad_states = torch.randn(BATCH, STEPS, UNITS, generator=torch.Generator().manual_seed(1))

    def gradients(states: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad(states, case.weights(), grad_states))

    both = compare(
        "leaky RNN, forward + backward",
        lambda: gradients(fused(case)),
        lambda: gradients(eager_with_gradients(case)),
        all_close,
        shape=shape,
    )
    return [forward, both]


if __name__ == "__main__":
    save("leaky", main())
