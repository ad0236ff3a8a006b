"""Tasks: signals to learn, as functions of keyed random numbers."""

from .base import Signals, Task
from .build import build_task
from .rossler import RosslerPrediction
from .separation import Separation
from .sinusoids import Sinusoids
from .working_memory import WorkingMemory

__all__ = [
    "RosslerPrediction",
    "Separation",
    "Signals",
    "Sinusoids",
    "Task",
    "WorkingMemory",
    "build_task",
]
