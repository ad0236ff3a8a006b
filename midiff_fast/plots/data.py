"""What figures and the report are made of: the files of one run directory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ..analysis.run import FORMAT, conventions
from ..analysis.snapshot import Conventions
from ..runs import RunConfig, RunDirectory, RunError
from ..runs.directory import Arrays
from ..runs.files import read_text


@dataclass(frozen=True)
class RunData:
    """An analysed run directory in memory.

    ``metrics`` is empty where training has not finished its first epoch.
    """

    directory: RunDirectory
    config: RunConfig
    analysis: dict[str, Any]
    snapshots: Arrays
    metrics: pd.DataFrame

    @property
    def members(self) -> list[dict[str, Any]]:
        """The members' records, in the order of the ensemble."""
        records: list[dict[str, Any]] = self.analysis["members"]
        return records

    @property
    def examples(self) -> list[dict[str, Any]]:
        """The runs that are shown in detail: a typical one, then its control if there is one."""
        chosen: list[dict[str, Any]] = self.analysis["examples"]
        return chosen

    @cached_property
    def weights(self) -> list[float]:
        """The weights λ of the mutual information, the largest first, the control last."""
        return sorted({member["mi_weight"] for member in self.members}, reverse=True)

    def of_weight(self, weight: float) -> list[dict[str, Any]]:
        """The members of one weight λ."""
        return [member for member in self.members if member["mi_weight"] == weight]

    @property
    def conventions(self) -> Conventions:
        """How the study of this run takes its measures."""
        return conventions(self.config)

    @property
    def task(self) -> dict[str, Any]:
        """Names of its inputs, outputs and score, and which of them belong together."""
        described: dict[str, Any] = self.analysis["task"]
        return described

    def parameter(self, name: str, member: int, snapshot: int = -1) -> Any:
        """A weight of one member at one snapshot, the last by default.

        Of a GRU's weights with three gates it is the candidate's part.
        """
        weight = self.snapshots[name][snapshot, member]
        if self.config.model.cell == "gru" and name in ("weight_ih", "weight_hh"):
            return weight[2 * self.config.model.units :]
        return weight


def load(directory: str | Path) -> RunData:
    """Read a run directory.

    Raises:
        RunError: there is no run, it has not been analysed by this version, or a file of it cannot
            be read.
    """
    run = RunDirectory(directory)
    config = run.read_config()
    if not run.analysis_path.is_file():
        raise RunError(f"{run.path} has not been analysed: there is no {run.analysis_path.name}")
    try:
        analysis = json.loads(read_text(run.analysis_path))
    except json.JSONDecodeError as error:
        raise RunError(f"cannot read {run.analysis_path}: {error}") from None
    found = analysis.get("format") if isinstance(analysis, dict) else None
    if found != FORMAT:
        raise RunError(
            f"{run.analysis_path}: expected format {FORMAT}, got {found}: analyse the run again"
        )
    metrics = run.read_metrics() if run.metrics_path.is_file() else pd.DataFrame()
    return RunData(run, config, analysis, run.read_snapshots(), metrics)


def run_name(member: dict[str, Any]) -> str:
    """How a run is named in figures."""
    return f"seed {member['seed']}, λ = {member['mi_weight']:g}"
