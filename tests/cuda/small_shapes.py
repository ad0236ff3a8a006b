"""Every op, forward and backward, at shapes so small that a sanitizer gets through them.

    compute-sanitizer --tool memcheck python3 -m tests.cuda.small_shapes

One shape for every kernel that a size can choose, in float32 and float64.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from midiff_fast.functional import trajectories
from midiff_fast.ops import random
from midiff_fast.ops.gru import gru
from midiff_fast.ops.leaky import leaky_rnn
from midiff_fast.training import Adam, RMSprop
from tests.ops import gru_cases, leaky_cases, mine_cases

DTYPES = (torch.float32, torch.float64)
# E, B, T, I, N.
LEAKY = [
    (2, 3, 5, 3, 13),
    (1, 2, 9, 2, 30),
    (2, 3, 9, 4, 40),
    (1, 2, 5, 2, 64),
    (1, 2, 5, 7, 100),
    (1, 2, 3, 3, 200),
    (1, 1, 3, 3, 300),
]
GRU = [
    (2, 3, 5, 3, 13),
    (1, 2, 9, 3, 60),
    (2, 5, 5, 3, 100),
    (1, 140, 3, 3, 13),  # more sequences than multiprocessors: several a block
    (1, 140, 3, 3, 100),
    (1, 2, 5, 7, 110),
    (1, 1, 3, 3, 200),
]
# E, S, A, B, H: a part of a tile, two tiles of units, several blocks of samples, two of inputs.
MINE = [(2, 70, 5, 17, 33), (1, 40, 3, 2, 130), (1, 600, 20, 20, 40), (1, 300, 60, 60, 130)]
# Of a critic that is narrow and of one that is not.
MINE_KINDS = (MINE[0], MINE[3])
# Elements of a weight: a part of a block's share, one share, two.
WEIGHTS = (7, 1024, 1025)

ONLY_ON_CUDA = {"rmsprop_step", "adam_step"}


def leaky(shape: tuple[int, ...], dtype: torch.dtype, device: str) -> list[Tensor]:
    moved = (t.to(device, dtype) for t in leaky_cases.make(*shape).tensors())
    arguments = leaky_cases.Arguments(*moved).with_gradients()
    states = leaky_rnn(*arguments[:5], 0.1, arguments.noise, backend="fused")
    with torch.no_grad():
        last = leaky_rnn(*arguments[:5], 0.1, arguments.noise, keep="last", backend="fused")
    return [states, last, *torch.autograd.grad(states.square().sum(), arguments.tensors())]


def gated(shape: tuple[int, ...], dtype: torch.dtype, device: str) -> list[Tensor]:
    moved = (t.to(device, dtype) for t in gru_cases.make(*shape))
    arguments = gru_cases.Arguments(*moved).with_gradients()
    states = gru(*arguments, backend="fused")
    with torch.no_grad():
        last = gru(*arguments, keep="last", backend="fused")
    return [states, last, *torch.autograd.grad(states.square().sum(), arguments)]


def mine(shape: tuple[int, ...], dtype: torch.dtype, device: str, marginal: bool) -> list[Tensor]:
    case = mine_cases.make(*shape, marginal=marginal, noise=marginal).to(dtype).on(device)
    mi, gradients = case.information_and_gradients("fused")
    return [mi, *gradients.values()]


def signals(device: str) -> list[Tensor]:
    seeds = torch.tensor([3, -(2**40)], device=device)
    start = torch.full((5, 3), 1.5, dtype=torch.float64, device=device)
    made = [random.permutation(seeds, 8, 1, 300, backend="fused")]
    for dtype in DTYPES:
        made.append(random.uniform(seeds, 3, 7, (101,), dtype=dtype, backend="fused"))
        made.append(random.normal(seeds, 3, 7, (101,), dtype=dtype, backend="fused"))
    for system in ("lorenz", "rossler"):
        made.append(trajectories(system, start, 0.02, 20, first=3, backend="fused"))
    return made


def steps(dtype: torch.dtype, device: str) -> list[Tensor]:
    made: list[Tensor] = []
    for kind in (RMSprop, Adam):
        weights = [torch.ones(2, size, dtype=dtype, device=device) for size in WEIGHTS]
        for clip in (None, 1.0):
            optimizer = kind(weights, 0.01, clip_norm=clip, clip_value=clip)
            optimizer.step([0.1 * weight for weight in weights])
        made += weights
    return made


def every_op(device: str) -> list[Tensor]:
    """What all ops make of all shapes, on "cuda" or "cpu"."""
    made = signals(device)
    for dtype in DTYPES:
        for shape in LEAKY:
            made += leaky(shape, dtype, device)
        for shape in GRU:
            made += gated(shape, dtype, device)
        for shape in MINE:
            made += mine(shape, dtype, device, marginal=False)
        made += steps(dtype, device)
    before = torch.get_float32_matmul_precision()
    try:
        for shape in MINE_KINDS:
            made += mine(shape, torch.float32, device, marginal=True)
        torch.set_float32_matmul_precision("high")
        for shape in MINE_KINDS:
            for marginal in (False, True):
                made += mine(shape, torch.float32, device, marginal=marginal)
    finally:
        torch.set_float32_matmul_precision(before)
    return made


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.cuda.small_shapes", description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    made = every_op(parser.parse_args().device)
    lost = [tuple(tensor.shape) for tensor in made if not bool(tensor.isfinite().all())]
    if lost:
        raise SystemExit(f"not finite: tensors of shapes {lost}")
    print(f"{len(made)} results, all finite")


if __name__ == "__main__":
    main()
