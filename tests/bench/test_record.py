"""Files that a benchmark leaves: JSON with the keys that it always had, and pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import _record
from bench._harness import Breakdown, Comparison, Failure, Panel, Session
from bench._limits import Gpu, Limit
from bench._timing import Timing

ROW = Comparison(
    title="leaky RNN, forward",
    shape="20 x 3000 x 40",
    precision="highest",
    ours=Timing("fused", 1e-3, 1e-5, 40),
    opponent=Timing("eager", 5e-2, 1e-3, 10),
    ratio=50.0,
    notes={},
)


def full_session() -> Session:
    """A row of every kind; the numbers are made up."""
    session = Session(torch.device("cpu"), seconds=1.0)
    session.gpu = Gpu("a GPU", (9, 0), 132, 1.98e9, 4.8e12, 2**37)
    limit = Limit(4e-4, "3000 steps")
    with_limit = replace(ROW, limit=limit, steps=3000, memory={"fused": 10, "eager": 20})
    failed = replace(with_limit, opponent=None, ratio=None, failed="compiled: RuntimeError: no")
    session.comparisons += [with_limit, failed]
    points = [(n, replace(with_limit, title="forward")) for n in (16, 40)]
    session.panels += [Panel(axis, "B 20", points) for axis in ("units N", "batch B")]
    session.breakdowns.append(Breakdown("epoch", {"signals": 1e-3, "MINE": 3e-3, "the rest": 0.0}))
    session.failures.append(Failure("runs", "ValueError: no"))
    return session


def read(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text())
    return values


def test_cpu_record_has_the_keys_it_always_had(tmp_path: Path) -> None:
    session = Session(torch.device("cpu"))
    session.comparisons.append(ROW)
    _record.save("leaky", session, tmp_path)
    written = read(tmp_path / "leaky.json")
    committed = read(_record.RESULTS / "leaky.json")
    assert list(written) == list(committed)
    assert set(written["machine"]) == set(committed["machine"])
    assert list(written["comparisons"][0]) == list(committed["comparisons"][0])
    assert list(written["comparisons"][0]["ours"]) == list(committed["comparisons"][0]["ours"])
    assert {path.name for path in tmp_path.iterdir()} == {"leaky.json", "leaky.png"}


def test_everything_is_recorded(tmp_path: Path) -> None:
    _record.save("leaky", full_session(), tmp_path / "new")
    written = read(tmp_path / "new" / "leaky.json")
    good, failed = written["comparisons"]
    assert good["share_of_limit"] == pytest.approx(0.4)
    assert good["limit"] == {"seconds": 4e-4, "reason": "3000 steps"}
    assert good["memory"] == {"fused": 10, "eager": 20}
    assert failed["failed"] == "compiled: RuntimeError: no"
    assert "opponent" not in failed
    assert [point["value"] for point in written["sweeps"][0]["points"]] == [16, 40]
    assert written["breakdowns"][0]["parts"]["MINE"] == 3e-3
    assert written["failures"] == [{"title": "runs", "reason": "ValueError: no"}]
    assert written["machine"]["gpu"] == "a GPU"
    assert str(tmp_path) not in (tmp_path / "new" / "leaky.json").read_text()
    pictures = {"leaky.png", "leaky_sweep.png", "leaky_breakdown.png"}
    assert pictures <= {path.name for path in (tmp_path / "new").iterdir()}


def test_results_of_each_device_have_their_place() -> None:
    assert _record.folder_of(torch.device("cpu")) == _record.RESULTS
    assert _record.folder_of(torch.device("cuda")) == _record.RESULTS / "cuda"
