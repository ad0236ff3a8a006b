"""The leaky tanh RNN as a module."""

from __future__ import annotations

from typing import Literal, overload

import torch
from torch import Tensor, nn

from ..ops import leaky as op
from ..ops._common import Backend, check_backend
from ..ops.random import Purpose
from . import init
from .layout import layout_of

# Streams of (WEIGHTS, step): one per weight of the network; see also readout.py.
RECURRENT_STREAM = 0
INPUT_STREAM = 1


class LeakyRNN(nn.Module):
    """Leaky tanh RNN: ``x_t = (1-α) x_{t-1} + α (W_ih i_t + W_hh tanh x_{t-1} + b) + ξ_t``.

    The noise ξ ~ N(0, noise_std²) is added outside α, per sequence, step and unit (Tomoda et al.
    2025). Elman's RNN is ``alpha=1``. The states are x; the rates are tanh x.

    Parameters: ``weight_ih_l0 [N, I]``, ``weight_hh_l0 [N, N]``, ``bias_l0 [N]``, with a leading E
    for an ensemble. Initially weight_hh ~ N(0, 1/N), weight_ih is Glorot uniform, the bias zero;
    see :meth:`reset_parameters` and :mod:`midiff_fast.nn.init`. For a feedback from the readout
    see :func:`midiff_fast.nn.fold_feedback`.

    Args:
        input_size: inputs I.
        hidden_size: units N.
        alpha: leak rate α, the time step in units of the time constant.
        noise_std: standard deviation of the noise that is drawn where none is given.
        batch_first: input and states are [B, T, ·] instead of [T, B, ·].
        ensemble: number of members E; None for a single network without the ensemble axis.
        backend: "auto", "fused" or "eager".
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        alpha: float = 0.1,
        noise_std: float = 0.0,
        batch_first: bool = False,
        ensemble: int | None = None,
        backend: Backend = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if input_size < 1:
            raise ValueError(f"input_size: expected at least 1, got {input_size}")
        if hidden_size < 1:
            raise ValueError(f"hidden_size: expected at least 1, got {hidden_size}")
        if not noise_std >= 0.0:
            raise ValueError(f"noise_std: expected a number >= 0, got {noise_std}")
        check_backend(backend)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.alpha = alpha
        self.noise_std = noise_std
        self.batch_first = batch_first
        self.ensemble = ensemble
        self.backend: Backend = backend

        def parameter(*size: int) -> nn.Parameter:
            lead = () if ensemble is None else (ensemble,)
            return nn.Parameter(torch.empty(*lead, *size, device=device, dtype=dtype))

        self.weight_ih_l0 = parameter(hidden_size, input_size)
        self.weight_hh_l0 = parameter(hidden_size, hidden_size)
        self.bias_l0 = parameter(hidden_size)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self, seeds: Tensor | None = None, *, gain: float = 1.0) -> None:
        """Draw initial values: weight_hh ~ N(0, gain²/N), weight_ih Glorot uniform, bias zero.

        They are keyed by ``seeds: [E] int64`` ([1] without ensemble), so that each member gets
        what its seed gives alone; None draws the seeds from torch's generator.
        """
        seeds = init.checked_seeds(seeds, self.ensemble)
        dtype = self.weight_hh_l0.dtype
        units = self.hidden_size
        recurrent = init.gaussian(
            seeds, Purpose.WEIGHTS, RECURRENT_STREAM, units, gain=gain, dtype=dtype
        )
        inputs = init.glorot_uniform(
            seeds, Purpose.WEIGHTS, INPUT_STREAM, units, self.input_size, dtype=dtype
        )
        single = self.ensemble is None
        self.weight_hh_l0.copy_(recurrent[0] if single else recurrent)
        self.weight_ih_l0.copy_(inputs[0] if single else inputs)
        self.bias_l0.zero_()

    @overload
    def forward(
        self,
        input: Tensor,
        h0: Tensor | None = None,
        noise: Tensor | None = None,
        *,
        keep: Literal["all"] = "all",
    ) -> tuple[Tensor, Tensor]: ...

    @overload
    def forward(
        self,
        input: Tensor,
        h0: Tensor | None = None,
        noise: Tensor | None = None,
        *,
        keep: Literal["last"],
    ) -> tuple[None, Tensor]: ...

    def forward(
        self,
        input: Tensor,
        h0: Tensor | None = None,
        noise: Tensor | None = None,
        *,
        keep: Literal["all", "last"] = "all",
    ) -> tuple[Tensor | None, Tensor]:
        """Run the network over a batch of sequences, or over one.

        Args:
            input: [T, B, I], or [B, T, I] with ``batch_first``, or [T, I] for one sequence. An
                ensemble takes an E in front of each.
            h0: initial states [B, N] ([N] for one sequence; E in front), or None for zeros.
            noise: ξ, of the states' shape, used as it is; None draws it from torch's generator
                if ``noise_std`` is not zero, in training and in evaluation alike.
            keep: "last" keeps no states but the last, which saves memory where no gradient is
                asked for (a washout).

        Returns:
            The states, [T, B, N] or [B, T, N] or [T, N] (None for ``keep="last"``), and the last
            state [B, N] or [N] (h0 if T is 0); E in front in an ensemble.

        Raises:
            ValueError: an argument of the wrong rank or size, or on another device.
            TypeError: an argument of another dtype than the input's.
        """
        layout = layout_of(
            input, self.input_size, ensemble=self.ensemble, batch_first=self.batch_first
        )
        source = layout.to_op(input)  # [E, B, T, I]
        size = (*source.shape[:3], self.hidden_size)
        _, batch, steps, units = size
        if h0 is None:
            initial = source.new_zeros(size[0], batch, units)
        else:
            layout.check_state("h0", h0, batch, units)
            initial = layout.state_to_op(h0)
        drawn: Tensor | None = None
        if noise is not None:
            layout.check_steps("noise", noise, batch, steps, units)
            drawn = layout.to_op(noise)
        elif self.noise_std > 0.0:
            drawn = torch.randn(size, dtype=source.dtype, device=source.device) * self.noise_std
        weights = [self.weight_ih_l0, self.weight_hh_l0, self.bias_l0]
        weight_ih, weight_hh, bias = (w[None] if self.ensemble is None else w for w in weights)
        result = op.leaky_rnn(
            source,
            initial,
            weight_ih,
            weight_hh,
            bias,
            self.alpha,
            drawn,
            keep=keep,
            backend=self.backend,
        )
        if keep == "last":
            return None, layout.state_from_op(result)
        # In memory of its own: it may be changed in place, and kept without all states.
        last = result[:, :, -1].clone() if steps else initial
        return layout.from_op(result), layout.state_from_op(last)

    def extra_repr(self) -> str:
        return (
            f"{self.input_size}, {self.hidden_size}, alpha={self.alpha}, "
            f"noise_std={self.noise_std}, batch_first={self.batch_first}, ensemble={self.ensemble}"
        )
