"""Arguments of the Donsker-Varadhan op for its tests."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from midiff_fast.ops._common import Backend
from midiff_fast.ops.mine import SampleNoise, donsker_varadhan
from midiff_fast.reference import CriticWeights


class Case(NamedTuple):
    """The arguments of ``ops.mine.donsker_varadhan``, E in front of each tensor."""

    a: Tensor  # [E, S, A]
    b: Tensor  # [E, S, B]
    marginal_b: Tensor | None  # [E, S, B]
    permutation: Tensor  # [E, S]
    weights: CriticWeights
    slope: float
    noise: SampleNoise | None = None

    def differentiable(self) -> dict[str, Tensor]:
        tensors = {"a": self.a, "b": self.b, "marginal_b": self.marginal_b}
        tensors.update(self.weights._asdict())
        return {name: tensor for name, tensor in tensors.items() if tensor is not None}

    def replace(self, tensors: dict[str, Tensor]) -> Case:
        """With other tensors in place of the differentiable ones."""
        return Case(
            tensors["a"],
            tensors["b"],
            tensors.get("marginal_b"),
            self.permutation,
            CriticWeights(**{n: tensors.get(n) for n in CriticWeights._fields}),  # type: ignore[arg-type]
            self.slope,
            self.noise,
        )

    def to(self, dtype: torch.dtype) -> Case:
        return self.replace({name: t.to(dtype) for name, t in self.differentiable().items()})

    def on(self, device: str) -> Case:
        case = self.replace({name: t.to(device) for name, t in self.differentiable().items()})
        case = case._replace(permutation=self.permutation.to(device))
        if self.noise is None:
            return case
        return case._replace(noise=self.noise._replace(seeds=self.noise.seeds.to(device)))

    def member(self, index: int) -> Case:
        """The arguments of one member, as an ensemble of one."""
        alone = {name: t[index : index + 1].clone() for name, t in self.differentiable().items()}
        case = self.replace(alone)._replace(permutation=self.permutation[index : index + 1])
        if self.noise is None:
            return case
        return case._replace(noise=self.noise._replace(seeds=self.noise.seeds[index : index + 1]))

    def information(self, backend: Backend) -> Tensor:
        return donsker_varadhan(
            self.a,
            self.b,
            self.permutation,
            self.weights,
            self.slope,
            marginal_b=self.marginal_b,
            noise=self.noise,
            backend=backend,
        )

    def information_and_gradients(self, backend: Backend) -> tuple[Tensor, dict[str, Tensor]]:
        """MI, and the gradients of a weighted sum over the members."""
        leaves = {name: t.detach().requires_grad_() for name, t in self.differentiable().items()}
        mi = self.replace(leaves).information(backend)
        share = torch.arange(1, len(mi) + 1, dtype=mi.dtype, device=mi.device)
        gradients = torch.autograd.grad((mi * share).sum(), list(leaves.values()))
        return mi.detach(), dict(zip(leaves, gradients, strict=True))


def make(
    members: int,
    samples: int,
    a_size: int,
    b_size: int,
    hidden: int,
    *,
    slope: float = 0.25,
    marginal: bool = False,
    noise: bool = False,
    output_bias: bool = True,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> Case:
    """Random arguments whose scores differ enough that the product term has uneven weights."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*size: int, scale: float = 1.0) -> Tensor:
        return torch.randn((members, *size), generator=generator, dtype=dtype) * scale

    return Case(
        normal(samples, a_size),
        normal(samples, b_size),
        normal(samples, b_size) if marginal else None,
        torch.rand((members, samples), generator=generator).argsort(1),
        CriticWeights(
            normal(hidden, a_size, scale=a_size**-0.5),
            normal(hidden, scale=0.3),
            normal(hidden, b_size, scale=b_size**-0.5),
            normal(hidden, scale=0.3),
            normal(hidden, hidden, scale=1.5 * hidden**-0.5),
            normal(hidden, scale=0.3),
            normal(hidden, scale=2.0 * hidden**-0.5),
            normal() if output_bias else None,
        ),
        slope,
        SampleNoise(torch.arange(7, 7 + members), step=3, std=0.3) if noise else None,
    )


def relative(got: Tensor, wanted: Tensor, floor: float = 1e-3) -> float:
    """Largest difference relative to the largest number wanted, or to ``floor`` where that is tiny.

    The joint and the product term of order one can cancel, and what is left is rounding noise.
    """
    scale = wanted.abs().max().clamp_min(floor)
    return float((got.double() - wanted.double()).abs().max() / scale)
