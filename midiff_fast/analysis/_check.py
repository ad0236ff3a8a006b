"""Turns what a user passes into arrays, or says which argument is wrong and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Values: TypeAlias = Any
"""Numbers as a NumPy array, a nested list, or a torch tensor on any device."""


class UndefinedMeasureError(ValueError):
    """A measure that the arguments leave without a value, as the modularity of a graph without
    edges; not a mistake in the call."""


def to_numpy(values: Values) -> NDArray[Any]:
    """A NumPy view of an array, a nested list, or a torch tensor on any device."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    return np.asarray(values)


def floats(name: str, values: Values, axes: Sequence[str]) -> Floats:
    """A finite float64 array with one axis per entry of ``axes``.

    Raises:
        ValueError: not numbers, another number of axes, an empty axis, NaN or infinity.
    """
    expected = f"[{', '.join(axes)}]"
    try:
        array = to_numpy(values)
        if array.dtype == object or np.iscomplexobj(array):
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected real numbers {expected}") from None
    if array.ndim != len(axes) or 0 in array.shape:
        raise ValueError(f"{name}: expected {expected}, got {list(array.shape)}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    return array


def square(name: str, values: Values) -> Floats:
    """A finite float64 array [N, N]."""
    array = floats(name, values, ("N", "N"))
    if array.shape[0] != array.shape[1]:
        raise ValueError(f"{name}: expected [N, N], got {list(array.shape)}")
    return array
