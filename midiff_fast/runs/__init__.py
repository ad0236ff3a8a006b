"""What a run is on disk: configuration, metrics, snapshots, checkpoint."""

from .config import STUDIES, Member, RunConfig, SeparationConfig
from .directory import RunDirectory
from .errors import ConfigError, RunError, UserError
from .metrics import EpochMetrics, MetricsTable
from .presets import PRESETS, preset
from .sections import (
    ComputeConfig,
    CriticConfig,
    ModelConfig,
    OptimizerConfig,
    TaskConfig,
    TrainingConfig,
)

__all__ = [
    "PRESETS",
    "STUDIES",
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
    "SeparationConfig",
    "TaskConfig",
    "TrainingConfig",
    "UserError",
    "preset",
]
