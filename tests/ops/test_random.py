"""Keyed random numbers: against published answers, an independent Philox and their distribution."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import scipy.stats
import torch

from midiff_fast import _load, reference
from midiff_fast.ops import random
from midiff_fast.ops._common import Backend

needs_compiled = pytest.mark.skipif(not _load.available, reason=_load.reason)
BACKENDS = ["eager", pytest.param("fused", marks=needs_compiled)]
SEEDS = torch.tensor([1001, -3, 2**40 + 7], dtype=torch.int64)


def philox(counter: tuple[int, ...], key: tuple[int, ...]) -> list[int]:
    """Philox 4x32-10 on Python integers, from Salmon et al. (SC 2011), section 4."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [
            (p1 >> 32) ^ c[1] ^ k[0],
            p1 & 0xFFFFFFFF,
            (p0 >> 32) ^ c[3] ^ k[1],
            p0 & 0xFFFFFFFF,
        ]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def words(seed: int, purpose: int, step: int, count: int) -> list[int]:
    """The first words of a stream, by :func:`philox`."""
    key = (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF)
    blocks = (philox((block, 0, step, purpose), key) for block in range((count + 3) // 4))
    return [word for block in blocks for word in block][:count]


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000",
         "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
         "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
         "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)  # fmt: skip
def test_the_independent_philox_gives_the_published_answers(
    counter: str, key: str, expected: str
) -> None:
    def parse(text: str) -> tuple[int, ...]:
        return tuple(int(word, 16) for word in text.split())

    assert tuple(philox(parse(counter), parse(key))) == parse(expected)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 31, 32, 33, 64, 65, 127])
def test_uniforms_are_the_top_bits_of_philox(backend: Backend, count: int) -> None:
    for dtype in (torch.float32, torch.float64):
        got = random.uniform(SEEDS, 3, 0xFFFFFFFF, (count,), dtype=dtype, backend=backend)
        expected = [
            [(word >> 8) / 2**24 for word in words(int(seed), 3, 0xFFFFFFFF, count)]
            for seed in SEEDS
        ]
        assert got.dtype == dtype
        assert got.tolist() == expected


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 31, 32, 33, 64, 65, 127])
def test_normals_are_box_muller_on_philox(backend: Backend, count: int) -> None:
    expected = np.empty((len(SEEDS), count))
    for row, seed in zip(expected, SEEDS, strict=True):
        stream = words(int(seed), 5, 12, count + count % 2)
        for i in range(count):
            first, second = stream[i & ~1], stream[i | 1]
            radius = math.sqrt(-2 * math.log((first + 0.5) / 2**32))
            angle = 2 * math.pi * second / 2**32
            row[i] = radius * (math.sin(angle) if i % 2 else math.cos(angle))
    for dtype, tolerance in ((torch.float32, 1e-6), (torch.float64, 1e-14)):
        got = random.normal(SEEDS, 5, 12, (count,), dtype=dtype, backend=backend)
        np.testing.assert_allclose(got.numpy(), expected, rtol=0, atol=tolerance)


@needs_compiled
def test_many_normals_are_close_to_the_definition() -> None:
    """A million draws reach the corners: radii near 0 and beyond 5, every quadrant's edges."""
    fused = random.normal(SEEDS, 5, 0, (1_000_003,), backend="fused").double()
    exact = reference.normal(SEEDS, 5, 0, 1_000_003, torch.float64)
    assert (fused - exact).abs().max() < 1e-6
    small = exact.abs() < 1e-3
    assert ((fused - exact).abs()[small] / exact.abs()[small]).median() < 1e-6


@needs_compiled
@pytest.mark.parametrize("count", [0, 1, 2, 3, 1000, 100_003])
def test_permutation_is_the_reference_permutation(count: int) -> None:
    fused = random.permutation(SEEDS, 8, 4, count, backend="fused")
    assert torch.equal(fused, reference.permutation(SEEDS, 8, 4, count))


@pytest.mark.parametrize("backend", BACKENDS)
def test_permutation_is_a_bijection_and_depends_on_every_key(backend: Backend) -> None:
    count = 5000
    rows = [
        random.permutation(torch.tensor([seed]), purpose, step, count, backend=backend)[0]
        for seed, purpose, step in ((1, 8, 0), (2, 8, 0), (1, 9, 0), (1, 8, 1))
    ]
    for row in rows:
        assert torch.equal(row.sort().values, torch.arange(count))
    for other in rows[1:]:
        assert (rows[0] == other).float().mean() < 0.01


@needs_compiled
def test_equal_keys_keep_their_order() -> None:
    """With 200,000 words of 32 bits some five are equal; a sort that is not stable swaps them."""
    seeds = torch.arange(4)
    bits = reference.philox_bits(seeds, 8, 0, 200_000)
    assert any(len(row.unique()) < 200_000 for row in bits)
    fused = random.permutation(seeds, 8, 0, 200_000, backend="fused")
    sorted_bits = bits.gather(1, fused)
    steps = sorted_bits.diff(dim=1)
    assert (steps >= 0).all()
    assert (fused.diff(dim=1)[steps == 0] > 0).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_distributions(backend: Backend) -> None:
    """Kolmogorov-Smirnov at a fixed seed, moments, and no correlation between neighbours."""
    count = 200_000
    uniform = random.uniform(SEEDS[:1], 3, 0, (count,), backend=backend)[0].double().numpy()
    normal = random.normal(SEEDS[:1], 5, 0, (count,), backend=backend)[0].double().numpy()
    assert scipy.stats.kstest(uniform, "uniform").pvalue > 0.001
    assert scipy.stats.kstest(normal, "norm").pvalue > 0.001
    error = 5 / math.sqrt(count)
    assert abs(normal.mean()) < error
    assert abs(normal.var() - 1) < error * math.sqrt(2)
    assert abs((normal**4).mean() - 3) < error * math.sqrt(96)
    for shift in (1, 2, 3, 4):
        assert abs((normal[shift:] * normal[:-shift]).mean()) < error


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_member_draws_alone_what_it_draws_in_an_ensemble(backend: Backend) -> None:
    for member in range(len(SEEDS)):
        alone = SEEDS[member : member + 1]
        for dtype in (torch.float32, torch.float64):
            for draw in (random.uniform, random.normal):
                together = draw(SEEDS, 5, 9, (3, 7, 11), dtype=dtype, backend=backend)
                single = draw(alone, 5, 9, (3, 7, 11), dtype=dtype, backend=backend)
                assert torch.equal(together[member : member + 1], single)
        together = random.permutation(SEEDS, 8, 9, 777, backend=backend)
        single = random.permutation(alone, 8, 9, 777, backend=backend)
        assert torch.equal(together[member : member + 1], single)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_shorter_draw_is_the_beginning_of_a_longer_one(backend: Backend) -> None:
    long = random.normal(SEEDS, 5, 9, (70_001,), backend=backend)
    assert torch.equal(random.normal(SEEDS, 5, 9, (33,), backend=backend), long[:, :33])


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@needs_compiled
@pytest.mark.usefixtures("threads")
def test_the_number_of_threads_does_not_matter() -> None:
    draws = []
    for count in (1, 2):
        torch.set_num_threads(count)
        draws.append(
            (
                random.normal(SEEDS, 5, 0, (300_001,)),
                random.uniform(SEEDS, 5, 0, (300_001,)),
                random.permutation(SEEDS, 5, 0, 3001),
            )
        )
    for one, two in zip(*draws, strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("backend", BACKENDS)
def test_std_scales(backend: Backend) -> None:
    plain = random.normal(SEEDS, 5, 0, (1000,), backend=backend)
    scaled = random.normal(SEEDS, 5, 0, (1000,), std=0.1, backend=backend)
    torch.testing.assert_close(scaled, 0.1 * plain, rtol=2e-7, atol=0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_empty(backend: Backend) -> None:
    none = torch.empty(0, dtype=torch.int64)
    assert random.normal(none, 5, 0, (4, 2), backend=backend).shape == (0, 4, 2)
    assert random.uniform(SEEDS, 5, 0, (4, 0), backend=backend).shape == (3, 4, 0)
    assert random.permutation(SEEDS, 5, 0, 0, backend=backend).shape == (3, 0)
    assert random.normal(SEEDS, 5, 0, (), backend=backend).shape == (3,)


@needs_compiled
def test_seeds_may_be_strided() -> None:
    seeds = torch.arange(12)[::4]
    assert torch.equal(
        random.uniform(seeds, 1, 0, (9,), backend="fused"),
        random.uniform(seeds.clone(), 1, 0, (9,), backend="eager"),
    )


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"seeds: expected \[E\], got \[2, 3\]"):
        random.normal(torch.zeros(2, 3, dtype=torch.int64), 1, 0, (4,))
    with pytest.raises(TypeError, match="seeds: expected int64, got float32"):
        random.normal(torch.zeros(2), 1, 0, (4,))
    with pytest.raises(TypeError, match=r"seeds: expected a tensor \[E\], got list"):
        random.normal([1, 2], 1, 0, (4,))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"step: expected 0 to 2\^32 - 1, got -1"):
        random.uniform(SEEDS, 1, -1, (4,))
    with pytest.raises(ValueError, match="purpose: expected"):
        random.uniform(SEEDS, 2**32, 0, (4,))
    with pytest.raises(ValueError, match=r"size: expected lengths of 0 or more, got \[4, -2\]"):
        random.uniform(SEEDS, 1, 0, (4, -2))
    with pytest.raises(TypeError, match="dtype: expected float32 or float64, got float16"):
        random.normal(SEEDS, 1, 0, (4,), dtype=torch.float16)
    with pytest.raises(ValueError, match="backend: expected one of"):
        random.permutation(SEEDS, 1, 0, 4, backend="fast")  # type: ignore[arg-type]


@needs_compiled
def test_the_ops_check_by_themselves() -> None:
    with pytest.raises(RuntimeError, match=r"seeds: expected \[E\] = \[\*\], got \[1, 1\]"):
        torch.ops.midiff.uniform(torch.zeros(1, 1, dtype=torch.int64), 1, 0, 4, torch.float32)
    with pytest.raises(RuntimeError, match="seeds: expected Long, got Float"):
        torch.ops.midiff.permutation(torch.zeros(1), 1, 0, 4)
    with pytest.raises(RuntimeError, match="count: expected 0 or more, got -4"):
        torch.ops.midiff.permutation(SEEDS, 1, 0, -4)
    with pytest.raises(RuntimeError, match="dtype: expected float32 or float64"):
        torch.ops.midiff.normal(SEEDS, 1, 0, 4, 1.0, torch.float16)


@needs_compiled
def test_opcheck() -> None:
    for dtype in (torch.float32, torch.float64):
        torch.library.opcheck(torch.ops.midiff.uniform, (SEEDS, 1, 0, 9, dtype))
        torch.library.opcheck(torch.ops.midiff.normal, (SEEDS, 1, 0, 9, 0.5, dtype))
    torch.library.opcheck(torch.ops.midiff.permutation, (SEEDS, 1, 0, 9))


@needs_compiled
def test_compiles_into_one_graph_for_all_steps() -> None:
    def draw(seeds: torch.Tensor, step: int) -> torch.Tensor:
        return random.normal(seeds, 5, step, (4, 3)) + random.uniform(seeds, 5, step, (4, 3))

    compiled = torch.compile(draw, fullgraph=True, backend="aot_eager", dynamic=True)
    for step in (2, 3, 4):
        assert torch.equal(compiled(SEEDS, step), draw(SEEDS, step))
