"""The chaotic signal separation of Tomoda et al. 2025: tell a Lorenz from a Rössler trajectory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..ops import random as keyed
from ..ops.random import Purpose
from ..ops.trajectories import trajectories
from ..systems import LORENZ, ROSSLER
from .base import Signals
from .regression import Regression

# 100 and 700 time units in 14,000 samples, both ends included.
_SYSTEMS = ((LORENZ, 100.0 / 13_999.0), (ROSSLER, 700.0 / 13_999.0))


class Separation(Regression):
    """The input is the sum of two chaotic signals x, y, z; the target is the six of them.

    Lorenz (σ 10, ρ 28, β 8/3) and Rössler (a 0.2, b 0.2, c 5.7) start from values uniform in
    [0, 1]³. Each variable of each trajectory is scaled to [0, 1] over all of its samples; then the
    first ones are dropped. The paper's trajectories have 14,000 samples, of which 10,000 are kept.

    Args:
        transient: samples that are dropped.
        washout: first steps that the loss leaves out.
        dtype: of the signals; the trajectories are computed in float64.

    Raises:
        ValueError: a negative number of steps.
    """

    def __init__(
        self,
        *,
        transient: int = 4000,
        washout: int = 200,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        for name, value in (("transient", transient), ("washout", washout)):
            if value < 0:
                raise ValueError(f"{name}: expected 0 or more, got {value}")
        self.transient = transient
        self.washout = washout
        self.dtype = dtype
        self.input_size = 3
        self.input_names = ("x + x", "y + y", "z + z")
        self.output_names = tuple(
            f"{name} {variable}"
            for name, (system, _) in zip(("Lorenz", "Rössler"), _SYSTEMS, strict=True)
            for variable in system.variables
        )
        self.output_size = len(self.output_names)
        self.target_sets = ((0, 1, 2), (3, 4, 5))
        self.input_sets = ()  # every line carries both signals

    def draw(
        self,
        seeds: Tensor,
        step: int,
        batch: int,
        steps: int,
        *,
        purpose: int = Purpose.SIGNALS,
    ) -> Signals:
        """``batch`` pairs of trajectories of ``steps`` steps for every seed [E] int64.

        With fewer steps than the paper's 10,000 the trajectories end earlier; sampling and
        transient stay. A member gets what it would get alone, and a smaller batch is the beginning
        of a larger one.
        """
        return self.draw_side_by_side(seeds, (step,), batch, steps, purpose=purpose)

    def draw_side_by_side(
        self,
        seeds: Tensor,
        draws: Sequence[int],
        batch: int,
        steps: int,
        *,
        purpose: int = Purpose.SIGNALS,
    ) -> Signals:
        """All trajectories are integrated at once: on a GPU in the time that one takes."""
        starts = [
            keyed.uniform(seeds, purpose, draw, (batch, 6), dtype=torch.float64) for draw in draws
        ]
        start = torch.cat(starts, dim=1)
        target = start.new_empty((*start.shape[:2], steps, 6), dtype=self.dtype)
        if target.numel() == 0:
            return Signals(target[..., :3].clone(), target)
        parts = (target[..., :3], target[..., 3:])
        for part, (system, interval), initial in zip(
            parts, _SYSTEMS, start.split(3, dim=-1), strict=True
        ):
            values, lowest, highest = trajectories(
                system.name, initial, interval, self.transient + steps, first=self.transient
            )
            span = highest - lowest
            span = torch.where(span > 0.0, span, 1.0)  # a variable that rests scales to 0
            values.sub_(lowest[..., None, :]).div_(span[..., None, :])
            part.copy_(values)
        return Signals(parts[0] + parts[1], target)
