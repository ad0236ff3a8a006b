"""Weight matrices: recurrent, with the strips of the input and of the output weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .data import RunData, run_name
from .style import DIVERGING, GROUPS, new_figure

STRIP = 0.2
"""Least width of a strip, as a share of the matrix: its labels need the room."""


def matrices_figure(run: RunData) -> Figure:
    """A typical run before and after training, and its control after training.

    Rows of the matrix receive, columns send. Left of it the weights that each unit gets from the
    input lines, below it those that it has on the outputs.
    """
    typical = run.examples[0]["member"]
    columns = [(typical, 0, "start")]
    if len(run.analysis["epochs"]) > 1:
        epoch = run.analysis["epochs"][-1]
        columns += [(example["member"], -1, f"epoch {epoch}") for example in run.examples]
    limit = max(_limit(run, "weight_hh", columns), 1e-12)
    strip_limit = max(_limit(run, "weight_ih", columns), _limit(run, "weight_out", columns), 1e-12)
    figure = new_figure(3.0 * len(columns) + 1.4, 3.5)
    widths = [3.0] * len(columns) + [1.4]
    *parts, legend = figure.subfigures(1, len(widths), width_ratios=widths, squeeze=False)[0]
    images: tuple[Any, Any] = (None, None)
    for part, (member, snapshot, when) in zip(parts, columns, strict=True):
        images = _panel(part, run, member, snapshot, (limit, strip_limit))
        part.suptitle(f"{run_name(run.members[member])}\n{when}", fontsize=8.5)
    bars = legend.subplots(1, 2)
    for axes, image, label in zip(bars, images, ("recurrent", "input, output"), strict=True):
        legend.colorbar(image, cax=axes, extend="both")
        axes.set_box_aspect(14)
        axes.set_title(label, fontsize=7.5, loc="center")
    return figure


def _limit(run: RunData, name: str, columns: list[tuple[int, int, str]]) -> float:
    """What 99 of 100 weights stay below."""
    values = [np.abs(run.parameter(name, member, snapshot)) for member, snapshot, _ in columns]
    return float(np.quantile(np.concatenate([v.ravel() for v in values]), 0.99))


def _panel(
    part: Any, run: RunData, member: int, snapshot: int, limits: tuple[float, float]
) -> tuple[Any, Any]:
    weight_hh = run.parameter("weight_hh", member, snapshot)
    weight_ih = run.parameter("weight_ih", member, snapshot)
    weight_out = run.parameter("weight_out", member, snapshot)
    units, inputs, outputs = len(weight_hh), weight_ih.shape[1], len(weight_out)
    panels = part.subplots(
        2,
        2,
        width_ratios=[max(inputs / units, STRIP), 1.0],
        height_ratios=[1.0, max(outputs / units, STRIP)],
    )
    show = {"cmap": DIVERGING, "interpolation": "nearest", "aspect": "auto"}
    recurrent = panels[0, 1].imshow(weight_hh, vmin=-limits[0], vmax=limits[0], **show)
    strip = panels[0, 0].imshow(weight_ih, vmin=-limits[1], vmax=limits[1], **show)
    panels[1, 1].imshow(weight_out, vmin=-limits[1], vmax=limits[1], **show)
    panels[1, 0].set_axis_off()
    for axes in (panels[0, 0], panels[0, 1]):
        axes.axhline(units // 2 - 0.5, color="black", linewidth=0.6)
    for axes in (panels[0, 1], panels[1, 1]):
        axes.axvline(units // 2 - 0.5, color="black", linewidth=0.6)
    for axes in panels.ravel():
        axes.set_xticks([])
        axes.set_yticks([])
    names = run.task["inputs"] or [str(line + 1) for line in range(inputs)]
    panels[0, 0].set_xticks(range(inputs), names, rotation=90, fontsize=6.5)
    panels[0, 0].tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    panels[1, 1].set_yticks(range(outputs), run.task["outputs"], fontsize=6.5)
    panels[1, 1].tick_params(length=0)
    panels[1, 1].yaxis.tick_right()
    centres = [units // 4 - 0.5, units // 2 + units // 4 - 0.5]
    panels[0, 0].set_yticks(centres, ["group 1", "group 2"], rotation=90, va="center", fontsize=7.5)
    panels[1, 1].set_xticks(centres, ["group 1", "group 2"], fontsize=7.5)
    for group in (0, 1):
        panels[0, 0].get_yticklabels()[group].set_color(GROUPS[group])
        panels[1, 1].get_xticklabels()[group].set_color(GROUPS[group])
    return recurrent, strip
