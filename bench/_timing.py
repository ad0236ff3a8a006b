"""Seconds and bytes of a call: what is long is called once, what is short many times in a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.benchmark import Timer, timer

from midiff_fast._memory import return_freed_memory

# Sides take turns, so that a clock that changes meets all of them alike.
ROUNDS = 4
# Calls of a prepared action in a row: the device then does not wait for Python between them.
PREPARED_CALLS = 4


@dataclass(frozen=True)
class Timing:
    """Seconds per call: median, quartile range, and how many timed blocks they come from."""

    name: str
    median: float
    iqr: float
    blocks: int

    @classmethod
    def of(cls, name: str, times: Sequence[float], part: float = 1.0) -> Timing:
        """Of seconds per call that does ``part`` of the work."""
        first, median, third = (float(q) / part for q in np.percentile(times, (25, 50, 75)))
        return cls(name, median, third - first, len(times))


@dataclass(frozen=True)
class Prepared:
    """A call of which only ``run(prepare())`` is timed, without the preparing."""

    prepare: Callable[[], Any]
    run: Callable[[Any], Any]

    def __call__(self) -> Any:
        return self.run(self.prepare())


Action = Callable[[], Any]
"""What is timed; a :class:`Prepared` one has a part that is not."""


def in_turns(actions: Sequence[tuple[Action, bool]], seconds: float) -> list[list[float]]:
    """Seconds per call of each action's timed blocks; ``seconds`` is the least spent on each.

    ``actions`` are warm; the flag tells those whose call takes longer than a round's share: to find
    out how often to call such a one, it would be run twice.
    """
    least = seconds / ROUNDS
    blocks: list[list[float]] = [[] for _ in actions]
    timers = [
        Timer("action()", globals={"action": action}, num_threads=torch.get_num_threads())
        for action, _ in actions
    ]
    for _ in range(ROUNDS):
        for (action, is_long), its_timer, times in zip(actions, timers, blocks, strict=True):
            if isinstance(action, Prepared):
                times += _prepared_blocks(action, least, 1 if is_long else PREPARED_CALLS)
            elif is_long:
                times.append(_seconds_of(action))  # timeit(1) would call it twice before
            else:
                times += its_timer.blocked_autorange(min_run_time=least).times
    return blocks


def _seconds_of(action: Action) -> float:
    start = timer()
    action()
    return timer() - start


def _prepared_blocks(action: Prepared, least: float, calls: int) -> list[float]:
    times: list[float] = []
    end = timer() + least  # the timer waits for the device
    while not times or timer() < end:
        values = [action.prepare() for _ in range(calls)]
        start = timer()
        while values:
            action.run(values.pop())
        times.append((timer() - start) / calls)
    return times


def call(action: Action, device: torch.device) -> tuple[Any, float, int | None]:
    """Result, seconds, and on CUDA the bytes that were in use at most beyond those before."""
    if device.type != "cuda":
        start = timer()
        return action(), timer() - start, None
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    start = timer()
    result = action()
    seconds = timer() - start
    return result, seconds, torch.cuda.max_memory_allocated(device) - before


@contextmanager
def precision(setting: str) -> Iterator[None]:
    """``torch.set_float32_matmul_precision(setting)`` for a while."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(setting)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def cudnn_tf32(allowed: bool) -> Iterator[None]:
    """Whether cuDNN may round to TF32, for a while; torch's default is that it may."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def peak_extra_memory(function: Callable[[], Any]) -> int | None:
    """Bytes by which the process grew at most while ``function()`` ran; None where unknown.

    What earlier calls have freed does not count as there: it goes back to the system first.
    """
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    return_freed_memory()
    try:
        before = _status_bytes(status, "VmRSS")
        reset.write_text("5")  # forget the peak so far
        function()
        return max(_status_bytes(status, "VmHWM") - before, 0)
    except OSError:
        return None


def _status_bytes(status: Path, key: str) -> int:
    for line in status.read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{status} has no {key}")
