"""What is recorded of comparisons: agreeing, failing and disagreeing ones, and their parts."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from bench._harness import Session, line
from bench._limits import Limit
from bench._timing import (
    ROUNDS,
    Prepared,
    Timing,
    cudnn_tf32,
    in_turns,
    peak_extra_memory,
    precision,
)
from midiff_fast._memory import freed_memory_kept


def session() -> Session:
    return Session(torch.device("cpu"), seconds=0.004)


def same(ours: Any, theirs: Any) -> None:
    assert ours == theirs, f"{ours} and {theirs}"


def broken() -> int:
    raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 20 GB")


def test_agreement_is_timed() -> None:
    asked = session()
    limit = Limit(1e-9, "by decree")
    found = asked.compare("sum", lambda: 3, lambda: 3, same, steps=2, limit=limit)
    assert found is not None
    assert found is asked.comparisons[0]
    assert found.opponent is not None
    assert found.ratio == found.opponent.median / found.ours.median
    assert found.share == pytest.approx(1e-9 / found.ours.median)
    assert "a step" in line(found)
    assert not asked.failures


def test_failed_opponent_is_a_row_without_a_ratio() -> None:
    asked = session()
    found = asked.compare("sum", lambda: 3, broken, same, opponent_name="theirs")
    assert found is not None
    assert found.opponent is None
    assert found.ratio is None
    assert found.failed == "theirs: OutOfMemoryError: CUDA out of memory. Tried to allocate 20 GB"
    assert found.ours.median > 0.0
    assert "failed" in line(found)
    assert not asked.failures


def test_disagreement_is_a_failure_and_not_timed() -> None:
    asked = session()
    assert asked.compare("sum", lambda: 3, lambda: 4, same) is None
    assert not asked.comparisons
    assert [failure.title for failure in asked.failures] == ["sum"]
    assert "3 and 4" in asked.failures[0].reason


def test_failure_of_ours_and_of_a_question() -> None:
    asked = session()
    assert asked.compare("sum", broken, lambda: 3, same) is None

    def question(_: Session) -> None:
        raise ValueError("no such shape")

    asked.ask("shapes", question)
    assert [failure.title for failure in asked.failures] == ["sum", "shapes"]
    assert asked.failures[1].reason == "ValueError: no such shape"


def test_part_of_the_work() -> None:
    assert Timing.of("", [0.1, 0.2, 0.3], 0.1).median == pytest.approx(2.0)
    found = session().compare("sum", lambda: 3, lambda: 3, same, opponent_part=0.25)
    assert found is not None
    assert found.notes["opponent timed on"] == "0.25 of the work"


def test_prepared_calls_run_on_what_was_prepared() -> None:
    made: list[int] = []
    used: list[int] = []

    def prepare() -> int:
        made.append(len(made))
        return made[-1]

    (times,) = in_turns([(Prepared(prepare, used.append), False)], 0.0)
    assert len(times) > 0
    assert sorted(used) == made


def test_long_calls_are_made_once_a_round() -> None:
    calls: list[int] = []
    (times,) = in_turns([(lambda: calls.append(1), True)], 0.0)
    assert len(calls) == len(times) == ROUNDS


def test_settings_come_back() -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with precision("high"), cudnn_tf32(False):
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.backends.cudnn.allow_tf32 is False
    assert before == (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32)


def test_profile_is_written(tmp_path: Any) -> None:
    asked = session()
    asked.traces = tmp_path / "traces"
    asked.compare("a sum, forward", lambda: torch.ones(3).sum(), lambda: torch.tensor(3.0), same)
    assert (tmp_path / "traces" / "a_sum_forward.json.gz").stat().st_size > 0


def test_peak_memory_counts_what_is_taken_from_freed_memory() -> None:
    """Freed memory that training keeps is there before the call, and yet the call's."""
    size = 100_000_000
    with freed_memory_kept():
        before = [torch.ones(size // 32) for _ in range(8)]
        del before
        peak = peak_extra_memory(lambda: torch.ones(size // 4).sum())
    if peak is None:
        pytest.skip("this system does not tell a process's peak")
    assert 0.9 * size < peak < 1.3 * size
