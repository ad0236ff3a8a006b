"""The chaotic systems whose trajectories are signals: right-hand sides and usual parameters.

To add one: a function and an entry here, and in C++ a file in csrc/signals and a line in its
systems.h, in the same order. The two sides compute the same bits, so a term is a plain product or
sum of two numbers here, in the order in which C++ has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# dx/dt [D, M] of states [D, M] under parameters [P, M].
Slope = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class System:
    """An autonomous system of ordinary differential equations.

    ``longest_step`` is the longest step of the integrator that keeps trajectories within 1e-6 of
    the exact ones for as long as the system's chaos allows a comparison: 5 time units of Lorenz's
    system, 20 of Rössler's (tests/ops/test_trajectories.py).
    """

    name: str
    variables: tuple[str, ...]
    parameters: tuple[str, ...]
    usual: tuple[float, ...]  # values of the parameters
    longest_step: float
    slope: Slope


def _lorenz(state: Tensor, parameters: Tensor) -> Tensor:
    x, y, z = state
    sigma, rho, beta = parameters
    return torch.stack((sigma * (y - x), x * (rho - z) - y, x * y - beta * z))


def _rossler(state: Tensor, parameters: Tensor) -> Tensor:
    x, y, z = state
    a, b, c = parameters
    return torch.stack((-(y + z), x + a * y, b + z * (x - c)))


LORENZ = System(
    "lorenz", ("x", "y", "z"), ("σ", "ρ", "β"), (10.0, 28.0, 8.0 / 3.0), 0.0075, _lorenz
)
ROSSLER = System("rossler", ("x", "y", "z"), ("a", "b", "c"), (0.2, 0.2, 5.7), 0.06, _rossler)

SYSTEMS = {system.name: system for system in (LORENZ, ROSSLER)}  # in the order of systems.h
