"""The modules LeakyRNN and Readout, and the feedback that folds into the recurrence."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from midiff_fast import functional
from midiff_fast.nn import GRU, MINE, LeakyRNN, Readout, accelerate, fold_feedback


def normal(*size: int) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(len(size)))


def accelerated(module: nn.Module) -> nn.Module:
    accelerate(module)
    return module


def test_parameters_are_named_and_shaped_like_those_of_torch() -> None:
    names = {name: tuple(p.shape) for name, p in LeakyRNN(4, 7).named_parameters()}
    assert names == {"weight_ih_l0": (7, 4), "weight_hh_l0": (7, 7), "bias_l0": (7,)}
    names = {name: tuple(p.shape) for name, p in LeakyRNN(4, 7, ensemble=3).named_parameters()}
    assert names == {"weight_ih_l0": (3, 7, 4), "weight_hh_l0": (3, 7, 7), "bias_l0": (3, 7)}


def test_equals_the_function() -> None:
    rnn = LeakyRNN(4, 7, alpha=0.3, batch_first=True)
    torch.nn.init.normal_(rnn.bias_l0)
    input, h0, noise = normal(2, 5, 4), normal(2, 7), normal(2, 5, 7)
    states, last = rnn(input, h0, noise)
    weights = rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_l0
    assert torch.equal(states, functional.leaky_rnn(input, h0, *weights, 0.3, noise))
    assert torch.equal(last, states[:, -1])
    zeros = functional.leaky_rnn(input, torch.zeros(2, 7), *weights, 0.3)
    assert torch.equal(rnn(input)[0], zeros)


@pytest.mark.parametrize("ensemble", [None, 3])
def test_time_first_and_unbatched_are_the_same_network(ensemble: int | None) -> None:
    lead = () if ensemble is None else (ensemble,)
    batch_first = LeakyRNN(4, 7, batch_first=True, ensemble=ensemble)
    time_first = LeakyRNN(4, 7, ensemble=ensemble)
    time_first.load_state_dict(batch_first.state_dict())
    input, h0, noise = normal(*lead, 2, 5, 4), normal(*lead, 2, 7), normal(*lead, 2, 5, 7)
    states, last = batch_first(input, h0, noise)
    assert states.shape == (*lead, 2, 5, 7)
    assert last.shape == (*lead, 2, 7)
    other, other_last = time_first(input.transpose(-3, -2), h0, noise.transpose(-3, -2))
    assert torch.equal(other, states.transpose(-3, -2))
    assert torch.equal(other_last, last)
    for rnn in (batch_first, time_first):
        one, one_last = rnn(input.select(-3, 1), h0.select(-2, 1), noise.select(-3, 1))
        torch.testing.assert_close(one, states.select(-3, 1))
        torch.testing.assert_close(one_last, last.select(-2, 1))


def test_ensemble_member_is_the_network_alone() -> None:
    seeds = torch.tensor([5, 6, 7])
    ensemble = LeakyRNN(4, 7, ensemble=3, batch_first=True)
    ensemble.reset_parameters(seeds)
    readout = Readout(7, 2, ensemble=3)
    readout.reset_parameters(seeds)
    input, h0 = normal(3, 2, 5, 4), normal(3, 2, 7)
    outputs = readout(ensemble(input, h0)[0])
    for member in range(3):
        alone = LeakyRNN(4, 7, batch_first=True)
        alone.reset_parameters(seeds[member : member + 1])
        alone_readout = Readout(7, 2)
        alone_readout.reset_parameters(seeds[member : member + 1])
        result = alone_readout(alone(input[member], h0[member])[0])
        assert torch.equal(result, outputs[member])


def test_state_carried_over_equals_one_long_sequence() -> None:
    rnn = LeakyRNN(4, 7, batch_first=True)
    input = normal(2, 9, 4)
    whole, last = rnn(input)
    first, between = rnn(input[:, :4])
    second, end = rnn(input[:, 4:], between)
    assert torch.equal(torch.cat([first, second], 1), whole)
    assert torch.equal(end, last)


@pytest.mark.parametrize("gradients", [False, True])
def test_keep_last(gradients: bool) -> None:
    rnn = LeakyRNN(4, 7)
    input = normal(6, 2, 4)
    wanted = rnn(input)[1]
    with torch.set_grad_enabled(gradients):
        states, last = rnn(input, keep="last")
    assert states is None
    assert torch.equal(last, wanted)
    assert last.requires_grad == gradients


def test_no_steps() -> None:
    rnn = LeakyRNN(4, 7, noise_std=0.1)
    h0 = normal(2, 7)
    states, last = rnn(normal(0, 2, 4), h0)
    assert states.shape == (0, 2, 7)
    assert torch.equal(last, h0)


def test_noise_has_the_given_deviation_and_follows_torchs_generator() -> None:
    rnn = LeakyRNN(1, 50, alpha=0.1, noise_std=0.2).eval()
    torch.nn.init.zeros_(rnn.weight_hh_l0)
    input = torch.zeros(400, 8, 1)
    torch.manual_seed(0)
    states, _ = rnn(input)
    torch.manual_seed(0)
    assert torch.equal(rnn(input)[0], states)
    assert not torch.equal(rnn(input)[0], states)
    # Without weights x_t = 0.9 x_{t-1} + ξ_t, so ξ is what is left.
    noise = states[1:] - 0.9 * states[:-1]
    assert noise.std().item() == pytest.approx(0.2, rel=0.02)  # 160,000 draws
    assert torch.equal(rnn(input, noise=torch.zeros(400, 8, 50))[0], torch.zeros(400, 8, 50))


def test_default_initial_values_follow_torchs_generator() -> None:
    torch.manual_seed(4)
    one = LeakyRNN(4, 60)
    two = LeakyRNN(4, 60)
    torch.manual_seed(4)
    again = LeakyRNN(4, 60)
    assert torch.equal(one.weight_hh_l0, again.weight_hh_l0)
    assert not torch.equal(one.weight_hh_l0, two.weight_hh_l0)
    assert one.weight_hh_l0.std().item() == pytest.approx(60**-0.5, rel=0.05)
    assert one.weight_ih_l0.abs().max() <= (6 / 64) ** 0.5
    assert not one.bias_l0.any()


def test_feedback_folds_into_the_recurrence() -> None:
    """Against a loop over time that feeds the output back step by step, in float64."""
    rnn = LeakyRNN(3, 6, alpha=0.25, dtype=torch.float64, batch_first=True)
    readout = Readout(6, 2, dtype=torch.float64)
    torch.nn.init.normal_(readout.bias)
    weight_fb = normal(6, 2).double().requires_grad_()
    input, state = normal(4, 8, 3).double(), normal(4, 6).double()
    weight_hh, bias = fold_feedback(
        rnn.weight_hh_l0, rnn.bias_l0, weight_fb, readout.weight, readout.bias
    )
    states = functional.leaky_rnn(input, state, rnn.weight_ih_l0, weight_hh, bias, rnn.alpha)
    wanted = []
    for step in range(8):
        drive = input[:, step] @ rnn.weight_ih_l0.T + rnn.bias_l0
        drive = drive + torch.tanh(state) @ rnn.weight_hh_l0.T + readout(state) @ weight_fb.T
        state = 0.75 * state + 0.25 * drive
        wanted.append(state)
    torch.testing.assert_close(states, torch.stack(wanted, 1), rtol=1e-12, atol=1e-12)
    parameters = [weight_fb, *rnn.parameters(), *readout.parameters()]
    got = torch.autograd.grad(readout(states).square().sum(), parameters)
    want = torch.autograd.grad(readout(torch.stack(wanted, 1)).square().sum(), parameters)
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_feedback_of_an_ensemble() -> None:
    parts = normal(3, 6, 6), normal(3, 6), normal(3, 6, 2), normal(3, 2, 6), normal(3, 2)
    weight_hh, bias = fold_feedback(*parts)
    for member in range(3):
        one, one_bias = fold_feedback(*(part[member] for part in parts))
        torch.testing.assert_close(weight_hh[member], one)
        torch.testing.assert_close(bias[member], one_bias)


@pytest.mark.parametrize(
    ("rnn", "arguments", "message"),
    [
        (
            LeakyRNN(4, 7, batch_first=True),
            {"input": normal(20, 30, 3)},
            "input: expected [B, T, 4] or [T, 4], got [20, 30, 3]",
        ),
        (
            LeakyRNN(4, 7, ensemble=2),
            {"input": normal(3, 5, 6, 4)},
            "input: expected [2, T, B, 4] or [2, T, 4], got [3, 5, 6, 4]",
        ),
        (LeakyRNN(4, 7), {"input": normal(4)}, "input: expected [T, B, 4] or [T, 4], got [4]"),
        (
            LeakyRNN(4, 7),
            {"input": normal(5, 2, 4), "h0": normal(1, 2, 7)},
            "h0: expected [2, 7], got [1, 2, 7]",
        ),
        (
            LeakyRNN(4, 7),
            {"input": normal(5, 2, 4), "noise": normal(2, 5, 7)},
            "noise: expected [5, 2, 7], got [2, 5, 7]",
        ),
    ],
)
def test_bad_input(rnn: LeakyRNN, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
        rnn(**arguments)


def test_input_of_another_dtype_than_the_weights() -> None:
    with pytest.raises(TypeError, match="expected float64 like input, got float32"):
        LeakyRNN(4, 7)(normal(5, 2, 4).double())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_size": 0}, "input_size: expected at least 1, got 0"),
        ({"hidden_size": 0}, "hidden_size: expected at least 1, got 0"),
        ({"noise_std": -0.1}, "noise_std: expected a number >= 0, got -0.1"),
    ],
)
def test_bad_construction(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        LeakyRNN(**{"input_size": 4, "hidden_size": 7, **arguments})


def test_readout_of_wrong_states() -> None:
    with pytest.raises(ValueError, match=re.escape("states: expected [..., 7], got [5, 6]")):
        Readout(7, 2)(normal(5, 6))
    with pytest.raises(ValueError, match=re.escape("states: expected [3, ..., 7], got [2, 5, 7]")):
        Readout(7, 2, ensemble=3)(normal(2, 5, 7))


def test_the_last_state_has_memory_of_its_own() -> None:
    with torch.no_grad():
        states, last = LeakyRNN(4, 7, batch_first=True)(normal(2, 5, 4))
    expected = states.clone()
    last.zero_()
    assert torch.equal(states, expected)


@pytest.mark.parametrize("make", [LeakyRNN, Readout, GRU], ids=["LeakyRNN", "Readout", "GRU"])
@pytest.mark.parametrize(("ensemble", "seeds"), [(3, 1), (3, 2), (None, 3)])
def test_seeds_are_one_per_member(make: Any, ensemble: int | None, seeds: int) -> None:
    module = make(4, 7, ensemble=ensemble)
    with pytest.raises(ValueError, match=rf"seeds: expected \[E\] = \[{ensemble or 1}\], got"):
        module.reset_parameters(torch.arange(seeds))
    with pytest.raises(TypeError, match="seeds: expected int64, got float32"):
        module.reset_parameters(torch.zeros(ensemble or 1))


@pytest.mark.parametrize(
    "make",
    [
        lambda b: LeakyRNN(3, 4, backend=b),
        lambda b: GRU(3, 4, backend=b),
        lambda b: MINE(3, 4, backend=b),
    ],
)
def test_an_unknown_backend_is_refused_at_once(make: Any) -> None:
    with pytest.raises(ValueError, match="backend: expected one of"):
        make("fast")


@pytest.mark.parametrize(
    ("module", "input"),
    [
        (LeakyRNN(3, 8), normal(20, 2, 3)),
        (GRU(3, 8), normal(20, 2, 3)),
        (accelerated(nn.GRU(3, 8)), normal(20, 2, 3)),
    ],
    ids=["LeakyRNN", "GRU", "accelerated"],
)
def test_forward_mode_derivatives_are_not_lost(module: nn.Module, input: Tensor) -> None:
    """The compiled ops have none, so "auto" takes the plain definition."""
    module.requires_grad_(False)
    along = normal(20, 2, 3, 1)[..., 0]
    step = 1e-3
    with forward_ad.dual_level():
        output = module(forward_ad.make_dual(input, along))[0]
        tangent = forward_ad.unpack_dual(output).tangent
    assert tangent is not None
    difference = (module(input + step * along)[0] - module(input - step * along)[0]) / (2 * step)
    torch.testing.assert_close(tangent, difference, rtol=1e-2, atol=1e-3)
