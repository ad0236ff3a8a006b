"""Keras's update rules, by hand and member by member."""

from __future__ import annotations

import math

import pytest
import torch

from midiff_fast.training.optimizers import Adam, Optimizer, RMSprop, clip_by_norm


def test_rmsprop_has_epsilon_inside_the_root() -> None:
    weight = torch.tensor([[1.0]], dtype=torch.float64)
    optimizer = RMSprop([weight], 0.1)
    expected, square = 1.0, 0.0
    for gradient in (3e-4, -2e-4, 5e-4):  # as small as √ε, so that the place of ε matters
        optimizer.step([torch.tensor([[gradient]], dtype=torch.float64)])
        square = 0.9 * square + 0.1 * gradient**2
        expected -= 0.1 * gradient / math.sqrt(square + 1e-7)
        assert weight.item() == pytest.approx(expected, rel=1e-12)


def test_adam_adds_epsilon_before_the_bias_correction() -> None:
    weight = torch.tensor([[1.0]], dtype=torch.float64)
    optimizer = Adam([weight], 0.1)
    expected, mean, square = 1.0, 0.0, 0.0
    for step, gradient in enumerate((3e-6, -2e-6, 5e-6), start=1):
        optimizer.step([torch.tensor([[gradient]], dtype=torch.float64)])
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        rate = 0.1 * math.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        expected -= rate * mean / (math.sqrt(square) + 1e-7)
        assert weight.item() == pytest.approx(expected, rel=1e-10)


def test_norm_is_clipped_for_every_member_on_its_own() -> None:
    gradient = torch.tensor([[[3.0, 4.0]], [[0.3, 0.4]]])
    clipped = clip_by_norm(gradient, 1.0)
    torch.testing.assert_close(clipped, torch.tensor([[[0.6, 0.8]], [[0.3, 0.4]]]))


def test_elements_are_clipped() -> None:
    weight = torch.zeros(1, 3)
    optimizer = RMSprop([weight], 1.0, clip_value=1.0)
    optimizer.step([torch.tensor([[5.0, -5.0, 1.0]])])
    assert weight[0, 0] == -weight[0, 1] == weight[0, 2]


@pytest.mark.parametrize("kind", [RMSprop, Adam])
def test_members_do_not_see_each_other(kind: type[Optimizer]) -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(3, 40, 33, generator=generator)
    gradients = [torch.randn(3, 40, 33, generator=generator) for _ in range(4)]
    together = start.clone()
    optimizer = kind([together], 0.01, clip_norm=4.0)
    for gradient in gradients:
        optimizer.step([gradient])
    for member in range(3):
        alone = start[member : member + 1].clone()
        optimizer = kind([alone], 0.01, clip_norm=4.0)
        for gradient in gradients:
            optimizer.step([gradient[member : member + 1]])
        assert torch.equal(alone[0], together[member])


@pytest.mark.parametrize("kind", [RMSprop, Adam])
def test_state_continues(kind: type[Optimizer]) -> None:
    gradients = torch.randn(4, 2, 5, generator=torch.Generator().manual_seed(0))
    whole = torch.ones(2, 5)
    optimizer = kind([whole], 0.01)
    for gradient in gradients:
        optimizer.step([gradient])
    parts = torch.ones(2, 5)
    first = kind([parts], 0.01)
    for gradient in gradients[:2]:
        first.step([gradient])
    second = kind([parts], 0.01)
    second.load_state_dict(first.state_dict())
    for gradient in gradients[2:]:
        second.step([gradient])
    assert torch.equal(whole, parts)
