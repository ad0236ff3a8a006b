"""The graphs of a network as pictures: do its communities match the given groups?"""

from __future__ import annotations

from typing import Any

import networkx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..analysis import adjacency_of_correlation, structural_adjacency
from .data import RunData, run_name
from .grids import halves_of
from .style import GREY, GROUP_MARKERS, GROUPS, new_figure

EDGES_PER_UNIT = 4
"""Of the strongest edges, how many are drawn: more would be a solid disc."""

ITERATIONS = 100  # of the spring layout

GRAPHS = (("functional", "correlation graph"), ("structural", "weight graph"))


def communities_figure(run: RunData) -> Figure:
    """A typical run and its control: correlation graph above, weight graph below.

    Colour and marker are the given group; a black rim marks the second community that greedy
    modularity finds. Units that are strongly connected are drawn near each other.
    """
    members = [run.members[example["member"]] for example in run.examples]
    figure = new_figure(3.9 * len(members) + 0.4, 7.4)
    rows = figure.subplots(len(GRAPHS), len(members), squeeze=False)
    for panels, (kind, title) in zip(rows, GRAPHS, strict=True):
        for axes, member in zip(panels, members, strict=True):
            found = member["final"]["communities"][kind]
            _draw(axes, _adjacency(run, member, kind), found)
            agreement = "no edges" if found is None else f"agreement {found['agreement']:.2f}"
            axes.set_title(f"{title}, {agreement}\n{run_name(member)}", fontsize=8.5)
    figure.legend(handles=_group_handles(), loc="outside upper right", ncols=len(GROUPS))
    return figure


def _adjacency(run: RunData, member: dict[str, Any], kind: str) -> np.ndarray:
    if kind == "functional":
        final = member["final"]
        matrix = final["community_correlation"] or final["correlation"]
        return adjacency_of_correlation(np.array(matrix))
    return structural_adjacency(run.parameter("weight_hh", member["index"]))


def _draw(axes: Axes, adjacency: np.ndarray, found: dict[str, Any] | None) -> None:
    graph = networkx.from_numpy_array(adjacency)
    layout = networkx.spring_layout(graph, seed=0, iterations=ITERATIONS)
    points = np.array([layout[unit] for unit in range(len(adjacency))])
    sources, goals = np.triu_indices(len(adjacency), 1)
    weights = adjacency[sources, goals]
    strongest = np.argsort(weights)[::-1][: EDGES_PER_UNIT * len(adjacency)]
    strongest = strongest[weights[strongest] > 0.0]
    lines = [(points[sources[edge]], points[goals[edge]]) for edge in strongest]
    axes.add_collection(LineCollection(lines, colors=GREY, linewidths=0.4, alpha=0.5, zorder=0))
    second = np.zeros(len(adjacency), bool) if found is None else np.array(found["labels"]) == 1
    for group, units in enumerate(halves_of(len(adjacency))):
        chosen = np.arange(len(adjacency))[units]
        axes.scatter(
            points[chosen, 0],
            points[chosen, 1],
            s=34,
            color=GROUPS[group],
            marker=GROUP_MARKERS[group],
            edgecolors=["black" if second[unit] else "white" for unit in chosen],
            linewidths=[1.2 if second[unit] else 0.4 for unit in chosen],
        )
    axes.set_axis_off()
    axes.set_aspect("equal")


def _group_handles() -> list[Line2D]:
    """Legend entries without a rim: those of the points would have their first unit's."""
    return [
        Line2D(
            [],
            [],
            linestyle="none",
            color=colour,
            marker=marker,
            markeredgecolor="none",
            label=f"group {group + 1}",
        )
        for group, (colour, marker) in enumerate(zip(GROUPS, GROUP_MARKERS, strict=True))
    ]
