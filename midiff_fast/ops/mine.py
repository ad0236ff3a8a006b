"""The Donsker-Varadhan bound of MINE as an op.

The fused op computes the gradients together with the value, because one pass over the samples then
serves both; backward only scales them. Nothing of size samples x hidden units is kept.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import _load, reference
from ..reference import CriticWeights
from . import _common
from . import random as keyed
from ._common import Backend
from .random import Purpose

_NAMES = ("weight_a", "bias_a", "weight_b", "bias_b", "weight_h", "bias_h", "weight_out")


class SampleNoise(NamedTuple):
    """Normal noise on samples a and b: keyed numbers (:mod:`midiff_fast.ops.random`), drawn where
    the samples are read and never stored.

    Variable q of sample s, of a group of n, gets ``std`` times number s·n + q of the stream
    (seed, purpose, step).
    """

    seeds: Tensor  # [E] int64, or [] outside an ensemble
    step: int
    std: float
    purpose_a: int = Purpose.SAMPLE_NOISE_A
    purpose_b: int = Purpose.SAMPLE_NOISE_B

    def added_to(self, samples: Tensor, purpose: int) -> Tensor:
        """``samples [E, S, n]`` with the noise of a group, as a tensor of its own."""
        dtype = torch.float64 if samples.dtype == torch.float64 else torch.float32
        drawn = keyed.normal(self.seeds, purpose, self.step, samples.shape[1:], dtype=dtype)
        return samples + drawn.mul_(self.std).to(samples.dtype)


def donsker_varadhan(
    a: Tensor,  # [E, S, A]
    b: Tensor,  # [E, S, B]
    permutation: Tensor,  # [E, S] int64
    weights: CriticWeights,
    negative_slope: float = 0.0,
    *,
    marginal_b: Tensor | None = None,  # [E, S, B]
    noise: SampleNoise | None = None,
    backend: Backend = "auto",
) -> Tensor:
    """MI in nats: [E]; see :func:`midiff_fast.functional.donsker_varadhan`."""
    _check(a, b, permutation, weights, negative_slope, marginal_b)
    if noise is not None:
        _check_noise(noise, a)
    a, b, marginal_b, *cast = _common.float32_under_autocast(a, b, marginal_b, *weights)
    weights = CriticWeights(*cast)
    tensors = {"a": a, "b": b, "marginal_b": marginal_b, **weights._asdict()}
    _common.check_same_kind("a", tensors)
    with _common.no_autocast(a):
        if not _common.use_fused("donsker_varadhan", backend, tensors):
            if noise is not None:
                a = noise.added_to(a, noise.purpose_a)
                b = noise.added_to(b, noise.purpose_b)
            return reference.donsker_varadhan(
                a, b, permutation, weights, negative_slope, marginal_b
            )
        differentiable = torch.is_grad_enabled()
        inputs = (a, b) if marginal_b is None else (a, b, marginal_b)
        mi: Tensor = torch.ops.midiff.donsker_varadhan(
            a,
            b,
            marginal_b,
            permutation,
            *weights,
            negative_slope,
            *((None, 0, 0, 0, 0.0) if noise is None else _noise_arguments(noise)),
            differentiable and any(tensor.requires_grad for tensor in inputs),
            differentiable and any(w is not None and w.requires_grad for w in weights),
            _rounding(),
        )[0]
        return mi


def _noise_arguments(noise: SampleNoise) -> tuple[Tensor, int, int, int, float]:
    return noise.seeds, int(noise.purpose_a), int(noise.purpose_b), noise.step, float(noise.std)


# torch.compile guards whether the setting is "highest": a compiled function follows it there, and
# goes on with what it met first between "high" and "medium".
@torch.compiler.assume_constant_result
def _rounding() -> int:
    """What products may be rounded to, as torch's own may: 0 float32, 1 TF32, 2 bf16."""
    return ("highest", "high", "medium").index(torch.get_float32_matmul_precision())


def _check(
    a: Tensor,
    b: Tensor,
    permutation: Tensor,
    weights: CriticWeights,
    negative_slope: float,
    marginal_b: Tensor | None,
) -> None:
    for name, tensor in (("a", a), ("b", b), ("weight_h", weights.weight_h)):
        _common.check_floating(name, tensor)
    _common.check_shape("a", a, "[E, S, A]", (None, None, None))
    members, samples, a_size = a.shape
    if samples == 0:
        raise ValueError("a: expected at least one sample, got none")
    _common.check_shape("b", b, "[E, S, B]", (members, samples, None))
    b_size = b.shape[2]
    if marginal_b is not None:
        _common.check_shape("marginal_b", marginal_b, "[E, S, B]", (members, samples, b_size))
    _common.check_shape("permutation", permutation, "[E, S]", (members, samples))
    if permutation.dtype != torch.int64:
        raise TypeError(f"permutation: expected int64, got {_common.short(permutation.dtype)}")
    if permutation.device != a.device:
        raise ValueError(
            f"permutation: expected a tensor on {a.device} like a, got {permutation.device}"
        )
    _common.check_shape("weight_h", weights.weight_h, "[E, H, H]", (members, None, None))
    hidden = weights.weight_h.shape[1]
    _common.check_shape("weight_h", weights.weight_h, "[E, H, H]", (members, hidden, hidden))
    _common.check_shape("weight_a", weights.weight_a, "[E, H, A]", (members, hidden, a_size))
    _common.check_shape("weight_b", weights.weight_b, "[E, H, B]", (members, hidden, b_size))
    for name in ("bias_a", "bias_b", "bias_h", "weight_out"):
        _common.check_shape(name, getattr(weights, name), "[E, H]", (members, hidden))
    if weights.bias_out is not None:
        _common.check_shape("bias_out", weights.bias_out, "[E]", (members,))
    for name, size in (("a", a_size), ("b", b_size), ("weight_h", hidden)):
        if size == 0:
            raise ValueError(f"{name}: expected a group of at least one variable, got none")
    if not 0.0 <= negative_slope <= 1.0:
        raise ValueError(f"negative_slope: expected 0 to 1, got {negative_slope}")


def _check_noise(noise: SampleNoise, a: Tensor) -> None:
    if not isinstance(noise, SampleNoise):
        raise TypeError(f"noise: expected a SampleNoise, got {type(noise).__name__}")
    _common.check_shape("noise.seeds", noise.seeds, "[E]", (a.shape[0],))
    if noise.seeds.dtype != torch.int64:
        raise TypeError(f"noise.seeds: expected int64, got {_common.short(noise.seeds.dtype)}")
    if noise.seeds.device != a.device:
        raise ValueError(
            f"noise.seeds: expected a tensor on {a.device} like a, got {noise.seeds.device}"
        )
    for name in ("step", "purpose_a", "purpose_b"):
        value = getattr(noise, name)
        if not isinstance(value, int):
            raise TypeError(f"noise.{name}: expected an int, got {type(value).__name__}")
        if not 0 <= value < 2**32:
            raise ValueError(f"noise.{name}: expected 0 to 2^32 - 1, got {value}")
    if not isinstance(noise.std, int | float):
        raise TypeError(f"noise.std: expected a number, got {type(noise.std).__name__}")
    if not 0.0 <= noise.std < math.inf:
        raise ValueError(f"noise.std: expected 0 or more, got {noise.std}")


def _register() -> None:
    # Inputs in the order of the schema, and which result is each one's gradient: bias_a and bias_b
    # share theirs, and the bound does not depend on bias_out.
    inputs, others = 12, 9
    gradient_of = (1, 2, 3, None, 4, 5, 6, 5, 7, 8, 9, None)

    @torch.library.register_fake("midiff::donsker_varadhan")
    def fake(
        a: Tensor, b: Tensor, marginal_b: Tensor | None, permutation: Tensor, *rest: Any
    ) -> tuple[Tensor, ...]:
        (
            weight_a,
            bias_a,
            weight_b,
            _,
            weight_h,
            bias_h,
            weight_out,
            *_,
            to_inputs,
            to_weights,
            _,
        ) = rest

        def like(tensor: Tensor | None, wanted: bool) -> Tensor:
            if tensor is None or not wanted:
                return a.new_empty(0)
            return torch.empty_like(tensor, memory_format=torch.contiguous_format)

        return (
            a.new_empty(a.shape[0]),
            like(a, to_inputs),
            like(b, to_inputs),
            like(marginal_b, to_inputs),
            like(weight_a, to_weights),
            like(bias_a, to_weights),
            like(weight_b, to_weights),
            like(weight_h, to_weights),
            like(bias_h, to_weights),
            like(weight_out, to_weights),
        )

    @torch.library.custom_op("midiff::donsker_varadhan_backward", mutates_args=())
    def scale(
        grad_mi: Tensor, gradients: list[Tensor], differentiated: list[Tensor]
    ) -> list[Tensor]:
        # `differentiated` is not read: it ties the result to the inputs, so that differentiating
        # twice is an error instead of a silent zero.
        return [
            gradient * grad_mi.reshape(-1, *[1] * (gradient.dim() - 1)) for gradient in gradients
        ]

    @scale.register_fake
    def _(grad_mi: Tensor, gradients: list[Tensor], differentiated: list[Tensor]) -> list[Tensor]:
        return [torch.empty_like(gradient) for gradient in gradients]

    _common.refuse_double_backward("midiff::donsker_varadhan_backward", "donsker_varadhan")

    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.set_materialize_grads(False)
        # The gradients among the results are constants to autograd.
        ctx.mark_non_differentiable(*output[1:])
        wanted = [
            (position, gradient)
            for position, gradient in enumerate(gradient_of)
            if gradient is not None
            and isinstance(inputs[position], Tensor)
            and inputs[position].requires_grad
        ]
        ctx.positions = [position for position, _ in wanted]
        ctx.bias_out = inputs[11] if ctx.needs_input_grad[11] else None
        ctx.save_for_backward(
            *(output[gradient] for _, gradient in wanted),
            *(inputs[position] for position in ctx.positions),
        )

    def backward(ctx: Any, grad_mi: Tensor | None, *_: Tensor | None) -> tuple[Any, ...]:
        grads: list[Tensor | None] = [None] * (inputs + others)
        if grad_mi is None:
            return tuple(grads)
        saved, count = ctx.saved_tensors, len(ctx.positions)
        scaled = torch.ops.midiff.donsker_varadhan_backward(
            grad_mi, list(saved[:count]), list(saved[count:])
        )
        for position, gradient in zip(ctx.positions, scaled, strict=True):
            grads[position] = gradient
        if ctx.bias_out is not None:
            grads[11] = torch.zeros_like(ctx.bias_out)
        return tuple(grads)

    torch.library.register_autograd(
        "midiff::donsker_varadhan", backward, setup_context=setup_context
    )


if _load.available:
    _register()
