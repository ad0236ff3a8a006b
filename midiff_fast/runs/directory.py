"""A run on disk: config.toml, metrics.csv, snapshots.npz and checkpoint.pt of one ensemble."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from .config import RunConfig
from .errors import RunError
from .files import (
    locked_directory,
    make_directory,
    read_archive,
    read_text,
    write_file,
)
from .metrics import MetricsTable, column_names

Arrays = dict[str, npt.NDArray[Any]]


class RunDirectory:
    """The files of an ensemble of runs; each is replaced at once, never half-written.

    ``snapshots.npz`` holds ``epochs [K]``, ``seeds [E]``, ``mi_weight [E]``, every weight of the
    model over the snapshots, ``weight_ih [K, E, N, I]``, ``weight_hh``, ``bias``,
    ``weight_out [K, E, O, N]``, ``bias_out``, and the latest critic as ``critic_<name> [E, …]``
    (nan for members that have none).
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_path = self.path / "config.toml"
        self.metrics_path = self.path / "metrics.csv"
        self.snapshots_path = self.path / "snapshots.npz"
        self.checkpoint_path = self.path / "checkpoint.pt"
        self.analysis_path = self.path / "analysis.json"
        self.figures_path = self.path / "figures"
        self.report_path = self.path / "report.html"

    def locked(self) -> AbstractContextManager[None]:
        """Keeps other trainings out of the directory, which is made if there is none.

        Raises:
            RunError: another process trains there, or it cannot be made or opened.
        """
        make_directory(self.path)
        return locked_directory(self.path)

    def claim(self, config: RunConfig) -> None:
        """Make the directory the place of this configuration, or find that it is already.

        A run of fewer epochs becomes one of this configuration, where that changes nothing else.

        Raises:
            RunError: it holds a run of another configuration (the message names the first key
                that differs) or of an unknown one, or cannot be written to.
        """
        if self.config_path.exists():
            held = self.read_config()
            if held == config:
                return
            reason = held.why_not_continued_as(config)
            if reason is not None:
                raise RunError(
                    f"{self.path} holds another configuration's run: {reason}; "
                    "choose another directory"
                )
        elif self.checkpoint_path.exists():
            raise RunError(
                f"{self.path} holds a checkpoint of an unknown configuration: there is no "
                f"{self.config_path.name}; choose another directory"
            )
        make_directory(self.path)
        write_file(self.config_path, config.to_toml().encode())

    def read_config(self) -> RunConfig:
        """The configuration of the run.

        Raises:
            RunError: there is no run here, or the file cannot be read.
            ConfigError: the file is no configuration.
        """
        if not self.config_path.is_file():
            raise RunError(f"{self.path} holds no run: there is no {self.config_path.name}")
        return RunConfig.from_toml(read_text(self.config_path), str(self.config_path))

    def write_metrics(self, table: MetricsTable) -> None:
        """Replace metrics.csv."""
        write_file(self.metrics_path, table.to_csv().encode())

    def read_metrics(self) -> pd.DataFrame:
        """metrics.csv, a row per epoch and member; see ``metrics.column_names``.

        Raises:
            RunError: it cannot be read, lacks a column, or holds something else than numbers.
        """
        try:
            frame = pd.read_csv(io.StringIO(read_text(self.metrics_path)))
        except pd.errors.EmptyDataError:
            raise RunError(f"cannot read {self.metrics_path}: it is empty") from None
        except pd.errors.ParserError as error:
            cause = " ".join(str(error).split())
            raise RunError(f"cannot read {self.metrics_path}: {cause}") from None
        missing = [name for name in column_names(0) if name not in frame.columns]
        if missing:
            raise RunError(f"cannot read {self.metrics_path}: {', '.join(missing)} missing")
        for name, column in frame.items():
            if len(column) and not pd.api.types.is_numeric_dtype(column):
                raise RunError(f"cannot read {self.metrics_path}: {name} is not all numbers")
        return frame

    def read_metrics_table(
        self, columns: Sequence[str], *, members: int, last_epoch: int
    ) -> MetricsTable:
        """metrics.csv as it was after ``last_epoch``, to be gone on with.

        Raises:
            RunError: it cannot be read, or is not the table of so many epochs and members.
        """
        text = read_text(self.metrics_path)
        try:
            return MetricsTable.from_csv(text, columns, members=members, last_epoch=last_epoch)
        except (ValueError, csv.Error) as error:
            raise RunError(f"cannot read {self.metrics_path}: {error}") from None

    def write_snapshots(self, arrays: Arrays) -> None:
        """Replace snapshots.npz."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        write_file(self.snapshots_path, buffer.getvalue())

    def read_snapshots(self) -> Arrays:
        """Every array of snapshots.npz.

        Raises:
            RunError: it cannot be read, is damaged, or holds something else.
        """
        content = read_archive(self.snapshots_path)
        try:
            with np.load(content, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        except Exception:  # of many kinds; numpy's advice to load it unsafely is not passed on
            raise RunError(f"cannot read {self.snapshots_path}: it holds no arrays") from None

    def write_checkpoint(self, state: dict[str, Any]) -> None:
        """Replace checkpoint.pt by tensors and plain values."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_file(self.checkpoint_path, buffer.getvalue())

    def read_checkpoint(self) -> dict[str, Any] | None:
        """The last checkpoint, or None where there is none yet.

        Raises:
            RunError: it cannot be read, is damaged, or is something else.
        """
        if not self.checkpoint_path.exists():
            return None
        content = read_archive(self.checkpoint_path)
        try:
            state = torch.load(content, map_location="cpu", weights_only=True)
        except Exception:  # of many kinds; torch's advice to load it unsafely is not passed on
            state = None
        if not isinstance(state, dict):
            raise RunError(f"cannot read {self.checkpoint_path}: it holds no checkpoint")
        return state
