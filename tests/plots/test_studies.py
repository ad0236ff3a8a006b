"""What figures say of a measure is what the study measures: each study's report, side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from midiff_fast import analysis, plots
from midiff_fast.analysis import CriticBudget
from midiff_fast.runs import RunConfig, RunDirectory
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
