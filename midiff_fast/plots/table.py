"""The run table: one line per run, its final measures."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from .data import RunData
from .style import new_figure, weight_colours

Path = tuple[str | int, ...]

Column = tuple[str, Path, str]
"""Heading, where it is in a member's record, and how it is printed."""

_COLUMNS: tuple[Column, ...] = (
    ("λ", ("mi_weight",), "{:g}"),
    ("seed", ("seed",), "{:d}"),
    ("score", ("final", "accuracy"), "{:.3f}"),
    ("Q_cor", ("final", "Q_cor"), "{:.3f}"),
    ("Q_str", ("final", "Q_str"), "{:.3f}"),
    ("Q_cor/Q_max", ("final", "Q_cor_normalised"), "{:.3f}"),
    ("Q_str/Q_max", ("final", "Q_str_normalised"), "{:.3f}"),
    ("D_cor", ("final", "D_cor"), "{:.3f}"),
    ("D_out", ("final", "D_out"), "{:.3f}"),
    ("D_in", ("final", "D_in"), "{:.3f}"),
    ("MI ≥ (nats)", ("information", "fresh_critic"), "{:.2f}"),
)


def columns(analysis: dict[str, Any]) -> list[Column]:
    """The columns of an analysis' run table: without D_in where the inputs are shared."""
    task = analysis["task"]
    kept = [column for column in _COLUMNS if column[0] != "D_in" or task["input_sets"]]
    return [(task["score"] if name == "score" else name, path, form) for name, path, form in kept]


def ordered_members(run: RunData) -> list[dict[str, Any]]:
    """The members, the largest weight λ first, the control last."""
    return [member for weight in run.weights for member in run.of_weight(weight)]


def look_up(record: Any, path: Path) -> Any:
    """The value at a path of keys and positions; None where there is none."""
    for step in path:
        if record is None:
            return None
        record = record[step]
    return record


def table_figure(run: RunData) -> Figure:
    """The run table as a picture."""
    members, shown = ordered_members(run), columns(run.analysis)
    figure = new_figure(9.4, 0.24 * (len(members) + 1.5) + 0.3)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(0, len(shown))
    axes.set_ylim(len(members) + 0.1, -1.5)
    for column, (heading, _, _) in enumerate(shown):
        lines = heading.replace("/", "\n/ ")
        axes.text(column + 0.95, -0.65, lines, ha="right", va="center", weight="bold", fontsize=8)
    axes.axhline(0.0, color="black", linewidth=0.8)
    colours = weight_colours(run.weights)
    for line, member in enumerate(members):
        for column, (_, path, form) in enumerate(shown):
            value = look_up(member, path)
            axes.text(
                column + 0.95,
                line + 0.5,
                "–" if value is None else form.format(value).replace("-", "−"),
                ha="right",
                va="center",
                fontsize=8,
                color=colours[member["mi_weight"]] if column == 0 else "black",
            )
    return figure
