"""Named configurations to start from."""

from __future__ import annotations

from typing import Any

from .errors import ConfigError

# A preset is what it changes in the defaults, which are the paper's numbers.
PRESETS: dict[str, dict[str, Any]] = {
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


def preset(name: str) -> dict[str, Any]:
    """The keys that a preset sets, as nested tables.

    Raises:
        ConfigError: there is none of this name.
    """
    if name not in PRESETS:
        raise ConfigError(f"--preset: expected {' or '.join(PRESETS)}, got {name!r}")
    return PRESETS[name]
