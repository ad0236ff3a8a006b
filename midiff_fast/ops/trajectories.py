"""Trajectories of chaotic systems, many at once, by a fixed-step Runge-Kutta scheme in float64.

The compiled op and :func:`midiff_fast.reference.trajectories` give the same bits, for any number
of threads, on every instruction set, and for a trajectory alone or among others: a long chaotic
signal is then a function of its initial value like every other random number of a run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import torch
from torch import Tensor

from .. import _load, reference
from ..systems import SYSTEMS, System
from ._common import Backend, check_same_kind, constants, short, use_fused


class Trajectories(NamedTuple):
    """Samples of trajectories, and their range over all samples, dropped ones included."""

    values: Tensor  # [..., samples - first, D]
    lowest: Tensor  # [..., D]
    highest: Tensor  # [..., D]


class _Call(NamedTuple):
    """What the check of a call for trajectories that are lost, and its message, need."""

    system: System
    last: Tensor  # [M, D], the last sample
    initial: Tensor  # [M, D]
    parameters: Tensor  # [M, P]
    step: float


_deferred: ContextVar[list[_Call] | None] = ContextVar("deferred", default=None)


@contextmanager
def checks_deferred() -> Iterator[None]:
    """Within, nobody waits for the device: whether trajectories stay finite is seen at the end.

    Raises:
        RuntimeError: at the end, if a trajectory has left the finite numbers.
    """
    calls: list[_Call] = []
    token = _deferred.set(calls)
    try:
        yield
    finally:
        _deferred.reset(token)
    if calls:
        finite = torch.stack([call.last.isfinite().all() for call in calls]).tolist()
        for call, is_finite in zip(calls, finite, strict=True):
            if not is_finite:
                _refuse_lost(call)


def trajectories(
    system: str,
    initial: Tensor,
    interval: float,
    samples: int,
    *,
    parameters: Tensor | None = None,
    substeps: int | None = None,
    first: int = 0,
    backend: Backend = "auto",
) -> Trajectories:
    """Samples ``first`` … ``samples - 1`` at multiples of ``interval``: see ``functional``."""
    definition, parameters, steps = _check(
        system, initial, interval, samples, parameters, substeps, first
    )
    axes = initial.shape[:-1]
    starts = initial.detach().reshape(-1, initial.shape[-1])
    settings = parameters.detach().expand(*axes, -1).reshape(-1, len(definition.parameters))
    if use_fused("trajectories", backend, {"initial": initial}):
        index = list(SYSTEMS).index(system)
        parts = torch.ops.midiff.trajectories(
            index, starts, settings, interval, samples, steps, first
        )
        # The CPU's op looks for itself; of the device it has to be asked, except while a graph is
        # captured, when nothing has run yet.
        if initial.is_cuda and not torch.cuda.is_current_stream_capturing():
            # Its own copy: the caller may go on in place.
            last = parts[0][:, -1].clone()
            _check_finite(_Call(definition, last, starts, settings, interval / steps))
    else:
        parts = _eager(definition, starts, settings, interval, samples, steps, first)
    return Trajectories(*(part.reshape(*axes, *part.shape[1:]) for part in parts))


def _eager(
    system: System,
    initial: Tensor,  # [M, D]
    parameters: Tensor,  # [M, P]
    interval: float,
    samples: int,
    substeps: int,
    first: int,
) -> tuple[Tensor, Tensor, Tensor]:
    with torch.no_grad():
        values = reference.trajectories(
            system.slope, initial, parameters, interval, samples, substeps
        )
    _check_finite(_Call(system, values[:, -1].clone(), initial, parameters, interval / substeps))
    return values[:, first:].contiguous(), values.amin(1), values.amax(1)


def _check_finite(call: _Call) -> None:
    """Raises RuntimeError if a trajectory has left the finite numbers, now or later."""
    calls = _deferred.get()
    if calls is None:
        _refuse_lost(call)
    else:
        calls.append(call)


def _refuse_lost(call: _Call) -> None:
    # Once a component is infinite or not a number, it stays so.
    lost = torch.nonzero(~call.last.isfinite().all(1)).flatten().tolist()
    if lost:
        raise RuntimeError(
            f"trajectories: the {call.system.name} system with parameters "
            f"{_numbers(call.parameters[lost[0]])} leaves the finite numbers from initial value "
            f"{_numbers(call.initial[lost[0]])}, in steps of {call.step:g}"
        )


def _numbers(values: Tensor) -> str:
    return f"({', '.join(f'{value:g}' for value in values.tolist())})"


def _check(
    system: str,
    initial: Tensor,
    interval: float,
    samples: int,
    parameters: Tensor | None,
    substeps: int | None,
    first: int,
) -> tuple[System, Tensor, int]:
    """The system, its parameters and the substeps. Raises TypeError or ValueError."""
    if system not in SYSTEMS:
        raise ValueError(f"system: expected one of {tuple(SYSTEMS)}, got {system!r}")
    definition = SYSTEMS[system]
    _check_last_axis("initial", initial, len(definition.variables))
    if initial.dtype != torch.float64:
        raise TypeError(f"initial: expected float64, got {short(initial.dtype)}")
    if parameters is None:
        parameters = constants(definition.usual, initial)
    _check_last_axis("parameters", parameters, len(definition.parameters))
    check_same_kind("initial", {"initial": initial, "parameters": parameters})
    axes = initial.shape[:-1]
    shared = parameters.shape[:-1]
    if len(shared) > len(axes) or any(
        size not in (1, wanted)
        for size, wanted in zip(reversed(shared), reversed(axes), strict=False)
    ):
        raise ValueError(
            f"parameters: expected axes that broadcast to {list(axes)} of initial, "
            f"got {list(shared)}"
        )
    if not (interval > 0.0 and math.isfinite(interval)):
        raise ValueError(f"interval: expected a finite time above 0, got {interval}")
    if samples < 1:
        raise ValueError(f"samples: expected at least 1, got {samples}")
    if not 0 <= first < samples:
        raise ValueError(f"first: expected 0 to {samples - 1}, got {first}")
    if substeps is None:
        substeps = math.ceil(interval / definition.longest_step)
    if substeps < 1:
        raise ValueError(f"substeps: expected at least 1, got {substeps}")
    return definition, parameters, substeps


def _check_last_axis(name: str, tensor: Tensor, size: int) -> None:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name}: expected a tensor [..., {size}], got {type(tensor).__name__}")
    if tensor.dim() == 0 or tensor.shape[-1] != size:
        raise ValueError(f"{name}: expected [..., {size}], got {list(tensor.shape)}")


if _load.available:

    @torch.library.register_fake("midiff::trajectories")
    def _trajectories_fake(
        system: int,
        initial: Tensor,
        parameters: Tensor,
        interval: float,
        samples: int,
        substeps: int,
        first: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        count, dimension = initial.shape
        return (
            initial.new_empty((count, samples - first, dimension)),
            initial.new_empty((count, dimension)),
            initial.new_empty((count, dimension)),
        )
