"""Trains an ensemble of runs into a directory: epochs, files, interruption, resume."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from .. import _load
from .._device import choose_device
from .._memory import freed_memory_kept
from ..runs import ConfigError, EpochMetrics, MetricsTable, RunConfig, RunDirectory, RunError
from ..runs.directory import Arrays
from ..runs.metrics import column_names
from ..tasks import Task
from .trainer import DivergedError, Trainer, check_config, passes_per_epoch


@dataclass(frozen=True)
class Status:
    """How far a training is; reported after every pass."""

    passes: int
    total_passes: int
    epoch: int
    total_epochs: int
    latest: tuple[EpochMetrics, ...] = ()  # of the last finished epoch
    score: str = "accuracy"  # what the task calls it
    stopping: bool = False  # it was asked to end after this epoch


Report = Callable[[Status], None]


def train(
    config: RunConfig,
    directory: str | Path,
    *,
    device: str | torch.device = "auto",
    task: Task | None = None,
    report: Report = lambda status: None,
) -> RunDirectory:
    """Train the ensemble that ``config`` describes, or go on with it where it stopped.

    The result does not depend on where it was stopped: a resumed training ends in the same bits on
    the same device. With more epochs than before it goes on to them, and ends in the bits of a
    training that was as long from the start; that is refused where a learning rate depends on the
    number of epochs. SIGINT and SIGTERM end it after the current epoch, with a checkpoint.

    Args:
        config: what to train.
        directory: where the run is, or is going to be, on disk.
        device: "auto" (CUDA where it can be had), "cpu", "cuda" or "cuda:1". It is no part of what
            is on disk: a run may be resumed on another device.
        task: a task of one's own in place of the study's; it is not part of what is on disk, so a
            resume has to be given the same one, and ``analyse`` too.
        report: called after every pass. On CUDA a pass has then been handed to the device, which
            may be behind by up to an epoch.

    Returns:
        The directory of the finished run.

    Raises:
        TypeError: ``config`` is none.
        RunError: the directory holds another configuration's run, another process trains in it, a
            file of it is missing or damaged, or it cannot be written to.
        ConfigError: there is no such device, or the configuration asks for the fused ops and they
            cannot be had on it.
        DivergedError: a loss is not finite; the last good checkpoint is kept.
        KeyboardInterrupt: it was asked to stop; the checkpoint holds all finished epochs.
    """
    check_config(config)
    chosen = choose_device(device)
    on_cuda = chosen.type == "cuda"
    fused, reason = (
        (_load.cuda_available, _load.cuda_reason) if on_cuda else (_load.available, _load.reason)
    )
    if config.compute.backend == "fused" and not fused:
        raise ConfigError(f'compute.backend = "fused" is not possible: {reason}')
    place = RunDirectory(directory)
    with (
        place.locked(),
        _matmul_precision(config.compute.precision),
        freed_memory_kept(),
        _stop_request() as stop_requested,
    ):
        place.claim(config)
        trainer = Trainer(config, task, device=chosen)
        _Loop(config, place, trainer, report, stop_requested).run()
    return place


class _Loop:
    def __init__(
        self,
        config: RunConfig,
        place: RunDirectory,
        trainer: Trainer,
        report: Report,
        stop_requested: Callable[[], bool],
    ) -> None:
        self.config = config
        self.place = place
        self.report = report
        self.stop_requested = stop_requested
        self.trainer = trainer
        self.table = MetricsTable(column_names(self.trainer.task.output_size))
        self.snapshots: list[tuple[int, Arrays]] = []
        self.latest: tuple[EpochMetrics, ...] = ()
        self.saved_epoch = -1

    def run(self) -> None:
        state = self.place.read_checkpoint()
        if state is None:
            self._add_snapshot()
            self._save()
        else:
            self._resume(state)
        training = self.config.training
        while self.trainer.pretrained < training.critic_pretraining:
            left = training.critic_pretraining - self.trainer.pretrained
            self.trainer.pretrain(min(left, self.trainer.passes_at_once))
            self._report()
            self._stop_if_asked()
        while self.trainer.epoch < training.epochs:
            self._run_epoch()
            self._stop_if_asked()

    def _run_epoch(self) -> None:
        training, trainer = self.config.training, self.trainer
        start = time.perf_counter()
        done = self._passes()
        try:
            passes = iter(range(done + 1, done + passes_per_epoch(training) + 1))
            metrics = trainer.run_epoch(lambda: self._report(next(passes)))
            seconds = time.perf_counter() - start
            self.latest = tuple(replace(m, seconds=seconds) for m in metrics)
            for member in self.latest:
                self.table.add(member)
            self._report()
            snapshot = self._has_snapshot(trainer.epoch)
            if snapshot or trainer.epoch % training.checkpoint_every == 0:
                trainer.check_weights()
                if snapshot:
                    self._add_snapshot()
                self._save()
        except DivergedError as error:
            raise DivergedError(
                f"{error}; the checkpoint of epoch {self.saved_epoch} is kept"
            ) from None

    def _add_snapshot(self) -> None:
        weights = self.trainer.networks.model_parameters()
        arrays = {name: weight.detach().cpu().numpy().copy() for name, weight in weights.items()}
        self.snapshots.append((self.trainer.epoch, arrays))

    def _save(self) -> None:
        """Write everything; the checkpoint last, since a resume starts from it."""
        self.place.write_metrics(self.table)
        if self.snapshots[-1][0] == self.trainer.epoch:
            self.place.write_snapshots(self._snapshot_arrays())
        self.place.write_checkpoint(self.trainer.state_dict())
        self.saved_epoch = self.trainer.epoch

    def _snapshot_arrays(self) -> Arrays:
        members = self.trainer.members
        arrays: Arrays = {
            "epochs": np.array([epoch for epoch, _ in self.snapshots]),
            "seeds": np.array([member.seed for member in members]),
            "mi_weight": np.array([member.mi_weight for member in members]),
        }
        for name in self.snapshots[0][1]:
            arrays[name] = np.stack([weights[name] for _, weights in self.snapshots])
        for name, weight in self.trainer.networks.critic_parameters().items():
            arrays[f"critic_{name}"] = self.trainer.for_all_members(weight).cpu().numpy()
        return arrays

    def _resume(self, state: dict[str, Any]) -> None:
        """Go back to the checkpoint; what the other files say beyond it is dropped.

        Raises:
            RunError: a file is missing, damaged, or not of this training.
        """
        place, trainer = self.place, self.trainer
        try:
            trainer.load_state_dict(state)
        except (KeyError, TypeError, ValueError, RuntimeError):
            raise RunError(
                f"{place.checkpoint_path} is no checkpoint of this configuration and task"
            ) from None
        self.saved_epoch = trainer.epoch
        self.table = place.read_metrics_table(
            self.table.columns, members=len(trainer.members), last_epoch=trainer.epoch
        )
        arrays = place.read_snapshots()
        names = ("epochs", *trainer.networks.model_parameters())
        missing = [name for name in names if name not in arrays]
        if missing:
            raise RunError(f"{place.snapshots_path}: {', '.join(missing)} missing")
        rows = {epoch: row for row, epoch in enumerate(arrays["epochs"].tolist())}
        for epoch in filter(self._has_snapshot, range(trainer.epoch + 1)):
            if epoch not in rows:
                raise RunError(f"{place.snapshots_path}: the snapshot of epoch {epoch} is missing")
            weights = {name: arrays[name][rows[epoch]] for name in names[1:]}
            self.snapshots.append((epoch, weights))

    def _has_snapshot(self, epoch: int) -> bool:
        """Whether the weights after an epoch are kept."""
        training = self.config.training
        return epoch == training.epochs or epoch % training.snapshot_every == 0

    def _stop_if_asked(self) -> None:
        if self.stop_requested():
            if self.saved_epoch != self.trainer.epoch or self.trainer.epoch == 0:
                self.trainer.check_weights()
                self._save()
            raise KeyboardInterrupt

    def _passes(self) -> int:
        """Passes done by now."""
        per_epoch = passes_per_epoch(self.config.training)
        return self.trainer.pretrained + self.trainer.epoch * per_epoch

    def _report(self, passes: int | None = None) -> None:
        training = self.config.training
        total = training.critic_pretraining + training.epochs * passes_per_epoch(training)
        done = self._passes() if passes is None else passes
        epoch, score = self.trainer.epoch, self.trainer.task.score_name
        stopping = self.stop_requested()
        self.report(Status(done, total, epoch, training.epochs, self.latest, score, stopping))


@contextmanager
def _matmul_precision(precision: str) -> Iterator[None]:
    """Set torch's precision of float32 products for a while."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def _stop_request() -> Iterator[Callable[[], bool]]:
    """Turn the first SIGINT or SIGTERM into a request; the next one acts as before."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    requested = False
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in signals}

    def request(number: int, frame: FrameType | None) -> None:
        nonlocal requested
        requested = True
        signal.signal(number, before[signal.Signals(number)])

    for number in signals:
        signal.signal(number, request)
    try:
        yield lambda: requested
    finally:
        for number in signals:
            signal.signal(number, before[number])
