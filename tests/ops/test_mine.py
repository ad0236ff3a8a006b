"""Numbers of the Donsker-Varadhan op: the authors' code, the eager definition, closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import leaky_relu

from midiff_fast import _load, functional
from midiff_fast.nn import MINE
from midiff_fast.ops._common import Backend
from midiff_fast.reference import CriticWeights
from tests.ops.mine_cases import Case, make, relative

needs_compiled = pytest.mark.skipif(not _load.available, reason=_load.reason)
BACKENDS = ["eager", pytest.param("fused", marks=needs_compiled)]
DATA = Path(__file__).parents[1] / "data"

# Their names, in the order of CriticWeights; matrices are stored inputs x units.
STORED = ("k_x", "b_x", "k_y", "b_y", "k_h", "b_h", "k_out", "b_out")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["mine_wm.npz", "mine_separation.npz"])
def test_reproduces_the_authors_code(name: str, dtype: torch.dtype, backend: Backend) -> None:
    with np.load(DATA / name) as file:
        stored = {key: torch.from_numpy(file[key]) for key in file.files}

    def ours(key: str) -> Tensor:
        value = stored[key].to(dtype)
        if key.endswith("k_out") or key.endswith("b_out"):
            return value.reshape(-1) if key.endswith("k_out") else value.reshape(())
        return value.T if "k_" in key else value

    a, b = (stored[key].to(dtype).requires_grad_() for key in ("x", "y"))
    names = [key for key in STORED if key in stored]
    weights = [ours(key).clone().requires_grad_() for key in names]
    mi = functional.donsker_varadhan(
        a,
        b,
        stored["perm"],
        CriticWeights(*weights),
        float(stored["negative_slope"]),
        backend=backend,
    )
    # MI is a difference of two sums of some 2 nats, so eager float32 is only absolutely this near.
    absolute = 1e-6 if (backend, dtype) == ("eager", torch.float32) else 0.0
    assert mi.item() == pytest.approx(float(stored["mi"]), rel=1e-5, abs=absolute)
    mi.backward()
    for key, tensor in zip(["x", "y", *names], [a, b, *weights], strict=True):
        assert tensor.grad is not None
        if key == "b_out":  # theirs is rounding noise around zero
            assert tensor.grad.abs() < 1e-6
        else:
            assert relative(tensor.grad, ours(f"g_{key}")) < 1e-4, key


@needs_compiled
@settings(max_examples=60, deadline=None)
@given(
    members=st.integers(1, 3),
    samples=st.integers(1, 700),
    a_size=st.integers(1, 23),
    b_size=st.integers(1, 23),
    hidden=st.integers(1, 70),
    slope=st.sampled_from([0.0, 0.25, 0.6, 1.0]),
    marginal=st.booleans(),
    noise=st.booleans(),
    output_bias=st.booleans(),
)
def test_fused_equals_eager_in_float64(
    members: int,
    samples: int,
    a_size: int,
    b_size: int,
    hidden: int,
    slope: float,
    marginal: bool,
    noise: bool,
    output_bias: bool,
) -> None:
    case = make(
        members,
        samples,
        a_size,
        b_size,
        hidden,
        slope=slope,
        marginal=marginal,
        noise=noise,
        output_bias=output_bias,
    )
    mi, gradients = case.information_and_gradients("fused")
    wanted_mi, wanted = case.information_and_gradients("eager")
    assert relative(mi, wanted_mi) < 1e-10
    for name, gradient in gradients.items():
        assert gradient.shape == wanted[name].shape
        floor = 0.1 if name.startswith("bias") else 1e-3  # biases: terms of order one cancel
        assert relative(gradient, wanted[name], floor) < 1e-10, name
    assert torch.equal(mi, case.information("fused"))  # no gradients asked for


@needs_compiled
@pytest.mark.parametrize("marginal", [False, True])
def test_keyed_noise_equals_noise_that_was_added_before(marginal: bool) -> None:
    # 7 variables: most rows begin inside a four of the stream.
    case = make(2, 1000, 7, 9, 12, marginal=marginal, noise=True, dtype=torch.float32)
    assert case.noise is not None
    a = case.noise.added_to(case.a, case.noise.purpose_a)
    b = case.noise.added_to(case.b, case.noise.purpose_b)
    assert (a - case.a).std() == pytest.approx(0.3, rel=0.05)
    added = case._replace(a=a, b=b, noise=None)
    mi, gradients = case.information_and_gradients("fused")
    wanted_mi, wanted = added.information_and_gradients("fused")
    assert torch.equal(mi, wanted_mi)
    assert all(torch.equal(gradients[name], wanted[name]) for name in gradients)


@needs_compiled
def test_samples_may_be_columns_of_something_wider() -> None:
    rates = torch.randn(2, 300, 9, dtype=torch.float64)
    case = make(2, 300, 4, 5, 8)
    case = case._replace(a=rates[..., :4], b=rates[..., 4:])
    dense = case._replace(a=case.a.contiguous(), b=case.b.contiguous())
    assert torch.equal(case.information("fused"), dense.information("fused"))


@pytest.fixture
def precision(request: pytest.FixtureRequest) -> Iterator[str]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(request.param)
    yield request.param
    torch.set_float32_matmul_precision(before)


at_high = pytest.mark.parametrize("precision", ["high"], indirect=True)
at_medium = pytest.mark.parametrize("precision", ["medium"], indirect=True)
at_either = pytest.mark.parametrize("precision", ["high", "medium"], indirect=True)
SHAPES = [(1, 600, 20, 20, 512), (2, 9000, 49, 50, 100), (1, 77, 3, 2, 5)]


def to_bf16(x: Tensor) -> Tensor:
    return x.bfloat16().to(x.dtype)


def to_tf32(x: Tensor) -> Tensor:
    """To 11 of float32's 24 bits."""
    dropped = 13
    bits = x.float().view(torch.int32) + (1 << (dropped - 1))
    return ((bits >> dropped) << dropped).view(torch.float32).to(x.dtype)


def information_with_factors(case: Case, precision: Callable[[Tensor], Tensor]) -> Tensor:
    """The definition, with both sides of the first and the hidden layer's products rounded."""

    def rounded(x: Tensor) -> Tensor:
        return x + (precision(x) - x).detach()

    def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.baddbmm(bias[:, None], rounded(x), rounded(weight).mT)

    def scores(b: Tensor) -> Tensor:
        first = linear(case.a, w.weight_a, w.bias_a) + linear(b, w.weight_b, w.bias_b)
        hidden = linear(leaky_relu(first, case.slope), w.weight_h, w.bias_h)
        return (leaky_relu(hidden, case.slope) @ w.weight_out[:, :, None]).squeeze(2)

    w, marginal = case.weights, case.b if case.marginal_b is None else case.marginal_b
    shuffled = marginal.gather(1, case.permutation[:, :, None].expand_as(marginal))
    product = scores(shuffled).logsumexp(1) - math.log(case.a.shape[1])
    return scores(case.b).mean(1) - product


def rounded_information_and_gradients(
    case: Case, precision: Callable[[Tensor], Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    """As the definition with such factors has them."""
    leaves = {name: t.requires_grad_() for name, t in case.differentiable().items()}
    mi = information_with_factors(case.replace(leaves), precision)
    share = torch.arange(1, len(mi) + 1)
    found = torch.autograd.grad((mi * share).sum(), list(leaves.values()), allow_unused=True)
    return mi.detach(), dict(zip(leaves, found, strict=True))


@needs_compiled
@at_high
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("slope", [0.0, 0.25])
@pytest.mark.usefixtures("precision")
def test_high_errs_less_than_tf32(shape: tuple[int, ...], slope: float) -> None:
    case = make(*shape, slope=slope, marginal=True)
    mi, gradients = case.to(torch.float32).information_and_gradients("fused")
    exact, wanted = case.information_and_gradients("eager")
    theirs_mi, theirs = rounded_information_and_gradients(case, to_tf32)
    assert (mi - exact).abs().max() < (theirs_mi - exact).abs().max() / 2
    for name in (*CriticWeights._fields[:-1], "a", "b", "marginal_b"):
        error = (gradients[name].double() - wanted[name]).norm()
        assert error < (theirs[name] - wanted[name]).norm() / 2, name


@needs_compiled
@at_medium
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("slope", [0.0, 0.25])
@pytest.mark.usefixtures("precision")
def test_medium_rounds_products_to_bf16_at_most(shape: tuple[int, ...], slope: float) -> None:
    """Rounding turns units near 0 on or off: gradients are compared where the same ones are on."""
    case = make(*shape, slope=slope, marginal=True)
    mi, gradients = case.to(torch.float32).information_and_gradients("fused")
    exact, wanted = case.information_and_gradients("eager")
    assert float((mi - exact).abs().max()) < 5e-3
    if _load.build_info()["medium"] != "float32":
        rounded, wanted = rounded_information_and_gradients(case, to_bf16)
        assert float((mi - rounded).abs().max()) < 1e-4
    for name in (*CriticWeights._fields[:-1], "a", "b", "marginal_b"):
        # Going back, the definition's weights are rounded and ours are not (0.4 %); a sum that lies
        # on the edge between two bf16 numbers goes either way; of biases, the terms cancel.
        error = (gradients[name].double() - wanted[name]).norm() / wanted[name].norm()
        assert error < (5e-2 if name.startswith("bias") else 2e-2), name


@needs_compiled
@at_either
def test_products_are_rounded_where_the_build_says_so(precision: str) -> None:
    single = make(1, 600, 20, 20, 64, dtype=torch.float32)
    mi = single.information("fused")
    torch.set_float32_matmul_precision("highest")
    rounded = not torch.equal(single.information("fused"), mi)
    assert rounded == (_load.build_info()[precision] != "float32")


@needs_compiled
@at_either
@pytest.mark.usefixtures("precision")
def test_rounded_products_have_the_same_bits_for_any_threads_and_ensemble() -> None:
    case = make(3, 9000, 7, 6, 21, dtype=torch.float32)
    together, gradients = case.information_and_gradients("fused")
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        again, same = case.information_and_gradients("fused")
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(together, again)
    assert all(torch.equal(gradients[name], same[name]) for name in gradients)
    for index in range(3):
        assert torch.equal(case.member(index).information("fused")[0], together[index])


@needs_compiled
@pytest.mark.parametrize(("samples", "hidden", "slope"), [(600, 512, 0.0), (9000, 100, 0.25)])
def test_float32_is_as_near_float64_as_the_eager_float32(
    samples: int, hidden: int, slope: float
) -> None:
    """The paper's two widths; 9000 samples are more than one lane."""
    case = make(1, samples, 20, 20, hidden, slope=slope, marginal=True)
    exact_mi, exact = case.information_and_gradients("eager")
    single = case.to(torch.float32)
    mi, gradients = single.information_and_gradients("fused")
    eager_mi, eager = single.information_and_gradients("eager")
    assert relative(mi, exact_mi) < 1e-6 + 2 * relative(eager_mi, exact_mi)
    for name in CriticWeights._fields:
        limit = 1e-6 + 2 * relative(eager[name], exact[name])
        assert relative(gradients[name], exact[name]) < limit, name
    for name in ("a", "b", "marginal_b"):
        # In a few samples an activation near zero has another sign in float32, in either backend.
        error = (gradients[name] - exact[name]).abs().amax(2) / exact[name].abs().max()
        assert error.quantile(0.995) < 2e-6, name


@needs_compiled
def test_large_scores_do_not_overflow() -> None:
    case = make(1, 600, 4, 4, 12, dtype=torch.float32)
    loud = case._replace(weights=case.weights._replace(weight_out=case.weights.weight_out * 3000))
    mi, gradients = loud.information_and_gradients("fused")
    wanted_mi, wanted = loud.information_and_gradients("eager")
    assert mi.isfinite().all()
    assert mi.abs() > 1000
    assert relative(mi, wanted_mi) < 1e-5
    for name, gradient in gradients.items():
        assert relative(gradient, wanted[name]) < 1e-3, name


@needs_compiled
def test_not_a_number_in_a_weight_shows() -> None:
    case = make(2, 50, 3, 3, 8)
    case.weights.weight_h[1, 2, 5] = float("nan")
    mi, gradients = case.information_and_gradients("fused")
    assert torch.equal(mi.isnan(), torch.tensor([False, True]))
    assert gradients["weight_a"][1].isnan().any()
    assert gradients["weight_a"][0].isfinite().all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_output_bias_does_not_matter(backend: Backend) -> None:
    case = make(2, 80, 3, 4, 9)
    shifted = case._replace(weights=case.weights._replace(bias_out=torch.full((2,), 5.0).double()))
    mi = case.information(backend)
    assert relative(shifted.information(backend), mi) < 1e-12
    without = case._replace(weights=case.weights._replace(bias_out=None))
    assert relative(without.information(backend), mi) < 1e-12


@pytest.mark.parametrize("backend", BACKENDS)
def test_identity_permutation_gives_at_most_zero(backend: Backend) -> None:
    """mean T - log mean exp T of the same pairs is at most 0 (Jensen), 0 for one sample."""
    case = make(1, 200, 3, 3, 9)
    same = case._replace(permutation=torch.arange(200)[None])
    assert same.information(backend).item() < 0
    one = make(1, 1, 3, 3, 9)
    assert one.information(backend).abs().item() < 1e-12


def test_a_trained_critic_finds_the_information_of_gaussians() -> None:
    """I = -log(1 - ρ²)/2 for a pair of unit normals with correlation ρ; held-out samples."""
    correlation = 0.75
    exact = -0.5 * math.log(1 - correlation**2)
    generator = torch.Generator().manual_seed(0)

    def sample(count: int) -> tuple[Tensor, Tensor, Tensor]:
        a = torch.randn(count, 1, generator=generator)
        noise = torch.randn(count, 1, generator=generator)
        order = torch.rand(count, generator=generator).argsort()
        return a, correlation * a + math.sqrt(1 - correlation**2) * noise, order

    torch.manual_seed(0)
    mine = MINE(1, 1, hidden_size=32)
    optimizer = torch.optim.Adam(mine.parameters(), lr=5e-3)
    for _ in range(250):
        optimizer.zero_grad()
        (-mine(*sample(2000))).backward()
        optimizer.step()
    with torch.no_grad():
        estimate = mine(*sample(50_000)).item()
    assert exact - 0.04 < estimate < exact + 0.02
