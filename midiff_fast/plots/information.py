"""Mutual information between the groups of the finished networks, three estimates per run."""

from __future__ import annotations

from matplotlib.figure import Figure

from .data import RunData
from .style import new_figure, weight_colours, zero_line

ESTIMATES = (
    ("fresh_critic", "o", "fresh critic", True),
    ("run_critic", "s", "the run's own critic, as in training", False),
    ("shuffled_null", "x", "fresh critic, pairs shuffled", True),
)
"""Key, marker, name, and whether the marker is filled."""


def information_figure(run: RunData) -> Figure:
    """A column per run; all estimates are on sequences that no critic was trained on."""
    colours = weight_colours(run.weights)
    order = [member for weight in run.weights for member in run.of_weight(weight)]
    figure = new_figure(max(5.6, 0.42 * len(order) + 2.2), 3.8)
    axes = figure.subplots()
    zero_line(axes)
    for key, marker, name, filled in ESTIMATES:
        for place, member in enumerate(order):
            value = member["information"][key]
            if value is None:
                continue
            colour = colours[member["mi_weight"]]
            axes.plot(
                place,
                value,
                marker,
                color=colour,
                markerfacecolor=colour if filled else "white",
                markersize=6,
            )
        axes.plot(
            [],
            [],
            marker,
            color="black",
            label=name,
            linestyle="none",
            markerfacecolor="black" if filled else "white",
        )
    seeds = [str(member["seed"]) for member in order]
    axes.set_xticks(range(len(order)), seeds, rotation=90 if len(order) > 6 else 0)
    start = 0
    for weight in run.weights:
        count = len(run.of_weight(weight))
        axes.annotate(
            f"λ = {weight:g}",
            ((start + (count - 1) / 2), 1.0),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="bottom",
            color=colours[weight],
            fontsize=8.5,
        )
        if start:
            axes.axvline(start - 0.5, color="#bbbbbb", linewidth=0.8)
        start += count
    axes.set_xlim(-0.6, len(order) - 0.4)
    axes.set_xlabel("seed")
    axes.set_ylabel("mutual information (nats)")
    figure.legend(loc="outside upper left", ncols=2)
    return figure
