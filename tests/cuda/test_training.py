"""Training on the GPU: beside the CPU's, moved between the two, and without waiting in an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from midiff_fast import analysis
from midiff_fast.analysis import CriticBudget
from midiff_fast.ops.trajectories import checks_deferred, trajectories
from midiff_fast.runs import RunConfig, RunDirectory
from midiff_fast.runs.choose import choose_config
from midiff_fast.training import DivergedError, Status, Trainer, train
from midiff_fast.training.trainer import passes_per_epoch
from tests.training.test_resume import same_result
from tests.training.test_trainer import tensors

GPU = "cuda"

# Sizes that leave every member's weights aligned to 16 bytes, as the studies' own sizes do: how
# cuBLAS multiplies can depend on it.
SETTINGS = {
    "seeds": [11, 12],
    "model.units": 8,
    "critic.hidden_size": 16,
    "training.epochs": 4,
    "training.batch": 4,
    "training.critic_pretraining": 3,
    "training.critic_steps": 3,
    "training.snapshot_every": 1,
    "training.checkpoint_every": 1,
}
STUDIES = {
    "working-memory": {
        "mi_weight": [0.1, 0.0],
        "task.pulse_probability": 0.02,
        "training.transient": 5,
        "training.steps": 40,
        "critic.samples": 96,
    },
    "separation": {
        "mi_weight": [0.005, 0.0],
        "task.washout": 5,
        "training.steps": 40,
        "training.model_passes": 2,
    },
    "sinusoids": {
        "mi_weight": [0.02, 0.0],
        "training.transient": 5,
        "training.steps": 40,
        "critic.for_control": False,
    },
    "rossler": {"mi_weight": [0.1], "training.transient": 5, "training.steps": 40},
}


def config_of(study: str, **changes: object) -> RunConfig:
    settings = {**SETTINGS, **STUDIES[study], **changes}
    return choose_config("paper", settings=settings, study=study)


def trained(config: RunConfig, device: str, epochs: int, group: int | None = None) -> Trainer:
    trainer = Trainer(config, device=device, passes_at_once=group)
    trainer.pretrain(config.training.critic_pretraining)
    for _ in range(epochs):
        trainer.run_epoch()
    return trainer


@contextmanager
def nobody_waits() -> Iterator[None]:
    """Within, whatever makes the host wait for the device is an error."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def assert_close_weights(one: Trainer, other: Trainer) -> None:
    """But for rounding, which both optimizers blow up to steps where a gradient is nearly zero."""
    model, expected = (t.state_dict()["model"] for t in (one, other))
    for name, weight in model.items():
        difference = (weight - expected[name]).abs().max().item()
        assert difference < 2e-4, f"{name} differs by {difference:.1e}"


@pytest.mark.parametrize("study", STUDIES)
def test_first_epochs_agree_with_the_cpu(study: str) -> None:
    """Within some ten times of what the fused and the eager backend of the CPU differ by here."""
    config = config_of(study)
    gpu, cpu = (trained(config, device, 0) for device in (GPU, "cpu"))
    for _ in range(2):
        for got, wanted in zip(gpu.run_epoch(), cpu.run_epoch(), strict=True):
            assert got.member == wanted.member
            assert got.task_loss == pytest.approx(wanted.task_loss, rel=1e-4)
            assert got.decay_loss == pytest.approx(wanted.decay_loss, rel=1e-4)
            assert got.accuracies == pytest.approx(wanted.accuracies, rel=1e-3, abs=0.01)
            for mi in ("mi_critic", "mi_model"):
                expected = pytest.approx(getattr(wanted, mi), abs=0.02, nan_ok=True)
                assert getattr(got, mi) == expected
    assert_close_weights(gpu, cpu)


def test_initial_weights_are_the_cpus_to_the_bit() -> None:
    for study in STUDIES:
        gpu, cpu = (
            dict(tensors(Trainer(config_of(study), device=device).state_dict()))
            for device in (GPU, "cpu")
        )
        for name, tensor in gpu.items():
            assert tensor.device.type == "cpu"
            assert torch.equal(tensor, cpu[name]), name


@pytest.mark.parametrize("study", STUDIES)
def test_nobody_waits_within_an_epoch(study: str) -> None:
    config = config_of(study)
    trainer = trained(config, GPU, 1)  # the first launches of all kernels are behind
    left = [passes_per_epoch(config.training)]

    def after_pass() -> None:
        left[0] -= 1
        if left[0] == 0:
            torch.cuda.set_sync_debug_mode("default")

    with nobody_waits():
        metrics = trainer.run_epoch(after_pass)
    assert left == [0]
    assert all(np.isfinite(member.task_loss) for member in metrics)


def test_lost_trajectories_are_reported_when_the_checks_come() -> None:
    start = torch.full((2, 3), 1e200, dtype=torch.float64, device=GPU)

    def draw() -> None:
        with checks_deferred():
            with nobody_waits():
                trajectories("lorenz", start, 0.02, 100).values.zero_()
            reached.append(True)

    reached: list[bool] = []
    with pytest.raises(RuntimeError, match="the lorenz system with parameters"):
        draw()
    assert reached


@pytest.mark.parametrize("study", ["working-memory", "separation"])
def test_a_member_is_the_run_trained_alone(study: str) -> None:
    config = config_of(study)
    together = dict(tensors(trained(config, GPU, 2).state_dict()))
    for member in config.members():
        single = config_of(study, seeds=[member.seed], mi_weight=[member.mi_weight])
        for name, alone in tensors(trained(single, GPU, 2).state_dict()):
            assert torch.equal(alone[0], together[name][member.index]), (member, name)


@pytest.mark.parametrize("study", STUDIES)
def test_no_bit_depends_on_how_many_passes_are_run_together(study: str) -> None:
    config = config_of(study)
    one, *others = (
        dict(tensors(trained(config, GPU, 2, group).state_dict())) for group in (1, 2, 3, None)
    )
    for other in others:
        for name, tensor in one.items():
            assert torch.equal(tensor, other[name]), name


@pytest.mark.parametrize("study", STUDIES)
def test_a_resumed_training_ends_in_the_same_bits(study: str) -> None:
    config = config_of(study)
    whole, first = trained(config, GPU, 2), trained(config, GPU, 1)
    second = Trainer(config, device=GPU)
    second.load_state_dict(first.state_dict())
    second.run_epoch()
    expected = dict(tensors(whole.state_dict()))
    for name, tensor in tensors(second.state_dict()):
        assert torch.equal(tensor, expected[name]), name


class Stop(Exception):
    """Ends a training after some epochs."""


@pytest.mark.parametrize("study", ["working-memory", "separation"])
@pytest.mark.parametrize(("first", "second"), [("cpu", GPU), (GPU, "cpu")])
def test_a_run_goes_on_on_the_other_device(
    study: str, first: str, second: str, tmp_path: Path
) -> None:
    config = config_of(study, **{"training.epochs": 3})

    def stop(status: Status) -> None:
        if status.epoch == 2:
            raise Stop

    with pytest.raises(Stop):
        train(config, tmp_path, device=first, report=stop)
    state = torch.load(RunDirectory(tmp_path).checkpoint_path, weights_only=True)
    assert state["epoch"] == 1  # the report comes before the epoch's own checkpoint
    assert all(tensor.device.type == "cpu" for _, tensor in tensors(state))
    place = train(config, tmp_path, device=second)
    assert place.read_metrics()["epoch"].tolist() == [e for e in (1, 2, 3) for _ in range(4)]
    assert place.read_snapshots()["epochs"].tolist() == [0, 1, 2, 3]
    finished, whole = Trainer(config), trained(config, "cpu", 3)
    checkpoint = place.read_checkpoint()
    assert checkpoint is not None
    finished.load_state_dict(checkpoint)
    assert_close_weights(finished, whole)


def test_the_same_run_twice_and_its_analysis(tmp_path: Path) -> None:
    config = config_of("separation")
    one, other = (train(config, tmp_path / name, device=GPU) for name in "ab")
    same_result(one, other)
    budget = CriticBudget(hidden_size=8, steps=3, samples=50)
    found = analysis.analyse(one.path, budget=budget)
    assert [member["seed"] for member in found["members"]] == [11, 12, 11, 12]
    for member in found["members"]:
        assert np.isfinite(member["final"]["r_squared"]).all()


def test_auto_takes_the_gpu() -> None:
    assert Trainer(config_of("separation"), device="auto").device.type == "cuda"


def test_a_loss_that_is_not_finite_names_epoch_and_member() -> None:
    trainer = trained(config_of("working-memory"), GPU, 1)
    with torch.no_grad():
        trainer.networks.model.readout.bias[2] = float("inf")
    with pytest.raises(DivergedError, match=r"epoch 2: the loss of member 2 \(seed 11, mi_weight"):
        trainer.run_epoch()


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one CUDA device")
def test_the_second_device_while_the_first_is_current() -> None:
    config = config_of("separation")
    with torch.cuda.device(0):
        other = dict(tensors(trained(config, "cuda:1", 1).state_dict()))
    for name, tensor in tensors(trained(config, "cuda:0", 1).state_dict()):
        assert torch.equal(tensor, other[name]), name
