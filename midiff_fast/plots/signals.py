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
    _input_lines(rows[0], np.array(examples[0]["input"]))
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
        axes.set_ylim(-1.6, 1.6)
        axes.set_yticks([-1, 0, 1])
        axes.set_ylabel(output_name(run, output))
    rows[-1].set_xlabel("step after the transient")
    rows[-1].set_xlim(0, len(examples[0]["target"]) - 1)
    handles, labels = rows[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels))
    return figure


def output_name(run: RunData, output: int) -> str:
    """What an output stands for."""
    bits = run.config.task.bits
    return f"bit {output + 1}" if output < bits else run.config.task.logic.upper()


def _input_lines(axes: Axes, lines: np.ndarray) -> None:
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
    names = [f"{'on' if line % 2 == 0 else 'off'} {line // 2 + 1}" for line in range(count)]
    axes.set_yticks([count - 1 - line + 0.3 for line in range(count)], names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-0.1, count)
    axes.set_ylabel("input line")
