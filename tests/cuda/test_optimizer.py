"""Optimizer steps on the GPU against the Python definition; the same bits alone and again."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from midiff_fast.ops._common import Backend
from midiff_fast.training.optimizers import Adam, Optimizer, RMSprop

KINDS = [RMSprop, Adam]
CLIPS: list[dict[str, Any]] = [
    {},
    {"clip_norm": 2.0},
    {"clip_value": 0.2},
    {"clip_norm": 2.0, "clip_value": 0.05},
    {"clip_norm": 1e6},
]
# Without E: a critic's, a GRU's, a scalar's, the edges of a part of 1,024.
SHAPES = [(512, 512), (512, 20), (300, 100), (512,), (), (1024,), (1025,), (3, 7)]
MEMBERS = 3
STEPS = 3


def numbers(std: float, seed: int, dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    size = [(MEMBERS, *shape) for shape in SHAPES]
    return [std * torch.randn(s, generator=generator).to("cuda", dtype) for s in size]


def stepped(
    kind: type[Optimizer],
    dtype: torch.dtype,
    backend: Backend,
    members: slice = slice(None),
    **clip: Any,
) -> list[Tensor]:
    """Weights and averages after some steps."""
    weights = [w[members].clone().requires_grad_() for w in numbers(1.0, 0, dtype)]
    optimizer = kind(weights, 0.01, backend=backend, **clip)
    for step in range(STEPS):
        # Also as small as the square root of ε, so that its place matters.
        std = (0.3, 3e-4, 0.1)[step]
        optimizer.step([g[members] for g in numbers(std, 1 + step, dtype)])
    averages = [average for slot in optimizer.slots for average in optimizer.averages[slot]]
    return [*(w.detach() for w in weights), *averages]


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("kind", KINDS)
def test_steps_equal_the_definition(kind: type[Optimizer], clip: dict[str, Any]) -> None:
    wanted = stepped(kind, torch.float64, "eager", **clip)
    exact = stepped(kind, torch.float64, "fused", **clip)
    single = stepped(kind, torch.float32, "fused", **clip)
    for definition, double, float32 in zip(wanted, exact, single, strict=True):
        torch.testing.assert_close(double, definition, rtol=1e-11, atol=1e-14)
        torch.testing.assert_close(float32.double(), definition, rtol=2e-6, atol=2e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_same_bits_again_and_alone(kind: type[Optimizer], dtype: torch.dtype) -> None:
    together, again = (stepped(kind, dtype, "fused", clip_norm=2.0) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(together, again, strict=True))
    for member in range(MEMBERS):
        alone = stepped(kind, dtype, "fused", slice(member, member + 1), clip_norm=2.0)
        for one, other in zip(alone, together, strict=True):
            assert torch.equal(one[0], other[member])


@pytest.mark.parametrize("kind", KINDS)
def test_more_tensors_than_a_launch_takes(kind: type[Optimizer]) -> None:
    gradients = [torch.full((2, size), 0.1 * size, device="cuda") for size in range(1, 71)]

    def after(backend: Backend) -> list[Tensor]:
        weights = [torch.ones_like(gradient) for gradient in gradients]
        kind(weights, 0.01, backend=backend, clip_norm=3.0).step(gradients)
        return weights

    for fused, eager in zip(after("fused"), after("eager"), strict=True):
        torch.testing.assert_close(fused, eager)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_lie_in_memory_as_they_like(kind: type[Optimizer]) -> None:
    gradient = torch.randn(2, 30, 20, generator=torch.Generator().manual_seed(0)).cuda()
    strided = gradient.transpose(1, 2).contiguous().transpose(1, 2)
    weights = [torch.ones_like(gradient) for _ in range(2)]
    for weight, given in zip(weights, (gradient, strided), strict=True):
        kind([weight], 0.01, backend="fused", clip_norm=1.0).step([given])
    assert torch.equal(*weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_not_a_number_stays_with_its_tensor_and_member(kind: type[Optimizer], bad: float) -> None:
    gradients = [torch.full((2, 2000), 0.1, device="cuda") for _ in range(2)]
    gradients[1][0, 5] = bad
    weights = [torch.ones_like(gradient) for gradient in gradients]
    kind(weights, 0.01, backend="fused", clip_norm=1.0).step(gradients)
    assert weights[0].isfinite().all()
    assert weights[1][1].isfinite().all()
    assert weights[1][0, 5].isnan()


def test_autograd_sees_that_weights_have_changed() -> None:
    weight = torch.ones(1, 3, device="cuda", requires_grad=True)
    square = weight.square().sum()
    RMSprop([weight], 0.1, backend="fused").step([torch.ones_like(weight)])
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        square.backward()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"squares": []}, "squares: expected 1 tensors like parameters, got 0"),
        ({"gradients": [torch.ones(2, 4)]}, r"gradients: expected \[2, 3\] like parameter 0"),
        ({"gradients": [torch.ones(2, 3)]}, "gradients: expected a tensor on CUDA device 0"),
        ({"parameters": [torch.ones(3, 2).t()]}, "parameters: expected tensor 0 to be contiguous"),
    ],
)
def test_the_op_checks_by_itself(changes: dict[str, list[Tensor]], message: str) -> None:
    lists = {n: [torch.ones(2, 3).cuda()] for n in ("parameters", "squares", "gradients")}
    for name, tensors in changes.items():
        on_cpu = "CUDA device" in message
        lists[name] = [tensor if on_cpu else tensor.cuda() for tensor in tensors]
    with pytest.raises(RuntimeError, match=message):
        torch.ops.midiff.rmsprop_step(*lists.values(), 0.1, 0.9, 1e-7, None, None)
