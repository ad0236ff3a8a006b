"""Initial weights: their distribution, their keys, and that a member gets what it gets alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from midiff_fast.nn import init
from midiff_fast.ops.random import Purpose

SEEDS = torch.tensor([1001, 7, -5])
WEIGHTS = int(Purpose.WEIGHTS)

INITIALISERS: dict[str, Callable[..., Tensor]] = {
    "gaussian": partial(init.gaussian, units=12, gain=1.3),
    "sparse": partial(init.sparse_gaussian, units=12, probability=0.3),
    "distance": partial(init.distance_gaussian, units=12, width=0.2, spectral_radius=0.9),
    "glorot": partial(init.glorot_uniform, out_features=12, in_features=5),
    "orthogonal": partial(init.semi_orthogonal, rows=36, columns=12),
}


@pytest.mark.parametrize("name", INITIALISERS)
def test_keys(name: str) -> None:
    """A function of (seed, purpose, step), the same alone as in an ensemble, in both dtypes."""
    draw = INITIALISERS[name]
    together = draw(SEEDS, WEIGHTS, 4)
    assert together.dtype == torch.float32
    for index in range(3):
        assert torch.equal(draw(SEEDS[index : index + 1], WEIGHTS, 4)[0], together[index])
    assert not torch.equal(together[0], together[1])
    assert not torch.equal(draw(SEEDS, WEIGHTS, 5), together)
    assert not torch.equal(draw(SEEDS, WEIGHTS + 1, 4), together)
    double = draw(SEEDS, WEIGHTS, 4, dtype=torch.float64)
    torch.testing.assert_close(double.float(), together, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gain", [1.0, 1.5])
def test_gaussian_variance(gain: float) -> None:
    weights = init.gaussian(SEEDS, WEIGHTS, 0, 200, gain=gain)
    assert weights.std().item() == pytest.approx(gain / math.sqrt(200), rel=0.01)
    assert abs(weights.mean().item()) < 5 * gain / math.sqrt(200 * weights.numel())


def test_sparse_gaussian_density_and_variance() -> None:
    weights = init.sparse_gaussian(SEEDS, WEIGHTS, 0, 200, probability=0.2, gain=1.5)
    present = weights != 0
    assert present.float().mean().item() == pytest.approx(0.2, abs=0.005)
    assert weights[present].std().item() == pytest.approx(1.5 / math.sqrt(0.2 * 200), rel=0.02)
    # Whether a connection exists says nothing about its sign or the other connections' sizes.
    assert abs(weights[present].sign().mean().item()) < 0.03


@pytest.mark.parametrize("units", [11, 12])
def test_sparse_gaussian_with_all_connections_is_the_gaussian(units: int) -> None:
    full = init.sparse_gaussian(SEEDS, WEIGHTS, 0, units, probability=1.0)
    assert torch.equal(full, init.gaussian(SEEDS, WEIGHTS, 0, units))


def test_distance_gaussian_radius_and_profile() -> None:
    units, width = 60, 0.15
    seeds = torch.arange(40)
    weights = init.distance_gaussian(
        seeds, WEIGHTS, 0, units, width=width, spectral_radius=1.2, dtype=torch.float64
    )
    radius = torch.linalg.eigvals(weights).abs().amax(1)
    torch.testing.assert_close(radius, torch.full_like(radius, 1.2))
    # Mean square by circular distance, relative to distance 0, against exp(-2 d²/s²).
    square = (weights / weights.square().mean((1, 2), keepdim=True).sqrt()).square().mean(0)
    by_distance = [
        (square.diagonal(k).sum() + square.diagonal(k - units).sum()) / units for k in range(1, 8)
    ]
    nearest = square.diagonal().mean()
    for k, mean_square in enumerate(by_distance, start=1):
        profile = math.exp(-2 * (k / units / width) ** 2)
        assert float(mean_square / nearest) == pytest.approx(profile, rel=0.15)


def test_glorot_uniform_limit() -> None:
    weights = init.glorot_uniform(SEEDS, WEIGHTS, 1, 200, 100)
    limit = math.sqrt(6 / 300)
    assert weights.abs().max() <= limit
    assert weights.abs().max() > 0.999 * limit
    assert weights.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.01)


@pytest.mark.parametrize(("rows", "columns"), [(36, 12), (12, 36), (9, 9)])
def test_semi_orthogonal(rows: int, columns: int) -> None:
    weights = init.semi_orthogonal(SEEDS, WEIGHTS, 0, rows, columns, dtype=torch.float64)
    assert weights.shape == (3, rows, columns)
    fewer = weights if rows <= columns else weights.transpose(1, 2)
    identity = torch.eye(min(rows, columns), dtype=torch.float64).expand(3, -1, -1)
    torch.testing.assert_close(fewer @ fewer.transpose(1, 2), identity)


def test_semi_orthogonal_has_no_preferred_sign() -> None:
    """QR alone fixes the sign of one triangle; the diagonal must come out either way."""
    corners = init.semi_orthogonal(torch.arange(200), WEIGHTS, 0, 4, 4)[:, 0, 0]
    assert 60 < int((corners > 0).sum()) < 140  # 5.6 standard deviations


@pytest.mark.parametrize("probability", [0.0, 1.1, float("nan")])
def test_bad_probability(probability: float) -> None:
    with pytest.raises(ValueError, match=r"probability: expected a number in \(0, 1\]"):
        init.sparse_gaussian(SEEDS, WEIGHTS, 0, 4, probability=probability)


def test_bad_width_and_radius() -> None:
    with pytest.raises(ValueError, match="width: expected a positive number, got 0"):
        init.distance_gaussian(SEEDS, WEIGHTS, 0, 4, width=0.0)
    with pytest.raises(ValueError, match="spectral_radius: expected a number >= 0, got -1"):
        init.distance_gaussian(SEEDS, WEIGHTS, 0, 4, width=0.1, spectral_radius=-1.0)
