"""Modules on the fused ops: the leaky tanh RNN, its readout, MINE, and torch.nn's GRU and RNN."""

from . import init
from .accelerate import AccelerateReport, accelerate
from .gru import GRU
from .leaky import LeakyRNN
from .mine import MINE, StatisticsNetwork
from .readout import Readout, fold_feedback
from .rnn import RNN

__all__ = [
    "GRU",
    "MINE",
    "RNN",
    "AccelerateReport",
    "LeakyRNN",
    "Readout",
    "StatisticsNetwork",
    "accelerate",
    "fold_feedback",
    "init",
]
