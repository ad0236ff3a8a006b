"""Limits of one known GPU against its data sheet, and operations against what is executed."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from bench import _limits
from bench._harness import Session
from bench.mine import Case, Shape, eager_information
from midiff_fast import reference
from midiff_fast.systems import SYSTEMS

H200 = _limits.Gpu("H200", (9, 0), 132, 1.98e9, 4.8e12)
UNKNOWN = _limits.Gpu("of another kind", (3, 5), 15, 0.8e9, None)


def seconds(limit: _limits.Limit | None) -> float:
    assert limit is not None
    assert limit.reason
    return limit.seconds


def test_rates_of_the_data_sheet() -> None:
    """66.9 TFLOP/s in float32; tensor cores are told for 1.83 GHz: 494.7 and 989.4."""
    assert H200.rate("float32") == pytest.approx(66.9e12, rel=1e-3)
    at_boost = _limits.Gpu("H200", (9, 0), 132, 1.83e9, None)
    assert at_boost.rate("tf32") == pytest.approx(494.7e12, rel=1e-3)
    assert at_boost.rate("bf16") == pytest.approx(989.4e12, rel=1e-3)
    a100 = _limits.Gpu("A100", (8, 0), 108, 1.41e9, None)
    assert a100.rate("float32") == pytest.approx(19.5e12, rel=1e-3)
    assert a100.rate("float64") == pytest.approx(9.7e12, rel=1e-2)
    assert a100.rate("tf32") == pytest.approx(156e12, rel=1e-2)


def test_unknown_gpu_has_no_limit() -> None:
    assert UNKNOWN.rate("float32") is None
    sizes = {"sequences": 20, "steps": 10, "inputs": 3, "units": 64}
    assert _limits.leaky(UNKNOWN, "forward", **sizes) is None
    assert _limits.gru(None, "forward", **sizes) is None


def test_recurrences_at_the_papers_shapes() -> None:
    """A step of the leaky RNN 75 and 55 ns, of the GRU 220 and 200 ns; 1,000 sequences 0.9 µs."""
    leaky = {"sequences": 20, "steps": 3000, "inputs": 4, "units": 40}
    assert seconds(_limits.leaky(H200, "forward", **leaky)) == pytest.approx(3000 * 75e-9)
    assert seconds(_limits.leaky(H200, "backward", **leaky)) == pytest.approx(3000 * 55e-9)
    gru = {"sequences": 50, "steps": 10_000, "inputs": 3, "units": 100}
    assert seconds(_limits.gru(H200, "forward", **gru)) == pytest.approx(10_000 * 220e-9)
    assert seconds(_limits.gru(H200, "backward", **gru)) == pytest.approx(10_000 * 200e-9)
    gru["sequences"] = 1000
    assert seconds(_limits.gru(H200, "forward", **gru)) == pytest.approx(10_000 * 0.92e-6, rel=0.01)


def test_latency_is_of_the_clock_at_hand() -> None:
    slower = _limits.Gpu("slower", (9, 0), 132, 1.0e9, 4.8e12)
    sizes = {"sequences": 1, "steps": 1, "inputs": 4, "units": 40}
    assert seconds(_limits.leaky(slower, "forward", **sizes)) == pytest.approx(75e-9 * 1.98)


@pytest.mark.parametrize(
    ("samples", "group", "hidden", "gflop"), [(40_000, 20, 512, 131), (500_000, 50, 100, 90)]
)
def test_mine_at_the_papers_shapes(samples: int, group: int, hidden: int, gflop: float) -> None:
    operations = _limits.mine_operations(samples, group, group, hidden, "both")
    assert operations / 1e9 == pytest.approx(gflop, rel=0.01)


@pytest.mark.parametrize("wanted", ["weights", "samples"])
def test_mine_counts_what_eager_executes(wanted: Any) -> None:
    session = Session(torch.device("cpu"))
    case = Case(session, Shape("", 60, 5, 7, 0.1, ""), wanted)
    with FlopCounterMode(display=False) as counter:
        case.results(eager_information)
    last_layer = 2 * 2 * 60 * 7  # which the limit leaves out: hidden units times one
    counted = counter.get_total_flops()
    expected = _limits.mine_operations(60, 5, 5, 7, wanted)
    assert 0 <= counted - expected <= 3 * last_layer


def test_higher_precision_takes_three_products() -> None:
    sizes = {"samples": 1000, "a": 5, "b": 5, "hidden": 100}
    highest = _limits.mine(H200, **sizes, wanted="weights", precision="highest")
    high = _limits.mine(H200, **sizes, wanted="weights", precision="high", members=2)
    assert seconds(highest) == pytest.approx(1.5 * seconds(high))


class Counter(TorchDispatchMode):
    """Counts rounded operations: numbers that sums, differences and products result in."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), settings: Any = None
    ) -> Any:
        result = function(*arguments, **(settings or {}))
        if function.overloadpacket.__name__ in ("add", "sub", "rsub", "mul"):
            self.operations += math.prod(result.shape)
        return result


@pytest.mark.parametrize("name", list(SYSTEMS))
def test_steps_of_the_integrator_are_counted(name: str) -> None:
    system = SYSTEMS[name]
    initial = torch.rand(1, 3, dtype=torch.float64)
    parameters = torch.tensor([system.usual], dtype=torch.float64)
    with Counter() as counter:
        reference.trajectories(system.slope, initial, parameters, 0.01, 2, 1)
    assert counter.operations == _limits.STEP_OPERATIONS[name]
