"""TOML in and out, for tables of plain values one level deep."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from .errors import ConfigError


def parse(text: str, source: str) -> dict[str, Any]:
    """Read a document.

    Raises:
        ConfigError: it is not valid TOML; the message gives ``source`` and the line.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: not valid TOML: {error}") from None


def parse_value(text: str) -> Any:
    """A value as one types it on a command line: TOML where it is TOML, else a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def dump(values: Mapping[str, Any]) -> str:
    """Write plain values first, then one table per nested mapping."""
    lines = [f"{key} = {_value(v)}" for key, v in values.items() if not isinstance(v, Mapping)]
    for key, table in values.items():
        if isinstance(table, Mapping):
            lines += ["", f"[{key}]", *(f"{name} = {_value(v)}" for name, v in table.items())]
    return "\n".join(lines) + "\n"


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def set_key(values: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key in nested tables, making the tables on the way.

    Raises:
        ConfigError: what stands before a dot is no table.
    """
    *tables, name = key.split(".")
    for depth, table in enumerate(tables, 1):
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise ConfigError(f"unknown key {key}: {'.'.join(tables[:depth])} is no table")
    values[name] = value


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)
