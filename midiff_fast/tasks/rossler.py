"""Prediction of a Rössler trajectory, from the code base of Tomoda et al. 2025."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..ops import random as keyed
from ..ops._common import constants
from ..ops.random import Purpose
from ..ops.trajectories import trajectories
from ..systems import ROSSLER
from .base import Signals
from .regression import Regression


class RosslerPrediction(Regression):
    """The target is the input one step later: x, y, z of a Rössler trajectory over 5, 5 and 10.

    Initial values are uniform: x and y in [-5, 5], z in [0, 0.2]. Nothing is dropped: a trajectory
    takes some tens of steps to the attractor, which is what a training's transient is for.

    The authors define no two jobs here. The sets are (x, y), the slow rotation, and (z), the pulse
    that folds it back, which is near zero for most of a turn.

    Args:
        interval: time units per step.
        dtype: of the signals; the trajectories are computed in float64.

    Raises:
        ValueError: an interval that is not positive.
    """

    def __init__(self, *, interval: float = 0.1, dtype: torch.dtype = torch.float32) -> None:
        if not interval > 0.0:
            raise ValueError(f"interval: expected a time above 0, got {interval}")
        self.interval = interval
        self.dtype = dtype
        self.input_size = self.output_size = 3
        self.input_names = self.output_names = ROSSLER.variables
        self.target_sets = ((0, 1), (2,))
        self.input_sets = ((0, 1), (2,))

    def draw(
        self,
        seeds: Tensor,
        step: int,
        batch: int,
        steps: int,
        *,
        purpose: int = Purpose.SIGNALS,
    ) -> Signals:
        """``batch`` trajectories of ``steps`` steps for every seed [E] int64.

        A member gets what it would get alone, and a smaller batch is the beginning of a larger one.
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
            keyed.uniform(seeds, purpose, draw, (batch, 3), dtype=torch.float64) for draw in draws
        ]
        uniform = torch.cat(starts, dim=1)
        low, span = constants((-5.0, -5.0, 0.0), uniform), constants((10.0, 10.0, 0.2), uniform)
        values = trajectories("rossler", low + span * uniform, self.interval, steps + 1).values
        values = values.div_(constants((5.0, 5.0, 10.0), values)).to(self.dtype)
        return Signals(values[..., :-1, :].contiguous(), values[..., 1:, :].contiguous())
