"""Does a unit's preference for one target show in its weights? d_i against output and input."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ..analysis import target_set_table
from .data import RunData, run_name
from .grids import halves_of
from .style import GROUP_MARKERS, GROUPS, new_figure, zero_line

PANELS = (
    ("out", r"$|w_\mathrm{out,1}| - |w_\mathrm{out,2}|$"),
    ("out_scaled_by_rate", "the same × std of the rate"),
    ("in", r"$|w_\mathrm{in,1}| - |w_\mathrm{in,2}|$"),
)


def selectivity_figure(run: RunData) -> Figure | None:
    """A row per example, a point per unit; None for a task without two target sets."""
    examples = [run.members[example["member"]] for example in run.examples]
    if any(member["final"]["d"] is None for member in examples):
        return None
    shown = [panel for panel in PANELS if panel[0] != "in" or run.task["input_sets"]]
    figure = new_figure(3.0 * len(shown), 2.7 * len(examples) + 0.3)
    rows = figure.subplots(len(examples), len(shown), squeeze=False)
    for panels, member in zip(rows, examples, strict=True):
        d = np.array(member["final"]["d"])
        found = member["final"]["d_weight_correlation"]
        differences = _differences(run, member["index"])
        for axes, (name, label) in zip(panels, shown, strict=True):
            for group, units in enumerate(halves_of(len(d))):
                axes.scatter(
                    d[units],
                    differences[name][units],
                    s=14,
                    color=GROUPS[group],
                    marker=GROUP_MARKERS[group],
                    alpha=0.8,
                    linewidths=0,
                    label=f"group {group + 1}",
                )
            zero_line(axes)
            axes.axvline(0.0, color="#bbbbbb", linewidth=0.8, zorder=0)
            axes.set_ylabel(label)
            axes.set_title(f"r = {found[name]:.2f}", loc="right", fontsize=8.5)
            axes.set_xlim(-1.05, 1.05)
        panels[0].set_title(run_name(member), fontsize=8.5)
    for axes in rows[-1]:
        axes.set_xlabel(r"$d = |c_1| - |c_2|$")
    handles, labels = rows[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2)
    return figure


def _differences(run: RunData, member: int) -> dict[str, np.ndarray]:
    out = target_set_table(
        run.parameter("weight_out", member),
        run.task["target_sets"],
        reduce=run.conventions.reduce,
    )
    scaled = out * np.array(run.members[member]["final"]["rate_std"])
    differences = {"out": out[0] - out[1], "out_scaled_by_rate": scaled[0] - scaled[1]}
    if run.task["input_sets"]:
        lines = target_set_table(run.parameter("weight_ih", member).T, run.task["input_sets"])
        differences["in"] = lines[0] - lines[1]
    return differences
