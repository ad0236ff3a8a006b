"""Communities that a graph shows by itself, and how well they match the given groups."""

from __future__ import annotations

from dataclasses import dataclass

import networkx
import numpy as np

from ._check import Integers, Values
from .groups import Groups, group_labels
from .modularity import check_adjacency, modularity


@dataclass(frozen=True)
class Communities:
    """``labels`` [N] of the communities found, their raw ``modularity``, and their ``agreement``
    with the given groups (normalised mutual information, 0 to 1)."""

    labels: Integers
    modularity: float
    agreement: float


def communities(adjacency: Values, groups: Groups, *, count: int = 2) -> Communities:
    """Split a graph into ``count`` communities by greedy modularity and compare with ``groups``.

    Clauset, Newman & Moore (2004), as networkx implements it, stopped at ``count`` communities.

    Args:
        adjacency: [N, N], non-negative, symmetric, zero diagonal.
        groups: the given groups, labels [N] or index sets.
        count: how many communities to look for.
    """
    weights = check_adjacency(adjacency)
    given = group_labels(groups, len(weights))
    if not 1 <= count <= len(weights):
        raise ValueError(f"count: expected 1 to {len(weights)}, got {count}")
    found = networkx.community.greedy_modularity_communities(
        networkx.from_numpy_array(weights), weight="weight", cutoff=count, best_n=count
    )
    labels = np.zeros(len(weights), dtype=np.int64)
    for number, members in enumerate(found):
        labels[list(members)] = number
    return Communities(
        labels,
        modularity(weights, labels).raw,
        normalised_mutual_information(labels, given),
    )


def normalised_mutual_information(first: Values, second: Values) -> float:
    """I(first; second) / ((H(first) + H(second)) / 2) of two labellings [N]; 1 for equal ones.

    Two labellings of one group each are equal: 1.
    """
    length = np.size(first)
    if length == 0:
        raise ValueError("first: expected at least one label, got none")
    one, other = group_labels(first, length), group_labels(second, length)
    joint = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(joint, (one, other), 1.0 / length)
    rows, columns = joint.sum(1), joint.sum(0)
    there = joint > 0
    information = float(
        (joint[there] * np.log(joint[there] / np.outer(rows, columns)[there])).sum()
    )
    entropy = -float((rows * np.log(rows)).sum() + (columns * np.log(columns)).sum())
    return 1.0 if entropy == 0.0 else min(1.0, max(0.0, 2.0 * information / entropy))
