"""Captions of the figures that show something else in another study, or another way to measure."""

from __future__ import annotations

import numpy as np

from .components import changes_sign, parting_targets
from .data import RunData
from .signals import has_pulses

PER_SEQUENCE = "within each held-out sequence, averaged over the sequences"


def learning(run: RunData) -> str:
    """The critic reports before it steps, once for every round of critic and model steps."""
    training = run.config.training
    steps = training.model_passes * training.segments
    mean = f" A value is the mean over the {steps} model steps of its epoch." if steps > 1 else ""
    return (
        f"Each run thin, the mean thick.{mean} The mutual information is the critic's bound at its "
        "last step before a model step, before that step changed the critic; rare outliers lie "
        "outside the panel."
    )


def signals(run: RunData) -> str:
    """Only some tasks have pulses."""
    lines = "pulses on the input lines" if has_pulses(run) else "the input signals"
    return (
        f"One held-out test sequence: {lines}, the targets, and the outputs of a typical run "
        "(median final Q_cor) and of its control."
    )


def correlation(run: RunData) -> str:
    """Correlations of all sequences pooled, or their magnitudes averaged."""
    if run.conventions.sequences == "absolute":
        what = f"Magnitude of the Pearson correlation of the states {PER_SEQUENCE}; never negative"
    else:
        what = "Pearson correlation of the states over all held-out sequences"
    return f"{what}. One matrix per run; black lines part the two groups."


def unit_target(run: RunData) -> str:
    """Units are compared with the targets, or with what the network makes of them."""
    how = run.conventions
    goals = "the targets" if how.follows == "target" else "the network's own outputs"
    since = f" from step {how.washout} on" if how.washout else ""
    over = PER_SEQUENCE if how.sequences == "absolute" else "over all held-out sequences"
    several = "; mean over a set of outputs" if _sets_of_several(run) else ""
    return (
        f"Magnitude of the correlation of every unit's state with {goals}{since}, {over}{several}. "
        "One panel per run. Groups that took one job each lie on different sides of the diagonal."
    )


def communities(run: RunData) -> str:
    """Sequences that are not pooled have a correlation graph of their own for the communities."""
    graph = ""
    if run.conventions.sequences == "absolute":
        graph = " Edges between correlated units are magnitudes of averages over the sequences."
    return (
        "Two communities found by greedy modularity in the graph of correlations and in the graph "
        f"of recurrent weights, of a typical run and of its control.{graph} Colour is the given "
        "group, a black rim the second community; agreement is their normalised mutual "
        f"information. Only the strongest edges are drawn.{_candidate(run, 'recurrent')}"
    )


def information(run: RunData) -> str:
    """Whether the run's own critic bounds mutual information alone depends on its noise."""
    critic = run.config.critic
    if critic.sample_noise == 0.0:
        noise = ". Neither its samples nor those of the fresh one have noise"
    elif critic.noise_on_shuffled:
        noise = (
            ". Like the fresh one it has noise on both groups before any shuffling, so that both "
            "values bound mutual information alone, from below"
        )
    else:
        noise = (
            ", with noise on the joint pairs only; the fresh one has noise on both groups, so that "
            "its value bounds mutual information alone, from below"
        )
    return (
        "Estimates for the finished networks on sequences that no critic was trained on. The run's "
        f"own critic is evaluated as in training{noise}. Shuffled pairs should give zero."
    )


def matrices(run: RunData) -> str:
    """A GRU has three of each matrix."""
    return (
        "Recurrent weights (rows receive, columns send) with the input weights to the left and the "
        "output weights below, of the typical run and of its control. Colours saturate at the "
        f"99th percentile.{_candidate(run, 'recurrent and input')}"
    )


def histograms(run: RunData) -> str:
    """A GRU has three recurrent matrices."""
    return (
        "Distribution of the final recurrent weights within the groups (solid) and between them "
        f"(dashed), all runs of a λ pooled; logarithmic.{_candidate(run, 'recurrent')}"
    )


def selectivity(run: RunData) -> str:
    """The weights of a set's outputs are summed or averaged; inputs may be shared."""
    several = f" ({run.conventions.reduce} over a set of outputs)" if _sets_of_several(run) else ""
    scaled = "the same scaled by the standard deviation of its rate"
    if run.task["input_sets"]:
        weights, candidate = f", {scaled}, and of its input weights", _candidate(run, "input")
    else:
        weights, candidate = f" and {scaled}", ""
    return (
        f"A unit's preference d against the difference of its output weights{several}{weights}; r "
        f"is their correlation.{candidate}"
    )


def components(run: RunData) -> str:
    """Targets that change sign have their sides at zero, others at their median."""
    targets = np.array(run.examples[0]["point_target"])[:, parting_targets(run)]
    signed = changes_sign(targets)
    if signed.all():
        middle = "zero"
    elif signed.any():
        middle = "zero, or the median of a target that is never negative"
    else:
        middle = "its median"
    which = "the first target of each set" if _sets_of_several(run) else "each target"
    return (
        "States of the typical run and of its control at steps sampled from all held-out "
        f"sequences, coloured by whether {which} is above (+) or not above (−) {middle}."
    )


def _sets_of_several(run: RunData) -> bool:
    return any(len(outputs) > 1 for outputs in run.task["target_sets"])


def _candidate(run: RunData, weights: str) -> str:
    if run.conventions.cell != "gru":
        return ""
    return f" The {weights} weights are those of the GRU's candidate, not those of its gates."
