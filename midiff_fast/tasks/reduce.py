"""Sums over everything but the ensemble axis that do not depend on threads or neighbours."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import pad

_WARP = 32


def member_sum(values: Tensor) -> Tensor:
    """Sum over all axes but the first: [E, …] -> [E].

    On the CPU axis by axis, last first: torch splits a long sum with a single result over the
    threads, which would make a member's last bits depend on the thread count and on the ensemble
    around it. On CUDA it cuts a sum of more terms than a warp has lanes in a way that depends on
    the number of results: there by 32 terms at a time.
    """
    if values.is_cuda:
        return _sum_by_warps(values[..., None].flatten(1))
    while values.dim() > 1:
        values = values.sum(-1)
    return values


def _sum_by_warps(values: Tensor) -> Tensor:
    """[E, S] -> [E] by sums of 32 neighbours, and sums of those."""
    while values.shape[1] > _WARP:
        filled = pad(values, (0, -values.shape[1] % _WARP))
        values = filled.unflatten(1, (-1, _WARP)).sum(-1)
    return values.sum(-1)


def member_mean(values: Tensor) -> Tensor:
    """Mean over all axes but the first: [E, …] -> [E]."""
    return member_sum(values) / max(values.shape[1:].numel(), 1)
