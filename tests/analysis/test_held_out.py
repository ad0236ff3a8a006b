"""The freshly trained critic on Gaussian pairs, whose mutual information is known."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch

from midiff_fast.analysis import CriticBudget, held_out_information
from midiff_fast.analysis.held_out import Pairs, noisy_pairs, shuffled

SEEDS = torch.tensor([3, 4])
BUDGET = CriticBudget(hidden_size=32, steps=150, samples=1_000)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Many small products: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def gaussian_pairs(correlation: float, samples: int, generator: torch.Generator) -> Pairs:
    a = torch.randn(len(SEEDS), samples, 1, generator=generator)
    rest = torch.randn(len(SEEDS), samples, 1, generator=generator)
    return Pairs(a, correlation * a + math.sqrt(1 - correlation**2) * rest)


def test_gaussian_pair_and_its_shuffled_null() -> None:
    generator = torch.Generator().manual_seed(0)
    train = gaussian_pairs(0.75, 10_000, generator)
    test = gaussian_pairs(0.75, 10_000, generator)
    found = held_out_information(train, test, SEEDS, BUDGET)
    assert found.tolist() == pytest.approx([-0.5 * math.log(1 - 0.75**2)] * 2, abs=0.04)
    null = held_out_information(shuffled(train, SEEDS, 0), shuffled(test, SEEDS, 1), SEEDS, BUDGET)
    assert null.tolist() == pytest.approx([0.0, 0.0], abs=0.02)


def test_a_critic_cannot_report_what_it_memorised() -> None:
    generator = torch.Generator().manual_seed(0)
    few = Pairs(torch.randn(2, 30, 4, generator=generator), torch.randn(2, 30, 4))
    many = Pairs(torch.randn(2, 5_000, 4, generator=generator), torch.randn(2, 5_000, 4))
    budget = CriticBudget(hidden_size=32, steps=150, samples=30)
    assert (held_out_information(few, few, SEEDS, budget) > 1.0).all()
    assert (held_out_information(few, many, SEEDS, budget) < 0.1).all()


def test_a_member_alone_gets_what_it_gets_in_an_ensemble() -> None:
    generator = torch.Generator().manual_seed(0)
    pairs = gaussian_pairs(0.5, 500, generator)
    budget = CriticBudget(hidden_size=8, steps=5, samples=100)
    both = held_out_information(pairs, pairs, SEEDS, budget)
    alone = held_out_information(
        Pairs(*(v[1:] for v in pairs)),
        pairs._replace(a=pairs.a[1:], b=pairs.b[1:]),
        SEEDS[1:],
        budget,
    )
    assert alone.item() == pytest.approx(both[1].item(), abs=1e-5)


def test_noise_is_on_both_groups_and_differs_between_draws() -> None:
    states = torch.zeros(2, 4, 500, 6)
    pairs = noisy_pairs(states, SEEDS, 0, 0.1)
    assert pairs.a.shape == pairs.b.shape == (2, 2_000, 3)
    for group in pairs:
        assert group.std().item() == pytest.approx(0.1, rel=0.05)
    assert not torch.equal(pairs.a, noisy_pairs(states, SEEDS, 1, 0.1).a)
    assert torch.equal(noisy_pairs(states, SEEDS, 0, 0.0).a, torch.zeros(2, 2_000, 3))


@pytest.mark.parametrize("name", ["hidden_size", "steps", "samples", "learning_rate"])
def test_budget_must_be_positive(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: "):
        CriticBudget(**{name: 0})
