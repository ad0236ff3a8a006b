"""The Rössler prediction signals: initial values, scaling, one step ahead."""

from __future__ import annotations

import pytest
import torch

from midiff_fast.functional import trajectories
from midiff_fast.ops.random import Purpose
from midiff_fast.tasks import RosslerPrediction

SEEDS = torch.tensor([1001, 7])
SCALE = torch.tensor([5.0, 5.0, 10.0], dtype=torch.float64)


def test_signals_are_a_trajectory_and_its_next_step() -> None:
    """Starting from the first sample, the trajectory in steps of 0.1 is the rest of the signal."""
    signals = RosslerPrediction(dtype=torch.float64).draw(SEEDS, 3, batch=4, steps=100)
    assert signals.input.shape == signals.target.shape == (2, 4, 100, 3)
    assert torch.equal(signals.target[:, :, :-1], signals.input[:, :, 1:])
    again = trajectories("rossler", signals.input[:, :, 0] * SCALE, 0.1, 101) / SCALE
    torch.testing.assert_close(signals.input, again[:, :, :-1], rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(signals.target, again[:, :, 1:], rtol=1e-8, atol=1e-8)


def test_initial_values_fill_their_box() -> None:
    first = RosslerPrediction().draw(SEEDS[:1], 0, batch=2000, steps=1).input[0, :, 0]
    low, high = torch.tensor([-1.0, -1.0, 0.0]), torch.tensor([1.0, 1.0, 0.02])
    assert (first >= low).all()
    assert (first <= high).all()
    torch.testing.assert_close(first.mean(0), (low + high) / 2, rtol=0, atol=0.05)
    torch.testing.assert_close(first.amin(0), low, rtol=0, atol=0.01)
    torch.testing.assert_close(first.amax(0), high, rtol=0, atol=0.01)


def test_a_member_gets_the_signals_it_gets_alone_and_a_smaller_batch_begins_a_larger() -> None:
    task = RosslerPrediction()
    together = task.draw(SEEDS, 5, batch=4, steps=30)
    alone = task.draw(SEEDS[1:], 5, batch=2, steps=30)
    assert torch.equal(together.input[1, :2], alone.input[0])
    assert torch.equal(together.target[1, :2], alone.target[0])
    for other in (task.draw(SEEDS, 6, 4, 30), task.draw(SEEDS, 5, 4, 30, purpose=Purpose.ANALYSIS)):
        assert not torch.equal(together.input, other.input)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="interval: expected a time above 0, got 0"):
        RosslerPrediction(interval=0.0)
