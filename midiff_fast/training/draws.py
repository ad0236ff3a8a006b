"""Every random number of a training pass, as a function of the members' seeds and the pass."""

from __future__ import annotations

import torch
from torch import Tensor

from ..ops import random as keyed
from ..ops.random import Purpose
from ..runs import RunConfig
from ..tasks import Task
from .steps import Networks, Samples, Sequences


class Draws:
    """Draws what pass number ``index`` of the training needs; nothing is remembered in between."""

    def __init__(self, config: RunConfig, task: Task, networks: Networks) -> None:
        self._task = task
        self._config = config
        self._seeds = torch.tensor([m.seed for m in config.members()], dtype=torch.int64)
        members = networks.critic_members
        self._critic_seeds = self._seeds if members is None else self._seeds[members]

    def sequences(self, index: int, *, from_rest: bool) -> Sequences:
        """Signals, initial state (zero ``from_rest``, else ~ N(0, 1)) and state noise of a pass."""
        training, model = self._config.training, self._config.model
        steps = training.transient + training.steps
        signals = self._task.draw(self._seeds, index, training.batch, steps)
        size = (training.batch, model.units)
        if from_rest:
            state = torch.zeros(len(self._seeds), *size)
        else:
            state = keyed.normal(self._seeds, Purpose.INITIAL_STATE, index, size)
        noise = None
        if model.noise_std > 0.0:
            shape = (training.batch, steps, model.units)
            noise = keyed.normal(self._seeds, Purpose.STATE_NOISE, index, shape)
            noise.mul_(model.noise_std)
        return Sequences(signals, state, noise)

    def samples(self, index: int) -> Samples:
        """Sample noise, permutation and subset of a pass, for the members that have a critic."""
        config, seeds = self._config, self._critic_seeds
        available = config.training.batch * config.training.steps
        count = config.critic.samples or available
        first = config.model.units // 2
        subset = None
        if count < available:
            subset = keyed.permutation(seeds, Purpose.SUBSAMPLE, index, available)[:, :count]
        return Samples(
            self._sample_noise(Purpose.SAMPLE_NOISE_A, index, count, first),
            self._sample_noise(Purpose.SAMPLE_NOISE_B, index, count, config.model.units - first),
            keyed.permutation(seeds, Purpose.PERMUTATION, index, count),
            subset,
        )

    def _sample_noise(self, purpose: Purpose, index: int, count: int, size: int) -> Tensor:
        noise = keyed.normal(self._critic_seeds, purpose, index, (count, size))
        return noise.mul_(self._config.critic.sample_noise)
