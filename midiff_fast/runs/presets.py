"""Named configurations to start from."""

from __future__ import annotations

from typing import Any

from .errors import ConfigError

# A preset is what it changes in the defaults, which are the paper's numbers.
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {"seeds": list(range(1001, 1021))},
    # Minutes instead of hours on two cores: sequences of 0.6 the length with pulses as much more
    # frequent, a critic of an eighth the width on a third of the samples, half the critic's steps,
    # and twice the learning rate.
    "quick": {
        "seeds": list(range(1001, 1005)),
        "mi_weight": [0.1, 0.0],
        "task": {"pulse_probability": 1 / 300},
        "critic": {"hidden_size": 64, "samples": 8_000},
        "model_optimizer": {"learning_rate": 0.004},
        "training": {
            "epochs": 160,
            "transient": 600,
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
