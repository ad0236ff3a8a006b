"""Named configurations to start from."""

from __future__ import annotations

from typing import Any

from .errors import ConfigError

# A preset is what it changes in the defaults, which are the paper's numbers.
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {"seeds": list(range(1001, 1021))},
    "quick": {
        "seeds": list(range(1001, 1005)),
        "mi_weight": [0.1, 0.0],
        "critic": {"hidden_size": 64, "samples": 10_000},
        "training": {"epochs": 150, "checkpoint_every": 25},
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
