"""The recurrent layers of an existing model on the fused ops, without touching anything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.rnn import PackedSequence

from .. import _load
from ..ops._common import Backend, check_backend, use_fused
from .gru import gru_cell
from .recurrent import Cell, run_cell
from .rnn import rnn_cell


class _Accelerated:
    """The forward that an accelerated layer has before that of torch.nn."""

    op: ClassVar[str]
    cell: ClassVar[Cell]
    # Steps from which on the op pays: a call of it costs 0.1 ms more than one of torch's code.
    fewest_steps: ClassVar[int]
    backend: Backend = "auto"

    def forward(self, input: Any, hx: Tensor | None = None) -> Any:
        """What torch's own forward gives: by the op where it can take the call, else by torch."""
        if not _takes(self, input, hx):
            return super().forward(input, hx)  # type: ignore[misc]
        return run_cell(type(self).cell, self, input, hx, backend=self.backend)


class AcceleratedGRU(_Accelerated, nn.GRU):
    """A torch.nn.GRU after :func:`accelerate`; one is never constructed."""

    op = "gru"
    cell: ClassVar[Cell] = staticmethod(gru_cell)
    fewest_steps = 8


class AcceleratedRNN(_Accelerated, nn.RNN):
    """A torch.nn.RNN after :func:`accelerate`; one is never constructed."""

    op = "leaky_rnn"
    cell: ClassVar[Cell] = staticmethod(rnn_cell)
    fewest_steps = 16


_ACCELERATED: dict[type[nn.Module], type[nn.Module]] = {
    nn.GRU: AcceleratedGRU,
    nn.RNN: AcceleratedRNN,
}
_ORIGINAL = {ours: theirs for theirs, ours in _ACCELERATED.items()}


@dataclass(frozen=True)
class AccelerateReport:
    """What :func:`accelerate` did; ``print`` shows it, one layer a line.

    A layer that a model holds in several places has a line for each. The model itself is named
    "(the model)".
    """

    accelerated: tuple[str, ...] = ()  # layers that use the ops now
    restored: tuple[str, ...] = ()  # layers that are torch's own again
    left_alone: Mapping[str, str] = field(default_factory=dict)  # name -> reason
    note: str = ""  # why the ops cannot be used at all, where that is so

    def __str__(self) -> str:
        lines = [f"accelerated: {name}" for name in self.accelerated]
        lines += [f"restored: {name}" for name in self.restored]
        lines += [f"left alone: {name}: {reason}" for name, reason in self.left_alone.items()]
        lines += [self.note] if self.note else []
        return "\n".join(lines) or "no recurrent layers"


def accelerate(
    model: nn.Module, *, backend: Backend = "auto", restore: bool = False
) -> AccelerateReport:
    """Let every torch.nn.GRU and torch.nn.RNN of a model run on the fused ops, in place.

    >>> print(midiff_fast.accelerate(model))
    accelerated: encoder.rnn
    left alone: decoder: 2 layers, and the ops have one

    The layers stay the objects they are and only change their class, to a subclass of their own:
    parameters, optimizers, hooks, mode, state_dict and ``isinstance`` are as before, a layer held
    in several places is still one, and a model that is itself a GRU is accelerated too. Copies
    and pickles of the model stay accelerated; loading a pickle needs midiff_fast.

    Layers of one direction and one layer are taken, RNNs with tanh. Left alone, with the reason in
    the report, are other ones, subclasses, and layers whose weights are not plain parameters
    (parametrized, weight-normed, pruned, quantized).

    Call by call, an accelerated layer hands over to torch's own code what the op cannot take:
    packed sequences, tensors on a GPU without the CUDA ops, other dtypes than float32 and float64,
    autocast, ``torch.func`` transforms and forward-mode derivatives, sequences too short to gain
    anything (below 8 steps for a GRU, 16 for an RNN), empty inputs, and arguments that do not fit,
    so that the errors are torch's too. Second derivatives of the op are an error; restore the
    model before those, and before ``torch.jit.script``. torch.compile takes an accelerated layer
    into one graph no more than torch.nn's own; it does take mf.GRU and mf.RNN. Layers of some 250
    units and more gain little or nothing on a CPU.

    Args:
        model: changed in place.
        backend: "auto"; or "fused", which takes short sequences too, and makes every hand-over but
            the last two an error that says why; or "eager", the plain definition, for comparisons.
            A second call sets it anew.
        restore: undo it all: every layer accelerated before has its own class again.

    Raises:
        TypeError: ``model`` is not a torch.nn.Module.
        ValueError: an unknown backend.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
    check_backend(backend)
    named = [(name or "(the model)", m) for name, m in model.named_modules(remove_duplicate=False)]
    if restore:
        restored = [(name, layer) for name, layer in named if type(layer) in _ORIGINAL]
        for layer in {id(layer): layer for _, layer in restored}.values():
            layer.__class__ = _ORIGINAL[type(layer)]
            layer.__dict__.pop("backend", None)
        changed = {
            name: "its class has changed since; remove its parametrizations first"
            for name, layer in named
            if isinstance(layer, _Accelerated)
        }
        return AccelerateReport(restored=tuple(n for n, _ in restored), left_alone=changed)

    accelerated: list[str] = []
    left_alone: dict[str, str] = {}
    for name, layer in named:
        reason = _obstacle(layer)
        if reason is not None:
            left_alone[name] = reason
        elif type(layer) in _ACCELERATED or type(layer) in _ORIGINAL:
            layer.__class__ = _ACCELERATED.get(type(layer), type(layer))
            if backend == "auto":
                layer.__dict__.pop("backend", None)
            else:
                layer.backend = backend
            accelerated.append(name)
    note = "" if _load.available else f"torch's own code runs all of them: {_load.reason}"
    return AccelerateReport(tuple(accelerated), (), left_alone, note if accelerated else "")


def _obstacle(layer: nn.Module) -> str | None:
    """Why a recurrent layer is left alone; None for one that is taken, and for all else."""
    kind = type(layer)
    if kind.__module__.startswith("torch.ao.nn.quantized") and kind.__name__ in ("GRU", "LSTM"):
        return "quantized"
    if isinstance(layer, nn.RNNCellBase):
        return f"a {kind.__name__} runs one step a call"
    if not isinstance(layer, nn.RNNBase) or kind in _ORIGINAL:
        return None
    if parametrize.is_parametrized(layer):
        return "its weights are parametrized"
    if kind not in _ACCELERATED:
        if kind is nn.LSTM:
            return "there is no op for an LSTM"
        return f"{kind.__module__}.{kind.__qualname__} is a subclass, which may do something else"
    if "forward" in layer.__dict__:
        return "its forward has been replaced"
    if layer.num_layers != 1:
        return f"{layer.num_layers} layers, and the ops have one"
    if layer.bidirectional:
        return "bidirectional"
    if layer.mode == "RNN_RELU":
        return "nonlinearity='relu'"
    weights = dict(layer.named_parameters(recurse=False))
    if set(weights) != set(layer._flat_weights_names):
        return "its weights are not plain parameters (weight norm, spectral norm or pruning)"
    for name, weight in weights.items():
        if type(weight) is not nn.Parameter:
            return f"{name} is a {type(weight).__name__}, not a plain parameter"
    return None


def _takes(layer: Any, input: Any, hx: Tensor | None) -> bool:
    """Whether a call runs on our op; torch's own code takes the others.

    Raises RuntimeError for ``backend="fused"`` where that is not possible.
    """
    tensors = {"input": input, "hx": hx, **dict(layer.named_parameters(recurse=False))}
    if isinstance(input, PackedSequence):
        obstacle = "the input is a packed sequence"
    elif not _fits(layer, input, hx, tensors):
        return False
    elif torch.is_autocast_enabled(input.device.type):
        obstacle = "autocast is on, and the result would have another dtype than torch's"
    elif layer.backend == "eager":
        return True
    else:
        steps = input.shape[1 if input.dim() == 3 and layer.batch_first else 0]
        enough = layer.backend == "fused" or steps >= layer.fewest_steps
        return enough and use_fused(layer.op, layer.backend, tensors)
    if layer.backend == "fused":
        raise RuntimeError(f'backend="fused" is not possible for {layer.op}: {obstacle}')
    return False


def _fits(layer: Any, input: Any, hx: Any, tensors: Mapping[str, Any]) -> bool:
    """Whether the arguments are what torch takes, and not empty."""
    if not isinstance(input, Tensor) or input.is_nested or input.numel() == 0:
        return False
    if input.dim() not in (2, 3) or input.shape[-1] != layer.input_size:
        return False
    given = [tensor for tensor in tensors.values() if tensor is not None]
    if any(t.dtype != input.dtype or t.device != input.device for t in given):
        return False
    if hx is None:
        return True
    batch = [] if input.dim() == 2 else [input.shape[0 if layer.batch_first else 1]]
    return list(hx.shape) == [1, *batch, layer.hidden_size]
