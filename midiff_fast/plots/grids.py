"""One small panel for each run: correlation matrices, and unit-target correlations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .data import RunData, run_name
from .style import DIVERGING, GROUP_MARKERS, GROUPS, SEQUENTIAL, new_figure

COLUMNS = 5
"""Panels in a row."""


def correlation_figure(run: RunData) -> Figure:
    """Correlation of the states of every pair of units, a matrix per run."""
    # Averaged over the sequences are magnitudes: the lower half of a signed scale would be empty.
    if run.conventions.sequences == "absolute":
        label, colours, lowest = "mean |correlation| of states", SEQUENTIAL, 0.0
    else:
        label, colours, lowest = "correlation of states", DIVERGING, -1.0

    def draw(axes: Axes, member: dict[str, Any]) -> None:
        matrix = np.array(member["final"]["correlation"])
        units = len(matrix)
        image = axes.imshow(matrix, cmap=colours, vmin=lowest, vmax=1, interpolation="nearest")
        images.append(image)
        for line in (axes.axhline, axes.axvline):
            line(units // 2 - 0.5, color="black", linewidth=0.6)
        centres = [units // 4 - 0.5, units // 2 + units // 4 - 0.5]
        axes.set_xticks(centres, ["group 1", "group 2"])
        axes.set_yticks(centres, ["1", "2"])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    images: list[Any] = []
    figure, panels = _grid(run, draw, height=1.95)
    figure.colorbar(images[0], ax=panels, label=label, shrink=0.6, aspect=30)
    return figure


def unit_target_figure(run: RunData) -> Figure:
    """|c₁| against |c₂|, a point per unit, a panel per run."""

    def draw(axes: Axes, member: dict[str, Any]) -> None:
        magnitude = np.abs(np.array(member["final"]["unit_target_correlation"]))
        magnitude = np.stack([magnitude[list(s)].mean(0) for s in run.task["target_sets"]])
        second = magnitude[1] if len(magnitude) > 1 else np.zeros_like(magnitude[0])
        for group, units in enumerate(halves_of(magnitude.shape[1])):
            axes.scatter(
                magnitude[0, units],
                second[units],
                s=13,
                color=GROUPS[group],
                marker=GROUP_MARKERS[group],
                alpha=0.8,
                linewidths=0,
                label=f"group {group + 1}",
            )
        axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8, zorder=0)
        axes.set_xlim(-0.03, 1.03)
        axes.set_ylim(-0.03, 1.03)
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.set_aspect("equal")

    figure, panels = _grid(run, draw, height=2.05)
    labels = [_followed(run, outputs) for outputs in run.task["target_sets"]]
    figure.supxlabel(labels[0], fontsize=9)
    if len(labels) > 1:
        figure.supylabel(labels[1], fontsize=9)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2)
    return figure


def _followed(run: RunData, outputs: Sequence[int]) -> str:
    """The axis label of a set of outputs: targets, or what the network made of them."""
    names = ", ".join(run.task["outputs"][output] for output in outputs)
    if len(outputs) == 1:
        return f"|correlation with {run.conventions.follows} {names}|"
    return f"mean |correlation| with {run.conventions.follows}s\n{names}"


def halves_of(units: int) -> tuple[slice, slice]:
    """The units of group 1 and of group 2."""
    return slice(0, units // 2), slice(units // 2, units)


def _grid(
    run: RunData, draw: Callable[[Axes, dict[str, Any]], None], height: float
) -> tuple[Figure, list[Axes]]:
    """A panel per run; the runs of another weight λ begin a new row."""
    columns = min(COLUMNS, max(len(run.of_weight(weight)) for weight in run.weights))
    cells: list[dict[str, Any] | None] = []
    for weight in run.weights:
        cells += run.of_weight(weight)
        cells += [None] * (-len(cells) % columns)
    rows = len(cells) // columns
    figure = new_figure(max(3.6, 1.75 * columns + 0.9), height * rows + 0.6)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    used = []
    for axes, member in zip(panels, cells, strict=True):
        if member is None:
            axes.set_axis_off()
            continue
        draw(axes, member)
        axes.set_title(run_name(member), fontsize=8, loc="center")
        used.append(axes)
    return figure, used
