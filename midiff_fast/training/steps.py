"""The two steps that training alternates: one of the critic, one of the model.

Both take every random number as an argument, so that given numbers give a given step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from .. import functional
from ..nn import MINE
from ..nn.network import Network
from ..ops.mine import SampleNoise
from ..reference import CriticWeights
from ..tasks import Signals, Task
from ..tasks.reduce import member_sum
from .optimizers import Optimizer


@dataclass(frozen=True)
class Networks:
    """The networks of an ensemble of runs: the model, and its critic.

    ``critic_members [M]`` are the members that have a critic (the critic's ensemble has M ≤ E of
    them), None for all; ``critic`` is None where no member has one.
    """

    model: Network
    critic: MINE | None
    critic_members: Tensor | None = None

    def model_parameters(self) -> dict[str, Tensor]:
        """The model's weights by the name they have on disk, each [E, …]."""
        return dict(self.model.weights())

    def critic_parameters(self) -> dict[str, Tensor]:
        """The critic's weights by their names, each [M, …]; empty without a critic."""
        if self.critic is None:
            return {}
        return {n: w for n, w in self.critic.weights()._asdict().items() if w is not None}


class Sequences(NamedTuple):
    """What one pass of the model is run on; T counts the transient and the learned steps."""

    signals: Signals  # [E, B, T, I], [E, B, T, O]
    initial_state: Tensor  # [E, B, N]
    noise: Tensor | None  # [E, B, T, N], scaled


class GivenNoise(NamedTuple):
    """Noise on the samples as numbers, scaled."""

    a: Tensor  # [M, S, N/2]
    b: Tensor  # [M, S, N - N/2]


class Samples(NamedTuple):
    """What one evaluation of MINE draws, for the S samples of each of the critic's members M."""

    noise: SampleNoise | GivenNoise | None  # on the joint pairs
    permutation: Tensor  # [M, S] int64
    subset: Tensor | None = None  # [M, S] int64 into B · T; None for all of them
    noise_on_shuffled: bool = False  # the shuffled samples of b have their noise too


class ModelLosses(NamedTuple):
    """The terms of the model's loss, each [E], before the step; and its outputs."""

    task: Tensor
    decay: Tensor
    mi: Tensor  # nan for members without a critic
    total: Tensor
    output: Tensor  # [E, B, T, O]
    last_state: Tensor  # [E, B, N]


def run_model(model: Network, sequences: Sequences, transient: int) -> Tensor:
    """States of the learned steps, after ``transient`` steps without gradient: [E, B, T, N]."""
    (input, _), state, noise = sequences
    if transient:
        early = None if noise is None else noise[:, :, :transient]
        with torch.no_grad():
            state = model.last_state(input[:, :, :transient], state, early)
    late = None if noise is None else noise[:, :, transient:]
    return model.states(input[:, :, transient:], state, late)


def mutual_information(
    networks: Networks, states: Tensor, samples: Samples, frozen: bool
) -> Tensor:
    """MINE between the rates of the first and the second half of the units: [M] nats.

    Noise is added to the joint pairs; the shuffled samples of the second half have it only with
    ``samples.noise_on_shuffled``.

    Args:
        states: [E, B, T, N].
        samples: the draws of this evaluation.
        frozen: take no gradient for the critic's weights.
    """
    critic = networks.critic
    assert critic is not None
    if networks.critic_members is not None:
        states = states.index_select(0, networks.critic_members)
    states = states.flatten(1, 2)
    if samples.subset is not None:
        states = states.gather(1, samples.subset[:, :, None].expand(-1, -1, states.shape[2]))
    rates = networks.model.rates(states)
    a, b = rates[..., : critic.a_size], rates[..., critic.a_size :]
    weights = critic.weights()
    if frozen:
        weights = CriticWeights._make(None if w is None else w.detach() for w in weights)
    noise, clean_b = samples.noise, b
    if isinstance(noise, GivenNoise):
        a, b, noise = a + noise.a, b + noise.b, None
    return functional.donsker_varadhan(
        a,
        b,
        samples.permutation,
        weights,
        critic.negative_slope,
        marginal_b=None if samples.noise_on_shuffled else clean_b,
        noise=noise,
        backend=critic.backend,
    )


def critic_step(
    networks: Networks, optimizer: Optimizer, states: Tensor, samples: Samples
) -> Tensor:
    """One step of the critic towards a tighter bound; the model is frozen.

    Args:
        states: of the model in the learned steps, without gradient, [E, B, T, N].
        samples: the draws of this step.

    Returns:
        The bound before the step: [M] nats.
    """
    with torch.enable_grad():
        mi = mutual_information(networks, states, samples, frozen=False)
        gradients = torch.autograd.grad(-mi.sum(), optimizer.parameters)
    optimizer.step(gradients)
    return mi.detach()


def model_step(
    networks: Networks,
    optimizer: Optimizer,
    task: Task,
    sequences: Sequences,
    samples: Samples | None,
    transient: int,
    mi_weight: Tensor,  # [E]
    weight_decay: float | Sequence[float],
) -> ModelLosses:
    """One step of the model on ``task loss + c Σ w² + λ MI``; the critic is frozen.

    The decay covers the matrices and not the biases; ``weight_decay`` is c, or one c for each of
    the matrices: input, recurrent, output.
    """
    with torch.enable_grad():
        states = run_model(networks.model, sequences, transient)
        output = networks.model.readout(states)
        task_loss = task.loss(output, sequences.signals.target[:, :, transient:])
        matrices = networks.model.matrices()
        squares = [member_sum(weight.square()) for weight in matrices]
        if isinstance(weight_decay, float):
            decay = weight_decay * reduce(torch.add, squares)
        else:
            weighted = (c * square for c, square in zip(weight_decay, squares, strict=True))
            decay = reduce(torch.add, weighted)
        total = task_loss + decay
        mi = torch.full_like(task_loss, float("nan"))
        if networks.critic is not None and samples is not None:
            estimate = mutual_information(networks, states, samples, frozen=True)
            if networks.critic_members is None:
                mi, total = estimate, total + mi_weight * estimate
            else:
                members = networks.critic_members
                mi = mi.index_copy(0, members, estimate)
                penalty = mi_weight.index_select(0, members) * estimate
                total = total.index_add(0, members, penalty)
        gradients = torch.autograd.grad(total.sum(), optimizer.parameters)
    optimizer.step(gradients)
    last_state = states[:, :, -1]
    return ModelLosses(*(t.detach() for t in (task_loss, decay, mi, total, output, last_state)))
