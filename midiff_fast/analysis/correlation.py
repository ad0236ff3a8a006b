"""Pearson correlations between units, and between units and targets."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ._check import Floats, Values, floats

Sequences = Literal["pooled", "signed", "absolute"]
"""How sequences are combined: all samples pooled into one correlation; one correlation per
sequence, then the mean; or one per sequence, then the mean of its absolute value."""

AXES = ("batch", "time", "units")


def unit_correlation(states: Values, *, sequences: Sequences = "pooled") -> Floats:
    """Correlations between all pairs of units: [N, N].

    A unit that never changes has correlation 0 with every unit.

    Args:
        states: [B, T, N].
        sequences: how the B sequences are combined.
    """
    values = floats("states", states, AXES)
    return _correlate(values, values, sequences)


def unit_target_correlation(
    states: Values, targets: Values, *, sequences: Sequences = "pooled"
) -> Floats:
    """Correlation of every unit with every target (or network output): [O, N].

    Args:
        states: [B, T, N].
        targets: [B, T, O].
        sequences: how the B sequences are combined. The working-memory study pools them; the
            separation study takes "absolute", against the network's output.
    """
    values = floats("states", states, AXES)
    goals = floats("targets", targets, ("batch", "time", "outputs"))
    if goals.shape[:2] != values.shape[:2]:
        expected = [*values.shape[:2], "outputs"]
        raise ValueError(f"targets: expected {expected}, got {list(goals.shape)}")
    return _correlate(goals, values, sequences)


def pearson(first: Floats, second: Floats) -> float:
    """Correlation of two vectors [N]; 0 where one of them is constant."""
    return float(_unit_length(first[:, None])[:, 0] @ _unit_length(second[:, None])[:, 0])


def _correlate(first: Floats, second: Floats, sequences: Sequences) -> Floats:
    if sequences not in ("pooled", "signed", "absolute"):
        raise ValueError(f"sequences: expected pooled, signed or absolute, got {sequences!r}")
    if sequences == "pooled":
        first = first.reshape(1, -1, first.shape[2])
        second = second.reshape(1, -1, second.shape[2])
    same = first is second
    total: Floats = np.zeros((first.shape[2], second.shape[2]))
    for one, other in zip(first, second, strict=True):
        left = _unit_length(one)
        product = left.T @ (left if same else _unit_length(other))
        total += np.abs(product) if sequences == "absolute" else product
    return np.clip(total / len(first), -1.0, 1.0)


def _unit_length(samples: Floats) -> Floats:
    """Columns of [S, N] centred and scaled to length 1; zeros for a constant column."""
    centred: Floats = samples - samples.mean(0)
    length = np.sqrt((centred**2).sum(0))
    rounding = 1e-12 * np.sqrt(len(samples)) * np.abs(samples).max(0)
    constant = length <= rounding
    scaled: Floats = centred / np.where(constant, 1.0, length)
    scaled[:, constant] = 0.0
    return scaled
