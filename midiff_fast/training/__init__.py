"""Training of ensembles of runs: the steps, the optimizers, the loop that writes a run."""

from .loop import Report, Status, train
from .optimizers import Adam, RMSprop
from .trainer import DivergedError, Trainer

__all__ = ["Adam", "DivergedError", "RMSprop", "Report", "Status", "Trainer", "train"]
