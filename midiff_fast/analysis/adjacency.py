"""Graphs of a network: by its weights, and by the correlations of its units."""

from __future__ import annotations

import numpy as np

from ._check import Floats, Values, square
from .correlation import Sequences, unit_correlation


def structural_adjacency(weight_hh: Values) -> Floats:
    """|W| + |W|ᵀ without the diagonal: [N, N].

    Args:
        weight_hh: recurrent weights [N, N]; of a GRU one gate's block, the candidate's
            ``weight_hh_l0[2 * N:]`` in the paper.
    """
    magnitude = np.abs(square("weight_hh", weight_hh))
    return _without_diagonal(magnitude + magnitude.T)


def correlation_adjacency(states: Values, *, sequences: Sequences = "pooled") -> Floats:
    """|Pearson correlation| between units without the diagonal: [N, N].

    Args:
        states: [B, T, N]; working memory: the state x (not its rate) over the learned steps.
        sequences: "pooled" for working memory, "absolute" for separation, "signed" for the
            community analysis of separation (|·| is taken after averaging).
    """
    return adjacency_of_correlation(unit_correlation(states, sequences=sequences))


def adjacency_of_correlation(correlation: Values) -> Floats:
    """The graph of a correlation matrix [N, N] that is already there."""
    matrix = np.abs(square("correlation", correlation))
    return _without_diagonal((matrix + matrix.T) / 2)


def _without_diagonal(matrix: Floats) -> Floats:
    np.fill_diagonal(matrix, 0.0)
    return matrix
