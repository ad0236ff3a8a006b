"""What a training says while it runs."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path

import pytest
from rich.console import Console

from midiff_fast.runs import RunConfig
from midiff_fast.training import Status, train
from midiff_fast.training.progress import STOPPING, TrainingProgress


@pytest.mark.parametrize("terminal", [True, False])
def test_the_first_interrupt_is_answered_at_the_next_pass(
    tiny: RunConfig, tmp_path: Path, terminal: bool
) -> None:
    """Once, and before the epoch is over."""
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=120)
    said: list[int] = []  # how often it has been said, from the pass of the interrupt on

    with TrainingProgress(console, "training") as progress:

        def report(status: Status) -> None:
            progress(status)
            if status.passes == 5:  # the second of the three of the first epoch
                os.kill(os.getpid(), signal.SIGINT)
            if status.passes >= 5:
                said.append(output.getvalue().count(STOPPING))

        with pytest.raises(KeyboardInterrupt):
            train(tiny, tmp_path, report=report)
    assert said == [0, 1, 1]  # the last pass, and the epoch
    assert output.getvalue().count(STOPPING) == 1


def test_the_passes_reported_never_go_back(tiny: RunConfig, tmp_path: Path) -> None:
    reported: list[Status] = []
    train(tiny, tmp_path, report=reported.append)
    passes = [status.passes for status in reported]
    assert passes == sorted(passes)
    assert set(passes) == set(range(1, reported[0].total_passes + 1))
