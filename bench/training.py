"""How long is one epoch of the paper's working-memory study? Ten critic passes and a model pass.

Fused ops against the eager backend, at the three precisions of float32 products. Both sides draw
the same keyed random numbers with the compiled generator, so the opponent is not slowed by it.
The paper's own code took 8.5 s per epoch on two cores of the same kind.
"""

from __future__ import annotations

from functools import partial

from midiff_fast.runs import EpochMetrics, RunConfig
from midiff_fast.runs.choose import choose_config
from midiff_fast.training import Trainer

from ._harness import compare, precision, save

# Relative difference of the task loss and absolute one of MI that one epoch's rounding makes.
TOLERANCE = {"highest": 1e-3, "high": 1e-2, "medium": 5e-2}


def paper_run(backend: str) -> RunConfig:
    """One run of the paper's preset."""
    return choose_config("paper", settings={"seeds": [1001], "compute.backend": backend})


def agree(ours: list[EpochMetrics], theirs: list[EpochMetrics], tolerance: float) -> None:
    """Raises if the two sides do not train the same network."""
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.epoch == other.epoch == 1
        assert abs(mine.task_loss / other.task_loss - 1.0) < tolerance, (mine, other)
        assert abs(mine.decay_loss / other.decay_loss - 1.0) < tolerance, (mine, other)
        assert abs(mine.mi_critic - other.mi_critic) < 10 * tolerance, (mine, other)


def main() -> None:
    results = []
    for setting, tolerance in TOLERANCE.items():
        with precision(setting):
            fused, eager = (Trainer(paper_run(backend)) for backend in ("auto", "eager"))
            results.append(
                compare(
                    "working-memory epoch",
                    fused.run_epoch,
                    eager.run_epoch,
                    partial(agree, tolerance=tolerance),
                    shape="1 run, 11 x 20 x 3000 steps, MINE 512 on 40000",
                    notes={"authors": "8.5 s"},
                )
            )
    save("training", results)


if __name__ == "__main__":
    main()
