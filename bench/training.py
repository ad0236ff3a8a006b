"""How long does the training take? An epoch of the working-memory study, a round of separation.

An epoch is ten passes of the critic and one of the model; a round is twenty steps of the critic and
one of the model, on 50 sequences of 10,000 steps. The paper's own code took 8.5 s and 226 s on two
cores of another machine.

Fused ops against plain PyTorch: for working memory the eager backend, for separation the eager
critic with the states of ``torch.nn.GRU`` (a Python loop over 10,000 steps would be no opponent).
Both sides draw the same keyed random numbers with the compiled generator, and both keep freed
memory, so the opponent is not slowed by these.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from midiff_fast._memory import freed_memory_kept
from midiff_fast.nn.network import GRUNetwork
from midiff_fast.nn.recurrent import Keep
from midiff_fast.runs import EpochMetrics, RunConfig
from midiff_fast.runs.choose import choose_config
from midiff_fast.training import Trainer

from ._harness import Comparison, compare, peak_extra_memory, precision, save

# Relative difference of the task loss and absolute one of MI that one epoch's rounding makes.
TOLERANCE = {"highest": 1e-3, "high": 1e-2, "medium": 5e-2}


def agree(ours: list[EpochMetrics], theirs: list[EpochMetrics], tolerance: float) -> None:
    """Raises if the two sides do not train the same network."""
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.epoch == other.epoch == 1
        assert abs(mine.task_loss / other.task_loss - 1.0) < tolerance, (mine, other)
        assert abs(mine.decay_loss / other.decay_loss - 1.0) < tolerance, (mine, other)
        assert abs(mine.mi_critic - other.mi_critic) < 10 * tolerance, (mine, other)


class TorchGRUNetwork(GRUNetwork):
    """The same network on torch.nn.GRU's own code."""

    def _run(self, input: Tensor, initial: Tensor, noise: Tensor | None, *, keep: Keep) -> Tensor:
        weights = [weight[0] for weight in self.recurrent_weights().values()]
        states, last = torch.gru(
            input[0], initial, weights, True, 1, 0.0, False, False, True
        )  # one member: initial [1, B, N] is its h0
        return states[None] if keep == "all" else last


def paper_run(study: str, seed: int, backend: str, **settings: object) -> RunConfig:
    """One run of a study's paper preset."""
    values = {"seeds": [seed], "compute.backend": backend, **settings}
    return choose_config("paper", settings=values, study=study)


def working_memory(setting: str) -> Comparison:
    """An epoch of one run."""
    fused, eager = (
        Trainer(paper_run("working-memory", 1001, backend)) for backend in ("auto", "eager")
    )
    return compare(
        "working-memory epoch",
        fused.run_epoch,
        eager.run_epoch,
        partial(agree, tolerance=TOLERANCE[setting]),
        shape="1 run, 11 x 20 x 3000 steps, MINE 512 on 40000",
        notes={"authors": "8.5 s"},
    )


def separation(setting: str) -> Comparison:
    """Twenty steps of the critic and one of the model, one run."""
    fused, other = (
        Trainer(paper_run("separation", 625, backend, **{"training.model_passes": 1}))
        for backend in ("auto", "eager")
    )
    model = TorchGRUNetwork(3, 100, 6, ensemble=1)
    with torch.no_grad():
        for name, weight in other.networks.model.weights().items():
            model.weights()[name].copy_(weight)
    other.networks = replace(other.networks, model=model)
    other.model_optimizer.parameters = list(model.weights().values())
    peak = peak_extra_memory(Trainer(fused.config).run_epoch)
    return compare(
        "separation round",
        fused.run_epoch,
        other.run_epoch,
        partial(agree, tolerance=TOLERANCE[setting]),
        shape="1 run, 21 x 50 x 10000 steps, GRU 100, MINE 100 on 500000",
        opponent_name="torch.nn.GRU, eager critic",
        notes={"authors": "226 s", "peak extra memory": f"{(peak or 0) / 1e9:.1f} GB"},
    )


def main(arguments: Sequence[str]) -> None:
    questions = {"working-memory": working_memory, "separation": separation}
    results = []
    with freed_memory_kept():
        for name in arguments or list(questions):
            for setting in TOLERANCE:
                with precision(setting):
                    results.append(questions[name](setting))
    save("training", results)


if __name__ == "__main__":
    main(sys.argv[1:])
