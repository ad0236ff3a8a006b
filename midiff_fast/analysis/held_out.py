"""Mutual information by a critic of its own, on samples that no critic was trained on.

While mutual information is being minimised, "the estimate fell" may only mean that the critic fell
behind. So a critic that starts afresh is trained on the finished network's activity and then
evaluated on other sequences; the same with all pairs shuffled shows what it reports where there is
nothing to find.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..nn import MINE, init
from ..ops import random as keyed
from ..ops.random import Purpose
from .replay import Stream, stream_step


@dataclass(frozen=True)
class CriticBudget:
    """How long the fresh critic is trained.

    Attributes:
        hidden_size: its width.
        steps: optimiser steps (Adam).
        samples: samples per step, drawn at random.
        learning_rate: of Adam, falling linearly to zero.
    """

    hidden_size: int = 64
    steps: int = 300
    samples: int = 2_000
    learning_rate: float = 5e-3

    def __post_init__(self) -> None:
        for name in ("hidden_size", "steps", "samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if not self.learning_rate > 0.0:
            raise ValueError(f"learning_rate: expected more than 0, got {self.learning_rate}")


class Pairs(NamedTuple):
    """Paired samples of two groups of variables, for every member of an ensemble."""

    a: Tensor  # [E, S, A]
    b: Tensor  # [E, S, B]


def noisy_pairs(rates: Tensor, seeds: Tensor, draw: int, noise_std: float) -> Pairs:
    """Rates [E, B, T, N] of the two halves of the units with noise on both, all samples.

    Unlike in training, the noise is on both groups before any shuffling: joint and shuffled pairs
    then have the same marginals, and the bound is one on mutual information and nothing else.
    """
    rates = rates.flatten(1, 2)
    step = stream_step(Stream.SAMPLE_NOISE, draw)
    noise = keyed.normal(seeds, Purpose.ANALYSIS, step, rates.shape[1:], dtype=rates.dtype)
    rates = rates + noise_std * noise
    first = rates.shape[2] // 2
    return Pairs(rates[..., :first], rates[..., first:])


def shuffled(pairs: Pairs, seeds: Tensor, draw: int) -> Pairs:
    """The same samples with every pair broken: nothing is left to find."""
    step = stream_step(Stream.SHUFFLE, draw)
    order = keyed.permutation(seeds, Purpose.ANALYSIS, step, pairs.b.shape[1])
    return Pairs(pairs.a, _take(pairs.b, order))


def held_out_information(
    train: Pairs, test: Pairs, seeds: Tensor, budget: CriticBudget | None = None
) -> Tensor:
    """Donsker-Varadhan bound in nats of a fresh critic, on samples it was not trained on: [E].

    A member gets its own critic, initial weights and draws keyed by its seed.

    Args:
        train: samples to train the critic on.
        test: other samples of the same variables.
        seeds: [E] int64.
        budget: how long to train; ``CriticBudget()`` where None.
    """
    budget = CriticBudget() if budget is None else budget
    members, available = train.a.shape[0], train.a.shape[1]
    critic = _fresh_critic(train, seeds, budget)
    optimizer = torch.optim.Adam(critic.parameters(), budget.learning_rate, fused=True)
    count = min(budget.samples, available)
    for step in range(budget.steps):
        for group in optimizer.param_groups:
            group["lr"] = budget.learning_rate * (1.0 - step / budget.steps)
        chosen = keyed.uniform(
            seeds, Purpose.ANALYSIS, stream_step(Stream.SUBSAMPLE, step), (count,)
        )
        subset = (chosen * available).long().clamp_(max=available - 1)
        order = keyed.permutation(
            seeds, Purpose.ANALYSIS, stream_step(Stream.PERMUTATION, step), count
        )
        with torch.enable_grad():
            information = critic(_take(train.a, subset), _take(train.b, subset), order)
            optimizer.zero_grad(set_to_none=True)
            (-information.sum()).backward()
        optimizer.step()
    held_out = stream_step(Stream.PERMUTATION, budget.steps)
    order = keyed.permutation(seeds, Purpose.ANALYSIS, held_out, test.a.shape[1])
    with torch.no_grad():
        result: Tensor = critic(test.a, test.b, order)
    return result.reshape(members)


def _fresh_critic(train: Pairs, seeds: Tensor, budget: CriticBudget) -> MINE:
    critic = MINE(train.a.shape[2], train.b.shape[2], budget.hidden_size, ensemble=len(seeds)).to(
        train.a.dtype
    )
    matrices = (critic.weight_a, critic.weight_b, critic.weight_h, critic.weight_out[:, None])
    with torch.no_grad():
        for number, weight in enumerate(matrices):
            step = stream_step(Stream.CRITIC_WEIGHTS, number)
            rows, columns = weight.shape[1:]
            weight.copy_(
                init.glorot_uniform(
                    seeds, Purpose.ANALYSIS, step, rows, columns, dtype=weight.dtype
                )
            )
    return critic


def _take(samples: Tensor, index: Tensor) -> Tensor:
    """Samples [E, S, V] at each member's own positions [E, C]: [E, C, V]."""
    return samples.gather(1, index[:, :, None].expand(-1, -1, samples.shape[2]))
