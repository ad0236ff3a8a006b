"""Runs the networks of a run directory's snapshots again, on signals that training never saw.

Every random number is keyed by the member's seed and ``Purpose.ANALYSIS``: the same run is shown
the same test sequences at every snapshot, with and without the penalty on mutual information, so
that curves and comparisons differ by the weights only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from ..nn.network import NETWORKS, Network, make_network
from ..ops import random as keyed
from ..ops.random import Purpose
from ..runs import Member, RunConfig
from ..tasks import Task


class Stream(IntEnum):
    """What the numbers of one (ANALYSIS, step) are for; see ``stream_step``."""

    SIGNALS = 0
    INITIAL_STATE = 1
    STATE_NOISE = 2
    SAMPLE_NOISE = 3
    CRITIC_WEIGHTS = 4
    SHUFFLE = 5
    SUBSAMPLE = 6
    PERMUTATION = 7


def stream_step(stream: Stream, draw: int) -> int:
    """The step that keys draw number ``draw`` of a stream, apart from all other streams."""
    return draw * len(Stream) + stream


class Sequences(NamedTuple):
    """One pass of test sequences for some members; T counts transient and learned steps."""

    input: Tensor  # [E, B, T, I]
    target: Tensor  # [E, B, T, O]
    initial_state: Tensor  # [E, B, N]
    noise: Tensor | None  # [E, B, T, N], scaled


class Activity(NamedTuple):
    """What networks did in the learned steps of a set of sequences."""

    input: Tensor  # [E, B, T, I]
    target: Tensor  # [E, B, T, O]
    states: Tensor  # [E, B, T, N]
    output: Tensor  # [E, B, T, O]


def weight_names(config: RunConfig) -> list[str]:
    """The weights that a snapshot holds, by their names on disk."""
    return list(NETWORKS[config.model.cell].weight_names())


def _network(config: RunConfig, inputs: int, outputs: int, members: int) -> Network:
    model = config.model
    return make_network(
        model.cell,
        inputs,
        model.units,
        outputs,
        alpha=model.alpha,
        ensemble=members,
        backend=config.compute.backend,
    )


@dataclass(frozen=True)
class Replay:
    """Draws test sets and runs snapshots on them, as the model pass of training does.

    Args:
        config: of the run directory.
        members: the members to run, together as one ensemble.
        task: the task that they learned.
    """

    config: RunConfig
    members: Sequence[Member]
    task: Task

    @property
    def seeds(self) -> Tensor:
        """[E] int64."""
        return torch.tensor([member.seed for member in self.members], dtype=torch.int64)

    @property
    def indices(self) -> list[int]:
        """Where the members are on the ensemble axis of the directory."""
        return [member.index for member in self.members]

    def weights(
        self, snapshots: Mapping[str, NDArray[Any]], snapshot: int
    ) -> dict[str, NDArray[Any]]:
        """The members' weights at one snapshot, each [E, …]."""
        names = weight_names(self.config)
        return {name: snapshots[name][snapshot][self.indices] for name in names}

    def sequences(self, draw: int) -> Sequences:
        """Test sequences number ``draw``: fresh signals, initial states and state noise."""
        # Members of one seed see the same sequences: drawn once, then handed to each.
        seeds, which = torch.unique(self.seeds, return_inverse=True)
        training, model = self.config.training, self.config.model
        steps = training.transient + training.steps
        signals = self.task.draw(
            seeds,
            stream_step(Stream.SIGNALS, draw),
            training.batch,
            steps,
            purpose=Purpose.ANALYSIS,
        )

        def normal(stream: Stream, *size: int) -> Tensor:
            step = stream_step(stream, draw)
            return keyed.normal(seeds, Purpose.ANALYSIS, step, size)[which]

        initial = torch.zeros(len(self.members), training.batch, model.units)
        if model.initial_std > 0.0:
            initial = normal(Stream.INITIAL_STATE, training.batch, model.units)
            initial *= model.initial_std
        noise = None
        if model.noise_std > 0.0:
            noise = normal(Stream.STATE_NOISE, training.batch, steps, model.units)
            noise *= model.noise_std
        return Sequences(signals.input[which], signals.target[which], initial, noise)

    @torch.no_grad()
    def run(self, weights: Mapping[str, NDArray[Any]], sequences: Sequences) -> Activity:
        """States and outputs of the learned steps.

        Args:
            weights: of one snapshot by their names, each [E, …], for the members of this replay.
            sequences: what to run them on.
        """
        members, outputs, _ = weights["weight_out"].shape
        network = _network(self.config, weights["weight_ih"].shape[2], outputs, members)
        for name, parameter in network.weights().items():
            parameter.copy_(torch.from_numpy(weights[name]))
        learned = slice(self.config.training.transient, None)
        states = network.states(sequences.input, sequences.initial_state, sequences.noise)
        states = states[:, :, learned]
        return Activity(
            sequences.input[:, :, learned],
            sequences.target[:, :, learned],
            states,
            network.readout(states),
        )

    def rates(self, states: Tensor) -> Tensor:
        """What mutual information is measured of: tanh of a leaky RNN's states, a GRU's states."""
        return NETWORKS[self.config.model.cell].rates(states)
