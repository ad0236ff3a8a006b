"""What the GRU has of its own; see test_recurrent.py for the rest."""

from __future__ import annotations

import torch

import midiff_fast as mf


def test_initial_values_of_the_paper() -> None:
    """One Glorot limit for the I x 3H input weights, orthonormal recurrent weights, no biases."""
    gru = mf.GRU(3, 50, dtype=torch.float64)
    gru.reset_parameters(torch.tensor([625]))
    limit = (6 / (3 + 150)) ** 0.5
    largest = gru.weight_ih_l0.abs().max().item()
    assert 0.97 * limit < largest <= limit
    product = gru.weight_hh_l0.T @ gru.weight_hh_l0
    torch.testing.assert_close(product, torch.eye(50, dtype=torch.float64))
    assert not gru.bias_ih_l0.any()
    assert not gru.bias_hh_l0.any()


def test_equals_the_function() -> None:
    gru = mf.GRU(3, 5, batch_first=True)
    input, h0 = torch.randn(2, 6, 3), torch.randn(2, 5)
    output, last = gru(input, h0[None])
    assert torch.equal(output, mf.functional.gru(input, h0, *gru.parameters()))
    assert torch.equal(last[0], output[:, -1])
