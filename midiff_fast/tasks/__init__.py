"""Tasks: signals to learn, as functions of keyed random numbers."""

from .base import Signals, Task
from .build import build_task
from .working_memory import WorkingMemory

__all__ = ["Signals", "Task", "WorkingMemory", "build_task"]
