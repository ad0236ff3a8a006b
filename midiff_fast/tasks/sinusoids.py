"""Prediction of sinusoids of several frequencies, from the code base of Tomoda et al. 2025."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..ops import random as keyed
from ..ops._common import constants
from ..ops.random import Purpose
from .base import Signals
from .regression import Regression


class Sinusoids(Regression):
    """Each input line is sin(2π f t + φ) with its own frequency; the target is one step later.

    The phases φ are uniform, one per sequence and frequency. Each frequency is a job of its own,
    with one input line and one output.

    Args:
        frequencies: f, in periods per step.
        dtype: of the signals; the phases are computed in float64.

    Raises:
        ValueError: no frequencies, or one that is not finite.
    """

    def __init__(
        self,
        frequencies: Sequence[float] = (5 * math.sqrt(2) / 1000, 5 * math.sqrt(7) / 1000),
        *,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if not frequencies or not all(math.isfinite(value) for value in frequencies):
            raise ValueError(f"frequencies: expected finite numbers, got {frequencies!r}")
        self.frequencies = tuple(frequencies)
        self.dtype = dtype
        self.input_size = self.output_size = len(self.frequencies)
        self.output_names = tuple(
            f"sinusoid {position + 1}" for position in range(len(self.frequencies))
        )
        self.input_names = self.output_names
        self.target_sets = tuple((position,) for position in range(len(self.frequencies)))
        self.input_sets = self.target_sets

    def draw(
        self,
        seeds: Tensor,
        step: int,
        batch: int,
        steps: int,
        *,
        purpose: int = Purpose.SIGNALS,
    ) -> Signals:
        """``batch`` sequences of ``steps`` steps for every seed [E] int64.

        A member gets what it would get alone, and a smaller batch is the beginning of a larger one.
        """
        size = (batch, self.input_size)
        start = keyed.uniform(seeds, purpose, step, size, dtype=torch.float64)
        time = torch.arange(steps + 1, dtype=torch.float64, device=seeds.device)
        turns = time[:, None] * constants(self.frequencies, start)  # [T + 1, I]
        values = torch.sin(2.0 * math.pi * (turns + start[:, :, None])).to(self.dtype)
        return Signals(values[..., :-1, :].contiguous(), values[..., 1:, :].contiguous())
