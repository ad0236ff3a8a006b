"""The leaky tanh RNN as an op: fused where it can be, eager where it must be."""

from __future__ import annotations

import math
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


def leaky_rnn(
    input: Tensor,  # [E, B, T, I]
    h0: Tensor,  # [E, B, N]
    weight_ih: Tensor,  # [E, N, I]
    weight_hh: Tensor,  # [E, N, N]
    bias: Tensor,  # [E, N]
    alpha: float,
    noise: Tensor | None = None,  # [E, B, T, N]
    *,
    keep: Keep = "all",
    backend: Backend = "auto",
) -> Tensor:
    """States [E, B, T, N], or only the last one [E, B, N] for ``keep="last"``.

    See :func:`midiff_fast.functional.leaky_rnn`, which makes the ensemble axis optional.
    """
    check_arguments(input, h0, weight_ih, weight_hh, bias, alpha, noise)
    if keep not in ("all", "last"):
        raise ValueError(f"keep: expected 'all' or 'last', got {keep!r}")
    arguments = float32_under_autocast(input, h0, weight_ih, weight_hh, bias, noise)
    input, h0, weight_ih, weight_hh, bias, noise = arguments
    tensors = {
        "input": input,
        "h0": h0,
        "weight_ih": weight_ih,
        "weight_hh": weight_hh,
        "bias": bias,
        "noise": noise,
    }
    check_same_kind("input", tensors)
    with no_autocast(input):
        if not use_fused("leaky_rnn", backend, tensors):
            states = reference.leaky_rnn(input, h0, weight_ih, weight_hh, bias, alpha, noise)
        elif keep == "last" and not _needs_gradient(*tensors.values()):
            return torch.ops.midiff.leaky_rnn_last(
                input, h0, weight_ih, weight_hh, bias, noise, alpha
            )
        else:
            states = torch.ops.midiff.leaky_rnn(input, h0, weight_ih, weight_hh, bias, noise, alpha)
    if keep == "all":
        return states
    return states[:, :, -1] if states.shape[2] else h0.clone()


def check_arguments(
    input: Tensor,
    h0: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor,
    alpha: float,
    noise: Tensor | None,
) -> None:
    """Raises ValueError or TypeError that names the argument that does not fit the others."""
    check_floating("weight_hh", weight_hh)
    check_shape("weight_hh", weight_hh, "[E, N, N]", (None, None, None))
    members, units, _ = weight_hh.shape
    check_shape("weight_hh", weight_hh, "[E, N, N]", (members, units, units))
    if units < 1:
        raise ValueError(f"weight_hh: expected at least one unit, got {list(weight_hh.shape)}")
    check_shape("weight_ih", weight_ih, "[E, N, I]", (members, units, None))
    inputs = weight_ih.shape[2]
    if inputs < 1:
        raise ValueError(f"weight_ih: expected at least one input, got {list(weight_ih.shape)}")
    check_shape("bias", bias, "[E, N]", (members, units))
    check_floating("input", input)
    check_shape("input", input, "[E, B, T, I]", (members, None, None, inputs))
    _, batch, steps, _ = input.shape
    check_shape("h0", h0, "[E, B, N]", (members, batch, units))
    if noise is not None:
        check_shape("noise", noise, "[E, B, T, N]", (members, batch, steps, units))
    if not isinstance(alpha, (float, int)) or not math.isfinite(alpha):
        raise ValueError(f"alpha: expected a finite number, got {alpha!r}")


def _needs_gradient(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    input, h0, weight_ih, weight_hh, _, _, alpha = inputs
    ctx.save_for_backward(output, input, h0, weight_ih, weight_hh)
    ctx.alpha = alpha


def _backward(ctx: Any, grad_states: Tensor) -> tuple[Tensor | None, ...]:
    input, h0, ih, hh, bias, noise, _ = ctx.needs_input_grad
    states, *saved = ctx.saved_tensors
    gradients = torch.ops.midiff.leaky_rnn_backward(
        grad_states, states, *saved, ctx.alpha, input, h0, ih or hh or bias, noise
    )
    asked = (input, h0, ih, hh, bias, noise)
    return (*(g if a else None for g, a in zip(gradients, asked, strict=True)), None)


def _last_backward(ctx: Any, grad_last: Tensor) -> tuple[Tensor | None, ...]:
    raise RuntimeError(
        "midiff::leaky_rnn_last has no derivatives: differentiate midiff::leaky_rnn, "
        'or call midiff_fast.functional.leaky_rnn(keep="last"), which chooses'
    )


def _fake(
    input: Tensor,
    h0: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor,
    noise: Tensor | None,
    alpha: float,
) -> Tensor:
    return input.new_empty(*input.shape[:3], weight_hh.shape[1])


def _fake_last(
    input: Tensor,
    h0: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor,
    noise: Tensor | None,
    alpha: float,
) -> Tensor:
    return input.new_empty(h0.shape)


def _fake_backward(
    grad_states: Tensor,
    states: Tensor,
    input: Tensor,
    h0: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    alpha: float,
    needs_input: bool,
    needs_h0: bool,
    needs_weights: bool,
    needs_noise: bool,
) -> tuple[Tensor, ...]:
    def empty_if(needed: bool, *size: Any) -> Tensor:
        return input.new_empty(size if needed else (0,))

    return (
        empty_if(needs_input, *input.shape),
        empty_if(needs_h0, *h0.shape),
        empty_if(needs_weights, *weight_ih.shape),
        empty_if(needs_weights, *weight_hh.shape),
        empty_if(needs_weights, *weight_hh.shape[:2]),
        empty_if(needs_noise, *states.shape),
    )


if _load.available:
    torch.library.register_fake("midiff::leaky_rnn", _fake)
    torch.library.register_fake("midiff::leaky_rnn_last", _fake_last)
    torch.library.register_fake("midiff::leaky_rnn_backward", _fake_backward)
    torch.library.register_autograd("midiff::leaky_rnn", _backward, setup_context=_setup_context)
    torch.library.register_autograd("midiff::leaky_rnn_last", _last_backward)
    refuse_double_backward("midiff::leaky_rnn_backward", "leaky_rnn")
