"""What figures say of a measure is what the study measures: each study's report, side by side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from midiff_fast import analysis, plots
from midiff_fast.analysis import CriticBudget
from midiff_fast.runs import STUDIES, RunConfig, RunDirectory
from midiff_fast.training import train

UNITS = 20  # the graph of so many has more edges than are drawn
STUDY_TRAINING: dict[str, dict[str, int]] = {
    "working-memory": {},
    "separation": {"transient": 0, "steps": 300, "model_passes": 2},
    "sinusoids": {},
    "rossler": {},
}
Load = Callable[[str], plots.RunData]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Runs of a study, trained for an epoch and analysed: ``load("separation")``."""
    root = tmp_path_factory.mktemp("runs")

    def run(study: str) -> plots.RunData:
        directory = RunDirectory(root / study)
        if not directory.analysis_path.exists():
            training = {
                "batch": 4,
                "transient": 100,
                "steps": 200,
                "epochs": 1,
                "critic_pretraining": 1,
                "critic_steps": 1,
                **STUDY_TRAINING[study],
            }
            values: dict[str, Any] = {
                "study": study,
                "seeds": [5],
                "model": {"units": UNITS},
                "critic": {"hidden_size": 6},
                "training": training,
            }
            train(RunConfig.from_dict(values), directory.path)
            budget = CriticBudget(hidden_size=4, steps=1, samples=20)
            analysis.analyse(directory.path, budget=budget)
        return plots.load(directory.path)

    return run


def figure_of(run: plots.RunData, name: str) -> Figure:
    (entry,) = (entry for entry in plots.CATALOGUE if entry.name == name)
    figure = entry.draw(run)
    assert figure is not None
    return figure


def caption_of(run: plots.RunData, name: str) -> str:
    (entry,) = (entry for entry in plots.CATALOGUE if entry.name == name)
    return entry.caption_for(run)


POOLED, PER_SEQUENCE = "over all held-out sequences", "averaged over the sequences"
CANDIDATE = "those of the GRU's candidate"
# Figure, a sentence of it, and the studies of which it is true.
SENTENCES = (
    (
        "learning",
        "mean over the 2 model steps of its epoch",
        {"separation", "sinusoids", "rossler"},
    ),
    ("learning", "the critic's bound at its last step before a model step", {*STUDIES}),
    ("signals", "pulses on the input lines", {"working-memory"}),
    ("signals", "the input signals", {"separation", "sinusoids", "rossler"}),
    ("correlation", POOLED, {"working-memory", "sinusoids", "rossler"}),
    ("correlation", PER_SEQUENCE, {"separation"}),
    ("unit_target", "with the targets, over all", {"working-memory", "sinusoids", "rossler"}),
    ("unit_target", "with the network's own outputs from step 200 on, within", {"separation"}),
    ("unit_target", "mean over a set of outputs", {"separation", "rossler"}),
    ("communities", "are magnitudes of averages over the sequences.", {"separation"}),
    ("communities", CANDIDATE, {"separation"}),
    ("information", "joint pairs only", {"working-memory", "sinusoids", "rossler"}),
    ("information", "on both groups before any shuffling", {"separation"}),
    ("matrices", CANDIDATE, {"separation"}),
    ("histograms", CANDIDATE, {"separation"}),
    ("selectivity", "input weights", {"working-memory", "sinusoids", "rossler"}),
    ("selectivity", "(mean over a set of outputs)", {"separation"}),
    ("selectivity", "(sum over a set of outputs)", {"rossler"}),
    ("components", "above (+) or not above (−) zero", {*STUDIES} - {"separation"}),
    ("components", "above (+) or not above (−) its median", {"separation"}),
    ("components", "the median of a target that is never negative", {"rossler"}),
)


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize(("name", "sentence", "true_of"), SENTENCES)
def test_a_caption_holds_a_sentence_where_it_is_true(
    load: Load, study: str, name: str, sentence: str, true_of: set[str]
) -> None:
    assert (sentence in caption_of(load(study), name)) == (study in true_of)


@pytest.mark.parametrize(
    ("noise", "shuffled", "sentence"),
    [
        (0.1, True, "noise on both groups before any shuffling"),
        (0.1, False, "noise on the joint pairs only"),
        (0.0, True, "Neither its samples nor those of the fresh one have noise"),
    ],
)
def test_the_critics_noise_is_that_of_the_configuration(
    tmp_path: Path,
    small_config: Callable[..., RunConfig],
    noise: float,
    shuffled: bool,
    sentence: str,
) -> None:
    critic = {"sample_noise": noise, "noise_on_shuffled": shuffled}
    config = small_config(critic=critic)
    run = plots.RunData(RunDirectory(tmp_path), config, {}, {}, None)
    assert sentence in caption_of(run, "information")


@pytest.mark.parametrize(
    ("study", "across", "upwards", "bar", "lowest"),
    [
        (
            "working-memory",
            "|correlation with target bit 1|",
            "|correlation with target bit 2|",
            "correlation of states",
            -1.0,
        ),
        (
            "separation",
            "mean |correlation| with outputs\nLorenz x, Lorenz y, Lorenz z",
            "mean |correlation| with outputs\nRössler x, Rössler y, Rössler z",
            "mean |correlation| of states",
            0.0,
        ),
        (
            "sinusoids",
            "|correlation with target sinusoid 1|",
            "|correlation with target sinusoid 2|",
            "correlation of states",
            -1.0,
        ),
        (
            "rossler",
            "mean |correlation| with targets\nx, y",
            "|correlation with target z|",
            "correlation of states",
            -1.0,
        ),
    ],
)
def test_axes_name_what_the_study_correlates(
    load: Load, study: str, across: str, upwards: str, bar: str, lowest: float
) -> None:
    followed = figure_of(load(study), "unit_target")
    assert (followed.get_supxlabel(), followed.get_supylabel()) == (across, upwards)
    *_, colours = figure_of(load(study), "correlation").axes
    assert colours.get_ylabel() == bar
    assert colours.get_ylim() == (lowest, 1.0)


def strongest(correlation: Any) -> set[tuple[int, int]]:
    """The edges of a correlation graph that a picture has room for: four per unit."""
    magnitude = np.triu(np.abs(np.array(correlation)), 1)
    order = np.argsort(magnitude, axis=None)[::-1][: 4 * UNITS]
    return {(int(edge) // UNITS, int(edge) % UNITS) for edge in order}


def another_graph() -> Any:
    """Correlations that no network had: a short run's hardly differ by how they are taken."""
    return np.corrcoef(np.random.default_rng(0).normal(size=(UNITS, 30))).tolist()


def drawn(figure: Figure) -> set[tuple[int, int]]:
    """The edges in the first panel, by the units that are where they end."""
    lines, *groups = figure.axes[0].collections
    assert isinstance(lines, LineCollection)
    places = np.concatenate([np.asarray(group.get_offsets()) for group in groups])
    units = {tuple(place): unit for unit, place in enumerate(places.tolist())}
    ends = [[units[tuple(end)] for end in segment.tolist()] for segment in lines.get_segments()]
    return {(min(pair), max(pair)) for pair in ends}


@pytest.mark.parametrize("study", STUDIES)
def test_the_graph_that_was_split_is_kept_and_drawn(load: Load, study: str) -> None:
    run = load(study)
    final = run.members[0]["final"]
    split = final["community_correlation"] or final["correlation"]
    found = final["communities"]["functional"]
    again = analysis.modularity(analysis.adjacency_of_correlation(split), found["labels"])
    assert again.raw == pytest.approx(found["modularity"], abs=1e-12)
    if study == "separation":
        final["correlation"] = another_graph()
    assert drawn(figure_of(run, "communities")) == strongest(split)


def test_the_legend_has_no_community(load: Load) -> None:
    run = load("working-memory")
    run.members[0]["final"]["communities"]["functional"]["labels"] = [1] * UNITS
    figure = figure_of(run, "communities")
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["group 1", "group 2"]
    for handle in legend.legend_handles:
        assert handle is not None
        rim = getattr(handle, "get_markeredgecolor", lambda: "black")()
        assert rim == "none"


@pytest.mark.parametrize(("study", "combine"), [("separation", np.mean), ("rossler", np.sum)])
def test_output_weights_are_combined_as_in_the_separation_index(
    load: Load, study: str, combine: Callable[..., Any]
) -> None:
    run = load(study)
    weights = np.abs(run.snapshots["weight_out"][-1, 0])
    first, second = ([*outputs] for outputs in run.task["target_sets"])
    difference = combine(weights[first], axis=0) - combine(weights[second], axis=0)
    panel = figure_of(run, "selectivity").axes[0]
    points = np.concatenate([np.asarray(group.get_offsets()) for group in panel.collections])
    np.testing.assert_allclose(points[:, 1], difference, atol=1e-6)


def test_a_target_that_is_never_negative_is_parted_at_its_median(load: Load) -> None:
    run = load("rossler")
    (legend,) = figure_of(run, "components").legends
    labels = {text.get_text() for text in legend.get_texts()}
    assert labels == {f"x {first}, z {second}" for first in "+−" for second in "+−"}


def test_the_report_prints_the_captions_of_its_study(load: Load) -> None:
    directory = load("separation").directory
    text = plots.report(directory.path).read_text()
    assert "own outputs from step 200 on" in text
    assert "pulses on the input lines" not in text
