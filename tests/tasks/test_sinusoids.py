"""The sinusoids: frequencies, phases, one step ahead."""

from __future__ import annotations

import math

import pytest
import torch

from midiff_fast.ops.random import Purpose
from midiff_fast.tasks import Sinusoids

SEEDS = torch.tensor([1001, 7])


def test_sinusoids_by_their_differences() -> None:
    """s(t+1) + s(t-1) = 2 cos(2π f) s(t) holds for a sinusoid of frequency f and no other."""
    task = Sinusoids(dtype=torch.float64)
    signals = task.draw(SEEDS, 3, batch=5, steps=2000)
    assert signals.input.shape == signals.target.shape == (2, 5, 2000, 2)
    assert torch.equal(signals.target[:, :, :-1], signals.input[:, :, 1:])
    for line, frequency in enumerate((5 * math.sqrt(2) / 1000, 5 * math.sqrt(7) / 1000)):
        s = signals.input[..., line]
        factor = 2 * math.cos(2 * math.pi * frequency)
        torch.testing.assert_close(s[..., 2:] + s[..., :-2], factor * s[..., 1:-1])
        assert (s.amax(-1) > 0.999).all()
        assert (s.amin(-1) < -0.999).all()


def test_phases_are_uniform_and_independent() -> None:
    """At t = 0 a sinusoid of uniform phase has mean 0, mean square 1/2, and no partner."""
    first = Sinusoids().draw(SEEDS[:1], 0, batch=20_000, steps=1).input[0, :, 0]
    assert first.mean(0).abs().max() < 5 * (0.5 / 20_000) ** 0.5
    assert (first.square().mean(0) - 0.5).abs().max() < 5 * (0.125 / 20_000) ** 0.5
    assert (first[:, 0] * first[:, 1]).mean().abs() < 5 * 0.5 / 20_000**0.5


def test_a_member_gets_the_signals_it_gets_alone_and_a_smaller_batch_begins_a_larger() -> None:
    task = Sinusoids([0.01, 0.02, 0.05])
    together = task.draw(SEEDS, 5, batch=4, steps=30)
    alone = task.draw(SEEDS[1:], 5, batch=2, steps=30)
    assert torch.equal(together.input[1, :2], alone.input[0])
    assert torch.equal(together.target[1, :2], alone.target[0])
    for other in (task.draw(SEEDS, 6, 4, 30), task.draw(SEEDS, 5, 4, 30, purpose=Purpose.ANALYSIS)):
        assert not torch.equal(together.input, other.input)


def test_each_frequency_is_a_job() -> None:
    task = Sinusoids()
    assert task.target_sets == task.input_sets == ((0,), (1,))
    assert task.output_names == ("sinusoid 1", "sinusoid 2")
    signals = task.draw(SEEDS, 0, batch=2, steps=300)
    assert (task.accuracy(signals.target, signals.target) == 1).all()
    assert (task.loss(signals.target, signals.target) == 0).all()


@pytest.mark.parametrize("frequencies", [(), (0.1, math.nan)])
def test_bad_arguments_are_named(frequencies: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="frequencies: expected finite numbers, got"):
        Sinusoids(frequencies)
