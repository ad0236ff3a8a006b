"""The training of an ensemble in memory: passes, epochs, and the state between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .._device import choose_device
from ..ops._common import Backend
from ..ops.trajectories import checks_deferred
from ..runs import EpochMetrics, OptimizerConfig, RunConfig, TrainingConfig
from ..tasks import Signals, Task, build_task
from .draws import Draws
from .grouping import passes_at_once as suitable_passes
from .networks import build_networks
from .optimizers import OPTIMIZERS, Optimizer
from .results import CriticResult, ModelResult, Result, epoch_metrics, fetch, on_cpu
from .steps import Sequences, critic_step, model_step, run_model


def passes_per_epoch(training: TrainingConfig) -> int:
    """Passes of the critic and of the model in an epoch."""
    return training.model_passes * (training.critic_steps + 1)


class DivergedError(RuntimeError):
    """A loss or a weight is not finite any more; the message names the epoch and the member."""


def check_config(config: object) -> None:
    """Raises TypeError for anything but a configuration, a mapping of its values included."""
    if not isinstance(config, RunConfig):
        raise TypeError(
            "config: expected a RunConfig, which RunConfig.from_dict makes of a dict, "
            f"got {type(config).__name__}"
        )


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
        passes_at_once: critic passes whose sequences are run as one batch; None for as many as suit
            the device. No result depends on it.

    Raises:
        TypeError: ``config`` is none.
        ConfigError: there is no such device.
    """

    def __init__(
        self,
        config: RunConfig,
        task: Task | None = None,
        *,
        device: str | torch.device = "cpu",
        passes_at_once: int | None = None,
    ) -> None:
        check_config(config)
        self.config = config
        self.device = choose_device(device)
        self.members = config.members()
        if task is None:
            task = build_task(config.study, config.task.model_dump())
        self.task = task
        self.networks = build_networks(config, self.task, self.device)
        members, numbers = self.networks.critic_members, torch.arange(len(self.members))
        self._has_critic = torch.isin(numbers, numbers if members is None else members.cpu())
        self.draws = Draws(config, self.task, self.networks, self.device)
        self.passes_at_once = passes_at_once or suitable_passes(config, self.task, self.device)
        mi_weight = torch.tensor([member.mi_weight for member in self.members])
        self.mi_weight = mi_weight.to(self.device)
        backend = config.compute.backend
        self.model_optimizer = _optimizer(
            config.model_optimizer, self.networks.model_parameters(), backend
        )
        self.critic_optimizer = _optimizer(
            config.critic_optimizer, self.networks.critic_parameters(), backend
        )
        self.pretrained = 0  # critic passes so far, before the first epoch
        self.epoch = 0  # epochs so far

    def pretrain(self, passes: int = 1) -> None:
        """Critic passes from a random state, before the first epoch.

        Raises:
            DivergedError: the bound is not finite. The state is then of no further use.
        """
        with checks_deferred():
            numbers = range(self.pretrained, self.pretrained + passes)
            results = self._critic_passes(numbers, False, lambda: None)
        self._check_results(on_cpu(results), epoch=0)
        self.pretrained += passes

    def run_epoch(self, after_pass: Callable[[], None] = lambda: None) -> list[EpochMetrics]:
        """One epoch; the metrics of every member (``seconds`` is left at 0).

        Nothing waits for the device before the last pass: that the losses are finite is seen then.

        Raises:
            DivergedError: a loss is not finite. The state is then of no further use.
        """
        self._set_learning_rates()
        with checks_deferred():
            results = self._passes(after_pass)
        results = on_cpu(results)
        self._check_results(results, self.epoch + 1)
        self.epoch += 1
        return epoch_metrics(self.epoch, self.members, results)

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
        weights: dict[str, Tensor] = {}
        for name, parameter in self.networks.model_parameters().items():
            weights[name] = parameter.detach()
        for name, parameter in self.networks.critic_parameters().items():
            weights[f"critic's {name}"] = self.for_all_members(parameter, 0.0)
        finite = fetch([_finite_members(weight) for weight in weights.values()])
        for name, members in zip(weights, finite, strict=True):
            self._refuse_others(members, name, self.epoch)

    def for_all_members(self, values: Tensor, missing: float = float("nan")) -> Tensor:
        """Values of the members that have a critic, [M, …], put in place among all: [E, …]."""
        values = values.detach()
        if self.networks.critic_members is None:
            return values
        everyone = values.new_full((len(self.members), *values.shape[1:]), missing)
        return everyone.index_copy(0, self.networks.critic_members.to(values.device), values)

    def _set_learning_rates(self) -> None:
        """Those of the coming epoch: from the first to the final one in equal steps."""
        done = self.epoch / max(self.config.training.epochs - 1, 1)
        for optimizer, config in (
            (self.model_optimizer, self.config.model_optimizer),
            (self.critic_optimizer, self.config.critic_optimizer),
        ):
            change = config.last_learning_rate() - config.learning_rate
            rate = config.learning_rate + done * change
            optimizer.learning_rate = rate

    def _passes(self, after_pass: Callable[[], None]) -> list[Result]:
        """The passes of the coming epoch; what they come to, in their order."""
        training = self.config.training
        index = training.critic_pretraining + self.epoch * passes_per_epoch(training)
        results: list[Result] = []
        for _ in range(training.model_passes):
            critic_passes = range(index, index + training.critic_steps)
            results += self._critic_passes(critic_passes, True, after_pass)
            index += training.critic_steps
            results += self._model_pass(index)
            index += 1
            after_pass()
        return results

    def _critic_passes(
        self, passes: range, from_rest: bool, after_pass: Callable[[], None]
    ) -> list[CriticResult]:
        """Critic passes of these numbers; nothing comes of them where no member has a critic."""
        results: list[CriticResult] = []
        for first in range(0, len(passes), self.passes_at_once):
            group = passes[first : first + self.passes_at_once]
            results += self._critic_group(group, from_rest, after_pass)
        return results

    def _critic_group(
        self, passes: range, from_rest: bool, after_pass: Callable[[], None]
    ) -> list[CriticResult]:
        """Critic passes that run the model together, and then step the critic one by one."""
        if self.networks.critic is None:
            for _ in passes:
                after_pass()
            return []
        training = self.config.training
        with torch.no_grad():
            sequences = self.draws.sequences(*passes, from_rest=from_rest)
            states = run_model(self.networks.model, sequences, training.transient)
        del sequences  # as large as the states, and the critic has no use for it
        results: list[CriticResult] = []
        for index, own in zip(passes, states.split(training.batch, dim=1), strict=True):
            mi = critic_step(self.networks, self.critic_optimizer, own, self.draws.samples(index))
            results.append(CriticResult(self.for_all_members(mi)))
            after_pass()
        return results

    def _model_pass(self, index: int) -> list[ModelResult]:
        """One model step on each segment of a pass."""
        training = self.config.training
        length = training.steps // training.segments
        sequences = self.draws.sequences(index, from_rest=False)
        results: list[ModelResult] = []
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
            accuracy = self.task.accuracy(losses.output, part.signals.target[:, :, transient:])
            results.append(
                ModelResult(losses.task, losses.decay, losses.mi, losses.total, accuracy)
            )
            state, transient = losses.last_state, 0
        return results

    def _check_results(self, results: Sequence[Result], epoch: int) -> None:
        """Raises DivergedError at the first pass of which a loss is not finite."""
        for result in results:
            if isinstance(result, CriticResult):
                finite = _finite_members(result.mi) | ~self._has_critic
                self._refuse_others(finite, "mutual information", epoch)
            else:
                self._refuse_others(_finite_members(result.total), "loss", epoch)

    def _refuse_others(self, finite: Tensor, name: str, epoch: int) -> None:
        """Raises DivergedError for the first member that is not among the finite ones [E]."""
        if not bool(finite.all()):
            member = self.members[int((~finite).nonzero()[0])]
            raise DivergedError(
                f"epoch {epoch}: the {name} of member {member.index} (seed {member.seed}, "
                f"mi_weight {member.mi_weight}) is not finite"
            )


def _finite_members(values: Tensor) -> Tensor:
    """Which members' numbers [E, …] are all finite: [E] bool."""
    return torch.isfinite(values).reshape(len(values), -1).all(1)


def _cut(sequences: Sequences, start: int, end: int) -> Sequences:
    """Steps ``start`` to ``end`` of sequences; their initial state is left as it is."""
    (input, target), state, noise = sequences
    time = (slice(None), slice(None), slice(start, end))
    cut = Signals(input[time], target[time])
    return Sequences(cut, state, None if noise is None else noise[time])


def _optimizer(
    config: OptimizerConfig, parameters: dict[str, Tensor], backend: Backend
) -> Optimizer:
    return OPTIMIZERS[config.name](
        list(parameters.values()),
        config.learning_rate,
        clip_norm=config.clip_norm or None,
        clip_value=config.clip_value or None,
        backend=backend,
    )
