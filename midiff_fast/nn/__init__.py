"""Modules on the fused ops: the leaky tanh RNN, its readout, and MINE's statistics network."""

from . import init
from .leaky import LeakyRNN
from .mine import MINE, StatisticsNetwork
from .readout import Readout, fold_feedback

__all__ = ["MINE", "LeakyRNN", "Readout", "StatisticsNetwork", "fold_feedback", "init"]
