"""The training of an ensemble in memory: passes, epochs, and the state between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .._device import choose_device
from ..runs import EpochMetrics, OptimizerConfig, RunConfig, TrainingConfig
from ..runs.metrics import mean_metrics
from ..tasks import Signals, Task, build_task
from .draws import Draws
from .networks import build_networks
from .optimizers import OPTIMIZERS, Optimizer
from .steps import ModelLosses, Sequences, critic_step, model_step


def passes_per_epoch(training: TrainingConfig) -> int:
    """Passes of the critic and of the model in an epoch."""
    return training.model_passes * (training.critic_steps + 1)


class DivergedError(RuntimeError):
    """A loss or a weight is not finite any more; the message names the epoch and the member."""


class Trainer:
    """An ensemble of runs in training (Tomoda et al. 2025).

    First the critic alone for ``critic_pretraining`` passes. Then every epoch has ``model_passes``
    rounds, each of ``critic_steps`` passes of the critic, from rest, and one of the model, from a
    random state; each pass runs on fresh signals, after a transient that is not learned. A pass of
    the model takes one step on each of its ``segments``.

    Args:
        config: what to train.
        task: what to learn; None for the task that the configuration describes.
        device: "cpu", "cuda", "cuda:1", or "auto". It is no part of the state: a training may go
            on on another device, to other last digits.

    Raises:
        ConfigError: there is no such device.
    """

    def __init__(
        self,
        config: RunConfig,
        task: Task | None = None,
        *,
        device: str | torch.device = "cpu",
    ) -> None:
        self.config = config
        self.device = choose_device(device)
        self.members = config.members()
        if task is None:
            task = build_task(config.study, config.task.model_dump())
        self.task = task
        self.networks = build_networks(config, self.task, self.device)
        self.draws = Draws(config, self.task, self.networks, self.device)
        mi_weight = torch.tensor([member.mi_weight for member in self.members])
        self.mi_weight = mi_weight.to(self.device)
        self.model_optimizer = _optimizer(config.model_optimizer, self.networks.model_parameters())
        self.critic_optimizer = _optimizer(
            config.critic_optimizer, self.networks.critic_parameters()
        )
        self.pretrained = 0  # critic passes so far, before the first epoch
        self.epoch = 0  # epochs so far

    def pretrain(self) -> None:
        """One critic pass from a random state, before the first epoch."""
        self._critic_pass(self.pretrained, from_rest=False)
        self.pretrained += 1

    def run_epoch(self, after_pass: Callable[[], None] = lambda: None) -> list[EpochMetrics]:
        """One epoch; the metrics of every member (``seconds`` is left at 0).

        Raises:
            DivergedError: a loss is not finite. The state is then of no further use.
        """
        training = self.config.training
        self._set_learning_rates()
        index = training.critic_pretraining + self.epoch * passes_per_epoch(training)
        rounds: list[list[EpochMetrics]] = []
        for _ in range(training.model_passes):
            mi_critic = torch.full((len(self.members),), float("nan"))
            for _ in range(training.critic_steps):
                mi_critic = self._critic_pass(index, from_rest=True)
                index += 1
                after_pass()
            rounds += self._model_pass(index, mi_critic)
            index += 1
            after_pass()
        self.epoch += 1
        return [mean_metrics(self.epoch, list(rows)) for rows in zip(*rounds, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Everything that the further training depends on, as tensors on the CPU and ints."""

        def copied(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
            return {n: p.detach().to("cpu", copy=True) for n, p in parameters.items()}

        return {
            "epoch": self.epoch,
            "pretrained": self.pretrained,
            "model": copied(self.networks.model_parameters()),
            "critic": copied(self.networks.critic_parameters()),
            "model_optimizer": self.model_optimizer.state_dict(),
            "critic_optimizer": self.critic_optimizer.state_dict(),
        }

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a ``state_dict`` of the same configuration."""
        self.epoch = state["epoch"]
        self.pretrained = state["pretrained"]
        for name, parameter in self.networks.model_parameters().items():
            parameter.copy_(state["model"][name])
        for name, parameter in self.networks.critic_parameters().items():
            parameter.copy_(state["critic"][name])
        self.model_optimizer.load_state_dict(state["model_optimizer"])
        self.critic_optimizer.load_state_dict(state["critic_optimizer"])

    def check_weights(self) -> None:
        """Raises DivergedError if a weight of any member is not finite."""
        for name, parameter in self.networks.model_parameters().items():
            self._check_finite(name, parameter, self.epoch)
        for name, parameter in self.networks.critic_parameters().items():
            whole = self.for_all_members(parameter, 0.0)
            self._check_finite(f"critic's {name}", whole, self.epoch)

    def for_all_members(self, values: Tensor, missing: float = float("nan")) -> Tensor:
        """Values of the members that have a critic, [M, …], put in place among all: [E, …]."""
        values = values.detach()
        if self.networks.critic_members is None:
            return values
        everyone = values.new_full((len(self.members), *values.shape[1:]), missing)
        return everyone.index_copy(0, self.networks.critic_members, values)

    def _set_learning_rates(self) -> None:
        """Those of the coming epoch: from the first to the final one in equal steps."""
        done = self.epoch / max(self.config.training.epochs - 1, 1)
        for optimizer, config in (
            (self.model_optimizer, self.config.model_optimizer),
            (self.critic_optimizer, self.config.critic_optimizer),
        ):
            last = config.final_learning_rate or config.learning_rate
            rate = config.learning_rate + done * (last - config.learning_rate)
            optimizer.learning_rate = rate

    def _critic_pass(self, index: int, *, from_rest: bool) -> Tensor:
        """One critic pass; the bound before its step, nan for members without a critic: [E]."""
        if self.networks.critic is None:
            return torch.full((len(self.members),), float("nan"))
        mi = critic_step(
            self.networks,
            self.critic_optimizer,
            self.draws.sequences(index, from_rest=from_rest),
            self.draws.samples(index),
            self.config.training.transient,
        )
        epoch = self.epoch + 1 if from_rest else 0
        self._check_finite("mutual information", self.for_all_members(mi, 0.0), epoch)
        return self.for_all_members(mi)

    def _model_pass(self, index: int, mi_critic: Tensor) -> list[list[EpochMetrics]]:
        """One model step on each segment of a pass; the metrics of every step and member."""
        training = self.config.training
        length = training.steps // training.segments
        sequences = self.draws.sequences(index, from_rest=False)
        steps: list[list[EpochMetrics]] = []
        state, transient = sequences.initial_state, training.transient
        for segment in range(training.segments):
            # The first segment begins with the transient, the others go on where it ended.
            start = training.transient + segment * length - transient
            part = _cut(sequences, start, start + transient + length)
            losses = model_step(
                self.networks,
                self.model_optimizer,
                self.task,
                part._replace(initial_state=state),
                (
                    self.draws.samples(index, segment=segment)
                    if self.networks.critic is not None
                    else None
                ),
                transient,
                self.mi_weight,
                training.weight_decay,
            )
            self._check_finite("loss", losses.total, self.epoch + 1)
            steps.append(self._metrics(losses, part.signals.target[:, :, transient:], mi_critic))
            state, transient = losses.last_state, 0
        return steps

    def _check_finite(self, name: str, values: Tensor, epoch: int) -> None:
        bad = (
            ~torch.isfinite(values.detach()).flatten(1).all(1)
            if values.dim() > 1
            else (~torch.isfinite(values))
        )
        if bool(bad.any()):
            member = self.members[int(bad.nonzero()[0])]
            raise DivergedError(
                f"epoch {epoch}: the {name} of member {member.index} (seed {member.seed}, "
                f"mi_weight {member.mi_weight}) is not finite"
            )

    def _metrics(
        self, losses: ModelLosses, target: Tensor, mi_critic: Tensor
    ) -> list[EpochMetrics]:
        accuracy = self.task.accuracy(losses.output, target)  # [E, O]
        return [
            EpochMetrics(
                epoch=self.epoch,
                member=member,
                accuracy=float(accuracy[member.index].mean()),
                accuracies=tuple(accuracy[member.index].tolist()),
                task_loss=float(losses.task[member.index]),
                decay_loss=float(losses.decay[member.index]),
                mi_critic=float(mi_critic[member.index]),
                mi_model=float(losses.mi[member.index]),
                seconds=0.0,
            )
            for member in self.members
        ]


def _cut(sequences: Sequences, start: int, end: int) -> Sequences:
    """Steps ``start`` to ``end`` of sequences; their initial state is left as it is."""
    (input, target), state, noise = sequences
    time = (slice(None), slice(None), slice(start, end))
    cut = Signals(input[time], target[time])
    return Sequences(cut, state, None if noise is None else noise[time])


def _optimizer(config: OptimizerConfig, parameters: dict[str, Tensor]) -> Optimizer:
    return OPTIMIZERS[config.name](
        list(parameters.values()),
        config.learning_rate,
        clip_norm=config.clip_norm or None,
        clip_value=config.clip_value or None,
    )
