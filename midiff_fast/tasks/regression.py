"""What tasks with continuous targets share: mean squared error and R²."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import Task
from .reduce import member_mean


class Regression(Task):
    """A task that is scored by how much of its targets' variance the outputs explain.

    ``washout`` is the number of first steps that the loss leaves out; the score counts all.
    """

    score_name = "R²"
    washout: int = 0

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean squared error from step ``washout`` on: [E, B, T, O] twice -> [E].

        Raises:
            ValueError: there is no such step.
        """
        if target.shape[2] <= self.washout:
            raise ValueError(
                f"target: expected more than {self.washout} steps, the washout, "
                f"got {target.shape[2]}"
            )
        error = output[:, :, self.washout :] - target[:, :, self.washout :]
        return member_mean(error.square())

    def accuracy(self, output: Tensor, target: Tensor) -> Tensor:
        """R² = 1 - Σ (y - z)² / Σ (y - mean y)² of each output: [E, B, T, O] twice -> [E, O].

        Sequences and steps are pooled. A target that never changes has no R²: nan or -inf.
        """
        goal, result = target.to(torch.float64), output.to(torch.float64)
        mean = _output_sum(goal) / (goal.shape[1] * goal.shape[2])
        spread = _output_sum((goal - mean[:, None, None]).square())
        return 1.0 - _output_sum((goal - result).square()) / spread


def _output_sum(values: Tensor) -> Tensor:
    """Sum over sequences and steps: [E, B, T, O] -> [E, O]; axis by axis, see ``member_sum``."""
    return values.sum(2).sum(1)
