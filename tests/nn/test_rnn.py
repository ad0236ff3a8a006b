"""What the RNN has of its own: its nonlinearity, and an initial state that folds in exactly."""

from __future__ import annotations

import pytest
import torch

import midiff_fast as mf


def test_is_the_leaky_rnn_without_a_leak() -> None:
    rnn = mf.RNN(4, 7)
    leaky = mf.LeakyRNN(4, 7, alpha=1.0)
    with torch.no_grad():
        leaky.weight_ih_l0.copy_(rnn.weight_ih_l0)
        leaky.weight_hh_l0.copy_(rnn.weight_hh_l0)
        leaky.bias_l0.copy_(rnn.bias_ih_l0 + rnn.bias_hh_l0)
    input = torch.randn(6, 2, 4)
    assert torch.equal(rnn(input)[0], torch.tanh(leaky(input)[0]))


@pytest.mark.parametrize("size", [1.0 - 1e-16, 1.0, 3.0, 1e6])
def test_initial_states_that_no_tanh_reaches(size: float) -> None:
    """In float32 to its last digits: through atanh nothing of this would survive."""
    rnn = mf.RNN(4, 7)
    wanted = torch.nn.RNN(4, 7)
    wanted.load_state_dict(rnn.state_dict())
    input = torch.randn(6, 2, 4)
    hx = (size * torch.randn(1, 2, 7).sign()).requires_grad_()
    results = []
    for module in (rnn, wanted):
        output, _ = module(input, hx)
        results.append((output, *torch.autograd.grad(output.sum(), [hx, *module.parameters()])))
    torch.testing.assert_close(results[0], results[1])


def test_state_carried_over_equals_one_long_sequence() -> None:
    rnn = mf.RNN(4, 7, batch_first=True)
    input = torch.randn(2, 9, 4)
    whole, last = rnn(input)
    first, between = rnn(input[:, :4])
    second, end = rnn(input[:, 4:], between)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(end, last)


def test_initial_values_of_the_paper() -> None:
    rnn = mf.RNN(4, 60)
    rnn.reset_parameters(torch.tensor([1001]))
    leaky = mf.LeakyRNN(4, 60)
    leaky.reset_parameters(torch.tensor([1001]))
    assert torch.equal(rnn.weight_ih_l0, leaky.weight_ih_l0)
    assert torch.equal(rnn.weight_hh_l0, leaky.weight_hh_l0)
    assert not rnn.bias_ih_l0.any()


def test_nonlinearities() -> None:
    assert mf.RNN(4, 7, 1, "tanh").nonlinearity == "tanh"
    with pytest.raises(NotImplementedError, match="RNN: nonlinearity='relu' is not implemented"):
        mf.RNN(4, 7, nonlinearity="relu")
    with pytest.raises(ValueError, match="nonlinearity: expected 'tanh', got 'sigmoid'"):
        mf.RNN(4, 7, nonlinearity="sigmoid")  # type: ignore[arg-type]
