"""Opponents compute what the fused ops compute; the parts and hours of a training."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from bench import gru, leaky
from bench._breakdown import breakdown, study_hours
from bench._harness import Session
from bench._recurrent import Shape, close
from bench.training import with_torch_gru
from midiff_fast import _load
from midiff_fast.runs.choose import choose_config
from midiff_fast.training import Trainer
from tests.conftest import MakeConfig

needs_compiled = pytest.mark.skipif(not _load.available, reason=_load.reason)
CPU = torch.device("cpu")


def quick() -> Session:
    return Session(CPU, quick=True, seconds=0.001)


@needs_compiled
def test_leaky_opponents_agree() -> None:
    sides = leaky.Sides(quick())
    chunks = sides.passes(lambda case: leaky.in_compiled_chunks(case, leaky.steps_of))
    whole = sides.passes(leaky.eager_with_gradients)
    close()(sides.ours.forward(), sides.passes(leaky.eager_in_place).forward())
    for opponent in (chunks, whole):
        close()(sides.ours.forward(), opponent.forward())
        close()(sides.ours.both(), opponent.both())


@needs_compiled
@pytest.mark.parametrize("make", [leaky.elman, lambda *a: gru.make(*a)[:2]])
@pytest.mark.parametrize("members", [1, 3])
def test_ensembles_agree_with_torch(make: Any, members: int) -> None:
    ours, theirs = make(CPU, Shape(12, 4, members), 25)
    close()(ours.forward(), theirs.forward())
    close()(ours.both(), theirs.both())
    with pytest.raises(AssertionError):
        close()(ours.forward(), [states + 0.1 for states in theirs.forward()])


@needs_compiled
def test_gru_steps_agree_with_torch() -> None:
    *_, (module,), input = gru.make(CPU, Shape(12, 4), 25)
    states = module(input[0])[0]
    close()(states, gru.eager_states(module, input[0]))
    close()(states, gru.eager_states(module, input[0], gru.steps_of))


def test_hours_of_a_study() -> None:
    """1,000 epochs of 11 passes and 100 passes before them; of half of an epoch's rounds."""
    paper = choose_config("paper", study="working-memory").training
    assert study_hours(paper, 1.1) == pytest.approx((1000 * 1.1 + 100 * 0.1) / 3600)
    paper = choose_config("paper", study="separation").training
    one_round = choose_config(
        "paper", study="separation", settings={"training.model_passes": 1}
    ).training
    before = paper.critic_pretraining / 21
    assert study_hours(paper, 1.0, one_round) == pytest.approx((200 * 20 + before) / 3600)


def test_breakdown_adds_up(small_config: MakeConfig) -> None:
    trainer = Trainer(small_config())
    found = breakdown(quick(), "an epoch", trainer)
    assert "the rest" in found.parts
    assert all(seconds >= 0.0 for seconds in found.parts.values())
    assert sum(found.parts.values()) > 0.0


@needs_compiled
def test_torch_gru_trains_the_same_network() -> None:
    trainer = with_torch_gru(quick())
    usual = Trainer(trainer.config)
    ours, theirs = usual.run_epoch(), trainer.run_epoch()
    assert ours[0].task_loss == pytest.approx(theirs[0].task_loss, rel=1e-4)
