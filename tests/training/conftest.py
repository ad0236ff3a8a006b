"""A training small enough to be run many times."""

from __future__ import annotations

import pytest

from midiff_fast.runs import RunConfig
from midiff_fast.runs.choose import choose_config


@pytest.fixture
def tiny() -> RunConfig:
    """Two seeds under two weights, a few milliseconds an epoch."""
    return choose_config(
        "paper",
        settings={
            "seeds": [11, 12],
            "mi_weight": [0.1, 0.0],
            "task.pulse_probability": 0.02,
            "model.units": 7,
            "critic.hidden_size": 8,
            "critic.samples": 30,
            "training.epochs": 7,
            "training.batch": 2,
            "training.transient": 5,
            "training.steps": 20,
            "training.critic_pretraining": 3,
            "training.critic_steps": 2,
            "training.snapshot_every": 3,
            "training.checkpoint_every": 2,
        },
    )
