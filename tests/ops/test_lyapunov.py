"""The Lyapunov exponents of the systems: invariants that long trajectories must have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from midiff_fast.functional import trajectories


def lorenz_jacobian(states: Tensor) -> Tensor:
    """[..., 3] -> [..., 3, 3]."""
    x, y, z = states.unbind(-1)
    one = torch.ones_like(x)
    rows = ((-10 * one, 10 * one, 0 * one), (28 - z, -one, -x), (y, x, -8 / 3 * one))
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def rossler_jacobian(states: Tensor) -> Tensor:
    """[..., 3] -> [..., 3, 3]."""
    x, _, z = states.unbind(-1)
    one = torch.ones_like(x)
    rows = ((0 * one, -one, -one), (one, 0.2 * one, 0 * one), (z, 0 * one, x - 5.7))
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


@dataclass(frozen=True)
class Case:
    system: str
    jacobian: Callable[[Tensor], Tensor]
    exponents: tuple[float, float, float]
    step: float  # of the variational equations
    steps: int  # between two orthogonalisations
    settling: int  # turns of so many steps, until the vectors have found their directions
    measured: int  # turns


CASES = [
    Case("lorenz", lorenz_jacobian, (0.9056, 0.0, -14.572), 0.01, 10, 100, 300),
    # The two larger exponents are close: the vectors take their time to settle.
    Case("rossler", rossler_jacobian, (0.0714, 0.0, -5.394), 0.05, 10, 200, 1600),
]
TRAJECTORIES = 100


def propagators(case: Case, states: Tensor) -> Tensor:
    """V(t) -> V(t + step) of the variational equations V' = J(x) V, classical Runge-Kutta scheme.

    states: [M, 2 n + 1, 3], half a step apart -> [M, n, 3, 3].
    """
    jacobian = case.jacobian(states)
    start, middle, end = jacobian[:, 0:-1:2], jacobian[:, 1::2], jacobian[:, 2::2]
    identity, h = torch.eye(3, dtype=states.dtype), case.step
    k2 = middle @ (identity + h / 2 * start)
    k3 = middle @ (identity + h / 2 * k2)
    k4 = end @ (identity + h * k3)
    return identity + h / 6 * (start + 2 * k2 + 2 * k3 + k4)


def exponents(case: Case) -> Tensor:
    """The three exponents, largest first: V made orthogonal again and again (Benettin 1980)."""
    # From all over the attractor: trajectories that start in phase would stay so for long.
    start = torch.tensor([[0.3, 0.6, 0.1]], dtype=torch.float64)
    state = trajectories(case.system, start, 0.5, 7 * TRAJECTORIES + 300, first=300)[0, ::7]
    v = torch.eye(3, dtype=torch.float64).expand(TRAJECTORIES, 3, 3)
    growth = torch.zeros(3, dtype=torch.float64)
    turns = 100  # at a time
    for first in range(0, case.settling + case.measured, turns):
        count = turns * case.steps
        states = trajectories(case.system, state, case.step / 2, 2 * count + 1)
        state = states[:, -1]
        each = propagators(case, states).reshape(TRAJECTORIES, turns, case.steps, 3, 3)
        whole = each[:, :, 0]
        for step in range(1, case.steps):
            whole = each[:, :, step] @ whole
        for turn in range(turns):
            v, r = torch.linalg.qr(whole[:, turn] @ v)
            if first + turn >= case.settling:
                growth += r.diagonal(dim1=1, dim2=2).abs().log().mean(0)
    return growth / (case.measured * case.steps * case.step)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.system)
def test_lyapunov_exponents(case: Case) -> None:
    """Within 2 %, with variational equations of our own; the exponent along the flow is zero."""
    found = exponents(case)
    expected = torch.tensor(case.exponents, dtype=torch.float64)
    torch.testing.assert_close(found[[0, 2]], expected[[0, 2]], rtol=0.02, atol=0.0)
    assert abs(found[1]) < 0.02 * expected[0]
    if case.system == "lorenz":  # the divergence of the flow is constant
        assert abs(found.sum() + 10 + 1 + 8 / 3) < 1e-3
