"""Files of a run: whole or not at all, and never another run's."""

from __future__ import annotations

import errno
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from midiff_fast.runs import (
    EpochMetrics,
    Member,
    MetricsTable,
    RunConfig,
    RunDirectory,
    RunError,
)
from midiff_fast.runs.files import ASIDE, write_file
from midiff_fast.runs.metrics import column_names


def test_claim_writes_a_configuration_that_can_be_run_again(tmp_path: Path) -> None:
    config = RunConfig(seeds=(3, 4), mi_weight=(0.1, 0.0))
    place = RunDirectory(tmp_path / "a" / "b")
    place.claim(config)
    assert place.read_config() == config
    place.claim(config)


def test_another_configurations_directory_is_refused(tmp_path: Path) -> None:
    place = RunDirectory(tmp_path)
    place.claim(RunConfig())
    before = place.config_path.read_bytes()
    other = RunConfig.from_toml("[training]\nbatch = 4\nepochs = 3")
    with pytest.raises(RunError) as error:
        place.claim(other)
    assert str(error.value) == (
        f"{tmp_path} holds another configuration's run: training.batch is 20 there, 4 here; "
        "choose another directory"
    )
    assert place.config_path.read_bytes() == before


def test_more_epochs_are_no_other_configuration(tmp_path: Path) -> None:
    place = RunDirectory(tmp_path)
    place.claim(RunConfig())
    longer = RunConfig.from_toml("[training]\nepochs = 1001")
    place.claim(longer)
    assert place.read_config() == longer


@pytest.mark.parametrize(
    ("falling", "epochs", "reason"),
    [
        (None, 999, "and a run cannot be made shorter"),
        ("model_optimizer", 1001, "and model_optimizer.final_learning_rate is that of the last"),
        ("critic_optimizer", 1001, "and critic_optimizer.final_learning_rate is that of the last"),
        ("model_optimizer", 999, "and a run cannot be made shorter"),
    ],
)
def test_the_number_of_epochs_stays_where_results_depend_on_it(
    tmp_path: Path, falling: str | None, epochs: int, reason: str
) -> None:
    rates = "" if falling is None else f"[{falling}]\nfinal_learning_rate = 0.0001\n"
    place = RunDirectory(tmp_path)
    place.claim(RunConfig.from_toml(rates))
    before = place.config_path.read_bytes()
    with pytest.raises(RunError) as error:
        place.claim(RunConfig.from_toml(f"{rates}[training]\nepochs = {epochs}"))
    message = str(error.value)
    assert f"training.epochs is 1000 there, {epochs} here, {reason}" in message
    assert message.endswith("; choose another directory")
    assert place.config_path.read_bytes() == before


def test_a_directory_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no run: there is no config.toml"):
        RunDirectory(tmp_path).read_config()


def test_a_directory_under_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot make the directory .*file/run: Not a directory"):
        RunDirectory(tmp_path / "file" / "run").claim(RunConfig())


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The error may come from the write, the flush or the rename."""
    path = tmp_path / "metrics.csv"
    write_file(path, b"old")

    def fail(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os if call == "fsync" else Path, call, fail)
    with pytest.raises(RunError) as error:
        write_file(path, b"new")
    assert str(error.value) == f"cannot write {path}: No space left on device"
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.csv"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_that_is_full(tmp_path: Path) -> None:
    """A real ENOSPC: the file aside is a link to the device that is always full."""
    path = tmp_path / "checkpoint.pt"
    path.with_name(path.name + ASIDE).symlink_to("/dev/full")
    with pytest.raises(RunError, match=r"cannot write .*: No space left on device"):
        write_file(path, b"new")
    assert list(tmp_path.iterdir()) == []


def test_metrics_read_back(tmp_path: Path) -> None:
    place = RunDirectory(tmp_path)
    table = MetricsTable(column_names(2))
    for epoch in (1, 2, 3):
        member = Member(0, 1001, 0.1)
        table.add(
            EpochMetrics(epoch, member, 0.75, (0.5, 1.0), 0.1 / 3, 0.2, float("nan"), -0.5, 1.25)
        )
    place.write_metrics(table)
    frame = place.read_metrics()
    assert list(frame.columns) == column_names(2)
    assert frame["epoch"].tolist() == [1, 2, 3]
    assert frame["task_loss"].tolist() == pytest.approx([0.1 / 3] * 3, rel=1e-7)
    assert frame["mi_critic"].isna().all()
    shorter = place.read_metrics_table(column_names(2), members=1, last_epoch=2)
    assert shorter.to_csv() == "".join(table.to_csv().splitlines(keepends=True)[:3])


def test_snapshots_and_checkpoint_read_back(tmp_path: Path) -> None:
    place = RunDirectory(tmp_path)
    assert place.read_checkpoint() is None
    place.write_snapshots({"epochs": np.arange(3), "bias": np.ones((3, 1, 2), np.float32)})
    assert place.read_snapshots()["bias"].shape == (3, 1, 2)
    place.write_checkpoint({"epoch": 3, "model": {"bias": torch.ones(2)}})
    state = place.read_checkpoint()
    assert state is not None
    assert state["epoch"] == 3
    assert torch.equal(state["model"]["bias"], torch.ones(2))


def archive(content: bytes) -> bytes:
    """A zip archive of one file that neither numpy nor torch would write."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("data.pkl", content)
    return buffer.getvalue()


def read_table(place: RunDirectory) -> object:
    return place.read_metrics_table(column_names(1), members=2, last_epoch=2)


HEADER = ",".join(column_names(1))
ROWS = [
    f"{epoch},{member}" + ",1" * (len(column_names(1)) - 2) for epoch in (1, 2) for member in (0, 1)
]


@pytest.mark.parametrize(
    ("name", "content", "read", "cause"),
    [
        ("config.toml", b"# \xe9\n", RunDirectory.read_config, "byte 2 is not UTF-8 text"),
        ("metrics.csv", None, RunDirectory.read_metrics, "No such file or directory"),
        ("metrics.csv", b"", RunDirectory.read_metrics, "it is empty"),
        ("metrics.csv", b"\xff\xfe", RunDirectory.read_metrics, "byte 0 is not UTF-8 text"),
        (
            "metrics.csv",
            b"a,b\n1\n1,2,3\n",
            RunDirectory.read_metrics,
            "Expected 2 fields in line 3",
        ),
        ("metrics.csv", b"epoch,member\n", RunDirectory.read_metrics, "seed, mi_weight, accuracy"),
        (
            "metrics.csv",
            "\n".join([HEADER, ROWS[0], "a" + ROWS[1][1:]]).encode(),
            RunDirectory.read_metrics,
            "epoch is not all numbers",
        ),
        ("metrics.csv", None, read_table, "No such file or directory"),
        ("metrics.csv", b"", read_table, "it is empty"),
        ("metrics.csv", b"a,b\n1,2\n", read_table, "expected the columns epoch, member"),
        ("metrics.csv", b"\xff\xfe", read_table, "byte 0 is not UTF-8 text"),
        ("metrics.csv", HEADER.encode(), read_table, "row 1 is not that of epoch 1, member 0"),
        (
            "metrics.csv",
            "\n".join([HEADER, *ROWS])[:-3].encode(),
            read_table,
            "row 4 is not that of epoch 2, member 1",
        ),
        ("snapshots.npz", None, RunDirectory.read_snapshots, "No such file or directory"),
        ("snapshots.npz", b"", RunDirectory.read_snapshots, "it is empty"),
        (
            "snapshots.npz",
            b"garbage",
            RunDirectory.read_snapshots,
            "it is no zip archive, or cut short",
        ),
        (
            "snapshots.npz",
            archive(b"")[:50],
            RunDirectory.read_snapshots,
            "it is no zip archive, or",
        ),
        (
            "snapshots.npz",
            archive(b"number").replace(b"number", b"numbed"),
            RunDirectory.read_snapshots,
            "data.pkl is damaged",
        ),
        ("checkpoint.pt", b"", RunDirectory.read_checkpoint, "it is empty"),
        ("checkpoint.pt", b"garbage", RunDirectory.read_checkpoint, "it is no zip archive, or cut"),
        (
            "checkpoint.pt",
            archive(b"number"),
            RunDirectory.read_checkpoint,
            "it holds no checkpoint",
        ),
    ],
)
def test_a_damaged_file_is_named_with_the_cause(
    tmp_path: Path,
    name: str,
    content: bytes | None,
    read: Callable[[RunDirectory], object],
    cause: str,
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RunError) as error:
        read(RunDirectory(tmp_path))
    message = str(error.value)
    assert message.startswith(f"cannot read {path}: ")
    assert cause in message
    assert "\n" not in message


def test_a_snapshot_cut_short_is_named(tmp_path: Path) -> None:
    place = RunDirectory(tmp_path)
    place.write_snapshots({"epochs": np.arange(1000)})
    place.snapshots_path.write_bytes(place.snapshots_path.read_bytes()[:-100])
    with pytest.raises(RunError, match=r"cannot read .*npz: it is no zip archive, or cut short"):
        place.read_snapshots()


def test_a_checkpoint_without_its_configuration_is_refused(tmp_path: Path) -> None:
    """Nothing says that it is of the configuration that is asked for."""
    place = RunDirectory(tmp_path)
    place.write_checkpoint({"epoch": 3})
    with pytest.raises(RunError, match=r"checkpoint of an unknown configuration: there is no conf"):
        place.claim(RunConfig())
    assert not place.config_path.exists()
