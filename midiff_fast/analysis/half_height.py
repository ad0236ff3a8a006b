"""Which modularity was half-way first, each on the scale of its own final height?

One threshold for both curves favours the one that rises higher: of two that rise together it is the
first above every threshold. Here each curve of each run has a threshold of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._check import Floats, Values
from .precedence import (
    CONFIRMING_SNAPSHOTS,
    THRESHOLDS,
    Rise,
    check_curves,
    count_order,
    epoch_of,
    find_rise,
    sign_test,
)

FINAL_SNAPSHOTS = CONFIRMING_SNAPSHOTS + 1
"""Their mean is a curve's final height; as many as an onset takes."""


@dataclass(frozen=True)
class HalfHeight:
    """The comparison over runs of when each curve came above half of its own final height.

    ``functional_onsets`` and ``structural_onsets`` hold one epoch per run: the onset at half of the
    mean of the last ``FINAL_SNAPSHOTS`` snapshots. None where that mean is not above ``floor``, so
    that there is no rise to halve, or the curve does not stay above the half. A run is decided if
    both curves have an onset and not between the same two snapshots; a curve without one is not
    taken for later, since it has no height to compare. ``p_value``: exact two-sided sign test over
    the decided runs (None without any).

    Of a curve that still climbs at the end the onset is earlier than after longer training.
    """

    floor: float
    functional_onsets: tuple[float | None, ...]
    structural_onsets: tuple[float | None, ...]
    functional_first: int
    structural_first: int
    undecided: int
    p_value: float | None


def half_height(
    epochs: Values, functional: Values, structural: Values, floor: float = THRESHOLDS[0]
) -> HalfHeight:
    """Compare when functional and structural modularity came half-way to where they end.

    Args:
        epochs: [K], increasing.
        functional: normalised Q_cor [R, K], a curve per run.
        structural: normalised Q_str [R, K].
        floor: on normalised Q, not negative; a curve that ends no higher has not risen.
    """
    if not 0.0 <= floor < np.inf:
        raise ValueError(f"floor: expected a finite number of at least 0, got {floor}")
    times, first, second = check_curves(epochs, functional, structural)
    functional_rises = [_half_way(times, curve, floor) for curve in first]
    structural_rises = [_half_way(times, curve, floor) for curve in second]
    both = [
        (one, other)
        for one, other in zip(functional_rises, structural_rises, strict=True)
        if one is not None and other is not None
    ]
    ahead, behind = count_order([one for one, _ in both], [other for _, other in both])
    return HalfHeight(
        floor=float(floor),
        functional_onsets=tuple(epoch_of(rise) for rise in functional_rises),
        structural_onsets=tuple(epoch_of(rise) for rise in structural_rises),
        functional_first=ahead,
        structural_first=behind,
        undecided=len(first) - ahead - behind,
        p_value=sign_test(ahead, behind),
    )


def _half_way(times: Floats, curve: Floats, floor: float) -> Rise | None:
    height = float(curve[-FINAL_SNAPSHOTS:].mean())
    return find_rise(times, curve, height / 2) if height > floor else None
