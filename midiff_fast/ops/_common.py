"""What every op does the same way: choosing a backend, checking arguments, refusing what it can't.

The order in a wrapper is: check the arguments, cast under autocast, choose the backend, call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, NoReturn, get_args

import torch
from torch import Tensor
from torch.autograd import forward_ad

from .. import _load

Backend = Literal["auto", "fused", "eager"]


def use_fused(op: str, backend: Backend, tensors: Mapping[str, Tensor | None]) -> bool:
    """Whether ``op`` runs compiled (True) or by its plain PyTorch definition (False).

    "auto" takes the compiled op wherever it exists for these tensors. Raises ValueError for an
    unknown backend, and RuntimeError where "fused" is asked for and cannot be had, saying why.
    """
    check_backend(backend)
    if backend == "eager":
        return False
    obstacle = _obstacle(tensors)
    if obstacle is None:
        return True
    if backend == "fused":
        raise RuntimeError(f'backend="fused" is not possible for {op}: {obstacle}')
    return False


def _obstacle(tensors: Mapping[str, Tensor | None]) -> str | None:
    """What keeps the compiled ops from taking these tensors; None where nothing does."""
    if not _load.available:
        return _load.reason
    if torch._C._are_functorch_transforms_active():
        # torch.func.jvp would give tangents of zero, without a word.
        return "a torch.func transform is at work, and the compiled ops have no rules for those"
    for name, tensor in tensors.items():
        if tensor is None:
            continue
        if has_tangent(tensor):
            return f"{name} has a tangent, and the compiled ops have no forward-mode derivatives"
        if tensor.device.type == "cuda":
            cuda_obstacle = _load.cuda_obstacle(tensor.device)
            if cuda_obstacle is not None:
                return f"{name} is on {tensor.device}, but {cuda_obstacle}"
        elif tensor.device.type != "cpu":
            return f"{name} is on {tensor.device}; the compiled ops run on the CPU and on CUDA"
        if tensor.is_floating_point() and tensor.dtype not in (torch.float32, torch.float64):
            return f"{name} is {short(tensor.dtype)}, and the compiled ops take float32 and float64"
    return None


def has_tangent(tensor: Tensor) -> bool:
    """Whether forward-mode differentiation goes through the tensor; tracing takes no part in it."""
    if torch.compiler.is_compiling():
        return False
    return forward_ad.unpack_dual(tensor).tangent is not None


def check_backend(backend: str) -> None:
    """Raises ValueError for what is no backend."""
    if backend not in get_args(Backend):
        raise ValueError(f"backend: expected one of {get_args(Backend)}, got {backend!r}")


def check_shape(name: str, tensor: Tensor, axes: str, sizes: Sequence[int | None]) -> None:
    """Raises ValueError unless ``tensor`` has these sizes; None leaves a size free.

    ``axes`` names them for the message: ``check_shape("h0", h0, "[E, B, N]", (E, B, N))``.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name}: expected a tensor {axes}, got {type(tensor).__name__}")
    fits = tensor.dim() == len(sizes) and all(
        size is None or size == came for size, came in zip(sizes, tensor.shape, strict=True)
    )
    if not fits:
        known = any(size is not None for size in sizes)
        wanted = ", ".join("*" if size is None else str(size) for size in sizes)
        raise ValueError(
            f"{name}: expected {axes}{f' = [{wanted}]' if known else ''}, got {list(tensor.shape)}"
        )


def check_floating(name: str, tensor: Tensor) -> None:
    """Raises TypeError unless the tensor holds real floating-point numbers."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name}: expected a tensor, got {type(tensor).__name__}")
    if not tensor.is_floating_point():
        raise TypeError(f"{name}: expected a floating-point tensor, got {short(tensor.dtype)}")


def check_same_kind(first: str, tensors: Mapping[str, Tensor | None]) -> None:
    """Raises TypeError (dtype) or ValueError (device) unless all agree with ``tensors[first]``."""
    model = tensors[first]
    assert model is not None
    for name, tensor in tensors.items():
        if tensor is None:
            continue
        if tensor.dtype != model.dtype:
            raise TypeError(
                f"{name}: expected {short(model.dtype)} like {first}, got {short(tensor.dtype)}"
            )
        if tensor.device != model.device:
            raise ValueError(
                f"{name}: expected a tensor on {model.device} like {first}, got {tensor.device}"
            )


def constants(values: Sequence[float], like: Tensor) -> Tensor:
    """The numbers, [len(values)], of the dtype and on the device of ``like``.

    ``like.new_tensor(values)`` would copy them from the host and wait for the device.
    """
    return torch.stack([like.new_full((), value) for value in values])


def short(dtype: torch.dtype) -> str:
    """``float32`` for ``torch.float32``."""
    return str(dtype).removeprefix("torch.")


def float32_under_autocast(*tensors: Any) -> tuple[Any, ...]:
    """The tensors, in float32 instead of a lower precision where autocast is on for their device.

    float64, integers and None come back as they are. Call the op itself under :func:`no_autocast`.
    """
    return tuple(
        value.float()
        if isinstance(value, Tensor)
        and value.is_floating_point()
        and value.dtype != torch.float64
        and torch.is_autocast_enabled(value.device.type)
        else value
        for value in tensors
    )


def no_autocast(tensor: Tensor) -> AbstractContextManager[Any]:
    """A context in which autocast is off for the tensor's device."""
    if tensor.device.type == "meta":  # torch.autocast knows no such device
        return nullcontext()
    return torch.autocast(tensor.device.type, enabled=False)


def refuse_double_backward(backward_op: str, op: str) -> None:
    """Makes differentiating ``backward_op`` (such as "midiff::leaky_rnn_backward") an error."""

    def refuse(ctx: Any, *grads: Any) -> NoReturn:
        raise RuntimeError(
            f"{op}: the fused backend has no second derivatives; "
            f'use backend="eager" to differentiate twice'
        )

    torch.library.register_autograd(backward_op, refuse)
