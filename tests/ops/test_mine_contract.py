"""What the Donsker-Varadhan op promises beyond its numbers: derivatives, determinism, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from midiff_fast import _load, functional
from midiff_fast.nn import MINE
from midiff_fast.ops import mine
from midiff_fast.ops.mine import SampleNoise
from midiff_fast.reference import CriticWeights
from tests.ops.mine_cases import Case, make

needs_compiled = pytest.mark.skipif(not _load.available, reason=_load.reason)


def check_gradients(case: Case) -> bool:
    leaves = {name: t.detach().requires_grad_() for name, t in case.differentiable().items()}

    def information(*tensors: Tensor) -> Tensor:
        return case.replace(dict(zip(leaves, tensors, strict=True))).information("fused")

    return torch.autograd.gradcheck(information, list(leaves.values()))


@needs_compiled
@pytest.mark.parametrize("slope", [0.0, 0.25, 1.0])
@pytest.mark.parametrize(
    ("members", "samples", "a_size", "b_size", "hidden"),
    [(1, 1, 1, 1, 1), (1, 2, 3, 1, 5), (2, 7, 2, 3, 4), (1, 9, 1, 4, 7)],
)
def test_gradcheck(
    members: int, samples: int, a_size: int, b_size: int, hidden: int, slope: float
) -> None:
    assert check_gradients(make(members, samples, a_size, b_size, hidden, slope=slope, seed=3))
    assert check_gradients(
        make(members, samples, a_size, b_size, hidden, slope=slope, marginal=True, seed=4)
    )


@needs_compiled
def test_gradcheck_non_contiguous_and_expanded() -> None:
    case = make(1, 6, 3, 2, 5)
    leaves = {n: t.detach().requires_grad_() for n, t in case.differentiable().items()}

    def information(*tensors: Tensor) -> Tensor:
        given = dict(zip(leaves, tensors, strict=True))
        given["a"] = given["a"].transpose(1, 2).contiguous().transpose(1, 2)
        given = {name: t.expand(2, *t.shape[1:]) for name, t in given.items()}
        shuffled = case._replace(permutation=case.permutation.expand(2, 6))
        return shuffled.replace(given).information("fused")

    assert torch.autograd.gradcheck(information, list(leaves.values()))


@needs_compiled
@pytest.mark.parametrize("wanted", ["inputs", "weights", "one"])
def test_a_part_of_the_gradients_is_the_same_bits(wanted: str) -> None:
    case = make(2, 300, 4, 5, 12, marginal=True)
    everything = case.information_and_gradients("fused")[1]
    names = {
        "inputs": ["a", "b", "marginal_b"],
        "weights": list(CriticWeights._fields),
        "one": ["weight_b"],
    }[wanted]
    tensors = {n: t.detach().requires_grad_(n in names) for n, t in case.differentiable().items()}
    mi = case.replace(tensors).information("fused")
    (mi * torch.tensor([1.0, 2.0])).sum().backward()
    for name, tensor in tensors.items():
        if name in names:
            assert tensor.grad is not None
            assert torch.equal(tensor.grad, everything[name]), name
        else:
            assert tensor.grad is None


def bits(case: Case) -> list[Tensor]:
    mi, gradients = case.information_and_gradients("fused")
    return [mi, *gradients.values()]


@needs_compiled
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_same_bits_for_any_thread_count_and_again(dtype: torch.dtype) -> None:
    case = make(3, 9001, 5, 6, 24, dtype=dtype, marginal=True)
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2, 3, 1):
            torch.set_num_threads(count)
            found.append(bits(case))
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        assert all(torch.equal(x, y) for x, y in zip(found[0], other, strict=True))


@needs_compiled
@pytest.mark.parametrize("noise", [False, True])
def test_a_member_does_not_depend_on_the_ensemble(noise: bool) -> None:
    case = make(20, 4500, 3, 4, 9, noise=noise, dtype=torch.float32)
    together = case.information("fused")
    gradients = case.information_and_gradients("fused")[1]
    for index in (0, 7, 19):
        alone = case.member(index)
        assert torch.equal(alone.information("fused"), together[index : index + 1])
        scaled = alone.information_and_gradients("fused")[1]
        for name, gradient in gradients.items():
            assert torch.equal(scaled[name] * (index + 1), gradient[index : index + 1]), name


@needs_compiled
@pytest.mark.parametrize("marginal", [False, True])
@pytest.mark.parametrize("gradients", [False, True])
def test_opcheck(marginal: bool, gradients: bool) -> None:
    case = make(2, 40, 3, 4, 6, marginal=marginal, output_bias=marginal)
    seeds = torch.tensor([1, 2]) if marginal else None
    tensors = {n: t.requires_grad_(gradients) for n, t in case.differentiable().items()}
    case = case.replace(tensors)
    arguments = (case.a, case.b, case.marginal_b, case.permutation, *case.weights, case.slope)
    torch.library.opcheck(
        torch.ops.midiff.donsker_varadhan.default,
        (*arguments, seeds, 6, 7, 0, 0.1, gradients, gradients, 0),
    )
    torch.library.opcheck(
        torch.ops.midiff.donsker_varadhan_backward.default,
        (torch.ones(2, dtype=torch.float64), [case.a.detach()], [case.b.detach()]),
    )


@needs_compiled
def test_compiles_as_one_graph() -> None:
    case = make(1, 60, 3, 4, 6, noise=True)
    leaves = {name: t.detach().requires_grad_() for name, t in case.differentiable().items()}

    def information(tensors: dict[str, Tensor]) -> Tensor:
        return case.replace(tensors).information("auto").sum() * 2

    compiled = torch.compile(information, fullgraph=True, backend="aot_eager")
    results = []
    for function in (information, compiled):
        mi = function(leaves)
        results.append([mi, *torch.autograd.grad(mi, list(leaves.values()))])
    assert all(torch.equal(x, y) for x, y in zip(*results, strict=True))


def test_a_compiled_function_follows_the_precision_setting() -> None:
    compiled = torch.compile(
        lambda x: x * mine._rounding(),
        fullgraph=True,
        backend="aot_eager",
    )
    before = torch.get_float32_matmul_precision()
    try:
        for setting, factor in (("highest", 0), ("medium", 2), ("highest", 0), ("medium", 2)):
            torch.set_float32_matmul_precision(setting)
            assert compiled(torch.ones(1)).item() == factor, setting
    finally:
        torch.set_float32_matmul_precision(before)


@needs_compiled
def test_second_derivatives_are_refused_and_eager_has_them() -> None:
    case = make(1, 30, 2, 2, 5)

    def penalty(backend: str) -> None:
        a = case.a.detach().requires_grad_()
        mi = case._replace(a=a).information(backend)  # type: ignore[arg-type]
        (gradient,) = torch.autograd.grad(mi.sum(), a, create_graph=True)
        gradient.square().sum().backward()
        assert a.grad is not None

    with pytest.raises(RuntimeError, match='use backend="eager" to differentiate twice'):
        penalty("fused")
    penalty("eager")


@needs_compiled
def test_autocast_leaves_float32() -> None:
    case = make(1, 50, 3, 3, 8, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = case.replace({n: t.bfloat16() for n, t in case.differentiable().items()})
        assert low.information("fused").dtype == torch.float32
        assert torch.equal(case.information("fused"), case.information("fused"))
        inside = case.information("fused")
    assert torch.equal(inside, case.information("fused"))


def wrong(change: Callable[[Case], Case]) -> Case:
    return change(make(2, 30, 3, 4, 5, marginal=True))


def weight(**changes: Tensor) -> Callable[[Case], Case]:
    return lambda case: case._replace(weights=case.weights._replace(**changes))


def noise(**changes: Any) -> Callable[[Case], Case]:
    good = SampleNoise(torch.arange(2), step=0, std=0.1)
    return lambda case: case._replace(noise=good._replace(**changes))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda c: c._replace(a=c.a[0]), ValueError, r"a: expected \[E, S, A\].*got \[30, 3\]"),
        (lambda c: c._replace(b=c.b[:, :20]), ValueError, r"b: expected \[E, S, B\].*\[2, 20, 4\]"),
        (
            lambda c: c._replace(marginal_b=c.marginal_b[..., :2]),
            ValueError,
            "marginal_b: expected",
        ),
        (lambda c: c._replace(permutation=c.permutation[:, 1:]), ValueError, "permutation: exp"),
        (lambda c: c._replace(permutation=c.permutation.int()), TypeError, "permutation.*int32"),
        (lambda c: c._replace(b=c.b.float()), TypeError, "b: expected float64 like a, got float32"),
        (lambda c: c._replace(a=c.a.long()), TypeError, "a: expected a floating-point tensor"),
        (lambda c: c._replace(a=c.a[:, :, :0]), ValueError, "weight_a: expected|a: expected"),
        (lambda c: c._replace(slope=1.5), ValueError, "negative_slope: expected 0 to 1, got 1.5"),
        (lambda c: c._replace(b=c.b.to("meta")), ValueError, "b: expected a tensor on cpu like a"),
        (weight(weight_h=torch.zeros(2, 5, 6).double()), ValueError, r"weight_h.*\[2, 5, 6\]"),
        (weight(bias_out=torch.zeros(3).double()), ValueError, r"bias_out: expected \[E\]"),
        (weight(bias_h=torch.zeros(2, 5)), TypeError, "bias_h: expected float64 like a"),
        (weight(weight_out=torch.zeros(2, 4).double()), ValueError, "weight_out: expected"),
        (noise(seeds=torch.arange(3)), ValueError, r"noise.seeds: expected \[E\].*got \[3\]"),
        (noise(seeds=torch.zeros(2)), TypeError, "noise.seeds: expected int64, got float32"),
        (noise(step=-1), ValueError, "noise.step: expected 0 to 2\\^32 - 1, got -1"),
        (noise(std=float("nan")), ValueError, "noise.std: expected 0 or more, got nan"),
    ],
)
def test_bad_arguments_are_named(
    change: Callable[[Case], Case], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        wrong(change).information("auto")


@needs_compiled
@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (4, 30, "got 30 at position 4 of member 1"),
        (4, -1, "got -1 at position 4"),
        (29, None, "at position 29"),
    ],
)
def test_a_permutation_that_is_none_is_refused(
    position: int, value: int | None, message: str
) -> None:
    case = make(2, 30, 3, 4, 5)
    case.permutation[1, position] = case.permutation[1, 0] if value is None else value
    with pytest.raises(RuntimeError, match=message):
        case.information("fused")


def test_no_samples_and_unknown_backend() -> None:
    case = make(1, 5, 2, 2, 3)
    empty = case._replace(a=case.a[:, :0], b=case.b[:, :0], permutation=case.permutation[:, :0])
    with pytest.raises(ValueError, match="a: expected at least one sample"):
        empty.information("auto")
    with pytest.raises(ValueError, match="backend: expected one of"):
        case.information("fast")  # type: ignore[arg-type]


@needs_compiled
def test_no_members() -> None:
    case = make(0, 5, 2, 2, 3)
    assert case.information("fused").shape == (0,)


def test_functional_shares_arguments_without_ensemble_axis() -> None:
    case = make(3, 40, 3, 4, 6)
    shared = functional.donsker_varadhan(
        case.a[0], case.b[0], case.permutation[0], case.weights, case.slope
    )
    assert shared.shape == (3,)
    for member in range(3):
        weights = CriticWeights._make(None if w is None else w[member] for w in case.weights)
        alone = functional.donsker_varadhan(
            case.a[0], case.b[0], case.permutation[0], weights, case.slope
        )
        assert alone.shape == ()
        assert torch.equal(alone, shared[member])
    with pytest.raises(ValueError, match=r"weight_a: expected \[6, 3\] or \[E, 6, 3\]"):
        functional.donsker_varadhan(
            case.a[0],
            case.b[0],
            case.permutation[0],
            case.weights._replace(weight_a=case.weights.weight_a[:, :, :2]),
        )


def test_module_draws_a_permutation_and_names_bad_sizes() -> None:
    torch.manual_seed(0)
    mine = MINE(3, 4, hidden_size=8, negative_slope=0.25, output_bias=False)
    assert {name for name, _ in mine.named_parameters()} == set(CriticWeights._fields) - {
        "bias_out"
    }
    a, b = torch.randn(50, 3), torch.randn(50, 4)
    torch.manual_seed(5)
    drawn = mine(a, b)
    torch.manual_seed(5)
    assert torch.equal(drawn, mine(a, b, torch.rand(50).argsort()))
    ensemble = MINE(3, 4, hidden_size=8, ensemble=2)
    assert ensemble(a.expand(2, 50, 3), b.expand(2, 50, 4)).shape == (2,)
    for arguments in ({"hidden_size": 0}, {"negative_slope": 2.0}, {"ensemble": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(arguments))}: expected"):
            MINE(3, 4, **arguments)
    with pytest.raises(ValueError, match="a_size: expected at least 1, got 0"):
        MINE(0, 4)
