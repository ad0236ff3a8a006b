"""GRU at the paper's separation shape: fused against torch.nn.GRU, in float32.

On CUDA torch.nn.GRU is cuDNN's, here with TF32 off and on; plain PyTorch, a step at a time or some
steps compiled, does a part of the steps. An ensemble meets cuDNN one member after the other, since
that has no weights for each run.

T = 10,000 takes some 4 GB for the opponent's backward pass; MIDIFF_BENCH_STEPS=1000 makes do with
less of both.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch import Tensor

from midiff_fast import functional

from . import _limits
from ._command import run
from ._harness import Session
from ._limits import Limit
from ._recurrent import ACCURATE, TF32, Passes, Shape, close, compare_passes, in_chunks, sweep
from ._timing import Action, cudnn_tf32

# Batch, steps, inputs and units (Tomoda et al. 2025, chaotic signal separation).
BATCH, INPUTS, UNITS = 50, 3, 100
STEPS = int(os.environ.get("MIDIFF_BENCH_STEPS", "10000"))
QUICK_STEPS = 100
# Of the steps, those that plain PyTorch does.
PART = 0.1
TARGET = "0.4 µs a step each way, 2.5x cuDNN"

# The sequences of 20 runs, cut short: the time of a step is what is asked for.
RUNS, RUNS_STEPS = 20, 2000
RUNS_TARGET = "2 µs a step"

SWEEP_STEPS = 1000
SWEEP: dict[str, list[int]] = {
    "units N": [16, 32, 64, 100, 128, 200],
    "batch B": [1, 10, 50, 100, 200, 500, 1000],
    "ensemble E": [1, 2, 5, 10, 20],
}
QUICK_SWEEP = {"units N": [16, 100], "batch B": [1, 50], "ensemble E": [1, 2]}


def make(
    device: torch.device, shape: Shape, steps: int
) -> tuple[Passes, Passes, list[torch.nn.GRU], Tensor]:
    """Fused for the ensemble, torch.nn.GRU for one member after the other, and what both run on."""
    torch.manual_seed(0)
    modules = [torch.nn.GRU(INPUTS, shape.units, batch_first=True) for _ in range(shape.members)]
    weights = [
        torch.stack([module.get_parameter(name).detach() for module in modules]).to(device)
        for name, _ in modules[0].named_parameters()
    ]
    for module in modules:
        module.to(device)
    for weight in weights:
        weight.requires_grad_()
    size = (shape.members, shape.batch, steps)
    generator = torch.Generator().manual_seed(0)
    input = (torch.rand(*size, INPUTS, generator=generator) * 2).to(device)
    upstream = torch.randn(*size, shape.units, generator=generator).to(device)
    h0 = torch.zeros(shape.batch, shape.units, device=device)

    def fused() -> Tensor:
        return functional.gru(input, h0, *weights, backend="fused")

    def of_torch() -> list[Tensor]:
        for module in modules:
            module.train(torch.is_grad_enabled())  # without, nothing is kept for a backward pass
        return [module(own)[0] for module, own in zip(modules, input, strict=True)]

    parameters = [weight for module in modules for weight in module.parameters()]
    ours = Passes(fused, weights, upstream)
    return ours, Passes(of_torch, parameters, list(upstream)), modules, input


def steps_of(drive: Tensor, state: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """States [T, B, H] for the drive [T, B, 3H] of these steps; weight [H, 3H]."""
    states = []
    for drive_now in drive.unbind(0):
        input_r, input_z, input_n = drive_now.chunk(3, dim=1)
        state_r, state_z, state_n = torch.addmm(bias, state, weight).chunk(3, dim=1)
        update = torch.sigmoid(input_z + state_z)
        candidate = torch.tanh(input_n + torch.sigmoid(input_r + state_r) * state_n)
        state = torch.lerp(candidate, state, update)
        states.append(state)
    return torch.stack(states)


def eager_states(
    module: torch.nn.GRU, input: Tensor, chunk: Callable[..., Tensor] | None = None
) -> Tensor:
    """States [B, T, H] of one network by ``steps_of``, or by its compiled form ``chunk``."""
    weight_ih, weight_hh, bias_ih, bias_hh = module.parameters()
    drive = torch.nn.functional.linear(input, weight_ih, bias_ih).transpose(0, 1)
    state = input.new_zeros(input.shape[0], module.hidden_size)
    if chunk is None:
        return steps_of(drive, state, weight_hh.T, bias_hh).transpose(0, 1)
    return in_chunks(chunk, drive, state, weight_hh.T, bias_hh).transpose(0, 1)


def limits_of(session: Session, steps: int, sequences: int = BATCH) -> dict[str, Limit | None]:
    forward, backward = (
        _limits.gru(
            session.gpu, which, sequences=sequences, steps=steps, inputs=INPUTS, units=UNITS
        )
        for which in ("forward", "backward")
    )
    both = _limits.both(forward, backward)
    return {"forward": forward, "backward": backward, "forward + backward": both}


def steps_for(session: Session, steps: int = STEPS) -> int:
    return QUICK_STEPS if session.quick else steps


def of_torch(session: Session) -> None:
    steps = steps_for(session)
    ours, opponent, *_ = make(session.device, Shape(UNITS, BATCH), steps)
    compare_passes(
        session,
        "GRU",
        ours,
        opponent,
        ["forward", "forward + backward"],
        {},
        shape=f"{BATCH} x {steps} x {UNITS}",
        opponent_name="torch.nn.GRU",
    )


def cudnn(session: Session) -> None:
    steps = steps_for(session)
    for tf32 in (False, True):
        with cudnn_tf32(tf32):
            ours, opponent, *_ = make(session.device, Shape(UNITS, BATCH), steps)
            compare_passes(
                session,
                "GRU",
                ours,
                opponent,
                ["forward", "backward", "forward + backward"],
                limits_of(session, steps),
                tolerance=TF32 if tf32 else ACCURATE,
                shape=f"{BATCH} x {steps} x {UNITS}",
                steps=steps,
                opponent_name=f"cuDNN, TF32 {'on' if tf32 else 'off'}",
                notes={"target": TARGET},
            )


def against_part(
    session: Session, opponent_name: str, chunk: Callable[..., Tensor] | None = None
) -> None:
    """Against plain PyTorch on the first steps; fused is checked on these and timed on all."""
    steps = steps_for(session)
    ours, _, (module,), input = make(session.device, Shape(UNITS, BATCH), steps)
    part = int(PART * steps)
    first, upstream = input[:, :, :part], ours.upstream[0][None, :, :part]
    h0 = input.new_zeros(BATCH, UNITS)
    short = Passes(
        lambda: functional.gru(first, h0, *ours.weights, backend="fused"), ours.weights, upstream
    )
    opponent = Passes(
        lambda: [eager_states(module, first[0], chunk)], list(module.parameters()), list(upstream)
    )
    limits = limits_of(session, steps)
    for name in ("forward", "forward + backward"):
        session.compare(
            f"GRU, {name}",
            ours.of(name),
            opponent.of(name),
            on_part(short.of(name)),
            shape=f"{BATCH} x {steps} x {UNITS}",
            opponent_name=opponent_name,
            opponent_part=part / steps,
            steps=steps,
            limit=limits[name],
        )


def on_part(ours: Action) -> Callable[[object, list[Tensor]], None]:
    """A check of the opponent against ``ours()``, which does the opponent's part."""
    return lambda _, theirs: close()(ours(), theirs)


def eager(session: Session) -> None:
    against_part(session, "eager")


def compiled(session: Session) -> None:
    torch.compiler.reset()
    against_part(session, "eager, torch.compile", torch.compile(steps_of, dynamic=False))


def runs(session: Session) -> None:
    """The sequences of 20 runs at once."""
    steps = steps_for(session, RUNS_STEPS)
    with cudnn_tf32(True):  # as torch has it
        ours, opponent, *_ = make(session.device, Shape(UNITS, BATCH, RUNS), steps)
        compare_passes(
            session,
            f"GRU, {RUNS} runs",
            ours,
            opponent,
            ["forward", "backward", "forward + backward"],
            limits_of(session, steps, sequences=RUNS * BATCH),
            tolerance=TF32,
            shape=f"{RUNS} x {BATCH} x {steps} x {UNITS}",
            steps=steps,
            opponent_name="cuDNN, TF32 on, run by run",
            notes={"target": RUNS_TARGET},
        )


def shapes(session: Session) -> None:
    steps = steps_for(session, SWEEP_STEPS)
    with cudnn_tf32(True):
        sweep(
            session,
            Shape(UNITS, BATCH),
            QUICK_SWEEP if session.quick else SWEEP,
            lambda shape: make(session.device, shape, steps)[:2],
            lambda shape: (
                limits_of(session, steps, sequences=shape.batch * shape.members)
                if shape.units == _limits.GRU_UNITS
                else {}
            ),
            steps=steps,
            opponent_name="cuDNN, TF32 on",
            tolerance=TF32,
        )


if __name__ == "__main__":
    run(
        "gru",
        cpu={"torch": of_torch},
        cuda={
            "cudnn": cudnn,
            "eager": eager,
            "compiled": compiled,
            "runs": runs,
            "sweep": shapes,
        },
    )
