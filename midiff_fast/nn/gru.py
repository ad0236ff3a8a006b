"""A layer of gated recurrent units, in place of torch.nn.GRU."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ..ops import gru as op
from ..ops._common import Backend
from ..ops.random import Purpose
from . import init
from .leaky import INPUT_STREAM, RECURRENT_STREAM
from .recurrent import Cell, Keep, Recurrent


def gru_cell(
    input: Tensor,  # [E, B, T, I]
    h0: Tensor | None,  # [E, B, H]
    weight_ih: Tensor,  # [E, 3H, I]
    weight_hh: Tensor,  # [E, 3H, H]
    bias_ih: Tensor,  # [E, 3H]
    bias_hh: Tensor,  # [E, 3H]
    *,
    keep: Keep,
    backend: Backend,
) -> Tensor:
    """Hidden states [E, B, T, H], or the last one [E, B, H]; None for h0 is zero."""
    if h0 is None:
        h0 = input.new_zeros(*input.shape[:2], weight_hh.shape[2])
    return op.gru(input, h0, weight_ih, weight_hh, bias_ih, bias_hh, keep=keep, backend=backend)


class GRU(Recurrent):
    """One layer of ``torch.nn.GRU``: its arguments, results, state_dict and initial values.

    ``r = σ(W_ir i_t + b_ir + W_hr h_{t-1} + b_hr)``, ``z = σ(W_iz i_t + b_iz + W_hz h_{t-1} +
    b_hz)``, ``n = tanh(W_in i_t + b_in + r (W_hn h_{t-1} + b_hn))``, ``h_t = (1-z) n + z h_{t-1}``:
    the network of the separation study of Tomoda et al. 2025.

    >>> gru = GRU(3, 100, batch_first=True)
    >>> output, h_n = gru(input)  # [50, 10000, 3] -> [50, 10000, 100], [1, 50, 100]

    Parameters: ``weight_ih_l0 [3H, I]``, ``weight_hh_l0 [3H, H]``, ``bias_ih_l0 [3H]``,
    ``bias_hh_l0 [3H]`` (no biases with ``bias=False``), with a leading E for an ensemble. Initially
    they are what torch.nn.GRU would draw; for the paper's values see :meth:`reset_parameters`.

    Args:
        input_size: inputs I.
        hidden_size: units H.
        num_layers: 1.
        bias: whether there are biases.
        batch_first: input and output are [B, T, ·] instead of [T, B, ·].
        dropout: 0.
        bidirectional: False.
        proj_size: 0.
        ensemble: number of members E; None for a single network without the ensemble axis.
        backend: "auto", "fused" or "eager".

    Raises:
        NotImplementedError: several layers, dropout, both directions, a projection; in the call a
            packed sequence.
        ValueError: a size below 1.
    """

    mode = "GRU"
    gates = 3
    cell: ClassVar[Cell] = staticmethod(gru_cell)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
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

    def keyed_weights(self, seeds: Tensor) -> tuple[Tensor, Tensor]:
        """Glorot uniform as one I x 3H matrix, and one semi-orthogonal matrix of all gates."""
        rows, dtype = 3 * self.hidden_size, self.weight_hh_l0.dtype
        inputs = init.glorot_uniform(
            seeds, Purpose.WEIGHTS, INPUT_STREAM, rows, self.input_size, dtype=dtype
        )
        recurrent = init.semi_orthogonal(
            seeds, Purpose.WEIGHTS, RECURRENT_STREAM, rows, self.hidden_size, dtype=dtype
        )
        return inputs, recurrent
