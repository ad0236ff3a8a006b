"""The clipped ramp ``s_t = clip(s_{t-1} + d_t, -limit, limit)`` without a loop over time."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class _Steps(NamedTuple):
    """Functions x -> min(max(x + shift, low), high), one per entry."""

    shift: Tensor
    low: Tensor
    high: Tensor

    def apply(self, values: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(values + self.shift, self.low), self.high)

    def every_other(self, first: int, count: int) -> _Steps:
        return _Steps(*(part[..., first : first + 2 * count : 2] for part in self))

    def then(self, later: _Steps) -> _Steps:
        """These functions followed by others; again of the same kind."""
        return _Steps(self.shift + later.shift, later.apply(self.low), later.apply(self.high))


def clipped_ramp(increments: Tensor, limit: float) -> Tensor:
    """s_1 … s_T from s_0 = 0 along the last axis: increments [..., T] -> [..., T].

    Two steps of the ramp are one function of the same kind, so a ramp of T steps follows from the
    ramp of its T/2 pairs: log2(T) rounds, with work proportional to T in all. Exact where the
    increments and the limit are integers.
    """
    bounds = (torch.full_like(increments, -limit), torch.full_like(increments, limit))
    return _values(_Steps(increments, *bounds))


def _values(steps: _Steps) -> Tensor:
    """The value after every step, from 0: [..., T]."""
    count = steps.shift.shape[-1]
    if count == 0:
        return steps.shift
    values = torch.empty_like(steps.shift)
    pairs = count // 2
    first = steps.every_other(0, count - pairs)
    before = torch.zeros_like(values[..., 0::2])
    if pairs:
        second = steps.every_other(1, pairs)
        after_pairs = _values(steps.every_other(0, pairs).then(second))
        values[..., 1::2] = after_pairs
        before[..., 1:] = after_pairs[..., : count - pairs - 1]
    values[..., 0::2] = first.apply(before)
    return values
