"""Recurrent weights by block: within a group, and from one group to the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._check import Floats, Integers, Values, square
from .groups import Groups, group_labels

Block = tuple[int, int]
"""(from group, to group), counted from 1 as in the paper."""


@dataclass(frozen=True)
class BlockHistograms:
    """Common bin ``edges`` [bins + 1] and per block the ``counts`` [bins]."""

    edges: Floats
    counts: dict[Block, Integers]


def weight_blocks(weight_hh: Values, groups: Groups) -> dict[Block, Floats]:
    """The weights of the blocks 1→1, 1→2, 2→1, 2→2, each flattened.

    Args:
        weight_hh: [N, N]; ``weight_hh[i, j]`` is the weight from unit j to unit i.
        groups: two groups, labels [N] or index sets.
    """
    weights = square("weight_hh", weight_hh)
    labels = group_labels(groups, len(weights), count=2)
    return {
        (source + 1, goal + 1): weights[np.ix_(labels == goal, labels == source)].ravel()
        for source in (0, 1)
        for goal in (0, 1)
    }


def weight_histograms(weight_hh: Values, groups: Groups, *, bins: int = 41) -> BlockHistograms:
    """Histograms of the four blocks over common bins, symmetric about 0."""
    if bins < 1:
        raise ValueError(f"bins: expected at least 1, got {bins}")
    blocks = weight_blocks(weight_hh, groups)
    limit = max(float(np.abs(values).max()) for values in blocks.values()) or 1.0
    edges = np.linspace(-limit, limit, bins + 1)
    counts = {block: np.histogram(values, edges)[0] for block, values in blocks.items()}
    return BlockHistograms(edges, {block: c.astype(np.int64) for block, c in counts.items()})
