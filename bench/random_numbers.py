"""Keyed normals, against torch's own generator: a working-memory epoch draws 44 million."""

from __future__ import annotations

import torch
from torch import Tensor

from midiff_fast.ops import random

from ._command import run
from ._harness import Session

# State noise of one pass: batch, steps, units (Tomoda et al. 2025, working memory).
SIZE = (20, 3000, 40)
SAMPLES = 40_000


def same_distribution(ours: Tensor, theirs: Tensor) -> None:
    """The two draw different numbers: mean and variance agree to five standard errors."""
    error = 5 / ours.numel() ** 0.5
    for numbers in (ours, theirs):
        assert abs(numbers.mean()) < error
        assert abs(numbers.var() - 1) < error * 2**0.5


def normals(session: Session) -> None:
    seeds = torch.tensor([1001], device=session.device)
    numbers = 4.0 * torch.Size(SIZE).numel()  # bytes
    session.compare(
        "normals",
        lambda: random.normal(seeds, 5, 0, SIZE, backend="fused"),
        lambda: torch.randn(1, *SIZE, device=session.device),
        same_distribution,
        shape=" x ".join(map(str, SIZE)),
        opponent_name="torch.randn",
        limit=session.gpu.traffic(numbers) if session.gpu else None,
    )


def permutations(session: Session) -> None:
    seeds = torch.tensor([1001], device=session.device)
    session.compare(
        "permutation",
        lambda: random.permutation(seeds, 8, 0, SAMPLES, backend="fused"),
        lambda: torch.randperm(SAMPLES, device=session.device)[None],
        lambda ours, theirs: torch.testing.assert_close(ours.sort().values, theirs.sort().values),
        shape=f"{SAMPLES:,}",
        opponent_name="torch.randperm",
    )


if __name__ == "__main__":
    questions = {"normals": normals, "permutations": permutations}
    run("random_numbers", cpu=questions, cuda=questions)
