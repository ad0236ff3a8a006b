"""The working-memory signals against the authors' stored ones, and against a plain loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from midiff_fast.tasks import WorkingMemory
from midiff_fast.tasks.ramp import clipped_ramp

DATA = Path(__file__).parents[1] / "data"


@pytest.mark.parametrize("logic", ["none", "and", "or", "xor"])
def test_signals_equal_the_reference(logic: str) -> None:
    """Onsets in, inputs and targets out, as the authors' code printed them."""
    name = "wm_signals" if logic == "none" else f"wm_signals_{logic}"
    data = np.load(DATA / f"{name}.npz")
    task = WorkingMemory(
        int(data["n_mem"]),
        logic,  # type: ignore[arg-type]
        pulse_length=int(data["len_pulse"]),
        slope=float(data["slope"]),
    )
    signals = task.signals(torch.from_numpy(data["onset"])[None])
    np.testing.assert_array_equal(signals.input[0].numpy(), data["input"])
    assert signals.target[0].shape == data["target"].shape
    # The authors' last target sample is a leftover zero.
    np.testing.assert_allclose(
        signals.target[0, :, :-1].numpy(), data["target"][:, :-1], rtol=0, atol=2e-6
    )


@pytest.mark.parametrize("steps", [0, 1, 2, 7, 64, 333])
@pytest.mark.parametrize("limit", [1.0, 3.0, 10.0])
def test_ramp_equals_the_loop(steps: int, limit: float) -> None:
    increments = torch.randint(-2, 3, (4, 3, steps), generator=torch.manual_seed(steps)).double()
    state = torch.zeros(4, 3, dtype=torch.float64)
    expected = []
    for step in range(steps):
        state = (state + increments[..., step]).clamp(-limit, limit)
        expected.append(state)
    result = clipped_ramp(increments, limit)
    assert result.shape == increments.shape
    if steps:
        torch.testing.assert_close(result, torch.stack(expected, -1), rtol=0, atol=0)


def test_one_and_three_bits_by_hand() -> None:
    """Without any pulse every bit falls to -1; an on onset at t = 0 makes it rise."""
    onset = torch.zeros(1, 1, 5, 6, dtype=torch.bool)
    onset[0, 0, 0, 2] = True  # bit 2 on at t = 0
    onset[0, 0, 2, 4:] = True  # bit 3: on wins over a simultaneous off
    signals = WorkingMemory(3, pulse_length=2, slope=0.25).signals(onset)
    assert signals.target[0, 0, :, 0].tolist() == [-0.25, -0.5, -0.75, -1.0]
    assert signals.target[0, 0, :, 1].tolist() == [0.25, 0.5, 0.75, 1.0]
    assert signals.target[0, 0, :, 2].tolist() == [-0.25, 0.0, 0.25, 0.5]
    assert signals.input[0, 0, :, 2].tolist() == [1, 1, 0, 0]
    assert signals.input[0, 0, :, 4].tolist() == [0, 0, 1, 1]


def test_a_member_gets_the_signals_it_gets_alone() -> None:
    task = WorkingMemory(pulse_probability=0.02)
    seeds = torch.tensor([1001, 7, 2**40 + 3])
    together = task.draw(seeds, 5, batch=3, steps=200)
    for member in range(3):
        alone = task.draw(seeds[member : member + 1], 5, batch=3, steps=200)
        assert torch.equal(together.input[member], alone.input[0])
        assert torch.equal(together.target[member], alone.target[0])
    assert not torch.equal(together.input[0], together.input[1])
    assert not torch.equal(together.input, task.draw(seeds, 6, batch=3, steps=200).input)


def test_pulses_start_as_often_as_asked() -> None:
    task = WorkingMemory(pulse_length=1, pulse_probability=0.05)
    rate = task.draw(torch.tensor([3]), 0, batch=20, steps=5000).input.mean().item()
    assert abs(rate - 0.05) < 5 * (0.05 * 0.95 / (20 * 5000 * 4)) ** 0.5


def test_accuracy_counts_sides() -> None:
    task = WorkingMemory()
    target = torch.tensor([[1.0, -1.0], [0.0, 0.0], [0.3, -0.3], [-1.0, 1.0]])[None, None]
    output = torch.tensor([[0.1, 0.1], [-0.1, 0.1], [2.0, -2.0], [0.1, 5.0]])[None, None]
    # bit 1: right, right (zero counts as below), right, wrong; bit 2: wrong, wrong, right, right
    assert task.accuracy(output, target).tolist() == [[0.75, 0.5]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bits": 0}, "bits: expected at least 1, got 0"),
        ({"bits": 3, "logic": "and"}, "bits: expected 2 with logic='and', got 3"),
        ({"logic": "nand"}, "logic: expected none, and, or or xor, got 'nand'"),
        ({"pulse_length": 0}, "pulse_length: expected at least 1, got 0"),
        ({"pulse_probability": 1.5}, "pulse_probability: expected 0 to 1, got 1.5"),
        ({"slope": 0.0}, "slope: expected above 0, at most 1, got 0.0"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        WorkingMemory(**arguments)  # type: ignore[arg-type]
