"""The parts of a configuration and the range of every key; defaults: the working-memory study."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

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
    """Signals and loss of a task; each study has its own keys."""


class WorkingMemoryTask(TaskConfig):
    """Signals of the working-memory task."""

    bits: Count = 2
    logic: Literal["none", "and", "or", "xor"] = "none"
    pulse_length: Count = 40
    pulse_probability: Probability = 1 / 500
    slope: Share = 0.1

    @model_validator(mode="after")
    def _logic_needs_two_bits(self) -> WorkingMemoryTask:
        if self.logic != "none" and self.bits != 2:
            raise ValueError(f'logic = "{self.logic}" needs bits = 2, not {self.bits}')
        return self


class SeparationTask(TaskConfig):
    """Loss of the chaotic-signal-separation task; its signals have no free numbers."""

    washout: CountOrNone = 200  # first steps that the loss leaves out


class PredictionTask(TaskConfig):
    """The small prediction tasks have no free numbers."""


class ModelConfig(Section):
    """The recurrent network and its initial recurrent weights.

    What is said of alpha, noise and the kinds of initial weights is for the leaky RNN; a GRU
    starts from one semi-orthogonal matrix and has no noise.
    """

    cell: Literal["leaky", "gru"] = "leaky"
    units: Annotated[int, Field(ge=2)] = 40
    alpha: Share = 0.1
    noise_std: NotNegative = 0.1
    initial_std: NotNegative = 1.0  # of the state that the model's passes start from
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
    noise_on_shuffled: bool = False  # also on the second group's samples that are shuffled
    samples: CountOrNone = 0  # of batch x steps, drawn at random; 0 for all of them
    for_control: bool = True  # members with mi_weight = 0 train a critic too, to report MI


class OptimizerConfig(Section):
    """One optimizer: Keras's RMSprop or Adam."""

    name: Literal["rmsprop", "adam"] = "rmsprop"
    learning_rate: Positive = 0.002
    final_learning_rate: NotNegative = 0.0  # of the last epoch, falling evenly; 0: constant
    clip_norm: NotNegative = 4.0  # per parameter tensor; 0 for no limit
    clip_value: NotNegative = 0.0  # per element; 0 for no limit

    def last_learning_rate(self) -> float:
        """That of the last epoch."""
        return self.final_learning_rate or self.learning_rate


class TrainingConfig(Section):
    """Length and schedule of the training."""

    epochs: CountOrNone = 1000
    batch: Count = 20
    transient: CountOrNone = 1000  # steps that are run and not learned
    steps: Count = 2000  # steps that are learned
    segments: Count = 1  # equal parts of them, one model step each, with the state carried over
    critic_pretraining: CountOrNone = 100  # critic steps before the first epoch
    critic_steps: CountOrNone = 10  # critic passes before each model pass
    model_passes: Count = 1  # model passes per epoch
    weight_decay: NotNegative = 0.01
    snapshot_every: Count = 25
    checkpoint_every: Count = 5

    @model_validator(mode="after")
    def _segments_are_equal(self) -> TrainingConfig:
        if self.steps % self.segments:
            raise ValueError(f"steps = {self.steps} is no multiple of segments = {self.segments}")
        return self


class ComputeConfig(Section):
    """How it is computed; all of it can change the last digits."""

    precision: Literal["highest", "high", "medium"] = "highest"  # of float32 matrix products
    backend: Literal["auto", "fused", "eager"] = "auto"
