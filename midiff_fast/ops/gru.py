"""The gated recurrent unit as an op: fused where it can be, eager where it must be."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from .. import _load, reference
from ._common import (
    Backend,
    check_floating,
    check_same_kind,
    check_shape,
    float32_under_autocast,
    no_autocast,
    refuse_double_backward,
    use_fused,
)

Keep = Literal["all", "last"]


def gru(
    input: Tensor,  # [E, B, T, I]
    h0: Tensor,  # [E, B, H]
    weight_ih: Tensor,  # [E, 3H, I]
    weight_hh: Tensor,  # [E, 3H, H]
    bias_ih: Tensor,  # [E, 3H]
    bias_hh: Tensor,  # [E, 3H]
    *,
    keep: Keep = "all",
    backend: Backend = "auto",
) -> Tensor:
    """Hidden states [E, B, T, H], or only the last one [E, B, H] for ``keep="last"``.

    See :func:`midiff_fast.functional.gru`, which makes the ensemble axis optional.
    """
    check_arguments(input, h0, weight_ih, weight_hh, bias_ih, bias_hh)
    if keep not in ("all", "last"):
        raise ValueError(f"keep: expected 'all' or 'last', got {keep!r}")
    arguments = float32_under_autocast(input, h0, weight_ih, weight_hh, bias_ih, bias_hh)
    names = ("input", "h0", "weight_ih", "weight_hh", "bias_ih", "bias_hh")
    tensors = dict(zip(names, arguments, strict=True))
    check_same_kind("input", tensors)
    with no_autocast(input):
        if not use_fused("gru", backend, tensors):
            states = reference.gru(*arguments)
        elif keep == "last" and not _needs_gradient(*arguments):
            return torch.ops.midiff.gru_last(*arguments)
        else:
            states = torch.ops.midiff.gru(*arguments)
    if keep == "all":
        return states
    return states[:, :, -1] if states.shape[2] else tensors["h0"].clone()


def check_arguments(
    input: Tensor,
    h0: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor,
    bias_hh: Tensor,
) -> None:
    """Raises ValueError or TypeError that names the argument that does not fit the others."""
    check_floating("weight_hh", weight_hh)
    check_shape("weight_hh", weight_hh, "[E, 3H, H]", (None, None, None))
    members, _, units = weight_hh.shape
    check_shape("weight_hh", weight_hh, "[E, 3H, H]", (members, 3 * units, units))
    if units < 1:
        raise ValueError(f"weight_hh: expected at least one unit, got {list(weight_hh.shape)}")
    check_shape("weight_ih", weight_ih, "[E, 3H, I]", (members, 3 * units, None))
    inputs = weight_ih.shape[2]
    if inputs < 1:
        raise ValueError(f"weight_ih: expected at least one input, got {list(weight_ih.shape)}")
    check_shape("bias_ih", bias_ih, "[E, 3H]", (members, 3 * units))
    check_shape("bias_hh", bias_hh, "[E, 3H]", (members, 3 * units))
    check_floating("input", input)
    check_shape("input", input, "[E, B, T, I]", (members, None, None, inputs))
    check_shape("h0", h0, "[E, B, H]", (members, input.shape[1], units))


def _needs_gradient(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(output, *inputs)


def _backward(ctx: Any, grad_states: Tensor) -> tuple[Tensor | None, ...]:
    asked = ctx.needs_input_grad
    gradients = torch.ops.midiff.gru_backward(
        grad_states, *ctx.saved_tensors, asked[0], asked[1], any(asked[2:])
    )
    return tuple(g if a else None for g, a in zip(gradients, asked, strict=True))


def _last_backward(ctx: Any, grad_last: Tensor) -> tuple[Tensor | None, ...]:
    raise RuntimeError(
        "midiff::gru_last has no derivatives: differentiate midiff::gru, "
        'or call midiff_fast.functional.gru(keep="last"), which chooses'
    )


def _fake(
    input: Tensor,
    h0: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor,
    bias_hh: Tensor,
) -> Tensor:
    return input.new_empty(*input.shape[:3], weight_hh.shape[2])


def _fake_last(
    input: Tensor,
    h0: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor,
    bias_hh: Tensor,
) -> Tensor:
    return input.new_empty(h0.shape)


def _fake_backward(
    grad_states: Tensor,
    states: Tensor,
    input: Tensor,
    h0: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor,
    bias_hh: Tensor,
    needs_input: bool,
    needs_h0: bool,
    needs_weights: bool,
) -> tuple[Tensor, ...]:
    def empty_if(needed: bool, like: Tensor) -> Tensor:
        return input.new_empty(like.shape if needed else (0,))

    return (
        empty_if(needs_input, input),
        empty_if(needs_h0, h0),
        *(empty_if(needs_weights, like) for like in (weight_ih, weight_hh, bias_ih, bias_hh)),
    )


if _load.available:
    torch.library.register_fake("midiff::gru", _fake)
    torch.library.register_fake("midiff::gru_last", _fake_last)
    torch.library.register_fake("midiff::gru_backward", _fake_backward)
    torch.library.register_autograd("midiff::gru", _backward, setup_context=_setup_context)
    torch.library.register_autograd("midiff::gru_last", _last_backward)
    refuse_double_backward("midiff::gru_backward", "gru")
