"""Keyed draws: right distributions, keyed by sample and index, shared where they must be, nothing leaks outside."""

from __future__ import annotations

import random

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from fer_bench.engine.draws import KeyedDraws, bits, isolated_generators, key_of
from fer_bench.errors import AttackError


def keys(*names: str) -> torch.Tensor:
    return torch.tensor([key_of(name) for name in names])


def drawing(seed: int, stream: str, *names: str) -> KeyedDraws:
    draws = KeyedDraws(seed)
    draws.begin(stream, keys(*names))
    return draws


def splitmix_finaliser(z: int) -> int:
    """The published 64-bit finaliser, in Python's unbounded integers."""
    mask = (1 << 64) - 1
    z &= mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


@given(st.integers(0, 2**62), st.integers(0, 2**62), st.integers(0, 1000), st.integers(0, 2**62))
def test_bits_agree_with_an_implementation_in_unbounded_integers(seed, stream, index, key):
    base = splitmix_finaliser(key + seed * 3 + stream)
    base = splitmix_finaliser(base + (index + 1) * 0x9E3779B97F4A7C15)
    expected = [splitmix_finaliser(base + count * 0x9E3779B97F4A7C15) for count in (1, 2, 3)]
    found = bits(seed, stream, index, torch.tensor([key]), 3)[0].tolist()
    assert [value % 2**64 for value in found] == expected


def test_the_distributions_are_what_torch_promises():
    names = [str(i) for i in range(64)]
    with drawing(1, "a", *names):
        uniform = torch.rand(64, 3, 16, 16, dtype=torch.float64)
        normal = torch.randn_like(uniform)
        between = torch.empty_like(uniform).uniform_(-2, 3)
        shifted = torch.zeros_like(uniform).normal_(5, 0.5)
        whole = torch.randint(2, 7, (20_000,))
        coins = torch.empty(20_000).bernoulli_(0.25)
    assert scipy.stats.kstest(uniform.flatten(), "uniform").pvalue > 1e-3
    assert scipy.stats.kstest(normal.flatten(), "norm").pvalue > 1e-3
    assert scipy.stats.kstest(between.flatten(), "uniform", args=(-2, 5)).pvalue > 1e-3
    assert scipy.stats.kstest(shifted.flatten(), "norm", args=(5, 0.5)).pvalue > 1e-3
    assert scipy.stats.chisquare(np.bincount(whole.numpy(), minlength=7)[2:]).pvalue > 1e-3
    assert scipy.stats.binomtest(int(coins.sum()), 20_000, 0.25).pvalue > 1e-3
    assert abs(np.corrcoef(uniform.flatten(), normal.flatten())[0, 1]) < 0.01


def test_a_draw_belongs_to_its_sample_whatever_the_batch():
    with drawing(3, "restart 0", "a", "b", "c"):
        first, second = torch.rand(3, 1, 5, 4), torch.empty(3, 1, 5, 4).normal_()
    with drawing(3, "restart 0", "c", "a"):
        assert torch.equal(torch.rand(torch.Size([2, 1, 5, 4])), first[[2, 0]])  # integers: nothing is rounded
        # Logarithm and cosine may round by the place in memory; the draw of another sample is off by about 1.
        torch.testing.assert_close(torch.randn((2, 1, 5, 4)), second[[2, 0]], rtol=0, atol=1e-5)


def test_float32_and_float64_see_the_same_uniform_draw():
    with drawing(3, "", "a"):
        low = torch.rand(1, 1, 50, 50, dtype=torch.float32)
    with drawing(3, "", "a"):
        high = torch.rand(1, 1, 50, 50, dtype=torch.float64)
    assert torch.equal(low.double(), high)


@pytest.mark.parametrize("change", ["seed", "stream", "sample", "index"])
def test_every_part_of_the_key_changes_the_draw(change):
    with drawing(3, "restart 0", "a"):
        before = torch.rand(1, 1, 4, 4)
    seed, stream, name = (
        (4 if change == "seed" else 3),
        ("restart 1" if change == "stream" else "restart 0"),
        "a",
    )
    with drawing(seed, stream, "b" if change == "sample" else name):
        if change == "index":
            torch.rand(1, 1, 4, 4)
        assert not torch.equal(torch.rand(1, 1, 4, 4), before)


def test_a_draw_that_is_not_one_image_per_row_is_shared_by_all_rows():
    with drawing(3, "", "a", "b", "c"):
        many = (torch.rand([1]), torch.rand([3, 1, 1]), torch.randperm(9))
    with drawing(3, "", "b"):
        one = (torch.rand([1]), torch.rand([3, 1, 1]), torch.randperm(9))
    assert all(torch.equal(x, y) for x, y in zip(many, one, strict=True))
    assert sorted(many[2].tolist()) == list(range(9))


def test_noise_for_another_number_of_rows_is_refused_and_named():
    with drawing(3, "", "a", "b"), pytest.raises(AttackError, match="3 rows while 2 samples"):
        torch.rand(3, 1, 4, 4)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: torch.multinomial(torch.ones(3), 1),
        lambda: torch.ones(3).exponential_(),
        lambda: torch.normal(0.0, torch.ones(2)),
    ],
)
def test_a_random_function_without_a_keyed_form_is_refused(draw):
    with drawing(3, "", "a"), pytest.raises(AttackError, match="no keyed form"):
        draw()


def test_a_draw_from_the_callers_own_generator_is_left_alone():
    own = torch.Generator().manual_seed(11)
    expected = torch.rand(2, generator=torch.Generator().manual_seed(11))
    with drawing(3, "", "a"):
        assert torch.equal(torch.rand(2, generator=own), expected)


@pytest.mark.parametrize("fails", [False, True])
def test_the_global_generators_are_restored_also_after_an_exception(fails):
    def state():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()

    before = state()
    try:
        with isolated_generators(5):
            torch.manual_seed(0)
            random.random(), np.random.rand(), torch.rand(3)
            if fails:
                raise RuntimeError
    except RuntimeError:
        pass
    assert state() == before
