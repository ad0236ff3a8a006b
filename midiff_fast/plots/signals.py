"""Task signals: the input lines, the targets, and what the network makes of them."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .data import RunData, run_name
from .style import BLACK, GREY, new_figure, weight_colours


def signals_figure(run: RunData) -> Figure:
    """One test sequence: input lines on top, then target and output of each output."""
    examples = run.examples
    outputs = len(examples[0]["target"][0])
    figure = new_figure(9.0, 1.6 + 1.2 * outputs)
    rows = figure.subplots(
        outputs + 1, 1, sharex=True, squeeze=False, height_ratios=[1.3, *[1.0] * outputs]
    )[:, 0]
    input = np.array(examples[0]["input"])
    if has_pulses(run):
        _input_lines(rows[0], input, run.task["inputs"])
    else:
        _input_curves(rows[0], input, run.task["inputs"])
    limits = _limits(np.array(examples[0]["target"]))
    colours = weight_colours(run.weights)
    for output, axes in enumerate(rows[1:]):
        target = np.array(examples[0]["target"])[:, output]
        axes.plot(target, color=BLACK, linewidth=2.2, label="target")
        for example in examples[::-1]:
            member = run.members[example["member"]]
            axes.plot(
                np.array(example["output"])[:, output],
                color=colours[member["mi_weight"]],
                linewidth=0.9,
                label=run_name(member),
            )
        axes.set_ylim(*limits)
        axes.set_ylabel(run.task["outputs"][output])
    rows[-1].set_xlabel("step after the transient")
    rows[-1].set_xlim(0, len(examples[0]["target"]) - 1)
    handles, labels = rows[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels))
    return figure


def has_pulses(run: RunData) -> bool:
    """Whether the inputs are lines that are on or off."""
    return bool(np.isin(run.examples[0]["input"], (0.0, 1.0)).all())


def _limits(target: np.ndarray) -> tuple[float, float]:
    """A range that holds all targets, with room for outputs that overshoot."""
    low, high = float(target.min()), float(target.max())
    margin = 0.3 * max(high - low, 1e-6)
    return low - margin, high + margin


def _input_curves(axes: Axes, input: np.ndarray, names: list[str]) -> None:
    for line, values in enumerate(input.T):
        shade = 0.15 + 0.6 * line / max(input.shape[1], 1)
        axes.plot(values, color=str(shade), linewidth=0.9, label=names[line] if names else None)
    axes.set_ylabel("input")
    if names:
        axes.legend(loc="upper right", ncols=len(names), fontsize=6.5)


def _input_lines(axes: Axes, lines: np.ndarray, names: list[str]) -> None:
    count = lines.shape[1]
    for line in range(count):
        axes.fill_between(
            np.arange(len(lines)),
            count - 1 - line,
            count - 1 - line + 0.75 * lines[:, line],
            color=GREY,
            linewidth=0,
            step="mid",
        )
    axes.set_yticks([count - 1 - line + 0.3 for line in range(count)], names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-0.1, count)
    axes.set_ylabel("input line")
