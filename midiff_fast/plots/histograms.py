"""Recurrent weights by block, within and between the groups."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ..analysis import halves, weight_blocks
from .data import RunData
from .style import GROUPS, ORANGE, SKY, count_of, new_figure, weight_label

BLOCKS = {
    (1, 1): ("1→1", GROUPS[0], "-"),
    (2, 2): ("2→2", GROUPS[1], "-"),
    (1, 2): ("1→2", SKY, "--"),
    (2, 1): ("2→1", ORANGE, "--"),
}
"""Name, colour and line of each block, from group to group."""

BINS = 41


def histograms_figure(run: RunData) -> Figure:
    """Distribution of the final recurrent weights in each block, all runs of a weight λ pooled."""
    pooled = {weight: _pool(run, weight) for weight in run.weights}
    largest = max(np.abs(v).max() for blocks in pooled.values() for v in blocks.values())
    edges = np.linspace(-1, 1, BINS + 1) * (float(largest) or 1.0)
    figure = new_figure(max(5.0, 3.6 * len(run.weights) + 0.8), 3.1)
    panels = figure.subplots(1, len(run.weights), sharex=True, sharey=True, squeeze=False)[0]
    for axes, weight in zip(panels, run.weights, strict=True):
        for block, (name, colour, line) in BLOCKS.items():
            counts = np.histogram(pooled[weight][block], edges)[0]
            share = counts / counts.sum()
            axes.stairs(share, edges, color=colour, linestyle=line, linewidth=1.4, label=name)
        axes.set_yscale("log")
        axes.set_xlabel("recurrent weight")
        axes.set_title(f"{weight_label(weight)}, {count_of(len(run.of_weight(weight)), 'run')}")
    panels[0].set_ylabel("share of the block's weights")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, title="from → to\ngroup", loc="outside right upper")
    return figure


def _pool(run: RunData, weight: float) -> dict[tuple[int, int], np.ndarray]:
    groups = halves(run.config.model.units)
    runs = [
        weight_blocks(run.parameter("weight_hh", member["index"]), groups)
        for member in run.of_weight(weight)
    ]
    return {block: np.concatenate([blocks[block] for blocks in runs]) for block in BLOCKS}
