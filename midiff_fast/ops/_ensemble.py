"""The optional ensemble axis of the public functions: checked, and added where it is missing."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def with_ensemble_axis(
    arguments: Mapping[str, tuple[Tensor | None, str]],
) -> tuple[dict[str, Tensor | None], bool]:
    """The tensors with an axis E in front of each, and whether any had one before.

    ``arguments`` maps a name to the tensor and its axes without E, such as ``(h0, "B N")``. An
    axis has the size that the first tensor with it has, and "3H" is three times the axis H.
    Tensors without E are shared by all members (expanded, not copied). None stays None.

    Raises:
        TypeError: an argument that is not a tensor.
        ValueError: a wrong rank or size, naming the argument, what was expected and what came.
    """
    sizes: dict[str, int] = {}
    first = ""  # the argument that fixed the number of members

    def known_size(axis: str) -> int | str:
        """Of "B" or "3H"; the name itself where no tensor has told the size yet."""
        if axis[0].isdigit() and axis[1:] in sizes:
            return int(axis[0]) * sizes[axis[1:]]
        return sizes.get(axis, axis)

    for name, (tensor, text) in arguments.items():
        if tensor is None:
            continue
        axes = text.split()
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name}: expected a tensor, got {type(tensor).__name__}")
        wanted = ", ".join(str(known_size(axis)) for axis in axes)
        message = (
            f"{name}: expected [{wanted}] or [{', '.join(filter(None, ['E', wanted]))}], "
            f"got {list(tensor.shape)}"
        )
        extra = tensor.dim() - len(axes)
        if extra not in (0, 1):
            raise ValueError(message)
        for axis, size in zip(axes, tensor.shape[extra:], strict=True):
            if not axis[0].isdigit():
                sizes.setdefault(axis, size)
        for axis, size in zip(axes, tensor.shape[extra:], strict=True):
            if known_size(axis) != size:
                raise ValueError(message)
        if extra == 1:
            first = first or name
            members = sizes.setdefault("E", tensor.shape[0])
            if members != tensor.shape[0]:
                raise ValueError(
                    f"{name}: expected an ensemble of {members} members like {first}, "
                    f"got {list(tensor.shape)}"
                )
    members = sizes.get("E", 1)

    def lead(tensor: Tensor | None, axes: str) -> Tensor | None:
        if tensor is None or tensor.dim() > len(axes.split()):
            return tensor
        return tensor.expand(members, *tensor.shape)

    return {name: lead(*argument) for name, argument in arguments.items()}, "E" in sizes
