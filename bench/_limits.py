"""How fast the GPU at hand could be at best: arithmetic, memory traffic, latency of a step.

A limit is the longest of the times that one of these alone would take. Latency is known where a
step was counted out in cycles: the leaky RNN with 40 units, the GRU with 100.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

Kind = Literal["float64", "float32", "tf32", "bf16"]
Pass = Literal["forward", "backward"]
Wanted = Literal["weights", "samples", "both"]

# Dense operations per multiprocessor and cycle by compute capability, a multiplication with an
# addition being two; float64 and float32 without tensor cores.
_PER_CYCLE: dict[tuple[int, int], dict[Kind, int]] = {
    (8, 0): {"float64": 64, "float32": 128, "tf32": 1024, "bf16": 2048},
    (8, 6): {"float64": 4, "float32": 256, "tf32": 256, "bf16": 512},
    (8, 9): {"float64": 4, "float32": 256, "tf32": 256, "bf16": 512},
    (9, 0): {"float64": 128, "float32": 256, "tf32": 2048, "bf16": 4096},
}

# Cycles of a step that no other sequence shortens: 75 and 55 ns, 220 and 200 ns at 1.98 GHz.
LEAKY_UNITS, GRU_UNITS = 40, 100
LEAKY_CYCLES: dict[Pass, float] = {"forward": 75 * 1.98, "backward": 55 * 1.98}
GRU_CYCLES: dict[Pass, float] = {"forward": 220 * 1.98, "backward": 200 * 1.98}

# Rounded operations of one step of the integrator, slopes included (tests/bench/test_limits.py
# counts them in the definition).
STEP_OPERATIONS = {"lorenz": 209, "rossler": 195}


@dataclass(frozen=True)
class Limit:
    """Seconds that the work takes at least, and why."""

    seconds: float
    reason: str

    def __add__(self, other: Limit) -> Limit:
        return Limit(self.seconds + other.seconds, f"{self.reason}; {other.reason}")


def both(first: Limit | None, second: Limit | None) -> Limit | None:
    """One after the other; None where either is unknown."""
    return first + second if first and second else None


@dataclass(frozen=True)
class Gpu:
    """What limits follow from; None where the driver does not tell."""

    name: str
    capability: tuple[int, int]
    multiprocessors: int
    clock: float | None  # Hz, the highest
    bandwidth: float | None  # bytes per second
    memory: int | None = None  # bytes

    def rate(self, kind: Kind) -> float | None:
        """Operations per second; None for a compute capability that is not in the table."""
        per_cycle = _PER_CYCLE.get(self.capability)
        if per_cycle is None or self.clock is None:
            return None
        return self.multiprocessors * self.clock * per_cycle[kind]

    def arithmetic(self, operations: float, kind: Kind, products: int = 1) -> Limit | None:
        """Of ``operations`` that each take that many products of this kind."""
        rate = self.rate(kind)
        if rate is None:
            return None
        times = f", {products} products each" if products > 1 else ""
        reason = f"{operations / 1e9:.4g} GFLOP in {kind} at {rate / 1e12:.4g} TFLOP/s{times}"
        return Limit(operations * products / rate, reason)

    def traffic(self, bytes: float) -> Limit | None:
        if self.bandwidth is None:
            return None
        reason = f"{bytes / 1e9:.4g} GB at {self.bandwidth / 1e12:.3g} TB/s"
        return Limit(bytes / self.bandwidth, reason)

    def latency(self, steps: int, cycles: float) -> Limit | None:
        if self.clock is None:
            return None
        step = cycles / self.clock
        return Limit(steps * step, f"{steps} steps of {cycles:.0f} cycles, {step * 1e9:.0f} ns")


def gpu_here() -> Gpu | None:
    """The current CUDA device."""
    if not torch.cuda.is_available():
        return None
    device = torch.cuda.get_device_properties(torch.cuda.current_device())
    # In kHz, and missing or zero where torch or the driver does not tell.
    clock = getattr(device, "clock_rate", 0) * 1e3
    memory_clock = getattr(device, "memory_clock_rate", 0) * 1e3
    width = getattr(device, "memory_bus_width", 0) / 8  # bytes
    return Gpu(
        device.name,
        (device.major, device.minor),
        device.multi_processor_count,
        clock or None,
        2 * memory_clock * width or None,  # two transfers a cycle
        device.total_memory,
    )


def longest(limits: Sequence[Limit | None]) -> Limit | None:
    known = [limit for limit in limits if limit is not None]
    return max(known, key=lambda limit: limit.seconds) if known else None


def leaky(
    gpu: Gpu | None, direction: Pass, *, sequences: int, steps: int, inputs: int, units: int
) -> Limit | None:
    """One pass of the leaky RNN with noise and all states, in float32."""
    if gpu is None:
        return None
    recurrent, input = units * units, units * inputs
    products = recurrent + input if direction == "forward" else 2 * recurrent + input
    numbers = 2 * units + inputs  # noise in, states out; or both gradient and states in
    return longest(
        [
            gpu.latency(steps, LEAKY_CYCLES[direction]) if units == LEAKY_UNITS else None,
            gpu.arithmetic(2.0 * products * sequences * steps, "float32"),
            gpu.traffic(4.0 * numbers * sequences * steps),
        ]
    )


def gru(
    gpu: Gpu | None, direction: Pass, *, sequences: int, steps: int, inputs: int, units: int
) -> Limit | None:
    """One pass of the GRU with all states, in float32; backward computes the gates again."""
    if gpu is None:
        return None
    gates = 3 * units * (units + inputs)
    # Backward: gates, gradient of the state before, gradients of the weights.
    products = gates if direction == "forward" else 2 * gates + 3 * units * units
    numbers = units + inputs if direction == "forward" else 2 * units + inputs
    return longest(
        [
            gpu.latency(steps, GRU_CYCLES[direction]) if units == GRU_UNITS else None,
            gpu.arithmetic(2.0 * products * sequences * steps, "float32"),
            gpu.traffic(4.0 * numbers * sequences * steps),
        ]
    )


def mine_operations(samples: int, a: int, b: int, hidden: int, wanted: Wanted) -> float:
    """Of the bound and its gradients; the first layer once for joint and shuffled pairs."""
    gradients = 2 if wanted == "both" else 1
    hidden_layer = 2.0 * 2 * samples * hidden * hidden  # joint and shuffled
    first_layer = 2.0 * samples * (a + b) * hidden
    # The samples' and the first layer's gradients both go back through the hidden layer.
    return hidden_layer * (2 if wanted == "samples" else 3) + first_layer * (1 + gradients)


def mine(
    gpu: Gpu | None,
    *,
    samples: int,
    a: int,
    b: int,
    hidden: int,
    wanted: Wanted,
    precision: str,
    members: int = 1,
) -> Limit | None:
    """At "highest" three TF32 products make a float32 one; at "high" and "medium" it is one."""
    if gpu is None:
        return None
    operations = members * mine_operations(samples, a, b, hidden, wanted)
    return gpu.arithmetic(operations, "tf32", 3 if precision == "highest" else 1)


def trajectories(gpu: Gpu | None, *, system: str, count: int, samples: int) -> Limit | None:
    """One step between two samples; every operation is rounded by itself, so it fills a lane."""
    if gpu is None:
        return None
    operations = float(STEP_OPERATIONS[system]) * count * (samples - 1)
    return longest(
        [gpu.arithmetic(2 * operations, "float64"), gpu.traffic(8.0 * 3 * count * samples)]
    )
