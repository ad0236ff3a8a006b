"""Which comes first in training, functional or structural modularity?

Per run the onset of a curve is when it rises above a threshold for good; over runs the two onsets
are compared as pairs. All runs count: one whose curve never rises is censored, not dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ._check import Floats, Values, floats

CONFIRMING_SNAPSHOTS = 2
"""For so many more snapshots must a curve stay above the threshold."""

THRESHOLDS = tuple(round(0.05 + 0.025 * i, 3) for i in range(11))
"""Sweep of the threshold on normalised modularity: 0.05, 0.075, … 0.30."""

_RESAMPLES = 9_999


@dataclass(frozen=True)
class Precedence:
    """The comparison of two onsets over runs at one threshold.

    ``functional_onsets`` and ``structural_onsets`` hold one epoch per run, None where censored.
    A run counts for the curve that rose first; if the other one never rose, for the one that did;
    it is undecided if neither rose or both at once.

    ``median_difference`` is structural minus functional onset in epochs (positive: functional
    first) over all runs, with a censored onset put at the last epoch at which an onset could have
    been confirmed: the earliest it can be, so the number errs towards 0. ``interval`` is its
    bootstrap 95 % interval (None for a single run). ``median_difference_observed`` uses only the
    ``observed_pairs`` runs in which both curves rose. ``p_value``: exact two-sided sign test over
    the decided runs (None without any).
    """

    threshold: float
    functional_onsets: tuple[float | None, ...]
    structural_onsets: tuple[float | None, ...]
    functional_first: int
    structural_first: int
    undecided: int
    median_difference: float | None
    interval: tuple[float, float] | None
    observed_pairs: int
    median_difference_observed: float | None
    p_value: float | None


def onset(epochs: Values, curve: Values, threshold: float) -> float | None:
    """First time at which a curve exceeds a threshold and stays above for two more snapshots.

    The crossing is linear between snapshots; a curve above from the start has its first epoch as
    onset. None (censored) where that never happens, also if it rises too late to be confirmed.

    Args:
        epochs: [K], increasing.
        curve: [K], one value per snapshot.
        threshold: in the curve's own unit.
    """
    times, values = floats("epochs", epochs, ("K",)), floats("curve", curve, ("K",))
    if values.shape != times.shape:
        raise ValueError(f"curve: expected [{len(times)}], got [{len(values)}]")
    if (np.diff(times) <= 0).any():
        raise ValueError("epochs: expected increasing numbers")
    if not np.isfinite(threshold):
        raise ValueError(f"threshold: expected a finite number, got {threshold}")
    above = values > threshold
    for start in range(len(values) - CONFIRMING_SNAPSHOTS):
        if above[start : start + CONFIRMING_SNAPSHOTS + 1].all():
            return _crossing(times, values, start, threshold)
    return None


def _crossing(times: Floats, values: Floats, after: int, threshold: float) -> float:
    if after == 0:
        return float(times[0])
    before = after - 1
    share = (threshold - values[before]) / (values[after] - values[before])
    return float(times[before] + share * (times[after] - times[before]))


def precedence(
    epochs: Values, functional: Values, structural: Values, threshold: float
) -> Precedence:
    """Compare the onsets of functional and structural modularity over runs.

    Args:
        epochs: [K], increasing.
        functional: normalised Q_cor [R, K], a curve per run.
        structural: normalised Q_str [R, K].
        threshold: on normalised Q.
    """
    times = floats("epochs", epochs, ("K",))
    first = floats("functional", functional, ("R", "K"))
    second = floats("structural", structural, ("R", "K"))
    for name, curves in (("functional", first), ("structural", second)):
        if curves.shape != (len(first), len(times)):
            expected = [len(first), len(times)]
            raise ValueError(f"{name}: expected {expected}, got {list(curves.shape)}")
    functional_onsets = tuple(onset(times, curve, threshold) for curve in first)
    structural_onsets = tuple(onset(times, curve, threshold) for curve in second)
    last = float(times[max(0, len(times) - 1 - CONFIRMING_SNAPSHOTS)])
    return _compare(functional_onsets, structural_onsets, last, threshold)


def precedence_sweep(
    epochs: Values,
    functional: Values,
    structural: Values,
    thresholds: Sequence[float] = THRESHOLDS,
) -> list[Precedence]:
    """``precedence`` at each threshold; arguments as there."""
    return [precedence(epochs, functional, structural, threshold) for threshold in thresholds]


def _compare(
    functional: tuple[float | None, ...],
    structural: tuple[float | None, ...],
    last: float,
    threshold: float,
) -> Precedence:
    pairs = list(zip(functional, structural, strict=True))
    # An onset is confirmed at `last` or before, a censored one lies after: infinity orders them.
    order = [_rank(other) - _rank(one) if one != other else 0.0 for one, other in pairs]
    ahead, behind = sum(d > 0 for d in order), sum(d < 0 for d in order)
    bounded = np.array([_at_least(other, last) - _at_least(one, last) for one, other in pairs])
    observed = [other - one for one, other in pairs if one is not None and other is not None]
    decided = ahead + behind
    return Precedence(
        threshold=float(threshold),
        functional_onsets=functional,
        structural_onsets=structural,
        functional_first=ahead,
        structural_first=behind,
        undecided=len(pairs) - decided,
        median_difference=float(np.median(bounded)),
        interval=median_interval(bounded),
        observed_pairs=len(observed),
        median_difference_observed=float(np.median(observed)) if observed else None,
        p_value=sign_test(ahead, behind),
    )


def _rank(value: float | None) -> float:
    return np.inf if value is None else value


def _at_least(value: float | None, last: float) -> float:
    return last if value is None else value


def median_interval(values: Floats) -> tuple[float, float] | None:
    """Bootstrap 95 % interval (percentile) of the median of values [R]; None for one value."""
    if len(values) < 2:
        return None
    draws = np.random.default_rng(0).integers(0, len(values), (_RESAMPLES, len(values)))
    low, high = np.quantile(np.median(values[draws], axis=1), (0.025, 0.975))
    return float(low), float(high)


def sign_test(positive: int, negative: int) -> float | None:
    """Exact two-sided sign test: p value, None where nothing was decided."""
    decided = positive + negative
    return float(stats.binomtest(positive, decided, 0.5).pvalue) if decided else None
