"""Trajectories of the separation study, against scipy's integrator as the authors call it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from bench._harness import Comparison, compare, save
from midiff_fast.functional import trajectories

# A batch of the study: 50 pairs of 14,000 samples over 100 (Lorenz) and 700 (Rössler) time units.
BATCH, SAMPLES = 50, 14_000
# Trajectories that scipy does in one timed call: it takes them one by one.
OPPONENT_BATCH = 2
# Share of the samples over which scipy, at its usual tolerance (1e-3 relative), keeps to the same
# trajectory.
EARLY = 0.003


def lorenz(_: float, state: np.ndarray) -> list[float]:
    x, y, z = state
    return [10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z]


def rossler(_: float, state: np.ndarray) -> list[float]:
    x, y, z = state
    return [-y - z, x + 0.2 * y, 0.2 + x * z - 5.7 * z]


def compare_system(
    name: str, slope: Callable[[float, np.ndarray], list[float]], duration: float
) -> Comparison:
    """A batch; scipy's time is that of its first trajectories, times the rest."""
    initial = torch.rand(BATCH, 3, dtype=torch.float64, generator=torch.manual_seed(1))
    interval = duration / (SAMPLES - 1)
    times = np.linspace(0.0, duration, SAMPLES)

    def opponent() -> Tensor:
        rows = [
            solve_ivp(slope, (0.0, duration), start, t_eval=times).y.T
            for start in initial[:OPPONENT_BATCH].numpy()
        ]
        return torch.from_numpy(np.stack(rows))

    def check(ours: Tensor, theirs: Tensor) -> None:
        """The same trajectory at first, and the same spread around the same attractor later."""
        early = int(EARLY * SAMPLES)
        ours = ours[:OPPONENT_BATCH]
        torch.testing.assert_close(ours[:, :early], theirs[:, :early], rtol=0.02, atol=0.2)
        spread = ours.std(1) / theirs.std(1)
        torch.testing.assert_close(spread, torch.ones_like(spread), rtol=0.2, atol=0)

    return compare(
        f"{name} trajectories",
        lambda: trajectories(name, initial, interval, SAMPLES),
        opponent,
        check,
        shape=f"{BATCH} x {SAMPLES}",
        opponent_name="solve_ivp",
        opponent_part=OPPONENT_BATCH / BATCH,
    )


def main() -> list[Comparison]:
    return [
        compare_system("lorenz", lorenz, 100.0),
        compare_system("rossler", rossler, 700.0),
    ]


if __name__ == "__main__":
    save("chaos", main())
