"""Draws every figure of an analysed run directory and writes its report."""

from __future__ import annotations

from pathlib import Path

from ..runs.files import make_directory, write_file
from .catalogue import CATALOGUE
from .data import load
from .page import page
from .style import render, styled


def report(directory: str | Path) -> Path:
    """Write figures/ (PNG and PDF) and report.html of an analysed run directory.

    Returns:
        The path of report.html.

    Raises:
        RunError: there is no run, it has not been analysed, or it cannot be written to.
    """
    run = load(directory)
    folder = run.directory.figures_path
    make_directory(folder)
    pictures = []
    with styled():
        for entry in CATALOGUE:
            figure = entry.draw(run)
            if figure is None:
                continue
            picture = render(figure, "png")
            write_file(folder / f"{entry.name}.png", picture)
            write_file(folder / f"{entry.name}.pdf", render(figure, "pdf"))
            if entry.in_report:
                pictures.append((entry, picture, float(figure.get_figwidth())))
    write_file(run.directory.report_path, page(run, pictures).encode())
    return run.directory.report_path
