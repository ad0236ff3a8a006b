"""What figures say of a measure is what the study measures: each study's report, side by side."""

from __future__ import annotations

from collections.abc import Callable
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
