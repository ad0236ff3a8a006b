"""What a one-layer recurrent module of torch.nn has around its cell: arguments, axes, weights."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Protocol, overload

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ..ops._common import Backend, check_backend
from . import init
from .layout import layout_of

Keep = Literal["all", "last"]


class Cell(Protocol):
    """Runs a cell of G gates over all steps of a batch of sequences."""

    def __call__(
        self,
        input: Tensor,  # [E, B, T, I]
        h0: Tensor | None,  # [E, B, H]; None for zeros
        weight_ih: Tensor,  # [E, G H, I]
        weight_hh: Tensor,  # [E, G H, H]
        bias_ih: Tensor,  # [E, G H]
        bias_hh: Tensor,  # [E, G H]
        *,
        keep: Keep,
        backend: Backend,
    ) -> Tensor:
        """The outputs [E, B, T, H], or for ``keep="last"`` the last ones [E, B, H]."""
        ...


def run_cell(
    cell: Cell,
    module: Any,
    input: Tensor,
    hx: Tensor | None,
    *,
    ensemble: int | None = None,
    keep: Keep = "all",
    backend: Backend = "auto",
) -> tuple[Tensor | None, Tensor]:
    """Run a cell with the weights of ``module``, whose attributes are those of torch.nn.GRU.

    Args:
        cell: computes the outputs.
        module: a torch.nn.GRU or RNN, or what has its attributes.
        input: [T, B, I], or [B, T, I] with ``batch_first``, or [T, I]; E in front in an ensemble.
        hx: initial states [1, B, H], or [1, H] for one sequence, or None for zeros; E in front.
        ensemble: members E, or None.
        keep: "last" returns None for the outputs.
        backend: "auto", "fused" or "eager".

    Returns:
        The outputs in the input's axes, and the last states in those of ``hx``, as torch.nn does.

    Raises:
        ValueError: an argument of the wrong rank or size.
    """
    layout = layout_of(input, module.input_size, ensemble=ensemble, batch_first=module.batch_first)
    layer = 0 if ensemble is None else 1  # the axis of the layers in hx
    source = layout.to_op(input)  # [E, B, T, I]
    members, batch, steps, _ = source.shape
    initial: Tensor | None = None
    if hx is not None:
        layout.check_state("hx", hx, batch, module.hidden_size, 1)
        initial = layout.state_to_op(hx.squeeze(layer))

    weights: list[Tensor] = [module.weight_ih_l0, module.weight_hh_l0]
    if module.bias:
        weights += [module.bias_ih_l0, module.bias_hh_l0]
    else:
        weights += [weights[1].new_zeros(weights[1].shape[:-1])] * 2
    if ensemble is None:
        weights = [weight[None] for weight in weights]
    result = cell(source, initial, *weights, keep=keep, backend=backend)

    if keep == "last":
        return None, layout.state_from_op(result).unsqueeze(layer)
    if steps:
        last = result[:, :, -1].clone()  # its own memory, as in torch: h_n may be changed in place
    else:
        last = result.new_zeros(members, batch, module.hidden_size) if initial is None else initial
    output = layout.from_op(result)
    if layout.batched and not layout.batch_first:
        output = output.contiguous()  # as in torch: code written for it calls output.view(…)
    return output, layout.state_from_op(last).unsqueeze(layer)


class Recurrent(nn.Module):
    """Constructor, parameters and call of torch.nn.GRU and torch.nn.RNN for one layer.

    A subclass gives the cell, its number of gates, and the initial weights of Tomoda et al. 2025.
    """

    cell: ClassVar[Cell]
    gates: ClassVar[int]

    # As in torch.nn.RNNBase, for code that asks.
    num_layers = 1
    dropout = 0.0
    bidirectional = False
    proj_size = 0

    weight_ih_l0: nn.Parameter
    weight_hh_l0: nn.Parameter
    bias_ih_l0: nn.Parameter
    bias_hh_l0: nn.Parameter

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        *,
        proj_size: int,
        ensemble: int | None,
        backend: Backend,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
    ) -> None:
        super().__init__()
        check_backend(backend)
        for name, value in (
            ("input_size", input_size),
            ("hidden_size", hidden_size),
            ("num_layers", num_layers),
            ("ensemble", 1 if ensemble is None else ensemble),
        ):
            if value < 1:
                raise ValueError(f"{name}: expected at least 1, got {value}")
        for what, asked in (
            (f"num_layers={num_layers}", num_layers > 1),
            (f"dropout={dropout}", dropout != 0.0),
            ("bidirectional=True", bidirectional),
            (f"proj_size={proj_size}", proj_size != 0),
        ):
            if asked:
                raise self._refuse(what)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        self.batch_first = batch_first
        self.ensemble = ensemble
        self.backend: Backend = backend

        rows = self.gates * hidden_size
        lead = () if ensemble is None else (ensemble,)
        shapes = {"weight_ih_l0": (rows, input_size), "weight_hh_l0": (rows, hidden_size)}
        biases = {"bias_ih_l0": (rows,), "bias_hh_l0": (rows,)} if bias else {}
        for name, shape in {**shapes, **biases}.items():
            values = torch.empty(*lead, *shape, device=device, dtype=dtype)
            self.register_parameter(name, nn.Parameter(values))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self, seeds: Tensor | None = None) -> None:
        """Draw initial values, as torch.nn does or as the paper does.

        Without seeds everything is uniform in ±1/√H, from torch's generator: the same numbers as
        torch.nn's module draws, and in an ensemble those of E modules made one after another.
        With ``seeds: [E] int64`` ([1] without ensemble) the weights are those of Tomoda et al.
        2025, keyed so that each member gets what its seed gives alone, and the biases are zero.

        Raises:
            ValueError: another number of seeds than of members.
        """
        members = 1 if self.ensemble is None else self.ensemble
        if seeds is None:
            limit = 1.0 / math.sqrt(self.hidden_size)
            for member in range(members):
                for parameter in self.parameters():
                    own = parameter if self.ensemble is None else parameter[member]
                    own.uniform_(-limit, limit)
            return
        weight_ih, weight_hh = self.keyed_weights(init.checked_seeds(seeds, self.ensemble))
        self.weight_ih_l0.copy_(weight_ih.view_as(self.weight_ih_l0))
        self.weight_hh_l0.copy_(weight_hh.view_as(self.weight_hh_l0))
        if self.bias:
            self.bias_ih_l0.zero_()
            self.bias_hh_l0.zero_()

    def keyed_weights(self, seeds: Tensor) -> tuple[Tensor, Tensor]:
        """The paper's initial weights for seeds [E]: [E, G H, I] and [E, G H, H]."""
        raise NotImplementedError

    def flatten_parameters(self) -> None:
        """Nothing, for code that calls it: only cuDNN wants the weights in one piece."""

    @property
    def all_weights(self) -> list[list[nn.Parameter]]:
        """The parameters in torch's order, layer by layer."""
        return [list(self.parameters())]

    @overload
    def forward(
        self, input: Tensor, hx: Tensor | None = None, *, keep: Literal["all"] = "all"
    ) -> tuple[Tensor, Tensor]: ...

    @overload
    def forward(
        self, input: Tensor, hx: Tensor | None = None, *, keep: Literal["last"]
    ) -> tuple[None, Tensor]: ...

    def forward(
        self, input: Tensor, hx: Tensor | None = None, *, keep: Keep = "all"
    ) -> tuple[Tensor | None, Tensor]:
        """Run the network over a batch of sequences, or over one.

        Args:
            input: [T, B, I], or [B, T, I] with ``batch_first``, or [T, I] for one sequence. An
                ensemble takes an E in front of each.
            hx: initial states [1, B, H] ([1, H] for one sequence; E in front), or None for zeros.
            keep: "last" keeps no outputs but the last, which saves memory where no gradient is
                asked for.

        Returns:
            The outputs, [T, B, H] or [B, T, H] or [T, H] (None for ``keep="last"``), and the last
            states [1, B, H] or [1, H] (hx if T is 0); E in front in an ensemble. Without
            ``batch_first`` the outputs are copied once, to lie in memory as torch's do.

        Raises:
            ValueError: an argument of the wrong rank or size, or on another device.
            TypeError: an argument of another dtype than the input's.
            NotImplementedError: a packed sequence.
        """
        if isinstance(input, PackedSequence):
            raise self._refuse("a packed sequence")
        return run_cell(
            type(self).cell,
            self,
            input,
            hx,
            ensemble=self.ensemble,
            keep=keep,
            backend=self.backend,
        )

    def extra_repr(self) -> str:
        members = "" if self.ensemble is None else f", ensemble={self.ensemble}"
        return (
            f"{self.input_size}, {self.hidden_size}, bias={self.bias}, "
            f"batch_first={self.batch_first}" + members
        )

    def _refuse(self, what: str) -> NotImplementedError:
        return NotImplementedError(f"{self._get_name()}: {what} is not implemented; see torch.nn")
