"""Every figure of a run directory: name, title, what it shows, where its numbers are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

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

    ``name`` is its file name; ``draw`` returns None where the run has nothing to show;
    ``in_report`` is false for a picture of what the report has as text.
    """

    name: str
    title: str
    caption: str
    source: str
    draw: Callable[[RunData], Figure | None]
    in_report: bool = True


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
        "Each run thin, the mean thick. The mutual information is what the critic reports in "
        "training, after its steps of the epoch; rare outliers lie outside the panel.",
        "metrics.csv: task_loss, accuracy, mi_critic, decay_loss",
        learning_figure,
    ),
    Entry(
        "signals",
        "The task",
        "One held-out test sequence: pulses on the input lines, the targets, and the outputs of a "
        "typical run (median final Q_cor) and of its control.",
        "analysis.json: examples",
        signals_figure,
    ),
    Entry(
        "correlation",
        "Correlation of the units",
        "Pearson correlation of the states over all held-out sequences, one matrix per run. Black "
        "lines part the two groups.",
        "analysis.json: members[…].final.correlation",
        correlation_figure,
    ),
    Entry(
        "unit_target",
        "What each unit follows",
        "Correlation of every unit's state with the two targets (mean over a set of outputs), one "
        "panel per run. Groups that took one job each lie on different sides of the diagonal.",
        "analysis.json: members[…].final.unit_target_correlation",
        unit_target_figure,
    ),
    Entry(
        "communities",
        "Communities",
        "Two communities found by greedy modularity in the graph of correlations and in the graph "
        "of recurrent weights, of a typical run and of its control. Colour is the given group, a "
        "black rim the second community; agreement is their normalised mutual information. Only "
        "the strongest edges are drawn.",
        "analysis.json: members[…].final.communities, .correlation; snapshots.npz: weight_hh",
        communities_figure,
    ),
    Entry(
        "information",
        "Mutual information between the groups",
        "Estimates for the finished networks on sequences that no critic was trained on. The run's "
        "own critic is evaluated as in training, with noise on the joint pairs only; the fresh one "
        "has noise on both groups, so that its value bounds mutual information alone, from below. "
        "Shuffled pairs should give zero.",
        "analysis.json: members[…].information",
        information_figure,
    ),
    Entry(
        "matrices",
        "Weights",
        "Recurrent weights (rows receive, columns send) with the input weights to the left and the "
        "output weights below, of the typical run and of its control. Colours saturate at the "
        "99th percentile.",
        "snapshots.npz: weight_hh, weight_ih, weight_out",
        matrices_figure,
    ),
    Entry(
        "histograms",
        "Recurrent weights by block",
        "Distribution of the final recurrent weights within the groups (solid) and between them "
        "(dashed), all runs of a λ pooled; logarithmic.",
        "snapshots.npz: weight_hh",
        histograms_figure,
    ),
    Entry(
        "selectivity",
        "Do the weights say the same as the activity?",
        "A unit's preference d against the difference of its output weights, the same scaled by "
        "the standard deviation of its rate, and of its input weights; r is their correlation.",
        "analysis.json: members[…].final.d, .d_weight_correlation; snapshots.npz: weight_out, "
        "weight_ih",
        selectivity_figure,
    ),
    Entry(
        "components",
        "Principal components",
        "States of the typical run and of its control at steps sampled from all held-out "
        "sequences, coloured by the sides of the targets.",
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
