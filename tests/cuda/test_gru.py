"""The GRU on the GPU: against the eager definition in float64; the same bits every time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from midiff_fast.ops._common import Backend
from midiff_fast.ops.gru import gru
from tests.ops.gru_cases import Arguments, make
from tests.ops.test_gru import Reference, check_reference, relative

# E, B, T, I, H: one of every resident kernel, its edges, several sequences a block, and what none
# of them takes.
SHAPES = [
    (1, 1, 1, 1, 1),
    (2, 3, 9, 3, 13),
    (3, 20, 70, 4, 40),
    (2, 7, 33, 3, 100),
    (1, 2, 40, 7, 110),
    (5, 50, 12, 3, 100),
    (1, 3, 7, 3, 200),
    (1, 2, 6, 40, 9),
    (2, 4, 0, 3, 10),
    (2, 0, 6, 3, 10),
]


def on_device(arguments: Arguments, dtype: torch.dtype = torch.float64) -> Arguments:
    return Arguments(*(tensor.to("cuda", dtype) for tensor in arguments))


def gradients_of(arguments: Arguments, backend: Backend, grad: Tensor) -> list[Tensor]:
    arguments = arguments.with_gradients()
    states = gru(*arguments, backend=backend)
    wanted = torch.autograd.grad(states, arguments, grad, materialize_grads=True)
    return [states.detach(), *wanted]


def upstream(arguments: Arguments) -> Tensor:
    members, batch, steps, _ = arguments.input.shape
    size = (members, batch, steps, arguments.weight_hh.shape[2])
    generator = torch.Generator().manual_seed(1)
    return torch.randn(size, generator=generator, dtype=torch.float64).to(arguments.input)


@pytest.mark.parametrize("shape", SHAPES)
def test_float64_equals_eager(shape: tuple[int, ...]) -> None:
    arguments = on_device(make(*shape))
    grad = upstream(arguments)
    fused, eager = gradients_of(arguments, "fused", grad), gradients_of(arguments, "eager", grad)
    for got, wanted in zip(fused, eager, strict=True):
        assert relative(got, wanted) < 1e-10


@pytest.mark.parametrize("shape", SHAPES)
def test_float32_against_float64(shape: tuple[int, ...]) -> None:
    arguments = on_device(make(*shape))
    grad = upstream(arguments)
    exact = gradients_of(arguments, "eager", grad)
    single = on_device(arguments, torch.float32)
    for got, wanted in zip(gradients_of(single, "fused", grad.float()), exact, strict=True):
        assert got.dtype == torch.float32
        assert relative(got.double(), wanted) < 2e-5


def test_chunks_of_the_backward_pass_join() -> None:
    """Long enough for several chunks of time."""
    arguments = on_device(make(1, 50, 2500, 3, 100), torch.float32)
    grad = upstream(arguments)
    exact = of_torch(arguments, grad)
    for got, wanted in zip(gradients_of(arguments, "fused", grad), exact, strict=True):
        assert relative(got.double(), wanted.double()) < 1e-4


def of_torch(arguments: Arguments, grad: Tensor) -> list[Tensor]:
    """States and gradients of torch.nn.GRU in float64, for one member."""
    inputs, units = arguments.input.shape[-1], arguments.h0.shape[-1]
    module = torch.nn.GRU(inputs, units, batch_first=True, device="cuda", dtype=torch.float64)
    with torch.no_grad():
        for parameter, weight in zip(module.parameters(), arguments[2:], strict=True):
            parameter.copy_(weight[0])
    input, h0 = (tensor.double().requires_grad_() for tensor in arguments[:2])
    states, _ = module(input[0], h0)
    wanted = torch.autograd.grad(states, [input, h0, *module.parameters()], grad[0].double())
    return [states[None], wanted[0], wanted[1], *(w[None] for w in wanted[2:])]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_same_bits_again_and_alone(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    arguments = on_device(make(*shape), dtype)
    grad = upstream(arguments)
    together = gradients_of(arguments, "fused", grad)
    again = gradients_of(arguments, "fused", grad)
    assert all(torch.equal(a, b) for a, b in zip(together, again, strict=True))
    for index in range(shape[0]):
        alone = gradients_of(arguments.member(index), "fused", grad[index : index + 1])
        assert all(torch.equal(a[index], b[0]) for a, b in zip(together, alone, strict=True))


def test_last_state_alone() -> None:
    arguments = on_device(make(2, 3, 9, 3, 40), torch.float32)
    every = gru(*arguments, backend="fused")
    last = gru(*arguments, keep="last", backend="fused")
    assert torch.equal(every[:, :, -1], last)


def test_another_stream() -> None:
    arguments = on_device(make(2, 3, 200, 3, 40), torch.float32)
    expected = gru(*arguments, backend="fused")
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        got = gru(*arguments, backend="fused")
    stream.synchronize()
    assert torch.equal(got, expected)


def test_graph_capture() -> None:
    arguments = on_device(make(2, 3, 50, 3, 40), torch.float32)
    grad = upstream(arguments)
    gradients_of(arguments, "fused", grad)  # warm
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = gradients_of(arguments, "fused", grad)
    arguments.input.mul_(0.5)
    graph.replay()
    expected = gradients_of(arguments, "fused", grad)
    assert all(torch.equal(a, b) for a, b in zip(captured, expected, strict=True))


def test_compiles_whole() -> None:
    arguments = on_device(make(1, 3, 20, 3, 40), torch.float32)

    def loss(*tensors: Tensor) -> Tensor:
        return gru(*Arguments(*tensors), backend="fused").square().mean()

    compiled = torch.compile(loss, fullgraph=True)
    one, other = arguments.with_gradients(), arguments.with_gradients()
    loss(*one).backward()
    compiled(*other).backward()
    for a, b in zip(one, other, strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert relative(b.grad, a.grad) < 1e-5


def test_strided_and_expanded_arguments() -> None:
    arguments = on_device(make(2, 3, 9, 4, 20))
    strided = arguments._replace(
        input=arguments.input.transpose(1, 2).contiguous().transpose(1, 2),
        h0=arguments.h0[:, :1].expand(-1, 3, -1),
    )
    grad = upstream(arguments)
    fused, eager = gradients_of(strided, "fused", grad), gradients_of(strided, "eager", grad)
    for got, wanted in zip(fused, eager, strict=True):
        assert relative(got, wanted) < 1e-10


def test_reproduces_the_authors_code() -> None:
    check_reference(Reference(torch.float32, "cuda"), "fused")


def test_mixed_devices_are_refused() -> None:
    arguments = on_device(make(1, 2, 3, 2, 5), torch.float32)
    with pytest.raises(ValueError, match="h0: expected a tensor on cuda"):
        gru(*arguments._replace(h0=arguments.h0.cpu()))


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one CUDA device")
def test_second_device_while_the_first_is_current() -> None:
    arguments = on_device(make(1, 2, 30, 2, 40), torch.float32)
    expected = gru(*arguments, backend="fused")
    moved = Arguments(*(t.to("cuda:1") for t in arguments))
    with torch.cuda.device(0):
        got = gru(*moved, backend="fused")
    assert got.device == moved.input.device
    assert torch.equal(got.cpu(), expected.cpu())


def test_more_than_2_to_the_31_elements() -> None:
    """Offsets are 64-bit: the last sequence of a tensor of 2.2e9 states equals itself run alone."""
    batch, steps, units = 1100, 50_000, 40
    free, _ = torch.cuda.mem_get_info()
    if free < 3 * 4 * batch * steps * units:
        pytest.skip("not enough memory on the GPU")
    weights = on_device(make(1, 1, 1, 1, units), torch.float32)[2:]
    generator = torch.Generator("cuda").manual_seed(0)
    input = torch.randn(1, batch, steps, 1, device="cuda", generator=generator)
    h0 = torch.zeros(1, batch, units, device="cuda")
    states = gru(input, h0, *weights, backend="fused")
    alone = gru(input[:, -1:], h0[:, -1:], *weights, backend="fused")
    assert torch.equal(states[:, -1:], alone)
