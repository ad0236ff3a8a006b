"""What a run is on disk: configuration, metrics, snapshots, checkpoint."""

from .config import (
    STUDIES,
    Member,
    RosslerConfig,
    RunConfig,
    SeparationConfig,
    SinusoidsConfig,
)
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
    "RosslerConfig",
    "RunConfig",
    "RunDirectory",
    "RunError",
    "SeparationConfig",
    "SinusoidsConfig",
    "TaskConfig",
    "TrainingConfig",
    "UserError",
    "preset",
]
