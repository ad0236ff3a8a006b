"""How the leaky RNN behaves as an op: registration, compilation, autocast, refusals, bad input."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from midiff_fast import _load, functional
from midiff_fast.ops.leaky import leaky_rnn
from tests.ops.leaky_cases import Arguments, make

needs_compiled = pytest.mark.skipif(not _load.available, reason=_load.reason)


@needs_compiled
@pytest.mark.parametrize(
    "utility",
    ["test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic"],
)
@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_opcheck_forward(utility: str, noise: bool, dtype: torch.dtype) -> None:
    arguments = make(2, 3, 5, 4, 7, noise=noise, dtype=dtype).with_gradients()
    torch.library.opcheck(
        torch.ops.midiff.leaky_rnn.default,
        (*arguments[:5], arguments.noise, 0.1),
        test_utils=utility,
    )


@needs_compiled
def test_opcheck_of_the_other_ops() -> None:
    arguments = make(2, 3, 5, 4, 7)
    torch.library.opcheck(
        torch.ops.midiff.leaky_rnn_last.default, (*arguments[:5], arguments.noise, 0.1)
    )
    states = leaky_rnn(*arguments[:5], 0.1, arguments.noise)
    for needs in [(True, True, True, True), (False, True, False, False)]:
        torch.library.opcheck(
            torch.ops.midiff.leaky_rnn_backward.default,
            (states, states, *arguments[:4], 0.1, *needs),
        )


@needs_compiled
@pytest.mark.parametrize("keep", ["all", "last"])
def test_compiles_as_one_graph(keep: Any) -> None:
    arguments = make(2, 3, 5, 4, 7)

    def loss(*tensors: Tensor) -> Tensor:
        a = Arguments(*tensors)
        states = leaky_rnn(*a[:5], 0.1, a.noise, keep=keep, backend="fused")
        return torch.tanh(states).square().sum()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    results = []
    for function in (loss, compiled):
        tensors = arguments.with_gradients().tensors()
        value = function(*tensors)
        results.append((value, torch.autograd.grad(value, tensors)))
    torch.testing.assert_close(results[0], results[1])
    with torch.no_grad():
        torch.testing.assert_close(compiled(*arguments.tensors()), results[0][0].detach())


@needs_compiled
@pytest.mark.slow
def test_compiles_with_the_default_compiler() -> None:
    arguments = make(1, 3, 5, 4, 7)
    compiled = torch.compile(functional.leaky_rnn, fullgraph=True)
    got = compiled(*arguments[:5], 0.1, arguments.noise)
    torch.testing.assert_close(got, functional.leaky_rnn(*arguments[:5], 0.1, arguments.noise))


@needs_compiled
def test_second_derivative_names_the_eager_backend() -> None:
    arguments = make(1, 2, 4, 3, 5).with_gradients()
    states = leaky_rnn(*arguments[:5], 0.1, arguments.noise, backend="fused")
    (gradient,) = torch.autograd.grad(states.square().sum(), arguments.input, create_graph=True)
    with pytest.raises(RuntimeError, match=r'leaky_rnn: .*backend="eager"'):
        gradient.square().sum().backward()


@needs_compiled
def test_second_derivative_of_a_linear_loss_is_refused_too() -> None:
    """The upstream gradient is a constant here: only the op's own inputs connect the graph."""
    arguments = make(1, 2, 4, 3, 5)
    input = arguments.input.requires_grad_()
    weight_hh = arguments.weight_hh.requires_grad_()
    states = leaky_rnn(input, arguments.h0, arguments.weight_ih, weight_hh, arguments.bias, 0.1)
    (gradient,) = torch.autograd.grad(states.sum(), input, create_graph=True)
    with pytest.raises(RuntimeError, match=r'backend="eager"'):
        torch.autograd.grad(gradient.square().sum(), weight_hh)


def test_eager_has_second_derivatives() -> None:
    arguments = make(1, 2, 3, 2, 3).with_gradients()

    def states(*tensors: Tensor) -> Tensor:
        a = Arguments(*tensors)
        return leaky_rnn(*a[:5], 0.3, a.noise, backend="eager")

    assert torch.autograd.gradgradcheck(states, arguments.tensors())


@needs_compiled
def test_last_op_refuses_gradients() -> None:
    arguments = make(1, 2, 4, 3, 5).with_gradients()
    last = torch.ops.midiff.leaky_rnn_last(*arguments[:5], arguments.noise, 0.1)
    with pytest.raises(RuntimeError, match="leaky_rnn_last has no derivatives"):
        last.sum().backward()


@pytest.mark.parametrize("backend", ["eager", pytest.param("fused", marks=needs_compiled)])
def test_autocast_leaves_it_in_float32(backend: Any) -> None:
    arguments = make(1, 2, 4, 3, 5, dtype=torch.float32)
    wanted = leaky_rnn(*arguments[:5], 0.1, arguments.noise, backend=backend)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        states = leaky_rnn(*arguments[:5], 0.1, arguments.noise, backend=backend)
        low = arguments.input.bfloat16()
        mixed = leaky_rnn(low, *arguments[1:5], 0.1, arguments.noise, backend=backend)
    assert states.dtype == mixed.dtype == torch.float32
    assert torch.equal(states, wanted)


@pytest.mark.parametrize("backend", ["eager", pytest.param("fused", marks=needs_compiled)])
def test_arguments_without_ensemble_axis_are_shared(backend: Any) -> None:
    shared = make(1, 3, 5, 4, 7)
    input, h0, weight_ih, _, bias, noise = (t[0] for t in shared.tensors())
    many = make(3, 3, 5, 4, 7).weight_hh
    states = functional.leaky_rnn(input, h0, weight_ih, many, bias, 0.1, noise, backend=backend)
    assert states.shape == (3, 3, 5, 7)
    for member in range(3):
        alone = functional.leaky_rnn(
            input, h0, weight_ih, many[member], bias, 0.1, noise, backend=backend
        )
        torch.testing.assert_close(states[member], alone)


def bad_input(message: str, error: type[Exception], **changes: Any) -> None:
    """Checks what changed arguments raise; the good ones are B 2, T 5, I 4, N 7 without E."""
    names = ("input", "h0", "weight_ih", "weight_hh", "bias", "noise")
    good = dict(zip(names, (t[0] for t in make(1, 2, 5, 4, 7).tensors()), strict=True))
    values = {**good, "alpha": 0.1, **changes}
    with pytest.raises(error, match="^" + re.escape(message) + "$"):
        functional.leaky_rnn(**values)


def normal(*size: int) -> Tensor:
    return torch.zeros(*size, dtype=torch.float64)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("input", normal(5, 4), "input: expected [B, T, 4] or [E, B, T, 4], got [5, 4]"),
        ("input", normal(2, 5, 3), "input: expected [B, T, 4] or [E, B, T, 4], got [2, 5, 3]"),
        ("h0", normal(7), "h0: expected [2, 7] or [E, 2, 7], got [7]"),
        ("h0", normal(3, 7), "h0: expected [2, 7] or [E, 2, 7], got [3, 7]"),
        ("h0", normal(2, 6), "h0: expected [2, 7] or [E, 2, 7], got [2, 6]"),
        ("weight_ih", normal(6, 4), "weight_ih: expected [7, I] or [E, 7, I], got [6, 4]"),
        ("weight_hh", normal(7), "weight_hh: expected [N, N] or [E, N, N], got [7]"),
        ("weight_hh", normal(7, 6), "weight_hh: expected [N, N] or [E, N, N], got [7, 6]"),
        ("bias", normal(6), "bias: expected [7] or [E, 7], got [6]"),
        ("bias", normal(1, 1, 7), "bias: expected [7] or [E, 7], got [1, 1, 7]"),
        ("noise", normal(2, 4, 7), "noise: expected [2, 5, 7] or [E, 2, 5, 7], got [2, 4, 7]"),
        ("noise", normal(5, 7), "noise: expected [2, 5, 7] or [E, 2, 5, 7], got [5, 7]"),
    ],
)
def test_wrong_rank_or_size(name: str, value: Tensor, message: str) -> None:
    bad_input(message, ValueError, **{name: value})


def test_ensembles_of_different_size() -> None:
    bad_input(
        "h0: expected an ensemble of 3 members like weight_hh, got [2, 2, 7]",
        ValueError,
        weight_hh=normal(3, 7, 7),
        h0=normal(2, 2, 7),
    )


def test_no_units() -> None:
    bad_input(
        "weight_hh: expected at least one unit, got [1, 0, 0]",
        ValueError,
        weight_hh=normal(0, 0),
        weight_ih=normal(0, 4),
        bias=normal(0),
        h0=normal(2, 0),
        noise=None,
    )


def test_no_inputs() -> None:
    bad_input(
        "weight_ih: expected at least one input, got [1, 7, 0]",
        ValueError,
        weight_ih=normal(7, 0),
        input=normal(2, 5, 0),
    )


@pytest.mark.parametrize("name", ["h0", "weight_ih", "weight_hh", "bias", "noise"])
def test_mixed_dtypes(name: str) -> None:
    sizes = {"h0": (2, 7), "weight_ih": (7, 4), "weight_hh": (7, 7), "bias": (7,)}
    value = normal(*sizes.get(name, (2, 5, 7))).float()
    bad_input(f"{name}: expected float64 like input, got float32", TypeError, **{name: value})


def test_integers() -> None:
    value = torch.zeros(2, 5, 4, dtype=torch.int64)
    message = "input: expected a floating-point tensor, got int64"
    bad_input(message, TypeError, input=value)


def test_not_a_tensor() -> None:
    bad_input("h0: expected a tensor, got list", TypeError, h0=[[0.0] * 7] * 2)


def test_other_device() -> None:
    bad_input(
        "h0: expected a tensor on cpu like input, got meta",
        ValueError,
        h0=torch.zeros(2, 7, dtype=torch.float64, device="meta"),
    )


@pytest.mark.parametrize("alpha", [float("nan"), float("inf"), "0.1"])
def test_alpha(alpha: Any) -> None:
    bad_input(f"alpha: expected a finite number, got {alpha!r}", ValueError, alpha=alpha)


def test_unknown_keep() -> None:
    bad_input("keep: expected 'all' or 'last', got 'first'", ValueError, keep="first")


def test_unknown_backend() -> None:
    message = "backend: expected one of ('auto', 'fused', 'eager'), got 'cuda'"
    bad_input(message, ValueError, backend="cuda")


@needs_compiled
def test_fused_in_half_precision_says_why_not() -> None:
    arguments = make(1, 2, 3, 4, 5)
    half = Arguments(*(t.half() for t in arguments.tensors()))
    with pytest.raises(RuntimeError, match='backend="fused" is not possible for leaky_rnn: input'):
        leaky_rnn(*half[:5], 0.1, half.noise, backend="fused")
    assert leaky_rnn(*half[:5], 0.1, half.noise, backend="auto").dtype == torch.float16


@needs_compiled
@pytest.mark.parametrize("position", range(5))
def test_the_bare_op_checks_sizes(position: int) -> None:
    """torch.ops.midiff called directly must not read out of bounds."""
    arguments = make(2, 3, 5, 4, 7)
    tensors = list(arguments[:5])
    tensors[position] = tensors[position][:, :-1].contiguous()
    # The sizes are those of input and weight_ih: where one of them is wrong, another does not fit.
    name = ("h0", "h0", "weight_hh", "weight_hh", "bias")[position]
    with pytest.raises(RuntimeError, match=f"{name}: expected"):
        torch.ops.midiff.leaky_rnn(*tensors, arguments.noise, 0.1)
