"""Every bad argument gets a ValueError that begins with its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from midiff_fast import analysis

GRAPH = np.ones((4, 4)) - np.eye(4)
HALVES = [0, 0, 1, 1]
STATES = np.random.default_rng(0).normal(size=(2, 5, 3))


def changed(matrix: Any, row: int, column: int, value: float) -> Any:
    other = np.array(matrix, dtype=float)
    other[row, column] = value
    return other


@pytest.mark.parametrize(
    "groups",
    [
        [],
        [0, 0, 1],
        [0, 0, 1, 1, 1],
        [0.0, 0.0, 1.0, 1.0],
        ["a", "a", "b", "b"],
        [[0, 1, 2, 3], []],
        [[0, 1], [1, 2, 3]],
        [[0, 0], [1, 2, 3]],
        [[0, 1], [2]],
        [[0, 1], [2, 4]],
        [[0, 1], [2, -1]],
        torch.tensor([0.0, 0.0, 1.0, 1.0]),
    ],
    ids=str,
)
def test_groups(groups: Any) -> None:
    with pytest.raises(ValueError, match=r"^groups: "):
        analysis.modularity(GRAPH, groups)
    with pytest.raises(ValueError, match=r"^groups: "):
        analysis.separation_index(np.ones((2, 4)), groups)


@pytest.mark.parametrize("groups", [[0, 0, 0, 0], [0, 1, 2, 2], [[0], [1], [2, 3]]], ids=str)
def test_separation_needs_two_groups(groups: Any) -> None:
    with pytest.raises(ValueError, match=r"^groups: expected 2 groups"):
        analysis.separation_index(np.ones((2, 4)), groups)


@pytest.mark.parametrize(
    ("adjacency", "problem"),
    [
        (changed(GRAPH, 0, 1, 2.0), "symmetric"),
        (changed(changed(GRAPH, 0, 1, -1.0), 1, 0, -1.0), "non-negative"),
        (changed(GRAPH, 0, 1, np.nan), "finite"),
        (changed(GRAPH, 0, 1, np.inf), "finite"),
        (changed(GRAPH, 2, 2, 1.0), "diagonal"),
        (np.zeros((4, 4)), "positive"),
        (np.ones((4, 3)), r"\[N, N\]"),
        (np.ones(4), r"\[N, N\]"),
        (np.ones((0, 0)), r"\[N, N\]"),
        ([["a"]], "real numbers"),
        (GRAPH * 1j, "real numbers"),
    ],
)
def test_adjacency(adjacency: Any, problem: str) -> None:
    for measure in (analysis.modularity, analysis.communities):
        with pytest.raises(ValueError, match=f"^adjacency: .*{problem}"):
            measure(adjacency, HALVES)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("weight_hh", lambda: analysis.structural_adjacency(np.ones((2, 3)))),
        ("weight_hh", lambda: analysis.structural_adjacency([[0.0, np.nan], [0.0, 0.0]])),
        ("weight_hh", lambda: analysis.weight_blocks(np.full((4, 4), np.nan), HALVES)),
        ("bins", lambda: analysis.weight_histograms(GRAPH, HALVES, bins=0)),
        ("groups", lambda: analysis.weight_blocks(GRAPH, [0, 1, 2, 2])),
        ("units", lambda: analysis.halves(1)),
        ("count", lambda: analysis.communities(GRAPH, HALVES, count=0)),
        ("first", lambda: analysis.normalised_mutual_information([], [])),
        ("groups", lambda: analysis.normalised_mutual_information([0, 1], [0, 1, 1])),
        ("states", lambda: analysis.unit_correlation(STATES[0])),
        ("states", lambda: analysis.unit_correlation(STATES * np.nan)),
        ("states", lambda: analysis.unit_correlation(STATES[:, :0])),
        ("sequences", lambda: analysis.unit_correlation(STATES, sequences="mean")),  # type: ignore[arg-type]
        ("targets", lambda: analysis.unit_target_correlation(STATES, STATES[:, :-1])),
        ("targets", lambda: analysis.unit_target_correlation(STATES, STATES[0])),
        ("table", lambda: analysis.separation_index(np.ones((3, 4)), HALVES)),
        ("table", lambda: analysis.separation_index(-np.ones((2, 4)), HALVES)),
        ("table", lambda: analysis.separation_index(np.zeros((2, 4)), HALVES)),
        ("table", lambda: analysis.separation_index(np.full((2, 4), np.nan), HALVES)),
        ("target_sets", lambda: analysis.target_set_table(np.ones((4, 3)), [])),
        ("target_sets", lambda: analysis.target_set_table(np.ones((4, 3)), [[0], []])),
        ("target_sets", lambda: analysis.target_set_table(np.ones((4, 3)), [[0, 1], [1]])),
        ("target_sets", lambda: analysis.target_set_table(np.ones((4, 3)), [[0], [4]])),
        ("reduce", lambda: analysis.target_set_table(np.ones((1, 3)), [[0]], reduce="max")),  # type: ignore[arg-type]
        ("correlations", lambda: analysis.selectivity(np.ones((3, 4)))),
        ("correlations", lambda: analysis.selectivity(np.full((2, 4), np.nan))),
        ("table", lambda: analysis.selectivity_weight_correlation([1, 2], np.ones((2, 3)))),
        ("unit_scale", lambda: analysis.selectivity_weight_correlation([1, 2], GRAPH[:2, :2], [1])),
        ("count", lambda: analysis.principal_components(STATES, 4)),
        ("states", lambda: analysis.principal_components(STATES).project(STATES[..., :2])),
        ("outputs", lambda: analysis.r_squared(STATES, STATES[:1])),
        ("targets", lambda: analysis.r_squared(np.ones((1, 5, 1)), np.ones((1, 5, 1)))),
    ],
)
def test_other_arguments(name: str, call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=f"^{name}: "):
        call()
