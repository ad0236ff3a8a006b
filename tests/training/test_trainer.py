"""Members of an ensemble are the runs they would be alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from midiff_fast import _load
from midiff_fast.ops.mine import SampleNoise
from midiff_fast.runs import RunConfig
from midiff_fast.training import DivergedError, Trainer, train
from midiff_fast.training.results import fetch
from midiff_fast.training.steps import GivenNoise, Samples


def changed(config: RunConfig, **settings: Any) -> RunConfig:
    """The configuration with other top-level values, or other values within a section."""
    values = config.to_dict()
    for key, value in settings.items():
        values[key] = values[key] | value if isinstance(value, dict) else value
    return RunConfig.from_dict(values)


def trained(config: RunConfig, epochs: int) -> Trainer:
    trainer = Trainer(config)
    for _ in range(config.training.critic_pretraining):
        trainer.pretrain()
    for _ in range(epochs):
        trainer.run_epoch()
    return trainer


def tensors(state: dict[str, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    for key, value in state.items():
        if isinstance(value, torch.Tensor):
            yield key, value
        elif isinstance(value, dict):
            yield from ((f"{key}.{name}", tensor) for name, tensor in tensors(value))
        elif isinstance(value, list):
            yield from ((f"{key}.{index}", tensor) for index, tensor in enumerate(value))


# The eager backend batches its products over the members, and may round them otherwise alone.
compiled = pytest.mark.skipif(not _load.available, reason="needs the compiled ops")


@compiled
def test_a_member_is_the_run_trained_alone(tiny: RunConfig) -> None:
    """Bit for bit: weights, optimizer state and critic after three epochs."""
    together = dict(tensors(trained(tiny, 3).state_dict()))
    for member in tiny.members():
        single = changed(tiny, seeds=[member.seed], mi_weight=[member.mi_weight])
        for name, alone in tensors(trained(single, 3).state_dict()):
            assert torch.equal(alone[0], together[name][member.index]), (member, name)


@compiled
def test_threads_do_not_change_a_bit(tiny: RunConfig) -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = dict(tensors(trained(tiny, 2).state_dict()))
        torch.set_num_threads(2)
        two = dict(tensors(trained(tiny, 2).state_dict()))
    finally:
        torch.set_num_threads(threads)
    for name, tensor in one.items():
        assert torch.equal(tensor, two[name]), name


@compiled
@pytest.mark.slow
def test_a_member_is_the_run_trained_alone_at_the_papers_size() -> None:
    """The same where torch's products and sums are long enough to be split, for any threads."""
    section = {"critic_pretraining": 1, "critic_steps": 1}
    config = changed(RunConfig(seeds=(1, 2), mi_weight=(0.1,)), training=section)
    together = dict(tensors(trained(config, 1).state_dict()))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = dict(tensors(trained(changed(config, seeds=[2]), 1).state_dict()))
    finally:
        torch.set_num_threads(threads)
    for name, tensor in alone.items():
        assert torch.equal(tensor[0], together[name][1]), name


def test_runs_of_one_seed_start_alike_and_part(tiny: RunConfig) -> None:
    """λ = 0.1 and its control are paired: same weights, signals and noise."""
    members = tiny.members()
    assert members[0].seed == members[2].seed
    weight = Trainer(tiny).networks.model.weights()["weight_hh"]
    assert torch.equal(weight[0], weight[2])
    assert not torch.equal(weight[0], weight[1])
    after = trained(tiny, 1).networks.model.weights()["weight_hh"]
    assert not torch.equal(after[0], after[2])


def test_critic_steps_leave_the_model_alone(tiny: RunConfig) -> None:
    trainer = Trainer(tiny)
    model = {n: p.clone() for n, p in trainer.networks.model_parameters().items()}
    critic = {n: p.clone() for n, p in trainer.networks.critic_parameters().items()}
    trainer.pretrain()
    for name, parameter in trainer.networks.model_parameters().items():
        assert torch.equal(parameter, model[name])
    assert not torch.equal(trainer.networks.critic_parameters()["weight_h"], critic["weight_h"])


def test_controls_without_a_critic_train_as_with_one(tiny: RunConfig) -> None:
    """The critic of a run with λ = 0 does not act on the run; leaving it out saves its time."""
    without = trained(changed(tiny, critic={"for_control": False}), 2)
    with_critic = trained(tiny, 2)
    for name, parameter in without.networks.model_parameters().items():
        assert torch.equal(parameter, with_critic.networks.model_parameters()[name]), name
    metrics = without.run_epoch()
    assert [m.mi_critic == m.mi_critic for m in metrics] == [True, True, False, False]
    assert [m.mi_model == m.mi_model for m in metrics] == [True, True, False, False]


def test_no_critic_at_all(tiny: RunConfig) -> None:
    config = changed(tiny, mi_weight=[0.0], critic={"for_control": False})
    metrics = trained(config, 1).run_epoch()
    assert all(m.mi_model != m.mi_model and 0 <= m.accuracy <= 1 for m in metrics)


@pytest.mark.parametrize("recurrent", ["gaussian", "sparse", "distance"])
def test_initial_recurrent_weights(tiny: RunConfig, recurrent: str) -> None:
    config = changed(tiny, model={"recurrent": recurrent, "units": 60, "gain": 2.0})
    weight = Trainer(config).networks.model.weights()["weight_hh"][0].double()
    if recurrent == "distance":
        assert torch.linalg.eigvals(weight).abs().max().item() == pytest.approx(2.0, rel=1e-5)
    else:
        assert weight.std().item() == pytest.approx(2.0 / 60**0.5, rel=0.15)
    assert (weight == 0).double().mean().item() == pytest.approx(
        0.9 if recurrent == "sparse" else 0.0, abs=0.03
    )


def test_learning_rate_falls_evenly_to_the_final_one(tiny: RunConfig) -> None:
    rates = {"learning_rate": 0.004, "final_learning_rate": 0.001}
    config = changed(tiny, model_optimizer=rates, training={"epochs": 4})
    trainer = Trainer(config)
    found = []
    for _ in range(4):
        trainer.run_epoch()
        found.append(
            (trainer.model_optimizer.learning_rate, trainer.critic_optimizer.learning_rate)
        )
    expected = [(0.004, 0.003), (0.003, 0.003), (0.002, 0.003), (0.001, 0.003)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_options_reach_the_networks(tiny: RunConfig) -> None:
    config = changed(
        tiny,
        task={"logic": "xor"},
        critic={"output_bias": False, "negative_slope": 0.25, "samples": 0},
        model_optimizer={"name": "adam", "clip_norm": 0.0, "clip_value": 1.0},
    )
    trainer = trained(config, 1)
    assert trainer.networks.critic is not None
    assert trainer.networks.critic.bias_out is None
    assert trainer.networks.critic.negative_slope == 0.25
    assert trainer.networks.model.readout.output_size == 3
    assert trainer.model_optimizer.clip_norm is None
    assert trainer.model_optimizer.clip_value == 1.0


def test_a_loss_that_is_not_finite_names_epoch_and_member(tiny: RunConfig) -> None:
    trainer = trained(tiny, 1)
    with torch.no_grad():
        trainer.networks.model.readout.bias[2] = float("inf")
    with pytest.raises(DivergedError) as error:
        trainer.run_epoch()
    assert "epoch 2: the loss of member 2 (seed 11, mi_weight 0.0) is not finite" in str(error)


def test_the_first_pass_that_is_not_finite_is_named(tiny: RunConfig) -> None:
    """An epoch is looked at after its end, when the later passes are not finite either."""
    trainer = trained(tiny, 1)
    critic = trainer.networks.critic
    assert critic is not None
    draw = trainer.draws.samples

    def spoilt(index: int, *, segment: int | None = None) -> Samples:
        samples = draw(index, segment=segment)
        if index == 3 + 3 + 1:  # the second critic pass of the second epoch
            keyed = samples.noise
            assert isinstance(keyed, SampleNoise)
            count = samples.permutation.shape
            noise_a = keyed.added_to(torch.zeros(*count, critic.a_size), keyed.purpose_a)
            noise_b = keyed.added_to(torch.zeros(*count, critic.b_size), keyed.purpose_b)
            noise_a[1] = float("nan")
            samples = samples._replace(noise=GivenNoise(noise_a, noise_b))
        return samples

    trainer.draws.samples = spoilt  # type: ignore[method-assign]
    passes = []
    with pytest.raises(DivergedError) as error:
        trainer.run_epoch(lambda: passes.append(1))
    assert len(passes) == 3
    assert str(error.value) == (
        "epoch 2: the mutual information of member 1 (seed 12, mi_weight 0.1) is not finite"
    )
    assert trainer.epoch == 1
    with pytest.raises(DivergedError, match=r"epoch 1: the weight_ih of member 1 \(seed 12"):
        trainer.check_weights()


def test_results_come_over_as_they_are() -> None:
    tensors = [
        torch.tensor([0.1, float("nan")]),
        torch.tensor([[1 / 3], [2.0]], dtype=torch.float64),
        torch.zeros(0, 3),
        torch.tensor([[1e-45, 3e38]]),
    ]
    for got, wanted in zip(fetch(tensors), tensors, strict=True):
        torch.testing.assert_close(got, wanted, rtol=0.0, atol=0.0, equal_nan=True)
    flags = torch.tensor([True, False])
    assert torch.equal(fetch([flags])[0], flags)
    assert fetch([]) == []


def test_values_that_are_no_configuration_are_refused(tmp_path: Path) -> None:
    values: Any = {"seeds": [1]}
    message = "config: expected a RunConfig, which RunConfig.from_dict makes of a dict, got dict"
    for make in (lambda: Trainer(values), lambda: train(values, tmp_path / "never-made")):
        with pytest.raises(TypeError, match=message):
            make()
    assert not list(tmp_path.iterdir())
