"""A recurrent network with its readout, as the studies train and analyse it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from ..ops._common import Backend
from .gru import GRU, gru_cell
from .leaky import LeakyRNN
from .readout import Readout
from .recurrent import Keep


class Network(nn.Module, ABC):
    """An ensemble of E recurrent networks of one kind, each with a linear readout of its rates."""

    rnn: LeakyRNN | GRU
    readout: Readout
    recurrent_names: ClassVar[tuple[str, ...]]  # of the recurrence's weights, as on disk

    @classmethod
    def weight_names(cls) -> tuple[str, ...]:
        """The names of all ``weights``."""
        return (*cls.recurrent_names, "weight_out", "bias_out")

    def recurrent_weights(self) -> dict[str, nn.Parameter]:
        """The weights of the recurrence by the names they have on disk, each [E, …]."""
        return {name: self.rnn.get_parameter(f"{name}_l0") for name in self.recurrent_names}

    @abstractmethod
    def states(self, input: Tensor, initial: Tensor, noise: Tensor | None) -> Tensor:
        """States [E, B, T, N] for input [E, B, T, I], initial [E, B, N] and noise [E, B, T, N]."""

    @abstractmethod
    def last_state(self, input: Tensor, initial: Tensor, noise: Tensor | None) -> Tensor:
        """The last of the ``states`` only: [E, B, N]."""

    @staticmethod
    @abstractmethod
    def rates(states: Tensor) -> Tensor:
        """What mutual information is measured of, and what is read out: [..., N] both."""

    @abstractmethod
    def reset_parameters(self, seeds: Tensor) -> None:
        """Draw initial weights, keyed by each member's seed: [E] int64."""

    def weights(self) -> dict[str, nn.Parameter]:
        """Every weight by the name it has on disk, each [E, …]."""
        return {
            **self.recurrent_weights(),
            "weight_out": self.readout.weight,
            "bias_out": self.readout.bias,
        }

    def matrices(self) -> list[nn.Parameter]:
        """The weights that decay: every matrix, and no bias."""
        return [weight for name, weight in self.weights().items() if name.startswith("weight")]


class LeakyNetwork(Network):
    """Leaky tanh RNN (Tomoda et al. 2025, working memory); its rates are tanh of its states.

    Args:
        inputs, units, outputs: sizes I, N, O.
        alpha: leak rate.
        ensemble: number of members E.
        backend: "auto", "fused" or "eager".
    """

    rnn: LeakyRNN
    recurrent_names = ("weight_ih", "weight_hh", "bias")

    def __init__(
        self,
        inputs: int,
        units: int,
        outputs: int,
        *,
        alpha: float,
        ensemble: int,
        backend: Backend = "auto",
    ) -> None:
        super().__init__()
        self.rnn = LeakyRNN(
            inputs, units, alpha=alpha, batch_first=True, ensemble=ensemble, backend=backend
        )
        self.readout = Readout(units, outputs, ensemble=ensemble)

    def states(self, input: Tensor, initial: Tensor, noise: Tensor | None) -> Tensor:
        states: Tensor = self.rnn(input, initial, noise)[0]
        return states

    def last_state(self, input: Tensor, initial: Tensor, noise: Tensor | None) -> Tensor:
        last: Tensor = self.rnn(input, initial, noise, keep="last")[1]
        return last

    @staticmethod
    def rates(states: Tensor) -> Tensor:
        return torch.tanh(states)

    @torch.no_grad()
    def reset_parameters(self, seeds: Tensor) -> None:
        self.rnn.reset_parameters(seeds)
        self.readout.reset_parameters(seeds)


class GRUNetwork(Network):
    """GRU (Tomoda et al. 2025, separation of chaotic signals); its rates are its states.

    Args:
        inputs, units, outputs: sizes I, N, O.
        ensemble: number of members E.
        backend: "auto", "fused" or "eager".
    """

    rnn: GRU
    recurrent_names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")

    def __init__(
        self,
        inputs: int,
        units: int,
        outputs: int,
        *,
        ensemble: int,
        backend: Backend = "auto",
    ) -> None:
        super().__init__()
        self.rnn = GRU(inputs, units, batch_first=True, ensemble=ensemble, backend=backend)
        self.readout = Readout(units, outputs, rates="identity", ensemble=ensemble)

    def states(self, input: Tensor, initial: Tensor, noise: Tensor | None) -> Tensor:
        return self._run(input, initial, noise, keep="all")

    def last_state(self, input: Tensor, initial: Tensor, noise: Tensor | None) -> Tensor:
        return self._run(input, initial, noise, keep="last")

    @staticmethod
    def rates(states: Tensor) -> Tensor:
        return states

    @torch.no_grad()
    def reset_parameters(self, seeds: Tensor) -> None:
        self.rnn.reset_parameters(seeds)
        self.readout.reset_parameters(seeds)

    def _run(
        self,
        input: Tensor,
        initial: Tensor,
        noise: Tensor | None,
        *,
        keep: Keep,
    ) -> Tensor:
        if noise is not None:
            raise ValueError("noise: a GRU has no state noise")
        weights = self.recurrent_weights().values()
        return gru_cell(input, initial, *weights, keep=keep, backend=self.rnn.backend)


NETWORKS: dict[str, type[Network]] = {"leaky": LeakyNetwork, "gru": GRUNetwork}
"""The kind of network of each cell that a configuration names."""


def make_network(
    cell: Literal["leaky", "gru"],
    inputs: int,
    units: int,
    outputs: int,
    *,
    alpha: float,
    ensemble: int,
    backend: Backend = "auto",
) -> Network:
    """A network of the kind that a configuration names; ``alpha`` is for the leaky RNN."""
    if cell == "gru":
        return GRUNetwork(inputs, units, outputs, ensemble=ensemble, backend=backend)
    return LeakyNetwork(inputs, units, outputs, alpha=alpha, ensemble=ensemble, backend=backend)
