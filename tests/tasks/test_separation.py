"""The separation signals: scaling, mixing, keys, loss and score."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from midiff_fast import _load, analysis
from midiff_fast.functional import trajectories
from midiff_fast.ops import random as keyed
from midiff_fast.ops.random import Purpose
from midiff_fast.tasks import Separation

needs_compiled = pytest.mark.skipif(not _load.available, reason=_load.reason)
SEEDS = torch.tensor([625, -7, 2**40 + 3])


def min_max_scaled(values: Tensor) -> Tensor:
    """Each variable to [0, 1] over time: [..., T, 3]."""
    low, high = values.amin(-2, keepdim=True), values.amax(-2, keepdim=True)
    return (values - low) / (high - low)


def test_signals_are_scaled_mixed_and_cut_as_in_the_paper() -> None:
    """From whole trajectories of 100 and 700 time units per 13,999 steps, by the definition."""
    task = Separation(transient=50)
    signals = task.draw(SEEDS, 4, batch=2, steps=150)
    start = keyed.uniform(SEEDS, Purpose.SIGNALS, 4, (2, 6), dtype=torch.float64)
    lorenz = trajectories("lorenz", start[..., :3], 100 / 13_999, 200)
    rossler = trajectories("rossler", start[..., 3:], 700 / 13_999, 200)
    parts = [min_max_scaled(part)[..., 50:, :] for part in (lorenz, rossler)]
    assert signals.target.dtype == torch.float32
    assert torch.equal(signals.target, torch.cat(parts, -1).float())
    torch.testing.assert_close(signals.input, sum(parts).float(), rtol=0, atol=3e-7)  # type: ignore[union-attr]
    assert (task.input_size, task.output_size) == (3, 6)
    assert task.output_names[0] == "Lorenz x"
    assert task.output_names[5] == "Rössler z"


@needs_compiled
def test_the_papers_size() -> None:
    """All 14,000 samples fix the scaling: the first 4,000 count, and are not seen."""
    task = Separation()
    signals = task.draw(SEEDS[:1], 0, batch=3, steps=10_000)
    assert signals.input.shape == (1, 3, 10_000, 3)
    assert signals.target.shape == (1, 3, 10_000, 6)
    assert signals.target.min() >= 0
    assert signals.target.max() <= 1
    whole = Separation(transient=0).draw(SEEDS[:1], 0, batch=3, steps=14_000).target
    assert torch.equal(whole[:, :, 4000:], signals.target)
    assert (whole.amin(2) == 0).all()
    assert (whole.amax(2) == 1).all()


def test_a_member_gets_the_signals_it_gets_alone_and_a_smaller_batch_begins_a_larger() -> None:
    task = Separation(transient=20)
    together = task.draw(SEEDS, 5, batch=4, steps=30)
    for member in range(3):
        alone = task.draw(SEEDS[member : member + 1], 5, batch=4, steps=30)
        few = task.draw(SEEDS[member : member + 1], 5, batch=2, steps=30)
        for ours, single, first in zip(together, alone, few, strict=True):
            assert torch.equal(ours[member], single[0])
            assert torch.equal(ours[member, :2], first[0])
    assert not torch.equal(together.input[0], together.input[1])
    assert not torch.equal(together.input, task.draw(SEEDS, 6, batch=4, steps=30).input)
    other = task.draw(SEEDS, 5, batch=4, steps=30, purpose=Purpose.ANALYSIS)
    assert not torch.equal(together.input, other.input)


def test_nothing_to_draw() -> None:
    task = Separation(transient=3)
    assert task.draw(SEEDS, 0, batch=0, steps=5).input.shape == (3, 0, 5, 3)
    assert task.draw(SEEDS, 0, batch=2, steps=0).target.shape == (3, 2, 0, 6)


def test_the_loss_leaves_out_the_washout() -> None:
    task = Separation(washout=10)
    target = torch.rand(2, 3, 25, 6, generator=torch.manual_seed(0))
    output = target.clone()
    output[:, :, :10] += 100
    assert task.loss(output, target).tolist() == [0.0, 0.0]
    output[1, :, 10:] += 0.5
    torch.testing.assert_close(task.loss(output, target), torch.tensor([0.0, 0.25]))
    with pytest.raises(
        ValueError, match="target: expected more than 10 steps, the washout, got 10"
    ):
        task.loss(output[:, :, :10], target[:, :, :10])


def test_the_score_is_r_squared() -> None:
    """The analysis' own, per member, over all steps; negative where worse than the mean."""
    task = Separation()
    assert task.score_name == "R²"
    target = torch.rand(2, 3, 40, 6, generator=torch.manual_seed(1))
    output = target + 0.2 * torch.rand(2, 3, 40, 6, generator=torch.manual_seed(2))
    output[1, ..., 2] = -1.0
    score = task.accuracy(output, target)
    assert score[1, 2] < 0
    for member in range(2):
        expected = analysis.r_squared(target[member].numpy(), output[member].numpy())
        torch.testing.assert_close(score[member], torch.from_numpy(expected), rtol=1e-6, atol=1e-6)
    assert (task.accuracy(target, target) == 1).all()


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@needs_compiled
@pytest.mark.usefixtures("threads")
def test_the_number_of_threads_does_not_matter() -> None:
    """For signals, loss and score, of one member too."""
    task = Separation()
    results = []
    for count in (1, 2):
        torch.set_num_threads(count)
        signals = task.draw(SEEDS[:1], 0, batch=20, steps=3000)
        output = signals.target.square()
        scores = (task.loss(output, signals.target), task.accuracy(output, signals.target))
        results.append((*signals, *scores))
    for one, two in zip(*results, strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("name", ["transient", "washout"])
def test_bad_arguments_are_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected 0 or more, got -1"):
        Separation(**{name: -1})  # type: ignore[arg-type]
