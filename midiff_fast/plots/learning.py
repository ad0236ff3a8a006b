"""Learning curves: task loss, score, mutual information, weight decay."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .data import RunData
from .style import new_figure, weight_colours, weight_label, weight_legend, zero_line

PANELS = (
    ("task_loss", "task loss (mean squared error)"),
    ("accuracy", "{score}"),
    ("mi_critic", "mutual information in training (nats)"),
    ("decay_loss", "weight decay term of the loss"),
)


def learning_figure(run: RunData) -> Figure:
    """Each run thin, the mean of the runs of a weight λ thick."""
    figure = new_figure(9.0, 5.4)
    panels = figure.subplots(2, 2, sharex=True).ravel()
    for axes, (column, label) in zip(panels, PANELS, strict=True):
        axes.set_ylabel(label.replace("{score}", run.task["score"]))
        if not run.metrics.empty:
            _curves(axes, run, column)
    panels[0].set_ylim(bottom=0.0)
    if run.task["score"] == "accuracy":
        panels[1].axhline(0.5, color="#bbbbbb", linewidth=0.8, zorder=0)  # chance
        panels[1].set_ylim(top=1.005)
    elif not run.metrics.empty:
        panels[1].set_ylim(max(-0.5, panels[1].get_ylim()[0]), 1.02)
    zero_line(panels[2])
    _clip(panels[2], run.metrics)
    panels[3].set_ylim(bottom=0.0)
    for axes in panels[2:]:
        axes.set_xlabel("epoch")
    if run.metrics.empty:
        figure.suptitle("no epoch has been trained")
    else:
        weight_legend(figure, panels[0])
    return figure


def _curves(axes: Axes, run: RunData, column: str) -> None:
    colours = weight_colours(run.weights)
    for weight in run.weights[::-1]:
        rows = run.metrics[np.isclose(run.metrics["mi_weight"], weight, rtol=1e-12, atol=0.0)]
        table = rows.pivot(index="epoch", columns="member", values=column)
        colour = colours[weight]
        axes.plot(table.index, table.to_numpy(), color=colour, linewidth=0.6, alpha=0.45)
        mean = table.mean(axis=1)
        axes.plot(table.index, mean, color=colour, linewidth=2.0, label=weight_label(weight))


def _clip(axes: Axes, metrics: pd.DataFrame) -> None:
    """The bound's variance is huge at times: show what 99 of 100 values span."""
    values = metrics["mi_critic"].dropna() if "mi_critic" in metrics else pd.Series(dtype=float)
    if values.empty:
        return
    low, high = np.quantile(values, (0.005, 0.995))
    margin = 0.08 * max(high - low, 1e-3)
    axes.set_ylim(min(low, 0.0) - margin, high + margin)
