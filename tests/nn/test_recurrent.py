"""GRU and RNN against torch.nn's: arguments, numbers, gradients, state_dict, refusals."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import midiff_fast as mf
from midiff_fast.ops._common import Backend

PAIRS = [pytest.param(mf.GRU, nn.GRU, id="GRU"), pytest.param(mf.RNN, nn.RNN, id="RNN")]
OURS = [mf.GRU, mf.RNN]


def normal(*size: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(len(size)), dtype=dtype)


class Case(NamedTuple):
    """Arguments of one call; ``batch`` 0 stands for one sequence without a batch axis."""

    steps: int
    batch: int
    inputs: int
    units: int
    bias: bool
    batch_first: bool
    state: bool

    def input(self) -> Tensor:
        size = [self.steps, self.batch] if self.batch else [self.steps]
        if self.batch_first:
            size.reverse()
        return normal(*size, self.inputs)

    def hx(self) -> Tensor | None:
        if not self.state:
            return None
        # Far above 1, where a state before the tanh does not exist.
        return 2.0 * normal(1, *([self.batch] if self.batch else []), self.units)


cases = st.builds(
    Case,
    steps=st.integers(1, 7),
    batch=st.integers(0, 5),
    inputs=st.integers(1, 5),
    units=st.integers(1, 9),
    bias=st.booleans(),
    batch_first=st.booleans(),
    state=st.booleans(),
)


def everything(module: nn.Module, case: Case) -> list[Tensor]:
    """Output, last state, and the gradients of a function of both for every tensor."""
    input, hx = case.input().requires_grad_(), case.hx()
    tensors = [input, *module.parameters()]
    if hx is not None:
        tensors.append(hx.requires_grad_())
    output, last = module(input, hx)
    loss = (output * normal(*output.shape)).sum() + last.square().sum()
    return [output, last, *torch.autograd.grad(loss, tensors)]


@pytest.mark.parametrize("backend", ["auto", "eager"])
@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@settings(max_examples=25, deadline=None)
@given(case=cases)
def test_values_and_gradients_are_those_of_torch(
    ours: Any, theirs: Any, backend: Backend, case: Case
) -> None:
    arguments = (case.inputs, case.units)
    options = {"bias": case.bias, "batch_first": case.batch_first, "dtype": torch.float64}
    wanted = theirs(*arguments, **options)
    module = ours(*arguments, **options, backend=backend)
    module.load_state_dict(wanted.state_dict())
    got, want = everything(module, case), everything(wanted, case)
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_training_goes_as_with_torch(ours: Any, theirs: Any) -> None:
    losses = []
    for kind in (theirs, ours):
        torch.manual_seed(3)
        rnn = kind(3, 8, batch_first=True, dtype=torch.float64)
        head = nn.Linear(8, 2, dtype=torch.float64)
        optimizer = torch.optim.Adam([*rnn.parameters(), *head.parameters()], lr=0.01)
        input, target = normal(6, 12, 3), normal(6, 12, 2).cumsum(1)
        for _ in range(5):
            optimizer.zero_grad()
            loss = (head(rnn(input)[0]) - target).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[5:] == pytest.approx(losses[:5], rel=1e-10)
    assert losses[9] < losses[5]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@pytest.mark.parametrize("bias", [True, False])
def test_same_seed_same_initial_values(ours: Any, theirs: Any, bias: bool) -> None:
    torch.manual_seed(7)
    alone = [theirs(4, 7, bias=bias) for _ in range(3)]
    torch.manual_seed(7)
    one = ours(4, 7, bias=bias)
    torch.manual_seed(7)
    ensemble = ours(4, 7, bias=bias, ensemble=3)
    for name, parameter in alone[0].named_parameters():
        assert torch.equal(one.get_parameter(name), parameter)
        members = torch.stack([module.get_parameter(name) for module in alone])
        assert torch.equal(ensemble.get_parameter(name), members)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@pytest.mark.parametrize("bias", [True, False])
def test_state_dict_both_ways(ours: Any, theirs: Any, bias: bool) -> None:
    module, wanted = ours(4, 7, bias=bias), theirs(4, 7, bias=bias)
    for source, sink in ((wanted, module), (module, theirs(4, 7, bias=bias))):
        sink.load_state_dict(source.state_dict(), strict=True)
        assert list(sink.state_dict()) == list(source.state_dict())
        assert all(torch.equal(sink.state_dict()[n], v) for n, v in source.state_dict().items())


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("state", [True, False])
def test_members_of_an_ensemble_are_networks_alone(ours: Any, state: bool) -> None:
    ensemble = ours(4, 7, ensemble=3, dtype=torch.float64)
    input, hx = normal(3, 6, 2, 4), normal(3, 1, 2, 7) if state else None
    output, last = ensemble(input, hx)
    assert output.shape == (3, 6, 2, 7)
    assert last.shape == (3, 1, 2, 7)
    for member in range(3):
        alone = ours(4, 7, dtype=torch.float64)
        alone.load_state_dict({n: p[member] for n, p in ensemble.state_dict().items()})
        result, end = alone(input[member], None if hx is None else hx[member])
        torch.testing.assert_close(output[member], result)
        torch.testing.assert_close(last[member], end)
        one, one_end = ensemble(input[:, :, 1], None if hx is None else hx[:, :, 1])
        torch.testing.assert_close(one, output[:, :, 1])
        torch.testing.assert_close(one_end, last[:, :, 1])


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("state", [True, False])
@pytest.mark.parametrize("steps", [0, 1, 5])
@pytest.mark.parametrize("gradients", [True, False])
def test_keep_last(ours: Any, state: bool, steps: int, gradients: bool) -> None:
    module = ours(4, 7, dtype=torch.float64)
    input, hx = normal(steps, 2, 4), normal(1, 2, 7) if state else None
    wanted = module(input, hx)[1]
    with torch.set_grad_enabled(gradients):
        output, last = module(input, hx, keep="last")
    assert output is None
    torch.testing.assert_close(last, wanted, rtol=1e-14, atol=1e-14)
    assert last.requires_grad == (gradients and steps > 0)


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("keep", ["all", "last"])
def test_no_steps(ours: Any, keep: Any) -> None:
    module = ours(4, 7)
    hx = normal(1, 2, 7, dtype=torch.float32).requires_grad_()
    output, last = module(torch.empty(0, 2, 4), hx, keep=keep)
    assert output is None or output.shape == (0, 2, 7)
    assert torch.equal(last, hx)
    gradient = torch.autograd.grad(last.sum() + (0 if output is None else output.sum()), hx)[0]
    assert torch.equal(gradient, torch.ones_like(hx))
    assert not module(torch.empty(0, 2, 4), keep=keep)[1].any()


@pytest.mark.parametrize("ours", OURS)
def test_results_lie_in_memory_as_torchs_do(ours: Any) -> None:
    with torch.no_grad():
        output, last = ours(4, 7)(normal(5, 2, 4, dtype=torch.float32))
    before = output.clone()
    output.view(10, 7)
    last.zero_()
    assert torch.equal(output, before)


@pytest.mark.parametrize("ours", OURS)
def test_copies_and_pickles(ours: Any) -> None:
    module = ours(4, 7, ensemble=2, backend="eager", batch_first=True)
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert repr(twin) == repr(module)
        input = normal(2, 3, 5, 4, dtype=torch.float32)
        assert torch.equal(twin(input)[0], module(input)[0])


@pytest.mark.parametrize("ours", OURS)
def test_compiles_as_one_graph(ours: Any) -> None:
    model = nn.Sequential(ours(4, 7, batch_first=True))
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    input = normal(2, 5, 4, dtype=torch.float32)
    results = []
    for function in (model, compiled):
        output, last = function(input)
        loss = output.sum() + last.square().sum()
        results.append((output, last, torch.autograd.grad(loss, list(model.parameters()))))
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_forward_derivatives_of_torch_func(ours: Any, theirs: Any) -> None:
    """The compiled ops have no rule for them, and torch would take zeros without a word."""
    module, wanted = ours(4, 7, dtype=torch.float64), theirs(4, 7, dtype=torch.float64)
    module.load_state_dict(wanted.state_dict())
    input, hx, along = normal(5, 2, 4), normal(1, 2, 7), normal(5, 2, 4).flip(0)
    results = []
    for layer in (module, wanted):
        results.append(torch.func.jvp(lambda x, layer=layer: layer(x, hx)[0], (input,), (along,)))
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize("ours", OURS)
def test_what_code_for_torch_asks(ours: Any) -> None:
    module = ours(4, 7)
    module.flatten_parameters()
    (layer,) = module.all_weights
    assert [p.shape for p in layer] == [p.shape for p in module.parameters()]
    assert (module.num_layers, module.bidirectional, module.dropout) == (1, False, 0.0)


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_layers": 2}, "num_layers=2 is not implemented"),
        ({"dropout": 0.5}, "dropout=0.5 is not implemented"),
        ({"bidirectional": True}, "bidirectional=True is not implemented"),
        ({"proj_size": 3}, "proj_size=3 is not implemented"),
    ],
)
def test_what_is_not_implemented(ours: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(NotImplementedError, match=f"^{ours.__name__}: {message}"):
        ours(4, 7, **arguments)


@pytest.mark.parametrize("ours", OURS)
def test_packed_sequences_are_not_implemented(ours: Any) -> None:
    packed = nn.utils.rnn.pack_sequence([torch.zeros(3, 4), torch.zeros(2, 4)])
    with pytest.raises(NotImplementedError, match="a packed sequence is not implemented"):
        ours(4, 7)(packed)


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize(
    ("options", "input", "hx", "message"),
    [
        ({}, (5, 2, 3), None, "input: expected [T, B, 4] or [T, 4], got [5, 2, 3]"),
        ({}, (4,), None, "input: expected [T, B, 4] or [T, 4], got [4]"),
        (
            {"batch_first": True, "ensemble": 2},
            (3, 5, 6, 4),
            None,
            "input: expected [2, B, T, 4] or [2, T, 4], got [3, 5, 6, 4]",
        ),
        ({}, (5, 2, 4), (2, 7), "hx: expected [1, 2, 7], got [2, 7]"),
        ({}, (5, 4), (1, 1, 7), "hx: expected [1, 7], got [1, 1, 7]"),
        ({"ensemble": 2}, (2, 5, 3, 4), (2, 3, 7), "hx: expected [2, 1, 3, 7], got [2, 3, 7]"),
    ],
)
def test_bad_input(ours: Any, options: dict[str, Any], input: Any, hx: Any, message: str) -> None:
    module = ours(4, 7, **options)
    with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
        module(torch.zeros(input), None if hx is None else torch.zeros(hx))


@pytest.mark.parametrize("ours", OURS)
def test_other_dtypes_than_the_inputs(ours: Any) -> None:
    module, input = ours(4, 7), torch.zeros(5, 2, 4)
    with pytest.raises(TypeError, match="expected float64 like input, got float32"):
        module(input.double())
    with pytest.raises(TypeError, match="expected float32 like input, got float64"):
        module(input, torch.zeros(1, 2, 7, dtype=torch.float64))


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("name", ["input_size", "hidden_size", "num_layers", "ensemble"])
def test_bad_construction(ours: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected at least 1, got 0"):
        ours(**{"input_size": 4, "hidden_size": 7, name: 0})


@pytest.mark.parametrize("ours", OURS)
def test_keyed_members_get_what_their_seeds_give_alone(ours: Any) -> None:
    seeds = torch.tensor([5, 6, 7])
    ensemble = ours(4, 7, ensemble=3)
    ensemble.reset_parameters(seeds)
    for member in range(3):
        alone = ours(4, 7)
        alone.reset_parameters(seeds[member : member + 1])
        for name, parameter in alone.named_parameters():
            assert torch.equal(ensemble.get_parameter(name)[member], parameter)
    with pytest.raises(ValueError, match=re.escape("seeds: expected [E] = [3], got [1]")):
        ensemble.reset_parameters(seeds[:1])
