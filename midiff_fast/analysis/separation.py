"""Separation index D: how far two groups of units serve two different sets of targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ._check import Floats, UndefinedMeasureError, Values, floats
from .groups import Groups, group_labels


def separation_index(table: Values, groups: Groups) -> float:
    """D = |Σ_{i in group 1} d_i - Σ_{i in group 2} d_i| / Σ a, with d_i = a_1i - a_2i.

    1 where each group serves one target set only, 0 where both serve both alike.

    Args:
        table: a [2, N], non-negative: how much unit i has to do with each of two target sets.
        groups: two groups, as labels [N] or index sets.

    Raises:
        ValueError: naming ``table`` or ``groups`` and what is wrong with it.
    """
    values = floats("table", table, ("2", "N"))
    if values.shape[0] != 2:
        raise ValueError(f"table: expected [2, N], got {list(values.shape)}")
    if (values < 0).any():
        raise ValueError(f"table: expected non-negative entries, got {values.min():g}")
    if not values.any():
        raise UndefinedMeasureError("table: expected a positive entry, all are zero")
    labels = group_labels(groups, values.shape[1], count=2)
    difference = values[0] - values[1]
    gap = difference[labels == 0].sum() - difference[labels == 1].sum()
    return float(abs(gap) / values.sum())


def target_set_table(
    values: Values,
    target_sets: Sequence[Sequence[int]],
    *,
    reduce: Literal["sum", "mean"] = "sum",
) -> Floats:
    """|values| summed or averaged over each target set's rows: [number of sets, N].

    D_out: ``weight_out`` [O, N], summed (working memory) or averaged (separation).
    D_in: ``weight_ih.T`` [I, N], summed over a bit's two lines, sets [[0, 1], [2, 3]].
    D_cor: unit-target correlations [O, N], averaged over a set.

    Args:
        values: [rows, N].
        target_sets: disjoint lists of row numbers.
        reduce: how the rows of a set are combined.
    """
    rows = np.abs(floats("values", values, ("rows", "N")))
    if reduce not in ("sum", "mean"):
        raise ValueError(f"reduce: expected sum or mean, got {reduce!r}")
    used = [row for members in target_sets for row in members]
    if not target_sets or not all(len(members) for members in target_sets):
        raise ValueError("target_sets: expected no empty set")
    if len(set(used)) < len(used):
        raise ValueError("target_sets: expected disjoint sets, a row is used twice")
    if min(used) < 0 or max(used) >= len(rows):
        raise ValueError(f"target_sets: expected rows from 0 to {len(rows) - 1}, got {used}")
    combine = np.sum if reduce == "sum" else np.mean
    return np.stack([combine(rows[list(members)], axis=0) for members in target_sets])
