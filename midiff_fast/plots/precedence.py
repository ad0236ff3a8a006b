"""Which modularity rose first: curves, onsets of every run, and counts at every threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .data import RunData
from .development import draw_curves
from .style import PURPLE, new_figure, weight_label, zero_line

FUNCTIONAL, STRUCTURAL, UNDECIDED = PURPLE, "#333333", "#d0d0d0"


def precedence_figure(run: RunData) -> Figure | None:
    """A row per weight λ > 0; None for controls only."""
    entries = [entry for entry in run.analysis["precedence"] if entry["mi_weight"] > 0.0]
    if not entries:
        return None
    runs = max(len(entry["members"]) for entry in entries)
    figure = new_figure(9.4, len(entries) * max(3.0, 1.6 + 0.17 * runs) + 0.3)
    rows = figure.subplots(len(entries), 3, squeeze=False)
    for panels, entry in zip(rows, entries[::-1], strict=True):
        _mean_curves(panels[0], run, entry)
        _onsets(panels[1], run, entry)
        _counts(panels[2], entry)
    return figure


def _mean_curves(axes: Axes, run: RunData, entry: dict[str, Any]) -> None:
    for name, colour, label in (
        ("Q_cor_normalised", FUNCTIONAL, r"functional $Q_\mathrm{cor}$"),
        ("Q_str_normalised", STRUCTURAL, r"structural $Q_\mathrm{str}$"),
    ):
        draw_curves(axes, run, entry["mi_weight"], name, color=colour, label=label)
    zero_line(axes)
    axes.axhline(entry["threshold"], color="black", linewidth=0.8, linestyle=":")
    axes.set_xlabel("epoch")
    axes.set_ylabel(r"$Q/Q_\mathrm{max}$")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.3 * (high - low))  # room for the legend
    axes.set_title(weight_label(entry["mi_weight"]))
    axes.legend(loc="upper left")


def headline_row(entry: dict[str, Any]) -> int:
    """Where in the sweep the threshold is that the report opens with."""
    thresholds = [row["threshold"] for row in entry["sweep"]]
    return thresholds.index(entry["threshold"])


def _onsets(axes: Axes, run: RunData, entry: dict[str, Any]) -> None:
    """Each run's two onsets, joined; a censored one is an open mark at the right edge."""
    row = entry["sweep"][headline_row(entry)]
    last = max(run.analysis["epochs"][-1], 1)
    edge = 1.18 * last
    kinds = (
        (row["functional_onsets"], FUNCTIONAL, "o"),
        (row["structural_onsets"], STRUCTURAL, "s"),
    )
    for line, pair in enumerate(zip(kinds[0][0], kinds[1][0], strict=True)):
        ends = [edge if onset is None else onset for onset in pair]
        axes.plot(ends, [line - 0.13, line + 0.13], color="#999999", linewidth=1.0, zorder=1)
    for (onsets, colour, marker), shift in zip(kinds, (-0.13, 0.13), strict=True):
        for line, onset in enumerate(onsets):
            axes.plot(
                edge if onset is None else onset,
                line + shift,
                marker,
                color=colour,
                markersize=5.5,
                markerfacecolor="white" if onset is None else colour,
                clip_on=False,
            )
    axes.axvline(1.08 * last, color="#bbbbbb", linewidth=0.8)
    axes.set_xlim(0, edge)
    ticks = [tick for tick in axes.get_xticks() if 0 <= tick <= last]
    axes.set_xticks([*ticks, edge], [*[f"{tick:g}" for tick in ticks], "none"])
    names = [str(run.members[index]["seed"]) for index in entry["members"]]
    axes.set_yticks(range(len(names)), names, fontsize=min(8.0, 120 / max(len(names), 1)))
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_ylabel("seed")
    axes.set_xlabel("onset (epoch)")
    axes.set_title(rf"onset at $Q/Q_\mathrm{{max}}$ > {entry['threshold']:g}")


def _counts(axes: Axes, entry: dict[str, Any]) -> None:
    thresholds = np.array([row["threshold"] for row in entry["sweep"]])
    base = np.zeros(len(thresholds))
    for key, colour, label in (
        ("functional_first", FUNCTIONAL, "functional first"),
        ("undecided", UNDECIDED, "undecided"),
        ("structural_first", STRUCTURAL, "structural first"),
    ):
        counts = np.array([row[key] for row in entry["sweep"]])
        axes.bar(thresholds, counts, 0.02, base, color=colour, label=label)
        base += counts
    axes.set_xlabel(r"threshold on $Q/Q_\mathrm{max}$")
    axes.set_ylabel("runs")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(0, 1.45 * base.max())
    axes.legend(loc="upper left", fontsize=7.5)
    axes.set_title("counts at every threshold")
