"""Every random number of a training pass, as a function of the members' seeds and the pass."""

from __future__ import annotations

import torch
from torch import Tensor

from ..ops import random as keyed
from ..ops.mine import SampleNoise
from ..ops.random import Purpose
from ..runs import RunConfig
from ..tasks import Signals, Task
from .steps import Networks, Samples, Sequences


class Draws:
    """Draws what pass number ``index`` of the training needs; nothing is remembered in between.

    Members of one seed (a run and its control) get the same numbers, which are drawn once, on the
    device where they are used.
    """

    def __init__(
        self, config: RunConfig, task: Task, networks: Networks, device: torch.device
    ) -> None:
        self._task = task
        self._config = config
        self._device = device
        seeds = torch.tensor([m.seed for m in config.members()], dtype=torch.int64)
        members = networks.critic_members
        self._members = _Seeds(seeds, device)
        self._critic_members = _Seeds(seeds if members is None else seeds[members.cpu()], device)

    def sequences(self, *passes: int, from_rest: bool) -> Sequences:
        """Signals, initial states (zero ``from_rest``, else ~ N(0, s²)) and noise of some passes.

        The passes lie side by side on the batch axis.
        """
        training, model = self._config.training, self._config.model
        members = self._members
        steps = training.transient + training.steps
        signals = self._task.draw_side_by_side(members.unique, passes, training.batch, steps)

        def normal(purpose: Purpose, std: float, *size: int) -> Tensor:
            drawn = [
                keyed.normal(members.unique, purpose, index, (training.batch, *size), std=std)
                for index in passes
            ]
            return members.spread(drawn[0] if len(drawn) == 1 else torch.cat(drawn, dim=1))

        if from_rest or model.initial_std == 0.0:
            batch = len(passes) * training.batch
            state = torch.zeros(members.count, batch, model.units, device=self._device)
        else:
            state = normal(Purpose.INITIAL_STATE, model.initial_std, model.units)
        noise = None
        if model.noise_std > 0.0:
            noise = normal(Purpose.STATE_NOISE, 1.0, steps, model.units).mul_(model.noise_std)
        # A task of one's own may make its signals on the CPU.
        placed = (members.spread(part.to(self._device)) for part in signals)
        return Sequences(Signals(*placed), state, noise)

    def samples(self, index: int, *, segment: int | None = None) -> Samples:
        """Sample noise, permutation and subset of a pass, for the members that have a critic.

        Args:
            index: number of the pass.
            segment: which of the equal segments of the learned steps the samples are from; None
                for all learned steps.
        """
        config, members = self._config, self._critic_members
        training = config.training
        parts = 1 if segment is None else training.segments
        available = training.batch * training.steps // parts
        count = config.critic.samples or available
        # Segments of a pass draw from streams of their own, apart from those of all passes.
        step = index if not segment else 2**32 - index * (parts - 1) - segment

        def shuffled(purpose: Purpose, total: int) -> Tensor:
            return members.spread(keyed.permutation(members.unique, purpose, step, total))

        subset = None
        if count < available:
            subset = shuffled(Purpose.SUBSAMPLE, available)[:, :count]
        std = config.critic.sample_noise
        return Samples(
            SampleNoise(members.all, step, std) if std > 0.0 else None,
            shuffled(Purpose.PERMUTATION, count),
            subset,
            config.critic.noise_on_shuffled,
        )


class _Seeds:
    """The different seeds among those of the members, and where each member finds its own."""

    def __init__(self, seeds: Tensor, device: torch.device) -> None:
        self.count = len(seeds)
        unique, position = torch.unique(seeds, return_inverse=True)
        self._is_identity = torch.equal(unique, seeds)
        self.all = seeds.to(device)
        self.unique, self._position = unique.to(device), position.to(device)

    def spread(self, values: Tensor) -> Tensor:
        """From one entry per different seed to one per member."""
        return values if self._is_identity else values.index_select(0, self._position)
