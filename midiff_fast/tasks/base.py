"""What a task offers to training and analysis: signals, a loss, an accuracy, target sets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..ops.random import Purpose


class Signals(NamedTuple):
    """One batch of signals for every member of an ensemble."""

    input: Tensor  # [E, B, T, I]
    target: Tensor  # [E, B, T, O]


class Task(ABC):
    """A task that an ensemble of networks learns; every method keeps the ensemble axis E.

    ``target_sets`` holds the outputs of each of the two jobs, ``input_sets`` the input lines that
    belong to each of them (empty where the inputs are shared): the separation indices compare them.
    ``score_name`` says what ``accuracy`` measures: the share of right answers, or R².
    """

    input_size: int
    output_size: int
    output_names: tuple[str, ...]
    target_sets: tuple[tuple[int, ...], ...]
    input_sets: tuple[tuple[int, ...], ...]
    input_names: tuple[str, ...] = ()  # empty: they are numbered
    score_name: str = "accuracy"

    @abstractmethod
    def draw(
        self,
        seeds: Tensor,
        step: int,
        batch: int,
        steps: int,
        *,
        purpose: int = Purpose.SIGNALS,
    ) -> Signals:
        """Fresh signals, keyed by each member's seed: [E] int64 -> [E, batch, steps, …].

        ``step`` and ``purpose`` select the draw. Signals are best made where the seeds are: a
        training on a GPU has its seeds there, and moves what is made elsewhere.
        """

    def draw_side_by_side(
        self,
        seeds: Tensor,
        draws: Sequence[int],
        batch: int,
        steps: int,
        *,
        purpose: int = Purpose.SIGNALS,
    ) -> Signals:
        """The signals of several draws as one batch: [E, len(draws) · batch, steps, …].

        What training calls. A task that takes as long for one draw as for many makes all of them
        at once here; a subclass of it that changes ``draw`` has to change this too.
        """
        parts = [self.draw(seeds, draw, batch, steps, purpose=purpose) for draw in draws]
        if len(parts) == 1:
            return parts[0]
        return Signals(*(torch.cat(part, dim=1) for part in zip(*parts, strict=True)))

    @abstractmethod
    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """The task's loss per member: [E, B, T, O] twice -> [E]."""

    @abstractmethod
    def accuracy(self, output: Tensor, target: Tensor) -> Tensor:
        """The score per member and output, 1 where perfect: [E, B, T, O] twice -> [E, O]."""
