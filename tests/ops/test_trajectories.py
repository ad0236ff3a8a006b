"""Trajectories: against solutions in closed form, scipy's integrator, and each other to the bit."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from midiff_fast import _load
from midiff_fast.functional import trajectories
from midiff_fast.ops import trajectories as ops
from midiff_fast.ops._common import Backend
from midiff_fast.ops.trajectories import checks_deferred
from midiff_fast.systems import SYSTEMS

needs_compiled = pytest.mark.skipif(not _load.available, reason=_load.reason)
BACKENDS = ["eager", pytest.param("fused", marks=needs_compiled)]
# The separation study: 14,000 samples over 100 and 700 time units, both ends included.
INTERVALS = {"lorenz": 100.0 / 13_999.0, "rossler": 700.0 / 13_999.0}
HORIZONS = {"lorenz": 5.0, "rossler": 20.0}


def starts(*axes: int) -> Tensor:
    """Initial values uniform in [0, 1]³."""
    return torch.rand(*axes, 3, dtype=torch.float64, generator=torch.manual_seed(7))


def lorenz(_: float, state: np.ndarray) -> list[float]:
    x, y, z = state
    return [10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z]


def rossler(_: float, state: np.ndarray) -> list[float]:
    x, y, z = state
    return [-y - z, x + 0.2 * y, 0.2 + z * (x - 5.7)]


@pytest.mark.parametrize(("system", "slope"), [("lorenz", lorenz), ("rossler", rossler)])
def test_agrees_with_scipy_for_as_long_as_chaos_allows(system: str, slope: object) -> None:
    """1e-6 at the study's sampling and the usual substeps."""
    interval = INTERVALS[system]
    samples = int(HORIZONS[system] / interval) + 1
    initial = starts(3)
    got = trajectories(system, initial, interval, samples)
    times = interval * np.arange(samples)
    for row, start in zip(got, initial, strict=True):
        solution = solve_ivp(
            slope, (0, times[-1]), start, "DOP853", t_eval=times, rtol=1e-11, atol=1e-12
        )
        np.testing.assert_allclose(row.numpy(), solution.y.T, rtol=0, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_solutions_in_closed_form(backend: Backend) -> None:
    """Lorenz on its z axis decays; Rössler with z = b = 0 is a spiral."""
    times = 0.01 * torch.arange(41, dtype=torch.float64)
    start = torch.tensor([0.0, 0.0, 3.0], dtype=torch.float64)
    decay = trajectories("lorenz", start, 0.01, 41, backend=backend)
    assert (decay[:, :2] == 0).all()
    torch.testing.assert_close(decay[:, 2], 3 * torch.exp(-8 / 3 * times), rtol=1e-10, atol=0)
    start = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    a, frequency = 0.2, math.sqrt(1 - 0.1**2)
    spiral = trajectories(
        "rossler",
        start,
        0.01,
        41,
        parameters=torch.tensor([a, 0.0, 5.7], dtype=torch.float64),
        backend=backend,
    )
    growth, angle = torch.exp(a / 2 * times), frequency * times
    y = growth * torch.sin(angle) / frequency
    x = growth * (torch.cos(angle) - a / 2 * torch.sin(angle) / frequency)
    torch.testing.assert_close(spiral, torch.stack((x, y, 0 * x), 1), rtol=0, atol=1e-12)


def test_the_scheme_is_of_sixth_order() -> None:
    """Halving the step divides the error by 2^6; any wrong coefficient would show."""
    initial = starts(20)
    for system, time in (("lorenz", 0.5), ("rossler", 12.0)):
        exact = trajectories(system, initial, time, 2, substeps=4000)[:, 1]
        errors = [
            (trajectories(system, initial, time, 2, substeps=steps)[:, 1] - exact).abs().mean()
            for steps in (100, 200)
        ]
        assert 5.7 < math.log2(errors[0] / errors[1]) < 6.3


@needs_compiled
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 16, 33])
def test_both_backends_give_the_same_bits(system: str, count: int) -> None:
    """Of every output, with parameters of each trajectory's own."""
    parameters = torch.tensor(SYSTEMS[system].usual, dtype=torch.float64) * (
        0.9 + 0.2 * starts(count)
    )
    for samples, first, substeps in ((1, 0, 1), (30, 0, 1), (30, 29, 3), (9, 5, 2)):
        both = [
            ops.trajectories(
                system,
                starts(count),
                0.02,
                samples,
                parameters=parameters,
                substeps=substeps,
                first=first,
                backend=backend,
            )
            for backend in ("fused", "eager")
        ]
        for fused, eager in zip(*both, strict=True):
            assert torch.equal(fused, eager)


@needs_compiled
@pytest.mark.parametrize("system", SYSTEMS)
def test_long_trajectories_are_the_same_alone_and_among_others(system: str) -> None:
    """At every position of a block; a difference in the last bit would grow to the attractor."""
    initial = starts(19)
    together = trajectories(system, initial, INTERVALS[system], 14_000)
    for position, start in enumerate(initial):
        assert torch.equal(
            trajectories(system, start, INTERVALS[system], 14_000), together[position]
        )
    turned = trajectories(system, initial.flip(0), INTERVALS[system], 14_000)
    assert torch.equal(turned.flip(0), together)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@needs_compiled
@pytest.mark.usefixtures("threads")
def test_the_number_of_threads_does_not_matter() -> None:
    results = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        results.append(ops.trajectories("lorenz", starts(50), INTERVALS["lorenz"], 5000))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            assert torch.equal(one, two)


@pytest.mark.parametrize("backend", BACKENDS)
def test_samples_from_the_first_kept_one(backend: Backend) -> None:
    """Dropping changes nothing else, the range covers what is dropped, longer begins the same."""
    whole = ops.trajectories("rossler", starts(3), 0.05, 60, backend=backend)
    assert torch.equal(whole.values[:, 0], starts(3))
    assert torch.equal(whole.lowest, whole.values.amin(1))
    assert torch.equal(whole.highest, whole.values.amax(1))
    part = ops.trajectories("rossler", starts(3), 0.05, 60, first=40, backend=backend)
    assert torch.equal(part.values, whole.values[:, 40:])
    assert torch.equal(part.lowest, whole.lowest)
    assert torch.equal(part.highest, whole.highest)
    short = trajectories("rossler", starts(3), 0.05, 20, backend=backend)
    assert torch.equal(short, whole.values[:, :20])


def test_usual_substeps_keep_the_longest_step() -> None:
    for system, interval, substeps in (
        ("lorenz", INTERVALS["lorenz"], 1),
        ("lorenz", 0.02, 3),
        ("rossler", INTERVALS["rossler"], 1),
        ("rossler", 0.1, 2),
    ):
        usual = trajectories(system, starts(2), interval, 5)
        assert torch.equal(usual, trajectories(system, starts(2), interval, 5, substeps=substeps))


@pytest.mark.parametrize("backend", BACKENDS)
def test_leading_axes(backend: Backend) -> None:
    """Any number of them, strided, or empty; parameters broadcast."""
    flat = trajectories("lorenz", starts(6), 0.01, 4, backend=backend)
    assert flat.shape == (6, 4, 3)
    deep = trajectories("lorenz", starts(6).reshape(2, 3, 3), 0.01, 4, backend=backend)
    assert torch.equal(deep, flat.reshape(2, 3, 4, 3))
    strided = starts(6).T.contiguous().T[::2]
    assert torch.equal(trajectories("lorenz", strided, 0.01, 4, backend=backend), flat[::2])
    assert trajectories("lorenz", starts(0), 0.01, 4, backend=backend).shape == (0, 4, 3)
    rho = torch.tensor([[10.0, 28.0, 8.0 / 3.0], [10.0, 35.0, 8.0 / 3.0]], dtype=torch.float64)
    per_row = trajectories(
        "lorenz", starts(6).reshape(2, 3, 3), 0.01, 4, parameters=rho[:, None], backend=backend
    )
    assert torch.equal(per_row[0], deep[0])
    assert not torch.equal(per_row[1], deep[1])


def test_no_gradients() -> None:
    assert not trajectories("lorenz", starts(2).requires_grad_(), 0.01, 4).requires_grad


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e200])
def test_a_trajectory_that_does_not_stay_finite_is_reported(backend: Backend, bad: float) -> None:
    initial = starts(11)
    initial[4] = torch.tensor([0.25, bad, 3.0], dtype=torch.float64)
    initial[7] = math.nan
    with pytest.raises(
        RuntimeError,
        match=r"trajectories: the lorenz system with parameters \(10, 28, 2.66667\) leaves the "
        rf"finite numbers from initial value \(0.25, {f'{bad:g}'.replace('+', '.')}, 3\), in steps "
        "of 0.005",
    ):
        trajectories("lorenz", initial, 0.01, 9, substeps=2, backend=backend)


def test_deferred_checks_come_at_the_end_and_name_the_first_that_is_lost() -> None:
    lost = torch.full((2, 3), math.inf, dtype=torch.float64)
    done: list[str] = []

    def within(error: Exception | None = None) -> None:
        with checks_deferred():
            trajectories("lorenz", starts(2), 0.01, 5, backend="eager")
            values = trajectories("rossler", lost, 0.01, 5, backend="eager")
            values.zero_()  # does not hide what they were
            done.append("all")
            if error is not None:
                raise error

    message = r"the rossler system .* initial value \(inf, inf, inf\)"
    with pytest.raises(RuntimeError, match=message):
        within()
    with pytest.raises(KeyError):
        within(KeyError())  # an error within comes first
    assert done == ["all", "all"]
    with pytest.raises(RuntimeError, match=message):
        trajectories("rossler", lost, 0.01, 5, backend="eager")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"system": "roessler"},
            ValueError,
            r"system: expected one of \('lorenz', 'rossler'\), got",
        ),
        (
            {"initial": [0.0, 0.0, 1.0]},
            TypeError,
            r"initial: expected a tensor \[..., 3\], got list",
        ),
        ({"initial": starts(2)[:, :2]}, ValueError, r"initial: expected \[..., 3\], got \[2, 2\]"),
        ({"initial": starts(2).float()}, TypeError, "initial: expected float64, got float32"),
        ({"parameters": starts().float()}, TypeError, "parameters: expected float64 like initial"),
        (
            {"parameters": starts(3)},
            ValueError,
            r"parameters: expected axes that broadcast to \[2\]",
        ),
        ({"parameters": starts(1, 2)}, ValueError, r"broadcast to \[2\] of initial, got \[1, 2\]"),
        ({"interval": 0.0}, ValueError, "interval: expected a finite time above 0, got 0.0"),
        ({"interval": math.nan}, ValueError, "interval: expected a finite time above 0, got nan"),
        ({"samples": 0}, ValueError, "samples: expected at least 1, got 0"),
        ({"first": 4}, ValueError, "first: expected 0 to 3, got 4"),
        ({"substeps": 0}, ValueError, "substeps: expected at least 1, got 0"),
        ({"backend": "fast"}, ValueError, "backend: expected one of"),
    ],
)
def test_bad_input_is_named(changes: dict, error: type[Exception], message: str) -> None:
    arguments = {"system": "lorenz", "initial": starts(2), "interval": 0.01, "samples": 4}
    with pytest.raises(error, match=message):
        trajectories(**{**arguments, **changes})


@needs_compiled
@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (0, 2, "system: expected 0 to 1, got 2"),
        (1, torch.zeros(2, 2, dtype=torch.float64), r"initial: expected \[M, D\] = \[\*, 3\]"),
        (1, torch.zeros(2, 3), "initial: expected Double, got Float"),
        (2, starts(3), r"parameters: expected \[M, P\] = \[2, 3\], got \[3, 3\]"),
        (3, -1.0, "interval: expected a finite time above 0, got -1"),
        (4, 0, "samples: expected at least 1, got 0"),
        (5, 0, "substeps: expected at least 1, got 0"),
        (6, 5, "first: expected 0 to 4, got 5"),
    ],
)
def test_the_op_checks_by_itself(position: int, value: object, message: str) -> None:
    arguments: list = [0, starts(2), starts(2), 0.01, 5, 1, 0]
    arguments[position] = value
    with pytest.raises(RuntimeError, match=message):
        torch.ops.midiff.trajectories(*arguments)


@needs_compiled
def test_opcheck() -> None:
    for system in range(len(SYSTEMS)):
        arguments = (system, starts(9), starts(9), 0.01, 6, 2, 3)
        torch.library.opcheck(torch.ops.midiff.trajectories, arguments)


@needs_compiled
def test_compiles_into_one_graph() -> None:
    def scaled(initial: Tensor) -> Tensor:
        return 2 * trajectories("lorenz", initial, 0.01, 6, first=2)

    compiled = torch.compile(scaled, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(starts(5)), scaled(starts(5)))
