"""GRU at the paper's separation shape: fused against torch.nn.GRU, in float32.

T = 10,000 takes some 4 GB for the opponent's backward pass; MIDIFF_BENCH_STEPS=1000 makes do with
less of both.
"""

from __future__ import annotations

import os

import torch
from torch import Tensor

from bench._harness import Comparison, compare, save
from midiff_fast import functional
from midiff_fast._memory import freed_memory_kept

# Batch, steps, inputs and units (Tomoda et al. 2025, chaotic signal separation).
BATCH, INPUTS, UNITS = 50, 3, 100
STEPS = int(os.environ.get("MIDIFF_BENCH_STEPS", "10000"))


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def all_close(ours: list[Tensor], theirs: list[Tensor]) -> None:
    """Gradients relative to the largest of each tensor: small ones are sums that cancel."""
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0.0, atol=1e-4 * float(other.abs().max()))


def main() -> list[Comparison]:
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    module = torch.nn.GRU(INPUTS, UNITS, batch_first=True)
    weights = [weight for _, weight in module.named_parameters()]
    input = torch.rand(BATCH, STEPS, INPUTS, generator=generator) * 2
    h0 = torch.zeros(BATCH, UNITS)
    grad_states = torch.randn(BATCH, STEPS, UNITS, generator=generator)
    shape = f"{BATCH} x {STEPS} x {UNITS}"

    def fused() -> Tensor:
        return functional.gru(input, h0, *weights, backend="fused")

    def of_torch() -> Tensor:
        return module(input)[0]

    def gradients(states: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad(states, weights, grad_states))

    with torch.no_grad():
        forward = compare(
            "GRU, forward", fused, of_torch, close, shape=shape, opponent_name="torch.nn.GRU"
        )
    both = compare(
        "GRU, forward + backward",
        lambda: gradients(fused()),
        lambda: gradients(of_torch()),
        all_close,
        shape=shape,
        opponent_name="torch.nn.GRU",
    )
    return [forward, both]


if __name__ == "__main__":
    with freed_memory_kept():  # both sides: their states alone are 200 MB
        save("gru", main())
