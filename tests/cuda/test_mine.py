"""MINE on the GPU: against the eager definition in float64, at each precision; the same bits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from tests.ops.mine_cases import make

# E, S, A, B, H: no tile filled; the paper's critics, cut short; the largest narrow critic, and one
# too large in each of its sizes; two tiles of units; several chunks. Narrow critics, up to 56, 55
# and 104, have kernels of their own in float32.
SHAPES = [
    (1, 1, 1, 1, 1),
    (2, 300, 5, 17, 33),
    (3, 2000, 20, 20, 512),
    (1, 70_000, 50, 50, 100),
    (2, 3000, 56, 55, 104),
    (1, 300, 57, 3, 16),
    (1, 300, 3, 56, 16),
    (1, 300, 3, 2, 105),
    (1, 1000, 3, 2, 130),
    (1, 70_000, 20, 20, 128),
]
# Relative errors in the Euclidean norm. TF32 has 10 bits of mantissa and turns units near 0 on or
# off: simulated, exactly rounded TF32 products are up to 1.8e-2 from float64 at 512 units.
TOLERANCE = {"highest": 1e-5, "high": 5e-2, "medium": 5e-2}


@pytest.fixture(autouse=True)
def _restore_precision() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


def distance(got: Tensor, wanted: Tensor) -> float:
    """Euclidean, relative to what is wanted, or to 1e-3 where that is smaller: terms of order one
    cancel in some gradients, that of the output bias to nothing."""
    size = float(wanted.double().norm().clamp_min(1e-3))
    return float((got.double() - wanted.double()).norm()) / size


def distance_of_most(got: Tensor, wanted: Tensor) -> float:
    """The largest difference in all but 0.5 % of the samples [E, S, variables], relative to the
    largest number wanted: in some samples a unit near 0 is on one side in float32, on the other in
    float64."""
    error = (got.double() - wanted).abs().amax(2) / wanted.abs().max()
    return float(error.flatten().sort().values[int(0.995 * (error.numel() - 1))])


@pytest.mark.parametrize("marginal", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_float64_equals_eager(shape: tuple[int, ...], marginal: bool) -> None:
    case = make(*shape, marginal=marginal).on("cuda")
    got, gradients = case.information_and_gradients("fused")
    wanted, exact = case.information_and_gradients("eager")
    assert distance(got, wanted) < 1e-10
    for name, gradient in gradients.items():
        assert distance(gradient, exact[name]) < 1e-10, name


@pytest.mark.parametrize("precision", list(TOLERANCE))
@pytest.mark.parametrize("shape", SHAPES[1:])
def test_float32_at_each_precision(shape: tuple[int, ...], precision: str) -> None:
    case = make(*shape).on("cuda")
    wanted, exact = case.information_and_gradients("eager")
    torch.set_float32_matmul_precision(precision)
    got, gradients = case.to(torch.float32).information_and_gradients("fused")
    assert distance(got, wanted) < TOLERANCE[precision]
    for name, gradient in gradients.items():
        of_samples = name in ("a", "b") and precision == "highest"
        compare = distance_of_most if of_samples else distance
        assert compare(gradient, exact[name]) < TOLERANCE[precision], name


@pytest.mark.parametrize("shape", SHAPES)
def test_same_bits_again_and_alone(shape: tuple[int, ...]) -> None:
    case = make(*shape).to(torch.float32).on("cuda")
    together, gradients = case.information_and_gradients("fused")
    again, same = case.information_and_gradients("fused")
    assert torch.equal(together, again)
    assert all(torch.equal(gradients[name], same[name]) for name in gradients)
    for index in range(shape[0]):
        assert torch.equal(case.member(index).information("fused")[0], together[index])


def test_another_stream_and_a_graph() -> None:
    case = make(2, 500, 5, 6, 40).to(torch.float32).on("cuda")
    expected = case.information("fused")
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        got = case.information("fused")
    stream.synchronize()
    assert torch.equal(got, expected)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = case.information("fused")
    case.a.mul_(0.5)
    graph.replay()
    assert torch.equal(captured, case.information("fused"))
    assert not torch.equal(captured, expected)


@pytest.mark.parametrize("hidden", [20, 130])
def test_large_scores_do_not_overflow(hidden: int) -> None:
    case = make(1, 300, 3, 3, hidden).on("cuda")
    weights = case.weights._replace(weight_out=case.weights.weight_out * 1e4)
    case = case._replace(weights=weights)
    exact = case.information("eager")
    assert distance(case.information("fused"), exact) < 1e-10
    assert distance(case.to(torch.float32).information("fused"), exact) < 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("hidden", [20, 130])
def test_not_a_number_shows(hidden: int, dtype: torch.dtype) -> None:
    case = make(1, 300, 3, 3, hidden).on("cuda").to(dtype)
    case.weights.weight_out[0, 3] = float("nan")
    information, gradients = case.information_and_gradients("fused")
    assert information.isnan().all()
    assert all(gradients[name].isnan().all() for name in ("a", "b", "weight_a"))


@pytest.mark.parametrize("marginal", [False, True])
def test_noise_drawn_by_the_kernels_is_the_keyed_one(marginal: bool) -> None:
    # 7 variables: most rows begin inside a four of the stream. Normals of the two agree to 1e-6.
    case = make(2, 700, 7, 8, 20, marginal=marginal, noise=True)
    on_cpu, exact = case.information_and_gradients("eager")
    got, gradients = case.on("cuda").information_and_gradients("fused")
    assert distance(got.cpu(), on_cpu) < 1e-5
    for name, gradient in gradients.items():
        assert distance(gradient.cpu(), exact[name]) < 1e-5, name


def test_samples_may_be_columns_of_something_wider() -> None:
    case = make(2, 300, 4, 5, 8).on("cuda")
    rates = torch.cat([case.a, case.b], dim=2)
    columns = case._replace(a=rates[..., :4], b=rates[..., 4:])
    assert torch.equal(columns.information("fused"), case.information("fused"))


def test_mixed_devices_are_refused() -> None:
    case = make(1, 30, 3, 4, 5, noise=True).on("cuda")
    assert case.noise is not None
    with pytest.raises(ValueError, match="b: expected a tensor on cuda:0 like a, got cpu"):
        case._replace(b=case.b.cpu()).information("fused")
    seeds = case.noise.seeds.cpu()
    with pytest.raises(ValueError, match=r"noise.seeds: expected a tensor on cuda:0"):
        case._replace(noise=case.noise._replace(seeds=seeds)).information("fused")


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one CUDA device")
def test_second_device_while_the_first_is_current() -> None:
    case = make(1, 300, 3, 4, 20)
    other = case.on("cuda:1")
    got = other.information("fused")
    assert got.device == torch.device("cuda:1")
    assert distance(got.cpu(), case.information("eager")) < 1e-10


def test_a_permutation_that_is_none_shows() -> None:
    case = make(2, 300, 3, 3, 20).on("cuda")
    case.permutation[1, 7] = 300
    assert case.information("fused").isnan().tolist() == [False, True]
