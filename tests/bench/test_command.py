"""The command line of the benchmarks."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from bench import _command, _record
from bench._harness import Session


def forward(session: Session) -> None:
    session.compare("forward", lambda: 1, lambda: 1, lambda ours, theirs: None)


def wrong(session: Session) -> None:
    raise ValueError("wrong")


QUESTIONS: dict[str, _command.Questions] = {
    "cpu": {"forward": forward},
    "cuda": {"forward": forward, "sweep": wrong},
}


def test_defaults_and_options() -> None:
    assert _command.parse("x", QUESTIONS, []) == _command.Options()
    asked = _command.parse(
        "x",
        QUESTIONS,
        ["--device", "cuda", "--only", "sw", "--quick", "--profile", "--out", "there"],
    )
    assert asked == _command.Options("cuda", "sw", True, True, Path("there"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--device tpu", "--device: invalid choice: 'tpu'"),
        ("--only nothing", "--only: expected a part of one of forward, got 'nothing'"),
        ("--only sweep", "--only: expected a part of one of forward, got 'sweep'"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    arguments: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        _command.parse("x", QUESTIONS, arguments.split())
    assert told in capsys.readouterr().err


def test_quick_takes_less_time_and_traces_go_beside_results(tmp_path: Path) -> None:
    quick = _command.session_of(_command.Options(quick=True, profile=True), tmp_path)
    usual = _command.session_of(_command.Options(), tmp_path)
    assert quick.seconds < usual.seconds
    assert quick.traces == tmp_path / "traces"
    assert usual.traces is None


def run(monkeypatch: pytest.MonkeyPatch, arguments: str, questions: _command.Questions) -> None:
    monkeypatch.setattr(sys, "argv", ["bench.x", *arguments.split()])
    _command.run("x", cpu=questions, cuda=questions)


def test_results_are_written_and_failures_end_with_a_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = {"forward": forward, "wrong": wrong}
    with pytest.raises(SystemExit, match="1 without an answer"):
        run(monkeypatch, f"--quick --out {tmp_path}", questions)
    written = json.loads((tmp_path / "x.json").read_text())
    assert [row["title"] for row in written["comparisons"]] == ["forward"]
    assert [row["title"] for row in written["failures"]] == ["wrong"]


def test_a_part_does_not_replace_the_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_record, "RESULTS", tmp_path)
    run(monkeypatch, "--quick", {"forward": forward})
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="finds no CUDA device"):
        run(monkeypatch, "--device cuda", {"forward": forward})
