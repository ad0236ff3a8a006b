"""The linear readout of the rates, and how a feedback from it folds into the recurrence."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from ..ops.random import Purpose
from . import init

# Streams of (WEIGHTS, step): one per weight of the network; see also leaky.py.
OUTPUT_STREAM = 2


class Readout(nn.Module):
    """``z = W_out r + b_out`` on the rates r of a network: tanh(x) for the states x of a leaky RNN.

    Parameters: ``weight [O, N]``, ``bias [O]``, with a leading E for an ensemble. Initially the
    weights are Glorot uniform and the bias is zero.

    Args:
        hidden_size: units N.
        output_size: outputs O.
        rates: "tanh" of the states, or the states themselves, "identity", as for a GRU.
        ensemble: number of members E; None for a single network without the ensemble axis.
    """

    def __init__(
        self,
        hidden_size: int,
        output_size: int,
        *,
        rates: Literal["tanh", "identity"] = "tanh",
        ensemble: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("hidden_size", hidden_size), ("output_size", output_size)):
            if value < 1:
                raise ValueError(f"{name}: expected at least 1, got {value}")
        self.hidden_size = hidden_size
        self.output_size = output_size
        if rates not in ("tanh", "identity"):
            raise ValueError(f"rates: expected 'tanh' or 'identity', got {rates!r}")
        self.rates = rates
        self.ensemble = ensemble
        lead = () if ensemble is None else (ensemble,)
        self.weight = nn.Parameter(
            torch.empty(*lead, output_size, hidden_size, device=device, dtype=dtype)
        )
        self.bias = nn.Parameter(torch.empty(*lead, output_size, device=device, dtype=dtype))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self, seeds: Tensor | None = None) -> None:
        """Draw initial values, keyed by ``seeds: [E]``, or by seeds from torch's generator."""
        seeds = init.checked_seeds(seeds, self.ensemble)
        weight = init.glorot_uniform(
            seeds,
            Purpose.WEIGHTS,
            OUTPUT_STREAM,
            self.output_size,
            self.hidden_size,
            dtype=self.weight.dtype,
        )
        self.weight.copy_(weight if self.ensemble is not None else weight[0])
        self.bias.zero_()

    def forward(self, states: Tensor) -> Tensor:
        """Outputs [..., O] for states [..., N]; in an ensemble [E, ..., O] for [E, ..., N].

        Raises:
            ValueError: a last axis other than N, or a first axis other than E.
        """
        lead = "..." if self.ensemble is None else f"{self.ensemble}, ..."
        expected = f"states: expected [{lead}, {self.hidden_size}], got {list(states.shape)}"
        if states.dim() == 0 or states.shape[-1] != self.hidden_size:
            raise ValueError(expected)
        rates = torch.tanh(states) if self.rates == "tanh" else states
        if self.ensemble is None:
            return _linear(rates, self.weight, self.bias)
        if states.dim() < 2 or states.shape[0] != self.ensemble:
            raise ValueError(expected)
        # A product per member: a batched product may round differently from a single one.
        members = zip(rates, self.weight, self.bias, strict=True)
        outputs = [_linear(r, weight, bias) for r, weight, bias in members]
        if not outputs:
            return rates.new_empty(*states.shape[:-1], self.output_size)
        return torch.stack(outputs)

    def extra_repr(self) -> str:
        return (
            f"{self.hidden_size}, {self.output_size}, rates={self.rates!r}, "
            f"ensemble={self.ensemble}"
        )


def _linear(rates: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``rates W^T + b`` for one member: [..., N] -> [..., O].

    Sequences are separate products, so that the weight's gradient is a sum over sequences: one
    product over all samples is split over the threads, and its last bits depend on their number.
    """
    if rates.dim() != 3:
        return nn.functional.linear(rates, weight, bias)
    return torch.bmm(rates, weight.t().expand(len(rates), -1, -1)) + bias


def fold_feedback(
    weight_hh: Tensor,  # [N, N]
    bias: Tensor,  # [N]
    weight_fb: Tensor,  # [N, O]
    weight_out: Tensor,  # [O, N]
    bias_out: Tensor,  # [O]
) -> tuple[Tensor, Tensor]:
    """Recurrent weights and bias of the network that also receives its own output.

    With a feedback ``W_fb z_{t-1}`` the drive of a step is
    ``W_in i_t + b + W_rec tanh(x_{t-1}) + W_fb (W_out tanh(x_{t-1}) + b_out)``, so the network
    equals one without feedback that has ``W_rec + W_fb W_out`` and ``b + W_fb b_out``. The result
    is differentiable in every argument; each may carry a leading ensemble axis E.

    Example::

        weight_hh, bias = fold_feedback(
            rnn.weight_hh_l0, rnn.bias_l0, weight_fb, readout.weight, readout.bias
        )
        states = midiff_fast.functional.leaky_rnn(
            input, h0, rnn.weight_ih_l0, weight_hh, bias, rnn.alpha, noise
        )
        outputs = readout(states)

    Returns:
        ``weight_hh [N, N]`` and ``bias [N]`` of the equivalent network.
    """
    feedback = (weight_fb @ bias_out[..., None]).squeeze(-1)
    return weight_hh + weight_fb @ weight_out, bias + feedback
