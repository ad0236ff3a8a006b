"""midiff_fast: recurrent networks that differentiate by mutual information minimisation, fast.

``LeakyRNN``, ``Readout`` and ``MINE`` are modules on compiled ops, ``GRU`` and ``RNN`` stand in for
those of torch.nn, and ``accelerate`` changes a model's over; ``functional`` has the ops as
functions; ``tasks``, ``training``, ``runs``, ``analysis`` and ``plots`` make up the study. The last
five are imported when first used, so that ``import midiff_fast`` costs little more than torch.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from . import functional, nn
from ._version import __version__
from .nn import GRU, MINE, RNN, LeakyRNN, Readout, StatisticsNetwork, accelerate
from .ops.mine import SampleNoise
from .reference import CriticWeights

if TYPE_CHECKING:
    from . import analysis, plots, runs, tasks, training

_LAZY = ("analysis", "plots", "runs", "tasks", "training")

__all__ = [
    "GRU",
    "MINE",
    "RNN",
    "CriticWeights",
    "LeakyRNN",
    "Readout",
    "SampleNoise",
    "StatisticsNetwork",
    "__version__",
    "accelerate",
    "analysis",
    "functional",
    "nn",
    "plots",
    "runs",
    "tasks",
    "training",
]


def __getattr__(name: str) -> ModuleType:
    if name in _LAZY:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
