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

from ..nn import LeakyRNN, Readout
from ..ops import random as keyed
from ..ops.random import Purpose
from ..runs import Member, RunConfig
from ..tasks import WorkingMemory

WEIGHT_NAMES = ("weight_ih", "weight_hh", "bias", "weight_out", "bias_out")


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


def make_task(config: RunConfig) -> WorkingMemory:
    """The task of a configuration."""
    return WorkingMemory(**config.task.model_dump())


@dataclass(frozen=True)
class Replay:
    """Draws test sets and runs snapshots on them, as the model pass of training does.

    Args:
        config: of the run directory.
        members: the members to run, together as one ensemble.
    """

    config: RunConfig
    members: Sequence[Member]

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
        return {name: snapshots[name][snapshot][self.indices] for name in WEIGHT_NAMES}

    def sequences(self, draw: int) -> Sequences:
        """Test sequences number ``draw``: fresh signals, x_0 ~ N(0, 1), and state noise."""
        # Members of one seed see the same sequences: drawn once, then handed to each.
        seeds, which = torch.unique(self.seeds, return_inverse=True)
        training, model = self.config.training, self.config.model
        steps = training.transient + training.steps
        task = make_task(self.config)
        signals = task.draw(
            seeds,
            stream_step(Stream.SIGNALS, draw),
            training.batch,
            steps,
            purpose=Purpose.ANALYSIS,
        )

        def normal(stream: Stream, *size: int) -> Tensor:
            step = stream_step(stream, draw)
            return keyed.normal(seeds, Purpose.ANALYSIS, step, size)[which]

        initial = normal(Stream.INITIAL_STATE, training.batch, model.units)
        noise = None
        if model.noise_std > 0.0:
            noise = normal(Stream.STATE_NOISE, training.batch, steps, model.units)
            noise *= model.noise_std
        return Sequences(signals.input[which], signals.target[which], initial, noise)

    @torch.no_grad()
    def run(self, weights: Mapping[str, NDArray[Any]], sequences: Sequences) -> Activity:
        """States and outputs of the learned steps.

        Args:
            weights: ``weight_ih [E, N, I]``, ``weight_hh``, ``bias``, ``weight_out [E, O, N]``,
                ``bias_out`` of one snapshot, for the members of this replay.
            sequences: what to run them on.
        """
        model = self.config.model
        members, units, inputs = weights["weight_ih"].shape
        rnn = LeakyRNN(
            inputs,
            units,
            alpha=model.alpha,
            batch_first=True,
            ensemble=members,
            backend=self.config.compute.backend,
        )
        readout = Readout(units, weights["weight_out"].shape[1], ensemble=members)
        parameters = (rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_l0, readout.weight, readout.bias)
        for name, parameter in zip(WEIGHT_NAMES, parameters, strict=True):
            parameter.copy_(torch.from_numpy(weights[name]))
        learned = slice(self.config.training.transient, None)
        states, _ = rnn(sequences.input, sequences.initial_state, sequences.noise)
        states = states[:, :, learned]
        return Activity(
            sequences.input[:, :, learned], sequences.target[:, :, learned], states, readout(states)
        )
