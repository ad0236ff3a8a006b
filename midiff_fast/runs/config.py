"""The complete description of a run (or of an ensemble of runs): sections, ranges, members.

The defaults are the working-memory study of Tomoda et al. 2025.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from . import toml
from .errors import ConfigError
from .explain import explain

Count = Annotated[int, Field(ge=1)]
CountOrNone = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Share = Annotated[float, Field(gt=0.0, le=1.0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Section(BaseModel):
    """A part of the configuration: frozen, no other keys than its own, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TaskConfig(Section):
    """Signals of the working-memory task."""

    bits: Count = 2
    logic: Literal["none", "and", "or", "xor"] = "none"
    pulse_length: Count = 40
    pulse_probability: Probability = 1 / 500
    slope: Share = 0.1

    @model_validator(mode="after")
    def _logic_needs_two_bits(self) -> TaskConfig:
        if self.logic != "none" and self.bits != 2:
            raise ValueError(f'logic = "{self.logic}" needs bits = 2, not {self.bits}')
        return self


class ModelConfig(Section):
    """The leaky RNN and its initial recurrent weights."""

    units: Annotated[int, Field(ge=2)] = 40
    alpha: Share = 0.1
    noise_std: NotNegative = 0.1
    recurrent: Literal["gaussian", "sparse", "distance"] = "gaussian"
    gain: NotNegative = 1.0  # g of N(0, g²/N); the spectral radius where recurrent = "distance"
    connection_probability: Share = 0.1  # where recurrent = "sparse"
    distance_width: Positive = 0.25  # s of exp(-d²/s²), where recurrent = "distance"


class CriticConfig(Section):
    """MINE's statistics network and its samples."""

    hidden_size: Count = 512
    negative_slope: Probability = 0.0
    output_bias: bool = True
    sample_noise: NotNegative = 0.1
    samples: CountOrNone = 0  # of batch x steps, drawn at random; 0 for all of them
    for_control: bool = True  # members with mi_weight = 0 train a critic too, to report MI


class OptimizerConfig(Section):
    """One optimizer: Keras's RMSprop or Adam."""

    name: Literal["rmsprop", "adam"] = "rmsprop"
    learning_rate: Positive = 0.002
    final_learning_rate: NotNegative = 0.0  # of the last epoch, falling evenly; 0: constant
    clip_norm: NotNegative = 4.0  # per parameter tensor; 0 for no limit
    clip_value: NotNegative = 0.0  # per element; 0 for no limit


class TrainingConfig(Section):
    """Length and schedule of the training."""

    epochs: CountOrNone = 1000
    batch: Count = 20
    transient: CountOrNone = 1000  # steps that are run and not learned
    steps: Count = 2000  # steps that are learned
    critic_pretraining: CountOrNone = 100  # critic steps before the first epoch
    critic_steps: CountOrNone = 10  # critic steps per epoch
    weight_decay: NotNegative = 0.01
    snapshot_every: Count = 25
    checkpoint_every: Count = 5


class ComputeConfig(Section):
    """How it is computed; all of it can change the last digits."""

    precision: Literal["highest", "high", "medium"] = "highest"  # of float32 matrix products
    backend: Literal["auto", "fused", "eager"] = "auto"


@dataclass(frozen=True)
class Member:
    """One run of an ensemble."""

    index: int
    seed: int
    mi_weight: float


class RunConfig(Section):
    """Everything that determines an ensemble of runs.

    Its members are every seed under every weight λ of the mutual information, weight by weight.
    """

    study: Literal["working-memory"] = "working-memory"
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, strict=False)] = (1001,)
    mi_weight: Annotated[tuple[NotNegative, ...], Field(min_length=1, strict=False)] = (0.1,)
    task: TaskConfig = TaskConfig()
    model: ModelConfig = ModelConfig()
    critic: CriticConfig = CriticConfig()
    training: TrainingConfig = TrainingConfig()
    model_optimizer: OptimizerConfig = OptimizerConfig()
    critic_optimizer: OptimizerConfig = OptimizerConfig(learning_rate=0.003)
    compute: ComputeConfig = ComputeConfig()

    @model_validator(mode="after")
    def _values_fit_together(self) -> RunConfig:
        for name in ("seeds", "mi_weight"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"{name} = {list(values)} holds a value twice")
        available = self.training.batch * self.training.steps
        if self.critic.samples > available:
            raise ValueError(
                f"critic.samples = {self.critic.samples} is more than the {available} samples of "
                "training.batch x training.steps"
            )
        return self

    def members(self) -> tuple[Member, ...]:
        """The runs, in the order of the ensemble axis."""
        pairs = [(seed, weight) for weight in self.mi_weight for seed in self.seeds]
        return tuple(Member(index, *pair) for index, pair in enumerate(pairs))

    def to_dict(self) -> dict[str, Any]:
        """Plain nested values, as in the file."""
        return self.model_dump(mode="json")

    def to_toml(self) -> str:
        """The complete configuration as a TOML document."""
        return toml.dump(self.to_dict())

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: str = "configuration") -> RunConfig:
        """Check nested values.

        Raises:
            ConfigError: an unknown key (with the nearest valid name), a value of the wrong type or
                out of its range; ``source`` says where it came from.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(f"{source}: {explain(error, cls)}") from None

    @classmethod
    def from_toml(cls, text: str, source: str = "configuration") -> RunConfig:
        """Read a TOML document; keys that it leaves out have their defaults."""
        return cls.from_dict(toml.parse(text, source), source)

    def first_difference(self, other: RunConfig) -> tuple[str, Any, Any] | None:
        """The first key in which two configurations differ, and both values."""
        own, others = toml.flatten(self.to_dict()), toml.flatten(other.to_dict())
        for key, value in own.items():
            if value != others[key]:
                return key, value, others[key]
        return None
