"""Coefficient of determination of each output."""

from __future__ import annotations

import numpy as np

from ._check import Floats, UndefinedMeasureError, Values, floats


def r_squared(targets: Values, outputs: Values) -> Floats:
    """R² = 1 - Σ (y - z)² / Σ (y - mean y)² per output, sequences and steps pooled: [O].

    Args:
        targets: y [B, T, O].
        outputs: z [B, T, O].

    Raises:
        ValueError: shapes differ, or a target never changes (its R² is undefined).
    """
    axes = ("batch", "time", "outputs")
    goals, values = floats("targets", targets, axes), floats("outputs", outputs, axes)
    if goals.shape != values.shape:
        raise ValueError(f"outputs: expected {list(goals.shape)}, got {list(values.shape)}")
    spread = ((goals - goals.mean((0, 1))) ** 2).sum((0, 1))
    if (spread == 0).any():
        constant = np.flatnonzero(spread == 0).tolist()
        raise UndefinedMeasureError(f"targets: expected targets that change, constant: {constant}")
    return np.asarray(1.0 - ((goals - values) ** 2).sum((0, 1)) / spread)
