"""Trajectories of the separation study: against scipy's integrator, and plain PyTorch on CUDA.

The authors call scipy's ``solve_ivp``. Plain PyTorch takes the definition's steps, some sixty
calls each: a part of them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from midiff_fast import reference
from midiff_fast.functional import trajectories
from midiff_fast.systems import SYSTEMS

from . import _limits
from ._command import run
from ._harness import Session

# A batch of the study: 50 pairs of 14,000 samples over 100 (Lorenz) and 700 (Rössler) time units.
BATCH, SAMPLES = 50, 14_000
DURATION = {"lorenz": 100.0, "rossler": 700.0}
# Batches that a GPU makes at once: those of 20 runs for five passes.
PAIRS = 5000
TARGET = "50 ms for both systems"
# Trajectories that scipy does in one timed call: it takes them one by one.
OPPONENT_BATCH = 2
# Share of the samples over which scipy, at its usual tolerance (1e-3 relative), keeps to the same
# trajectory.
EARLY = 0.003
# Samples that plain PyTorch makes in one timed call.
EAGER_SAMPLES = 141


def lorenz(_: float, state: np.ndarray) -> list[float]:
    x, y, z = state
    return [10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z]


def rossler(_: float, state: np.ndarray) -> list[float]:
    x, y, z = state
    return [-y - z, x + 0.2 * y, 0.2 + x * z - 5.7 * z]


SLOPES: dict[str, Callable[[float, np.ndarray], list[float]]] = {
    "lorenz": lorenz,
    "rossler": rossler,
}


def starts(session: Session, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    initial = torch.rand(count, 3, dtype=torch.float64, generator=generator)
    return initial.to(session.device)


def interval(name: str) -> float:
    return DURATION[name] / (SAMPLES - 1)


def count_of(session: Session, batch: int) -> int:
    return min(batch, 100) if session.quick else batch


def against_scipy(session: Session) -> None:
    """A batch; scipy's time is that of its first trajectories, times the rest."""
    count = count_of(session, PAIRS if session.device.type == "cuda" else BATCH)
    initial = starts(session, count)
    for name, duration in DURATION.items():
        times = np.linspace(0.0, duration, SAMPLES)

        def opponent(
            name: str = name, duration: float = duration, times: np.ndarray = times
        ) -> Tensor:
            rows = [
                solve_ivp(SLOPES[name], (0.0, duration), start, t_eval=times).y.T
                for start in initial[:OPPONENT_BATCH].cpu().numpy()
            ]
            return torch.from_numpy(np.stack(rows))

        session.compare(
            f"{name} trajectories",
            lambda name=name: trajectories(name, initial, interval(name), SAMPLES),
            opponent,
            same_attractor,
            shape=f"{count} x {SAMPLES}",
            opponent_name="solve_ivp",
            opponent_part=OPPONENT_BATCH / count,
            limit=_limits.trajectories(session.gpu, system=name, count=count, samples=SAMPLES),
        )


def same_attractor(ours: Tensor, theirs: Tensor) -> None:
    """The same trajectory at first, and the same spread around the same attractor later."""
    early = int(EARLY * SAMPLES)
    ours = ours[:OPPONENT_BATCH].cpu()
    torch.testing.assert_close(ours[:, :early], theirs[:, :early], rtol=0.02, atol=0.2)
    spread = ours.std(1) / theirs.std(1)
    torch.testing.assert_close(spread, torch.ones_like(spread), rtol=0.2, atol=0)


def eager(initial: Tensor, name: str, samples: int) -> Tensor:
    """The definition, for the interval and the usual parameters of the study."""
    system = SYSTEMS[name]
    parameters = torch.tensor(system.usual, dtype=torch.float64, device=initial.device)
    with torch.no_grad():
        return reference.trajectories(
            system.slope, initial, parameters.expand(len(initial), -1), interval(name), samples, 1
        )


def pairs(
    session: Session,
    initial: Tensor,
    opponent_name: str,
    first: Callable[[str], Tensor],
    tolerance: float,
) -> None:
    """Pairs of both systems; ``first(name)`` makes the first samples of each trajectory."""
    limits = [
        _limits.trajectories(session.gpu, system=name, count=len(initial), samples=SAMPLES)
        for name in DURATION
    ]

    def check(ours: list[Tensor], theirs: list[Tensor]) -> None:
        for one, other in zip(ours, theirs, strict=True):
            early = one[:, : other.shape[1]]
            torch.testing.assert_close(early, other, rtol=tolerance, atol=tolerance)

    session.compare(
        "pairs of trajectories",
        lambda: [trajectories(name, initial, interval(name), SAMPLES) for name in DURATION],
        lambda: [first(name) for name in DURATION],
        check,
        shape=f"2 x {len(initial)} x {SAMPLES}",
        opponent_name=opponent_name,
        opponent_part=(EAGER_SAMPLES - 1) / (SAMPLES - 1),
        limit=_limits.both(*limits),
        notes={"target": TARGET},
    )


def against_eager(session: Session) -> None:
    """To the same bits."""
    initial = starts(session, count_of(session, PAIRS))
    pairs(session, initial, "eager", lambda name: eager(initial, name, EAGER_SAMPLES), 0.0)


def compiled(session: Session) -> None:
    """A step of each system compiled; a product and a sum may then be rounded together."""
    initial = starts(session, count_of(session, PAIRS))
    torch.compiler.reset()
    step = torch.compile(eager, dynamic=False)

    def first(name: str) -> Tensor:
        rows = [initial]
        for _ in range(EAGER_SAMPLES - 1):
            rows.append(step(rows[-1], name, 2)[:, 1])
        return torch.stack(rows, 1)

    pairs(session, initial, "eager step, torch.compile", first, 1e-6)


if __name__ == "__main__":
    run(
        "chaos",
        cpu={"scipy": against_scipy},
        cuda={"eager": against_eager, "compiled": compiled, "scipy": against_scipy},
    )
