"""Elman's tanh RNN in place of torch.nn.RNN, on the leaky op."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ..ops import leaky as op
from ..ops._common import Backend, check_same_kind, float32_under_autocast
from ..ops.random import Purpose
from . import init
from .leaky import INPUT_STREAM, RECURRENT_STREAM
from .recurrent import Cell, Keep, Recurrent


def rnn_cell(
    input: Tensor,  # [E, B, T, I]
    h0: Tensor | None,  # [E, B, H]
    weight_ih: Tensor,  # [E, H, I]
    weight_hh: Tensor,  # [E, H, H]
    bias_ih: Tensor,  # [E, H]
    bias_hh: Tensor,  # [E, H]
    *,
    keep: Keep,
    backend: Backend,
) -> Tensor:
    """Outputs tanh(x_t) [E, B, T, H], or the last one [E, B, H]; None for h0 is zero.

    The leaky op with α = 1 has the states ``x_t = W_ih i_t + W_hh tanh(x_{t-1}) + b``, so torch's
    h0 is tanh(x_0). It has no x_0 where |h0| ≥ 1, and one of few digits below, hence the first
    step takes h0 as a further input to a network at rest, and the others go on from x_1.
    """
    tensors = (input, h0, weight_ih, weight_hh, bias_ih, bias_hh)
    input, h0, weight_ih, weight_hh, bias_ih, bias_hh = float32_under_autocast(*tensors)
    check_same_kind("input", {"input": input, "hx": h0})
    bias = bias_ih + bias_hh
    rest = input.new_zeros(*input.shape[:2], weight_hh.shape[2])
    if h0 is None or input.shape[2] == 0:
        start = rest if h0 is None else h0
        states = op.leaky_rnn(
            input, start, weight_ih, weight_hh, bias, 1.0, keep=keep, backend=backend
        )
        return torch.tanh(states) if input.shape[2] else states
    first_input = torch.cat([input[:, :, 0], h0], dim=-1)[:, :, None]
    first = op.leaky_rnn(
        first_input,
        rest,
        torch.cat([weight_ih, weight_hh], dim=-1),
        weight_hh.detach(),  # meets tanh(0) only
        bias,
        1.0,
        keep="last",
        backend=backend,
    )
    later = op.leaky_rnn(
        input[:, :, 1:], first, weight_ih, weight_hh, bias, 1.0, keep=keep, backend=backend
    )
    if keep == "last":
        return torch.tanh(later)
    return torch.tanh(torch.cat([first[:, :, None], later], dim=2))


class RNN(Recurrent):
    """One layer of ``torch.nn.RNN``: its arguments, results, state_dict and initial values.

    ``h_t = tanh(W_ih i_t + b_ih + W_hh h_{t-1} + b_hh)``. It runs on the op of
    :class:`LeakyRNN` with α = 1; that module gives the states before the tanh, this one those
    after it.

    >>> rnn = RNN(4, 40, batch_first=True)
    >>> output, h_n = rnn(input)  # [20, 3000, 4] -> [20, 3000, 40], [1, 20, 40]

    Parameters: ``weight_ih_l0 [H, I]``, ``weight_hh_l0 [H, H]``, ``bias_ih_l0 [H]``,
    ``bias_hh_l0 [H]`` (no biases with ``bias=False``), with a leading E for an ensemble. Initially
    they are what torch.nn.RNN would draw; for the paper's values see :meth:`reset_parameters`.

    Args:
        input_size: inputs I.
        hidden_size: units H.
        num_layers: 1.
        nonlinearity: "tanh".
        bias: whether there are biases.
        batch_first: input and output are [B, T, ·] instead of [T, B, ·].
        dropout: 0.
        bidirectional: False.
        proj_size: 0.
        ensemble: number of members E; None for a single network without the ensemble axis.
        backend: "auto", "fused" or "eager".

    Raises:
        NotImplementedError: ``nonlinearity="relu"``, several layers, dropout, both directions, a
            projection; in the call a packed sequence.
        ValueError: a size below 1, or an unknown nonlinearity.
    """

    mode = "RNN_TANH"
    gates = 1
    cell: ClassVar[Cell] = staticmethod(rnn_cell)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        proj_size: int = 0,
        ensemble: int | None = None,
        backend: Backend = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if nonlinearity == "relu":
            raise self._refuse("nonlinearity='relu'")
        if nonlinearity != "tanh":
            raise ValueError(f"nonlinearity: expected 'tanh', got {nonlinearity!r}")
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size=proj_size,
            ensemble=ensemble,
            backend=backend,
            device=device,
            dtype=dtype,
        )
        self.nonlinearity = nonlinearity

    def keyed_weights(self, seeds: Tensor) -> tuple[Tensor, Tensor]:
        """Glorot uniform input weights, and recurrent weights ~ N(0, 1/H)."""
        units, dtype = self.hidden_size, self.weight_hh_l0.dtype
        inputs = init.glorot_uniform(
            seeds, Purpose.WEIGHTS, INPUT_STREAM, units, self.input_size, dtype=dtype
        )
        recurrent = init.gaussian(seeds, Purpose.WEIGHTS, RECURRENT_STREAM, units, dtype=dtype)
        return inputs, recurrent
