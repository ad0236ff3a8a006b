"""MINE at the paper's shapes: one critic step, and the gradient that the model's step needs.

The opponent shares the first layer's products between joint and shuffled pairs and runs the hidden
layer once for both, as plain PyTorch can. On the CPU it is timed at "highest"; what it takes at the
setting of the row stands beside it. On CUDA it comes in float32, TF32 and bf16 autocast, each also
under torch.compile, and meets ours at the setting of the same accuracy.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.benchmark import Timer

from midiff_fast.nn import MINE

from . import _limits
from ._command import run
from ._harness import Session
from ._limits import Limit, Wanted
from ._timing import precision

PRECISIONS = ("highest", "high", "medium")
# Relative error that a precision class may add to that of eager float32. Where rounding turns a
# unit near 0 on or off, a derivative changes at one go: of bf16's 8 bits, that is most of it.
EXTRA = {"highest": 1e-6, "high": 1e-3, "medium": 5e-2}
# On CUDA, what the tests there allow: TF32 turns a unit near 0 on or off.
EXTRA_CUDA = {"highest": 1e-5, "high": 2e-2}

RUNS = 20
RUNS_TARGET = "80 % of one member's rate: a ratio of 0.8"

Results = list[Tensor]
Information = Callable[[MINE, Tensor, Tensor, Tensor], Tensor]


class Shape(NamedTuple):
    """Of one evaluation in the paper."""

    name: str
    samples: int
    group: int
    hidden: int
    slope: float
    target: str  # of a critic step on CUDA, at "highest" and at "high"

    def __str__(self) -> str:
        return f"{self.samples} samples, {self.group} + {self.group} -> {self.hidden}"


WORKING_MEMORY = Shape(
    "working memory", 40_000, 20, 512, 0.0, "1.6 ms highest, 0.6 ms high, 4x eager"
)
SEPARATION = Shape("separation", 500_000, 50, 100, 0.25, "1.3 ms highest, 0.6 ms high, 8x eager")
QUICK_SAMPLES = 2000
FULL_SAMPLES = 40_000


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


def fused(mine: MINE, a: Tensor, b: Tensor, permutation: Tensor) -> Tensor:
    return mine(a, b, permutation)


class Case:
    """Weights and samples of a shape, and what is wanted of them: gradients of either."""

    def __init__(self, session: Session, shape: Shape, wanted: Wanted = "weights") -> None:
        if session.quick:
            shape = shape._replace(samples=QUICK_SAMPLES)
        self.shape, self.wanted = shape, wanted
        torch.manual_seed(0)
        self.mine = MINE(
            shape.group, shape.group, hidden_size=shape.hidden, negative_slope=shape.slope
        )
        self.a = torch.tanh(torch.randn(shape.samples, shape.group))
        self.b = torch.tanh(torch.randn(shape.samples, shape.group) + 0.3 * self.a)
        self.permutation = torch.randperm(shape.samples)
        self.mine.to(session.device)
        self.a, self.b, self.permutation = (
            tensor.to(session.device) for tensor in (self.a, self.b, self.permutation)
        )
        if wanted == "samples":
            self.a.requires_grad_()
            self.b.requires_grad_()
            self.mine.requires_grad_(False)

    def in_float64(self) -> Case:
        exact = copy.copy(self)
        exact.mine = copy.deepcopy(self.mine).double()
        exact.a, exact.b = (
            tensor.detach().double().requires_grad_(tensor.requires_grad)
            for tensor in (self.a, self.b)
        )
        return exact

    def results(self, information: Information) -> Results:
        """The bound and the gradients that are wanted."""
        bound = information(self.mine, self.a, self.b, self.permutation)
        sources = [self.a, self.b]
        if self.wanted == "weights":
            named = self.mine.named_parameters()
            sources = [weight for name, weight in named if name != "bias_out"]
        return [bound.detach(), *torch.autograd.grad(bound, sources)]

    def limit(self, session: Session, setting: str, members: int = 1) -> Limit | None:
        return _limits.mine(
            session.gpu,
            samples=self.shape.samples,
            a=self.shape.group,
            b=self.shape.group,
            hidden=self.shape.hidden,
            wanted=self.wanted,
            precision=setting,
            members=members,
        )

    def check(self, extra: float) -> Callable[[Results, Results], None]:
        """Passes where ours is at most twice as far from float64 as theirs, plus ``extra``."""
        exact = self.in_float64().results(eager_information)
        # The fewer samples, the more one unit counts that is on and should be off.
        extra *= math.sqrt(max(1.0, FULL_SAMPLES / self.shape.samples))

        def error(found: Tensor, wanted: Tensor) -> float:
            return float((found.double() - wanted).norm() / wanted.norm())

        def agree(ours: Results, theirs: Results) -> None:
            for got, eager, wanted in zip(ours, theirs, exact, strict=True):
                limit = 2 * error(eager, wanted) + extra
                assert error(got, wanted) <= limit, f"error {error(got, wanted):.1e} > {limit:.1e}"

        return agree


def title_of(case: Case) -> str:
    if case.wanted == "weights":
        return f"MINE step, {case.shape.name}"
    return f"MINE, gradient of the samples, {case.shape.name}"


def on_cpu(shape: Shape, *precisions: str) -> Callable[[Session], None]:
    """Steps at these precisions and the gradient of the samples, against eager at "highest"."""

    def question(session: Session) -> None:
        case = Case(session, shape)

        def opponent() -> Results:
            return case.results(eager_information)

        def opponent_in_float32() -> Results:
            with precision("highest"):
                return opponent()

        for setting in precisions:
            with precision(setting):
                same = Timer("f()", globals={"f": opponent}, num_threads=torch.get_num_threads())
                session.compare(
                    title_of(case),
                    lambda: case.results(fused),
                    opponent_in_float32,
                    case.check(EXTRA[setting]),
                    shape=str(case.shape),
                    opponent_name="eager, highest",
                    notes={f"eager at {setting}": f"{same.timeit(3).median:.3f} s"},
                )
        samples = Case(session, shape, "samples")
        session.compare(
            title_of(samples),
            lambda: samples.results(fused),
            lambda: samples.results(eager_information),
            samples.check(EXTRA["highest"]),
            shape=str(samples.shape),
        )

    return question


@contextmanager
def bf16(case: Case) -> Iterator[None]:
    with torch.autocast(case.a.device.type, torch.bfloat16):
        yield


# Opponents on CUDA by the setting at which ours meets them: name, context of the bound.
OPPONENTS: dict[str, dict[str, Callable[[Case], Any]]] = {
    "highest": {"eager float32": lambda case: nullcontext()},
    "high": {"eager TF32": lambda case: nullcontext(), "eager bf16 autocast": bf16},
}


def on_cuda(shape: Shape, wanted: Wanted) -> Callable[[Session], None]:
    """Against every opponent, plain and compiled."""

    def question(session: Session) -> None:
        case = Case(session, shape, wanted)
        for setting, opponents in OPPONENTS.items():
            with precision(setting):
                check = case.check(EXTRA_CUDA[setting])
                for name, context in opponents.items():
                    for compiled in (False, True):
                        compare_on_cuda(session, case, setting, name, context, compiled, check)

    return question


def compare_on_cuda(
    session: Session,
    case: Case,
    setting: str,
    name: str,
    context: Callable[[Case], Any],
    compiled: bool,
    check: Callable[[Results, Results], None],
) -> None:
    information: Information = eager_information
    if compiled:
        torch.compiler.reset()  # of the other settings
        information = torch.compile(eager_information, dynamic=False)

    def in_context(*arguments: Any) -> Tensor:
        with context(case):
            return information(*arguments)

    session.compare(
        title_of(case),
        lambda: case.results(fused),
        lambda: case.results(in_context),
        check,
        shape=str(case.shape),
        opponent_name=f"{name}, torch.compile" if compiled else name,
        limit=case.limit(session, setting),
        notes={"target": case.shape.target} if case.wanted == "weights" else None,
    )


def runs(shape: Shape) -> Callable[[Session], None]:
    """The critics of 20 runs at once against one of them, 20 times."""

    def question(session: Session) -> None:
        case = Case(session, shape)
        every = MINE(
            shape.group,
            shape.group,
            shape.hidden,
            negative_slope=shape.slope,
            ensemble=RUNS,
            device=session.device,
        )
        with torch.no_grad():
            for name, weight in every.named_parameters():
                weight.copy_(case.mine.get_parameter(name).expand_as(weight))
        a, b, permutation = (
            tensor.expand(RUNS, *tensor.shape).contiguous()
            for tensor in (case.a, case.b, case.permutation)
        )
        weights = [w for name, w in every.named_parameters() if name != "bias_out"]

        def ours() -> Results:
            bounds = every(a, b, permutation)
            return [bounds.detach(), *torch.autograd.grad(bounds.sum(), weights)]

        def same_bits(ours: Results, theirs: Results) -> None:
            for members, one in zip(ours, theirs, strict=True):
                for member in members:
                    torch.testing.assert_close(member, one, rtol=0.0, atol=0.0)

        for setting in OPPONENTS:
            with precision(setting):
                session.compare(
                    f"MINE step, {RUNS} runs, {shape.name}",
                    ours,
                    lambda: case.results(fused),
                    same_bits,
                    shape=f"{RUNS} x {case.shape}",
                    opponent_name=f"one run, {RUNS} times",
                    opponent_part=1 / RUNS,
                    limit=case.limit(session, setting, RUNS),
                    notes={"target": RUNS_TARGET},
                )

    return question


if __name__ == "__main__":
    run(
        "mine",
        cpu={
            "working memory": on_cpu(WORKING_MEMORY, *PRECISIONS),
            "separation": on_cpu(SEPARATION, "highest"),
        },
        cuda={
            "working memory, step": on_cuda(WORKING_MEMORY, "weights"),
            "working memory, samples": on_cuda(WORKING_MEMORY, "samples"),
            "working memory, runs": runs(WORKING_MEMORY),
            "separation, step": on_cuda(SEPARATION, "weights"),
            "separation, samples": on_cuda(SEPARATION, "samples"),
            "separation, runs": runs(SEPARATION),
        },
    )
