"""Side by side in one process: correctness first, then time, then the ratio.

    results = [
        compare(
            "leaky RNN, forward", fused, eager, check, shape="20 x 3000 x 40",
        ),
    ]
    save("leaky", results)

Run as ``python -m bench.leaky``, or all of them by ``make bench``. ``save`` writes
``bench/results/leaky.json`` and ``leaky.png``.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch.utils.benchmark import Measurement, Timer

from midiff_fast import _load
from midiff_fast._version import __version__

RESULTS = Path(__file__).parent / "results"
# Both sides take turns, so that a clock that changes meets both alike.
ROUNDS = 4


@dataclass(frozen=True)
class Timing:
    """Seconds per call: median, quartile range, and how many timed blocks they come from."""

    name: str
    median: float
    iqr: float
    blocks: int


@dataclass(frozen=True)
class Comparison:
    """One question and its answer; ``ratio`` is how many times faster ours is."""

    title: str
    shape: str
    precision: str
    ours: Timing
    opponent: Timing
    ratio: float
    notes: dict[str, Any]


def compare(
    title: str,
    ours: Callable[[], Any],
    opponent: Callable[[], Any],
    check: Callable[[Any, Any], None],
    *,
    shape: str = "",
    ours_name: str = "fused",
    opponent_name: str = "eager",
    opponent_part: float = 1.0,
    seconds: float = 4.0,
    notes: dict[str, Any] | None = None,
) -> Comparison:
    """Times ``ours()`` against ``opponent()``, after ``check(our_result, their_result)`` passed.

    ``check`` raises where the results do not agree. A slow opponent may do a part of our work,
    ``opponent_part``, in one call; its times are divided by that. ``seconds`` is the least time
    spent on each side; a call longer than that is still timed ``ROUNDS`` times. Prints a line as it
    goes.
    """
    ours_blocks: list[Measurement] = []
    opponent_blocks: list[Measurement] = []
    start = time.perf_counter()
    ours_result = ours()
    middle = time.perf_counter()
    check(ours_result, opponent())
    end = time.perf_counter()
    least = seconds / ROUNDS
    sides = (
        (_timer(ours), middle - start > least, ours_blocks),
        (_timer(opponent), end - middle > least, opponent_blocks),
    )
    for _ in range(ROUNDS):
        for timer, is_long, blocks in sides:
            # What is long is called once: to find out how often to call it, it would be run twice.
            block = timer.timeit(1) if is_long else timer.blocked_autorange(min_run_time=least)
            blocks.append(block)
    ours_time = _timing(ours_name, ours_blocks)
    opponent_time = _timing(opponent_name, opponent_blocks, opponent_part)
    comparison = Comparison(
        title=title,
        shape=shape,
        precision=torch.get_float32_matmul_precision(),
        ours=ours_time,
        opponent=opponent_time,
        ratio=opponent_time.median / ours_time.median,
        notes=notes or {},
    )
    print(_line(comparison), flush=True)
    return comparison


def _timer(function: Callable[[], Any]) -> Timer:
    return Timer("function()", globals={"function": function}, num_threads=torch.get_num_threads())


def _timing(name: str, measurements: list[Measurement], part: float = 1.0) -> Timing:
    (merged,) = Measurement.merge(measurements)
    return Timing(name, merged.median / part, merged.iqr / part, len(merged.times))


def _line(comparison: Comparison) -> str:
    def side(timing: Timing) -> str:
        return f"{timing.name} {_time(timing.median)} ± {_time(timing.iqr / 2)}"

    notes = "".join(f", {key} {value}" for key, value in comparison.notes.items())
    return (
        f"{comparison.title} [{comparison.shape}; {comparison.precision}]: "
        f"{side(comparison.ours)}, {side(comparison.opponent)}{notes}"
        f"  ->  {comparison.ratio:.1f}x"
    )


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


@contextmanager
def precision(setting: str) -> Iterator[None]:
    """``torch.set_float32_matmul_precision(setting)`` for a while."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(setting)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def peak_extra_memory(function: Callable[[], Any]) -> int | None:
    """Bytes by which the process grew at most while ``function()`` ran; None where unknown."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
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


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    flags = _cpuinfo("flags").split()
    return {
        "cpu": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "instruction_set": _load.build_info().get("instruction_set", "none"),
        "amx": "amx_bf16" in flags,
        "torch": torch.__version__,
        "midiff_fast": __version__,
    }


def _cpuinfo(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def save(name: str, comparisons: Sequence[Comparison]) -> None:
    """Writes ``results/NAME.json`` and the same numbers as bars, ``results/NAME.png``."""
    RESULTS.mkdir(exist_ok=True)
    record = {
        "benchmark": name,
        "machine": machine(),
        "comparisons": [asdict(comparison) for comparison in comparisons],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n")
    _plot(name, comparisons)


def _plot(name: str, comparisons: Sequence[Comparison]) -> None:
    figure = Figure(figsize=(8, 1 + 0.75 * len(comparisons)), layout="constrained")
    axes = figure.subplots()
    for row, comparison in enumerate(comparisons):
        sides = ((-0.2, comparison.ours, "C0"), (0.2, comparison.opponent, "0.7"))
        for offset, timing, color in sides:
            axes.barh(row + offset, timing.median, 0.38, xerr=timing.iqr / 2, color=color, log=True)
            label = f"  {timing.name} {_time(timing.median)}"
            axes.text(timing.median + timing.iqr / 2, row + offset, label, va="center")
    axes.set_yticks(
        range(len(comparisons)),
        [f"{item.title}\n{item.precision}: {item.ratio:.1f}x" for item in comparisons],
    )
    axes.invert_yaxis()
    times = [side.median for item in comparisons for side in (item.ours, item.opponent)]
    axes.set_xlim(min(times) / 2, max(times) * 8)
    axes.set_xlabel("seconds per call (median, quartile range)")
    about = machine()
    axes.set_title(
        f"{name}: {about['cpu']}, {about['threads']} threads, torch {about['torch']}", fontsize=9
    )
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(RESULTS / f"{name}.png", dpi=150)
