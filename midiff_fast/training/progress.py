"""Progress with time left: a bar on a terminal, else a plain line now and then."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from .loop import Status

LINE_INTERVAL = 30.0  # seconds between plain lines
STOPPING = "stopping after this epoch; press Ctrl-C again to stop at once"


class TrainingProgress:
    """A context manager that is called with every ``Status`` of a training."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._start = time.monotonic()
        self._first_pass: int | None = None
        self._last_line = self._start
        self._stopping = False

    def __enter__(self) -> TrainingProgress:
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("passes"),
                TimeElapsedColumn(),
                TextColumn("left"),
                # Passes arrive in bursts (the model's takes longer): average over a few epochs.
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=self._console,
                speed_estimate_period=120.0,
            )
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, status: Status) -> None:
        """Show where the training is."""
        if self._first_pass is None:
            self._first_pass = status.passes - 1
        if status.stopping and not self._stopping:
            self._stopping = True
            self._console.print(STOPPING, highlight=False)
        if self._bar is not None:
            if self._task is None:
                self._task = self._bar.add_task(
                    self._title, total=status.total_passes, completed=self._first_pass, note=""
                )
            self._bar.update(self._task, completed=status.passes, note=_note(status))
            return
        now = time.monotonic()
        if now - self._last_line >= LINE_INTERVAL:
            self._last_line = now
            done = max(status.passes - self._first_pass, 1)
            left = (now - self._start) / done * (status.total_passes - status.passes)
            self._console.print(
                f"{self._title}: {_note(status)}, about {_duration(left)} left", highlight=False
            )


def _note(status: Status) -> str:
    """Epoch, and the ensemble's mean score and MI in it."""
    if status.total_epochs and not status.epoch and not status.latest:
        return "before the first epoch"
    text = f"epoch {status.epoch}/{status.total_epochs}"
    if status.latest:
        score = sum(m.accuracy for m in status.latest) / len(status.latest)
        text += f", mean {status.score} {score:.3f}"
        text += "".join(f", MI {mi:.2f} (λ {weight:g})" for weight, mi in _mi(status).items())
    return text


def _mi(status: Status) -> dict[float, float]:
    """Mean MI of the members of each λ, of those that have a critic."""
    values: dict[float, list[float]] = {}
    for metrics in status.latest:
        if metrics.mi_critic == metrics.mi_critic:
            values.setdefault(metrics.member.mi_weight, []).append(metrics.mi_critic)
    return {weight: sum(mi) / len(mi) for weight, mi in values.items()}


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
