"""The clipped ramp ``s_t = clip(s_{t-1} + d_t, -limit, limit)`` without a loop over time."""

from __future__ import annotations

import torch
from torch import Tensor


def clipped_ramp(increments: Tensor, limit: float) -> Tensor:
    """s_1 … s_T from s_0 = 0 along the last axis: increments [..., T] -> [..., T].

    Every step is a function x -> min(max(x + c, low), high). Such functions compose into one of
    their own kind, so log2(T) rounds of pairwise composition give all prefixes (an inclusive
    scan). Exact where the increments and the limit are integers.
    """
    shift = increments.clone()
    low = torch.full_like(increments, -limit)
    high = torch.full_like(increments, limit)
    reach = 1
    while reach < increments.shape[-1]:
        # First the function of the steps up to t - reach, then that of the `reach` steps up to t.
        before = tuple(part[..., :-reach] for part in (shift, low, high))
        after = tuple(part[..., reach:] for part in (shift, low, high))
        composed = (
            before[0] + after[0],
            torch.minimum(torch.maximum(before[1] + after[0], after[1]), after[2]),
            torch.minimum(torch.maximum(before[2] + after[0], after[1]), after[2]),
        )
        shift, low, high = (
            torch.cat((part[..., :reach], new), dim=-1)
            for part, new in zip((shift, low, high), composed, strict=True)
        )
        reach *= 2
    return torch.minimum(torch.maximum(shift, low), high)
