"""Numbers of the GRU: against the authors' code, torch.nn.GRU, eager, and differences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from midiff_fast import _load, functional
from midiff_fast.ops._common import Backend
from midiff_fast.ops.gru import gru
from tests.ops.gru_cases import Arguments, make

needs_compiled = pytest.mark.skipif(not _load.available, reason=_load.reason)
BACKENDS = ["eager", pytest.param("fused", marks=needs_compiled)]
DATA = Path(__file__).parents[1] / "data"


def relative(got: Tensor, wanted: Tensor) -> float:
    """Largest difference relative to the largest number wanted."""
    if wanted.numel() == 0:
        return 0.0
    got, wanted = got.detach(), wanted.detach()
    return float((got - wanted).abs().max() / wanted.abs().max().clamp_min(1e-30))


def upstream(shape: torch.Size, dtype: torch.dtype) -> Tensor:
    """What the loss says about every state."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def states_and_gradients(arguments: Arguments, backend: Backend) -> tuple[Tensor, list[Tensor]]:
    """States, and the gradients of a random linear function of them for every tensor."""
    arguments = arguments.with_gradients()
    states = gru(*arguments, backend=backend)
    grad = upstream(states.shape, states.dtype)
    gradients = torch.autograd.grad(states, arguments, grad, materialize_grads=True)
    return states.detach(), list(gradients)


def of_torch(arguments: Arguments) -> tuple[Tensor, list[Tensor]]:
    """The same by torch.nn.GRU, a module per member."""
    members, _, _, inputs = arguments.input.shape
    units = arguments.weight_hh.shape[2]
    results = []
    for index in range(members):
        input, h0, *weights = (t[index] for t in arguments.with_gradients())
        module = torch.nn.GRU(inputs, units, batch_first=True, dtype=input.dtype)
        module.load_state_dict(dict(zip(dict(module.named_parameters()), weights, strict=True)))
        input, h0 = (t.detach().requires_grad_() for t in (input, h0[None]))
        states = module(input, h0)[0]
        grad = upstream(torch.Size([members, *states.shape]), states.dtype)[index]
        gradients = torch.autograd.grad(states, [input, h0, *module.parameters()], grad)
        results.append([states.detach(), gradients[0], gradients[1][0], *gradients[2:]])
    states, *all_gradients = (torch.stack(parts) for parts in zip(*results, strict=True))
    return states, all_gradients


class Reference:
    """The numbers that the authors' code printed, in this package's orientation and gate order."""

    def __init__(self, dtype: torch.dtype, device: str = "cpu") -> None:
        with np.load(DATA / "gru_separation.npz") as file:
            self.raw = {key: torch.from_numpy(file[key]).to(device) for key in file.files}
        self.dtype = dtype

    def __getitem__(self, key: str) -> Tensor:
        return self.raw[key].to(self.dtype)

    def weights(self, kind: str) -> dict[str, Tensor]:
        """Weights (``kind`` "w") or their gradients ("g")."""
        bias_ih, bias_hh = self._gates(self[f"{kind}_bias"])
        return {
            "weight_ih": self._gates(self[f"{kind}_kernel"]).T,
            "weight_hh": self._gates(self[f"{kind}_recurrent_kernel"]).T,
            "bias_ih": bias_ih,
            "bias_hh": bias_hh,
            "weight_out": self[f"{kind}_out_kernel"].T,
            "bias_out": self[f"{kind}_out_bias"],
        }

    def _gates(self, tensor: Tensor) -> Tensor:
        """Keras' update, reset, candidate in the order reset, update, candidate."""
        update, reset, candidate = tensor.chunk(3, dim=-1)
        return torch.cat([reset, update, candidate], dim=-1)


def check_reference(reference: Reference, backend: Backend) -> None:
    """States and losses within 1e-5, gradients within 1e-4 of what the authors' code printed."""
    weights = {key: w.clone().requires_grad_() for key, w in reference.weights("w").items()}
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    start = reference["inputs"].new_zeros(len(reference["inputs"]), 100)
    of_gru = (weights[name] for name in names)
    states = functional.gru(reference["inputs"], start, *of_gru, backend=backend)
    outputs = states @ weights["weight_out"].T + weights["bias_out"]
    washout = int(reference.raw["washout"])
    task = (outputs - reference["target"])[:, washout:].square().mean()
    kernels = weights["weight_ih"].square().sum() + weights["weight_hh"].square().sum()
    decay = reference["lambda_l2"] * kernels
    decay = decay + reference["lambda_l2_output"] * weights["weight_out"].square().sum()
    assert relative(states, reference["hidden"]) < 1e-5
    assert relative(outputs, reference["output"]) < 1e-5
    assert task.item() == pytest.approx(float(reference.raw["task_loss"]), rel=1e-5)
    assert decay.item() == pytest.approx(float(reference.raw["reg_loss"]), rel=1e-5)
    (task + decay).backward()
    for key, wanted in reference.weights("g").items():
        gradient = weights[key].grad
        assert gradient is not None
        assert relative(gradient, wanted) < 1e-4, key


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_reproduces_the_authors_code(dtype: torch.dtype, backend: Backend) -> None:
    check_reference(Reference(dtype), backend)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=40, deadline=None)
@given(
    members=st.integers(1, 3),
    batch=st.integers(1, 19),
    steps=st.integers(1, 40),
    inputs=st.integers(1, 35),
    units=st.integers(1, 70),
)
def test_equals_torch_in_float64(
    backend: Backend, members: int, batch: int, steps: int, inputs: int, units: int
) -> None:
    arguments = make(members, batch, steps, inputs, units)
    states, gradients = states_and_gradients(arguments, backend)
    wanted_states, wanted = of_torch(arguments)
    assert states.shape == wanted_states.shape
    assert relative(states, wanted_states) < 1e-10
    for got, want in zip(gradients, wanted, strict=True):
        assert got.shape == want.shape
        assert relative(got, want) < 1e-10


@needs_compiled
@pytest.mark.parametrize(
    "shape", [(2, 0, 5, 3, 4), (2, 3, 0, 3, 4), (0, 3, 5, 3, 4), (1, 0, 0, 1, 1), (1, 300, 3, 2, 5)]
)
def test_sizes_at_the_ends(shape: tuple[int, ...]) -> None:
    """No sequences, steps or members; more sequences than a team of a group takes."""
    arguments = make(*shape)
    states, gradients = states_and_gradients(arguments, "fused")
    wanted_states, wanted = states_and_gradients(arguments, "eager")
    assert states.shape == wanted_states.shape
    assert relative(states, wanted_states) < 1e-10
    for got, want in zip(gradients, wanted, strict=True):
        assert got.shape == want.shape
        assert relative(got, want) < 1e-10


@needs_compiled
@pytest.mark.parametrize("units", [40, 100, 130])
def test_fused_in_float32_is_near_float64(units: int) -> None:
    exact = make(2, 11, 60, 4, units)
    single = Arguments(*(t.float() for t in exact))
    wanted_states, wanted = states_and_gradients(exact, "eager")
    states, gradients = states_and_gradients(single, "fused")
    assert relative(states.double(), wanted_states) < 3e-6
    for got, want in zip(gradients, wanted, strict=True):
        assert relative(got.double(), want) < 3e-6


@needs_compiled
def test_long_sequences_cross_many_chunks() -> None:
    arguments = make(1, 7, 1500, 2, 30)
    states, gradients = states_and_gradients(arguments, "fused")
    wanted_states, wanted = of_torch(arguments)
    assert relative(states, wanted_states) < 1e-10
    for got, want in zip(gradients, wanted, strict=True):
        assert relative(got, want) < 1e-10


@needs_compiled
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_saturated_gates(dtype: torch.dtype) -> None:
    """Sums far beyond what exp takes leave the gates at 0 and 1, and no gradient."""
    arguments = make(1, 5, 6, 3, 9, dtype=dtype)
    for factor in (1e3, 1e30):
        large = arguments._replace(weight_ih=arguments.weight_ih * factor)
        states, gradients = states_and_gradients(large, "fused")
        wanted_states, wanted = states_and_gradients(large, "eager")
        torch.testing.assert_close(states, wanted_states, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(gradients[1], wanted[1], rtol=1e-4, atol=1e-5)


def sliced(tensor: Tensor) -> Tensor:
    """The same numbers, every axis strided."""
    wide = tensor.new_zeros([2 * size for size in tensor.shape])
    view = wide[tuple(slice(None, None, 2) for _ in tensor.shape)]
    view.copy_(tensor)
    return view


def time_first(tensor: Tensor) -> Tensor:
    """The same numbers, stored with axes 1 and 2 exchanged."""
    if tensor.dim() < 3:
        return tensor
    return tensor.transpose(1, 2).contiguous().transpose(1, 2)


@needs_compiled
@pytest.mark.parametrize("layout", [sliced, time_first])
def test_strides_do_not_matter(layout: Callable[[Tensor], Tensor]) -> None:
    arguments = make(2, 3, 5, 4, 7)
    strided = Arguments(*(layout(t) for t in arguments))
    states, gradients = states_and_gradients(arguments, "fused")
    other_states, others = states_and_gradients(strided, "fused")
    assert torch.equal(states, other_states)
    assert all(torch.equal(a, b) for a, b in zip(gradients, others, strict=True))


@needs_compiled
@pytest.mark.parametrize(
    ("members", "batch", "inputs", "units"), [(1, 2, 2, 3), (2, 1, 1, 1), (1, 1, 3, 5)]
)
@pytest.mark.parametrize("steps", [0, 1, 2, 7])
def test_gradcheck(members: int, batch: int, steps: int, inputs: int, units: int) -> None:
    arguments = make(members, batch, steps, inputs, units).with_gradients()

    def states(*tensors: Tensor) -> Tensor:
        return gru(*tensors, backend="fused")

    assert torch.autograd.gradcheck(states, tuple(arguments))


@needs_compiled
@pytest.mark.parametrize("layout", [sliced, time_first])
def test_gradcheck_non_contiguous(layout: Callable[[Tensor], Tensor]) -> None:
    arguments = make(2, 2, 3, 2, 3)
    tensors = tuple(layout(t).detach().requires_grad_() for t in arguments)

    def states(*tensors: Tensor) -> Tensor:
        # The transposed result makes the gradient that comes back non-contiguous too.
        return gru(*tensors, backend="fused").transpose(1, 3)

    assert torch.autograd.gradcheck(states, tensors)


@needs_compiled
def test_gradcheck_expanded() -> None:
    single = make(1, 1, 3, 2, 3).with_gradients()

    def total(*tensors: Tensor) -> Tensor:
        sizes = ((2, 2, 3, 2), (2, 2, 3), (2, 9, 2), (2, 9, 3), (2, 9), (2, 9))
        wide = (t.expand(*size) for t, size in zip(tensors, sizes, strict=True))
        states = gru(*wide, backend="fused")
        return states.sum((0, 3))  # its gradient is an expanded tensor

    assert torch.autograd.gradcheck(total, tuple(single))


@needs_compiled
@pytest.mark.parametrize("asked", range(6))
def test_each_gradient_alone(asked: int) -> None:
    """Asking for one gradient gives the same bits as asking for all."""
    arguments = make(2, 6, 9, 3, 8)
    everything = states_and_gradients(arguments, "fused")[1][asked]
    tensors = [t.detach().requires_grad_(i == asked) for i, t in enumerate(arguments)]
    states = gru(*tensors, backend="fused")
    states.backward(upstream(states.shape, states.dtype))
    gradient = tensors[asked].grad
    assert gradient is not None
    assert torch.equal(gradient, everything)
    assert all(t.grad is None for i, t in enumerate(tensors) if i != asked)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("steps", [0, 1, 6])
@pytest.mark.parametrize("gradients", [False, True])
def test_keep_last(steps: int, gradients: bool, backend: Backend) -> None:
    arguments = make(2, 7, steps, 3, 5)
    if gradients:
        arguments = arguments.with_gradients()
    last = gru(*arguments, keep="last", backend=backend)
    states = gru(*arguments, backend=backend)
    assert torch.equal(last, states[:, :, -1] if steps else arguments.h0)
    assert last.data_ptr() != arguments.h0.data_ptr()
    if gradients:
        got = torch.autograd.grad(last.sum(), arguments.h0)[0]
        wanted = states[:, :, -1].sum() if steps else arguments.h0.sum()
        assert torch.equal(got, torch.autograd.grad(wanted, arguments.h0)[0])


@needs_compiled
def test_not_a_number_stays_where_it_arises() -> None:
    """NaN in one sequence reaches neither its neighbours nor other members; weights' NaN shows."""
    arguments = make(2, 7, 4, 3, 9)
    clean = gru(*arguments, backend="fused")
    arguments.input[1, 3, 2, 0] = float("nan")
    states = gru(*arguments, backend="fused")
    assert states[1, 3, 2:].isnan().all()
    states[1, 3, 2:] = clean[1, 3, 2:]
    assert torch.equal(states, clean)
    arguments = make(1, 2, 4, 3, 9)
    arguments.weight_hh[0, 4, 2] = float("nan")
    fused, eager = (gru(*arguments, backend=b).isnan() for b in ("fused", "eager"))
    assert torch.equal(fused, eager)
    assert fused.any()
    assert not fused.all()
