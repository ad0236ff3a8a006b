"""What the benchmarks of recurrences share: checks, passes, compiled and captured opponents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ._harness import Comparison, Panel, Session, time_text
from ._limits import Limit
from ._timing import Action, Prepared

# Relative to the largest number of a tensor: small gradients are sums that cancel.
ACCURATE = 1e-4
# Where the other side rounds its products to TF32, which has 10 bits.
TF32 = 2e-2
# Steps that torch.compile unrolls: its time grows with them, its result is no quicker with more.
COMPILED_STEPS = 20


Several = Tensor | Sequence[Tensor]


def close(tolerance: float = ACCURATE) -> Callable[[Several, Several], None]:
    """Passes where tensors agree, or lists of them.

    Theirs may come member by member of an ensemble, where ours has an axis for them.
    """

    def check(ours: Several, theirs: Several) -> None:
        first = [ours] if isinstance(ours, Tensor) else list(ours)
        second = [theirs] if isinstance(theirs, Tensor) else list(theirs)
        for index, one in enumerate(first):
            same = second[index :: len(first)]
            other = (same[0] if len(same) == 1 else torch.stack(same)).reshape(one.shape)
            limit = tolerance * float(other.detach().abs().max().clamp_min(1e-30))
            torch.testing.assert_close(one, other, rtol=0.0, atol=limit)

    return check


@dataclass(frozen=True)
class Passes:
    """A recurrence as its passes are timed: its states, or a list of them, and gradients."""

    states: Callable[[], Several]
    weights: Sequence[Tensor]
    upstream: Several  # gradients of the states

    def forward(self) -> Several:
        with torch.no_grad():
            return self.states()

    def gradients(self, states: Several) -> list[Tensor]:
        return list(torch.autograd.grad(states, list(self.weights), self.upstream))

    def both(self) -> list[Tensor]:
        return self.gradients(self.states())

    def of(self, name: str) -> Action:
        """The action of "forward", "backward" or "forward + backward"."""
        if name == "forward":
            return self.forward
        if name == "backward":
            return Prepared(self.states, self.gradients)
        return self.both


def compare_passes(
    session: Session,
    title: str,
    ours: Passes,
    opponent: Passes,
    names: Iterable[str],
    limits: dict[str, Limit | None],
    *,
    tolerance: float = ACCURATE,
    **settings: Any,
) -> None:
    """A comparison for each pass."""
    for name in names:
        session.compare(
            f"{title}, {name}",
            ours.of(name),
            opponent.of(name),
            close(tolerance),
            limit=limits.get(name),
            **settings,
        )


def in_chunks(
    chunk: Callable[..., Tensor], drive: Tensor, state: Tensor, *weights: Tensor
) -> Tensor:
    """States [T, B, N] by ``chunk(drive, state, *weights)`` of COMPILED_STEPS steps each."""
    states = []
    for part in drive.split(COMPILED_STEPS):
        found = chunk(part, state, *weights)
        state = found[-1]
        states.append(found)
    return torch.cat(states)


def captured(action: Action) -> Action:
    """The same work as a CUDA graph: no Python, no launches one by one; its result is in place.

    The first call captures it.
    """
    kept: list[tuple[torch.cuda.CUDAGraph, Any]] = []

    def capture() -> tuple[torch.cuda.CUDAGraph, Any]:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            action()  # libraries set themselves up outside of the capture
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = action()
        return graph, result

    def replay() -> Any:
        if not kept:
            kept.append(capture())
        graph, result = kept[0]
        graph.replay()
        return result

    return replay


@dataclass(frozen=True)
class Shape:
    """A point of a sweep."""

    units: int
    batch: int
    members: int = 1

    def text(self, *without: str) -> str:
        sizes = {"members": f"E {self.members}", "batch": f"B {self.batch}"}
        sizes["units"] = f"N {self.units}"
        return ", ".join(size for name, size in sizes.items() if name not in without)


AXES = {"units N": "units", "batch B": "batch", "ensemble E": "members"}
SWEPT = ("forward", "forward + backward")


def sweep(
    session: Session,
    usual: Shape,
    values: dict[str, list[int]],
    sides: Callable[[Shape], tuple[Passes, Passes]],
    limits: Callable[[Shape], dict[str, Limit | None]],
    *,
    steps: int,
    opponent_name: str,
    tolerance: float,
) -> None:
    """Time per step along each axis, forward and with gradients: a panel for each of the two.

    Args:
        usual: the shape of which each axis changes one size.
        values: of each of the AXES.
        sides: ours and the opponent's passes for a shape.
        limits: of the passes, by their names; none where the latency of a step is not known.
    """
    for axis, name in AXES.items():
        found: dict[str, list[tuple[int, Comparison]]] = {which: [] for which in SWEPT}
        for value in values[axis]:
            shape = replace(usual, **{name: value})
            ours, opponent = sides(shape)
            of_shape = limits(shape)
            for which in SWEPT:
                comparison = session.measure(
                    which,
                    ours.of(which),
                    opponent.of(which),
                    close(tolerance),
                    shape=f"{shape.text()}, T {steps}",
                    opponent_name=opponent_name,
                    seconds=session.seconds / 4,  # many points, each of them less exact
                    steps=steps,
                    limit=of_shape.get(which),
                )
                if comparison is not None:
                    found[which].append((value, comparison))
        for which, points in found.items():
            if points:
                session.panels.append(Panel(axis, usual.text(name), points))
                print(f"{axis}, {which}, a step: {_summary(points)}", flush=True)


def _summary(points: list[tuple[int, Comparison]]) -> str:
    return ", ".join(
        f"{value}: {time_text(found.ours.median / (found.steps or 1))}"
        + (f" ({found.ratio:.1f}x)" if found.ratio else f" ({found.failed})")
        for value, found in points
    )
