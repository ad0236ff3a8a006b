"""Named configurations to start from."""

from __future__ import annotations

from typing import Any

from .errors import ConfigError

_WORKING_MEMORY: dict[str, dict[str, Any]] = {
    "paper": {"seeds": list(range(1001, 1021))},
    # Minutes instead of hours on two cores: fewer learned steps, a critic of an eighth the width on
    # a third of the samples, half the critic's steps, and a step size that starts larger and falls.
    "quick": {
        "seeds": list(range(1001, 1005)),
        "mi_weight": [0.1, 0.0],
        "critic": {"hidden_size": 64, "samples": 8_000},
        "model_optimizer": {"learning_rate": 0.005, "final_learning_rate": 0.0005},
        "training": {
            "epochs": 200,
            "transient": 800,
            "steps": 1200,
            "critic_pretraining": 50,
            "critic_steps": 5,
            "snapshot_every": 10,
            "checkpoint_every": 10,
        },
    },
}


# "quick": half the units on a tenth of the steps and a third of the sequences, a critic of a third
# of the width on 4,000 samples, a quarter of its steps, 1,000 model steps instead of 4,000, and a
# step size that starts larger and falls.
_SEPARATION: dict[str, dict[str, Any]] = {
    "paper": {"seeds": list(range(625, 645))},
    "quick": {
        "seeds": [625, 626],
        "mi_weight": [0.005, 0.0],
        "critic": {"hidden_size": 32, "samples": 4_000},
        "model": {"units": 50},
        "model_optimizer": {"learning_rate": 0.005, "final_learning_rate": 0.0005},
        "training": {
            "epochs": 100,
            "batch": 16,
            "steps": 1_000,
            "critic_pretraining": 50,
            "critic_steps": 5,
            "model_passes": 10,
            "snapshot_every": 5,
            "checkpoint_every": 5,
        },
    },
}

# The two prediction tasks: the paper's own length takes minutes; quick learns fewer steps.
_QUICK_PREDICTION: dict[str, Any] = {
    "seeds": [1001, 1002],
    "critic": {"hidden_size": 64, "samples": 4_000},
    "training": {
        "epochs": 100,
        "transient": 500,
        "steps": 1_000,
        "critic_pretraining": 30,
        "critic_steps": 5,
        "snapshot_every": 10,
        "checkpoint_every": 10,
    },
}

# A preset is what it changes in the study's defaults, which are the paper's numbers.
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "working-memory": _WORKING_MEMORY,
    "separation": _SEPARATION,
    "sinusoids": {
        "paper": {"seeds": list(range(1001, 1021))},
        "quick": _QUICK_PREDICTION | {"mi_weight": [0.02, 0.0]},
    },
    "rossler": {
        "paper": {"seeds": list(range(1001, 1021))},
        "quick": _QUICK_PREDICTION | {"mi_weight": [0.1, 0.0]},
    },
}


def preset(name: str, study: str = "working-memory") -> dict[str, Any]:
    """The keys that a preset of a study sets, as nested tables.

    Raises:
        ConfigError: there is none of this name.
    """
    if study not in PRESETS:
        raise ConfigError(f"study: expected {', '.join(PRESETS)}, got {study!r}")
    presets = PRESETS[study]
    if name not in presets:
        raise ConfigError(f"--preset: expected {' or '.join(presets)}, got {name!r}")
    return {"study": study, **presets[name]}
