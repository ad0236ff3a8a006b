"""Looks shared by all figures: colours, sizes, and how a figure becomes files.

Figures are drawn by the Agg backend on figures of their own, without pyplot: no display is needed,
and neither the current backend nor the user's rcParams change.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe & Ito (2008): distinct for the colour-blind, and in grey by their lightness.
BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
ORANGE, SKY, PURPLE, BLACK = "#E69F00", "#56B4E9", "#CC79A7", "#000000"
GREY = "#767676"

GROUPS = (BLUE, VERMILION)
"""Colours of group 1 and group 2."""
GROUP_MARKERS = ("o", "^")

CONTROL = GREY
PENALISED = (GREEN, ORANGE, SKY, VERMILION)
"""Colours of the weights λ > 0, from the largest down."""

DIVERGING = "RdBu_r"
"""Colour map of signed quantities, white at zero."""

SEQUENTIAL = "Reds"
"""Colour map of magnitudes, white at zero."""

RASTER_DPI = 150

_SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.titlelocation": "left",
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "pdf.fonttype": 42,  # text stays text in the PDF
}


@contextmanager
def styled() -> Iterator[None]:
    """The settings above on top of matplotlib's own defaults, and the user's again afterwards."""
    with matplotlib.rc_context():
        # Setting the backend is the one default whose change would be felt outside.
        settings: dict[Any, Any] = dict(matplotlib.rcParamsDefault)
        settings = {key: value for key, value in settings.items() if "backend" not in key}
        matplotlib.rcParams.update(settings | _SETTINGS)
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    pads = {"w_pad": 0.06, "h_pad": 0.06, "wspace": 0.03, "hspace": 0.03}
    figure.get_layout_engine().set(**pads)  # type: ignore[union-attr]
    FigureCanvasAgg(figure)
    return figure


def weight_colours(weights: Sequence[float]) -> dict[float, str]:
    """The colour of each weight λ of the mutual information; grey for the control, λ = 0."""
    positive = sorted((w for w in set(weights) if w > 0.0), reverse=True)
    colours = {w: PENALISED[i % len(PENALISED)] for i, w in enumerate(positive)}
    return {0.0: CONTROL, **colours}


def weight_label(weight: float) -> str:
    """How a weight λ is named in legends and tables."""
    return f"λ = {weight:g}" + (" (control)" if weight == 0.0 else "")


def count_of(number: int, noun: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def weight_legend(figure: Figure, axes: Axes) -> None:
    """One legend above all panels, the largest weight λ first."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside upper right", ncols=len(labels))


def zero_line(axes: Axes) -> None:
    """A thin line at zero, behind everything."""
    axes.axhline(0.0, color="#bbbbbb", linewidth=0.8, zorder=0)


def render(figure: Figure, kind: str) -> bytes:
    """The figure as "png" or "pdf"; the same figure gives the same bytes."""
    if figure.get_layout_engine() is not None:
        # Laying out costs more than drawing, and comes out the same every time.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    buffer = io.BytesIO()
    metadata: dict[str, Any] = {"CreationDate": None} if kind == "pdf" else {"Software": None}
    figure.savefig(buffer, format=kind, dpi=RASTER_DPI, metadata=metadata)
    return buffer.getvalue()
