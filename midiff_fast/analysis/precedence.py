"""Which comes first in training, functional or structural modularity?

Per run the onset of a curve is when it rises above a threshold for good; over runs the two onsets
are compared as pairs. All runs count: one whose curve never rises is censored, not dropped. What
happens between two snapshots is not seen, so curves that rise between the same two have no order.
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

FEWEST_FOR_INTERVAL = 6
"""Values that a 95 % interval of a median takes. A bootstrap interval lies between the smallest and
the largest of n values, which hold the median in 1 - 2^(1 - n) of cases: 93.75 % for n = 5."""

_RESAMPLES = 9_999


@dataclass(frozen=True)
class Precedence:
    """The comparison of two onsets over runs at one threshold.

    ``functional_onsets`` and ``structural_onsets`` hold one epoch per run, None where censored.
    A run counts for the curve that rose first; if the other one never rose, for the one that did.
    It is undecided if neither rose, or both between the same two snapshots: where lines cross the
    threshold in there depends on how high each curve is at the next one, not on which rose first.

    ``median_difference`` is structural minus functional onset in epochs (positive: functional
    first) over all runs, with a censored onset put at ``censored_at``, the last epoch at which an
    onset could have been confirmed: the earliest it can be. So if only structural onsets are
    censored the median is at least this, if only functional ones at most; if both are, it may be
    larger or smaller. ``interval`` is its bootstrap 95 % interval; None if any onset is censored,
    whose unknown epoch could set an end of it, and for fewer than ``FEWEST_FOR_INTERVAL`` runs.
    ``median_difference_observed`` uses only the ``observed_pairs`` runs in which both curves rose.
    ``p_value``: exact two-sided sign test over the decided runs (None without any).
    """

    threshold: float
    functional_onsets: tuple[float | None, ...]
    structural_onsets: tuple[float | None, ...]
    functional_first: int
    structural_first: int
    undecided: int
    censored_at: float
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
    _check_epochs(times)
    _check_threshold(threshold)
    return epoch_of(find_rise(times, values, threshold))


def _check_epochs(times: Floats) -> None:
    if (np.diff(times) <= 0).any():
        raise ValueError("epochs: expected increasing numbers")


def _check_threshold(threshold: float) -> None:
    if not np.isfinite(threshold):
        raise ValueError(f"threshold: expected a finite number, got {threshold}")


@dataclass(frozen=True)
class Rise:
    """Where a curve comes above a threshold for good: the first ``snapshot`` above it, and the
    ``epoch`` at which the line from the snapshot before crosses it."""

    snapshot: int
    epoch: float


def find_rise(times: Floats, curve: Floats, threshold: float) -> Rise | None:
    """The rise of a curve [K] that ``onset`` is the epoch of."""
    above = curve > threshold
    for start in range(len(curve) - CONFIRMING_SNAPSHOTS):
        if above[start : start + CONFIRMING_SNAPSHOTS + 1].all():
            return Rise(start, _crossing(times, curve, start, threshold))
    return None


def _crossing(times: Floats, values: Floats, after: int, threshold: float) -> float:
    if after == 0:
        return float(times[0])
    before = after - 1
    share = (threshold - values[before]) / (values[after] - values[before])
    return float(times[before] + share * (times[after] - times[before]))


def epoch_of(rise: Rise | None) -> float | None:
    """The onset of a rise; None (censored) where there is none."""
    return None if rise is None else rise.epoch


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
    times, first, second = check_curves(epochs, functional, structural)
    _check_threshold(threshold)
    functional_rises = [find_rise(times, curve, threshold) for curve in first]
    structural_rises = [find_rise(times, curve, threshold) for curve in second]
    ahead, behind = count_order(functional_rises, structural_rises)
    functional_onsets = tuple(epoch_of(rise) for rise in functional_rises)
    structural_onsets = tuple(epoch_of(rise) for rise in structural_rises)
    last = float(times[max(0, len(times) - 1 - CONFIRMING_SNAPSHOTS)])
    pairs = list(zip(functional_onsets, structural_onsets, strict=True))
    bounded = np.array([_at_least(other, last) - _at_least(one, last) for one, other in pairs])
    observed = [other - one for one, other in pairs if one is not None and other is not None]
    return Precedence(
        threshold=float(threshold),
        functional_onsets=functional_onsets,
        structural_onsets=structural_onsets,
        functional_first=ahead,
        structural_first=behind,
        undecided=len(pairs) - ahead - behind,
        censored_at=last,
        median_difference=float(np.median(bounded)),
        interval=median_interval(bounded) if len(observed) == len(pairs) else None,
        observed_pairs=len(observed),
        median_difference_observed=float(np.median(observed)) if observed else None,
        p_value=sign_test(ahead, behind),
    )


def precedence_sweep(
    epochs: Values,
    functional: Values,
    structural: Values,
    thresholds: Sequence[float] = THRESHOLDS,
) -> list[Precedence]:
    """``precedence`` at each threshold; arguments as there."""
    return [precedence(epochs, functional, structural, threshold) for threshold in thresholds]


def check_curves(
    epochs: Values, functional: Values, structural: Values
) -> tuple[Floats, Floats, Floats]:
    """Epochs [K] and the curves [R, K] as arrays, or an error that says what is wrong."""
    times = floats("epochs", epochs, ("K",))
    first = floats("functional", functional, ("R", "K"))
    second = floats("structural", structural, ("R", "K"))
    for name, curves in (("functional", first), ("structural", second)):
        if curves.shape != (len(first), len(times)):
            expected = [len(first), len(times)]
            raise ValueError(f"{name}: expected {expected}, got {list(curves.shape)}")
    _check_epochs(times)
    return times, first, second


def count_order(
    functional: Sequence[Rise | None], structural: Sequence[Rise | None]
) -> tuple[int, int]:
    """In how many runs the functional, and in how many the structural curve rose first.

    Args:
        functional: one per run; None lies after all that was confirmed.
        structural: the same. Two rises at one snapshot have no order: both were since the last.
    """
    pairs = [(_rank(one), _rank(other)) for one, other in zip(functional, structural, strict=True)]
    return sum(one < other for one, other in pairs), sum(one > other for one, other in pairs)


def _rank(rise: Rise | None) -> float:
    return np.inf if rise is None else rise.snapshot


def _at_least(value: float | None, last: float) -> float:
    return last if value is None else value


def median_interval(values: Floats) -> tuple[float, float] | None:
    """Bootstrap 95 % interval (percentile) of the median of values [R].

    None for fewer than ``FEWEST_FOR_INTERVAL`` values.
    """
    if len(values) < FEWEST_FOR_INTERVAL:
        return None
    draws = np.random.default_rng(0).integers(0, len(values), (_RESAMPLES, len(values)))
    low, high = np.quantile(np.median(values[draws], axis=1), (0.025, 0.975))
    return float(low), float(high)


def sign_test(positive: int, negative: int) -> float | None:
    """Exact two-sided sign test: p value, None where nothing was decided."""
    decided = positive + negative
    return float(stats.binomtest(positive, decided, 0.5).pvalue) if decided else None
