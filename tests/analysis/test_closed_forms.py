"""Measures where the answer is known without a computer."""

from __future__ import annotations

import networkx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midiff_fast import analysis


@pytest.mark.parametrize("units", [2, 4, 10, 40])
def test_halves_of_a_complete_graph(units: int) -> None:
    adjacency = np.ones((units, units)) - np.eye(units)
    found = analysis.modularity(adjacency, analysis.halves(units))
    assert found.raw == pytest.approx(-1 / (2 * (units - 1)))
    assert found.maximum == pytest.approx(0.5)


@pytest.mark.parametrize(
    "convert", [np.asarray, torch.from_numpy, np.ndarray.tolist], ids=["numpy", "torch", "list"]
)
def test_karate_club_by_its_factions(convert: object) -> None:
    club = networkx.karate_club_graph()
    factions = [int(club.nodes[node]["club"] != "Mr. Hi") for node in club]
    adjacency = networkx.to_numpy_array(club, weight=None)
    found = analysis.modularity(convert(adjacency), factions)  # type: ignore[operator]
    assert found.raw == pytest.approx(0.3582, abs=5e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 12), st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_modularity_equals_networkx(units: int, seed: int, groups: int) -> None:
    random = np.random.default_rng(seed)
    weights = np.triu(random.random((units, units)), 1)
    labels = random.integers(0, groups, units)
    graph = networkx.from_numpy_array(weights + weights.T)
    sets = [set(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)]
    expected = networkx.community.modularity(graph, sets, weight="weight")
    found = analysis.modularity(weights + weights.T, labels)
    assert found.raw == pytest.approx(expected, abs=1e-12)
    listed = analysis.modularity(weights + weights.T, [sorted(members) for members in sets])
    assert listed == found


def test_two_disconnected_halves_reach_the_maximum() -> None:
    block = np.ones((3, 3)) - np.eye(3)
    adjacency = np.kron(np.eye(2), block)
    found = analysis.modularity(adjacency, analysis.halves(6))
    assert found.raw == pytest.approx(0.5)
    assert found.normalised == pytest.approx(1.0)
    split = analysis.communities(adjacency, analysis.halves(6))
    assert split.agreement == pytest.approx(1.0)
    assert split.modularity == pytest.approx(0.5)


def test_one_group_of_all_units_has_no_modularity() -> None:
    found = analysis.modularity(np.ones((4, 4)) - np.eye(4), [0, 0, 0, 0])
    assert (found.raw, found.maximum, found.normalised) == (0.0, 0.0, 0.0)


def test_structural_adjacency() -> None:
    weights = [[9.0, -1.0], [3.0, -9.0]]
    np.testing.assert_array_equal(analysis.structural_adjacency(weights), [[0, 4], [4, 0]])


def test_separation_index_of_perfect_and_of_no_division_of_labour() -> None:
    groups = [[0, 1], [2, 3]]
    assert analysis.separation_index([[1, 2, 0, 0], [0, 0, 3, 4]], groups) == pytest.approx(1.0)
    assert analysis.separation_index([[1, 2, 2, 1], [1, 2, 2, 1]], groups) == 0.0
    # d = 2, -1 | 1: |1 - 1| / 6 and, with the groups the other way round, |3 - (-1)| / 6
    assert analysis.separation_index([[2, 0, 1], [0, 1, 0]], [0, 0, 1]) == pytest.approx(0.0)
    assert analysis.separation_index([[2, 0, 1], [0, 1, 0]], [0, 1, 0]) == pytest.approx(1.0)


def test_correlation_of_combined_sequences() -> None:
    up, down = [0.0, 1.0, 2.0], [2.0, 1.0, 0.0]
    states = np.stack([np.stack([up, up], 1), np.stack([up, down], 1)])  # correlations +1, -1
    off_diagonal = {
        sequences: analysis.unit_correlation(states, sequences=sequences)[0, 1]
        for sequences in ("pooled", "signed", "absolute")
    }
    assert off_diagonal == pytest.approx({"pooled": 0.0, "signed": 0.0, "absolute": 1.0})


def test_a_constant_unit_correlates_with_nothing() -> None:
    states = np.stack([np.full(50, 0.1), np.sin(np.arange(50.0))], 1)[None]
    correlation = analysis.unit_correlation(states)
    np.testing.assert_allclose(correlation, [[0, 0], [0, 1]], atol=1e-12)


def test_normalised_mutual_information() -> None:
    measure = analysis.normalised_mutual_information
    assert measure([0, 0, 1, 1], [5, 5, 3, 3]) == pytest.approx(1.0)
    assert measure([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx(0.0)
    assert measure([0, 0, 0, 0], [1, 1, 1, 1]) == 1.0
    # I = ln 2 (b is a function of a), H(a) = ln 4, H(b) = ln 2: 2 ln 2 / (3 ln 2)
    assert measure([0, 1, 2, 3], [0, 0, 1, 1]) == pytest.approx(2 / 3)


def test_principal_components_of_a_known_ellipsoid() -> None:
    random = np.random.default_rng(0)
    basis = np.linalg.qr(random.normal(size=(3, 3)))[0]
    samples = np.linalg.qr(random.normal(size=(600, 3)) - 0.0)[0]
    samples -= samples.mean(0)
    samples = np.linalg.qr(samples)[0] * np.sqrt(600) * [3.0, 2.0, 1.0]
    states = (samples @ basis.T + 5.0).reshape(2, 300, 3)
    found = analysis.principal_components(states, 2)
    np.testing.assert_allclose(found.explained, [9 / 14, 4 / 14], rtol=1e-9)
    np.testing.assert_allclose(np.abs(found.directions @ basis[:, :2]), np.eye(2), atol=1e-9)
    np.testing.assert_allclose(found.project(states).std((0, 1)), [3.0, 2.0], rtol=1e-9)


def test_weight_blocks_read_from_source_to_goal() -> None:
    weights = np.array([[11, 21], [12, 22]])  # [to, from]
    blocks = analysis.weight_blocks(weights, [0, 1])
    found = {block: values.tolist() for block, values in blocks.items()}
    assert found == {(1, 1): [11], (1, 2): [12], (2, 1): [21], (2, 2): [22]}


def test_weight_histograms_count_every_weight_once() -> None:
    weights = np.random.default_rng(0).normal(size=(10, 10))
    found = analysis.weight_histograms(weights, analysis.halves(10), bins=7)
    assert len(found.edges) == 8
    assert found.edges[0] == -found.edges[-1]
    assert {int(counts.sum()) for counts in found.counts.values()} == {25}


def test_determination_of_a_mean_guess_is_zero() -> None:
    targets = np.arange(6.0).reshape(1, 6, 1)
    assert analysis.r_squared(targets, targets)[0] == 1.0
    assert analysis.r_squared(targets, np.full_like(targets, 2.5))[0] == pytest.approx(0.0)
