"""Every measure of every run of a directory, into its analysis.json."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .._memory import freed_memory_kept
from ..runs import Member, RunConfig, RunDirectory, RunError, SeparationConfig
from ..runs.files import write_file
from ..tasks import Task, build_task
from .compare import compare_with_control, summarise
from .examples import choose_examples, example
from .half_height import half_height
from .held_out import CriticBudget
from .information import information_estimates
from .precedence import precedence_sweep
from .replay import Activity, Replay, Sequences, weight_names
from .snapshot import SCALARS, Conventions, Network, curve_point, final_details

Arrays = Mapping[str, NDArray[Any]]

FORMAT = 2
"""Of analysis.json; raised when a key changes its meaning."""

THRESHOLD = 0.1
"""On normalised modularity: the row of the precedence sweep that the report opens with."""

STATE_NUMBERS = 25_000_000
"""States held at once while snapshots are run: 100 MB, ten runs of the paper's size."""


@freed_memory_kept()
def analyse(
    directory: str | Path, *, task: Task | None = None, budget: CriticBudget | None = None
) -> dict[str, Any]:
    """Measure every run of a directory and write analysis.json.

    Each snapshot of each member is run again on fresh test sequences (the same ones at every
    snapshot of a seed). Returned and written are: ``epochs [K]``; per member its ``curves`` over
    the snapshots, ``final`` measures and ``information`` between the groups; ``precedence``,
    ``comparison`` with the control and ``summary`` per weight of the mutual information; and
    ``examples``, the activity that figures show.

    Args:
        directory: a run directory.
        task: the task that was trained, where it is not the study's own.
        budget: of the critics that are trained afresh; ``CriticBudget()`` where None.

    Raises:
        RunError: there is no run, it has no snapshots yet, they do not fit its configuration, or
            analysis.json cannot be written.
    """
    budget = CriticBudget() if budget is None else budget
    run = RunDirectory(directory)
    config = run.read_config()
    snapshots = run.read_snapshots()
    _check(run, config, snapshots)
    if task is None:
        task = build_task(config.study, config.task.model_dump())
    records: dict[int, dict[str, Any]] = {}
    for members in _portions(config):
        replay = Replay(config, members, task)
        records.update(_measure(config, snapshots, replay, budget))
    ordered = [records[index] for index in sorted(records)]
    epochs = [int(epoch) for epoch in snapshots["epochs"]]
    result = {
        "format": FORMAT,
        "config": config.to_dict(),
        "task": _describe(task, config),
        "epochs": epochs,
        "critic_budget": asdict(budget),
        "members": ordered,
        "precedence": _precedence(epochs, ordered),
        "comparison": compare_with_control(ordered),
        "summary": summarise(ordered, config.success),
        "examples": _examples(config, snapshots, ordered, task),
    }
    result = _plain(result)
    text = json.dumps(result, allow_nan=False, ensure_ascii=False)
    write_file(run.analysis_path, text.encode())
    return result


def _check(run: RunDirectory, config: RunConfig, snapshots: Arrays) -> None:
    names = weight_names(config)
    missing = [name for name in ("epochs", *names) if name not in snapshots]
    if missing:
        raise RunError(f"{run.snapshots_path}: {', '.join(missing)} missing")
    members, units = len(config.members()), config.model.units
    rows = 3 * units if config.model.cell == "gru" else units
    expected = (len(snapshots["epochs"]), members, rows, units)
    found = snapshots["weight_hh"].shape
    if found != expected or expected[0] == 0:
        raise RunError(
            f"{run.snapshots_path}: weight_hh: expected {list(expected)}, got {list(found)}"
        )
    for name in names:
        if not np.isfinite(snapshots[name]).all():
            raise RunError(f"{run.snapshots_path}: {name} holds NaN or infinity")


def _portions(config: RunConfig) -> Iterator[list[Member]]:
    """Members to run together: all weights of a seed, as many seeds as memory allows."""
    training, model = config.training, config.model
    size = training.batch * (training.transient + training.steps) * model.units
    seeds = max(1, STATE_NUMBERS // (size * len(config.mi_weight)))
    for start in range(0, len(config.seeds), seeds):
        chosen = config.seeds[start : start + seeds]
        yield [member for member in config.members() if member.seed in chosen]


def _measure(
    config: RunConfig, snapshots: Arrays, replay: Replay, budget: CriticBudget
) -> dict[int, dict[str, Any]]:
    """Everything about some members, by member index."""
    members = replay.members
    sequences = replay.sequences(0)
    count = len(snapshots["epochs"])
    names = (*SCALARS, "accuracy", "task_loss")
    curves: list[dict[str, list[Any]]] = [{name: [] for name in names} for _ in members]
    for index in range(count):
        activity, points = _run_snapshot(config, replay, sequences, snapshots, index)
        for curve, point in zip(curves, points, strict=True):
            for name in names:
                curve[name].append(point[name])
    # `activity` and `points` are now those of the last snapshot.
    networks = _networks(config, replay, snapshots, count - 1, activity)
    information = information_estimates(config, snapshots, replay, activity, budget)
    return {
        member.index: {
            "index": member.index,
            "seed": member.seed,
            "mi_weight": member.mi_weight,
            "curves": curve,
            "final": {**point, **final_details(network)},
            "information": estimates,
        }
        for member, curve, point, network, estimates in zip(
            members, curves, points, networks, information, strict=True
        )
    }


def _run_snapshot(
    config: RunConfig, replay: Replay, sequences: Sequences, snapshots: Arrays, index: int
) -> tuple[Activity, list[dict[str, Any]]]:
    """What the networks of a snapshot do, and each one's measures."""
    task = replay.task
    activity = replay.run(replay.weights(snapshots, index), sequences)
    accuracies = task.accuracy(activity.output, activity.target)
    losses = task.loss(activity.output, activity.target)
    points = []
    for number, network in enumerate(_networks(config, replay, snapshots, index, activity)):
        point: dict[str, Any] = dict(curve_point(network))
        point["accuracy"] = float(accuracies[number].mean())
        point["accuracies"] = accuracies[number].tolist()
        point["task_loss"] = float(losses[number])
        points.append(point)
    return activity, points


def _networks(
    config: RunConfig, replay: Replay, snapshots: Arrays, index: int, activity: Activity
) -> list[Network]:
    task = replay.task
    how = conventions(config)
    weights = replay.weights(snapshots, index)
    return [
        Network(
            {name: values[number] for name, values in weights.items()},
            activity.states[number].double().numpy(),
            activity.target[number].double().numpy(),
            activity.output[number].double().numpy(),
            task.target_sets,
            task.input_sets,
            how,
        )
        for number in range(len(replay.members))
    ]


def _precedence(epochs: list[int], members: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The precedence test over all runs of each weight of the mutual information."""
    results = []
    for weight in sorted({member["mi_weight"] for member in members}):
        chosen = [member for member in members if member["mi_weight"] == weight]
        functional, structural = (
            # A modularity that is undefined (no edges) has not risen.
            np.array([[value or 0.0 for value in m["curves"][name]] for m in chosen])
            for name in ("Q_cor_normalised", "Q_str_normalised")
        )
        sweep = precedence_sweep(epochs, functional, structural)
        halves = half_height(epochs, functional, structural)
        results.append(
            {
                "mi_weight": weight,
                "members": [member["index"] for member in chosen],
                "threshold": THRESHOLD,
                "sweep": [asdict(row) for row in sweep],
                "half_height": asdict(halves),
            }
        )
    return results


def _examples(
    config: RunConfig, snapshots: Arrays, members: list[dict[str, Any]], task: Task
) -> list[dict[str, Any]]:
    chosen = choose_examples(members)
    replay = Replay(config, [config.members()[index] for index in chosen], task)
    last = len(snapshots["epochs"]) - 1
    activity = replay.run(replay.weights(snapshots, last), replay.sequences(0))
    return [example(index, activity, number) for number, index in enumerate(chosen)]


def conventions(config: RunConfig) -> Conventions:
    """How the measures of a configuration's study are taken."""
    if not isinstance(config, SeparationConfig):
        return Conventions(cell=config.model.cell)
    return Conventions(config.model.cell, "absolute", "output", config.task.washout, "mean")


def _describe(task: Task, config: RunConfig) -> dict[str, Any]:
    """What figures and words need to know of the task."""
    return {
        "score": task.score_name,
        "success": config.success,
        "outputs": task.output_names,
        "inputs": task.input_names,
        "target_sets": task.target_sets,
        "input_sets": task.input_sets,
    }


def _plain(value: Any) -> Any:
    """Python values only, no digit lost; NaN and infinity, which JSON lacks, become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.ndarray, torch.Tensor)):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
