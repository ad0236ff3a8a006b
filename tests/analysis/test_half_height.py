"""Onsets at half of each curve's own final height, on curves whose onsets are known."""

from __future__ import annotations

import numpy as np
import pytest

from midiff_fast import analysis

EPOCHS = np.arange(0.0, 110.0, 10.0)  # 0, 10, … 100


def ramp(start: float, height: float) -> np.ndarray:
    """0 until epoch ``start``, then linear for 40 epochs, then ``height``."""
    return height * np.clip((EPOCHS - start) / 40, 0.0, 1.0)


def test_curves_that_rise_together_to_different_heights_have_no_order() -> None:
    """With one threshold for both the higher one is first, whatever the threshold."""
    functional, structural = [ramp(10, 0.8)] * 6, [ramp(10, 0.2)] * 6
    for row in analysis.precedence_sweep(EPOCHS, functional, structural):
        assert (row.functional_first, row.structural_first) == (6, 0)
    found = analysis.half_height(EPOCHS, functional, structural)
    assert (found.functional_first, found.structural_first, found.undecided) == (0, 0, 6)
    assert found.functional_onsets == pytest.approx([30.0] * 6)
    assert found.structural_onsets == pytest.approx([30.0] * 6)
    assert found.p_value is None


@pytest.mark.parametrize("scale", [0.1, 1.0])
def test_the_order_does_not_depend_on_the_heights(scale: float) -> None:
    functional, structural = [ramp(0, 0.8)] * 6, [ramp(30, 0.8 * scale)] * 6
    found = analysis.half_height(EPOCHS, functional, structural)
    assert (found.functional_first, found.structural_first, found.undecided) == (6, 0, 0)
    assert found.p_value == pytest.approx(2 * 0.5**6)
    mirrored = analysis.half_height(EPOCHS, structural, functional)
    assert (mirrored.functional_first, mirrored.structural_first) == (0, 6)


def test_a_curve_without_height_decides_nothing() -> None:
    """Neither one that ends below the floor, nor one that falls back below its half."""
    flat, low, gone = np.zeros(11), ramp(0, 0.049), ramp(0, 0.8) * (EPOCHS < 70)
    dip = np.where(EPOCHS == 90, 0.0, np.where(EPOCHS >= 80, 0.9, 0.0))
    functional, structural = [ramp(0, 0.8)] * 5, [flat, low, -ramp(0, 0.8), gone, dip]
    found = analysis.half_height(EPOCHS, functional, structural)
    assert (found.functional_first, found.structural_first, found.undecided) == (0, 0, 5)
    assert found.structural_onsets == (None,) * 5
    above = analysis.half_height(EPOCHS, functional, structural, floor=0.04)
    assert [onset is None for onset in above.structural_onsets] == [True, False, True, True, True]
    assert above.structural_onsets[1] == pytest.approx(20.0)


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_snapshots_have_no_onset(count: int) -> None:
    found = analysis.half_height(EPOCHS[:count], np.ones((1, count)), np.ones((1, count)))
    assert (found.functional_onsets, found.undecided) == ((None,), 1)


@pytest.mark.parametrize("floor", [-0.1, np.nan, np.inf])
def test_bad_floor(floor: float) -> None:
    with pytest.raises(ValueError, match=r"^floor: "):
        analysis.half_height([0, 1, 2], np.ones((1, 3)), np.ones((1, 3)), floor)
