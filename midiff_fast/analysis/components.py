"""Principal components of the states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._check import Floats, Values, floats
from .correlation import AXES


@dataclass(frozen=True)
class PrincipalComponents:
    """``mean`` [N], orthonormal ``directions`` [count, N] by falling variance, and the share of
    the total variance that each explains, ``explained`` [count]."""

    mean: Floats
    directions: Floats
    explained: Floats

    def project(self, states: Values) -> Floats:
        """Coordinates [B, T, count] of states [B, T, N]."""
        values = floats("states", states, AXES)
        if values.shape[2] != len(self.mean):
            raise ValueError(f"states: expected [B, T, {len(self.mean)}], got {list(values.shape)}")
        projected: Floats = (values - self.mean) @ self.directions.T
        return projected


def principal_components(states: Values, count: int = 3) -> PrincipalComponents:
    """Principal components of states [B, T, N], all samples pooled.

    The sign of a direction is free; here its largest entry is positive.
    """
    values = floats("states", states, AXES)
    units = values.shape[2]
    if not 1 <= count <= units:
        raise ValueError(f"count: expected 1 to {units}, got {count}")
    samples = values.reshape(-1, units)
    mean = samples.mean(0)
    centred = samples - mean
    variances, vectors = np.linalg.eigh(centred.T @ centred / len(samples))
    variances = np.maximum(variances[::-1], 0.0)
    directions = vectors[:, ::-1].T[:count]
    largest = np.abs(directions).argmax(1)
    directions = directions * np.sign(directions[np.arange(count), largest])[:, None]
    total = variances.sum()
    explained = variances[:count] / total if total > 0 else np.zeros(count)
    return PrincipalComponents(mean, directions, explained)
