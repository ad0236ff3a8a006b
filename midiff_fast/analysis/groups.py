"""Groups of units: the two halves of a network, or any other division into disjoint sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from ._check import Integers, to_numpy

Groups: TypeAlias = Any
"""Either one integer label per unit [N], or a list of disjoint index sets that cover all units."""


def halves(units: int) -> Integers:
    """Labels [N] of the paper's groups: 0 for the first half of the units, 1 for the second."""
    if units < 2:
        raise ValueError(f"units: expected at least 2, got {units}")
    return (np.arange(units) >= units // 2).astype(np.int64)


def group_labels(groups: Groups, units: int, *, count: int | None = None) -> Integers:
    """Labels [N] from 0 to the number of groups minus one.

    Label vectors keep the order of their values; index sets are numbered as they come.

    Args:
        groups: labels [N], or index sets.
        units: N, the number of units that must be covered.
        count: how many groups there must be; any number where None.

    Raises:
        ValueError: empty or overlapping groups, units left out or out of range, another length,
            labels that are not integers, another number of groups than ``count``.
    """
    labels = _from_index_sets(groups, units) if _is_nested(groups) else _from_labels(groups, units)
    found = int(labels.max()) + 1
    if count is not None and found != count:
        raise ValueError(f"groups: expected {count} groups, got {found}")
    return labels


def _is_nested(groups: Groups) -> bool:
    if hasattr(groups, "ndim"):
        return int(groups.ndim) > 1
    return isinstance(groups, Sequence) and any(hasattr(entry, "__len__") for entry in groups)


def _from_labels(groups: Groups, units: int) -> Integers:
    values = to_numpy(groups)
    if values.shape != (units,):
        raise ValueError(f"groups: expected one label per unit [{units}], got {list(values.shape)}")
    if not (np.issubdtype(values.dtype, np.integer) or values.dtype == np.bool_):
        raise ValueError(f"groups: expected integer labels, got {values.dtype}")
    return np.unique(values, return_inverse=True)[1].reshape(units).astype(np.int64)


def _from_index_sets(groups: Groups, units: int) -> Integers:
    labels = np.full(units, -1, dtype=np.int64)
    for number, members in enumerate(groups):
        indices = to_numpy(members)
        if indices.size == 0:
            raise ValueError(f"groups: group {number + 1} is empty")
        if indices.ndim != 1 or not np.issubdtype(indices.dtype, np.integer):
            raise ValueError(f"groups: expected lists of unit indices, got {members!r}")
        if indices.min() < 0 or indices.max() >= units:
            raise ValueError(f"groups: expected indices from 0 to {units - 1}, got {members!r}")
        if len(np.unique(indices)) < len(indices) or (labels[indices] >= 0).any():
            raise ValueError(f"groups: group {number + 1} has a unit that was already assigned")
        labels[indices] = number
    if (labels < 0).any():
        left_out = np.flatnonzero(labels < 0).tolist()
        raise ValueError(f"groups: expected every unit in a group, left out: {left_out}")
    return labels
