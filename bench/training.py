"""How long does the training take? An epoch of the working-memory study, a round of separation.

An epoch is ten passes of the critic and one of the model; a round is twenty steps of the critic and
one of the model, on 50 sequences of 10,000 steps. The paper's own code took 8.5 s and 226 s on two
cores of another machine.

Fused ops against plain PyTorch: for working memory the eager backend, for separation the eager
critic with the states of ``torch.nn.GRU`` (a Python loop over 10,000 steps would be no opponent).
On the CPU both sides draw the same keyed random numbers with the compiled generator, so that the
opponent is not slowed by these; on CUDA the eager side of working memory draws its own.

On CUDA 20 runs train at once too, where the opponents of separation train one after the other; 50
epochs or rounds are timed as they are; and ``bench/_breakdown.py`` says where the time goes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from midiff_fast.nn.network import GRUNetwork
from midiff_fast.nn.recurrent import Keep
from midiff_fast.runs import EpochMetrics, RunConfig
from midiff_fast.runs.choose import choose_config
from midiff_fast.runs.presets import preset
from midiff_fast.training import Trainer
from midiff_fast.training.trainer import passes_per_epoch

from ._breakdown import breakdown, study_hours
from ._command import run
from ._harness import Session, time_text
from ._timing import cudnn_tf32, peak_extra_memory, precision

# Relative difference of the task loss and absolute one of MI that one epoch's rounding makes.
TOLERANCE = {"highest": 1e-3, "high": 1e-2, "medium": 5e-2}
# Where the critic's first steps amplify more of it: the GPU sums in other orders, and a quick look
# has few samples.
TOLERANCE_CUDA = {"highest": 1e-2, "high": 5e-2}
QUICK_TOLERANCE = 5e-2
RUNS = (1, 20)
# Epochs or rounds that are timed in one go, and in a quick look.
CALLS, QUICK_CALLS = 50, 2
# In a quick look: little of everything.
QUICK = {"training.batch": 4, "training.transient": 20, "training.steps": 300}


def agree(ours: list[EpochMetrics], theirs: list[EpochMetrics], tolerance: float) -> None:
    """Raises if the two sides do not train the same networks, or ours others than the first."""
    for mine, other in zip(ours, theirs, strict=False):
        assert mine.epoch == other.epoch == 1
        assert abs(mine.task_loss / other.task_loss - 1.0) < tolerance, (mine, other)
        assert abs(mine.decay_loss / other.decay_loss - 1.0) < tolerance, (mine, other)
        assert abs(mine.mi_critic - other.mi_critic) < 10 * tolerance, (mine, other)


class TorchGRUNetwork(GRUNetwork):
    """The same network on torch.nn.GRU's own code."""

    def _run(self, input: Tensor, initial: Tensor, noise: Tensor | None, *, keep: Keep) -> Tensor:
        weights = [weight[0] for weight in self.recurrent_weights().values()]
        states, last = torch.gru(
            input[0], initial, weights, True, 1, 0.0, torch.is_grad_enabled(), False, True
        )  # one member: initial [1, B, N] is its h0
        return states[None] if keep == "all" else last


def paper_run(session: Session, study: str, runs: int, backend: str) -> RunConfig:
    """Runs of a study's paper preset; of separation, one of the rounds of an epoch."""
    values: dict[str, Any] = {
        "seeds": preset("paper", study)["seeds"][:runs],
        "compute.backend": backend,
    }
    if study == "separation":
        values["training.model_passes"] = 1
    if session.quick:
        values |= QUICK
    return choose_config("paper", settings=values, study=study)


def trainer_of(session: Session, config: RunConfig) -> Trainer:
    """A trainer on the session's device.

    Raises:
        RuntimeError: this version trains on the CPU only.
    """
    if session.device.type == "cpu":
        return Trainer(config)
    if "device" not in inspect.signature(Trainer).parameters:
        raise RuntimeError("Trainer takes no device: this version trains on the CPU only")
    place: dict[str, Any] = {"device": session.device}
    return Trainer(config, **place)


def with_torch_gru(session: Session) -> Trainer:
    """One run of separation with torch.nn.GRU's states and the eager critic."""
    trainer = trainer_of(session, paper_run(session, "separation", 1, "eager"))
    model = TorchGRUNetwork(3, 100, 6, ensemble=1).to(session.device)
    with torch.no_grad():
        for name, weight in trainer.networks.model.weights().items():
            model.weights()[name].copy_(weight)
    trainer.networks = replace(trainer.networks, model=model)
    trainer.model_optimizer.parameters = list(model.weights().values())
    return trainer


def tolerance_of(session: Session, setting: str) -> float:
    if session.quick:
        return QUICK_TOLERANCE
    return (TOLERANCE_CUDA if session.device.type == "cuda" else TOLERANCE)[setting]


def runs_text(runs: int) -> str:
    return "1 run" if runs == 1 else f"{runs} runs"


def shape_of(config: RunConfig) -> str:
    training = config.training
    parts = [
        runs_text(len(config.seeds)),
        f"{passes_per_epoch(training)} x {training.batch} x {training.transient + training.steps} "
        "steps",
        f"MINE {config.critic.hidden_size} on {training.batch * training.steps}",
    ]
    if config.model.cell == "gru":
        parts.insert(2, f"GRU {config.model.units}")
    return ", ".join(parts)


def working_memory(session: Session, setting: str, runs: int = 1) -> None:
    """An epoch."""
    fused, eager = (
        trainer_of(session, paper_run(session, "working-memory", runs, backend))
        for backend in ("auto", "eager")
    )
    session.compare(
        "working-memory epoch" if runs == 1 else f"working-memory epoch, {runs} runs",
        fused.run_epoch,
        eager.run_epoch,
        partial(agree, tolerance=tolerance_of(session, setting)),
        shape=shape_of(fused.config),
        notes={"authors": "8.5 s"} if runs == 1 else None,
    )


def separation(session: Session, setting: str, runs: int = 1) -> None:
    """Twenty steps of the critic and one of the model."""
    fused = trainer_of(session, paper_run(session, "separation", runs, "auto"))
    other = with_torch_gru(session)
    notes = {"authors": "226 s"} if runs == 1 else {}
    if session.device.type == "cpu":
        peak = peak_extra_memory(Trainer(fused.config).run_epoch)
        notes["peak extra memory"] = f"{(peak or 0) / 1e9:.1f} GB"
    tf32 = setting != "highest"
    opponent = "torch.nn.GRU, eager critic"
    if session.device.type == "cuda":
        opponent = f"cuDNN, TF32 {'on' if tf32 else 'off'}, eager critic"
    with cudnn_tf32(tf32):
        session.compare(
            "separation round" if runs == 1 else f"separation round, {runs} runs",
            fused.run_epoch,
            other.run_epoch,
            partial(agree, tolerance=tolerance_of(session, setting)),
            shape=shape_of(fused.config),
            opponent_name=opponent if runs == 1 else f"{opponent}, run by run",
            opponent_part=1 / runs,
            notes=notes,
        )


def at(
    question: Callable[[Session, str, int], None], settings: Sequence[str], runs: int = 1
) -> Callable[[Session], None]:
    """The question at each precision."""

    def ask(session: Session) -> None:
        for setting in settings:
            with precision(setting):
                question(session, setting, runs)

    return ask


def whole(session: Session, setting: str, runs: int) -> None:
    """Many epochs, and rounds, as they follow one another; and what a whole study comes to."""
    calls = QUICK_CALLS if session.quick else CALLS
    for study, what in (("working-memory", "epochs"), ("separation", "rounds")):
        trainer = trainer_of(session, paper_run(session, study, runs, "auto"))

        def train(trainer: Trainer = trainer) -> None:
            for _ in range(calls):
                trainer.run_epoch()

        trainer.run_epoch()  # warm
        title = f"{study}, {calls} {what}, {runs_text(runs)}"
        found = session.once(title, train, shape=shape_of(trainer.config))
        if session.quick:
            continue  # other shapes than the study's
        one = found.ours.median / calls
        paper = choose_config("paper", study=study).training
        hours = study_hours(paper, one, trainer.config.training)
        print(f"  {time_text(one)} each; the paper's {study} study: {hours:.3g} h", flush=True)


def parts(session: Session, setting: str, runs: int) -> None:
    """Where the time of an epoch, and of a round, goes."""
    for study, what in (("working-memory", "epoch"), ("separation", "round")):
        trainer = trainer_of(session, paper_run(session, study, runs, "auto"))
        title = f"{study} {what}, {runs_text(runs)}, {setting}"
        session.breakdowns.append(breakdown(session, title, trainer))


if __name__ == "__main__":
    run(
        "training",
        cpu={
            f"{name}, {setting}": at(question, [setting])
            for name, question in (("working-memory", working_memory), ("separation", separation))
            for setting in TOLERANCE
        },
        cuda={
            **{
                f"{name}, {runs_text(runs)}": at(question, list(TOLERANCE_CUDA), runs)
                for runs in RUNS
                for name, question in (
                    ("working-memory", working_memory),
                    ("separation", separation),
                    ("parts", parts),
                    ("whole", whole),
                )
            }
        },
    )
