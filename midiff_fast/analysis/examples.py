"""Which runs the figures show in detail, and the activity that they need of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .components import principal_components
from .replay import Activity

EXAMPLE_STEPS = 1_000
"""Steps of one test sequence that are kept."""

EXAMPLE_POINTS = 1_000
"""States of all test sequences that are kept in principal components, evenly spaced in time."""


def choose_examples(members: list[dict[str, Any]]) -> list[int]:
    """Member indices: the run of median final Q_cor, and the control of the same seed.

    Of the largest weight of the mutual information; of two middle runs the lower one. The rule is
    fixed beforehand, so that the picture is of a typical run and not of the best one.
    """
    largest = max(member["mi_weight"] for member in members)
    runs = [member for member in members if member["mi_weight"] == largest]
    runs.sort(key=lambda member: member["final"]["Q_cor"] or 0.0)
    typical = runs[(len(runs) - 1) // 2]
    controls = [
        member["index"]
        for member in members
        if member["mi_weight"] == 0.0 and member["seed"] == typical["seed"] and largest > 0.0
    ]
    return [typical["index"], *controls]


def example(index: int, activity: Activity, number: int) -> dict[str, Any]:
    """Member ``index``, number ``number`` of the activity's ensemble, ready for JSON.

    ``input [S, I]``, ``target [S, O]`` and ``output [S, O]`` of the start of the first test
    sequence; ``points [P, C]`` in C ≤ 3 principal components with their ``point_target [P, O]``.
    """
    states = activity.states[number].double().numpy()
    target = activity.target[number].double().numpy()
    first = slice(0, EXAMPLE_STEPS)
    components = principal_components(states, min(3, states.shape[2]))
    points = components.project(states).reshape(-1, len(components.directions))
    chosen = np.linspace(0, len(points) - 1, min(EXAMPLE_POINTS, len(points))).astype(int)
    return {
        "member": index,
        "input": activity.input[number, 0, first].tolist(),
        "target": target[0, first].tolist(),
        "output": activity.output[number, 0, first].tolist(),
        "explained": components.explained.tolist(),
        "points": points[chosen].tolist(),
        "point_target": target.reshape(len(points), -1)[chosen].tolist(),
    }
