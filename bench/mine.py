"""MINE at the paper's shapes: one critic step, and the gradient that the model's step needs.

The opponent shares the first layer's products between joint and shuffled pairs and runs the hidden
layer once for both, as plain PyTorch can. It is timed at "highest"; what it takes at the setting
of the row stands beside it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.benchmark import Timer

from bench._harness import Comparison, compare, precision, save
from midiff_fast._memory import freed_memory_kept
from midiff_fast.nn import MINE

PRECISIONS = ("highest", "high", "medium")
# Relative error that a precision class may add to that of eager float32.
EXTRA = {"highest": 1e-6, "high": 1e-3, "medium": 3e-2}

Results = list[Tensor]


def eager_information(mine: MINE, a: Tensor, b: Tensor, permutation: Tensor) -> Tensor:
    """Donsker-Varadhan bound with the first layer computed once."""
    slope = mine.negative_slope
    from_a = F.linear(a, mine.weight_a, mine.bias_a)
    from_b = F.linear(b, mine.weight_b, mine.bias_b)
    first = torch.cat((from_a + from_b, from_a + from_b[permutation]))
    hidden = F.leaky_relu(F.linear(F.leaky_relu(first, slope), mine.weight_h, mine.bias_h), slope)
    scores = hidden @ mine.weight_out
    joint, product = scores[: len(a)], scores[len(a) :]
    return joint.mean() - (torch.logsumexp(product, 0) - math.log(len(a)))


def weights_of(mine: MINE) -> list[Tensor]:
    return [weight for name, weight in mine.named_parameters() if name != "bias_out"]


def case(
    samples: int, group: int, hidden: int, slope: float
) -> tuple[MINE, Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    mine = MINE(group, group, hidden_size=hidden, negative_slope=slope)
    a = torch.tanh(torch.randn(samples, group))
    b = torch.tanh(torch.randn(samples, group) + 0.3 * a)
    return mine, a, b, torch.randperm(samples)


def gradients(information: Tensor, wanted: list[Tensor]) -> Results:
    return [information.detach(), *torch.autograd.grad(information, wanted)]


def check(exact: Results, extra: float) -> Callable[[Results, Results], None]:
    """Passes where ours is at most twice as far from float64 as eager float32, plus ``extra``."""

    def error(found: Tensor, wanted: Tensor) -> float:
        return float((found.double() - wanted).norm() / wanted.norm())

    def agree(ours: Results, theirs: Results) -> None:
        for got, eager, wanted in zip(ours, theirs, exact, strict=True):
            limit = 2 * error(eager, wanted) + extra
            assert error(got, wanted) <= limit, f"error {error(got, wanted):.1e} > {limit:.1e}"

    return agree


def in_float64(
    mine: MINE, a: Tensor, b: Tensor, permutation: Tensor, wanted: Callable[[MINE], list[Tensor]]
) -> Results:
    """Eager information and gradients in float64, for the weights or the samples ``wanted``."""
    exact = copy.deepcopy(mine).double()
    a, b = (tensor.detach().double().requires_grad_() for tensor in (a, b))
    return gradients(eager_information(exact, a, b, permutation), wanted(exact) or [a, b])


def rows(
    name: str,
    samples: int,
    group: int,
    hidden: int,
    slope: float,
    precisions: Sequence[str] = PRECISIONS,
) -> list[Comparison]:
    mine, a, b, permutation = case(samples, group, hidden, slope)
    weights = weights_of(mine)
    exact = in_float64(mine, a, b, permutation, weights_of)
    shape = f"{samples} samples, {group} + {group} -> {hidden}"

    def ours() -> Results:
        return gradients(mine(a, b, permutation), weights)

    def opponent() -> Results:
        return gradients(eager_information(mine, a, b, permutation), weights)

    def opponent_in_float32() -> Results:
        with precision("highest"):
            return opponent()

    found = []
    for setting in precisions:
        with precision(setting):
            same = Timer("f()", globals={"f": opponent}, num_threads=torch.get_num_threads())
            found.append(
                compare(
                    f"MINE step, {name}",
                    ours,
                    opponent_in_float32,
                    check(exact, EXTRA[setting]),
                    shape=shape,
                    opponent_name="eager, highest",
                    notes={
                        f"eager at {setting}": f"{same.timeit(3).median:.3f} s",
                    },
                )
            )
    a.requires_grad_()
    b.requires_grad_()
    mine.requires_grad_(False)
    found.append(
        compare(
            f"MINE, gradient of the samples, {name}",
            lambda: gradients(mine(a, b, permutation), [a, b]),
            lambda: gradients(eager_information(mine, a, b, permutation), [a, b]),
            check(in_float64(mine, a, b, permutation, lambda _: []), EXTRA["highest"]),
            shape=shape,
        )
    )
    return found


def main() -> None:
    with freed_memory_kept():  # eager gains more by it: its activations are large
        found = rows("working memory", 40_000, 20, 512, 0.0)
        found += rows("separation", 500_000, 50, 100, 0.25, ["highest"])
    save("mine", found)


if __name__ == "__main__":
    main()
