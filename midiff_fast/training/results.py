"""What the passes of an epoch come to, left on the device until the end of it.

Reading a number waits for the device, and an epoch has hundreds of passes: they are all brought
over at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor

from ..runs import EpochMetrics, Member
from ..runs.metrics import mean_metrics


class CriticResult(NamedTuple):
    """Of one critic step: the bound before it, in nats."""

    mi: Tensor  # [E], nan for members without a critic


class ModelResult(NamedTuple):
    """Of one model step: the terms of the loss before it, and the score."""

    task: Tensor  # [E]
    decay: Tensor  # [E]
    mi: Tensor  # [E], nan for members without a critic
    total: Tensor  # [E]
    accuracy: Tensor  # [E, O]


Result = CriticResult | ModelResult


def on_cpu(results: Sequence[Result]) -> list[Result]:
    """The same numbers on the CPU."""
    brought = iter(fetch([tensor for result in results for tensor in result]))
    return [type(result)._make(islice(brought, len(result))) for result in results]


def fetch(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Floating-point or boolean tensors on the CPU, by one transfer."""
    if not tensors:
        return []
    # Of different types cat takes the widest, which holds the numbers of all.
    flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors]).cpu()
    parts = flat.split([tensor.numel() for tensor in tensors])
    return [
        part.reshape(tensor.shape).to(tensor.dtype)
        for part, tensor in zip(parts, tensors, strict=True)
    ]


def epoch_metrics(
    epoch: int, members: Sequence[Member], results: Sequence[Result]
) -> list[EpochMetrics]:
    """Metrics of every member, the mean over an epoch's model steps (``seconds`` is left at 0).

    Args:
        epoch: its number.
        members: of the ensemble.
        results: of the epoch's passes in their order, on the CPU.
    """
    steps: list[list[EpochMetrics]] = [[] for _ in members]
    mi_critic = torch.full((len(members),), float("nan"))
    for result in results:
        if isinstance(result, CriticResult):
            mi_critic = result.mi
            continue
        for member in members:
            accuracies = result.accuracy[member.index]
            metrics = EpochMetrics(
                epoch=epoch,
                member=member,
                accuracy=float(accuracies.mean()),
                accuracies=tuple(accuracies.tolist()),
                task_loss=float(result.task[member.index]),
                decay_loss=float(result.decay[member.index]),
                mi_critic=float(mi_critic[member.index]),
                mi_model=float(result.mi[member.index]),
                seconds=0.0,
            )
            steps[member.index].append(metrics)
    return [mean_metrics(epoch, rows) for rows in steps]
