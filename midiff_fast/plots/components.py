"""Principal components of the states, coloured by the sides of two targets."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from .data import RunData, run_name
from .style import BLUE, GREEN, ORANGE, PURPLE, new_figure

STATES = (
    ((-1, -1), BLUE, "o"),
    ((-1, 1), ORANGE, "^"),
    ((1, -1), GREEN, "s"),
    ((1, 1), PURPLE, "D"),
)
"""Sides of the first output of each target set, their colour and marker."""


def components_figure(run: RunData) -> Figure:
    """The examples' states on their first components, a point per sampled step."""
    columns = len(run.examples)
    targets = parting_targets(run)
    names = [run.task["outputs"][target] for target in targets]
    figure = new_figure(max(4.4, 4.3 * columns), 4.0)
    panels = figure.subplots(1, columns, squeeze=False)[0]
    for axes, example in zip(panels, run.examples, strict=True):
        points = np.array(example["points"])
        if points.shape[1] < 2:
            points = np.column_stack([points, np.zeros(len(points))])
        target = np.array(example["point_target"])[:, targets]
        # Signals that change sign are parted at zero, others at their median.
        middle = np.where(changes_sign(target), 0.0, np.median(target, axis=0))
        side = np.where(target > middle, 1, -1)
        second = side[:, 1] if len(targets) > 1 else np.full(len(side), -1)
        for (one, two), colour, marker in STATES:
            chosen = (side[:, 0] == one) & (second == two)
            if chosen.any():
                sides = zip(names, (one, two), strict=False)
                label = ", ".join(f"{name} {_sign(value)}" for name, value in sides)
                axes.scatter(
                    points[chosen, 0],
                    points[chosen, 1],
                    s=11,
                    color=colour,
                    marker=marker,
                    alpha=0.6,
                    linewidths=0,
                    label=label,
                )
        explained = [*example["explained"], 0.0]
        axes.set_xlabel(f"component 1 ({100 * explained[0]:.0f} % of variance)")
        axes.set_ylabel(f"component 2 ({100 * explained[1]:.0f} % of variance)")
        axes.set_title(run_name(run.members[example["member"]]), fontsize=8.5)
    entries = dict(
        zip(*[items[::-1] for items in panels[0].get_legend_handles_labels()][::-1], strict=True)
    )
    labels = sorted(entries)
    legend = figure.legend(
        [entries[label] for label in labels], labels, loc="outside upper right", ncols=len(labels)
    )
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)
    return figure


def parting_targets(run: RunData) -> list[int]:
    """The outputs whose sides give the colours: the first one of two target sets."""
    return [outputs[0] for outputs in run.task["target_sets"]][:2]


def changes_sign(target: np.ndarray) -> np.ndarray:
    """Which columns of [P, O] have negative values: [O]."""
    negative: np.ndarray = np.any(target < 0.0, axis=0)
    return negative


def _sign(side: int) -> str:
    return "+" if side > 0 else "−"
