"""Leaky RNN at the paper's working-memory shape: fused against PyTorch as fast as it will go.

The opponent is written for this shape, not for generality: one input product for all steps, no
ensemble axis, three calls a step, all views made ahead of the loop, and in place where no gradient
is wanted. torch.compile unrolls a loop over time and does not get through 3,000 steps: on CUDA it
gets some steps at a time, and the whole loop also runs as one CUDA graph. cuDNN has no leaky cell:
Elman's RNN, which is α = 1, meets ``torch.nn.RNN``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from midiff_fast import functional
from midiff_fast.nn import RNN

from . import _limits
from ._command import run
from ._harness import Session
from ._limits import Limit
from ._recurrent import (
    ACCURATE,
    TF32,
    Passes,
    Shape,
    captured,
    close,
    compare_passes,
    in_chunks,
    sweep,
)
from ._timing import cudnn_tf32

# Batch, transient + learned steps, inputs, units, and α (Tomoda et al. 2025, working memory).
BATCH, STEPS, INPUTS, UNITS = 20, 3000, 4, 40
ALPHA = 0.1
QUICK_STEPS = 100
TARGET = "0.15 µs a step forward, 0.2 µs backward, 60x eager"

SWEEP_STEPS = 1000
SWEEP: dict[str, list[int]] = {
    "units N": [16, 32, 40, 64, 100, 128, 200, 256],
    "batch B": [1, 4, 20, 64, 128, 256, 512, 1024],
    "ensemble E": [1, 2, 5, 10, 20, 50],
}
QUICK_SWEEP = {"units N": [16, 40], "batch B": [1, 20], "ensemble E": [1, 2]}


class Case(NamedTuple):
    """Arguments of one pass; the weights require gradients."""

    input: Tensor  # [B, T, I]
    h0: Tensor  # [B, N]
    weight_ih: Tensor  # [N, I]
    weight_hh: Tensor  # [N, N]
    bias: Tensor  # [N]
    noise: Tensor  # [B, T, N]

    def weights(self) -> list[Tensor]:
        return [self.weight_ih, self.weight_hh, self.bias]


def make(device: torch.device, steps: int = STEPS) -> Case:
    generator = torch.Generator().manual_seed(0)

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator).to(device)

    return Case(
        (normal(BATCH, steps, INPUTS) > 1).float(),
        normal(BATCH, UNITS),
        (normal(UNITS, INPUTS) * 0.2).requires_grad_(),
        (normal(UNITS, UNITS) / UNITS**0.5).requires_grad_(),
        (normal(UNITS) * 0.1).requires_grad_(),
        normal(BATCH, steps, UNITS) * 0.1,
    )


def drive_of(case: Case) -> Tensor:
    """Everything in a step that does not depend on the state: [T, B, N]."""
    drive = torch.addmm(
        ALPHA * case.bias,
        case.input.transpose(0, 1).reshape(-1, INPUTS),
        (ALPHA * case.weight_ih).T,
    )
    return drive.view(-1, BATCH, UNITS) + case.noise.transpose(0, 1)


def eager_in_place(case: Case) -> Tensor:
    """States [B, T, N] without gradients: each is made where it stays."""
    states = drive_of(case)
    weight = (ALPHA * case.weight_hh).T.contiguous()
    rates = torch.empty_like(case.h0)
    before = case.h0
    for state in states.unbind(0):
        torch.tanh(before, out=rates)
        state.add_(before, alpha=1 - ALPHA).addmm_(rates, weight)
        before = state
    return states.transpose(0, 1)


def steps_of(drive: Tensor, state: Tensor, weight: Tensor) -> Tensor:
    """States [T, B, N] for the drive [T, B, N] of these steps."""
    states = []
    for drive_now in drive.unbind(0):
        leak = torch.add(drive_now, state, alpha=1 - ALPHA)
        state = torch.addmm(leak, torch.tanh(state), weight)
        states.append(state)
    return torch.stack(states)


def eager_with_gradients(case: Case) -> Tensor:
    """States [B, T, N] with gradients."""
    return steps_of(drive_of(case), case.h0, (ALPHA * case.weight_hh).T).transpose(0, 1)


def in_compiled_chunks(case: Case, chunk: Callable[..., Tensor]) -> Tensor:
    """States [B, T, N], by a compiled ``steps_of``."""
    weight = (ALPHA * case.weight_hh).T
    return in_chunks(chunk, drive_of(case), case.h0, weight).transpose(0, 1)


def fused(case: Case) -> Tensor:
    return functional.leaky_rnn(
        case.input,
        case.h0,
        case.weight_ih,
        case.weight_hh,
        case.bias,
        ALPHA,
        case.noise,
        backend="fused",
    )


def limits_of(session: Session, steps: int, sequences: int = BATCH) -> dict[str, Limit | None]:
    forward, backward = (
        _limits.leaky(
            session.gpu, which, sequences=sequences, steps=steps, inputs=INPUTS, units=UNITS
        )
        for which in ("forward", "backward")
    )
    both = _limits.both(forward, backward)
    return {"forward": forward, "backward": backward, "forward + backward": both}


class Sides:
    """A case of the session's length, ours and what is said of it."""

    def __init__(self, session: Session) -> None:
        self.steps = QUICK_STEPS if session.quick else STEPS
        self.case = make(session.device, self.steps)
        generator = torch.Generator().manual_seed(1)
        upstream = torch.randn(BATCH, self.steps, UNITS, generator=generator)
        self.upstream = upstream.to(session.device)
        self.ours = self.passes(fused)
        self.limits = limits_of(session, self.steps)
        self.shape = f"{BATCH} x {self.steps} x {UNITS}"

    def passes(self, states: Callable[[Case], Tensor]) -> Passes:
        return Passes(lambda: states(self.case), self.case.weights(), self.upstream)


def eager(session: Session) -> None:
    sides = Sides(session)
    on_gpu = session.device.type == "cuda"
    told: dict[str, Any] = {
        "shape": sides.shape,
        "steps": sides.steps if on_gpu else None,
        "notes": {"target": TARGET} if on_gpu else None,
    }
    without = sides.passes(eager_in_place)
    compare_passes(session, "leaky RNN", sides.ours, without, ["forward"], sides.limits, **told)
    names = ["backward", "forward + backward"] if on_gpu else ["forward + backward"]
    with_gradients = sides.passes(eager_with_gradients)
    compare_passes(session, "leaky RNN", sides.ours, with_gradients, names, sides.limits, **told)


def compiled(session: Session) -> None:
    sides = Sides(session)
    torch.compiler.reset()
    chunk = torch.compile(steps_of, dynamic=False)
    compare_passes(
        session,
        "leaky RNN",
        sides.ours,
        sides.passes(lambda case: in_compiled_chunks(case, chunk)),
        ["forward", "forward + backward"],
        sides.limits,
        shape=sides.shape,
        steps=sides.steps,
        opponent_name="eager, torch.compile",
    )


def graph(session: Session) -> None:
    sides = Sides(session)
    opponents = {
        "forward": sides.passes(eager_in_place).forward,
        "forward + backward": sides.passes(eager_with_gradients).both,
    }
    for name, action in opponents.items():
        session.compare(
            f"leaky RNN, {name}",
            sides.ours.of(name),
            captured(action),
            close(),
            shape=sides.shape,
            steps=sides.steps,
            limit=sides.limits[name],
            opponent_name="eager, one CUDA graph",
        )


def elman(device: torch.device, shape: Shape, steps: int) -> tuple[Passes, Passes]:
    """Elman's RNN, fused for the ensemble, and by torch.nn.RNN for one member after the other."""
    torch.manual_seed(0)
    modules = [torch.nn.RNN(INPUTS, shape.units, batch_first=True) for _ in range(shape.members)]
    ours = RNN(INPUTS, shape.units, batch_first=True, ensemble=shape.members, backend="fused")
    with torch.no_grad():
        for name, weight in ours.named_parameters():
            weight.copy_(torch.stack([module.get_parameter(name) for module in modules]))
    ours.to(device)
    for module in modules:
        module.to(device)
    input = torch.randn(shape.members, shape.batch, steps, INPUTS).to(device)
    upstream = torch.randn(shape.members, shape.batch, steps, shape.units).to(device)

    def of_torch() -> list[Tensor]:
        for module in modules:
            module.train(torch.is_grad_enabled())  # without, nothing is kept for a backward pass
        return [module(own)[0] for module, own in zip(modules, input, strict=True)]

    parameters = [weight for module in modules for weight in module.parameters()]
    theirs = Passes(of_torch, parameters, list(upstream))
    return Passes(lambda: ours(input)[0], list(ours.parameters()), upstream), theirs


def cudnn(session: Session) -> None:
    steps = QUICK_STEPS if session.quick else STEPS
    shape = Shape(UNITS, BATCH)
    for tf32 in (False, True):
        with cudnn_tf32(tf32):
            ours, opponent = elman(session.device, shape, steps)
            compare_passes(
                session,
                "Elman's RNN",
                ours,
                opponent,
                ["forward", "backward", "forward + backward"],
                limits_of(session, steps),
                tolerance=TF32 if tf32 else ACCURATE,
                shape=f"{BATCH} x {steps} x {UNITS}",
                steps=steps,
                ours_name="fused, α = 1",
                opponent_name=f"cuDNN, TF32 {'on' if tf32 else 'off'}",
            )


def shapes(session: Session) -> None:
    steps = QUICK_STEPS if session.quick else SWEEP_STEPS
    with cudnn_tf32(True):  # as torch has it
        sweep(
            session,
            Shape(UNITS, BATCH),
            QUICK_SWEEP if session.quick else SWEEP,
            lambda shape: elman(session.device, shape, steps),
            lambda shape: (
                limits_of(session, steps, sequences=shape.batch * shape.members)
                if shape.units == _limits.LEAKY_UNITS
                else {}
            ),
            steps=steps,
            opponent_name="cuDNN, TF32 on",
            tolerance=TF32,
        )


if __name__ == "__main__":
    run(
        "leaky",
        cpu={"eager": eager},
        cuda={
            "eager": eager,
            "compiled": compiled,
            "graph": graph,
            "cudnn": cudnn,
            "sweep": shapes,
        },
    )
