"""The GRU gives the same bits however it is run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from midiff_fast import _load
from midiff_fast.ops.gru import gru
from tests.ops.gru_cases import Arguments, make
from tests.ops.test_gru import relative, states_and_gradients

pytestmark = pytest.mark.skipif(not _load.available, reason=_load.reason)

SHAPES = [(3, 34, 70, 4, 40), (2, 13, 40, 3, 17), (1, 7, 33, 2, 100), (4, 1, 5, 1, 1)]
DTYPES = [torch.float32, torch.float64]


@pytest.fixture(autouse=True)
def _restore_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def everything(arguments: Arguments) -> list[Tensor]:
    states, gradients = states_and_gradients(arguments, "fused")
    return [states, *gradients]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_threads_and_repetition(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    arguments = make(*shape, dtype=dtype)
    torch.set_num_threads(1)
    once = everything(arguments)
    for threads in (1, 2, 3, 7):
        torch.set_num_threads(threads)
        again = everything(arguments)
        assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True)), threads


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_member_alone_and_in_an_ensemble(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    arguments = make(*shape, dtype=dtype)
    grad = torch.randn(*shape[:3], shape[4], generator=torch.Generator().manual_seed(2)).to(dtype)
    together = _with_gradient(arguments, grad)
    for index in range(shape[0]):
        alone = _with_gradient(arguments.member(index), grad[index : index + 1])
        assert all(torch.equal(a[index], b[0]) for a, b in zip(together, alone, strict=True))


def _with_gradient(arguments: Arguments, grad: Tensor) -> list[Tensor]:
    arguments = arguments.with_gradients()
    states = gru(*arguments, backend="fused")
    return [states.detach(), *torch.autograd.grad(states, arguments, grad)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_sequence_does_not_depend_on_its_neighbours(dtype: torch.dtype) -> None:
    """Every batch size from 1 to 12 gives the first sequence the same states and gradients."""
    arguments = make(1, 12, 25, 4, 23, dtype=dtype)
    grad = torch.randn(1, 12, 25, 23, generator=torch.Generator().manual_seed(2)).to(dtype)
    input, h0, *weights = arguments
    of_sequence = [0, 1, 2]  # states, and gradients of input and h0
    all_twelve = _with_gradient(arguments, grad)
    for batch in range(1, 12):
        part = Arguments(input[:, :batch], h0[:, :batch], *weights)
        results = _with_gradient(part, grad[:, :batch])
        assert all(torch.equal(all_twelve[i][:, :batch], results[i]) for i in of_sequence)


SCRIPT = """
import sys, torch
from midiff_fast import _load
from midiff_fast.ops.gru import gru
from tests.ops.gru_cases import make
from tests.ops.test_gru import states_and_gradients
results = []
for dtype in (torch.float32, torch.float64):
    for shape in [(2, 11, 30, 4, 40), (1, 3, 9, 2, 7), (1, 6, 12, 3, 70)]:
        states, gradients = states_and_gradients(make(*shape, dtype=dtype), "fused")
        results.append([states, *gradients])
torch.save((_load.build_info()["instruction_set"], results), sys.argv[1])
"""


def _run_with(instruction_set: str, folder: Path) -> tuple[str, list[list[Tensor]]]:
    file = folder / f"{instruction_set}.pt"
    root = Path(__file__).parents[2]
    environment = {**os.environ, "MIDIFF_CPU": instruction_set, "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", SCRIPT, str(file)], check=True, env=environment, cwd=root)
    return torch.load(file, weights_only=True)


def test_instruction_sets_agree(tmp_path: Path) -> None:
    name, wanted = _run_with("baseline", tmp_path)
    assert name == "baseline"
    for instruction_set in ("avx2", "avx512"):
        name, results = _run_with(instruction_set, tmp_path)
        if name != instruction_set:
            continue  # this processor lacks it
        for got, want in zip(results, wanted, strict=True):
            limit = 3e-6 if want[0].dtype == torch.float32 else 1e-13
            assert all(relative(a, b) < limit for a, b in zip(got, want, strict=True))
