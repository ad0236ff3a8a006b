"""Random numbers as a function of (seed, purpose, step): no state, the same on every device.

Two members of an ensemble draw exactly what they would draw alone, and a resumed run draws what
the uninterrupted one would have drawn, because nothing is remembered between calls.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum

import torch
from torch import Tensor

from .. import reference


class Purpose(IntEnum):
    """What numbers are drawn for. The value is part of the counter: never renumber."""

    WEIGHTS = 1
    CRITIC_WEIGHTS = 2
    SIGNALS = 3
    INITIAL_STATE = 4
    STATE_NOISE = 5
    SAMPLE_NOISE_A = 6
    SAMPLE_NOISE_B = 7
    PERMUTATION = 8
    SUBSAMPLE = 9
    ANALYSIS = 10


def uniform(
    seeds: Tensor,
    purpose: int,
    step: int,
    size: Sequence[int],
    *,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Uniform numbers in [0, 1) for every seed: ``[E, *size]`` from ``seeds: [E] int64``."""
    flat = reference.uniform(seeds, purpose, step, math.prod(size), dtype)
    return flat.reshape(len(seeds), *size)


def normal(
    seeds: Tensor,
    purpose: int,
    step: int,
    size: Sequence[int],
    *,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Standard normal numbers for every seed: ``[E, *size]`` from ``seeds: [E] int64``."""
    flat = reference.normal(seeds, purpose, step, math.prod(size), dtype)
    return flat.reshape(len(seeds), *size)


def permutation(seeds: Tensor, purpose: int, step: int, count: int) -> Tensor:
    """One uniformly drawn permutation of ``range(count)`` per seed: ``[E, count] int64``."""
    return reference.permutation(seeds, purpose, step, count)
