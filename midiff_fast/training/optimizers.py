"""RMSprop and Adam with Keras's conventions, for tensors that carry the ensemble axis.

They differ from ``torch.optim`` where it changes results: RMSprop has ε inside the root, Adam adds
it before the bias correction, and gradients are clipped per parameter tensor, for every member of
the ensemble on its own. Every update is a function of one member's numbers only.

On CUDA the steps are ops, one launch for all tensors (:mod:`midiff_fast.ops.optimizer`); what is
written here is their definition.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from ..ops import optimizer as ops
from ..ops._common import Backend
from ..tasks.reduce import member_sum

EPSILON = 1e-7  # Keras's default for both


def clip_by_norm(gradient: Tensor, limit: float) -> Tensor:
    """Scale each member's part of a gradient [E, …] down to Euclidean norm ``limit``."""
    norm = member_sum(gradient.square()).sqrt().clamp_(min=limit)
    return gradient * limit / norm.reshape(-1, *[1] * (gradient.dim() - 1))


class Optimizer(ABC):
    """Updates parameters in place from gradients that are handed in.

    Args:
        parameters: the tensors to step, each [E, …].
        learning_rate: the step size.
        clip_norm: limit of the norm of each parameter's gradient, per member; None for none.
        clip_value: limit of the absolute value of each gradient element; None for none.
        backend: "eager" for the definition on every device; else the ops on CUDA.
    """

    slots: tuple[str, ...]  # names of the running averages, one tensor per parameter each

    def __init__(
        self,
        parameters: Sequence[Tensor],
        learning_rate: float,
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        backend: Backend = "auto",
    ) -> None:
        self.parameters = list(parameters)
        self.learning_rate = learning_rate
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.backend: Backend = backend
        self.steps = 0
        self.averages = {
            slot: [torch.zeros_like(p, requires_grad=False) for p in self.parameters]
            for slot in self.slots
        }

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """Clip the gradients, one per parameter, and update the parameters."""
        self.steps += 1
        if ops.fused_step_exists(self.parameters, self.backend):
            self._fused_update(gradients)
            return
        for index, (parameter, gradient) in enumerate(zip(self.parameters, gradients, strict=True)):
            if self.clip_norm is not None:
                gradient = clip_by_norm(gradient, self.clip_norm)
            if self.clip_value is not None:
                gradient = gradient.clamp(-self.clip_value, self.clip_value)
            self._update(parameter, gradient, [self.averages[s][index] for s in self.slots])

    @abstractmethod
    def _update(self, parameter: Tensor, gradient: Tensor, averages: list[Tensor]) -> None:
        """Step one parameter in place, and its running averages."""

    @abstractmethod
    def _fused_update(self, gradients: Sequence[Tensor]) -> None:
        """The same for all parameters and clipping included, by the op."""

    def state_dict(self) -> dict[str, object]:
        """All that a resumed training needs, as tensors on the CPU and an int."""
        averages = {
            slot: [t.to("cpu", copy=True) for t in tensors]
            for slot, tensors in self.averages.items()
        }
        return {"steps": self.steps, "averages": averages}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, object]) -> None:
        """Continue from a ``state_dict`` of an optimizer of the same parameters."""
        steps, averages = state["steps"], state["averages"]
        assert isinstance(steps, int)
        assert isinstance(averages, dict)
        self.steps = steps
        for slot in self.slots:
            for own, saved in zip(self.averages[slot], averages[slot], strict=True):
                own.copy_(saved)


class RMSprop(Optimizer):
    """``v ← ρ v + (1-ρ) g²;  w ← w - lr · g / √(v + ε)``, not centred, without momentum."""

    slots = ("square",)
    RHO = 0.9

    def _update(self, parameter: Tensor, gradient: Tensor, averages: list[Tensor]) -> None:
        (square,) = averages
        square.mul_(self.RHO).addcmul_(gradient, gradient, value=1.0 - self.RHO)
        root = (square + EPSILON).sqrt_()
        parameter.sub_(self.learning_rate * gradient / root)

    def _fused_update(self, gradients: Sequence[Tensor]) -> None:
        ops.rmsprop_step(
            self.parameters,
            self.averages["square"],
            gradients,
            rate=self.learning_rate,
            rho=self.RHO,
            epsilon=EPSILON,
            clip_norm=self.clip_norm,
            clip_value=self.clip_value,
        )


class Adam(Optimizer):
    """``w ← w - lr · √(1-β₂ᵗ)/(1-β₁ᵗ) · m / (√v + ε)`` with running averages m of g and v of g²."""

    slots = ("mean", "square")
    BETAS = (0.9, 0.999)

    def _update(self, parameter: Tensor, gradient: Tensor, averages: list[Tensor]) -> None:
        mean, square = averages
        first, second = self.BETAS
        mean.mul_(first).add_(gradient, alpha=1.0 - first)
        square.mul_(second).addcmul_(gradient, gradient, value=1.0 - second)
        parameter.sub_(self._rate() * mean / (square.sqrt() + EPSILON))

    def _fused_update(self, gradients: Sequence[Tensor]) -> None:
        ops.adam_step(
            self.parameters,
            self.averages["mean"],
            self.averages["square"],
            gradients,
            rate=self._rate(),
            betas=self.BETAS,
            epsilon=EPSILON,
            clip_norm=self.clip_norm,
            clip_value=self.clip_value,
        )

    def _rate(self) -> float:
        """The learning rate with the bias correction of the current step."""
        first, second = self.BETAS
        correction: float = (1.0 - second**self.steps) ** 0.5 / (1.0 - first**self.steps)
        return self.learning_rate * correction


OPTIMIZERS: dict[str, type[Optimizer]] = {"rmsprop": RMSprop, "adam": Adam}
