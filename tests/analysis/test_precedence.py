"""Onsets and the precedence test on curves whose onsets are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from midiff_fast import analysis

EPOCHS = np.arange(0.0, 100.0, 10.0)  # 0, 10, … 90


def rise(start: float, speed: float = 0.02) -> np.ndarray:
    """0 until epoch ``start``, then linear."""
    return np.maximum(0.0, (EPOCHS - start) * speed)


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ([0, 0, 0.2, 0.3, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4], 15.0),  # halfway from 0 to 0.2
        ([0.05, 0.25, 0.3, 0.3, 0, 0, 0, 0, 0, 0], 2.5),  # falling later does not undo an onset
        ([0, 0.2, 0.2, 0, 0, 0.3, 0.5, 0.5, 0, 0], 40 + 10 / 3),  # a first rise too short
        ([0, 0.2, 0.05, 0.2, 0.2, 0.2, 0, 0, 0, 0], 20 + 10 / 3),  # starts again after a dip
        ([0.2] * 10, 0.0),  # above from the start
        ([0, 0, 0, 0, 0, 0, 0, 0.2, 0.2, 0.2], 65.0),  # the last that can be confirmed
        ([0, 0, 0, 0, 0, 0, 0, 0, 0.2, 0.2], None),  # too late to be confirmed
        ([0] * 10, None),
        ([0.1] * 10, None),  # reaching the threshold is not exceeding it
        ([0, 0.3, 0, 0.3, 0, 0.3, 0, 0.3, 0, 0.3], None),  # never for good
        ([-0.5] * 3 + [0.7] * 7, 25.0),
    ],
)
def test_onset(curve: list[float], expected: float | None) -> None:
    assert analysis.onset(EPOCHS, curve, 0.1) == (
        None if expected is None else pytest.approx(expected)
    )


def test_onset_uses_the_snapshots_own_times() -> None:
    assert analysis.onset([0, 1, 100, 101], [0, 0, 0.4, 0.4], 0.1) is None
    assert analysis.onset([0, 1, 101, 102, 103], [0, 0, 0.4, 0.4, 0.4], 0.1) == pytest.approx(26.0)


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_snapshots_are_censored(count: int) -> None:
    found = analysis.precedence(EPOCHS[:count], np.ones((1, count)), np.ones((1, count)), 0.1)
    assert found.undecided == 1
    assert found.median_difference == 0.0
    assert found.p_value is None
    assert found.interval is None


def test_counts_differences_and_sign_test() -> None:
    never = np.zeros(10)
    # thresholds are crossed 5 epochs after the start of the rise
    functional = np.stack([rise(10), rise(20), rise(30), rise(10), never, never, rise(40)])
    structural = np.stack([rise(30), rise(50), rise(20), never, rise(20), never, rise(40)])
    found = analysis.precedence(EPOCHS, functional, structural, 0.1)
    assert found.functional_onsets == pytest.approx((15, 25, 35, 15, None, None, 45))
    assert found.structural_onsets == pytest.approx((35, 55, 25, None, 25, None, 45))
    assert (found.functional_first, found.structural_first, found.undecided) == (3, 2, 2)
    # censored onsets count as epoch 70: differences 20, 30, -10, 55, -45, 0, 0
    assert found.median_difference == pytest.approx(0.0)
    assert found.observed_pairs == 4
    assert found.median_difference_observed == pytest.approx(np.median([20, 30, -10, 0]))
    assert found.p_value == pytest.approx(1.0)
    assert found.censored_at == 70.0
    assert found.interval is None  # of seven runs three have an onset that was not seen


def test_a_censored_onset_gives_no_interval() -> None:
    """A structural curve that never rises in seven runs of ten: the upper end is not known."""
    late = np.stack([rise(30)] * 3 + [np.zeros(10)] * 7)
    found = analysis.precedence(EPOCHS, [rise(10)] * 10, late, 0.1)
    assert (found.functional_first, found.interval) == (10, None)
    assert found.median_difference == pytest.approx(found.censored_at - 15)
    seen = analysis.precedence(EPOCHS, [rise(10)] * 10, [rise(30)] * 10, 0.1)
    assert seen.interval == pytest.approx((20.0, 20.0))


def test_onsets_between_the_same_two_snapshots_have_no_order() -> None:
    """The line of an abrupt curve crosses early between its snapshots, that of a slow one late."""
    jump, slow = np.where(EPOCHS >= 20, 0.9, 0.0), np.where(EPOCHS >= 20, 0.11, 0.0)
    late = np.where(EPOCHS >= 30, 0.9, 0.0)
    start = np.full(10, 0.5)
    functional = np.stack([jump, slow, start, jump, slow])
    structural = np.stack([slow, jump, start, late, late])
    found = analysis.precedence(EPOCHS, functional, structural, 0.1)
    assert (found.functional_first, found.structural_first, found.undecided) == (2, 0, 3)
    assert found.p_value == pytest.approx(0.5)
    # The interpolated differences stay.
    slow_onset, jump_onset, late_onset = 10 + 10 / 1.1, 10 + 10 / 9, 20 + 10 / 9
    between = slow_onset - jump_onset
    differences = [between, -between, 0, late_onset - jump_onset, late_onset - slow_onset]
    assert found.median_difference == pytest.approx(np.median(differences))


def test_a_clear_case_and_its_mirror_image() -> None:
    early = np.stack([rise(start) for start in range(0, 20, 2)])
    late = np.stack([rise(start + 20) for start in range(0, 20, 2)])
    found = analysis.precedence(EPOCHS, early, late, 0.1)
    assert (found.functional_first, found.structural_first, found.undecided) == (10, 0, 0)
    assert found.median_difference == pytest.approx(20.0, abs=1.5)
    assert found.p_value == pytest.approx(2 * 0.5**10)
    assert found.interval is not None
    assert found.interval[0] > 0
    mirrored = analysis.precedence(EPOCHS, late, early, 0.1)
    assert (mirrored.functional_first, mirrored.structural_first) == (0, 10)
    assert mirrored.median_difference == pytest.approx(-20.0, abs=1.5)
    assert mirrored.p_value == found.p_value


def test_five_runs_give_no_interval_and_six_do() -> None:
    """The smallest and the largest of five values hold the median in less than 95 % of cases."""
    assert 1 - 2.0 ** (1 - 5) < 0.95 <= 1 - 2.0 ** (1 - 6)
    early, late = rise(10), [rise(start) for start in (20, 25, 30, 35, 40, 45)]
    five = analysis.precedence(EPOCHS, [early] * 5, late[:5], 0.1)
    assert five.interval is None
    assert five.median_difference == pytest.approx(20.0, abs=1.5)
    six = analysis.precedence(EPOCHS, [early] * 6, late, 0.1)
    assert six.interval is not None
    assert 8.0 < six.interval[0] < six.interval[1] < 37.0


def test_interval_of_the_median_against_scipy() -> None:
    starts = np.random.default_rng(3).uniform(0, 40, 200)
    functional, structural = np.stack([rise(0)] * 200), np.stack([rise(s) for s in starts])
    found = analysis.precedence(EPOCHS, functional, structural, 0.3)
    functional_onsets = np.array(found.functional_onsets, dtype=float)
    differences = np.array(found.structural_onsets, dtype=float) - functional_onsets
    medians = stats.bootstrap(
        (differences,), np.median, method="percentile", random_state=np.random.default_rng(4)
    ).bootstrap_distribution
    assert found.interval is not None
    # A resampled median jumps from one onset to the next, so an end of the interval may too: what
    # has to agree is how many resampled medians lie beyond it, 2.5 % on either side.
    low, high = found.interval
    assert np.mean(medians < low) <= 0.03
    assert np.mean(medians <= low + 1e-9) >= 0.02
    assert np.mean(medians > high) <= 0.03
    assert np.mean(medians >= high - 1e-9) >= 0.02


def test_sweep_covers_the_range_and_keeps_every_run() -> None:
    functional = np.stack([rise(10, 0.01), rise(20, 0.004)])
    structural = np.stack([rise(40, 0.01), rise(60, 0.004)])
    found = analysis.precedence_sweep(EPOCHS, functional, structural)
    assert [p.threshold for p in found][:: len(found) - 1] == [0.05, 0.3]
    for result in found:
        assert result.functional_first + result.structural_first + result.undecided == 2
    assert (found[0].functional_first, found[0].undecided) == (2, 0)
    assert (found[-1].functional_first, found[-1].undecided) == (1, 1)


@pytest.mark.parametrize(
    ("name", "epochs", "functional", "structural", "threshold"),
    [
        ("epochs", [0, 0, 1], np.ones((1, 3)), np.ones((1, 3)), 0.1),
        ("epochs", [0, np.nan, 1], np.ones((1, 3)), np.ones((1, 3)), 0.1),
        ("functional", [0, 1, 2], np.ones((1, 4)), np.ones((1, 3)), 0.1),
        ("functional", [0, 1, 2], np.full((1, 3), np.nan), np.ones((1, 3)), 0.1),
        ("functional", [0, 1, 2], np.ones(3), np.ones((1, 3)), 0.1),
        ("structural", [0, 1, 2], np.ones((2, 3)), np.ones((1, 3)), 0.1),
        ("threshold", [0, 1, 2], np.ones((1, 3)), np.ones((1, 3)), np.nan),
    ],
)
def test_bad_input(
    name: str, epochs: object, functional: object, structural: object, threshold: float
) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: "):
        analysis.precedence(epochs, functional, structural, threshold)


def test_onset_of_curves_of_other_length() -> None:
    with pytest.raises(ValueError, match=r"^curve: "):
        analysis.onset([0, 1, 2], [0, 1], 0.1)
