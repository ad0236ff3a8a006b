"""Keyed normals, against torch's own generator: a working-memory epoch draws 44 million."""

from __future__ import annotations

import torch
from torch import Tensor

from bench._harness import Comparison, compare, save
from midiff_fast.ops import random

# State noise of one pass: batch, steps, units (Tomoda et al. 2025, working memory).
SIZE = (20, 3000, 40)


def same_distribution(ours: Tensor, theirs: Tensor) -> None:
    """The two draw different numbers: mean and variance agree to five standard errors."""
    error = 5 / ours.numel() ** 0.5
    for numbers in (ours, theirs):
        assert abs(numbers.mean()) < error
        assert abs(numbers.var() - 1) < error * 2**0.5


def main() -> list[Comparison]:
    seeds = torch.tensor([1001])
    fused = compare(
        "normals",
        lambda: random.normal(seeds, 5, 0, SIZE, backend="fused"),
        lambda: torch.randn(1, *SIZE),
        same_distribution,
        shape=" x ".join(map(str, SIZE)),
        opponent_name="torch.randn",
    )
    order = compare(
        "permutation",
        lambda: random.permutation(seeds, 8, 0, 40_000, backend="fused"),
        lambda: torch.randperm(40_000)[None],
        lambda ours, theirs: torch.testing.assert_close(ours.sort().values, theirs.sort().values),
        shape="40,000",
        opponent_name="torch.randperm",
    )
    return [fused, order]


if __name__ == "__main__":
    save("random_numbers", main())
