"""The other studies: trained, resumed, analysed and reported like the working-memory one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from midiff_fast import analysis, plots
from midiff_fast.analysis import CriticBudget
from midiff_fast.runs import RunConfig
from midiff_fast.runs.choose import choose_config
from midiff_fast.training import Trainer, train

BUDGET = CriticBudget(hidden_size=8, steps=3, samples=50)
SETTINGS = {
    "seeds": [11, 12],
    "model.units": 6,
    "critic.hidden_size": 8,
    "critic.samples": 20,
    "training.epochs": 3,
    "training.batch": 2,
    "training.critic_pretraining": 2,
    "training.critic_steps": 2,
    "training.snapshot_every": 1,
    "training.checkpoint_every": 1,
}
STUDIES = {
    "separation": {
        "mi_weight": [0.005, 0.0],
        "task.washout": 5,
        "training.steps": 40,
        "training.model_passes": 2,
    },
    "sinusoids": {"mi_weight": [0.02, 0.0], "training.transient": 5, "training.steps": 40},
    "rossler": {"mi_weight": [0.1, 0.0], "training.transient": 5, "training.steps": 40},
}


def tiny(study: str, **changes: object) -> RunConfig:
    settings = {**SETTINGS, **STUDIES[study], **changes}
    return choose_config("paper", settings=settings, study=study)


def test_the_papers_numbers_of_the_separation_study() -> None:
    """Tomoda et al. 2025."""
    paper = choose_config("paper", study="separation").to_dict()
    assert paper["seeds"] == list(range(625, 645))
    assert paper["mi_weight"] == [0.005]
    assert paper["task"] == {"washout": 200}
    assert (paper["model"]["cell"], paper["model"]["units"]) == ("gru", 100)
    critic, training = paper["critic"], paper["training"]
    assert (critic["hidden_size"], critic["negative_slope"]) == (100, 0.25)
    assert (critic["sample_noise"], critic["samples"]) == (0.05, 0)
    assert critic["noise_on_shuffled"]
    assert not critic["output_bias"]
    assert (training["batch"], training["transient"], training["steps"]) == (50, 0, 10_000)
    assert (training["critic_pretraining"], training["critic_steps"]) == (100, 20)
    assert (training["epochs"], training["model_passes"]) == (200, 20)
    assert (training["weight_decay"], training["snapshot_every"]) == (1e-5, 1)
    model, mine = paper["model_optimizer"], paper["critic_optimizer"]
    assert (model["name"], model["learning_rate"]) == ("adam", 0.001)
    assert (model["clip_norm"], model["clip_value"]) == (0, 0)
    assert (mine["name"], mine["learning_rate"]) == ("adam", 0.01)
    assert (mine["clip_norm"], mine["clip_value"]) == (0, 1)


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_from_training_to_report(study: str, tmp_path: Path) -> None:
    config = tiny(study)
    place = train(config, tmp_path)
    metrics = place.read_metrics()
    assert len(metrics) == 3 * 4
    numbers = metrics[["task_loss", "decay_loss", "mi_critic", "mi_model"]].to_numpy()
    assert np.isfinite(numbers).all()
    found = analysis.analyse(tmp_path, budget=BUDGET)
    assert found["task"]["score"] == "R²"
    assert [member["seed"] for member in found["members"]] == [11, 12, 11, 12]
    for member in found["members"]:
        assert len(member["curves"]["Q_cor"]) == 4
        assert np.isfinite(member["final"]["r_squared"]).all()
        gates = [member["final"][f"Q_str_{gate}"] for gate in ("reset", "update")]
        assert all((gate is not None) == (study == "separation") for gate in gates)
    page = plots.report(tmp_path).read_text()
    assert "R²" in page


@pytest.mark.parametrize("study", STUDIES)
def test_a_resumed_study_ends_in_the_same_bits(study: str) -> None:
    whole, first = Trainer(tiny(study)), Trainer(tiny(study))
    for trainer in (whole, first):
        for _ in range(2):
            trainer.pretrain()
        trainer.run_epoch()
    second = Trainer(tiny(study))
    second.load_state_dict(first.state_dict())
    assert whole.run_epoch() == second.run_epoch()
    states = whole.state_dict()["model"], second.state_dict()["model"]
    for name, weight in states[0].items():
        assert torch.equal(weight, states[1][name]), name


def test_segments_carry_the_state_over() -> None:
    """Without learning, two segments of a pass see what one of the whole length sees."""
    frozen = {"model_optimizer.learning_rate": 1e-30, "critic.samples": 0, "model.noise_std": 0.1}
    losses = []
    for segments in (1, 2):
        trainer = Trainer(tiny("sinusoids", **frozen, **{"training.segments": segments}))
        metrics = trainer.run_epoch()
        assert trainer.model_optimizer.steps == segments
        losses.append([member.task_loss for member in metrics])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_a_gru_has_no_state_noise() -> None:
    with pytest.raises(ValueError, match=r"model.noise_std = 0.1: a GRU has no state noise"):
        tiny("separation", **{"model.noise_std": 0.1})
