"""Numbers of the leaky RNN: against the authors' code, the eager definition, and differences."""

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
from midiff_fast.nn import fold_feedback
from midiff_fast.ops._common import Backend
from midiff_fast.ops.leaky import leaky_rnn
from tests.ops.leaky_cases import Arguments, make

needs_compiled = pytest.mark.skipif(not _load.available, reason=_load.reason)
BACKENDS = ["eager", pytest.param("fused", marks=needs_compiled)]
DATA = Path(__file__).parents[1] / "data"
REFERENCES = ["leaky_wm.npz", "leaky_feedback.npz"]


def relative(got: Tensor, wanted: Tensor) -> float:
    """Largest difference relative to the largest number wanted."""
    if wanted.numel() == 0:
        return 0.0
    got, wanted = got.detach(), wanted.detach()
    return float((got - wanted).abs().max() / wanted.abs().max().clamp_min(1e-30))


def run(arguments: Arguments, alpha: float, backend: Backend) -> Tensor:
    return leaky_rnn(*arguments[:5], alpha, arguments.noise, backend=backend)


def states_and_gradients(
    arguments: Arguments, alpha: float, backend: Backend, seed: int = 1
) -> tuple[Tensor, list[Tensor]]:
    """States, and the gradients of a random linear function of them for every tensor."""
    arguments = arguments.with_gradients()
    states = run(arguments, alpha, backend)
    generator = torch.Generator().manual_seed(seed)
    grad = torch.randn(states.shape, generator=generator, dtype=torch.float64).to(states.dtype)
    gradients = torch.autograd.grad(states, arguments.tensors(), grad, materialize_grads=True)
    return states.detach(), list(gradients)


class Reference:
    """One file of numbers that the authors' code printed, in this package's orientation."""

    def __init__(self, name: str, dtype: torch.dtype, device: str = "cpu") -> None:
        with np.load(DATA / name) as file:
            self.raw = {key: torch.from_numpy(file[key]).to(device) for key in file.files}
        self.dtype = dtype

    def __getitem__(self, key: str) -> Tensor:
        value = self.raw[key].to(self.dtype)
        return value.T if key[:4] in ("w_W_", "g_W_") else value

    def losses(
        self, weights: dict[str, Tensor], backend: Backend
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """States, outputs, task loss and decay loss; the feedback folded in where there is one."""
        w = weights
        feedback = bool(self.raw["use_feedback"])
        weight_hh, bias = w["W_rec"], w["bias"]
        if feedback:
            weight_hh, bias = fold_feedback(weight_hh, bias, w["W_fb"], w["W_out"], w["b_out"])
        states = functional.leaky_rnn(
            self["inputs"],
            self["x0"],
            w["W_in"],
            weight_hh,
            bias,
            float(self.raw["alpha"]),
            self["noise"],
            backend=backend,
        )
        outputs = torch.tanh(states) @ w["W_out"].T + w["b_out"]
        task = (outputs - self["target"]).square().mean()
        decay = self["c_reg"] * (w["W_rec"].square().sum() + w["W_out"].square().sum())
        decay = decay + self["c_reg_in"] * w["W_in"].square().sum()
        if feedback:
            decay = decay + self["c_reg_in"] * w["W_fb"].square().sum()
        return states, outputs, task, decay


def check_reference(reference: Reference, backend: Backend) -> None:
    """States and losses within 1e-5, gradients within 1e-4 of what the authors' code printed."""
    names = ["W_in", "W_rec", "bias", "W_out", "b_out"]
    names += ["W_fb"] if bool(reference.raw["use_feedback"]) else []
    weights = {key: reference[f"w_{key}"].clone().requires_grad_() for key in names}
    states, outputs, task, decay = reference.losses(weights, backend)
    assert relative(states, reference["x"]) < 1e-5
    assert relative(torch.tanh(states), reference["r"]) < 1e-5
    assert relative(outputs, reference["z"]) < 1e-5
    assert task.item() == pytest.approx(float(reference.raw["task_loss"]), rel=1e-5)
    assert decay.item() == pytest.approx(float(reference.raw["reg_loss"]), rel=1e-5)
    (task + decay).backward()
    for key, weight in weights.items():
        assert weight.grad is not None
        assert relative(weight.grad, reference[f"g_{key}"]) < 1e-4, key


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", REFERENCES)
def test_reproduces_the_authors_code(name: str, dtype: torch.dtype, backend: Backend) -> None:
    check_reference(Reference(name, dtype), backend)


@needs_compiled
@settings(max_examples=60, deadline=None)
@given(
    members=st.integers(1, 3),
    batch=st.integers(0, 13),
    steps=st.integers(0, 40),
    inputs=st.integers(1, 19),
    units=st.integers(1, 70),
    noise=st.booleans(),
    alpha=st.sampled_from([0.1, 0.35, 1.0]),
)
def test_fused_equals_eager_in_float64(
    members: int, batch: int, steps: int, inputs: int, units: int, noise: bool, alpha: float
) -> None:
    arguments = make(members, batch, steps, inputs, units, noise=noise)
    states, gradients = states_and_gradients(arguments, alpha, "fused")
    wanted_states, wanted = states_and_gradients(arguments, alpha, "eager")
    assert states.shape == wanted_states.shape
    assert relative(states, wanted_states) < 1e-10
    for got, want in zip(gradients, wanted, strict=True):
        assert got.shape == want.shape
        assert relative(got, want) < 1e-10


@needs_compiled
@pytest.mark.parametrize("units", [40, 100, 130])
def test_fused_in_float32_is_near_float64(units: int) -> None:
    exact = make(2, 11, 60, 4, units)
    single = Arguments(*(None if t is None else t.float() for t in exact))  # type: ignore[arg-type]
    wanted_states, wanted = states_and_gradients(exact, 0.2, "eager")
    states, gradients = states_and_gradients(single, 0.2, "fused")
    assert relative(states.double(), wanted_states) < 3e-6
    for got, want in zip(gradients, wanted, strict=True):
        assert relative(got.double(), want) < 3e-6


@needs_compiled
def test_long_sequences_cross_many_chunks() -> None:
    arguments = make(1, 7, 1500, 2, 9)
    states, gradients = states_and_gradients(arguments, 0.1, "fused")
    wanted_states, wanted = states_and_gradients(arguments, 0.1, "eager")
    assert relative(states, wanted_states) < 1e-10
    for got, want in zip(gradients, wanted, strict=True):
        assert relative(got, want) < 1e-10


@needs_compiled
def test_more_sequences_than_groups() -> None:
    """Beyond 160 sequences a group of the weight gradients holds several blocks."""
    arguments = make(2, 173, 3, 2, 5)
    gradients = states_and_gradients(arguments, 0.3, "fused")[1]
    wanted = states_and_gradients(arguments, 0.3, "eager")[1]
    for got, want in zip(gradients, wanted, strict=True):
        assert relative(got, want) < 1e-10


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
    strided = Arguments(*(None if t is None else layout(t) for t in arguments))  # type: ignore[arg-type]
    states, gradients = states_and_gradients(arguments, 0.2, "fused")
    other_states, others = states_and_gradients(strided, 0.2, "fused")
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
        return run(Arguments(*tensors), 0.3, "fused")

    assert torch.autograd.gradcheck(states, arguments.tensors())


@needs_compiled
@pytest.mark.parametrize("layout", [sliced, time_first])
def test_gradcheck_non_contiguous(layout: Callable[[Tensor], Tensor]) -> None:
    arguments = make(2, 2, 3, 2, 3)
    tensors = [layout(t).detach().requires_grad_() for t in arguments.tensors()]

    def states(*tensors: Tensor) -> Tensor:
        # The transposed result makes the gradient that comes back non-contiguous too.
        return run(Arguments(*tensors), 1.0, "fused").transpose(1, 3)

    assert torch.autograd.gradcheck(states, tensors)


@needs_compiled
def test_gradcheck_expanded() -> None:
    single = make(1, 1, 3, 2, 3).with_gradients()

    def total(*tensors: Tensor) -> Tensor:
        input, h0, weight_ih, weight_hh, bias, noise = tensors
        states = leaky_rnn(
            input.expand(2, 2, 3, 2),
            h0.expand(2, 2, 3),
            weight_ih.expand(2, 3, 2),
            weight_hh.expand(2, 3, 3),
            bias.expand(2, 3),
            0.4,
            noise.expand(2, 2, 3, 3),
            backend="fused",
        )
        return states.sum((0, 3))  # its gradient is an expanded tensor

    assert torch.autograd.gradcheck(total, single.tensors())


@needs_compiled
@pytest.mark.parametrize("asked", range(6))
def test_each_gradient_alone(asked: int) -> None:
    """Asking for one gradient gives the same bits as asking for all."""
    arguments = make(2, 6, 9, 3, 8)
    everything = states_and_gradients(arguments, 0.2, "fused")[1][asked]
    tensors = [t.detach().requires_grad_(i == asked) for i, t in enumerate(arguments.tensors())]
    states = run(Arguments(*tensors), 0.2, "fused")
    generator = torch.Generator().manual_seed(1)
    grad = torch.randn(states.shape, generator=generator, dtype=states.dtype)
    states.backward(grad)
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
    last = leaky_rnn(*arguments[:5], 0.2, arguments.noise, keep="last", backend=backend)
    states = run(arguments, 0.2, backend)
    assert torch.equal(last, states[:, :, -1] if steps else arguments.h0)
    assert last.data_ptr() != arguments.h0.data_ptr()
    if gradients:
        got = torch.autograd.grad(last.sum(), arguments.h0)[0]
        wanted = states[:, :, -1].sum() if steps else arguments.h0.sum()
        assert torch.equal(got, torch.autograd.grad(wanted, arguments.h0)[0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_elman_network_of_torch(backend: Backend) -> None:
    """At α = 1 without noise, tanh x_t is the hidden state of torch's RNN."""
    torch.manual_seed(3)
    rnn = torch.nn.RNN(3, 6, batch_first=True, dtype=torch.float64)
    input = torch.randn(4, 9, 3, dtype=torch.float64)
    weights = {name: weight.detach() for name, weight in rnn.named_parameters()}
    bias = weights["bias_ih_l0"] + weights["bias_hh_l0"]
    start = torch.zeros(4, 6, dtype=torch.float64)
    states = functional.leaky_rnn(
        input, start, weights["weight_ih_l0"], weights["weight_hh_l0"], bias, 1.0, backend=backend
    )
    torch.testing.assert_close(torch.tanh(states), rnn(input)[0], rtol=1e-12, atol=1e-12)


@needs_compiled
def test_not_a_number_stays_where_it_arises() -> None:
    """NaN in one sequence reaches neither its neighbours nor other members; weights' NaN shows."""
    arguments = make(2, 7, 4, 3, 9)
    clean = run(arguments, 0.2, "fused")
    arguments.input[1, 3, 2, 0] = float("nan")
    states = run(arguments, 0.2, "fused")
    assert states[1, 3, 2:].isnan().all()
    states[1, 3, 2:] = clean[1, 3, 2:]
    assert torch.equal(states, clean)
    arguments = make(1, 2, 4, 3, 9)
    arguments.weight_hh[0, 4, 2] = float("nan")
    fused, eager = (run(arguments, 0.2, b).isnan() for b in ("fused", "eager"))
    assert torch.equal(fused, eager)
    assert fused.any()
    assert not fused.all()
