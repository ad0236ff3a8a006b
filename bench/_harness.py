"""Side by side in one process: correctness first, then time, then the ratio.

    def forward(session: Session) -> None:
        session.compare("leaky RNN, forward", fused, eager, check, shape="20 x 3000 x 40")

    if __name__ == "__main__":
        run("leaky", cpu={"forward": forward}, cuda={"forward": forward})  # bench/_command.py

Run as ``python -m bench.leaky``, or all of them by ``make bench``. What fails is recorded with its
reason, and the rest goes on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ._limits import Gpu, Limit, gpu_here
from ._timing import ROUNDS, Action, Timing, call, in_turns


@dataclass(frozen=True)
class Comparison:
    """One question and its answer; ``ratio`` is how many times faster ours is.

    Without an opponent, ``failed`` says why; where that is None too, there was none to be.
    """

    title: str
    shape: str
    precision: str
    ours: Timing
    opponent: Timing | None
    ratio: float | None
    notes: dict[str, Any]
    failed: str | None = None
    steps: int | None = None  # of a recurrence, in one call
    limit: Limit | None = None
    memory: dict[str, int] | None = None  # bytes at most, beyond the arguments, of each side

    @property
    def share(self) -> float | None:
        """Of the limit that was reached: 1 is as fast as can be."""
        return self.limit.seconds / self.ours.median if self.limit else None


@dataclass(frozen=True)
class Failure:
    """A question without an answer of ours."""

    title: str
    reason: str


@dataclass(frozen=True)
class Panel:
    """Comparisons along one axis of the shape, such as "units N"."""

    axis: str
    fixed: str
    points: list[tuple[int, Comparison]]


@dataclass(frozen=True)
class Breakdown:
    """Seconds of the parts of one call."""

    title: str
    parts: dict[str, float]


@dataclass
class Session:
    """One benchmark on one device: its answers so far, and how thoroughly to time.

    ``seconds`` is the least time spent on each side. ``traces`` is where profiles go, if anywhere.
    """

    device: torch.device
    quick: bool = False
    seconds: float = 4.0
    traces: Path | None = None
    comparisons: list[Comparison] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    breakdowns: list[Breakdown] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    gpu: Gpu | None = None

    def __post_init__(self) -> None:
        if self.device.type == "cuda":
            self.gpu = gpu_here()

    def compare(self, title: str, *arguments: Any, **settings: Any) -> Comparison | None:
        """Adds what :meth:`measure` finds to the answers, and prints it."""
        comparison = self.measure(title, *arguments, **settings)
        if comparison is not None:
            self.comparisons.append(comparison)
            print(line(comparison), flush=True)
        return comparison

    def measure(
        self,
        title: str,
        ours: Action,
        opponent: Action,
        check: Callable[[Any, Any], None],
        *,
        shape: str = "",
        ours_name: str = "fused",
        opponent_name: str = "eager",
        opponent_part: float = 1.0,
        seconds: float | None = None,
        steps: int | None = None,
        limit: Limit | None = None,
        notes: dict[str, Any] | None = None,
    ) -> Comparison | None:
        """Times ``ours()`` against ``opponent()``, after ``check(our_result, their_result)``.

        ``check`` raises where the results do not agree; then, and where ours fails, there is
        nothing to time: a failure is recorded, and None comes back. An opponent may fail. A slow
        one may do a part of our work, ``opponent_part``, in one call; its times are divided by
        that.
        """
        memory: dict[str, int] = {}
        failed = None
        try:
            result, length, bytes = call(ours, self.device)
            if bytes is not None:
                memory[ours_name] = bytes
            sides = [(ours, length)]
            try:
                theirs, length, bytes = call(opponent, self.device)
            except Exception as error:
                failed = reason_of(error)
            else:
                check(result, theirs)
                del theirs
                if bytes is not None:
                    memory[opponent_name] = bytes
                sides.append((opponent, length))
            del result
            self._trace(title, ours)
            spent = self.seconds if seconds is None else seconds
            blocks = in_turns([self._warm(*side, spent) for side in sides], spent)
        except Exception as error:
            self.fail(title, error)
            return None
        our_time = Timing.of(ours_name, blocks[0])
        their_time = None
        if len(blocks) > 1:
            their_time = Timing.of(opponent_name, blocks[1], opponent_part)
        told = dict(notes or {})
        if their_time and opponent_part != 1.0:
            told["opponent timed on"] = f"{opponent_part:.3g} of the work"
        return Comparison(
            title=title,
            shape=shape,
            precision=torch.get_float32_matmul_precision(),
            ours=our_time,
            opponent=their_time,
            ratio=their_time.median / our_time.median if their_time else None,
            notes=told,
            failed=f"{opponent_name}: {failed}" if failed else None,
            steps=steps,
            limit=limit,
            memory=memory or None,
        )

    def once(self, title: str, ours: Action, *, shape: str = "") -> Comparison:
        """Adds the time of one long call, with no opponent; ``ours`` is warm."""
        _, seconds, bytes = call(ours, self.device)
        comparison = Comparison(
            title=title,
            shape=shape,
            precision=torch.get_float32_matmul_precision(),
            ours=Timing.of("fused", [seconds]),
            opponent=None,
            ratio=None,
            notes={},
            memory=None if bytes is None else {"fused": bytes},
        )
        self.comparisons.append(comparison)
        print(line(comparison), flush=True)
        return comparison

    def ask(self, name: str, question: Callable[[Session], None]) -> None:
        """Asks a question; one that breaks off is a failure."""
        try:
            question(self)
        except Exception as error:
            self.fail(name, error)

    def fail(self, title: str, error: Exception) -> None:
        self.failures.append(Failure(title, reason_of(error)))
        print(f"{title}: FAILED: {self.failures[-1].reason}", flush=True)

    def _warm(self, action: Action, length: float, spent: float) -> tuple[Action, bool]:
        """The action, and whether its call takes long. On CUDA a first call may have compiled."""
        least = spent / ROUNDS
        if self.device.type == "cuda" and length > least:
            _, length, _ = call(action, self.device)
        return action, length > least

    def _trace(self, title: str, ours: Action) -> None:
        """A profile of one call, to be read by Perfetto or chrome://tracing."""
        if self.traces is None:
            return
        self.traces.mkdir(parents=True, exist_ok=True)
        with torch.profiler.profile() as profile:
            ours()
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
        name = re.sub(r"\W+", "_", title).strip("_")
        profile.export_chrome_trace(str(self.traces / f"{name}.json.gz"))


def reason_of(error: Exception) -> str:
    """One line, with the kind of the error in front; memory that it held is given back."""
    error.__traceback__ = None
    if isinstance(error, torch.OutOfMemoryError):
        torch.cuda.empty_cache()
    lines = [text.strip() for text in str(error).splitlines() if text.strip()]
    return f"{type(error).__name__}: {' '.join(lines)[:300]}" if lines else type(error).__name__


def line(comparison: Comparison) -> str:
    """A comparison in one line of text."""

    def side(timing: Timing) -> str:
        text = f"{timing.name} {time_text(timing.median)} ± {time_text(timing.iqr / 2)}"
        if comparison.steps:
            text += f" ({time_text(timing.median / comparison.steps)} a step)"
        if comparison.memory and timing.name in comparison.memory:
            text += f" in {comparison.memory[timing.name] / 1e9:.3g} GB"
        return text

    parts = [side(comparison.ours)]
    if comparison.opponent:
        parts.append(side(comparison.opponent))
    if comparison.failed:
        parts.append(f"failed: {comparison.failed}")
    parts += [f"{key} {value}" for key, value in comparison.notes.items()]
    if comparison.limit and comparison.share:
        parts.append(f"{100 * comparison.share:.3g} % of the limit ({comparison.limit.reason})")
    ratio = f"  ->  {comparison.ratio:.1f}x" if comparison.ratio else ""
    shape = f"[{comparison.shape}; {comparison.precision}]"
    return f"{comparison.title} {shape}: {', '.join(parts)}{ratio}"


def time_text(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
