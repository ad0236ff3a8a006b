"""Mutual information between the two halves of each finished network, estimated three ways."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .. import functional
from ..ops import random as keyed
from ..ops.random import Purpose
from ..reference import CriticWeights
from ..runs import RunConfig
from .held_out import CriticBudget, held_out_information, noisy_pairs, shuffled
from .replay import Activity, Replay, Stream, stream_step

# Sets of sequences (see Replay.sequences): the critic learns on one and is judged on the other.
TEST, TRAIN = 0, 1


def information_estimates(
    config: RunConfig,
    snapshots: Mapping[str, NDArray[Any]],
    replay: Replay,
    test: Activity,
    budget: CriticBudget,
) -> list[dict[str, float | None]]:
    """Per member, in nats, all on sequences that no critic was trained on:

    ``fresh_critic``: a critic trained from nothing on the finished network's activity, which finds
    a lower bound of the mutual information, apart from sampling errors;
    ``shuffled_null``: the same procedure where all pairs were broken (should be 0);
    ``run_critic``: the run's own last critic, as training evaluates it (None if it had none);
    ``limit``: log of the number of samples, which no such estimate can exceed.

    Args:
        config: of the run directory.
        snapshots: with the run's critic as ``critic_<name> [E, …]``.
        replay: the members.
        test: the last snapshot's activity on sequences number ``TEST``.
        budget: of the fresh critics.
    """
    last = len(snapshots["epochs"]) - 1
    train = replay.run(replay.weights(snapshots, last), replay.sequences(TRAIN))
    seeds, noise = replay.seeds, config.critic.sample_noise
    known = noisy_pairs(replay.rates(train.states), seeds, TRAIN, noise)
    unseen = noisy_pairs(replay.rates(test.states), seeds, TEST, noise)
    fresh = held_out_information(known, unseen, seeds, budget)
    null = held_out_information(
        shuffled(known, seeds, TRAIN), shuffled(unseen, seeds, TEST), seeds, budget
    )
    own = run_critic_information(config, snapshots, replay, test.states)
    limit = math.log(unseen.a.shape[1])
    return [
        {
            "fresh_critic": float(fresh[number]),
            "shuffled_null": float(null[number]),
            "run_critic": own[number],
            "limit": limit,
        }
        for number in range(len(replay.members))
    ]


def run_critic_information(
    config: RunConfig, snapshots: Mapping[str, NDArray[Any]], replay: Replay, states: Tensor
) -> list[float | None]:
    """What the run's own critic says about states [E, B, T, N], with noise as in training."""
    fields = [name for name in CriticWeights._fields if f"critic_{name}" in snapshots]
    if "weight_h" not in fields:
        return [None] * len(replay.members)
    arrays = {name: snapshots[f"critic_{name}"][replay.indices] for name in fields}
    present = np.isfinite(arrays["weight_h"]).all((1, 2))
    rates = replay.rates(states)
    noisy = noisy_pairs(rates, replay.seeds, TEST, config.critic.sample_noise)
    marginal = noisy.b
    if not config.critic.noise_on_shuffled:
        marginal = rates.flatten(1, 2)[..., noisy.a.shape[2] :]
    step = stream_step(Stream.PERMUTATION, 0)
    order = keyed.permutation(replay.seeds, Purpose.ANALYSIS, step, marginal.shape[1])
    values: list[float | None] = []
    for number, there in enumerate(present):
        if not there:
            values.append(None)
            continue
        weights = CriticWeights(**{n: torch.as_tensor(a[number]) for n, a in arrays.items()})
        with torch.no_grad():
            found = functional.donsker_varadhan(
                noisy.a[number],
                noisy.b[number],
                order[number],
                weights,
                config.critic.negative_slope,
                marginal_b=marginal[number],
                backend=config.compute.backend,
            )
        values.append(float(found))
    return values
