"""Initial weights as functions of (seed, purpose, step), for a whole ensemble at once.

Every initialiser takes ``seeds: [E] int64`` and returns ``[E, ...]``; a member gets exactly what
its seed would get alone. Different weights of one network need different (purpose, step). The
initialisers are those of Tomoda et al. 2025 and its code.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..ops import random as keyed
from ..ops._common import check_shape, short


def draw_seeds(ensemble: int | None) -> Tensor:
    """Seeds for one network, or ``ensemble`` of them, from torch's generator: [E] int64."""
    return torch.randint(2**62, (1 if ensemble is None else ensemble,), dtype=torch.int64)


def checked_seeds(seeds: Tensor | None, ensemble: int | None) -> Tensor:
    """``seeds: [E]`` ([1] for one network), or some from torch's generator where None.

    Raises:
        ValueError: another number of seeds than of members.
        TypeError: seeds that are not int64.
    """
    if seeds is None:
        return draw_seeds(ensemble)
    check_shape("seeds", seeds, "[E]", (1 if ensemble is None else ensemble,))
    if seeds.dtype != torch.int64:
        raise TypeError(f"seeds: expected int64, got {short(seeds.dtype)}")
    return seeds


def gaussian(
    seeds: Tensor,
    purpose: int,
    step: int,
    units: int,
    *,
    gain: float = 1.0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Recurrent weights ~ N(0, gain²/N): [E, N, N]."""
    weights = keyed.normal(seeds, purpose, step, (units, units), dtype=dtype)
    return weights * (gain / math.sqrt(units))


def sparse_gaussian(
    seeds: Tensor,
    purpose: int,
    step: int,
    units: int,
    *,
    probability: float,
    gain: float = 1.0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Recurrent weights, each there with ``probability`` p and then ~ N(0, gain²/(p N)): [E, N, N].

    Raises:
        ValueError: ``probability`` outside (0, 1].
    """
    if not 0.0 < probability <= 1.0:
        raise ValueError(f"probability: expected a number in (0, 1], got {probability}")
    weights = keyed.normal(seeds, purpose, step, (units, units), dtype=dtype)
    # The normals take the first words of the stream, in pairs; the connections take those after.
    taken = units * units + units * units % 2
    chance = keyed.uniform(seeds, purpose, step, (taken + units * units,), dtype=dtype)
    connected = chance[:, taken:].reshape(weights.shape) < probability
    return torch.where(connected, weights * (gain / math.sqrt(probability * units)), 0.0)


def distance_gaussian(
    seeds: Tensor,
    purpose: int,
    step: int,
    units: int,
    *,
    width: float,
    spectral_radius: float = 1.0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Normal weights times exp(-d²/width²), rescaled to ``spectral_radius``: [E, N, N].

    d is the distance of the two units on a circle of N, divided by N (so at most 1/2).

    Raises:
        ValueError: ``width`` not positive, or ``spectral_radius`` negative.
    """
    if not width > 0.0:
        raise ValueError(f"width: expected a positive number, got {width}")
    if not spectral_radius >= 0.0:
        raise ValueError(f"spectral_radius: expected a number >= 0, got {spectral_radius}")
    index = torch.arange(units, dtype=torch.float64)
    apart = (index[:, None] - index[None, :]).abs()
    distance = torch.minimum(apart, units - apart) / units
    weights = keyed.normal(seeds, purpose, step, (units, units), dtype=torch.float64)
    weights = weights * torch.exp(-((distance / width) ** 2)).to(weights.device)
    # One member at a time: a batched solver may round differently from a single one.
    radius = [torch.linalg.eigvals(member).abs().max() for member in weights]
    scaled = [member * (spectral_radius / r) for member, r in zip(weights, radius, strict=True)]
    return _stack(scaled, (units, units), seeds).to(dtype)


def glorot_uniform(
    seeds: Tensor,
    purpose: int,
    step: int,
    out_features: int,
    in_features: int,
    *,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Uniform in ±√(6 / (in + out)) (Glorot and Bengio 2010): [E, out, in]."""
    limit = math.sqrt(6.0 / (in_features + out_features))
    draws = keyed.uniform(seeds, purpose, step, (out_features, in_features), dtype=dtype)
    return (2.0 * draws - 1.0) * limit


def semi_orthogonal(
    seeds: Tensor,
    purpose: int,
    step: int,
    rows: int,
    columns: int,
    *,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Uniformly drawn with orthonormal rows or columns, whichever are fewer: [E, rows, columns].

    A GRU's recurrent weights ``weight_hh_l0: [3H, H]`` are one such matrix with ``rows=3 * H``,
    which is the transpose of the H x 3H matrix of Tomoda et al. 2025.
    """
    tall = (max(rows, columns), min(rows, columns))
    normals = keyed.normal(seeds, purpose, step, tall, dtype=torch.float64)
    members = []
    for member in normals:
        q, r = torch.linalg.qr(member)
        q = q * torch.where(torch.diagonal(r) < 0, -1.0, 1.0)  # makes the draw uniform (Haar)
        members.append(q if rows >= columns else q.T)
    return _stack(members, (rows, columns), seeds).to(dtype)


def _stack(members: list[Tensor], size: tuple[int, int], seeds: Tensor) -> Tensor:
    if members:
        return torch.stack(members)
    return torch.empty((0, *size), dtype=torch.float64, device=seeds.device)
