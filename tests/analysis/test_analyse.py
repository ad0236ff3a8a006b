"""The analysis of a run directory against a recomputation from the equations."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pytest
import torch

from midiff_fast import analysis
from midiff_fast.analysis import CriticBudget
from midiff_fast.ops import random as keyed
from midiff_fast.ops.random import Purpose
from midiff_fast.runs import RunConfig, RunDirectory, RunError
from midiff_fast.tasks import WorkingMemory
from midiff_fast.training import train

BUDGET = CriticBudget(hidden_size=8, steps=3, samples=50)
UNITS, BATCH, TRANSIENT, STEPS = 8, 3, 20, 150
HALVES = np.arange(UNITS) >= UNITS // 2
STREAMS = 8
EPOCHS = np.arange(0, 60, 10)
Make = Callable[..., Any]


@pytest.fixture(scope="module")
def result(run_directory: RunDirectory) -> dict[str, Any]:
    return analysis.analyse(run_directory.path, budget=BUDGET)


def simulate(weights: dict[str, Any], seed: int, draw: int) -> tuple[Any, Any]:
    """States and targets of the learned steps, from the equations in NumPy: [B, T, ·]."""
    seeds = torch.tensor([seed])
    task = WorkingMemory(pulse_probability=0.02, pulse_length=5)
    signals = task.draw(seeds, STREAMS * draw, BATCH, TRANSIENT + STEPS, purpose=Purpose.ANALYSIS)
    state = keyed.normal(seeds, Purpose.ANALYSIS, STREAMS * draw + 1, (BATCH, UNITS))[0]
    noise = keyed.normal(
        seeds, Purpose.ANALYSIS, STREAMS * draw + 2, (BATCH, TRANSIENT + STEPS, UNITS)
    )[0]
    x, states = state.double().numpy(), []
    for step in range(TRANSIENT + STEPS):
        drive = signals.input[0, :, step].double().numpy() @ weights["weight_ih"].T
        drive = drive + np.tanh(x) @ weights["weight_hh"].T + weights["bias"]
        x = 0.9 * x + 0.1 * drive + 0.1 * noise[:, step].double().numpy()
        states.append(x)
    return np.stack(states, 1)[:, TRANSIENT:], signals.target[0, :, TRANSIENT:].double().numpy()


def networkx_modularity(adjacency: Any) -> float:
    adjacency = np.abs(adjacency) * (1 - np.eye(UNITS))
    parts = [set(np.flatnonzero(side == HALVES).tolist()) for side in (False, True)]
    graph = networkx.from_numpy_array(adjacency)
    return float(networkx.community.modularity(graph, parts, weight="weight"))


def index_of_separation(table: Any) -> float:
    d = table[0] - table[1]
    return float(abs(d[~HALVES].sum() - d[HALVES].sum()) / table.sum())


@pytest.mark.parametrize("member", range(4))
@pytest.mark.parametrize("snapshot", [0, 5])
def test_curves(
    run_directory: RunDirectory, result: dict[str, Any], member: int, snapshot: int
) -> None:
    arrays = run_directory.read_snapshots()
    names = ("weight_ih", "weight_hh", "bias", "weight_out", "bias_out")
    weights = {name: arrays[name][snapshot, member].astype(float) for name in names}
    record = result["members"][member]
    states, target = simulate(weights, record["seed"], 0)
    output = np.tanh(states) @ weights["weight_out"].T + weights["bias_out"]
    flat, goals = states.reshape(-1, UNITS), target.reshape(-1, 2)
    targets = np.abs(np.corrcoef(goals.T, flat.T)[:2, 2:])
    inputs = np.abs(weights["weight_ih"].T)
    expected = {
        "Q_str": networkx_modularity(np.abs(weights["weight_hh"]) + np.abs(weights["weight_hh"]).T),
        "Q_cor": networkx_modularity(np.corrcoef(flat.T)),
        "D_in": index_of_separation(np.stack([inputs[:2].sum(0), inputs[2:].sum(0)])),
        "D_out": index_of_separation(np.abs(weights["weight_out"])),
        "D_cor": index_of_separation(targets),
        "task_loss": np.mean((output - target) ** 2),
        "accuracy": np.mean((output > 0) == (np.round((target + 1) / 2) > 0.5)),
    }
    found = {name: record["curves"][name][snapshot] for name in expected}
    assert found == pytest.approx(expected, abs=2e-6)
    if snapshot == 5:
        final = record["final"]
        assert {name: final[name] for name in expected} == found
        np.testing.assert_allclose(final["correlation"], np.corrcoef(flat.T), atol=1e-5)
        np.testing.assert_allclose(np.abs(final["unit_target_correlation"]), targets, atol=1e-5)
        np.testing.assert_allclose(final["rate_std"], np.tanh(flat).std(0), atol=1e-5)
        d = targets[0] - targets[1]
        out = np.abs(weights["weight_out"])
        assert final["d_weight_correlation"]["out"] == pytest.approx(
            np.corrcoef(d, out[0] - out[1])[0, 1], abs=1e-5
        )
        assert final["r_squared"] == pytest.approx(
            1 - ((goals - output.reshape(-1, 2)) ** 2).sum(0) / (len(goals) * goals.var(0)),
            rel=1e-4,
        )


def test_normalised_modularity(result: dict[str, Any]) -> None:
    for record in result["members"]:
        for name in ("Q_str", "Q_cor"):
            raw, normalised = record["curves"][name], record["curves"][f"{name}_normalised"]
            # Q_max is close to one half for two equal halves.
            np.testing.assert_allclose(np.divide(raw, normalised), 0.5, atol=0.05)


def test_precedence_is_that_of_the_curves(result: dict[str, Any]) -> None:
    assert [entry["mi_weight"] for entry in result["precedence"]] == [0.0, 0.1]
    for entry in result["precedence"]:
        curves = [result["members"][index]["curves"] for index in entry["members"]]
        for row in entry["sweep"]:
            expected = [
                analysis.onset(EPOCHS, c["Q_str_normalised"], row["threshold"]) for c in curves
            ]
            assert row["structural_onsets"] == expected
            counts = row["functional_first"] + row["structural_first"] + row["undecided"]
            assert counts == len(curves)
        halves = entry["half_height"]
        for name, measure in (("functional", "Q_cor"), ("structural", "Q_str")):
            for onset, curve in zip(halves[f"{name}_onsets"], curves, strict=True):
                values = curve[f"{measure}_normalised"]
                end = np.mean(values[-3:])
                expected_onset = analysis.onset(EPOCHS, values, end / 2) if end > 0.05 else None
                assert onset == expected_onset
        assert entry["threshold"] in [row["threshold"] for row in entry["sweep"]]


def test_comparison_pairs_the_runs_of_a_seed(result: dict[str, Any]) -> None:
    (comparison,) = result["comparison"]
    assert (comparison["mi_weight"], comparison["control"]) == (0.1, 0.0)
    final = {(m["mi_weight"], m["seed"]): m["final"]["Q_str"] for m in result["members"]}
    differences = [final[0.1, seed] - final[0.0, seed] for seed in (5, 6)]
    found = comparison["measures"]["Q_str"]
    assert found["pairs"] == 2
    assert found["median_difference"] == pytest.approx(np.median(differences))
    assert (found["higher"], found["lower"]) == (2, 0)
    assert found["p_value"] == pytest.approx(0.5)
    assert found["interval"] is None  # two pairs cannot give one
    summary = {entry["mi_weight"]: entry for entry in result["summary"]}
    assert summary[0.1]["runs"] == 2
    assert summary[0.1]["measures"]["Q_str"]["largest"] == max(final[0.1, 5], final[0.1, 6])
    assert summary[0.1]["differentiated"] == sum(final[0.1, seed] > 0.1 for seed in (5, 6))


def test_information(run_directory: RunDirectory, result: dict[str, Any]) -> None:
    """The run's own critic is evaluated as in training: noise on the joint pairs only."""
    arrays = run_directory.read_snapshots()
    for record in result["members"]:
        found = record["information"]
        assert found["limit"] == pytest.approx(math.log(BATCH * STEPS))
        assert found["fresh_critic"] is not None
        member = record["index"]
        weights = {
            n: arrays[n][-1, member].astype(float) for n in ("weight_ih", "weight_hh", "bias")
        }
        critic = {
            n[7:]: v[member].astype(float) for n, v in arrays.items() if n.startswith("critic_")
        }
        states, _ = simulate(weights, record["seed"], 0)
        rates = np.tanh(states).reshape(-1, UNITS)
        seeds = torch.tensor([record["seed"]])
        noise = keyed.normal(seeds, Purpose.ANALYSIS, 3, rates.shape)[0].double().numpy()
        order = keyed.permutation(seeds, Purpose.ANALYSIS, 7, len(rates))[0].numpy()

        def statistics(a: Any, b: Any, c: dict[str, Any] = critic) -> Any:
            first = a @ c["weight_a"].T + c["bias_a"] + b @ c["weight_b"].T + c["bias_b"]
            hidden = np.maximum(0, first) @ c["weight_h"].T + c["bias_h"]
            return np.maximum(0, hidden) @ c["weight_out"]

        noisy = rates + 0.1 * noise
        joint = statistics(noisy[:, :4], noisy[:, 4:])
        product = statistics(noisy[:, :4], rates[order, 4:])
        expected = joint.mean() - np.log(np.exp(product).mean())
        assert found["run_critic"] == pytest.approx(expected, abs=1e-5)


def test_examples_are_the_median_run_and_its_control(result: dict[str, Any]) -> None:
    run, control = result["examples"]
    runs = sorted(result["members"][:2], key=lambda m: m["final"]["Q_cor"])
    assert run["member"] == runs[0]["index"]
    assert result["members"][control["member"]]["seed"] == runs[0]["seed"]
    assert result["members"][control["member"]]["mi_weight"] == 0.0
    assert np.shape(run["target"]) == np.shape(run["output"]) == (STEPS, 2)
    assert np.shape(run["points"]) == (BATCH * STEPS, 3)


def test_the_file_holds_what_is_returned(run_directory: RunDirectory) -> None:
    again = analysis.analyse(str(run_directory.path), budget=BUDGET)
    text = run_directory.analysis_path.read_text()
    assert json.loads(text) == again
    analysis.analyse(run_directory.path, budget=BUDGET)
    assert run_directory.analysis_path.read_text() == text


def test_a_run_alone_is_analysed_as_in_an_ensemble(
    tmp_path: Path, small_config: Make, run_directory: RunDirectory, result: dict[str, Any]
) -> None:
    config = small_config(seeds=[6], mi_weight=[0.1])
    directory = RunDirectory(tmp_path)
    directory.claim(config)
    arrays = run_directory.read_snapshots()
    one = {
        name: values if name == "epochs" else values[:, 1:2] if values.ndim > 1 else values[1:2]
        for name, values in arrays.items()
        if not name.startswith("critic_")
    }
    directory.write_snapshots(one)
    found = analysis.analyse(tmp_path, budget=BUDGET)["members"][0]
    for name, curve in found["curves"].items():
        assert curve == pytest.approx(result["members"][1]["curves"][name], abs=1e-6), name
    assert found["information"]["run_critic"] is None


@pytest.mark.parametrize("mi_weight", [[0.1], [0.0]], ids=["without control", "control only"])
def test_one_snapshot_and_no_pairs(
    tmp_path: Path, mi_weight: list[float], small_config: Make, write_run: Make
) -> None:
    write_run(tmp_path, small_config(mi_weight=mi_weight), epochs=[0])
    result = analysis.analyse(tmp_path, budget=BUDGET)
    assert result["comparison"] == []
    assert all(row["undecided"] == 2 for row in result["precedence"][0]["sweep"])
    assert result["examples"][0]["member"] in (0, 1)


def test_networks_without_weights_have_no_modularity(
    tmp_path: Path, small_config: Make, write_run: Make
) -> None:
    directory = write_run(tmp_path, small_config(), epochs=[0, 10])
    arrays = directory.read_snapshots()
    arrays["weight_hh"][:, 0] = 0.0
    arrays["weight_out"][:, 0] = 0.0
    directory.write_snapshots(arrays)
    record = analysis.analyse(tmp_path, budget=BUDGET)["members"][0]
    assert record["curves"]["Q_str"] == [None, None]
    assert record["final"]["D_out"] is None
    assert record["final"]["communities"]["structural"] is None


def test_three_bits_have_no_separation_index(
    tmp_path: Path, small_config: Make, write_run: Make
) -> None:
    config = small_config(task={"bits": 3}, seeds=[5], mi_weight=[0.1])
    write_run(tmp_path, config, epochs=[0])
    record = analysis.analyse(tmp_path, budget=BUDGET)["members"][0]
    assert record["final"]["D_cor"] is None
    assert record["final"]["d"] is None
    assert record["final"]["Q_cor"] is not None


def test_what_is_no_run_is_refused(tmp_path: Path, small_config: Make) -> None:
    with pytest.raises(RunError, match=r"holds no run"):
        analysis.analyse(tmp_path)
    RunDirectory(tmp_path).claim(small_config())
    with pytest.raises(RunError, match=r"snapshots\.npz"):
        analysis.analyse(tmp_path)


@pytest.mark.parametrize("damage", ["missing", "shape", "nan"])
def test_damaged_snapshots_are_refused(
    tmp_path: Path, damage: str, small_config: Make, write_run: Make
) -> None:
    directory = write_run(tmp_path, small_config())
    arrays = directory.read_snapshots()
    if damage == "missing":
        del arrays["weight_hh"]
    elif damage == "shape":
        arrays["weight_hh"] = arrays["weight_hh"][:, :1]
    else:
        arrays["weight_hh"][0, 0, 0, 0] = np.nan
    directory.write_snapshots(arrays)
    with pytest.raises(RunError, match=r"weight_hh"):
        analysis.analyse(tmp_path, budget=BUDGET)


@pytest.mark.parametrize("study", ["working-memory", "sinusoids"])
def test_a_gru_is_analysed_in_every_study_with_sets_of_inputs(tmp_path: Path, study: str) -> None:
    values: dict[str, Any] = {
        "study": study,
        "seeds": [5],
        "mi_weight": [0.1],
        "model": {"cell": "gru", "units": 8, "noise_std": 0.0},
        "critic": {"hidden_size": 6},
        "training": {"batch": 3, "transient": 0, "steps": 250, "epochs": 2, "snapshot_every": 1},
    }
    train(RunConfig.from_dict(values), tmp_path)
    curves = analysis.analyse(tmp_path, budget=BUDGET)["members"][0]["curves"]
    weights = RunDirectory(tmp_path).read_snapshots()["weight_ih"][-1, 0]
    assert weights.shape[0] == 3 * 8
    inputs = np.abs(weights[2 * 8 :].astype(float).T)  # the candidate's
    half = len(inputs) // 2
    table = np.stack([inputs[:half].sum(0), inputs[half:].sum(0)])
    assert curves["D_in"][-1] == pytest.approx(index_of_separation(table), abs=1e-6)
