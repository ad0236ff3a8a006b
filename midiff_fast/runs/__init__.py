"""What a run is on disk: configuration, metrics, snapshots, checkpoint."""

from .config import (
    ComputeConfig,
    CriticConfig,
    Member,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    TaskConfig,
    TrainingConfig,
)
from .directory import RunDirectory
from .errors import ConfigError, RunError, UserError
from .metrics import EpochMetrics, MetricsTable
from .presets import PRESETS, preset

__all__ = [
    "PRESETS",
    "ComputeConfig",
    "ConfigError",
    "CriticConfig",
    "EpochMetrics",
    "Member",
    "MetricsTable",
    "ModelConfig",
    "OptimizerConfig",
    "RunConfig",
    "RunDirectory",
    "RunError",
    "TaskConfig",
    "TrainingConfig",
    "UserError",
    "preset",
]
