"""Random numbers, trajectories and the tasks' signals: the GPU makes those of the CPU."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from midiff_fast.functional import trajectories
from midiff_fast.ops import random
from midiff_fast.tasks.build import build_task

COUNTS = [0, 1, 3, 4, 1023, 40_000]


def seeds(device: str) -> Tensor:
    return torch.tensor([3, -(2**40), 2**62 + 1], device=device)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_uniforms_to_the_bit(count: int, dtype: torch.dtype) -> None:
    on_gpu, on_cpu = (
        random.uniform(seeds(d), 3, 7, (count,), dtype=dtype) for d in ("cuda", "cpu")
    )
    assert on_gpu.is_cuda
    assert torch.equal(on_gpu.cpu(), on_cpu)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 1e-13)])
def test_normals_to_rounding(count: int, dtype: torch.dtype, tolerance: float) -> None:
    on_gpu, on_cpu = (
        random.normal(seeds(d), 3, 7, (count,), std=1.0, dtype=dtype) for d in ("cuda", "cpu")
    )
    torch.testing.assert_close(on_gpu.cpu(), on_cpu, rtol=0.0, atol=tolerance)


@pytest.mark.parametrize("count", [*COUNTS, 500_000])
def test_permutations_to_the_bit(count: int) -> None:
    on_gpu, on_cpu = (random.permutation(seeds(d), 8, 1, count) for d in ("cuda", "cpu"))
    assert torch.equal(on_gpu.cpu(), on_cpu)


def test_random_numbers_in_a_graph() -> None:
    keys = seeds("cuda")
    random.normal(keys, 3, 7, (1000,))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = random.normal(keys, 3, 7, (1000,))
    keys.add_(1)
    graph.replay()
    assert torch.equal(captured, random.normal(keys, 3, 7, (1000,)))


@pytest.mark.parametrize("system", ["lorenz", "rossler"])
def test_trajectories_to_the_bit(system: str) -> None:
    start = 1.0 + torch.rand(67, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    on_cpu = trajectories(system, start, 0.02, 2000, first=100)
    on_gpu = trajectories(system, start.cuda(), 0.02, 2000, first=100)
    for got, wanted in zip(on_gpu, on_cpu, strict=True):
        assert got.is_cuda
        assert torch.equal(got.cpu(), wanted)


def test_a_diverging_trajectory_is_named() -> None:
    start = torch.full((2, 3), 1e200, dtype=torch.float64, device="cuda")
    with pytest.raises(RuntimeError, match="the lorenz system with parameters"):
        trajectories("lorenz", start, 0.02, 100)


@pytest.mark.parametrize("study", ["working-memory", "separation", "sinusoids", "rossler"])
def test_tasks_make_the_same_signals(study: str) -> None:
    task = build_task(study, {})
    on_cpu = task.draw(torch.tensor([5, 6]), 3, 2, 300)
    on_gpu = task.draw(torch.tensor([5, 6], device="cuda"), 3, 2, 300)
    for got, wanted in zip(on_gpu, on_cpu, strict=True):
        assert got.is_cuda
        torch.testing.assert_close(got.cpu(), wanted, rtol=0.0, atol=1e-6)
