"""How the GRU behaves as an op: registration, compilation, autocast, refusals, bad input."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from midiff_fast import _load, functional
from midiff_fast.ops.gru import gru
from tests.ops.gru_cases import Arguments, make

needs_compiled = pytest.mark.skipif(not _load.available, reason=_load.reason)


@needs_compiled
@pytest.mark.parametrize(
    "utility",
    ["test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_opcheck_forward(utility: str, dtype: torch.dtype) -> None:
    arguments = make(2, 3, 5, 4, 7, dtype=dtype).with_gradients()
    torch.library.opcheck(torch.ops.midiff.gru.default, tuple(arguments), test_utils=utility)


@needs_compiled
def test_opcheck_of_the_other_ops() -> None:
    arguments = make(2, 3, 5, 4, 7)
    torch.library.opcheck(torch.ops.midiff.gru_last.default, tuple(arguments))
    states = gru(*arguments)
    for needs in [(True, True, True), (False, True, False)]:
        torch.library.opcheck(
            torch.ops.midiff.gru_backward.default, (states, states, *arguments, *needs)
        )


@needs_compiled
@pytest.mark.parametrize("keep", ["all", "last"])
def test_compiles_as_one_graph(keep: Any) -> None:
    arguments = make(2, 3, 5, 4, 7)

    def loss(*tensors: Tensor) -> Tensor:
        states = gru(*tensors, keep=keep, backend="fused")
        return torch.tanh(states).square().sum()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    results = []
    for function in (loss, compiled):
        tensors = arguments.with_gradients()
        value = function(*tensors)
        results.append((value, torch.autograd.grad(value, tensors)))
    torch.testing.assert_close(results[0], results[1])
    with torch.no_grad():
        torch.testing.assert_close(compiled(*arguments), results[0][0].detach())


@needs_compiled
@pytest.mark.slow
def test_compiles_with_the_default_compiler() -> None:
    arguments = make(1, 3, 5, 4, 7)
    compiled = torch.compile(functional.gru, fullgraph=True)
    got = compiled(*arguments)
    torch.testing.assert_close(got, functional.gru(*arguments))


@needs_compiled
def test_second_derivative_names_the_eager_backend() -> None:
    arguments = make(1, 2, 4, 3, 5).with_gradients()
    states = gru(*arguments, backend="fused")
    (gradient,) = torch.autograd.grad(states.square().sum(), arguments.input, create_graph=True)
    with pytest.raises(RuntimeError, match=r'gru: .*backend="eager"'):
        gradient.square().sum().backward()


@needs_compiled
def test_second_derivative_of_a_linear_loss_is_refused_too() -> None:
    """The upstream gradient is a constant here: only the op's own inputs connect the graph."""
    arguments = make(1, 2, 4, 3, 5)
    input = arguments.input.requires_grad_()
    weight_hh = arguments.weight_hh.requires_grad_()
    states = gru(*arguments._replace(input=input, weight_hh=weight_hh))
    (gradient,) = torch.autograd.grad(states.sum(), input, create_graph=True)
    with pytest.raises(RuntimeError, match=r'backend="eager"'):
        torch.autograd.grad(gradient.square().sum(), weight_hh)


def test_eager_has_second_derivatives() -> None:
    arguments = make(1, 2, 3, 2, 3).with_gradients()

    def states(*tensors: Tensor) -> Tensor:
        return gru(*tensors, backend="eager")

    assert torch.autograd.gradgradcheck(states, tuple(arguments))


@needs_compiled
def test_last_op_refuses_gradients() -> None:
    arguments = make(1, 2, 4, 3, 5).with_gradients()
    last = torch.ops.midiff.gru_last(*arguments)
    with pytest.raises(RuntimeError, match="gru_last has no derivatives"):
        last.sum().backward()


@pytest.mark.parametrize("backend", ["eager", pytest.param("fused", marks=needs_compiled)])
def test_autocast_leaves_it_in_float32(backend: Any) -> None:
    arguments = make(1, 2, 4, 3, 5, dtype=torch.float32)
    wanted = gru(*arguments, backend=backend)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        states = gru(*arguments, backend=backend)
        low = arguments.input.bfloat16()
        mixed = gru(low, *arguments[1:], backend=backend)
    assert states.dtype == mixed.dtype == torch.float32
    assert torch.equal(states, wanted)


@pytest.mark.parametrize("backend", ["eager", pytest.param("fused", marks=needs_compiled)])
def test_arguments_without_ensemble_axis_are_shared(backend: Any) -> None:
    shared = make(1, 3, 5, 4, 7)
    first = Arguments(*(t[0] for t in shared))
    many = make(3, 3, 5, 4, 7).weight_hh
    states = functional.gru(*first._replace(weight_hh=many), backend=backend)
    assert states.shape == (3, 3, 5, 7)
    for member in range(3):
        alone = functional.gru(*first._replace(weight_hh=many[member]), backend=backend)
        torch.testing.assert_close(states[member], alone)


def bad_input(message: str, error: type[Exception], **changes: Any) -> None:
    """Checks what changed arguments raise; the good ones are B 2, T 5, I 4, H 7 without E."""
    good = {name: tensor[0] for name, tensor in make(1, 2, 5, 4, 7)._asdict().items()}
    with pytest.raises(error, match="^" + re.escape(message) + "$"):
        functional.gru(**{**good, **changes})


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
        ("weight_ih", normal(20, 4), "weight_ih: expected [21, I] or [E, 21, I], got [20, 4]"),
        ("weight_hh", normal(7), "weight_hh: expected [3H, H] or [E, 3H, H], got [7]"),
        ("weight_hh", normal(20, 7), "weight_hh: expected [3H, H] or [E, 3H, H], got [20, 7]"),
        ("bias_ih", normal(7), "bias_ih: expected [21] or [E, 21], got [7]"),
        ("bias_hh", normal(1, 1, 21), "bias_hh: expected [21] or [E, 21], got [1, 1, 21]"),
    ],
)
def test_wrong_rank_or_size(name: str, value: Tensor, message: str) -> None:
    bad_input(message, ValueError, **{name: value})


def test_ensembles_of_different_size() -> None:
    bad_input(
        "h0: expected an ensemble of 3 members like weight_hh, got [2, 2, 7]",
        ValueError,
        weight_hh=normal(3, 21, 7),
        h0=normal(2, 2, 7),
    )


def test_no_units() -> None:
    bad_input(
        "weight_hh: expected at least one unit, got [1, 0, 0]",
        ValueError,
        weight_hh=normal(0, 0),
        weight_ih=normal(0, 4),
        bias_ih=normal(0),
        bias_hh=normal(0),
        h0=normal(2, 0),
    )


def test_no_inputs() -> None:
    bad_input(
        "weight_ih: expected at least one input, got [1, 21, 0]",
        ValueError,
        weight_ih=normal(21, 0),
        input=normal(2, 5, 0),
    )


@pytest.mark.parametrize("name", ["h0", "weight_ih", "weight_hh", "bias_ih", "bias_hh"])
def test_mixed_dtypes(name: str) -> None:
    sizes = {"h0": (2, 7), "weight_ih": (21, 4), "weight_hh": (21, 7)}
    value = normal(*sizes.get(name, (21,))).float()
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


def test_unknown_keep() -> None:
    bad_input("keep: expected 'all' or 'last', got 'first'", ValueError, keep="first")


def test_unknown_backend() -> None:
    message = "backend: expected one of ('auto', 'fused', 'eager'), got 'cuda'"
    bad_input(message, ValueError, backend="cuda")


@needs_compiled
def test_fused_in_half_precision_says_why_not() -> None:
    arguments = make(1, 2, 3, 4, 5)
    half = Arguments(*(t.half() for t in arguments))
    with pytest.raises(RuntimeError, match='backend="fused" is not possible for gru: input'):
        gru(*half, backend="fused")
    assert gru(*half, backend="auto").dtype == torch.float16


@needs_compiled
@pytest.mark.parametrize("name", ["h0", "weight_ih", "weight_hh", "bias_ih", "bias_hh"])
def test_the_bare_op_checks_sizes(name: str) -> None:
    """torch.ops.midiff called directly must not read out of bounds."""
    arguments = make(2, 3, 5, 4, 7)
    wrong = getattr(arguments, name)[:, :-1].contiguous()
    with pytest.raises(RuntimeError, match=f"{name}: expected"):
        torch.ops.midiff.gru(*arguments._replace(**{name: wrong}))
