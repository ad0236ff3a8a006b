"""Random numbers as a function of (seed, purpose, step): no state, the same on every device.

Two members of an ensemble draw exactly what they would draw alone, and a resumed run draws what
the uninterrupted one would have drawn, because nothing is remembered between calls. The numbers
are those of :mod:`midiff_fast.reference`: words, uniforms and permutations to the bit, float32
normals to 1e-6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum

import torch
from torch import Tensor

from .. import _load, reference
from ._common import Backend, check_shape, short, use_fused


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
    backend: Backend = "auto",
) -> Tensor:
    """Uniform numbers in [0, 1) for every seed: ``[E, *size]`` from ``seeds: [E] int64``."""
    count = _check(seeds, purpose, step, size, dtype)
    if use_fused("uniform", backend, {"seeds": seeds}):
        flat = torch.ops.midiff.uniform(seeds, purpose, step, count, dtype)
    else:
        flat = reference.uniform(seeds, purpose, step, count, dtype)
    return flat.reshape(seeds.shape[0], *size)


def normal(
    seeds: Tensor,
    purpose: int,
    step: int,
    size: Sequence[int],
    *,
    std: float = 1.0,
    dtype: torch.dtype = torch.float32,
    backend: Backend = "auto",
) -> Tensor:
    """Normal numbers, mean 0, for every seed: ``[E, *size]`` from ``seeds: [E] int64``."""
    count = _check(seeds, purpose, step, size, dtype)
    if use_fused("normal", backend, {"seeds": seeds}):
        flat = torch.ops.midiff.normal(seeds, purpose, step, count, std, dtype)
    else:
        flat = std * reference.normal(seeds, purpose, step, count, dtype)
    return flat.reshape(seeds.shape[0], *size)


def permutation(
    seeds: Tensor, purpose: int, step: int, count: int, *, backend: Backend = "auto"
) -> Tensor:
    """One uniformly drawn permutation of ``range(count)`` per seed: ``[E, count] int64``."""
    _check(seeds, purpose, step, (count,), torch.float32)
    if use_fused("permutation", backend, {"seeds": seeds}):
        return torch.ops.midiff.permutation(seeds, purpose, step, count)
    return reference.permutation(seeds, purpose, step, count)


def _check(seeds: Tensor, purpose: int, step: int, size: Sequence[int], dtype: torch.dtype) -> int:
    """Numbers to draw per seed. Raises TypeError or ValueError naming the argument."""
    check_shape("seeds", seeds, "[E]", (None,))
    if seeds.dtype != torch.int64:
        raise TypeError(f"seeds: expected int64, got {short(seeds.dtype)}")
    for name, value in (("purpose", purpose), ("step", step)):
        if not 0 <= value < 2**32:
            raise ValueError(f"{name}: expected 0 to 2^32 - 1, got {value}")
    if any(length < 0 for length in size):
        raise ValueError(f"size: expected lengths of 0 or more, got {list(size)}")
    if dtype not in (torch.float32, torch.float64):
        raise TypeError(f"dtype: expected float32 or float64, got {short(dtype)}")
    return math.prod(size)


if _load.available:

    @torch.library.register_fake("midiff::uniform")
    def _uniform_fake(
        seeds: Tensor, purpose: int, step: int, count: int, dtype: torch.dtype
    ) -> Tensor:
        return seeds.new_empty((seeds.shape[0], count), dtype=dtype)

    @torch.library.register_fake("midiff::normal")
    def _normal_fake(
        seeds: Tensor, purpose: int, step: int, count: int, std: float, dtype: torch.dtype
    ) -> Tensor:
        return seeds.new_empty((seeds.shape[0], count), dtype=dtype)

    @torch.library.register_fake("midiff::permutation")
    def _permutation_fake(seeds: Tensor, purpose: int, step: int, count: int) -> Tensor:
        return seeds.new_empty((seeds.shape[0], count))
