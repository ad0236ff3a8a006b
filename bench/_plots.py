"""Pictures of a session: bars of times, speed-ups and shares of the limit; sweeps; breakdowns."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from midiff_fast.plots import style

from ._harness import Breakdown, Comparison, Panel, Session, time_text

OURS, THEIRS = style.BLUE, "0.65"
# Of the parts of a breakdown, in their order; the last one is the rest.
PARTS = (style.BLUE, style.SKY, style.GREEN, style.ORANGE, style.VERMILION, style.PURPLE, "0.75")

# Times that differ by less than this are bars from zero on; a logarithmic axis has no zero.
LINEAR_SPAN = 30


def plot(name: str, session: Session, folder: Path, subtitle: str) -> None:
    """Writes ``NAME.png``, ``NAME_sweep.png`` and ``NAME_breakdown.png``, each if there is one."""
    title = f"{name}: {subtitle}" + (" (quick: for a look, not for record)" * session.quick)
    with style.styled():
        if session.comparisons:
            _write(bars(session.comparisons, title), folder / f"{name}.png")
        if session.panels:
            _write(sweeps(session.panels, title), folder / f"{name}_sweep.png")
        if session.breakdowns:
            _write(breakdowns(session.breakdowns, title), folder / f"{name}_breakdown.png")


def _write(figure: Figure, path: Path) -> None:
    path.write_bytes(style.render(figure, "png"))


def bars(comparisons: Sequence[Comparison], title: str) -> Figure:
    """A row for each comparison: both times, and where there is a limit the ratio and the share."""
    has_limits = any(comparison.limit for comparison in comparisons)
    figure = style.new_figure(13 if has_limits else 9, 1 + 0.6 * len(comparisons))
    ratios = [3, 1, 1] if has_limits else [1]
    columns = figure.subplots(
        1, len(ratios), sharey=True, squeeze=False, gridspec_kw={"width_ratios": ratios}
    )[0]
    _times(columns[0], comparisons)
    if has_limits:
        _single(columns[1], comparisons, lambda c: c.ratio, "times faster than opponent", "{:.3g}x")
        _single(columns[2], comparisons, lambda c: c.share, "share of the limit", "{:.2g}")
        columns[2].set_xlim(0, 1.3)
        columns[2].axvline(1.0, color="0.5", linewidth=0.8)
    figure.suptitle(title, fontsize=9, x=0.01, ha="left")
    return figure


def _times(axes: Axes, comparisons: Sequence[Comparison]) -> None:
    times = []
    for row, comparison in enumerate(comparisons):
        for offset, timing, color in (
            (-0.2, comparison.ours, OURS),
            (0.2, comparison.opponent, THEIRS),
        ):
            if timing is None:
                continue
            times.append(timing.median)
            axes.barh(row + offset, timing.median, 0.38, xerr=timing.iqr / 2, color=color)
            label = f"  {timing.name} {time_text(timing.median)}"
            axes.text(timing.median + timing.iqr / 2, row + offset, label, va="center", fontsize=8)
    least, most = min(times), max(times)
    for row, comparison in enumerate(comparisons):
        if comparison.failed:
            told = textwrap.shorten(comparison.failed, 70, placeholder=" …")
            axes.text(least, row + 0.2, f"failed: {told}", va="center", fontsize=7)
    axes.set_yticks(range(len(comparisons)), [_label(item) for item in comparisons])
    axes.set_ylim(len(comparisons) - 0.5, -0.5)
    if most < LINEAR_SPAN * least:
        axes.set_xlim(0, most * 1.3)  # labels stand behind the bars
    else:
        axes.set_xscale("log")
        axes.set_xlim(least / 2, most * (most / least) ** 0.4 * 2)
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda time, _: time_text(time) if time else "0"))
    axes.set_xlabel("time per call (median, quartile range)")


def _label(comparison: Comparison) -> str:
    second = comparison.precision
    if comparison.ratio:
        second += f": {comparison.ratio:.3g}x"
    return f"{comparison.title}\n{second}"


def _single(
    axes: Axes,
    comparisons: Sequence[Comparison],
    value_of: Callable[[Comparison], float | None],
    label: str,
    form: str,
) -> None:
    for row, comparison in enumerate(comparisons):
        value = value_of(comparison)
        if value is not None:
            axes.barh(row, value, 0.5, color=OURS)
            axes.text(value, row, " " + form.format(value), va="center", fontsize=8)
    axes.margins(x=0.25)
    axes.set_xlabel(label)


def sweeps(panels: Sequence[Panel], title: str) -> Figure:
    """Time per step along each axis, ours and the opponent's, and the limit where it is known.

    Panels of one axis share their axes: one line for each title that their points have.
    """
    names = list(dict.fromkeys(panel.axis for panel in panels))
    figure = style.new_figure(4.2 * len(names), 3.8)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        chosen = [panel for panel in panels if panel.axis == name]
        for panel, dashes in zip(chosen, ("-", "--", ":"), strict=False):
            _lines(axes, panel, dashes)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        ticks = sorted({value for panel in chosen for value, _ in panel.points})
        axes.set_xticks(ticks, [str(tick) for tick in ticks], rotation=45)
        axes.minorticks_off()
        axes.grid(axis="y", linewidth=0.4, color="0.9")
        axes.set_xlabel(name)
        axes.set_title(chosen[0].fixed)
    figure.axes[0].set_ylabel("microseconds per step")
    handles = {
        label: handle
        for axes in figure.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3)
    figure.suptitle(title, fontsize=9, x=0.01, ha="left")
    return figure


def _lines(axes: Axes, panel: Panel, dashes: str) -> None:
    """Ours, the opponent's, and the limit where there is one."""
    series: dict[str, tuple[str, list[tuple[int, float]]]] = {}
    for value, found in panel.points:
        steps = found.steps or 1
        sides = [(found.ours, OURS), (found.opponent, THEIRS)]
        for timing, color in sides:
            if timing is not None:
                name = f"{timing.name}, {found.title}"
                series.setdefault(name, (color, []))[1].append((value, timing.median / steps))
        if found.limit is not None:
            name = f"limit, {found.title}"
            series.setdefault(name, ("black", []))[1].append((value, found.limit.seconds / steps))
    for name, (color, points) in series.items():
        is_limit = color == "black"
        axes.plot(
            [value for value, _ in points],
            [seconds * 1e6 for _, seconds in points],
            linestyle=dashes,
            color=color,
            linewidth=0.7 if is_limit else 1.5,
            marker="+" if is_limit else "o",
            markersize=3,
            label=name,
        )


def breakdowns(items: Sequence[Breakdown], title: str) -> Figure:
    """Stacked bars of the parts, each bar as long as its whole is one."""
    figure = style.new_figure(10, 1.4 + 0.6 * len(items))
    axes = figure.subplots()
    names = list(dict.fromkeys(part for item in items for part in item.parts))
    for row, item in enumerate(items):
        whole = sum(item.parts.values())
        left = 0.0
        for name, seconds in item.parts.items():
            share = seconds / whole
            color = PARTS[min(names.index(name), len(PARTS) - 1)]
            axes.barh(row, share, 0.6, left=left, color=color)
            if share > 0.05:
                text = f"{time_text(seconds)}\n{share:.0%}"
                axes.text(left + share / 2, row, text, va="center", ha="center", fontsize=7)
            left += share
    for index, name in enumerate(names):
        axes.barh(0, 0, color=PARTS[min(index, len(PARTS) - 1)], label=name)
    axes.set_yticks(
        range(len(items)),
        [f"{item.title}\n{time_text(sum(item.parts.values()))}" for item in items],
    )
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the time")
    figure.legend(loc="outside lower center", ncols=4)
    figure.suptitle(title, fontsize=9, x=0.01, ha="left")
    return figure
