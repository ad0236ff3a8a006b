"""Fixtures of several folders: small run directories with made-up weights, not trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from midiff_fast.runs import RunConfig, RunDirectory

EPOCHS = np.arange(0, 60, 10)


MakeConfig = Callable[..., RunConfig]
MakeRun = Callable[..., RunDirectory]


def _small_config(**changes: Any) -> RunConfig:
    """Eight units, two seeds, with and without the penalty."""
    values: dict[str, Any] = {
        "seeds": [5, 6],
        "mi_weight": [0.1, 0.0],
        "task": {"pulse_probability": 0.02, "pulse_length": 5},
        "model": {"units": 8},
        "critic": {"hidden_size": 6},
        "training": {"batch": 3, "transient": 20, "steps": 150, "epochs": 50, "snapshot_every": 10},
        "compute": {"backend": "eager"},
    }
    return RunConfig.from_dict({**values, **changes})


def _write_run(path: Path, config: RunConfig, epochs: Any = EPOCHS) -> RunDirectory:
    """Weights that grow apart into two blocks where λ > 0, faster for the first seed."""
    members = config.members()
    units, bits = config.model.units, config.task.bits
    outputs = bits + (config.task.logic != "none")
    random = np.random.default_rng(0)
    same = np.equal.outer(np.arange(units) < units // 2, np.arange(units) < units // 2)

    def weights(*shape: int) -> np.ndarray:
        start = random.normal(size=(len(members), *shape)) / np.sqrt(units)
        return np.stack([start] * len(epochs)).astype(np.float32)

    arrays: dict[str, Any] = {
        "epochs": np.asarray(epochs),
        "seeds": np.array([member.seed for member in members]),
        "mi_weight": np.array([member.mi_weight for member in members]),
        "weight_ih": weights(units, 2 * bits),
        "weight_hh": weights(units, units),
        "bias": weights(units),
        "weight_out": weights(outputs, units),
        "bias_out": weights(outputs),
    }
    for snapshot, epoch in enumerate(epochs):
        for member in members:
            if member.mi_weight > 0.0:
                speed = 0.02 if member.seed == config.seeds[0] else 0.012
                scale = np.where(same, 1.0, max(0.0, 1.0 - speed * epoch))
                arrays["weight_hh"][snapshot, member.index] *= scale.astype(np.float32)
    hidden, half = config.critic.hidden_size, units // 2
    for name, shape in {
        "weight_a": (hidden, half),
        "bias_a": (hidden,),
        "weight_b": (hidden, units - half),
        "bias_b": (hidden,),
        "weight_h": (hidden, hidden),
        "bias_h": (hidden,),
        "weight_out": (hidden,),
        "bias_out": (),
    }.items():
        arrays[f"critic_{name}"] = weights(*shape)[0]
    directory = RunDirectory(path)
    directory.claim(config)
    directory.write_snapshots(arrays)
    return directory


@pytest.fixture(scope="session")
def small_config() -> MakeConfig:
    """Makes the configuration of two small runs and their controls; keywords change sections."""
    return _small_config


@pytest.fixture(scope="session")
def write_run() -> MakeRun:
    """Writes a run directory: ``write_run(path, config, epochs=…)``."""
    return _write_run


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A directory of two small runs and their controls with snapshots at epochs 0, 10, … 50."""
    return _write_run(tmp_path_factory.mktemp("runs") / "small", _small_config())
