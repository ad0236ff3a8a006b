"""Turns pydantic's report on a configuration into one line that names the key."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """What is wrong with the first bad key; an unknown key comes with the nearest valid one."""
    problems = sorted(error.errors(), key=lambda p: p["type"] != "extra_forbidden")
    problem = problems[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return _unknown_key(key, model)
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{key}: {message}" if key else message
    if problem["type"] == "tuple_type":
        example = list(model.model_fields[key].default)
        return f"{key}: should be a list, such as {example}, got {_short(problem['input'])}"
    message = message[0].lower() + message[1:]
    for pydantic_word, word in (("input should be", "should be"), ("tuple", "list")):
        message = message.replace(pydantic_word, word)
    return f"{key}: {message}, got {_short(problem['input'])}"


def valid_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Every key of a configuration, dotted."""
    keys = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            keys += valid_keys(inner, f"{prefix}{name}.")
        else:
            keys.append(prefix + name)
    return keys


def _unknown_key(key: str, model: type[BaseModel]) -> str:
    keys = valid_keys(model)
    tables = sorted({k.rpartition(".")[0] for k in keys} - {""})
    table, _, name = key.rpartition(".")
    # A key of the same table first, then one of the same last name, then any that looks alike.
    siblings = {k.rpartition(".")[2]: k for k in keys if k.rpartition(".")[0] == table}
    last_names: dict[str, str] = {}
    for k in keys:
        last_names.setdefault(k.rpartition(".")[2], k)
    for names in (siblings, last_names, {k: k for k in [*keys, *tables]}):
        near = get_close_matches(name, names, 1)
        if near:
            return f"unknown key {key}; did you mean {names[near[0]]}?"
    near = get_close_matches(key, [*keys, *tables], 1, cutoff=0.0)
    return f"unknown key {key}; the nearest valid one is {near[0]}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
