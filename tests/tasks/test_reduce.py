"""Sums of a member's numbers, also in the order that is taken on a GPU."""

from __future__ import annotations

import pytest
import torch

from midiff_fast.tasks.reduce import _sum_by_warps, member_mean, member_sum


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 1024, 1025, 40_001])
def test_sums_by_warps(size: int) -> None:
    generator = torch.Generator().manual_seed(size)
    values = torch.randn(3, size, generator=generator, dtype=torch.float64, requires_grad=True)
    total = _sum_by_warps(values)
    torch.testing.assert_close(total, values.sum(1), rtol=0.0, atol=1e-11)
    (gradient,) = torch.autograd.grad(total.sum(), values)
    assert torch.equal(gradient, torch.ones_like(values))


def test_all_axes_but_the_first() -> None:
    values = torch.arange(24.0).reshape(2, 3, 4)
    assert member_sum(values).tolist() == [66.0, 210.0]
    assert member_mean(values).tolist() == [5.5, 17.5]
    assert member_sum(values[:, 0, 0]).tolist() == [0.0, 12.0]
