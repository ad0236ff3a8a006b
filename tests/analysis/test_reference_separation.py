"""Measures of a signal-separation network against numbers of the authors' own code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from midiff_fast import analysis

DATA = Path(__file__).parents[1] / "data" / "analysis_separation.npz"
UNITS = 100
GROUPS = analysis.halves(UNITS)
SYSTEMS = [[0, 1, 2], [3, 4, 5]]
WASHOUT = 200


@pytest.fixture(scope="module")
def reference() -> Mapping[str, Any]:
    return dict(np.load(DATA))


@pytest.mark.parametrize("gate", ["z", "r", "h"])
def test_structural_modularity_of_each_gate(reference: Mapping[str, Any], gate: str) -> None:
    start = UNITS * "zrh".index(gate)
    weight_hh = reference["recurrent_kernel"][:, start : start + UNITS].T
    found = analysis.modularity(analysis.structural_adjacency(weight_hh), GROUPS)
    assert found.raw == pytest.approx(float(reference[f"Q_str_{gate}"]), rel=1e-8)
    if gate == "h":
        assert found.raw == pytest.approx(float(reference["Q_str"]), rel=5e-6)


def test_functional_modularity(reference: Mapping[str, Any]) -> None:
    adjacency = analysis.correlation_adjacency(reference["hidden"], sequences="absolute")
    found = analysis.modularity(adjacency, GROUPS)
    assert found.raw == pytest.approx(float(reference["Q_cor"]), rel=1e-9)


def test_separation_indices(reference: Mapping[str, Any]) -> None:
    out = analysis.target_set_table(reference["out_kernel"].T, SYSTEMS, reduce="mean")
    assert analysis.separation_index(out, GROUPS) == pytest.approx(
        float(reference["D_out"]), rel=2e-6
    )
    correlations = analysis.unit_target_correlation(
        reference["hidden"][:, WASHOUT:], reference["output"][:, WASHOUT:], sequences="absolute"
    )
    table = analysis.target_set_table(correlations, SYSTEMS, reduce="mean")
    assert analysis.separation_index(table, GROUPS) == pytest.approx(
        float(reference["D_cor"]), rel=1e-9
    )


def test_communities(reference: Mapping[str, Any]) -> None:
    functional = analysis.correlation_adjacency(reference["hidden"], sequences="signed")
    found = analysis.communities(functional, GROUPS)
    assert found.agreement == pytest.approx(float(reference["nmi_cor"]), rel=1e-9)
    candidate = reference["recurrent_kernel"][:, 2 * UNITS :].T
    found = analysis.communities(analysis.structural_adjacency(candidate), GROUPS)
    assert found.agreement == pytest.approx(float(reference["nmi_U"]), rel=1e-12)


def test_determination_of_each_output(reference: Mapping[str, Any]) -> None:
    found = analysis.r_squared(reference["y_true"], reference["output"])
    np.testing.assert_allclose(found, reference["r2"], rtol=1e-10)
