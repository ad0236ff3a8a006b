"""Modularity and separation over training."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .data import RunData
from .style import new_figure, weight_colours, weight_label, weight_legend, zero_line

PANELS = (
    ("Q_cor_normalised", r"functional modularity $Q_\mathrm{cor}/Q_\mathrm{max}$"),
    ("Q_str_normalised", r"structural modularity $Q_\mathrm{str}/Q_\mathrm{max}$"),
    ("accuracy", "{score}"),
    ("D_cor", r"functional separation $D_\mathrm{cor}$"),
    ("D_out", r"separation of output weights $D_\mathrm{out}$"),
    ("D_in", r"separation of input weights $D_\mathrm{in}$"),
)


def development_figure(run: RunData) -> Figure:
    """Each run thin, the mean of the runs of a weight λ thick; on held-out sequences."""
    figure = new_figure(9.4, 5.2)
    panels = figure.subplots(2, 3, sharex=True).ravel()
    if not run.task["input_sets"]:
        panels[5].set_axis_off()  # the inputs are shared: there is no D_in
        panels[2].tick_params(labelbottom=True)  # the lowest of its column
        panels[2].set_xlabel("epoch")
        panels = panels[:5]
    for axes, (name, label) in zip(panels, PANELS, strict=False):
        for weight in run.weights[::-1]:
            draw_curves(axes, run, weight, name)
        axes.set_title(label.replace("{score}", run.task["score"]), fontsize=8.5)
        if name != "accuracy":
            zero_line(axes)
        elif run.task["score"] != "accuracy":
            axes.set_ylim(max(-0.5, axes.get_ylim()[0]), 1.02)  # R² begins far below zero
    low, high = (f(panels[i].get_ylim()[j] for i in (0, 1)) for j, f in ((0, min), (1, max)))
    for axes in panels[:2]:
        axes.set_ylim(low, high)  # one scale: they are compared
    for axes in panels[3:]:
        axes.set_xlabel("epoch")
        axes.set_ylim(-0.03, 1.03)
    weight_legend(figure, panels[0])
    return figure


def draw_curves(axes: Axes, run: RunData, weight: float, name: str, **style: Any) -> None:
    """One measure of all runs of a weight λ over the snapshots."""
    epochs = run.analysis["epochs"]
    curves = np.array([m["curves"][name] for m in run.of_weight(weight)], dtype=float)
    look = {"color": weight_colours(run.weights)[weight], "label": weight_label(weight), **style}
    marker = "o" if len(epochs) == 1 else None
    thin = {**look, "label": None, "linewidth": 0.7, "alpha": 0.45}
    axes.plot(epochs, curves.T, marker=marker, markersize=3, **thin)
    defined = ~np.isnan(curves).all(0)
    mean = np.nanmean(curves[:, defined], axis=0)
    axes.plot(np.array(epochs)[defined], mean, linewidth=2.2, marker=marker, **look)
