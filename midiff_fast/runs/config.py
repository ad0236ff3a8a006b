"""The complete description of a run (or of an ensemble of runs), and the paper's studies.

The defaults of each study are the numbers of Tomoda et al. 2025.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from . import toml
from .errors import ConfigError
from .explain import explain
from .sections import (
    ComputeConfig,
    CriticConfig,
    ModelConfig,
    NotNegative,
    OptimizerConfig,
    PredictionTask,
    Section,
    Seed,
    SeparationTask,
    TrainingConfig,
    WorkingMemoryTask,
)

Study = Literal["working-memory", "separation", "sinusoids", "rossler"]


@dataclass(frozen=True)
class Member:
    """One run of an ensemble."""

    index: int
    seed: int
    mi_weight: float


class RunConfig(Section):
    """Everything that determines an ensemble of runs: here, of the working-memory study.

    Its members are every seed under every weight λ of the mutual information, weight by weight.
    """

    success: ClassVar[float] = 0.9  # a run has learned its task if its score exceeds this

    study: Study = "working-memory"
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, strict=False)] = (1001,)
    mi_weight: Annotated[tuple[NotNegative, ...], Field(min_length=1, strict=False)] = (0.1,)
    task: WorkingMemoryTask = WorkingMemoryTask()
    model: ModelConfig = ModelConfig()
    critic: CriticConfig = CriticConfig()
    training: TrainingConfig = TrainingConfig()
    model_optimizer: OptimizerConfig = OptimizerConfig()
    critic_optimizer: OptimizerConfig = OptimizerConfig(learning_rate=0.003)
    compute: ComputeConfig = ComputeConfig()

    @field_validator("study", mode="before")
    @classmethod
    def _own_study(cls, study: Any) -> Any:
        """Another study's defaults, task and checks are those of another class."""
        kind = STUDIES.get(study, cls) if isinstance(study, str) else cls
        if cls.model_fields["study"].default != kind.model_fields["study"].default:
            raise ValueError(f"{study!r} is the study of {kind.__name__}, not of {cls.__name__}")
        return study

    @model_validator(mode="before")
    @classmethod
    def _complete_sections(cls, values: Any) -> Any:
        """A table that sets some keys has the study's defaults for the others."""
        if not isinstance(values, Mapping):
            return values
        completed = dict(values)
        for name, field in cls.model_fields.items():
            given = completed.get(name)
            if isinstance(field.default, Section) and isinstance(given, Mapping):
                completed[name] = field.default.model_dump() | dict(given)
        return completed

    @model_validator(mode="after")
    def _values_fit_together(self) -> RunConfig:
        for name in ("seeds", "mi_weight"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"{name} = {list(values)} holds a value twice")
        training = self.training
        available = training.batch * training.steps // training.segments
        if self.critic.samples > available:
            raise ValueError(
                f"critic.samples = {self.critic.samples} is more than the {available} samples of "
                "training.batch x training.steps"
                + (" / training.segments" if training.segments > 1 else "")
            )
        if self.model.cell == "gru" and self.model.noise_std > 0.0:
            raise ValueError(f"model.noise_std = {self.model.noise_std}: a GRU has no state noise")
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
        """Check nested values; the result is of the class of their study, by default this one.

        Raises:
            ConfigError: an unknown key (with the nearest valid name), a value of the wrong type or
                out of its range; ``source`` says where it came from.
        """
        own = cls.model_fields["study"].default
        kind = STUDIES.get(str(values.get("study", own)), RunConfig)
        try:
            return kind.model_validate(values)
        except ValidationError as error:
            raise ConfigError(f"{source}: {explain(error, kind)}") from None

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

    def why_not_continued_as(self, other: RunConfig) -> str | None:
        """Why a run of this configuration cannot go on as one of another; None where it can.

        It can go on to more epochs, unless a learning rate depends on their number: up to any epoch
        the longer run is then the shorter one. Everything else has to be the same.
        """
        epochs, wanted = self.training.epochs, other.training.epochs
        training = other.training.model_copy(update={"epochs": epochs})
        difference = self.first_difference(other.model_copy(update={"training": training}))
        if difference is not None:
            key, own, others = difference
            return f"{key} is {own!r} there, {others!r} here"
        lengths = f"training.epochs is {epochs} there, {wanted} here"
        if wanted < epochs:
            return f"{lengths}, and a run cannot be made shorter"
        for name in ("model_optimizer", "critic_optimizer"):
            optimizer: OptimizerConfig = getattr(self, name)
            if wanted > epochs and optimizer.last_learning_rate() != optimizer.learning_rate:
                return f"{lengths}, and {name}.final_learning_rate is that of the last epoch"
        return None


class SeparationConfig(RunConfig):
    """The chaotic-signal-separation study: a GRU takes a sum of two chaotic systems apart."""

    success: ClassVar[float] = 0.96

    study: Literal["separation"] = "separation"
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, strict=False)] = (625,)
    mi_weight: Annotated[tuple[NotNegative, ...], Field(min_length=1, strict=False)] = (0.005,)
    task: SeparationTask = SeparationTask()  # type: ignore[assignment]
    model: ModelConfig = ModelConfig(cell="gru", units=100, noise_std=0.0, initial_std=0.0)
    critic: CriticConfig = CriticConfig(
        hidden_size=100,
        negative_slope=0.25,
        output_bias=False,
        sample_noise=0.05,
        noise_on_shuffled=True,
    )
    training: TrainingConfig = TrainingConfig(
        epochs=200,
        batch=50,
        transient=0,
        steps=10_000,
        critic_steps=20,
        model_passes=20,
        weight_decay=1e-5,
        snapshot_every=1,
        checkpoint_every=1,
    )
    model_optimizer: OptimizerConfig = OptimizerConfig(
        name="adam", learning_rate=0.001, clip_norm=0.0
    )
    critic_optimizer: OptimizerConfig = OptimizerConfig(
        name="adam", learning_rate=0.01, clip_norm=0.0, clip_value=1.0
    )

    @model_validator(mode="after")
    def _washout_leaves_steps(self) -> SeparationConfig:
        training, washout = self.training, self.task.washout
        if washout >= training.steps // training.segments:
            raise ValueError(
                f"task.washout = {washout} leaves none of the steps of training.steps = "
                f"{training.steps}"
                + (f" / training.segments = {training.segments}" if training.segments > 1 else "")
            )
        return self


class SinusoidsConfig(RunConfig):
    """Prediction of two sinusoids, one step ahead, by a leaky RNN."""

    success: ClassVar[float] = 0.96

    study: Literal["sinusoids"] = "sinusoids"
    mi_weight: Annotated[tuple[NotNegative, ...], Field(min_length=1, strict=False)] = (0.02,)
    task: PredictionTask = PredictionTask()  # type: ignore[assignment]
    training: TrainingConfig = TrainingConfig(epochs=500, segments=2, weight_decay=0.0)


class RosslerConfig(RunConfig):
    """Prediction of a Rössler system, one step ahead, by a leaky RNN."""

    success: ClassVar[float] = 0.96

    study: Literal["rossler"] = "rossler"
    task: PredictionTask = PredictionTask()  # type: ignore[assignment]
    model: ModelConfig = ModelConfig(units=100)
    training: TrainingConfig = TrainingConfig(epochs=500, segments=2, weight_decay=0.02)


STUDIES: dict[str, type[RunConfig]] = {
    "working-memory": RunConfig,
    "separation": SeparationConfig,
    "sinusoids": SinusoidsConfig,
    "rossler": RosslerConfig,
}
"""The configuration of each study, by its name."""
