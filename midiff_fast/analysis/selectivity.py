"""Which of two targets each unit follows, and whether its weights say the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._check import Floats, Values, floats
from .correlation import pearson


@dataclass(frozen=True)
class Selectivity:
    """Per unit: ``difference`` d_i = |c_1i| - |c_2i|, ``angle`` φ_i = arctan(|c_2i| / |c_1i|).

    Both [N]; the angle is in radians, 0 for a unit that follows target 1 only, π/2 for target 2.
    """

    difference: Floats
    angle: Floats


def selectivity(correlations: Values) -> Selectivity:
    """d_i and φ_i from the correlations [2, N] of the units with two targets (or target sets)."""
    magnitude = np.abs(_two_rows("correlations", correlations))
    return Selectivity(magnitude[0] - magnitude[1], np.arctan2(magnitude[1], magnitude[0]))


def selectivity_weight_correlation(
    difference: Values, table: Values, unit_scale: Values | None = None
) -> float:
    """Correlation over units of d_i with the weights' own difference ``table[0] - table[1]``.

    Args:
        difference: d [N].
        table: [2, N], |weights| to or from each target set, see ``target_set_table``.
        unit_scale: [N], multiplies each unit's weights; the standard deviation of its rate makes
            of a readout weight the size of what it contributes. None: weights as they are.
    """
    selective = floats("difference", difference, ("N",))
    weights = _two_rows("table", table)
    if weights.shape[1] != len(selective):
        raise ValueError(f"table: expected [2, {len(selective)}], got {list(weights.shape)}")
    if unit_scale is not None:
        scale = floats("unit_scale", unit_scale, ("N",))
        if scale.shape != selective.shape:
            raise ValueError(f"unit_scale: expected [{len(selective)}], got {list(scale.shape)}")
        weights = weights * scale
    return pearson(selective, weights[0] - weights[1])


def _two_rows(name: str, values: Values) -> Floats:
    rows = floats(name, values, ("2", "N"))
    if rows.shape[0] != 2:
        raise ValueError(f"{name}: expected [2, N], got {list(rows.shape)}")
    return rows
