"""Where the time of training goes: each part of a pass timed by itself, times how often it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from midiff_fast.runs import TrainingConfig
from midiff_fast.training import Trainer
from midiff_fast.training.steps import model_step, mutual_information, run_model
from midiff_fast.training.trainer import passes_per_epoch

from ._harness import Breakdown, Session, time_text
from ._timing import Timing, call, in_turns

# A pass that training itself does not come to.
PASS = 1_000_000


def study_hours(
    paper: TrainingConfig, seconds: float, timed: TrainingConfig | None = None
) -> float:
    """Hours of the paper's study, from the seconds of an epoch as ``timed``.

    A pass of the pretraining takes the mean pass of an epoch.
    """
    per_pass = seconds / passes_per_epoch(timed or paper)
    return per_pass * (paper.critic_pretraining + paper.epochs * passes_per_epoch(paper)) / 3600


def breakdown(session: Session, title: str, trainer: Trainer) -> Breakdown:
    """The parts of an epoch and the rest of it: Python between them, metrics, checks."""
    training = trainer.config.training
    networks = trainer.networks
    critic, transient = networks.critic, training.transient
    if critic is None:
        raise ValueError("trainer: expected members with a critic, got none")
    device = session.device
    seeds = torch.tensor([member.seed for member in trainer.members], device=device)
    steps = transient + training.steps
    sequences = trainer.draws.sequences(PASS, from_rest=False)
    samples = trainer.draws.samples(PASS)
    with torch.no_grad():
        states = run_model(networks.model, sequences, transient)

    def forward() -> None:
        with torch.no_grad():
            run_model(networks.model, sequences, transient)

    def mine() -> tuple[torch.Tensor, ...]:
        bound = mutual_information(networks, states, samples, frozen=False)
        return torch.autograd.grad(-bound.sum(), trainer.critic_optimizer.parameters)

    gradients = mine()

    def model() -> None:
        model_step(
            networks,
            trainer.model_optimizer,
            trainer.task,
            sequences,
            samples,
            transient,
            trainer.mi_weight,
            training.weight_decay,
        )

    def seconds(action: Callable[[], Any]) -> float:
        call(action, device)
        _, length, _ = call(action, device)
        share = session.seconds / 4
        (blocks,) = in_turns([(action, length > share / 4)], share)
        return Timing.of("", blocks).median

    signals = seconds(lambda: trainer.task.draw(seeds, PASS, training.batch, steps))
    every = seconds(lambda: trainer.draws.sequences(PASS, from_rest=False))
    drawn = seconds(lambda: trainer.draws.samples(PASS))
    whole = seconds(trainer.run_epoch)
    rounds = training.model_passes
    passes, critics = passes_per_epoch(training), rounds * training.critic_steps
    parts = {
        "signals": passes * signals,
        "noise and permutations": passes * (max(every - signals, 0.0) + drawn),
        "forward": critics * seconds(forward),
        "MINE": critics * seconds(mine),
        "model step": rounds * seconds(model),
        "critic's optimiser": critics * seconds(lambda: trainer.critic_optimizer.step(gradients)),
    }
    parts["the rest"] = max(whole - sum(parts.values()), 0.0)
    told = ", ".join(f"{name} {time_text(value)}" for name, value in parts.items())
    print(f"{title}: {time_text(whole)}: {told}", flush=True)
    return Breakdown(title, parts)
