"""Sums over everything but the ensemble axis that do not depend on threads or neighbours."""

from __future__ import annotations

from torch import Tensor


def member_sum(values: Tensor) -> Tensor:
    """Sum over all axes but the first: [E, …] -> [E].

    Axis by axis, last first: torch splits a long sum with a single result over the threads, which
    would make a member's last bits depend on the thread count and on the ensemble around it.
    """
    while values.dim() > 1:
        values = values.sum(-1)
    return values


def member_mean(values: Tensor) -> Tensor:
    """Mean over all axes but the first: [E, …] -> [E]."""
    return member_sum(values) / max(values.shape[1:].numel(), 1)
