"""Named configurations to start from."""

from __future__ import annotations

from typing import Any

from .errors import ConfigError

# A preset is what it changes in the defaults, which are the paper's numbers.
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "quick": {
        "critic": {"hidden_size": 64, "samples": 10_000},
        "training": {"epochs": 150},
    },
}


def preset(name: str) -> dict[str, Any]:
    """The keys that a preset sets, as nested tables.

    Raises:
        ConfigError: there is none of this name.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset: expected {' or '.join(PRESETS)}, got {name!r}")
    return {k: dict(v) if isinstance(v, dict) else v for k, v in PRESETS[name].items()}
