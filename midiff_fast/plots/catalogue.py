"""Every figure of a run directory: name, title, what it shows, where its numbers are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from . import captions
from .components import components_figure
from .data import RunData
from .development import development_figure
from .graphs import communities_figure
from .grids import correlation_figure, unit_target_figure
from .histograms import histograms_figure
from .information import information_figure
from .learning import learning_figure
from .matrices import matrices_figure
from .precedence import precedence_figure
from .selective import selectivity_figure
from .signals import signals_figure
from .table import table_figure


@dataclass(frozen=True)
class Entry:
    """A figure of the report.

    ``name`` is its file name; ``caption`` is made for the run where studies differ in what the
    figure shows; ``draw`` returns None where the run has nothing to show;
    ``in_report`` is false for a picture of what the report has as text.
    """

    name: str
    title: str
    caption: str | Callable[[RunData], str]
    source: str
    draw: Callable[[RunData], Figure | None]
    in_report: bool = True

    def caption_for(self, run: RunData) -> str:
        """What the figure of this run shows."""
        return self.caption if isinstance(self.caption, str) else self.caption(run)


CATALOGUE: tuple[Entry, ...] = (
    Entry(
        "precedence",
        "What came first",
        "Left: functional and structural modularity of every run with the penalty (thin) and their "
        "means (thick); the dotted line is the threshold. Middle: when each run's curves rose "
        "above it and stayed for two more snapshots, on straight lines between snapshots (two that "
        "rose between the same ones have no order); an open mark in the column “none” never did. "
        "Right: how many runs go which way at every threshold.",
        "analysis.json: precedence, members[…].curves",
        precedence_figure,
    ),
    Entry(
        "development",
        "Modularity and separation over training",
        "Each run thin, the mean thick. Every snapshot was run again on the same held-out "
        "sequences.",
        "analysis.json: members[…].curves",
        development_figure,
    ),
    Entry(
        "learning",
        "Learning curves",
        captions.learning,
        "metrics.csv: task_loss, accuracy, mi_critic, decay_loss",
        learning_figure,
    ),
    Entry(
        "signals",
        "The task",
        captions.signals,
        "analysis.json: examples",
        signals_figure,
    ),
    Entry(
        "correlation",
        "Correlation of the units",
        captions.correlation,
        "analysis.json: members[…].final.correlation",
        correlation_figure,
    ),
    Entry(
        "unit_target",
        "What each unit follows",
        captions.unit_target,
        "analysis.json: members[…].final.unit_target_correlation",
        unit_target_figure,
    ),
    Entry(
        "communities",
        "Communities",
        captions.communities,
        "analysis.json: members[…].final.communities, .community_correlation or "
        ".correlation; snapshots.npz: weight_hh",
        communities_figure,
    ),
    Entry(
        "information",
        "Mutual information between the groups",
        captions.information,
        "analysis.json: members[…].information",
        information_figure,
    ),
    Entry(
        "matrices",
        "Weights",
        captions.matrices,
        "snapshots.npz: weight_hh, weight_ih, weight_out",
        matrices_figure,
    ),
    Entry(
        "histograms",
        "Recurrent weights by block",
        captions.histograms,
        "snapshots.npz: weight_hh",
        histograms_figure,
    ),
    Entry(
        "selectivity",
        "Do the weights say the same as the activity?",
        captions.selectivity,
        "analysis.json: members[…].final.d, .d_weight_correlation; snapshots.npz: weight_out, "
        "weight_ih",
        selectivity_figure,
    ),
    Entry(
        "components",
        "Principal components",
        captions.components,
        "analysis.json: examples",
        components_figure,
    ),
    Entry(
        "table",
        "Runs",
        "Final measures of every run.",
        "analysis.json: members[…].final, .information",
        table_figure,
        in_report=False,
    ),
)
