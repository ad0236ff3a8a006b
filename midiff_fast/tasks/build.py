"""The task of a study, from the values that a configuration gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Task
from .rossler import RosslerPrediction
from .separation import Separation
from .sinusoids import Sinusoids
from .working_memory import WorkingMemory

TASKS: dict[str, type[Task]] = {
    "working-memory": WorkingMemory,
    "separation": Separation,
    "sinusoids": Sinusoids,
    "rossler": RosslerPrediction,
}
"""The task of each study, by the study's name."""


def build_task(study: str, values: Mapping[str, Any]) -> Task:
    """The task of a study with its keyword arguments ``values``.

    Raises:
        ValueError: an unknown study, or a value that the task refuses.
    """
    if study not in TASKS:
        raise ValueError(f"study: expected {', '.join(TASKS)}, got {study!r}")
    return TASKS[study](**values)
