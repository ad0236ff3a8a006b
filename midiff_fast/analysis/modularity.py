"""Newman's weighted modularity of given groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._check import Floats, UndefinedMeasureError, Values, square
from .groups import Groups, group_labels

SYMMETRY_TOLERANCE = 1e-6  # of the largest entry: what a float32 computation may leave


@dataclass(frozen=True)
class Modularity:
    """``raw`` Q, the ``maximum`` that Q could reach with these degrees, and Q / Q_max.

    ``normalised`` is 0 where the maximum is 0 (all edges end in one group; then Q is 0 too).
    """

    raw: float
    maximum: float
    normalised: float


def check_adjacency(adjacency: Values) -> Floats:
    """A symmetric non-negative matrix [N, N] with zero diagonal and at least one edge."""
    weights = square("adjacency", adjacency)
    if (weights < 0).any():
        raise ValueError(f"adjacency: expected non-negative weights, got {weights.min():g}")
    if np.abs(weights - weights.T).max() > SYMMETRY_TOLERANCE * weights.max():
        raise ValueError("adjacency: expected a symmetric matrix")
    if np.diagonal(weights).any():
        raise ValueError("adjacency: expected a zero diagonal (no self-connections)")
    if not weights.any():
        raise UndefinedMeasureError("adjacency: expected a positive weight, all are zero")
    return weights


def modularity(adjacency: Values, groups: Groups) -> Modularity:
    """Modularity of a weighted undirected graph for a given division into groups.

    With k_i = Σ_j A_ij and 2m = Σ_ij A_ij (Newman 2004; Tomoda et al. 2025):

        Q     = 1/2m Σ_ij (A_ij - k_i k_j / 2m) [g_i = g_j]
        Q_max = 1 - Σ_ij k_i k_j / (2m)² [g_i = g_j]

    Args:
        adjacency: A [N, N], non-negative, symmetric, zero diagonal.
        groups: g, one label per unit [N], or disjoint index sets that cover all units.

    Raises:
        ValueError: naming ``adjacency`` or ``groups`` and what is wrong with it.
    """
    weights = check_adjacency(adjacency)
    labels = group_labels(groups, len(weights))
    same = labels[:, None] == labels[None, :]
    degrees = weights.sum(1)
    total = degrees.sum()
    expected = float((np.outer(degrees, degrees) * same).sum() / total**2)
    raw = float((weights * same).sum() / total) - expected
    maximum = 1.0 - expected
    if maximum < 1e-12:  # rounding of 1 - 1
        return Modularity(0.0, 0.0, 0.0)
    return Modularity(raw, maximum, raw / maximum)
