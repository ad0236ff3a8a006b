"""Stopped anywhere, by anything, and started again: the same files in the end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from midiff_fast.runs import RunConfig, RunDirectory, RunError, files
from midiff_fast.training import DivergedError, Status, Trainer, train


class Crash(BaseException):
    """Stands for the death of the process."""


def same_result(one: RunDirectory, other: RunDirectory) -> None:
    """The files agree bit for bit, but for the time that the epochs took."""
    assert one.checkpoint_path.read_bytes() == other.checkpoint_path.read_bytes()
    for name, array in one.read_snapshots().items():
        np.testing.assert_array_equal(array, other.read_snapshots()[name], strict=True)
    first, second = one.read_metrics(), other.read_metrics()
    assert first.drop(columns="seconds").equals(second.drop(columns="seconds"))
    for place in (one, other):
        assert not list(place.path.glob("*" + files.ASIDE))


def test_a_run_has_all_its_rows_and_snapshots(tiny: RunConfig, tmp_path: Path) -> None:
    place = train(tiny, tmp_path)
    metrics = place.read_metrics()
    assert metrics["epoch"].tolist() == [e for e in range(1, 8) for _ in range(4)]
    assert metrics["seed"].tolist() == [11, 12, 11, 12] * 7
    snapshots = place.read_snapshots()
    assert snapshots["epochs"].tolist() == [0, 3, 6, 7]
    assert snapshots["seeds"].tolist() == [11, 12, 11, 12]
    assert snapshots["mi_weight"].tolist() == [0.1, 0.1, 0.0, 0.0]
    assert snapshots["weight_hh"].shape == (4, 4, 7, 7)
    assert snapshots["critic_weight_b"].shape == (4, 8, 4)
    state = place.read_checkpoint()
    assert state is not None
    np.testing.assert_array_equal(snapshots["bias"][-1], state["model"]["bias"])
    assert not np.array_equal(snapshots["bias"][0], snapshots["bias"][-1])


def test_a_crash_at_any_write_changes_nothing(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after the rename of every single file that a training writes."""
    whole = train(tiny, tmp_path / "whole")
    replace = Path.replace
    countdown = [0]

    def dying(self: Path, target: Path) -> Path:
        countdown[0] -= 1
        if countdown[0] == 0:
            raise Crash
        result = replace(self, target)
        if countdown[0] == -1:
            raise Crash
        return result

    crashes = 0
    for when in range(1, 100):
        for offset in (0, 1):  # before the rename, or after it
            path = tmp_path / f"{when}-{offset}"
            countdown[0] = when if offset == 0 else when - 1
            if offset and when == 1:
                continue
            monkeypatch.setattr(Path, "replace", dying)
            try:
                train(tiny, path)
            except Crash:
                crashes += 1
            finally:
                monkeypatch.setattr(Path, "replace", replace)
            same_result(train(tiny, path), whole)
        if countdown[0] > 0:
            break
    assert crashes > 20


def train_with_stops(config: RunConfig, path: Path, counter: str, moments: list[int]) -> None:
    """Trains until SIGINT has come at every moment, told by a counter of the status."""

    def interrupt(status: Status) -> None:
        if moments and getattr(status, counter) == moments[0]:
            moments.pop(0)
            os.kill(os.getpid(), signal.SIGINT)

    while moments:
        with pytest.raises(KeyboardInterrupt):
            train(config, path, report=interrupt)


def test_a_stop_in_the_middle_changes_nothing(tiny: RunConfig, tmp_path: Path) -> None:
    """SIGINT in the pretraining and in an epoch that has no checkpoint of its own."""
    whole = train(tiny, tmp_path / "whole")
    train_with_stops(tiny, tmp_path / "stopped", "passes", [2, 3 + 3 * 3 + 1])
    state = RunDirectory(tmp_path / "stopped").read_checkpoint()
    assert state is not None
    assert state["epoch"] == 4
    same_result(train(tiny, tmp_path / "stopped"), whole)


def with_epochs(config: RunConfig, epochs: int) -> RunConfig:
    training = config.to_dict()["training"] | {"epochs": epochs}
    return RunConfig.from_dict(config.to_dict() | {"training": training})


@pytest.mark.parametrize("lengths", [(0, 7), (4, 5, 7), (3, 6, 7)])
def test_a_run_that_is_made_longer_was_long_from_the_start(
    tiny: RunConfig, tmp_path: Path, lengths: tuple[int, ...]
) -> None:
    """Snapshots are of every third epoch and of the last: those of a former last epoch go."""
    for epochs in lengths:
        longer = train(with_epochs(tiny, epochs), tmp_path / "longer")
        assert longer.read_snapshots()["epochs"][-1] == epochs
    whole = train(tiny, tmp_path / "whole")
    same_result(longer, whole)
    assert longer.config_path.read_bytes() == whole.config_path.read_bytes()


def test_a_stop_while_a_run_is_made_longer_changes_nothing(tiny: RunConfig, tmp_path: Path) -> None:
    """The first stop is before the next snapshot: that of the former last epoch is on disk."""
    train(with_epochs(tiny, 4), tmp_path / "longer")
    train_with_stops(tiny, tmp_path / "longer", "epoch", [5, 6])
    same_result(train(tiny, tmp_path / "longer"), train(tiny, tmp_path / "whole"))


def test_a_finished_run_is_left_as_it_is(tiny: RunConfig, tmp_path: Path) -> None:
    place = train(tiny, tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    train(tiny, tmp_path)
    assert {p.name: p.read_bytes() for p in place.path.iterdir()} == before


def test_another_configuration_is_refused(tiny: RunConfig, tmp_path: Path) -> None:
    train(tiny, tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    other = RunConfig.from_dict(tiny.to_dict() | {"seeds": [13]})
    with pytest.raises(RunError, match=r"seeds is \[11, 12\] there, \[13\] here"):
        train(other, tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def without(path: Path, name: str) -> None:
    with np.load(path) as arrays:
        np.savez(path, **{key: arrays[key] for key in arrays.files if key != name})


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("metrics.csv", Path.unlink, "cannot read {path}: No such file or directory"),
        (
            "metrics.csv",
            lambda path: path.write_text(""),
            "cannot read {path}: it is empty",
        ),
        ("snapshots.npz", Path.unlink, "cannot read {path}: No such file or directory"),
        (
            "snapshots.npz",
            lambda path: np.savez(path, epochs=[0]),
            "{path}: weight_ih, weight_hh, bias, weight_out, bias_out missing",
        ),
        ("snapshots.npz", lambda path: without(path, "bias"), "{path}: bias missing"),
        (
            "checkpoint.pt",
            lambda path: path.write_bytes(b"garbage"),
            "cannot read {path}: it is no",
        ),
        (
            "checkpoint.pt",
            lambda path: torch.save({"epoch": 7}, path),
            "{path} is no checkpoint of this configuration and task",
        ),
    ],
)
def test_a_damaged_file_is_named_and_nothing_is_written(
    tiny: RunConfig, tmp_path: Path, name: str, damage: Callable[[Path], object], message: str
) -> None:
    train(tiny, tmp_path)
    path = tmp_path / name
    damage(path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(RunError) as error:
        train(tiny, tmp_path)
    assert message.format(path=path) in str(error.value)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_missing_snapshot_is_named(tiny: RunConfig, tmp_path: Path) -> None:
    place = train(tiny, tmp_path)
    arrays = place.read_snapshots()
    place.write_snapshots(arrays | {"epochs": np.array([0, 3, 5, 7])})
    with pytest.raises(RunError, match=r"snapshots.npz: the snapshot of epoch 6 is missing"):
        train(tiny, tmp_path)


def test_divergence_keeps_the_last_good_checkpoint(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_epoch = Trainer.run_epoch

    def poisoned(self: Trainer, *arguments: object) -> object:
        if self.epoch == 5:
            self.networks.model.readout.bias.data[1] = float("nan")
        return run_epoch(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "run_epoch", poisoned)
    with pytest.raises(DivergedError) as error:
        train(tiny, tmp_path)
    assert "epoch 6: the loss of member 1 (seed 12, mi_weight 0.1) is not finite" in str(error)
    assert "the checkpoint of epoch 4 is kept" in str(error)
    monkeypatch.undo()
    same_result(train(tiny, tmp_path), train(tiny, tmp_path.with_name("whole")))


def kill_and_resume(config: RunConfig, tmp_path: Path, kills: int) -> None:
    """Train in a process that is killed at random moments, then to the end; compare."""
    file = tmp_path / "config.toml"
    file.write_text(config.to_toml())
    path = tmp_path / "killed"
    command = [sys.executable, "-m", "midiff_fast", "train", "working-memory", "--no-analyse"]
    command += ["--config", str(file), "--out", str(path)]
    place = RunDirectory(path)
    moments = random.Random(0)
    for _ in range(kills):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        before = _modified(place.checkpoint_path)
        while process.poll() is None and _modified(place.checkpoint_path) == before:
            time.sleep(0.005)
        time.sleep(moments.uniform(0.0, 0.5))
        process.kill()
        process.wait()
        # Every file is there and readable, whatever the moment.
        assert place.read_config() == config
        assert place.read_checkpoint() is not None
        assert len(place.read_snapshots()["epochs"]) >= 1
        place.read_metrics()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    same_result(place, train(config, tmp_path / "whole"))


def _modified(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0


def long(config: RunConfig, epochs: int) -> RunConfig:
    training = config.to_dict()["training"] | {"checkpoint_every": 1}
    return with_epochs(RunConfig.from_dict(config.to_dict() | {"training": training}), epochs)


def test_kill_9_twice(tiny: RunConfig, tmp_path: Path) -> None:
    kill_and_resume(long(tiny, 60), tmp_path, kills=2)


@pytest.mark.slow
def test_kill_9_ten_times(tiny: RunConfig, tmp_path: Path) -> None:
    kill_and_resume(long(tiny, 300), tmp_path, kills=10)


def test_two_trainings_in_one_directory(tiny: RunConfig, tmp_path: Path) -> None:
    """The second is refused while the first runs, and nothing of the first is touched."""
    refused: list[str] = []

    def second(status: object) -> None:
        if not refused:
            code = (
                "import sys; from midiff_fast.runs import RunDirectory, RunError\n"
                "try:\n    RunDirectory(sys.argv[1]).locked().__enter__()\n"
                "except RunError as error:\n    print(error)"
            )
            command = [sys.executable, "-c", code, str(tmp_path)]
            refused.append(subprocess.run(command, capture_output=True, text=True).stdout)

    train(tiny, tmp_path, report=second)
    assert refused == [f"{tmp_path} is in use by another training process\n"]
    with RunDirectory(tmp_path).locked():
        pass  # free again
