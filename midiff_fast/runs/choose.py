"""Builds a configuration from a preset, a file and single settings, each overriding the former."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import toml
from .config import RunConfig
from .errors import ConfigError
from .files import read_text
from .presets import preset as read_preset


def choose_config(
    preset: str,
    file: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    *,
    study: str = "working-memory",
) -> RunConfig:
    """The configuration of ``preset``, changed by a TOML ``file``, changed by ``settings``.

    Args:
        preset: "paper" or "quick".
        file: a TOML file with some or all of the keys.
        settings: values of dotted keys, such as ``{"training.epochs": 100}``.
        study: whose preset; one of ``midiff_fast.runs.STUDIES``.

    Raises:
        ConfigError: an unknown key, preset or study, a bad value, a file that is no TOML, or one or
            a setting of another study.
        RunError: the file cannot be read, or is not UTF-8.
    """
    values = toml.flatten(read_preset(preset, study))
    source = "configuration"
    if file is not None:
        values |= toml.flatten(toml.parse(read_text(file), str(file)))
        source = str(file)
        _check_study(values, source, study)
    changed = values | dict(settings or {})
    _check_study(changed, "configuration", study)
    try:
        return _build(changed, "configuration")
    except ConfigError:
        # Whose mistake is it? The file's, if it is there without the settings.
        _build(values, source)
        raise


def parse_setting(text: str) -> tuple[str, Any]:
    """``key=value`` as typed on a command line.

    Raises:
        ConfigError: it has another form.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set: expected key=value, got {text!r}")
    return key.strip(), toml.parse_value(value.strip())


def parse_seeds(text: str) -> list[int]:
    """``1001,1002`` or ``1001-1020`` or both.

    Raises:
        ConfigError: something else.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not match:
            raise ConfigError(f"--seeds: expected 1001,1002 or 1001-1020, got {text!r}")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last - first >= 100_000:
            raise ConfigError(f"--seeds: {part.strip()} is no range of seeds")
        seeds.extend(range(first, last + 1))
    return seeds


def parse_weights(text: str) -> list[float]:
    """``0.1`` or ``0.1,0.05``.

    Raises:
        ConfigError: something else.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"--mi-weight: expected 0.1 or 0.1,0.05, got {text!r}") from None


def member_settings(
    base: RunConfig,
    *,
    runs: int | None = None,
    seeds: Sequence[int] | None = None,
    mi_weight: Sequence[float] | None = None,
    control: bool | None = None,
) -> dict[str, Any]:
    """The settings ``seeds`` and ``mi_weight`` that a choice of runs changes in ``base``.

    Args:
        base: the configuration that they apply to.
        runs: how many runs of each weight, with successive seeds from the first one on.
        seeds: the seeds themselves.
        mi_weight: weights λ of the mutual information.
        control: add runs with λ = 0 (True), leave them out (False), or as ``base`` has it (None).

    Raises:
        ConfigError: ``runs`` and ``seeds`` contradict each other, or no run is left.
    """
    settings: dict[str, Any] = {}
    if seeds is not None:
        if runs is not None and runs != len(seeds):
            raise ConfigError(f"--runs {runs} contradicts --seeds, which are {len(seeds)}")
        settings["seeds"] = list(seeds)
    elif runs is not None:
        first = base.seeds[0]
        settings["seeds"] = list(range(first, first + runs))
    weights = list(base.mi_weight if mi_weight is None else mi_weight)
    if control is None and mi_weight is not None:
        control = 0.0 in base.mi_weight or 0.0 in weights
    if control and 0.0 not in weights:
        weights.append(0.0)
    if control is False:
        weights = [weight for weight in weights if weight != 0.0]
        if not weights:
            raise ConfigError("--no-control leaves no run: the only mi_weight is 0")
    if weights != list(base.mi_weight):
        settings["mi_weight"] = weights
    return settings


def _check_study(flat: Mapping[str, Any], source: str, study: str) -> None:
    if flat["study"] != study:
        raise ConfigError(f"{source}: study is {flat['study']!r}, this trains {study!r}")


def _build(flat: Mapping[str, Any], source: str) -> RunConfig:
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        try:
            toml.set_key(nested, key, value)
        except ConfigError as error:
            raise ConfigError(f"{source}: {error}") from None
    return RunConfig.from_dict(nested, source)
