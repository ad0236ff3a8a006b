"""The axes that a caller of a recurrent module uses, and those that the ops take."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Layout(NamedTuple):
    """How the axes of one call lie; the ops take [E, B, T, ·] always."""

    ensemble: int | None  # members E, or None where there is no such axis
    batched: bool  # whether there is a batch axis B
    batch_first: bool  # B before T

    def to_op(self, tensor: Tensor) -> Tensor:
        """From the caller's axes to [E, B, T, ·]."""
        if not self.batched:
            tensor = tensor.unsqueeze(-3)
        elif not self.batch_first:
            tensor = tensor.transpose(-3, -2)
        return tensor[None] if self.ensemble is None else tensor

    def from_op(self, tensor: Tensor) -> Tensor:
        """From [E, B, T, ·] to the caller's axes."""
        if self.ensemble is None:
            tensor = tensor[0]
        if not self.batched:
            return tensor.squeeze(-3)
        return tensor if self.batch_first else tensor.transpose(-3, -2)

    def state_to_op(self, state: Tensor) -> Tensor:
        """A state without time, from the caller's axes to [E, B, N]."""
        state = state if self.batched else state.unsqueeze(-2)
        return state[None] if self.ensemble is None else state

    def state_from_op(self, state: Tensor) -> Tensor:
        """A state without time, from [E, B, N] to the caller's axes."""
        state = state[0] if self.ensemble is None else state
        return state if self.batched else state.squeeze(-2)

    def check_state(self, name: str, state: Tensor, batch: int, units: int, *layers: int) -> None:
        """Raises ValueError unless ``state`` is [E, *layers, B, N] in the caller's axes."""
        inner = [*layers, batch, units] if self.batched else [*layers, units]
        self._check(name, state, inner)

    def check_steps(self, name: str, tensor: Tensor, batch: int, steps: int, units: int) -> None:
        """Raises ValueError unless ``tensor`` is [E, B, T, N] in the caller's axes."""
        inner = [steps]
        if self.batched:
            inner = [batch, steps] if self.batch_first else [steps, batch]
        self._check(name, tensor, [*inner, units])

    def _check(self, name: str, tensor: Tensor, inner: list[int]) -> None:
        expected = inner if self.ensemble is None else [self.ensemble, *inner]
        if list(tensor.shape) != expected:
            raise ValueError(f"{name}: expected {expected}, got {list(tensor.shape)}")


def layout_of(input: Tensor, input_size: int, *, ensemble: int | None, batch_first: bool) -> Layout:
    """The layout of a call with this input: [T, B, I], [B, T, I] or [T, I], E in front of each.

    Raises:
        ValueError: an input of another rank, or with other sizes of I or E.
    """
    lead = "" if ensemble is None else f"{ensemble}, "
    rank = 2 if ensemble is None else 3
    fits = input.dim() in (rank, rank + 1) and input.shape[-1] == input_size
    if not fits or (ensemble is not None and input.shape[0] != ensemble):
        axes = "B, T" if batch_first else "T, B"
        raise ValueError(
            f"input: expected [{lead}{axes}, {input_size}] or "
            f"[{lead}T, {input_size}], got {list(input.shape)}"
        )
    return Layout(ensemble, input.dim() == rank + 1, batch_first)
