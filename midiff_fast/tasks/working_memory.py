"""The n-bit working-memory task of Tomoda et al. 2025: remember which line was pulsed last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from ..ops import random as keyed
from ..ops.random import Purpose
from .base import Signals, Task
from .ramp import clipped_ramp
from .reduce import member_mean

Logic = Literal["none", "and", "or", "xor"]

_LOGIC: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "and": torch.minimum,
    "or": torch.maximum,
    "xor": lambda first, second: -first * second,
}


class WorkingMemory(Task):
    """Each bit has an "on" and an "off" input line; its target ramps to the line pulsed last.

    Args:
        bits: number of bits n; inputs are ``on_1, off_1, on_2, off_2, …``.
        logic: a further output computed from the two bits' targets: AND = min, OR = max,
            XOR = -product. Needs two bits.
        pulse_length: steps for which a pulse holds its line at 1; overlapping pulses merge.
        pulse_probability: chance that a pulse starts on a line at any step.
        slope: change of the target per step while it ramps towards ±1.
        dtype: of the signals.

    Raises:
        ValueError: a value out of its range, or ``logic`` without exactly two bits.
    """

    def __init__(
        self,
        bits: int = 2,
        logic: Logic = "none",
        *,
        pulse_length: int = 40,
        pulse_probability: float = 1 / 500,
        slope: float = 0.1,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        _check(bits >= 1, "bits", "at least 1", bits)
        _check(logic == "none" or logic in _LOGIC, "logic", "none, and, or or xor", logic)
        _check(logic == "none" or bits == 2, "bits", f"2 with logic={logic!r}", bits)
        _check(pulse_length >= 1, "pulse_length", "at least 1", pulse_length)
        _check(0.0 <= pulse_probability <= 1.0, "pulse_probability", "0 to 1", pulse_probability)
        _check(0.0 < slope <= 1.0, "slope", "above 0, at most 1", slope)
        self.bits = bits
        self.logic = logic
        self.pulse_length = pulse_length
        self.pulse_probability = pulse_probability
        self.slope = slope
        self.dtype = dtype
        self.input_size = 2 * bits
        names = [f"bit {bit + 1}" for bit in range(bits)]
        self.output_names = tuple(names if logic == "none" else [*names, logic.upper()])
        self.output_size = len(self.output_names)
        self.input_names = tuple(
            f"{line} {bit + 1}" for bit in range(bits) for line in ("on", "off")
        )
        self.target_sets = tuple((bit,) for bit in range(bits))
        self.input_sets = tuple((2 * bit, 2 * bit + 1) for bit in range(bits))

    def draw(
        self,
        seeds: Tensor,
        step: int,
        batch: int,
        steps: int,
        *,
        purpose: int = Purpose.SIGNALS,
    ) -> Signals:
        """Signals of ``batch`` sequences of ``steps`` steps for every seed [E] int64.

        A member gets what it would get alone. ``step`` and ``purpose`` select the draw.
        """
        # Time comes last here and in `signals`, so that every pass over time is contiguous.
        size = (batch, self.input_size, steps + 1)
        chance = keyed.uniform(seeds, purpose, step, size)
        return self.signals((chance < self.pulse_probability).transpose(2, 3))

    def signals(self, onset: Tensor) -> Signals:
        """Input and target of given pulse onsets: [E, B, T + 1, 2 bits] bool -> T steps of each.

        The target at step t is the ramp at t + 1, hence the further row of onsets.
        """
        onset = onset.bool().transpose(-1, -2).contiguous()  # [E, B, 2 bits, T + 1]
        input = self._pulses(onset)[..., :-1]
        ramp = self._ramps(onset[..., 0::2, :], onset[..., 1::2, :])
        target = list(ramp.unbind(-2))
        if self.logic != "none":
            target.append(_LOGIC[self.logic](target[0], target[1]))
        return Signals(input.transpose(-1, -2).contiguous(), torch.stack(target, dim=-1))

    def _pulses(self, onset: Tensor) -> Tensor:
        """1 where a pulse started within the last ``pulse_length`` steps: [..., T], [..., T]."""
        started = torch.cumsum(onset, dim=-1, dtype=torch.int32)
        if onset.shape[-1] > self.pulse_length:
            recent = started.clone()
            recent[..., self.pulse_length :] -= started[..., : -self.pulse_length]
            started = recent
        return (started > 0).to(self.dtype)

    def _ramps(self, on: Tensor, off: Tensor) -> Tensor:
        """s_1 … s_T of each bit: onsets [..., bits, T + 1] of both lines -> [..., bits, T]."""
        # The running maximum of 2 t + value at every event carries the latest value forward.
        time = torch.arange(on.shape[-1], dtype=torch.int32, device=on.device)
        event = on | off
        event[..., 0] = True
        latest = torch.where(event, 2 * time + on.int(), -1).cummax(-1).values
        state = 2 * (latest & 1) - 1
        # In units of the slope the ramp is a sum of ±1 (exact), clipped at ±1/slope.
        ramp = clipped_ramp(state[..., 1:].to(self.dtype), 1.0 / self.slope)
        return (ramp * self.slope).clamp_(-1.0, 1.0)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean squared error per member: [E, B, T, O] twice -> [E]."""
        return member_mean((output - target).square())

    def accuracy(self, output: Tensor, target: Tensor) -> Tensor:
        """Share of outputs on the target's side of zero: [E, B, T, O] twice -> [E, O].

        The target's side is round((target + 1) / 2), half to even: zero counts as below.
        """
        above = torch.round((target + 1.0) / 2.0) > 0.5
        right = ((output > 0.0) == above).to(torch.float64)
        return right.mean((1, 2))


def _check(right: bool, name: str, expected: str, value: object) -> None:
    if not right:
        raise ValueError(f"{name}: expected {expected}, got {value!r}")
