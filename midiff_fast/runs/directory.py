"""A run on disk: config.toml, metrics.csv, snapshots.npz and checkpoint.pt of one ensemble."""

from __future__ import annotations

import io
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from .config import RunConfig
from .errors import RunError
from .files import locked_directory, make_directory, read_file, write_file
from .metrics import MetricsTable

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

        Raises:
            RunError: it holds a run of another configuration (the message names the first key
                that differs), or cannot be written to.
        """
        if self.config_path.exists():
            difference = self.read_config().first_difference(config)
            if difference is not None:
                key, theirs, ours = difference
                raise RunError(
                    f"{self.path} holds another configuration's run: {key} is {theirs!r} there, "
                    f"{ours!r} here; choose another directory"
                )
            return
        make_directory(self.path)
        write_file(self.config_path, config.to_toml().encode())

    def read_config(self) -> RunConfig:
        """The configuration of the run.

        Raises:
            RunError: there is no run here.
        """
        if not self.config_path.is_file():
            raise RunError(f"{self.path} holds no run: there is no {self.config_path.name}")
        return RunConfig.from_toml(read_file(self.config_path).decode(), str(self.config_path))

    def write_metrics(self, table: MetricsTable) -> None:
        """Replace metrics.csv."""
        write_file(self.metrics_path, table.to_csv().encode())

    def read_metrics(self) -> pd.DataFrame:
        """metrics.csv, a row per epoch and member; see ``metrics.column_names``."""
        return pd.read_csv(io.BytesIO(read_file(self.metrics_path)))

    def write_snapshots(self, arrays: Arrays) -> None:
        """Replace snapshots.npz."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        write_file(self.snapshots_path, buffer.getvalue())

    def read_snapshots(self) -> Arrays:
        """Every array of snapshots.npz."""
        with np.load(io.BytesIO(read_file(self.snapshots_path)), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def write_checkpoint(self, state: dict[str, Any]) -> None:
        """Replace checkpoint.pt by tensors and plain values."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_file(self.checkpoint_path, buffer.getvalue())

    def read_checkpoint(self) -> dict[str, Any] | None:
        """The last checkpoint, or None where there is none yet."""
        if not self.checkpoint_path.exists():
            return None
        content = io.BytesIO(read_file(self.checkpoint_path))
        try:
            state: dict[str, Any] = torch.load(content, map_location="cpu", weights_only=True)
        except Exception as error:
            raise RunError(f"cannot read {self.checkpoint_path}: {error}") from None
        return state
