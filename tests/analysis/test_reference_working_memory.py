"""Measures of a working-memory network against numbers of the authors' own code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from midiff_fast import analysis

DATA = Path(__file__).parents[1] / "data" / "analysis_wm.npz"
BITS = [[0], [1]]
LINES = [[0, 1], [2, 3]]

# float32 sums of theirs leave about 1e-7; theirs in float64 agree to rounding.
SINGLE = 2e-6
DOUBLE = 1e-10


@pytest.fixture(scope="module")
def reference() -> Mapping[str, Any]:
    return dict(np.load(DATA))


@pytest.fixture(scope="module")
def correlations(reference: Mapping[str, Any]) -> Any:
    return analysis.unit_target_correlation(reference["x"], reference["target"])


GROUPS = analysis.halves(40)


def test_structural_modularity(reference: Mapping[str, Any]) -> None:
    # stored weights multiply row vectors: [from, to]
    found = analysis.modularity(analysis.structural_adjacency(reference["W_rec"].T), GROUPS)
    assert found.raw == pytest.approx(float(reference["Q_str"]), rel=SINGLE)
    assert found.maximum == pytest.approx(float(reference["Q_str_max"]), rel=SINGLE)
    assert found.normalised == pytest.approx(found.raw / found.maximum)


def test_functional_modularity(reference: Mapping[str, Any]) -> None:
    found = analysis.modularity(analysis.correlation_adjacency(reference["x"]), GROUPS)
    assert found.raw == pytest.approx(float(reference["Q_corr"]), rel=DOUBLE)
    assert found.maximum == pytest.approx(float(reference["Q_corr_max"]), rel=DOUBLE)


def test_correlations(reference: Mapping[str, Any], correlations: Any) -> None:
    units = analysis.unit_correlation(torch.from_numpy(reference["x"]))
    np.testing.assert_allclose(units, reference["corr_x"], atol=1e-12)
    np.testing.assert_allclose(correlations, reference["corr_target"], atol=1e-12)


def test_separation_indices(reference: Mapping[str, Any], correlations: Any) -> None:
    tables = {
        "D_out": analysis.target_set_table(reference["W_out"].T, BITS),
        "D_in": analysis.target_set_table(reference["W_in"], LINES),
        "D_corr": analysis.target_set_table(correlations, BITS),
    }
    for name, table in tables.items():
        found = analysis.separation_index(table, GROUPS)
        assert found == pytest.approx(float(reference[name]), rel=SINGLE), name


def test_selectivity(reference: Mapping[str, Any], correlations: Any) -> None:
    found = analysis.selectivity(correlations)
    np.testing.assert_allclose(found.difference, reference["dif_corr"], atol=1e-12)
    np.testing.assert_allclose(found.angle, reference["phi_corr"], atol=1e-12)


def test_selectivity_against_weights(reference: Mapping[str, Any], correlations: Any) -> None:
    difference = analysis.selectivity(correlations).difference
    out = analysis.target_set_table(reference["W_out"].T, BITS)
    lines = analysis.target_set_table(reference["W_in"], LINES)
    rates = np.tanh(reference["x"]).reshape(-1, 40).std(0)
    np.testing.assert_allclose(out[0] - out[1], reference["d_w_out"], atol=5e-7)
    np.testing.assert_allclose(lines[0] - lines[1], reference["d_w_in"], atol=5e-7)
    found = {
        "r_d_w_out": analysis.selectivity_weight_correlation(difference, out),
        "r_d_w_out_normalised": analysis.selectivity_weight_correlation(difference, out, rates),
        "r_d_w_in": analysis.selectivity_weight_correlation(difference, lines),
    }
    for name, value in found.items():
        assert value == pytest.approx(float(reference[name]), rel=5e-6), name
